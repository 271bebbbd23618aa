//! Sessions on the server: which there are, and their end.
//!
//! They are read by SHOW PROCESSLIST. `information_schema.PROCESSLIST` of MySQL cannot be read at
//! all (error 3854) while any statement on the server holds bytes that are not UTF-8, whatever the
//! query asks for: one tenant would keep control from ending the sessions of another.

use std::time::Duration;

use tokio::time::Instant;

use super::connect::{Fault, MySql, Session, text, unreachable};
use crate::provision::Error;
use tenantsdb_codecs::mysql::account_name;

/// How long threads that were told to end may take: an ALTER TABLE undoes its work first.
const THREADS_END: Duration = Duration::from_secs(30);
/// Between two looks at whether they have; doubled each time, up to the second.
const THREADS_PAUSE_MIN: Duration = Duration::from_millis(2);
const THREADS_PAUSE_MAX: Duration = Duration::from_millis(200);

/// "Unknown thread id".
const NO_THREAD: u16 = 1094;

/// Columns of SHOW PROCESSLIST that are looked at: Id, User, Host, db, Command. The same places in
/// MySQL and MariaDB (<https://dev.mysql.com/doc/refman/9.0/en/show-processlist.html>).
const COLUMNS: usize = 5;

/// Which threads of the server are meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Threads<'a> {
    /// All of an account.
    Of(&'a str),
    /// All that have this schema as their default.
    Using(&'a str),
    /// Both of these, without the administrator's.
    OfDatabase {
        database: &'a str,
        account: &'a str,
        admin: &'a str,
    },
    /// Those that execute something in a schema, without the administrator's.
    Busy { database: &'a str, admin: &'a str },
    /// Those with one of these ids.
    Ids(&'a [i64]),
}

/// One line of the process list.
struct Thread {
    id: i64,
    user: String,
    database: String,
    command: String,
}

impl MySql {
    pub(in crate::provision) async fn terminate(&self, database: &str) -> Result<(), Error> {
        let threads = Threads::OfDatabase {
            database,
            account: &account_name(database),
            admin: self.admin_user(),
        };
        self.admin_once(async |admin| end_threads(admin, &threads).await)
            .await
    }

    pub(in crate::provision) async fn threads_alive(
        &self,
        threads: &[i64],
    ) -> Result<Vec<i64>, Error> {
        if threads.is_empty() {
            return Ok(Vec::new());
        }
        self.admin_once(async |admin| threads_of(admin, &Threads::Ids(threads)).await)
            .await
    }

    pub(in crate::provision) async fn threads_busy(
        &self,
        database: &str,
    ) -> Result<Vec<i64>, Error> {
        let busy = Threads::Busy {
            database,
            admin: self.admin_user(),
        };
        self.admin_once(async |admin| threads_of(admin, &busy).await)
            .await
    }
}

// === impl Threads ===

impl Threads<'_> {
    fn include(&self, thread: &Thread) -> bool {
        let Thread {
            id,
            user,
            database: default,
            command,
        } = thread;
        match *self {
            Self::Of(account) => user == account,
            Self::Using(database) => default == database,
            Self::OfDatabase {
                database,
                account,
                admin,
            } => (default == database || user == account) && user != admin,
            Self::Busy { database, admin } => {
                let waits = matches!(command.as_str(), "Sleep" | "Daemon");
                default == database && !waits && user != admin
            }
            Self::Ids(ids) => ids.contains(id),
        }
    }
}

/// Ends threads and waits until they are gone.
pub(super) async fn end_threads(admin: &mut Session, threads: &Threads<'_>) -> Result<(), Fault> {
    let deadline = Instant::now() + THREADS_END;
    let mut pause = THREADS_PAUSE_MIN;
    loop {
        let left = threads_of(admin, threads).await?;
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(unreachable(admin.addr(), "threads that were killed do not end").into());
        }
        for id in left {
            admin
                .run_unless(&format!("KILL {id}"), &[NO_THREAD])
                .await?;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(THREADS_PAUSE_MAX);
    }
}

/// Ids of the threads that are meant, but for the one that asks.
async fn threads_of(admin: &mut Session, threads: &Threads<'_>) -> Result<Vec<i64>, Fault> {
    let own = admin.value("SELECT CONNECTION_ID()").await?;
    let own = own.and_then(|id| id.parse::<i64>().ok());
    let rows = admin.first_columns("SHOW PROCESSLIST", COLUMNS).await?;
    let all = rows.iter().filter_map(|row| {
        Some(Thread {
            id: text(row, 0).parse().ok()?,
            user: text(row, 1),
            database: text(row, 3),
            command: text(row, 4),
        })
    });
    let meant = all.filter(|thread| Some(thread.id) != own && threads.include(thread));
    Ok(meant.map(|thread| thread.id).collect())
}
