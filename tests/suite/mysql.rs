//! The promises on MySQL's protocol. Each test is a function that takes a flavour; [`on_both`]
//! makes two tests of it, `<name>::mariadb` and `<name>::mysql`.

use tenantsdb_tests::MySqlFleet;
use tenantsdb_tests::mysql::{self, Database, Flavour};

/// Makes a test for each flavour of functions that take one.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        $(mod $test {
            use tenantsdb_tests::mysql::Flavour;

            #[test]
            fn mariadb() {
                super::$test(Flavour::MariaDb);
            }

            #[test]
            fn mysql() {
                let name = concat!(module_path!(), "::mysql");
                if let Some(flavour) = Flavour::MySql.or_not_run(name) {
                    super::$test(flavour);
                }
            }
        })*
    };
}

mod clients;
mod ddl_capture;
mod deploy;
mod dump;
mod isolation;
mod login;
mod pool;

/// A fleet on the shared server, with one blueprint.
struct Blueprint {
    fleet: MySqlFleet,
    name: String,
    workspace: Database,
}

impl Blueprint {
    fn start(test: &str, flavour: Flavour) -> Self {
        Self::of(MySqlFleet::shared(test, flavour, 1))
    }

    /// A blueprint of a name that no other test has.
    fn of(fleet: MySqlFleet) -> Self {
        let name = mysql::blueprint();
        let workspace = fleet.workspace(&name);
        Self {
            fleet,
            name,
            workspace,
        }
    }

    fn tenant(&self, name: &str) -> Database {
        self.fleet.tenant(&self.name, name)
    }
}
