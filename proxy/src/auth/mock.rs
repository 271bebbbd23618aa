//! Verifiers for names that do not exist, so that the exchange with a stranger tells nothing.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tenantsdb_codecs::scram::Verifier;
use tenantsdb_codecs::secret::Secret;

/// Iterations that every verifier of control has, which is PostgreSQL's own default
/// (`scram_iterations`): <https://www.postgresql.org/docs/16/runtime-config-connection.html>.
const ITERATIONS: u32 = 4096;
/// Bytes of salt that every verifier of control has, which is PostgreSQL's own length.
const SALT_BYTES: usize = 16;
/// The same of MongoDB (`scramSHA256IterationCount`, and `saslscramsha256` of its salts):
/// <https://www.mongodb.com/docs/manual/reference/parameters/>.
const MONGO_ITERATIONS: u32 = 15_000;
const MONGO_SALT_BYTES: usize = 28;
/// Keeps this use of the token apart from any other.
const PURPOSE: &[u8] = b"tenantsdb mock salt v1";

/// Makes stand-in verifiers. The salt of a name follows from a secret of the fleet: it is the same
/// on every proxy and after every restart, as a real one is, and cannot be told from a real one.
pub struct Mock(Secret<[u8; 32]>);

impl Mock {
    /// `token` is what all proxies of one control share.
    #[must_use]
    pub fn new(token: &[u8]) -> Self {
        Self(Secret::new(hmac(token, &[PURPOSE])))
    }

    /// Bytes that stand in for the verifier of a login in other exchanges. No password's hash is
    /// equal to them.
    #[must_use]
    pub fn bytes(&self, user: &str, database: &str) -> [u8; 32] {
        hmac(
            self.0.expose(),
            &[b"bytes\0", user.as_bytes(), b"\0", database.as_bytes()],
        )
    }

    /// The stand-in for a login. To be made for *every* login, whether the name exists or not, so
    /// that the time it takes does not tell which. No password matches it.
    #[must_use]
    pub fn verifier(&self, user: &str, database: &str) -> Verifier {
        // Neither name can hold a zero byte: it ends strings in the startup packet.
        let parts: [&[u8]; 3] = [user.as_bytes(), b"\0", database.as_bytes()];
        self.stand_in(&parts, SALT_BYTES, ITERATIONS)
    }

    /// The same for MongoDB.
    #[must_use]
    pub fn mongo_verifier(&self, user: &str, database: &str) -> Verifier {
        let parts: [&[u8]; 4] = [b"mongo\0", database.as_bytes(), b"\0", user.as_bytes()];
        self.stand_in(&parts, MONGO_SALT_BYTES, MONGO_ITERATIONS)
    }

    fn stand_in(&self, name: &[&[u8]], salt_bytes: usize, iterations: u32) -> Verifier {
        let mac = hmac(self.0.expose(), name);
        // What follows from the salt alone would be known to who knows the salt.
        let rest = hmac(&mac, &[self.0.expose()]);
        let mut verifier = Verifier::derive(&rest, &mac[..salt_bytes], 1);
        verifier.iterations = iterations;
        verifier
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mock(..)")
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_same_salt_on_every_proxy_and_another_name_another() {
        let salt = |token: &str, user: &str, database: &str| {
            Mock::new(token.as_bytes()).verifier(user, database).salt
        };
        assert_eq!(salt("t", "u", "d"), salt("t", "u", "d"));
        assert_ne!(salt("t", "u", "d"), salt("other", "u", "d"));
        assert_ne!(salt("t", "ud", ""), salt("t", "u", "d"));
        assert_eq!(salt("t", "u", "d").len(), SALT_BYTES);
    }

    #[test]
    fn it_looks_like_a_verifier_of_control() {
        let text = Mock::new(b"t").verifier("u", "d").to_string();
        assert!(text.starts_with("SCRAM-SHA-256$4096:"));
        assert!(text.parse::<Verifier>().is_ok());
    }
}
