//! The command line clients `mariadb` and `mysql`, and their dumps.

use std::path::Path;
use std::process::Command;

use super::database::Database;
use super::{Flavour, programs};
use crate::Run;

/// One of the two command line clients, unmodified. Each talks to servers of both flavours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cli(pub Flavour);

impl Cli {
    /// The client for one database in the clear, with the password in its environment.
    #[must_use]
    pub fn plain(self, database: &Database) -> Command {
        let mut command = self.command(database);
        match self.0 {
            Flavour::MariaDb => command.arg("--skip-ssl"),
            // Without TLS the password of caching_sha2_password goes encrypted with the other
            // side's key, which has to be asked for.
            Flavour::MySql => command.args(["--ssl-mode=DISABLED", "--get-server-public-key"]),
        };
        command.arg(&database.name);
        command
    }

    /// The client for one database over TLS, with certificate and host checked.
    #[must_use]
    pub fn tls(self, database: &Database, ca: &Path) -> Command {
        let mut command = self.command(database);
        command.arg(format!("--ssl-ca={}", ca.display()));
        command.arg(match self.0 {
            Flavour::MariaDb => "--ssl-verify-server-cert",
            Flavour::MySql => "--ssl-mode=VERIFY_IDENTITY",
        });
        command.arg(&database.name);
        command
    }

    fn command(self, database: &Database) -> Command {
        let command = match self.0 {
            Flavour::MariaDb => programs::mariadb("mariadb"),
            Flavour::MySql => programs::mysql(),
        };
        let mut command = with_login(command, database);
        // Rows bare, columns separated by tabs, no names of columns.
        command.args([
            "--batch",
            "--skip-column-names",
            "--default-character-set=utf8mb4",
        ]);
        command
    }

    /// The same command as a person has it, who types statements and sees rows.
    #[must_use]
    pub fn interactive(command: &Command) -> Command {
        let mut interactive = Command::new(command.get_program());
        interactive.args(command.get_args().filter(|word| *word != "--batch"));
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                interactive.env(name, value);
            }
        }
        interactive
    }

    /// Runs SQL in the clear, as a person types it.
    #[must_use]
    pub fn run(self, database: &Database, sql: &str) -> Run {
        Run::of(self.plain(database).args(["-e", sql]))
    }

    /// Feeds a script to the client in the clear, as `mysql db < file` does.
    #[must_use]
    pub fn import(self, database: &Database, script: &str) -> Run {
        Run::with_input(&mut self.plain(database), script)
    }
}

fn with_login(mut command: Command, database: &Database) -> Command {
    let (host, port) = database.host_port();
    command.args([
        "--protocol=TCP",
        "-h",
        host,
        "-P",
        port,
        "-u",
        &database.user,
    ]);
    command.env("MYSQL_PWD", &database.password);
    // Nothing of the user's own.
    command.env("HOME", "/nonexistent").env("LC_ALL", "C.UTF-8");
    command
}

/// The dump that belongs to a flavour, with these options.
#[must_use]
pub fn dump(flavour: Flavour, database: &Database, options: &[&str]) -> Run {
    let mut command = match flavour {
        Flavour::MariaDb => programs::mariadb("mariadb-dump"),
        Flavour::MySql => programs::mysqldump(),
    };
    match flavour {
        Flavour::MariaDb => command.arg("--skip-ssl"),
        Flavour::MySql => command.args([
            "--ssl-mode=DISABLED",
            "--get-server-public-key",
            // Each of the two needs a privilege on the whole server.
            "--no-tablespaces",
            "--set-gtid-purged=OFF",
        ]),
    };
    let mut command = with_login(command, database);
    Run::of(command.args(options).arg(&database.name))
}
