//! `mysql_native_password`: what accounts on MariaDB have.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods_native_password_authentication.html>
//!
//! ```text
//! key      = SHA1(password)
//! verifier = SHA1(key)
//! proof    = key XOR SHA1(nonce, verifier)
//! ```
//!
//! So a proof gives its key to whoever has the verifier: that is how a session can be had at a
//! server that has the same verifier, and why a verifier is not public.

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use super::super::startup::Nonce;
use super::{Verifier, xor};
use crate::secret::Secret;

/// Bytes of key, verifier and proof.
pub const BYTES: usize = 20;

/// The key of a password.
#[must_use]
pub fn key(password: &[u8]) -> Secret<[u8; BYTES]> {
    Secret::new(Sha1::digest(password).into())
}

/// The verifier of a password.
#[must_use]
pub fn verifier(password: &[u8]) -> Verifier {
    Verifier::Native(stage2(&key(password)))
}

/// Proves to a server that one has the key.
#[must_use]
pub fn prove(key: &Secret<[u8; BYTES]>, nonce: &Nonce) -> [u8; BYTES] {
    xor(key.expose(), &mask(&stage2(key), nonce))
}

/// Checks a client's proof, in the same time wherever it is wrong; yields the key that it was made
/// with. A client without a password sends no byte, which proves nothing.
#[must_use]
pub fn check(verifier: &[u8; BYTES], nonce: &Nonce, proof: &[u8]) -> Option<Secret<[u8; BYTES]>> {
    let proof: &[u8; BYTES] = proof.try_into().ok()?;
    let key = Secret::new(xor(proof, &mask(verifier, nonce)));
    let same: bool = stage2(&key).ct_eq(verifier).into();
    same.then_some(key)
}

fn stage2(key: &Secret<[u8; BYTES]>) -> [u8; BYTES] {
    Sha1::digest(key.expose()).into()
}

fn mask(verifier: &[u8; BYTES], nonce: &Nonce) -> [u8; BYTES] {
    let hash = Sha1::new().chain_update(nonce).chain_update(verifier);
    hash.finalize().into()
}
