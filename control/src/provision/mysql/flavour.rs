//! MySQL or MariaDB, and how accounts are named.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

/// Longest account name: `USERNAME_CHAR_LENGTH` in MySQL's `include/mysql_com.h`; MariaDB takes
/// longer ones.
const ACCOUNT_CHARS_MAX: usize = 32;
/// Hex digits of the digest in a name that stands for a longer one.
const DIGEST_DIGITS: usize = 20;

/// Which of the two a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    MySql,
    MariaDb,
}

impl Flavour {
    /// Reads `@@version`.
    pub(super) fn of_version(version: &str) -> Self {
        match version.contains("MariaDB") {
            true => Self::MariaDb,
            false => Self::MySql,
        }
    }
}

/// The server's account of a login: its name, where that is not too long.
pub(super) fn account_name(login: &str) -> Cow<'_, str> {
    if login.chars().count() <= ACCOUNT_CHARS_MAX {
        return Cow::Borrowed(login);
    }
    Cow::Owned(format!("t_{}", start_of_digest(login)))
}

/// The deploy account of a database: definer of all that is in it.
pub(super) fn deploy_account_name(database: &str) -> String {
    format!("d_{}", start_of_digest(database))
}

fn start_of_digest(text: &str) -> String {
    let mut hex = digest(text);
    hex.truncate(DIGEST_DIGITS);
    hex
}

/// SHA-256 in hex.
pub(super) fn digest(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_logins_have_accounts_of_a_name_that_fits() {
        assert_eq!(account_name("myapp__acme"), "myapp__acme");
        let long = "a_blueprint_of_some_length__a_tenant";
        let name = account_name(long);
        assert_eq!((name.len(), &name[..2]), (22, "t_"));
        assert_eq!(deploy_account_name("myapp__acme").len(), 22);
    }
}
