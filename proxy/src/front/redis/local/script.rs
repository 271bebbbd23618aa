//! What `SCRIPT FLUSH` of one tenant hides from it.
//!
//! The server has one cache of scripts for all, under the digests of their bodies. A tenant that
//! flushes it must not take away the others' scripts; it sees none of it any more instead, but for
//! what it has loaded since. Scripts are bodies of text under their own digests, so that whoever
//! runs one knows what it runs: before the first flush nothing is hidden, and nothing is kept.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tenantsdb_codecs::redis::value::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::walk::Error;
use crate::walk::ask::Asker;

/// Scripts that are known to be loaded since a flush, for one database; the digests of as many
/// take 400 kB. Beyond it all are forgotten, and who runs one is told to load it again.
const SCRIPTS_MAX: usize = 10_000;

/// Room for as many is kept of a database without clients: 4 kB. With more, it sees what the server
/// has again once its last client has gone.
const KEPT_MAX: usize = 128;

/// A script's digest: SHA-1 of its body, binary.
type Digest = [u8; 20];

/// One tenant's view of the server's scripts, in this process.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    /// Nothing but `loaded` is seen.
    is_flushed: AtomicBool,
    loaded: Mutex<HashSet<Digest>>,
}

impl Scripts {
    /// Hides all that the server has.
    pub(crate) fn flush(&self) {
        let mut loaded = self.lock();
        loaded.clear();
        loaded.shrink_to_fit();
        self.is_flushed.store(true, Ordering::Release);
    }

    /// Whether anything is hidden, so that loads must be told.
    pub(crate) fn is_flushed(&self) -> bool {
        self.is_flushed.load(Ordering::Acquire)
    }

    /// Whether this is kept for the next client once the last one has gone.
    pub(crate) fn outlives_clients(&self) -> bool {
        self.is_flushed() && self.lock().capacity() <= KEPT_MAX
    }

    /// The server has answered SCRIPT LOAD with this, or runs an EVAL of it: 40 hexadecimal digits
    /// in any case.
    pub(crate) fn loaded(&self, sha: &[u8]) {
        let Some(digest) = digest(sha).filter(|_| self.is_flushed()) else {
            return;
        };
        let mut loaded = self.lock();
        if loaded.len() >= SCRIPTS_MAX {
            loaded.clear();
        }
        loaded.insert(digest);
    }

    /// Whether the tenant is not to see the script with this digest.
    pub(crate) fn hides(&self, sha: &[u8]) -> bool {
        if !self.is_flushed() {
            return false;
        }
        // What is no digest the server answers: it has none of that name.
        digest(sha).is_some_and(|digest| !self.lock().contains(&digest))
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which of these the tenant sees: one, or zero, for each. Not cancel safe, as [`Asker::ask`].
///
/// # Errors
///
/// The server's answer, or none.
pub(super) async fn exists<S>(
    asker: &mut Asker<'_, S>,
    scripts: &Scripts,
    shas: &[&[u8]],
) -> Result<Vec<i64>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let words = [&[&b"SCRIPT"[..], b"EXISTS"], shas].concat();
    let Value::Array(there) = asker.ask(&words).await? else {
        return Err(Error::Unexpected("SCRIPT EXISTS"));
    };
    let seen = there.iter().zip(shas).map(|(there, sha)| match there {
        Value::Integer(there) if !scripts.hides(sha) => *there,
        _ => 0,
    });
    Ok(seen.collect())
}

/// 40 hexadecimal digits as bytes.
fn digest(sha: &[u8]) -> Option<Digest> {
    if sha.len() != 40 {
        return None;
    }
    let mut digest = Digest::default();
    for (byte, digits) in digest.iter_mut().zip(sha.chunks(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    const OTHER: &[u8] = b"7413dc2440db1fea7c0a0bde841fa68eefaf149c";

    #[test]
    fn a_flush_hides_all_until_it_is_loaded_again() {
        let scripts = Scripts::default();
        scripts.loaded(ONE);
        assert!(!scripts.hides(ONE) && !scripts.hides(OTHER));
        scripts.flush();
        assert!(scripts.hides(ONE) && scripts.hides(OTHER));
        scripts.loaded(&ONE.to_ascii_uppercase());
        assert!(!scripts.hides(ONE) && scripts.hides(OTHER));
        scripts.flush();
        assert!(scripts.hides(ONE));
        assert!(
            !scripts.hides(b"+1"),
            "the server says what is wrong with it"
        );
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let scripts = Scripts::default();
        scripts.flush();
        for n in 0..=SCRIPTS_MAX {
            scripts.loaded(format!("{n:040x}").as_bytes());
        }
        assert!(scripts.lock().len() <= SCRIPTS_MAX);
        assert!(
            !scripts.outlives_clients(),
            "that is for the next client too much"
        );
        scripts.flush();
        assert!(scripts.outlives_clients());
        scripts.loaded(format!("{SCRIPTS_MAX:040x}").as_bytes());
        assert!(!scripts.hides(format!("{SCRIPTS_MAX:040x}").as_bytes()));
    }
}
