//! Databases: made closed, opened when only the right logins have rights on them.

use std::time::Duration;

use super::connect::{Admin, Postgres};
use super::quote::ident;
use crate::provision::Error;

/// Made by somebody else between our look and our CREATE: `duplicate_database`, `unique_violation`.
const DATABASE_EXISTS: &[&str] = &["42P04", "23505"];
/// How long sessions that were told to end may take.
const SESSIONS_END: Duration = Duration::from_secs(10);
/// Between two looks at whether they have.
const SESSIONS_PAUSE: Duration = Duration::from_millis(20);

/// What a database is cloned from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// The empty one.
    Empty,
    /// A template of a version.
    Template(&'a str),
}

impl Postgres {
    pub(in crate::provision) async fn terminate(&self, database: &str) -> Result<(), Error> {
        let mut admin = self.admin().await?;
        end_sessions(&mut admin, database).await?;
        admin.close().await;
        Ok(())
    }
}

/// Makes a database that nobody can enter, takes PUBLIC's rights on it, and leaves it closed. One
/// that is there and that this function can not have made is refused.
pub(super) async fn create_closed(
    admin: &mut Admin,
    database: &str,
    source: Source<'_>,
) -> Result<(), Error> {
    let name = ident(database);
    if !exists(admin, database).await? {
        let create = match source {
            Source::Empty => format!(
                "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' STRATEGY wal_log \
                 ALLOW_CONNECTIONS false"
            ),
            Source::Template(template) => format!(
                "CREATE DATABASE {name} TEMPLATE {} STRATEGY wal_log ALLOW_CONNECTIONS false",
                ident(template)
            ),
        };
        admin.run_unless(&create, DATABASE_EXISTS).await?;
    }
    // Ours never is open while PUBLIC may connect.
    let open_to_all = "SELECT datallowconn AND (datacl IS NULL OR EXISTS (SELECT FROM \
         aclexplode(datacl) a WHERE a.grantee = 0 AND a.privilege_type = 'CONNECT')) \
         FROM pg_database WHERE datname = $1";
    if admin.value::<bool>(open_to_all, &[database]).await? == Some(true) {
        return Err(Error::Refused(format!(
            "the server has a database {database} that was not made by TenantsDB"
        )));
    }
    admin
        .run(&format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC"))
        .await
}

/// Lets those in who have CONNECT.
pub(super) async fn open(admin: &mut Admin, database: &str) -> Result<(), Error> {
    admin
        .run(&format!(
            "ALTER DATABASE {} ALLOW_CONNECTIONS true",
            ident(database)
        ))
        .await
}

/// Lets nobody in, the administrator included, and ends the sessions that are in.
pub(super) async fn close(admin: &mut Admin, database: &str) -> Result<(), Error> {
    admin
        .run(&format!(
            "ALTER DATABASE {} ALLOW_CONNECTIONS false",
            ident(database)
        ))
        .await?;
    end_sessions(admin, database).await
}

/// Drops a database that may be gone, whoever is in it.
pub(super) async fn drop_database(admin: &mut Admin, database: &str) -> Result<(), Error> {
    // One whose DROP was cut off is invalid and takes nothing but another DROP
    // (DATCONNLIMIT_INVALID_DB in PostgreSQL's pg_database.h).
    let sql = "SELECT datconnlimit = -2 FROM pg_database WHERE datname = $1";
    let Some(invalid) = admin.value::<bool>(sql, &[database]).await? else {
        return Ok(());
    };
    let name = ident(database);
    if !invalid {
        admin
            .run(&format!(
                "ALTER DATABASE {name} IS_TEMPLATE false ALLOW_CONNECTIONS false"
            ))
            .await?;
    }
    admin
        .run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        .await
}

pub(super) async fn exists(admin: &mut Admin, database: &str) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM pg_database WHERE datname = $1";
    Ok(admin.value::<i32>(sql, &[database]).await?.is_some())
}

/// Ends the sessions in a database and waits until they are gone.
pub(super) async fn end_sessions(admin: &mut Admin, database: &str) -> Result<(), Error> {
    // A parallel worker or an autovacuum worker is no session; both give way by themselves.
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    let deadline = tokio::time::Instant::now() + SESSIONS_END;
    loop {
        let left = admin.value::<i64>(sql, &[database]).await?;
        if left.is_none_or(|left| left == 0) {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(Error::Server {
                sqlstate: "55006".to_owned(),
                message: format!("sessions in database \"{database}\" do not end"),
            });
        }
        tokio::time::sleep(SESSIONS_PAUSE).await;
    }
}
