//! KEYS of a client: a walk, each name once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Error, Walker, scan};

/// What the names of one answer may take. Redis itself has no such bound, and stops for everybody
/// while it answers.
const NAMES_BYTES_MAX: usize = 64 << 20;

/// What they may take for all answers of the process that are under way.
const PROCESS_BYTES_MAX: usize = 256 << 20;

/// What one name takes beside its bytes, about.
const NAME_BYTES: usize = 48;

/// What answers to KEYS that are being collected take in this process.
#[derive(Debug, Default)]
pub(crate) struct Collecting(AtomicUsize);

/// What one of them takes; given back on drop.
#[derive(Debug)]
struct Held<'a> {
    all: &'a Collecting,
    bytes: usize,
}

impl Held<'_> {
    fn take(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes += bytes;
        let all = self.all.0.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.bytes > NAMES_BYTES_MAX {
            return Err(Error::TooMuch("too many keys for KEYS: use SCAN"));
        }
        if all > PROCESS_BYTES_MAX {
            return Err(Error::TooMuch("too many KEYS under way: use SCAN"));
        }
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Walker<'_, S> {
    /// The client's names that its pattern means. Not cancel safe, as
    /// [`super::ask::Asker::ask`].
    ///
    /// # Errors
    ///
    /// The server's answer, or none; too many names.
    pub(crate) async fn keys(
        &mut self,
        pattern: &[u8],
        collecting: &Collecting,
    ) -> Result<Vec<Box<[u8]>>, Error> {
        let _walking = self.share.walk().await;
        let pattern = self.names.pattern(pattern);
        let mut held = Held {
            all: collecting,
            bytes: 0,
        };
        let mut found = HashSet::new();
        self.walk(&pattern, |page| {
            for name in page {
                let bytes = name.len() + NAME_BYTES;
                if found.insert(name) {
                    held.take(bytes)?;
                }
            }
            Ok(())
        })
        .await?;
        Ok(scan::stripped(&self.names, found.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_collected_is_bounded_and_given_back() {
        let all = Collecting::default();
        let mut held = Held {
            all: &all,
            bytes: 0,
        };
        held.take(NAMES_BYTES_MAX).unwrap();
        assert!(held.take(1).unwrap_err().to_string().contains("SCAN"));
        let mut others: Vec<_> = (0..3)
            .map(|_| Held {
                all: &all,
                bytes: 0,
            })
            .collect();
        let taken: Vec<_> = others
            .iter_mut()
            .map(|it| it.take(NAMES_BYTES_MAX))
            .collect();
        assert!(taken.last().unwrap().is_err());
        drop((held, taken, others));
        assert_eq!(all.0.into_inner(), 0);
    }
}
