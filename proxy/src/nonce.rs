//! Random bytes for what must not be guessed.

use std::fmt::Write as _;

/// Bytes of a SCRAM nonce, as in libpq and the server (`SCRAM_RAW_NONCE_LEN`).
const NONCE_BYTES: usize = 18;

/// `N` bytes from the operating system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes once it is up");
    bytes
}

/// `N` bytes from the operating system, as hexadecimal digits.
pub(crate) fn random_hex<const N: usize>() -> String {
    let mut text = String::with_capacity(2 * N);
    for byte in random::<N>() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// One side's nonce of a SCRAM exchange.
pub(crate) fn nonce() -> String {
    random_hex::<NONCE_BYTES>()
}
