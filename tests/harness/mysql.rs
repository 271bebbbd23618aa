//! MariaDB and Oracle's MySQL: servers of the tests' own, and a client that sees every packet.
//!
//! A test is one function that takes a [`Flavour`] and runs on both. MariaDB has to be there.
//! MySQL comes from `scripts/mysql.sh`; where that cannot have it, the test says so in a way that
//! no output capture hides ([`Flavour::or_not_run`]) and is counted in `target/not-run`.

pub mod cli;
pub mod database;
pub mod exchange;
pub mod login;
pub mod packet;
pub mod programs;
pub mod reply;
mod running;
pub mod server;
pub mod session;
pub mod tap;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

pub use cli::Cli;
pub use database::Database;
pub use login::Login;
pub use reply::{Failed, Refused, Reply};
pub use server::Server;
pub use session::Session;

use crate::paths;

/// Which of the two a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// MariaDB, `mysql_native_password`.
    MariaDb,
    /// Oracle's MySQL, `caching_sha2_password`.
    MySql,
}

impl Flavour {
    /// `mariadb` or `mysql`: in names of folders, logs and drivers' options.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::MySql => "mysql",
        }
    }

    /// The authentication method of its tenants.
    #[must_use]
    pub fn plugin(self) -> &'static str {
        match self {
            Self::MariaDb => "mysql_native_password",
            Self::MySql => "caching_sha2_password",
        }
    }

    /// This flavour where it can be had; otherwise says that `test` did not run.
    #[must_use]
    pub fn or_not_run(self, test: &str) -> Option<Self> {
        if self == Self::MariaDb {
            return Some(self);
        }
        match programs::mysql_unavailable() {
            None => Some(self),
            Some(reason) => {
                not_run(test, &reason);
                None
            }
        }
    }
}

/// A name for a blueprint that no other test of this process has: databases and logins are named
/// after it, and the tests share servers.
#[must_use]
pub fn blueprint() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("b{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Past the capture of test output, which would hide it where the test passes; and into a file
/// that `.ci/run` shows at its end.
fn not_run(test: &str, reason: &str) {
    let line = format!("NOT RUN: MySQL 9: {test}: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    let file = paths::build_output().with_file_name("not-run");
    let file = OpenOptions::new().create(true).append(true).open(file);
    let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
    written.expect("the build output can be written");
}
