//! `caching_sha2_password`: what accounts on MySQL have.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>
//!
//! ```text
//! key      = SHA256(password)
//! verifier = SHA256(key)
//! proof    = key XOR SHA256(verifier, nonce)
//! ```
//!
//! What the server stores is another thing, an *authentication string* ([`crypt`]), and verifiers
//! are in its memory alone, for accounts that have logged in by their password since it was
//! started. Without one it asks for the password ([`FULL`]): over TLS as it is ([`cleartext`]),
//! else encrypted with its RSA key, for which the client may ask ([`KEY_REQUEST`]), and before that
//! mixed with the nonce ([`obscure`]).

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::super::startup::Nonce;
pub use super::crypt::crypt;
use super::{Verifier, xor};
use crate::secret::Secret;

/// Bytes of key, verifier and proof.
pub const BYTES: usize = 32;

/// In an AuthMoreData: the proof is right, OK comes next.
pub const FAST_OK: u8 = 3;

/// In an AuthMoreData: the server has no verifier in memory, the password must follow.
pub const FULL: u8 = 4;

/// All of a client's message: it asks for the server's RSA key, which comes as an AuthMoreData with
/// its PEM text.
pub const KEY_REQUEST: u8 = 2;

/// The key of a password.
#[must_use]
pub fn key(password: &[u8]) -> Secret<[u8; BYTES]> {
    Secret::new(Sha256::digest(password).into())
}

/// The verifier of a password.
#[must_use]
pub fn verifier(password: &[u8]) -> Verifier {
    Verifier::Sha2(stage2(&key(password)))
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
    matching(Secret::new(xor(proof, &mask(verifier, nonce))), verifier)
}

/// Checks a password; yields its key.
#[must_use]
pub fn check_password(verifier: &[u8; BYTES], password: &[u8]) -> Option<Secret<[u8; BYTES]>> {
    matching(key(password), verifier)
}

/// The password in a client's message over TLS, which a zero byte ends; `None` if none does.
#[must_use]
pub fn cleartext(message: &[u8]) -> Option<&[u8]> {
    match message.split_last() {
        Some((0, password)) => Some(password),
        _ => None,
    }
}

/// The password and its zero byte as they are encrypted: mixed with the nonce over and over.
#[must_use]
pub fn obscure(password: &[u8], nonce: &Nonce) -> Secret<Vec<u8>> {
    let mut mixed = Vec::with_capacity(password.len() + 1);
    mixed.extend_from_slice(password);
    mixed.push(0);
    mix(&mut mixed, nonce);
    Secret::new(mixed)
}

/// The password in what a client has encrypted, without its zero byte; `None` if none ends it.
#[must_use]
pub fn reveal(mixed: &[u8], nonce: &Nonce) -> Option<Secret<Vec<u8>>> {
    let mut password = mixed.to_vec();
    mix(&mut password, nonce);
    if password.pop() == Some(0) {
        return Some(Secret::new(password));
    }
    password.zeroize();
    None
}

fn mix(bytes: &mut [u8], nonce: &Nonce) {
    for (byte, other) in bytes.iter_mut().zip(nonce.iter().cycle()) {
        *byte ^= other;
    }
}

fn matching(key: Secret<[u8; BYTES]>, verifier: &[u8; BYTES]) -> Option<Secret<[u8; BYTES]>> {
    let same: bool = stage2(&key).ct_eq(verifier).into();
    same.then_some(key)
}

fn stage2(key: &Secret<[u8; BYTES]>) -> [u8; BYTES] {
    Sha256::digest(key.expose()).into()
}

fn mask(verifier: &[u8; BYTES], nonce: &Nonce) -> [u8; BYTES] {
    let hash = Sha256::new().chain_update(verifier).chain_update(nonce);
    hash.finalize().into()
}
