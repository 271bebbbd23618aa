//! Passwords of logins: made here, shown once, kept as verifiers.
//!
//! - PostgreSQL: a SCRAM verifier, which the server keeps byte for byte.
//! - MariaDB: `mysql_native_password$` and SHA1(SHA1(password)).
//! - MySQL: `caching_sha2_password$` and SHA256(SHA256(password)), `$`, and in hexadecimal the
//!   authentication string that the server's account is made with. Proxies get the first two parts.

use std::fmt::Write as _;

use tenantsdb_codecs::mysql::Flavour;
use tenantsdb_codecs::mysql::auth::{native, sha2};
use tenantsdb_codecs::scram::Verifier;
use tenantsdb_codecs::secret::Secret;

use crate::error::Result;
use crate::secret::{new_password, random_bytes};

/// PostgreSQL's own default (`scram_iterations`). The password has 256 random bits, so more rounds
/// would protect nothing and cost every login.
const ITERATIONS: u32 = 4096;
/// PostgreSQL's own default (`SCRAM_DEFAULT_SALT_LEN`).
const SALT_BYTES: usize = 16;
/// MySQL's (`SALT_LENGTH` in `include/crypt_genhash_impl.h`).
const SHA2_SALT_BYTES: usize = 20;

/// A new password and what may be stored of it.
pub(crate) struct NewPassword {
    pub(crate) password: Secret<String>,
    /// What the server can check a proof with, in the form of its engine and flavour.
    pub(crate) verifier: String,
}

/// Makes a password for a server of that flavour of MySQL; for PostgreSQL if it is none.
pub(crate) fn new(flavour: Option<Flavour>) -> Result<NewPassword> {
    let password = new_password()?;
    let text = password.expose().as_bytes();
    let verifier = match flavour {
        None => {
            let salt = random_bytes::<SALT_BYTES>()?;
            Verifier::derive(text, &salt, ITERATIONS).to_string()
        }
        Some(Flavour::MariaDb) => native::verifier(text).to_string(),
        Some(Flavour::MySql) => {
            let salt = random_bytes::<SHA2_SALT_BYTES>()?;
            let mut verifier = format!("{}$", sha2::verifier(text));
            for byte in sha2::crypt(text, &salt).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(verifier, "{byte:02x}");
            }
            verifier
        }
    };
    Ok(NewPassword { verifier, password })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_gets_a_verifier_that_it_knows() {
        let postgres = new(None).unwrap();
        assert!(postgres.verifier.starts_with("SCRAM-SHA-256$4096:"));
        let maria = new(Some(Flavour::MariaDb)).unwrap();
        let (plugin, hash) = maria.verifier.split_once('$').unwrap();
        assert_eq!((plugin, hash.len()), ("mysql_native_password", 40));
        assert!(hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')));
        let mysql = new(Some(Flavour::MySql)).unwrap();
        let parts: Vec<&str> = mysql.verifier.split('$').collect();
        let [plugin, hash, account] = parts.as_slice() else {
            panic!("{}", mysql.verifier);
        };
        assert_eq!((*plugin, hash.len()), ("caching_sha2_password", 64));
        // `$A$005$` and a salt of 20 bytes and 43 characters of hash.
        assert_eq!(account.len(), 2 * (7 + 20 + 43));
        assert!(account.starts_with("2441243030352"));
    }
}
