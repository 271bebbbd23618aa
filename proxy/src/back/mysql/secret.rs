//! What logs in to servers, learnt from clients' own proofs. It is in memory only, and only while a
//! session or a server connection of that login holds it; then it is wiped.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use dashmap::DashMap;
use subtle::ConstantTimeEq;
use tenantsdb_codecs::secret::Secret;

use crate::pool::key::Key;

/// Entries whose secret is gone are looked for when there are this many more than the last look
/// left, or twice as many.
const SWEEP_MIN: usize = 256;

/// What the proof of a client reveals.
#[derive(Clone)]
pub(crate) enum Proof {
    /// SHA1(password), for `mysql_native_password`.
    Native(Secret<[u8; 20]>),
    /// SHA256(password), for `caching_sha2_password` while the server remembers it.
    Sha2(Secret<[u8; 32]>),
}

/// What is known of one generation of a login's password.
pub(crate) struct Known {
    pub(crate) proof: Proof,
    /// The password itself, once a client had to say it.
    password: OnceLock<Secret<Vec<u8>>>,
}

/// Whose password: server, account, generation.
type Whose = (Box<str>, Box<str>, u64);

/// The secrets of this process.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    known: DashMap<Whose, Weak<Known>>,
    /// How many entries the last look left.
    left: AtomicUsize,
}

// === impl Secrets ===

impl Secrets {
    /// What is known of the login of `key`, whose client has just given this proof.
    pub(crate) fn learn(&self, key: &Key, proof: Proof) -> Arc<Known> {
        let whose = (
            key.server.id.as_str().into(),
            key.user.clone(),
            key.generation,
        );
        self.sweep();
        let mut entry = self.known.entry(whose).or_default();
        match entry.upgrade() {
            // Another proof of the same generation was for another verifier: of a store restored.
            Some(known) if known.proof.equals(&proof) => known,
            _ => {
                let known = Arc::new(Known {
                    proof,
                    password: OnceLock::new(),
                });
                *entry = Arc::downgrade(&known);
                known
            }
        }
    }

    /// Forgets whose secret is gone, now and then.
    fn sweep(&self) {
        let left = self.left.load(Ordering::Relaxed);
        if self.known.len() >= left + left.max(SWEEP_MIN) {
            self.known.retain(|_, known| known.strong_count() > 0);
            self.left.store(self.known.len(), Ordering::Relaxed);
        }
    }
}

// === impl Known ===

impl Known {
    /// The password, if a client has said it.
    pub(crate) fn password(&self) -> Option<&Secret<Vec<u8>>> {
        self.password.get()
    }

    /// Keeps the password. It was compared with the verifier.
    pub(crate) fn set_password(&self, password: Secret<Vec<u8>>) {
        let _ = self.password.set(password); // who came first had the same
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known")
            .field("password", &self.password.get().is_some())
            .finish_non_exhaustive()
    }
}

// === impl Proof ===

impl Proof {
    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Native(one), Self::Native(other)) => one.expose().ct_eq(other.expose()).into(),
            (Self::Sha2(one), Self::Sha2(other)) => one.expose().ct_eq(other.expose()).into(),
            _ => false,
        }
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(..)")
    }
}

#[cfg(test)]
mod tests {
    use tenantsdb_codecs::feed::route::{Server, ServerTls};

    use super::*;

    fn key(generation: u64) -> Key {
        Key {
            server: Arc::new(Server {
                id: "srv_1".to_owned(),
                addr: "127.0.0.1:1".to_owned(),
                tls: ServerTls::Disable,
                version: None,
                mongo: None,
            }),
            database: "app__acme".into(),
            user: "app__acme".into(),
            generation,
            settings: Box::default(),
        }
    }

    fn proof(byte: u8) -> Proof {
        Proof::Sha2(Secret::new([byte; 32]))
    }

    #[test]
    fn a_password_lives_as_long_as_somebody_of_its_generation() {
        let secrets = Secrets::default();
        let first = secrets.learn(&key(1), proof(1));
        first.set_password(Secret::new(b"pw".to_vec()));
        let second = secrets.learn(&key(1), proof(1));
        drop(first);
        assert!(second.password().is_some());
        assert!(secrets.learn(&key(2), proof(2)).password().is_none());
        drop(second);
        assert!(secrets.learn(&key(1), proof(1)).password().is_none());
    }

    #[test]
    fn a_proof_for_another_verifier_gets_no_password() {
        let secrets = Secrets::default();
        let first = secrets.learn(&key(1), proof(1));
        first.set_password(Secret::new(b"pw".to_vec()));
        assert!(secrets.learn(&key(1), proof(2)).password().is_none());
    }

    #[test]
    fn logins_that_are_gone_are_forgotten() {
        let secrets = Secrets::default();
        for generation in 0..10 * SWEEP_MIN as u64 {
            drop(secrets.learn(&key(generation), proof(1)));
        }
        assert!(secrets.known.len() <= SWEEP_MIN, "{}", secrets.known.len());
    }

    #[test]
    fn a_proof_is_not_printed() {
        assert_eq!(format!("{:?}", proof(1)), "Proof(..)");
    }
}
