//! Passwords of logins: made here, shown once, kept as verifiers.
//!
//! - PostgreSQL: a SCRAM verifier, which the server keeps byte for byte.
//! - MariaDB: `mysql_native_password$` and SHA1(SHA1(password)).
//! - MySQL: `caching_sha2_password$` and SHA256(SHA256(password)), `$`, and in hexadecimal the
//!   authentication string that the server's account is made with. Proxies get the first two parts.
//! - MongoDB: a SCRAM verifier that the server makes; see [`super::pending`].
//! - Redis: `sha256$` and SHA256(password) in hexadecimal, which the server's account is made with.

use std::fmt::Write as _;

use ::sha2::{Digest as _, Sha256};
use tenantsdb_codecs::feed::id::Engine;
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

/// Makes a password for a server of that engine and flavour of MySQL.
pub(crate) fn new(engine: Engine, flavour: Option<Flavour>) -> Result<NewPassword> {
    let password = new_password()?;
    let text = password.expose().as_bytes();
    let verifier = match (engine, flavour) {
        (Engine::Redis, _) => format!("sha256${}", hex(&Sha256::digest(text))),
        // The server makes it of the password, see `pending`.
        (Engine::MongoDb, _) => String::new(),
        (Engine::Postgres, _) | (Engine::MySql, None) => {
            let salt = random_bytes::<SALT_BYTES>()?;
            Verifier::derive(text, &salt, ITERATIONS).to_string()
        }
        (Engine::MySql, Some(Flavour::MariaDb)) => native::verifier(text).to_string(),
        (Engine::MySql, Some(Flavour::MySql)) => {
            let salt = random_bytes::<SHA2_SALT_BYTES>()?;
            let account = sha2::crypt(text, &salt);
            format!("{}${}", sha2::verifier(text), hex(account.as_bytes()))
        }
    };
    Ok(NewPassword { verifier, password })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_gets_a_verifier_that_it_knows() {
        let postgres = new(Engine::Postgres, None).unwrap();
        assert!(postgres.verifier.starts_with("SCRAM-SHA-256$4096:"));
        let maria = new(Engine::MySql, Some(Flavour::MariaDb)).unwrap();
        let (plugin, hash) = maria.verifier.split_once('$').unwrap();
        assert_eq!((plugin, hash.len()), ("mysql_native_password", 40));
        assert!(hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')));
        let mysql = new(Engine::MySql, Some(Flavour::MySql)).unwrap();
        let parts: Vec<&str> = mysql.verifier.split('$').collect();
        let [plugin, hash, account] = parts.as_slice() else {
            panic!("{}", mysql.verifier);
        };
        assert_eq!((*plugin, hash.len()), ("caching_sha2_password", 64));
        // `$A$005$` and a salt of 20 bytes and 43 characters of hash.
        assert_eq!(account.len(), 2 * (7 + 20 + 43));
        assert!(account.starts_with("2441243030352"));
        let redis = new(Engine::Redis, None).unwrap();
        let hash = redis.verifier.strip_prefix("sha256$").unwrap();
        assert_eq!(hash.len(), 64);
        assert_eq!(hash, hex(&Sha256::digest(redis.password.expose())));
    }
}
