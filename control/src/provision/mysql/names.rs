//! How accounts of ours are named, and digests.

use sha2::{Digest as _, Sha256};

/// Hex digits of the digest in the name of a deploy account.
const DIGEST_DIGITS: usize = 20;

/// The deploy account of a database: definer of all that is in it.
pub(super) fn deploy_account_name(database: &str) -> String {
    let mut hex = digest(database);
    hex.truncate(DIGEST_DIGITS);
    format!("d_{hex}")
}

/// SHA-256 in hex.
pub(super) fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
