//! Passwords under RSA, as `caching_sha2_password` has it without TLS: the server's key for ours to
//! it, a key of the fleet for the clients' to us.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rsa::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _, LineEnding};
use rsa::rand_core::UnwrapErr;
use rsa::{PrivateKey, PublicKey};
use sha1::Sha1;
use tenantsdb_codecs::secret::Secret;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tracing::{error, info};

/// Size of a key that we make, as the servers do (`caching_sha2_password_auto_generate_rsa_keys`).
const KEY_BITS: usize = 2048;

/// The key of this process. One that is not in a file is made when it is first needed, which takes
/// a second.
#[derive(Debug, Default)]
pub(crate) struct Rsa {
    key: OnceCell<Option<Key>>,
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--mysql-rsa-key {file}: {reason}")]
pub struct RsaError {
    file: String,
    reason: String,
}

/// A key that clients seal their passwords with.
#[derive(Clone)]
pub(crate) struct Key {
    private: Arc<PrivateKey>,
    public_pem: Arc<str>,
}

// === impl Rsa ===

impl Rsa {
    /// `file` holds a private key, PEM, PKCS#8. Without it each process makes its own: a client
    /// that is given the key in a file, and meets several proxies, needs one for all.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or holds no such key.
    pub(crate) fn new(file: Option<&Path>) -> Result<Self, RsaError> {
        let Some(file) = file else {
            return Ok(Self::default());
        };
        let key = Key::read(file).map_err(|reason| RsaError {
            file: file.display().to_string(),
            reason,
        })?;
        Ok(Self {
            key: OnceCell::new_with(Some(Some(key))),
        })
    }

    /// The key; `None` if there is none, and the log says why.
    pub(crate) async fn key(&self) -> Option<Key> {
        let made = self.key.get_or_init(|| async {
            let made = spawn_blocking(Key::make).await;
            made.ok()?
        });
        made.await.clone()
    }
}

// === impl Key ===

impl Key {
    fn read(file: &Path) -> Result<Self, String> {
        let pem = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        let private = PrivateKey::from_pkcs8_pem(&pem).map_err(|error| error.to_string())?;
        Self::of(private)
    }

    fn make() -> Option<Self> {
        info!("no --mysql-rsa-key: this process makes one of its own");
        PrivateKey::new(&mut UnwrapErr(getrandom::SysRng), KEY_BITS)
            .map_err(|error| error.to_string())
            .and_then(Self::of)
            .inspect_err(|error| error!(error, "making an RSA key"))
            .ok()
    }

    fn of(private: PrivateKey) -> Result<Self, String> {
        let public_pem = private.to_public_key().to_public_key_pem(LineEnding::LF);
        Ok(Self {
            private: Arc::new(private),
            public_pem: public_pem.map_err(|error| error.to_string())?.into(),
        })
    }

    /// What clients seal with.
    pub(crate) fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// What was sealed; `None` if it was not with this key. Takes some milliseconds, on a thread
    /// that has no sessions.
    pub(crate) async fn open(&self, sealed: Secret<Vec<u8>>) -> Option<Secret<Vec<u8>>> {
        let private = Arc::clone(&self.private);
        let opened = spawn_blocking(move || private.oaep_decrypt::<Sha1>(sealed.expose()));
        opened.await.ok()?.ok().map(Secret::new)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Seals with a server's key, PEM; `None` if it is none, or too small for the secret.
pub(crate) fn seal(key_pem: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let pem = std::str::from_utf8(key_pem).ok()?;
    let key = PublicKey::from_public_key_pem(pem.trim_end_matches('\0')).ok()?;
    key.oaep_encrypt::<Sha1>(secret).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_client_seals_is_opened_with_the_key_it_was_given() {
        let rsa = Rsa::new(None).unwrap();
        let key = rsa.key().await.unwrap();
        assert!(key.public_pem().starts_with("-----BEGIN PUBLIC KEY-----\n"));
        let sealed = seal(key.public_pem().as_bytes(), b"pw").unwrap();
        let opened = key.open(Secret::new(sealed.clone())).await.unwrap();
        assert_eq!(opened.expose(), b"pw");
        let mut broken = sealed;
        broken[17] ^= 1;
        assert!(key.open(Secret::new(broken)).await.is_none());
        assert_eq!(format!("{key:?}"), "Key(..)");
        // Made once.
        assert_eq!(rsa.key().await.unwrap().public_pem(), key.public_pem());
    }

    #[tokio::test]
    async fn a_key_in_a_file_is_read_at_the_start_or_nothing_starts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        let refused = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Rsa::new(Some(&file)).unwrap_err().to_string()
        };
        assert!(refused("no key").starts_with("--mysql-rsa-key "));
        let private = PrivateKey::new(&mut UnwrapErr(getrandom::SysRng), 1024).unwrap();
        let pem = rsa::pkcs8::EncodePrivateKey::to_pkcs8_pem(&private, LineEnding::LF).unwrap();
        std::fs::write(&file, pem.as_bytes()).unwrap();
        let read = Rsa::new(Some(&file)).unwrap().key().await.unwrap();
        assert_eq!(
            read.public_pem(),
            private
                .to_public_key()
                .to_public_key_pem(LineEnding::LF)
                .unwrap()
        );
    }

    #[test]
    fn what_is_no_key_seals_nothing() {
        for key in [&b""[..], b"-----BEGIN PUBLIC KEY-----", b"\xff"] {
            assert!(seal(key, b"pw").is_none());
        }
    }
}
