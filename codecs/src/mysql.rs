//! The client/server protocol of MySQL and MariaDB, version 10 with 4.1 layouts.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html> and, where MariaDB differs,
//! <https://mariadb.com/kb/en/clientserver-protocol/>.
//!
//! In the order in which a connection meets them:
//!
//! - [`frame`]: length and sequence number; whole messages, or their first bytes only.
//! - [`startup`], [`flags`]: greeting and response; what both sides can.
//! - [`auth`]: password exchanges, both roles.
//! - [`client`], [`server`]: the messages that routing, relaying and capture look into.
//! - [`lenenc`]: the numbers and texts in them that say their own length.
//! - [`report`], [`code`]: errors.
//! - [`pipeline`]: replies still owed, and whether the connection may be given to someone else.
//!
//! Decoders take the body of one message, with its first byte, which says what it is. Encoders
//! append one whole message; those that continue an exchange are given its next sequence number
//! and count it on. An encoder that can fail (a text with a zero byte in it, say) leaves buffer and
//! number as they were.
//!
//! Compression, `CLIENT_OPTIONAL_RESULTSET_METADATA` and `MARIADB_CLIENT_CACHE_METADATA` are not
//! read: whoever stands between two peers must not offer them to either.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

pub mod auth;
pub mod client;
pub mod code;
mod error;
pub mod flags;
pub mod frame;
pub mod lenenc;
mod patch;
pub mod pipeline;
pub mod report;
pub mod server;
pub mod startup;

pub use error::Error;

/// Longest name of an account in characters: MySQL's, the smaller of the two.
const ACCOUNT_CHARS_MAX: usize = 32;

/// Whose server it is. They differ in plugins, extended capabilities and system tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Oracle's, and those that keep to it.
    MySql,
    /// MariaDB's.
    MariaDb,
}

impl Flavour {
    /// Reads it from the version that a server greets with or that `SELECT VERSION()` gives.
    #[must_use]
    pub fn of_version(version: &str) -> Self {
        if version.contains("MariaDB") {
            Self::MariaDb
        } else {
            Self::MySql
        }
    }
}

/// Name on the server of the account that a client calls `name`: the same, or, where that is too
/// long for an account, one made from its digest.
#[must_use]
pub fn account_name(name: &str) -> Cow<'_, str> {
    const DIGEST_BYTES: usize = 10;
    if name.chars().count() <= ACCOUNT_CHARS_MAX {
        return Cow::Borrowed(name);
    }
    let digest = Sha256::digest(name.as_bytes());
    let mut account = "t_".to_owned();
    for byte in digest.iter().take(DIGEST_BYTES) {
        push_hex(*byte, b"0123456789abcdef", &mut account);
    }
    Cow::Owned(account)
}

/// Appends one byte as two hexadecimal digits of this alphabet.
fn push_hex(byte: u8, digits: &[u8; 16], out: &mut String) {
    for digit in [byte >> 4, byte & 0x0f] {
        out.extend(
            digits
                .get(usize::from(digit))
                .map(|digit| char::from(*digit)),
        );
    }
}

#[cfg(test)]
mod recording;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flavour_is_read_from_the_version() {
        for (version, flavour) in [
            ("5.5.5-10.11.14-MariaDB-0+deb12u2", Flavour::MariaDb),
            ("11.8.2-MariaDB", Flavour::MariaDb),
            ("9.7.0", Flavour::MySql),
            ("8.0.36-28 Percona Server", Flavour::MySql),
            ("", Flavour::MySql),
        ] {
            assert_eq!(Flavour::of_version(version), flavour, "{version}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_for_an_account_becomes_a_digest() {
        let longest = "myapp__a_name_of_32_characters_x";
        assert_eq!(longest.len(), 32);
        assert_eq!(account_name(longest), longest);
        assert_eq!(account_name("ä".repeat(32).as_str()), "ä".repeat(32));
        // printf %s … | sha256sum
        let name = "myapp__a_name_of_33_characters_xx";
        assert_eq!(account_name(name), "t_30a6ce72e84ff7bf6ce6");
    }
}
