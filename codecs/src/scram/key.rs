//! Keys: how they follow from the password and from each other, and how they are compared.
//!
//! ```text
//! password ──PBKDF2(salt, iterations)──► SaltedPassword
//!     SaltedPassword ──HMAC "Client Key"──► ClientKey ──SHA-256──► StoredKey
//!     SaltedPassword ──HMAC "Server Key"──► ServerKey
//! ```

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Error, SHA_256};
use crate::limits::{
    SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN, SCRAM_SALT_BYTES_MAX, SCRAM_SALT_BYTES_MIN,
};
use crate::secret::Secret;

/// Bytes of every key, hash, proof and signature.
pub(super) const KEY_BYTES: usize = 32;

pub(super) type KeyBytes = [u8; KEY_BYTES];

/// Logs in as the client wherever its verifier is. Lives in memory only.
#[derive(Clone)]
pub struct ClientKey(Secret<KeyBytes>);

impl ClientKey {
    /// The key that `proof` was made with, if it was made with the key that `stored_key` is of. The
    /// caller compares.
    pub(super) fn recover(proof: &KeyBytes, signature: &KeyBytes) -> Self {
        Self(Secret::new(xor(proof, signature)))
    }

    pub(super) fn stored_key(&self) -> StoredKey {
        StoredKey(Secret::new(Sha256::digest(self.0.expose()).into()))
    }

    pub(super) fn proof(&self, auth_message: &[u8]) -> KeyBytes {
        xor(self.0.expose(), &self.stored_key().signature(auth_message))
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKey(..)")
    }
}

/// Checks a client's proof.
#[derive(Clone)]
pub(super) struct StoredKey(Secret<KeyBytes>);

impl StoredKey {
    pub(super) fn signature(&self, auth_message: &[u8]) -> KeyBytes {
        hmac(self.0.expose(), auth_message)
    }

    pub(super) fn is_of(&self, key: &ClientKey) -> subtle::Choice {
        self.0.expose().ct_eq(key.stored_key().0.expose())
    }
}

/// Shows a client that the server has the verifier.
#[derive(Clone)]
pub struct ServerKey(Secret<KeyBytes>);

impl ServerKey {
    pub(super) fn signature(&self, auth_message: &[u8]) -> KeyBytes {
        hmac(self.0.expose(), auth_message)
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(..)")
    }
}

/// What a server stores of a password: enough to check a proof, not enough to make one.
///
/// As text it has PostgreSQL's form, `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`,
/// byte for byte. Iterations and salt are within [`crate::limits`] and non-zero by the time one
/// exists.
#[derive(Clone)]
pub struct Verifier {
    /// Rounds of PBKDF2.
    pub iterations: u32,
    /// Salt of PBKDF2.
    pub salt: Vec<u8>,
    pub(super) stored_key: StoredKey,
    pub(super) server_key: ServerKey,
}

impl Verifier {
    /// Makes the verifier of a password. Takes the time of `iterations` rounds of HMAC.
    #[must_use]
    pub fn derive(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let (client_key, server_key) = derive(password, salt, iterations);
        Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: client_key.stored_key(),
            server_key,
        }
    }

    /// The key that signs for the server.
    #[must_use]
    pub const fn server_key(&self) -> &ServerKey {
        &self.server_key
    }

    /// Whether this key logs in where this verifier is. Takes the same time for every key.
    #[must_use]
    pub fn matches(&self, key: &ClientKey) -> bool {
        self.stored_key.is_of(key).into()
    }
}

impl FromStr for Verifier {
    type Err = Error;

    /// Reads PostgreSQL's form.
    ///
    /// # Errors
    ///
    /// Another form, also one that says the same in other bytes; iterations or salt out of bounds.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (mechanism, rest) = text.split_once('$').ok_or(Error::Verifier)?;
        let (rounds, keys) = rest.split_once('$').ok_or(Error::Verifier)?;
        let (iterations, salt) = rounds.split_once(':').ok_or(Error::Verifier)?;
        let (stored_key, server_key) = keys.split_once(':').ok_or(Error::Verifier)?;
        if mechanism != SHA_256 {
            return Err(Error::Verifier);
        }
        let verifier = Self {
            iterations: iterations.parse().map_err(|_| Error::Verifier)?,
            salt: STANDARD.decode(salt).map_err(|_| Error::Verifier)?,
            stored_key: StoredKey(stored_key_bytes(stored_key)?),
            server_key: ServerKey(stored_key_bytes(server_key)?),
        };
        check_bounds(&verifier.salt, verifier.iterations)?;
        if verifier.to_string() != text {
            return Err(Error::Verifier);
        }
        Ok(verifier)
    }
}

fn stored_key_bytes(text: &str) -> Result<Secret<KeyBytes>, Error> {
    let bytes = decode_key(text.as_bytes()).ok_or(Error::Verifier)?;
    Ok(Secret::new(bytes))
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{SHA_256}${}:{}${}:{}",
            self.iterations,
            STANDARD.encode(&self.salt),
            STANDARD.encode(self.stored_key.0.expose()),
            STANDARD.encode(self.server_key.0.expose()),
        )
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// What the client's role proves itself with.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// A password, prepared.
    Password(&'a [u8]),
    /// A key that a client's proof revealed.
    Key {
        /// The key.
        client: &'a ClientKey,
        /// The verifier that the proof was checked against. The server must have the same: its salt
        /// and iteration count are compared, and its signature checked.
        verifier: &'a Verifier,
    },
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(..)",
            Self::Key { .. } => "Key { .. }",
        })
    }
}

impl Credential<'_> {
    /// The keys for what the server asks, whose bounds have been checked.
    pub(super) fn keys(
        self,
        salt: &[u8],
        iterations: u32,
    ) -> Result<(ClientKey, ServerKey), Error> {
        match self {
            Self::Password(password) => Ok(derive(password, salt, iterations)),
            Self::Key { client, verifier } => {
                if verifier.salt != salt || verifier.iterations != iterations {
                    return Err(Error::SaltChanged);
                }
                Ok((client.clone(), verifier.server_key.clone()))
            }
        }
    }
}

fn derive(password: &[u8], salt: &[u8], iterations: u32) -> (ClientKey, ServerKey) {
    let mut salted = Zeroizing::new([0; KEY_BYTES]);
    pbkdf2::pbkdf2::<Hmac<Sha256>>(password, salt, iterations, salted.as_mut_slice())
        .expect("HMAC takes keys of every length");
    (
        ClientKey(Secret::new(hmac(&salted, b"Client Key"))),
        ServerKey(Secret::new(hmac(&salted, b"Server Key"))),
    )
}

/// Refuses what an untrusted peer or file must not make us compute with.
pub(super) fn check_bounds(salt: &[u8], iterations: u32) -> Result<(), Error> {
    if !(SCRAM_SALT_BYTES_MIN..=SCRAM_SALT_BYTES_MAX).contains(&salt.len()) {
        return Err(Error::Bounds("salt"));
    }
    if !(SCRAM_ITERATIONS_MIN..=SCRAM_ITERATIONS_MAX).contains(&iterations) {
        return Err(Error::Bounds("iteration count"));
    }
    Ok(())
}

/// Reads a proof, signature or key.
pub(super) fn decode_key(text: &[u8]) -> Option<KeyBytes> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    bytes.as_slice().try_into().ok()
}

/// Whether two signatures are equal, in the same time wherever they differ.
pub(super) fn same(left: &KeyBytes, right: &KeyBytes) -> bool {
    left.ct_eq(right).into()
}

fn hmac(key: &KeyBytes, data: &[u8]) -> KeyBytes {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.chain_update(data).finalize().into_bytes().into()
}

fn xor(left: &KeyBytes, right: &KeyBytes) -> KeyBytes {
    let mut out = *left;
    for (byte, other) in out.iter_mut().zip(right) {
        *byte ^= other;
    }
    out
}
