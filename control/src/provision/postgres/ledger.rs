//! The ledger of a workspace, read and marked.

use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};
use time::OffsetDateTime;

use super::connect::{Admin, Postgres, within};
use crate::blueprint::LedgerRow;
use crate::provision::Error;

/// All rows that no version has, and with them the sealed ones of the same message: without those
/// it could not be told which of two equal statements of a message is meant.
///
/// All, and not "after the last one read": ids are not in the order of commits. One statement, and
/// so one snapshot.
const OPEN_ROWS: &str = "
    WITH open AS (SELECT DISTINCT pid, at FROM tenantsdb.ledger WHERE NOT sealed)
    SELECT l.id, l.xid::text AS xid, l.firing, l.dropped, l.pid, l.tag, l.object_type, l.identity,
        l.search_path, l.role, l.login, l.application_name,
        coalesce(l.query, first_value(l.query) OVER message, '') AS query, l.nested,
        (extract(epoch FROM l.at) * 1000000)::int8 AS at, l.sealed
    FROM tenantsdb.ledger l JOIN open ON open.pid = l.pid AND open.at = l.at
    WINDOW message AS (PARTITION BY l.xid, l.at ORDER BY l.query IS NULL, l.id)
    ORDER BY l.id";

impl Postgres {
    pub(in crate::provision) async fn ledger_read(
        &self,
        workspace_database: &str,
    ) -> Result<Vec<LedgerRow>, Error> {
        let mut admin = self.admin_in(workspace_database).await?;
        let rows = admin.rows::<Open>(OPEN_ROWS, &[]).await?;
        admin.close().await;
        Ok(rows.into_iter().map(|Open(row)| row).collect())
    }

    pub(in crate::provision) async fn ledger_seal(
        &self,
        workspace_database: &str,
        ids: &[i64],
    ) -> Result<(), Error> {
        let mut admin = self.admin_in(workspace_database).await?;
        seal(&mut admin, self.addr(), ids).await?;
        admin.close().await;
        Ok(())
    }
}

async fn seal(admin: &mut Admin, addr: &str, ids: &[i64]) -> Result<(), Error> {
    let update = sqlx::query("UPDATE tenantsdb.ledger SET sealed = true WHERE id = ANY($1)")
        .bind(ids.to_vec())
        .persistent(false)
        .execute(admin.connection());
    within(addr, update).await.map(|_| ())
}

/// A row of [`OPEN_ROWS`].
struct Open(LedgerRow);

impl FromRow<'_, PgRow> for Open {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let at = i128::from(row.try_get::<i64, _>("at")?) * 1_000;
        Ok(Self(LedgerRow {
            id: row.try_get("id")?,
            xid: row.try_get("xid")?,
            firing: row.try_get("firing")?,
            dropped: row.try_get("dropped")?,
            pid: row.try_get("pid")?,
            tag: row.try_get("tag")?,
            object_type: row.try_get("object_type")?,
            identity: row.try_get("identity")?,
            search_path: row.try_get("search_path")?,
            role: row.try_get("role")?,
            user: row.try_get("login")?,
            application_name: row.try_get("application_name")?,
            query: row.try_get("query")?,
            nested: row.try_get("nested")?,
            // PostgreSQL's range is wider than ours, and far from the present on both sides.
            at: OffsetDateTime::from_unix_timestamp_nanos(at).unwrap_or(OffsetDateTime::UNIX_EPOCH),
            sealed: row.try_get("sealed")?,
        }))
    }
}
