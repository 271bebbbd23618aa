//! How many names there are, and some of them.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use tokio::io::{AsyncRead, AsyncWrite};

use super::sample::Sample;
use super::{Error, Walker};

/// Up to as many keys each is counted once for certain: the server may tell a name twice while its
/// table shrinks. Beyond it the count is of what the server tells; half a megabyte for the walk.
const EXACT_KEYS_MAX: usize = 65_536;

/// Names that were counted.
#[derive(Debug, Default)]
struct Tally {
    keys: u64,
    hasher: RandomState,
    /// Digests of the names, while there are few.
    seen: HashSet<u64>,
    sample: Sample,
}

impl Tally {
    fn take(&mut self, name: Box<[u8]>) {
        if self.seen.len() < EXACT_KEYS_MAX && !self.seen.insert(self.hasher.hash_one(&name)) {
            return;
        }
        self.keys += 1;
        self.sample.offer(name);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Walker<'_, S> {
    /// What DBSIZE answers: counted now if that may be, else what the last count found. Not cancel
    /// safe, as [`super::ask::Asker::ask`].
    ///
    /// # Errors
    ///
    /// The server's answer, or none.
    pub(crate) async fn db_size(&mut self) -> Result<u64, Error> {
        let last = self.share.usage.last();
        match self.count(last.is_some()).await? {
            Some(_) => Ok(self.share.usage.last().map_or(0, |counted| counted.keys)),
            None => Ok(last.map_or(0, |counted| counted.keys)),
        }
    }

    /// Counts, and answers some of the names; `None` if it may not be counted now and
    /// `may_give_up`. Not cancel safe, as [`super::ask::Asker::ask`].
    ///
    /// # Errors
    ///
    /// The server's answer, or none.
    pub(crate) async fn count(&mut self, may_give_up: bool) -> Result<Option<Sample>, Error> {
        let Some(walking) = self.share.count(may_give_up).await else {
            return Ok(None);
        };
        let pattern = self.names.pattern(b"*");
        let mut tally = Tally::default();
        self.walk(&pattern, |page| {
            page.into_iter().for_each(|name| tally.take(name));
            Ok(())
        })
        .await?;
        self.share.usage.counted(tally.keys);
        drop(walking);
        Ok(Some(tally.sample))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_comes_twice_is_counted_once() {
        let mut tally = Tally::default();
        for name in [b"a", b"b", b"a"] {
            tally.take(name[..].into());
        }
        assert_eq!(tally.keys, 2);
    }
}
