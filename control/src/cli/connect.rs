//! `tdb connect`: becomes psql on a database, or what the database's engine has for it.

mod mongo;
mod mysql;
mod redis;

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;
use reqwest::Url;
use tenantsdb_codecs::feed::id::DatabaseName;

use super::Session;
use super::error::Error;

#[derive(Debug, Args)]
pub(super) struct ConnectArgs {
    /// The database: BLUEPRINT__TENANT, or NAME_dev for a workspace
    database: String,
    /// What to pass on to psql (for example: -- -c 'SELECT 1'), to mariadb or mysql (-- --ssl), to
    /// mongosh (-- --eval 'db.users.find()') or to redis-cli (-- PING)
    #[arg(last = true, value_name = "CLIENT ARGUMENTS")]
    client: Vec<OsString>,
}

// === impl ConnectArgs ===

impl ConnectArgs {
    pub(super) fn what(&self) -> String {
        format!("Connecting to '{}'", self.database)
    }

    /// Replaces this process by the client; returns only if that cannot be done.
    pub(super) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let name =
            DatabaseName::parse(&self.database).ok_or_else(|| not_a_database(&self.database))?;
        let kept = match session.credentials() {
            Some(credentials) => credentials.find(&self.database)?,
            None => None,
        };
        let connection_string = match kept {
            Some(kept) => kept,
            None => {
                let looked_up = look_up(&name, &self.database, session).await?;
                let (client, variable) = match Kind::of(&looked_up) {
                    Kind::MySql => ("the client", "MYSQL_PWD"),
                    Kind::Mongo => ("mongosh", "--password"),
                    Kind::Redis => ("redis-cli", redis::PASSWORD),
                    Kind::Postgres => ("psql", "PGPASSWORD"),
                };
                session.note(&format!(
                    "! No password for {} is kept here: {client} asks for it, or takes \
                     {variable}\n  → a new one: tdb credentials rotate {}",
                    self.database, self.database
                ))?;
                looked_up
            }
        };
        Err(match Kind::of(&connection_string) {
            Kind::MySql => mysql::become_client(&connection_string, &self.client),
            Kind::Mongo => mongo::become_client(&connection_string, &self.client),
            Kind::Redis => redis::become_client(&connection_string, &self.client),
            Kind::Postgres => not_started(&psql(&connection_string, &self.client)?.exec()),
        })
    }
}

/// The connection string without password, from the service.
async fn look_up(
    name: &DatabaseName<'_>,
    database: &str,
    session: &Session<'_>,
) -> Result<String, Error> {
    let client = session.client()?;
    let found = match name {
        DatabaseName::Workspace { blueprint } => {
            client
                .workspace_fetch(blueprint)
                .await?
                .value
                .connection_string
        }
        DatabaseName::Tenant { tenant, .. } => {
            let databases = client.tenant_fetch(tenant).await?.value.databases;
            let found = databases
                .into_iter()
                .find(|found| found.database == database);
            found.and_then(|found| found.connection_string)
        }
    };
    found.ok_or_else(|| {
        let text = format!("the service knows no database {database}");
        Error::usage(
            text,
            "see which there are: tdb tenants list, tdb workspaces list",
        )
    })
}

/// Whose client is to be opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Postgres,
    MySql,
    Mongo,
    Redis,
}

impl Kind {
    fn of(connection_string: &str) -> Self {
        match connection_string.split("://").next() {
            Some("mysql") => Self::MySql,
            Some("mongodb" | "mongodb+srv") => Self::Mongo,
            Some("redis" | "rediss") => Self::Redis,
            _ => Self::Postgres,
        }
    }
}

/// A connection string taken apart into the one without password, and the password.
fn without_password(connection_string: &str) -> Result<(Url, Option<String>), Error> {
    let mut url = Url::parse(connection_string).map_err(|_| {
        Error::local(
            "the connection string is no URL",
            "tdb credentials rotate issues a new one",
        )
    })?;
    let password = url.password().map(percent_decoded);
    // Fails for URLs without a host, which have no password either.
    let _ = url.set_password(None);
    Ok((url, password))
}

/// psql with the password in its environment, where other users' process lists do not show it.
fn psql(connection_string: &str, args: &[OsString]) -> Result<Command, Error> {
    let (url, password) = without_password(connection_string)?;
    let mut command = Command::new("psql");
    command.arg(format!("--dbname={url}")).args(args);
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    Ok(command)
}

/// `%41` to `A`, as libpq reads a connection URI; `+` stays.
fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = match (byte, after.split_at_checked(2)) {
            (b'%', Some((hex, after))) => hex_byte(hex).map(|byte| (byte, after)),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((byte, after));
        decoded.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex_byte(hex: &[u8]) -> Option<u8> {
    u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok()
}

fn not_a_database(database: &str) -> Error {
    Error::usage(
        format!(
            "\"{database}\" is no database: a tenant's is BLUEPRINT__TENANT, a workspace's NAME_dev"
        ),
        "see which there are: tdb tenants list, tdb workspaces list",
    )
}

fn not_started(error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return Error::local(
            "psql is not installed",
            "apt-get install postgresql-client (Debian, Ubuntu), dnf install postgresql, \
             brew install libpq",
        );
    }
    Error::local(
        format!("psql could not be started: {error}"),
        "try it by itself: psql --version",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_goes_by_environment_and_never_by_argument() {
        let args = ["-c".into(), "SELECT 1".into()];
        let command = psql(
            "postgresql://a__b:s%40cr%2Bt+@h:6432/a__b?sslmode=require",
            &args,
        )
        .unwrap();
        let shown: Vec<_> = command.get_args().collect();
        assert_eq!(
            shown,
            [
                "--dbname=postgresql://a__b@h:6432/a__b?sslmode=require",
                "-c",
                "SELECT 1"
            ]
        );
        let environment: Vec<_> = command.get_envs().collect();
        let (name, value) = ("PGPASSWORD".as_ref(), Some("s@cr+t+".as_ref()));
        assert_eq!(environment, [(name, value)]);
    }

    #[test]
    fn without_a_password_psql_is_left_to_ask() {
        let command = psql("postgresql://a_dev@h:6432/a_dev", &[]).unwrap();
        assert_eq!(command.get_envs().count(), 0);
    }

    #[test]
    fn broken_escapes_are_taken_as_they_stand() {
        assert_eq!(percent_decoded("100%"), "100%");
        assert_eq!(percent_decoded("%zz%4"), "%zz%4");
        assert_eq!(percent_decoded("%E2%9C%93"), "✓");
    }

    #[test]
    fn a_missing_psql_says_what_to_install() {
        let error = not_started(&io::Error::from(io::ErrorKind::NotFound));
        assert!(
            error
                .render("Connecting", super::super::Mode::Text)
                .contains("postgresql-client")
        );
    }
}
