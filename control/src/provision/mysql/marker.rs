//! The table `_tenantsdb`: which versions a database has, and what is being done to it.
//!
//! A row with step 0 says that a version is there whole, one with step n how far its statement n
//! is. The table lies in the tenant's schema, where the tenant can write: it is read and written by
//! the deploy account only, who could do no harm elsewhere if the table were something that runs
//! code, and is believed only within what control knows.

use std::collections::BTreeMap;

use super::connect::{Fault, Session, TextRow, refused, text};
use super::names::digest;
use super::quote::{ident, literal};
use crate::blueprint::{Probe, Version};
use crate::provision::Found;

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

/// A step of ours that stands for a whole database: a template that is complete, a copy that is
/// being made.
const WHOLE: i32 = -1;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS {} (`ordinal` INT NOT NULL, `step` INT NOT NULL, \
    `state` VARCHAR(8) NOT NULL, `digest` CHAR(64) NOT NULL DEFAULT '', `pre` MEDIUMTEXT, \
    `at` TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), PRIMARY KEY (`ordinal`, `step`)) \
    ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";

/// All rows.
#[derive(Debug, Default)]
pub(super) struct Marker {
    rows: BTreeMap<(u32, i32), Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) state: State,
    pub(super) digest: String,
    /// Of a step: what its objects were before; in a template, what they were after it.
    pub(super) pre: Option<Probe>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Intent,
    Done,
    /// A copy of a template that is being made.
    Making,
    Template,
    /// Nothing that we write.
    Unknown,
}

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

    /// The newest version that is there whole.
    pub(super) fn ordinal(&self) -> Option<u32> {
        let whole = |(key, row): (&(u32, i32), &Row)| {
            (key.1 == 0 && row.state == State::Done).then_some(key.0)
        };
        self.rows.iter().filter_map(whole).max()
    }

    pub(super) fn row(&self, ordinal: u32, step: i32) -> Option<&Row> {
        self.rows.get(&(ordinal, step))
    }

    /// Rows of versions above `ordinal`.
    pub(super) fn above(&self, ordinal: u32) -> impl Iterator<Item = (u32, i32, &Row)> {
        self.rows
            .iter()
            .filter(move |((of, _), _)| *of > ordinal)
            .map(|((of, step), row)| (*of, *step, row))
    }

    /// By what the newest whole version is known again; empty for 1.0.
    pub(super) fn version_digest(&self) -> &str {
        let row = self.ordinal().and_then(|ordinal| self.row(ordinal, 0));
        row.map_or("", |row| row.digest.as_str())
    }

    /// The fingerprint of a template that is complete.
    pub(super) fn template(&self) -> Option<&str> {
        self.template_row().map(|row| row.digest.as_str())
    }

    /// The tables of a template that have rows.
    pub(super) fn filled(&self) -> Vec<String> {
        let tables = self.template_row().and_then(|row| row.pre.as_ref());
        tables.map_or_else(Vec::new, |tables| tables.0.keys().cloned().collect())
    }

    fn template_row(&self) -> Option<&Row> {
        let mut rows = self.rows.iter();
        let row = rows.find(|((_, step), row)| *step == WHOLE && row.state == State::Template);
        row.map(|(_, row)| row)
    }

    /// What the steps of a template left.
    pub(super) fn found(&self) -> Vec<Found> {
        let step = |((ordinal, step), row): (&(u32, i32), &Row)| {
            let place = u32::try_from(*step).ok().filter(|place| *place > 0)?;
            (row.state == State::Done).then_some(())?;
            Some((*ordinal, place, row.pre.clone()?))
        };
        self.rows.iter().filter_map(step).collect()
    }
}

fn too_much() -> Fault {
    refused(format!(
        "the table {TABLE} has more than was ever written there"
    ))
}

// === impl State ===

impl State {
    fn of(text: &str) -> Self {
        match text {
            "intent" => Self::Intent,
            "done" => Self::Done,
            "making" => Self::Making,
            "template" => Self::Template,
            _ => Self::Unknown,
        }
    }
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

/// By what a version is known again.
pub(super) fn digest_of(version: &Version) -> String {
    let texts = version.statements.iter().map(|statement| {
        let deploy = if statement.deploy { "+" } else { "-" };
        format!("{deploy}{}", digest(&statement.ddl))
    });
    digest(&texts.collect::<String>())
}
