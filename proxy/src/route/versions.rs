//! The lowest version among the MySQL servers, and among the MariaDB servers, that routes lead to:
//! what a door greets with.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tenantsdb_codecs::mysql::Flavour;

/// Greeted with while no server is known: the oldest that control registers.
const MYSQL_VERSION: &str = "8.0.11";
const MARIADB_VERSION: &str = "10.5.0-MariaDB";

/// Three numbers at the start of a version text.
type Numbers = (u32, u32, u32);

/// The lowest version of each flavour.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    mysql: ArcSwapOption<String>,
    mariadb: ArcSwapOption<String>,
}

// === impl Versions ===

impl Versions {
    /// Takes note of a server. Called by whoever changes the table.
    pub(super) fn note(&self, version: &str) {
        let lowest = self.of(Flavour::of_version(version));
        let known = lowest.load();
        let lower = known
            .as_ref()
            .is_none_or(|known| numbers(version) < numbers(known));
        if lower {
            lowest.store(Some(Arc::new(version.to_owned())));
        }
    }

    /// Forgets all, for a table that is replaced.
    pub(super) fn clear(&self) {
        self.mysql.store(None);
        self.mariadb.store(None);
    }

    /// The lowest version of a flavour, as its servers greet with it.
    pub(super) fn greeting(&self, flavour: Flavour) -> Arc<String> {
        let known = self.of(flavour).load_full();
        let version = known.unwrap_or_else(|| {
            Arc::new(match flavour {
                Flavour::MySql => MYSQL_VERSION.to_owned(),
                Flavour::MariaDb => MARIADB_VERSION.to_owned(),
            })
        });
        // MariaDB 10 puts a version that old replication clients take in front of its own.
        match flavour {
            Flavour::MariaDb if version.starts_with("10.") => Arc::new(format!("5.5.5-{version}")),
            _ => version,
        }
    }

    const fn of(&self, flavour: Flavour) -> &ArcSwapOption<String> {
        match flavour {
            Flavour::MySql => &self.mysql,
            Flavour::MariaDb => &self.mariadb,
        }
    }
}

/// Whether a version text begins with these numbers, or greater ones.
pub(crate) fn at_least(version: &str, least: Numbers) -> bool {
    numbers(version) >= least
}

fn numbers(version: &str) -> Numbers {
    let mut parts = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|digits| digits.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_greets_with_the_lowest_version_of_its_flavour() {
        let versions = Versions::default();
        assert_eq!(*versions.greeting(Flavour::MySql), MYSQL_VERSION);
        for version in ["9.7.0", "8.0.36", "8.4.2", "10.11.14-MariaDB-0+deb12u2"] {
            versions.note(version);
        }
        assert_eq!(*versions.greeting(Flavour::MySql), "8.0.36");
        assert_eq!(
            *versions.greeting(Flavour::MariaDb),
            "5.5.5-10.11.14-MariaDB-0+deb12u2"
        );
        versions.clear();
        versions.note("11.4.2-MariaDB");
        assert_eq!(*versions.greeting(Flavour::MariaDb), "11.4.2-MariaDB");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(at_least("8.0.100", (8, 0, 23)));
        assert!(!at_least("8.0.9", (8, 0, 23)));
        assert!(!at_least("garbage", (8, 0, 23)));
    }
}
