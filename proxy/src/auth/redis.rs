//! What a Redis client's password is checked against: its SHA-256, as the server's own access list
//! has it (`ACL SETUSER … #<sha256>`).

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What stands before the digits in a route.
const NAME: &str = "sha256$";

/// SHA256(password). `Debug` does not show it.
#[derive(Clone)]
pub struct Verifier([u8; 32]);

/// Not `sha256$` and 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a Redis verifier is \"sha256$\" and 64 hexadecimal digits")]
pub struct InvalidVerifier;

// === impl Verifier ===

impl Verifier {
    /// One that no password fits, if the bytes are no password's hash.
    #[must_use]
    pub const fn of_hash(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// Of a password.
    #[must_use]
    pub fn of_password(password: &[u8]) -> Self {
        Self(Sha256::digest(password).into())
    }

    /// Whether it is this password. Takes as long for one that is as for one that is not.
    #[must_use]
    pub fn fits(&self, password: &[u8]) -> bool {
        Sha256::digest(password).ct_eq(&self.0).into()
    }
}

impl FromStr for Verifier {
    type Err = InvalidVerifier;

    fn from_str(text: &str) -> Result<Self, InvalidVerifier> {
        let digits = text.strip_prefix(NAME).ok_or(InvalidVerifier)?;
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidVerifier);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| InvalidVerifier)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| InvalidVerifier)?;
        }
        Ok(Self(hash))
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf hunter2 | sha256sum`.
    const HUNTER2: &str = "sha256$f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";

    #[test]
    fn only_the_password_fits() {
        let verifier: Verifier = HUNTER2.parse().unwrap();
        assert_eq!(verifier.to_string(), HUNTER2);
        assert!(verifier.fits(b"hunter2"));
        assert!(!verifier.fits(b"hunter3"));
        assert!(!verifier.fits(b""));
        assert_eq!(Verifier::of_password(b"hunter2").to_string(), HUNTER2);
    }

    #[test]
    fn what_is_no_verifier_is_not_read() {
        let short = &HUNTER2[..HUNTER2.len() - 1];
        let signed = HUNTER2.replace("f5", "+5");
        let bare = HUNTER2.trim_start_matches(NAME);
        for text in ["", NAME, short, &signed, bare, "md5$00"] {
            assert_eq!(text.parse::<Verifier>().err(), Some(InvalidVerifier));
        }
    }

    #[test]
    fn the_hash_is_not_printed() {
        assert_eq!(format!("{:?}", Verifier::of_password(b"")), "Verifier(..)");
    }
}
