//! Removing what a database leaves, slowly enough for the others on its server.

use std::time::Duration;

use redis::{Pipeline, Value};

use super::connect::{Redis, Session};
use crate::provision::Error;

/// Slots that one SCAN looks at: some 100 microseconds in which nobody else is served.
const SCAN_COUNT: u32 = 1000;
/// Between two of them, so that the walk takes a small part of the server's time.
const PACE: Duration = Duration::from_millis(2);

impl Redis {
    /// Deletes all keys that begin with `prefix`, in every database of the server: COPY reaches
    /// others than the first. It begins anew when it is repeated; what was deleted is passed over.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves the keys that it has not come to.
    pub(in crate::provision) async fn keys_drop(&self, prefix: &str) -> Result<u64, Error> {
        let mut admin = self.admin().await?;
        let mut dropped = 0;
        for database in databases(&mut admin).await? {
            dropped += walk(&mut admin, database, prefix).await?;
        }
        Ok(dropped)
    }

    /// Empties a server that was one database's own.
    pub(in crate::provision) async fn server_empty(&self) -> Result<(), Error> {
        let mut admin = self.admin().await?;
        let mut commands = Pipeline::new();
        commands.cmd("FLUSHALL").arg("ASYNC");
        commands.cmd("FUNCTION").arg(&["FLUSH", "ASYNC"]);
        commands.cmd("SCRIPT").arg(&["FLUSH", "ASYNC"]);
        admin.ask_all(&commands).await.map(|_| ())
    }

    /// Whether no key is on the server.
    pub(in crate::provision) async fn server_is_empty(&self) -> Result<bool, Error> {
        let mut admin = self.admin().await?;
        Ok(databases(&mut admin).await?.is_empty())
    }
}

/// The numbers of the databases that have keys: `db0:keys=1,expires=0,…`.
async fn databases(admin: &mut Session) -> Result<Vec<u32>, Error> {
    let info = admin.info("keyspace").await?;
    let number = |line: &str| line.strip_prefix("db")?.split_once(':')?.0.parse().ok();
    Ok(info.lines().filter_map(number).collect())
}

async fn walk(admin: &mut Session, database: u32, prefix: &str) -> Result<u64, Error> {
    // Prefixes have letters, digits, `_` and `:` only, which mean themselves in a pattern.
    let pattern = format!("{prefix}*");
    admin
        .ask::<Value>(redis::cmd("SELECT").arg(database))
        .await?;
    let mut cursor = "0".to_owned();
    let mut dropped = 0;
    loop {
        let scan = redis::cmd("SCAN")
            .arg(&cursor)
            .arg(&["MATCH", &pattern, "COUNT"])
            .arg(SCAN_COUNT)
            .to_owned();
        let (next, keys): (String, Vec<Vec<u8>>) = admin.ask(&scan).await?;
        if !keys.is_empty() {
            dropped += admin.ask::<u64>(redis::cmd("UNLINK").arg(&keys)).await?;
        }
        if next == "0" {
            return Ok(dropped);
        }
        cursor = next;
        tokio::time::sleep(PACE).await;
    }
}
