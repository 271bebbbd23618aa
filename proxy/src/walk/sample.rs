//! How much memory a database's keys take, from some of them.

use tenantsdb_codecs::redis::value::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Error;
use super::ask::Asker;
use super::usage::Usage;
use crate::nonce::random;

/// Keys that are measured after a count; the server looks at five elements of each.
const KEYS_MAX: usize = 100;

/// Names, each of those that were offered as likely as any other.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    names: Vec<Box<[u8]>>,
    offered: u64,
}

impl Sample {
    /// One more name: it takes the place of another with the right chance.
    pub(super) fn offer(&mut self, name: Box<[u8]>) {
        self.offered += 1;
        if self.names.len() < KEYS_MAX {
            self.names.push(name);
            return;
        }
        let place = u64::from_be_bytes(random()) % self.offered;
        let place = usize::try_from(place).ok();
        if let Some(kept) = place.and_then(|place| self.names.get_mut(place)) {
            *kept = name;
        }
    }

    /// Asks for the memory that each takes, on a connection of a login that may see the keys, and
    /// notes the average. Keys that are gone count for nothing. Not cancel safe, as [`Asker::ask`].
    ///
    /// # Errors
    ///
    /// The server's answer, or none.
    pub(crate) async fn measure<S>(&self, stream: &mut S, usage: &Usage) -> Result<(), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut asker = Asker::new(stream);
        let (mut bytes, mut keys) = (0_u64, 0_u64);
        for name in &self.names {
            match asker.ask(&[b"MEMORY", b"USAGE", name]).await? {
                Value::Integer(taken) => {
                    bytes = bytes.saturating_add(u64::try_from(taken).unwrap_or(0));
                    keys += 1;
                }
                Value::Null => {}
                _ => return Err(Error::Unexpected("MEMORY USAGE")),
            }
        }
        usage.measured(bytes.div_ceil(keys.max(1)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_names_have_their_chance_too() {
        let mut sample = Sample::default();
        for n in 0..10_000_u32 {
            sample.offer(n.to_be_bytes()[..].into());
        }
        assert_eq!(sample.names.len(), KEYS_MAX);
        let first = 5_000_u32.to_be_bytes();
        let late = sample
            .names
            .iter()
            .filter(|name| name[..] >= first[..])
            .count();
        assert!((20..80).contains(&late), "{late} of {KEYS_MAX}");
    }
}
