//! Secrets at rest: passwords of database servers are sealed with a key that is not in the store,
//! keys and tokens that people hold are stored as hashes.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tenantsdb_codecs::secret::Secret;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Bytes of a ChaCha20-Poly1305 key (RFC 8439, section 2.8).
const KEY_BYTES: usize = 32;
/// Bytes of an XChaCha20 nonce: long enough to be random without counting uses.
const NONCE_BYTES: usize = 24;
/// What a sealed value starts with, so that another form can follow.
const SEALED_PREFIX: &str = "x1.";

/// The key that seals what control must be able to read again. It lives in a file of its own.
pub struct MasterKey {
    cipher: XChaCha20Poly1305,
}

impl MasterKey {
    /// Makes a key file (mode 0600), or keeps the one that is there.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or there are no random bytes.
    pub fn create(path: &Path) -> Result<()> {
        if path.exists() {
            return Self::load(path).map(|_| ());
        }
        let key = Zeroizing::new(random_bytes::<KEY_BYTES>()?);
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(key.as_slice()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(Error::internal)?;
        writeln!(file, "{}", text.as_str()).map_err(Error::internal)?;
        file.sync_all().map_err(Error::internal)
    }

    /// Reads the key file.
    ///
    /// # Errors
    ///
    /// There is none, or it does not hold a key.
    pub fn load(path: &Path) -> Result<Self> {
        let named = |what: &str| Error::internal(format!("master key {}: {what}", path.display()));
        let mode = fs::metadata(path)
            .map_err(|error| named(&error.to_string()))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "master key can be read by other users");
        }
        let text =
            Zeroizing::new(fs::read_to_string(path).map_err(|error| named(&error.to_string()))?);
        let key = Zeroizing::new(
            URL_SAFE_NO_PAD
                .decode(text.trim())
                .map_err(|_| named("not base64url"))?,
        );
        let key: &[u8; KEY_BYTES] = key
            .as_slice()
            .try_into()
            .map_err(|_| named("not 32 bytes"))?;
        Ok(Self {
            cipher: XChaCha20Poly1305::new(&Key::from(*key)),
        })
    }

    /// Seals `plain` for the object `id`: opened under another id it is refused, so a sealed value
    /// cannot be moved from one row to another.
    ///
    /// # Errors
    ///
    /// There are no random bytes.
    pub fn seal(&self, id: &str, plain: &Secret<String>) -> Result<String> {
        let nonce = random_bytes::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: plain.expose().as_bytes(),
            aad: id.as_bytes(),
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Error::internal("sealing a secret failed"))?;
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        Ok(format!("{SEALED_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Opens what was sealed for the object `id`.
    ///
    /// # Errors
    ///
    /// It was sealed with another key, for another object, or was changed.
    pub fn open(&self, id: &str, sealed: &str) -> Result<Secret<String>> {
        let refused = || Error::internal(format!("the sealed secret of {id} cannot be opened"));
        let bytes = sealed
            .strip_prefix(SEALED_PREFIX)
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
            .ok_or_else(refused)?;
        let (nonce, sealed) = bytes
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(refused)?;
        let payload = Payload {
            msg: sealed,
            aad: id.as_bytes(),
        };
        let plain = self
            .cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| refused())?;
        String::from_utf8(plain)
            .map(Secret::new)
            .map_err(|_| refused())
    }
}

/// Random bytes of the operating system.
///
/// # Errors
///
/// The system has none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(error.to_string()))?;
    Ok(bytes)
}

/// A new password: 256 random bits in base64url, 43 characters that need no escapes anywhere.
///
/// # Errors
///
/// There are no random bytes.
pub fn new_password() -> Result<Secret<String>> {
    let bytes = Zeroizing::new(random_bytes::<32>()?);
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// A credential that is shown once and stored as a hash: `<prefix>_<id>_<secret>`.
pub struct Token {
    /// Names the credential in the store: 16 hexadecimal digits.
    pub id: String,
    /// The whole of what its holder sends.
    pub text: Secret<String>,
    /// What is stored of it.
    pub hash: String,
}

impl Token {
    /// Makes a new one.
    ///
    /// # Errors
    ///
    /// There are no random bytes.
    pub fn new(prefix: &str) -> Result<Self> {
        let id = format!("{:016x}", u64::from_be_bytes(random_bytes()?));
        let secret = new_password()?;
        let text = Secret::new(format!("{prefix}_{id}_{}", secret.expose()));
        let hash = hash(text.expose());
        Ok(Self { id, text, hash })
    }

    /// The id in a token that was sent, if it has the form of one.
    #[must_use]
    pub fn id_of<'a>(prefix: &str, text: &'a str) -> Option<&'a str> {
        let (id, secret) = text
            .strip_prefix(prefix)?
            .strip_prefix('_')?
            .split_once('_')?;
        (id.len() == 16 && !secret.is_empty()).then_some(id)
    }
}

/// SHA-256 in base64url. Enough for what has 128 random bits or more; not for what people choose.
#[must_use]
pub fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()))
}

/// Compares hashes in a time that does not depend on where they differ.
#[must_use]
pub fn hash_matches(stored: &str, sent: &str) -> bool {
    stored.as_bytes().ct_eq(hash(sent).as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> (tempfile::TempDir, MasterKey) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        MasterKey::create(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let key = MasterKey::load(&path).unwrap();
        (dir, key)
    }

    #[test]
    fn a_sealed_secret_opens_for_its_own_object_only() {
        let (_dir, key) = key();
        let sealed = key
            .seal("srv_1", &Secret::new("hunter2".to_owned()))
            .unwrap();
        assert!(!sealed.contains("hunter2"));
        assert_eq!(key.open("srv_1", &sealed).unwrap().expose(), "hunter2");
        assert!(key.open("srv_2", &sealed).is_err());
        let mut changed = sealed.clone().into_bytes();
        let last = changed.len() - 1;
        changed[last] = if changed[last] == b'A' { b'Q' } else { b'A' };
        assert!(
            key.open("srv_1", &String::from_utf8(changed).unwrap())
                .is_err()
        );
        assert!(key.open("srv_1", "x1.AAAA").is_err());
    }

    #[test]
    fn making_a_key_again_keeps_the_one_that_is_there() {
        let (dir, key) = key();
        let sealed = key.seal("a", &Secret::new("b".to_owned())).unwrap();
        let path = dir.path().join("master.key");
        MasterKey::create(&path).unwrap();
        assert_eq!(
            MasterKey::load(&path)
                .unwrap()
                .open("a", &sealed)
                .unwrap()
                .expose(),
            "b"
        );
    }

    #[test]
    fn a_token_names_itself_and_matches_its_hash_only() {
        let token = Token::new("tdb_sk").unwrap();
        let text = token.text.expose();
        assert_eq!(Token::id_of("tdb_sk", text), Some(token.id.as_str()));
        assert_eq!(Token::id_of("tdb_pt", text), None);
        assert_eq!(Token::id_of("tdb_sk", "tdb_sk_short_x"), None);
        assert!(hash_matches(&token.hash, text));
        assert!(!hash_matches(&token.hash, &text[..text.len() - 1]));
    }
}
