//! The connection strings that were issued here, and `tdb credentials rotate`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reqwest::Url;

use super::error::Error;
use super::{Session, file, print};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Issue a new password for a database; the old one ends
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    /// The database: BLUEPRINT__TENANT, or NAME_dev for a workspace
    database: String,
    #[command(flatten)]
    keep: Keep,
}

/// Whether an issued connection string is kept.
#[derive(Debug, Args)]
pub(super) struct Keep {
    /// Do not keep the connection string for `tdb connect`
    #[arg(long)]
    no_save: bool,
}

/// The file of issued connection strings: `{database: connection string}`.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    path: PathBuf,
}

type Strings = BTreeMap<String, String>;

// === impl Credentials ===

impl Credentials {
    /// The file in the folder of the configuration file.
    pub(super) fn beside(config_file: &Path) -> Self {
        Self {
            path: config_file.with_file_name("credentials.json"),
        }
    }

    /// The kept connection string of a database.
    pub(super) fn find(&self, database: &str) -> Result<Option<String>, Error> {
        Ok(file::read::<Strings>(&self.path)?.remove(database))
    }

    async fn keep(&self, database: &str, connection_string: &str) -> Result<(), Error> {
        file::update(&self.path, |strings: &mut Strings| {
            strings.insert(database.to_owned(), connection_string.to_owned());
        })
        .await
    }

    async fn forget(&self, databases: &[&str]) -> Result<(), Error> {
        let kept: Strings = file::read(&self.path)?;
        if !databases
            .iter()
            .any(|database| kept.contains_key(*database))
        {
            return Ok(());
        }
        file::update(&self.path, |strings: &mut Strings| {
            strings.retain(|database, _| !databases.contains(&database.as_str()));
        })
        .await
    }
}

/// Keeps a connection string that was just issued and printed.
///
/// What could not be kept is a warning and no failure: the password was issued all the same, and a
/// script that runs the command again would find the name taken.
pub(super) async fn issued(
    session: &mut Session<'_>,
    keep: &Keep,
    database: &str,
    connection_string: &str,
) -> Result<(), Error> {
    if !has_password(connection_string) {
        return session.warn(&format!(
            "! This answer holds no password: it repeats one that was lost on its way\n  → a new \
             password: tdb credentials rotate {database}"
        ));
    }
    if keep.no_save {
        // What is kept for the database is no longer good.
        return match session.credentials() {
            Some(credentials) => credentials.forget(&[database]).await,
            None => Ok(()),
        };
    }
    let kept = match session.credentials() {
        Some(credentials) => credentials.keep(database, connection_string).await,
        None => Ok(()),
    };
    match kept {
        Ok(()) => Ok(()),
        Err(error) => session.warn(&format!(
            "! The connection string could not be kept for tdb connect: {error}\n  \
             → keep it yourself"
        )),
    }
}

/// Forgets the connection strings of databases that are gone.
pub(super) async fn ended(session: &mut Session<'_>, databases: &[&str]) -> Result<(), Error> {
    let Some(credentials) = session.credentials() else {
        return Ok(());
    };
    match credentials.forget(databases).await {
        Ok(()) => Ok(()),
        Err(error) => session.warn(&format!(
            "! Old connection strings could not be removed: {error}"
        )),
    }
}

fn has_password(connection_string: &str) -> bool {
    Url::parse(connection_string).is_ok_and(|url| url.password().is_some())
}

// === impl Command ===

impl Command {
    pub(super) fn what(&self) -> String {
        match self {
            Self::Rotate(args) => format!("Rotating the password of '{}'", args.database),
        }
    }

    pub(super) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        match self {
            Self::Rotate(args) => rotate(&args, session).await,
        }
    }
}

async fn rotate(args: &RotateArgs, session: &mut Session<'_>) -> Result<(), Error> {
    let reply = session.client()?.credential_rotate(&args.database).await?;
    let rotated = &reply.value;
    let connection = rotated.connection_string.as_deref().unwrap_or_default();
    let fields = print::fields(&[
        ("database", &rotated.database),
        ("user", &rotated.user),
        ("generation", &rotated.generation.to_string()),
        ("connection string", connection),
    ]);
    let text = format!("✓ Password of '{}' rotated\n\n{fields}", rotated.database);
    // Kept even if nobody reads what is printed.
    let printed = session.print(&reply.body, &[connection], &text);
    issued(session, &args.keep, &rotated.database, connection).await?;
    printed?;
    session.note_routing(rotated.routed, &rotated.behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn strings_are_kept_by_database_and_forgotten_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::beside(&folder.path().join("config.json"));
        assert_eq!(credentials.find("a_dev").unwrap(), None);
        credentials.forget(&["a_dev"]).await.unwrap();
        assert!(!credentials.path.exists(), "nothing to forget, no file");

        credentials.keep("a_dev", "postgresql://x").await.unwrap();
        credentials.keep("a__b", "postgresql://y").await.unwrap();
        credentials.keep("a__b", "postgresql://z").await.unwrap();
        assert_eq!(
            credentials.find("a__b").unwrap().as_deref(),
            Some("postgresql://z")
        );
        credentials.forget(&["a__b"]).await.unwrap();
        assert_eq!(credentials.find("a__b").unwrap(), None);
        assert_eq!(
            credentials.find("a_dev").unwrap().as_deref(),
            Some("postgresql://x")
        );
    }

    #[test]
    fn a_connection_string_without_password_is_told_apart() {
        assert!(has_password("postgresql://u:p@h:1/d"));
        assert!(!has_password("postgresql://u@h:1/d"));
        assert!(!has_password(""));
    }
}
