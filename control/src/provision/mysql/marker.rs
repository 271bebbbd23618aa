//! The table `_tenantsdb`: which versions a database has, and what is being done to it.
//!
//! A row with step 0 says that a version is there whole, one with step n how far its statement n
//! is. The table lies in the tenant's schema, where the tenant can write: it is read and written by
//! the deploy account only, who could do no harm elsewhere if the table were something that runs
//! code, and is believed only within what control knows.

use super::connect::{Fault, Session, TextRow, refused, text};
use super::quote::{ident, literal};
use crate::blueprint::Probe;
use crate::provision::marker::{Row, State, WHOLE};

pub(super) use crate::provision::marker::{Marker, digest_of};

/// Name of the table.
pub(super) const TABLE: &str = "_tenantsdb";

/// Rows that are read, and bytes of probes in all of them: far more than is ever written, and what
/// control has room for, since others can write there too.
const ROWS_MAX: usize = 100_000;
const PROBES_BYTES_MAX: usize = 64 << 20;
/// Bytes of one probe, and rows at once, where the administrator reads.
const PROBE_BYTES_MAX: usize = 1 << 20;
const PAGE_ROWS: usize = 64;

/// "Unknown database", "table does not exist", "is not BASE TABLE", "the storage engine does not
/// have this option".
const NO_BASE_TABLE: &[u16] = &[1049, 1146, 1347, 1031];

const CREATE: &str = "CREATE TABLE IF NOT EXISTS {} (`ordinal` INT NOT NULL, `step` INT NOT NULL, \
    `state` VARCHAR(8) NOT NULL, `digest` CHAR(64) NOT NULL DEFAULT '', `pre` MEDIUMTEXT, \
    `at` TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), PRIMARY KEY (`ordinal`, `step`)) \
    ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";

// === impl Marker ===

impl Marker {
    /// Makes the table in a schema in which nothing is yet.
    pub(super) async fn create(admin: &mut Session, schema: &str) -> Result<(), Fault> {
        let name = format!("{}.{}", ident(schema), ident(TABLE));
        admin.run(&CREATE.replace("{}", &name)).await.map(|_| ())
    }

    /// Reads the table of the session's own database.
    pub(super) async fn read(session: &mut Session) -> Result<Self, Fault> {
        Self::read_from(session, &ident(TABLE)).await
    }

    /// Reads the table of any schema as the administrator; `None` if there is no such table.
    /// HANDLER opens base tables alone: a view that stands in the table's place by then, put there
    /// by an event say, runs nothing in the administrator's name.
    pub(super) async fn read_of(admin: &mut Session, schema: &str) -> Result<Option<Self>, Fault> {
        let open = format!("HANDLER {}.{} OPEN AS marker", ident(schema), ident(TABLE));
        match admin.run(&open).await {
            Err(fault) if NO_BASE_TABLE.contains(&fault.number) => return Ok(None),
            opened => opened?,
        };
        let read = Self::read_opened(admin).await;
        admin.run("HANDLER marker CLOSE").await?;
        read.map(Some)
    }

    async fn read_opened(admin: &mut Session) -> Result<Self, Fault> {
        let mut marker = Self::default();
        let mut bytes = 0;
        let mut place = "FIRST";
        loop {
            let sql = format!(
                "HANDLER marker READ {place} WHERE COALESCE(LENGTH(`pre`), 0) <= {PROBE_BYTES_MAX} \
                 LIMIT {PAGE_ROWS}"
            );
            let rows = admin.rows(&sql).await?;
            bytes += rows.iter().map(|row| text(row, 4).len()).sum::<usize>();
            marker.add(&rows);
            if rows.len() < PAGE_ROWS {
                return Ok(marker);
            }
            if bytes > PROBES_BYTES_MAX || marker.rows.len() > ROWS_MAX {
                return Err(too_much());
            }
            place = "NEXT";
        }
    }

    async fn read_from(session: &mut Session, table: &str) -> Result<Self, Fault> {
        let size = format!("SELECT COUNT(*), COALESCE(SUM(LENGTH(`pre`)), 0) FROM {table}");
        for row in session.rows(&size).await? {
            let within = |column, max| text(&row, column).parse().is_ok_and(|n: usize| n <= max);
            if !within(0, ROWS_MAX) || !within(1, PROBES_BYTES_MAX) {
                return Err(too_much());
            }
        }
        let sql = format!(
            "SELECT `ordinal`, `step`, LEFT(`state`, 16), LEFT(`digest`, 64), `pre` FROM {table} \
             LIMIT {ROWS_MAX}"
        );
        let mut marker = Self::default();
        marker.add(&session.rows(&sql).await?);
        Ok(marker)
    }

    fn add(&mut self, rows: &[TextRow]) {
        for row in rows {
            let ordinal = text(row, 0).parse().unwrap_or(u32::MAX);
            let step = text(row, 1).parse().unwrap_or(i32::MAX);
            let read = Row {
                state: State::of(&text(row, 2)),
                digest: text(row, 3),
                pre: serde_json::from_str(&text(row, 4)).ok(),
            };
            self.rows.insert((ordinal, step), read);
        }
    }
}

fn too_much() -> Fault {
    refused(format!(
        "the table {TABLE} has more than was ever written there"
    ))
}

/// Says that a copy is being made of the template of version 1.`ordinal`, whose digest is `digest`.
pub(super) fn making(schema: &str, ordinal: u32, digest: &str) -> String {
    format!(
        "INSERT INTO {}.{} (`ordinal`, `step`, `state`, `digest`) \
         VALUES ({ordinal}, {WHOLE}, 'making', {})",
        ident(schema),
        ident(TABLE),
        literal(digest)
    )
}

/// Says that the copy is complete, in one statement.
pub(super) fn made(ordinal: u32) -> String {
    format!(
        "UPDATE {} SET `step` = 0, `state` = 'done' WHERE `ordinal` = {ordinal} \
         AND `step` = {WHOLE} AND `state` = 'making'",
        ident(TABLE)
    )
}

/// Says that a template is complete, and which tables have rows.
pub(super) fn template(ordinal: u32, fingerprint: &str, filled: Vec<String>) -> String {
    let filled = Probe(filled.into_iter().map(|table| (table, None)).collect());
    let filled = serde_json::to_string(&filled).unwrap_or_default();
    format!(
        "INSERT INTO {} (`ordinal`, `step`, `state`, `digest`, `pre`) \
         VALUES ({ordinal}, {WHOLE}, 'template', {}, {})",
        ident(TABLE),
        literal(fingerprint),
        literal(&filled)
    )
}

/// Says that a version is there whole.
pub(super) fn whole(ordinal: u32, digest: &str) -> String {
    format!(
        "INSERT INTO {} (`ordinal`, `step`, `state`, `digest`) VALUES ({ordinal}, 0, 'done', {})",
        ident(TABLE),
        literal(digest)
    )
}

/// Says that a statement is about to run.
pub(super) fn intent(ordinal: u32, step: i32, digest: &str, pre: Option<&Probe>) -> String {
    let pre = pre.and_then(|pre| serde_json::to_string(pre).ok());
    format!(
        "INSERT INTO {} (`ordinal`, `step`, `state`, `digest`, `pre`) \
         VALUES ({ordinal}, {step}, 'intent', {}, {})",
        ident(TABLE),
        literal(digest),
        pre.map_or_else(|| "NULL".to_owned(), |pre| literal(&pre))
    )
}

/// Says that it ran. Changes exactly one row, if nobody else wrote there.
pub(super) fn done(ordinal: u32, step: i32, digest: &str) -> String {
    format!(
        "UPDATE {} SET `state` = 'done', `at` = SYSDATE(6) WHERE `ordinal` = {ordinal} \
         AND `step` = {step} AND `state` = 'intent' AND `digest` = {}",
        ident(TABLE),
        literal(digest)
    )
}

/// Notes in a template what a step left.
pub(super) fn found(ordinal: u32, place: u32, probe: &Probe) -> String {
    let probe = serde_json::to_string(probe).unwrap_or_default();
    format!(
        "INSERT INTO {0} (`ordinal`, `step`, `state`, `pre`) \
         VALUES ({ordinal}, {place}, 'done', {1}) ON DUPLICATE KEY UPDATE `pre` = {1}",
        ident(TABLE),
        literal(&probe)
    )
}

/// Notes beside the intent what the statement left.
pub(super) fn left(ordinal: u32, place: u32, probe: &Probe) -> String {
    let probe = serde_json::to_string(probe).unwrap_or_default();
    format!(
        "UPDATE {} SET `pre` = {} WHERE `ordinal` = {ordinal} AND `step` = {place}",
        ident(TABLE),
        literal(&probe)
    )
}

/// Says that it did not run.
pub(super) fn not_run(ordinal: u32, step: i32) -> String {
    format!(
        "DELETE FROM {} WHERE `ordinal` = {ordinal} AND `step` = {step} AND `state` = 'intent'",
        ident(TABLE)
    )
}
