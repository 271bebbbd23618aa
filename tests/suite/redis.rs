//! The promises on Redis's protocol. Each test is a function that takes a flavour; [`on_both`]
//! makes two tests of it, `<name>::redis` and `<name>::valkey`.

use tenantsdb_tests::RedisFleet;
use tenantsdb_tests::redis::{Flavour, Login};

/// Makes a test for each flavour of functions that take one.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        $(mod $test {
            use tenantsdb_tests::redis::Flavour;

            #[test]
            fn redis() {
                super::$test(Flavour::Redis);
            }

            #[test]
            fn valkey() {
                super::$test(Flavour::Valkey);
            }
        })*
    };
}

mod dropped;
mod leaks;
mod lifecycle;
mod login;
mod redis_py;
mod sessions;
mod stream;
mod table;
mod walk;

/// A fleet on a server of its own, with the blueprint `myapp`.
struct Blueprint {
    fleet: RedisFleet,
    workspace: Login,
}

impl Blueprint {
    fn start(test: &str, flavour: Flavour) -> Self {
        Self::of(RedisFleet::own(test, flavour, 1))
    }

    fn of(fleet: RedisFleet) -> Self {
        let workspace = fleet.workspace("myapp");
        Self { fleet, workspace }
    }

    fn tenant(&self, name: &str) -> Login {
        self.fleet.tenant("myapp", name)
    }
}
