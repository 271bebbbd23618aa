//! Which objects a schema has, and SHOW CREATE of each.

use std::collections::BTreeMap;

use tenantsdb_codecs::mysql::Flavour;
use tenantsdb_codecs::sql::mysql::{Mode, portable};

use super::{Kind, Object, Setting};
use crate::blueprint::Excluded;
use crate::provision::mysql::connect::{Fault, Session, TextRow, refused, text};
use crate::provision::mysql::quote::ident;
use crate::provision::mysql::{marker, normal};

/// What is listed before it is shown.
pub(super) struct Listed {
    pub(super) kind: Kind,
    pub(super) name: String,
    starts: Option<i64>,
}

// === impl Listed ===

impl Listed {
    const fn new(kind: Kind, name: String) -> Self {
        Self {
            kind,
            name,
            starts: None,
        }
    }
}

/// Tables, views and sequences, by name.
pub(super) async fn tables(
    session: &mut Session,
    schema: &str,
    excluded: &Excluded,
) -> Result<Vec<Listed>, Fault> {
    let sql = format!(
        "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = {schema} ORDER BY TABLE_NAME"
    );
    let rows = session.rows(&sql).await?;
    Ok(rows
        .iter()
        .filter(|row| !is_left_out(excluded, &text(row, 0)))
        .filter_map(|row| {
            let kind = match text(row, 1).as_str() {
                "BASE TABLE" | "SYSTEM VERSIONED" => Kind::Table,
                "VIEW" => Kind::View,
                "SEQUENCE" => Kind::Sequence,
                _ => return None,
            };
            Some(Listed::new(kind, text(row, 0)))
        })
        .collect())
}

pub(super) async fn routines(session: &mut Session, schema: &str) -> Result<Vec<Listed>, Fault> {
    let sql = format!(
        "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES \
         WHERE ROUTINE_SCHEMA = {schema} ORDER BY ROUTINE_NAME"
    );
    let rows = session.rows(&sql).await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let kind = Kind::of_routine(&text(row, 1))?;
            Some(Listed::new(kind, text(row, 0)))
        })
        .collect())
}

/// Triggers, and the orders in which those of a table fire that have the same moment.
pub(super) async fn triggers(
    session: &mut Session,
    schema: &str,
    excluded: &Excluded,
) -> Result<(Vec<Listed>, BTreeMap<String, String>), Fault> {
    let sql = format!(
        "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION \
         FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {schema} \
         ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER"
    );
    let mut rows = session.rows(&sql).await?;
    rows.retain(|row| !is_left_out(excluded, &text(row, 1)));
    let mut moments: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in &rows {
        let moment = format!("{} {}", text(row, 2), text(row, 3));
        let names = moments.entry((text(row, 1), moment)).or_default();
        names.push(ident(&text(row, 0)));
    }
    let mut orders: BTreeMap<String, String> = BTreeMap::new();
    for ((table, moment), names) in moments {
        if names.len() > 1 {
            let order = orders.entry(table).or_default();
            order.push_str(&format!("{moment}: {}\n", names.join(", ")));
        }
    }
    let listed = rows
        .iter()
        .map(|row| Listed::new(Kind::Trigger, text(row, 0)))
        .collect();
    Ok((listed, orders))
}

/// Events. An event without a STARTS of its own has the moment at which it was made, or last
/// altered.
pub(super) async fn events(session: &mut Session, schema: &str) -> Result<Vec<Listed>, Fault> {
    const STARTS: &str = "CONVERT_TZ(STARTS, TIME_ZONE, @@SESSION.time_zone)";
    let sql = format!(
        "SELECT EVENT_NAME, IF({STARTS} IN (CREATED, LAST_ALTERED), UNIX_TIMESTAMP({STARTS}), \
         NULL) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {schema} ORDER BY EVENT_NAME"
    );
    let rows = session.rows(&sql).await?;
    Ok(rows
        .iter()
        .map(|row| Listed {
            kind: Kind::Event,
            name: text(row, 0),
            // With a fraction on some servers.
            starts: text(row, 1).split('.').next().and_then(|s| s.parse().ok()),
        })
        .collect())
}

/// The product's own, and tools' history.
fn is_left_out(excluded: &Excluded, table: &str) -> bool {
    table == marker::TABLE || excluded.table("", table)
}

pub(super) async fn show(
    session: &mut Session,
    database: &str,
    listed: &[Listed],
) -> Result<Vec<Object>, Fault> {
    let statements: Vec<String> = listed
        .iter()
        .map(|one| format!("SHOW CREATE {} {}", one.kind.in_sql(), ident(&one.name)))
        .collect();
    if statements.is_empty() {
        return Ok(Vec::new());
    }
    let rows = session.rows(&statements.join("; ")).await?;
    // Each gives one row, or an error.
    if rows.len() != listed.len() {
        return Err(refused("the server shows other objects than it lists"));
    }
    let flavour = session.flavour;
    Ok(listed
        .iter()
        .zip(&rows)
        .map(|(one, row)| object(one, row, database, flavour))
        .collect())
}

fn object(listed: &Listed, row: &TextRow, database: &str, flavour: Flavour) -> Object {
    let some = |column| Some(text(row, column));
    // Where the text stands, and what stands around it.
    let (column, setting) = match listed.kind {
        Kind::Table | Kind::Sequence => (1, None),
        Kind::View => (
            1,
            Some(Setting {
                character_set_client: text(row, 2),
                collation_connection: text(row, 3),
                ..Setting::default()
            }),
        ),
        Kind::Event => (
            3,
            Some(Setting {
                sql_mode: some(1),
                time_zone: some(2),
                character_set_client: text(row, 4),
                collation_connection: text(row, 5),
                database_collation: some(6),
            }),
        ),
        _ => (
            2,
            Some(Setting {
                sql_mode: some(1),
                character_set_client: text(row, 3),
                collation_connection: text(row, 4),
                database_collation: some(5),
                time_zone: None,
            }),
        ),
    };
    // Programs are shown as they were written, under the sql_mode of then; MySQL quotes their
    // heads as this session would.
    let sql_mode = setting.as_ref().and_then(|s| s.sql_mode.as_deref());
    let mode = Mode::of_sql_mode(sql_mode.unwrap_or_default());
    let mut shown = portable(&text(row, column), database, database, mode);
    if flavour == Flavour::MariaDb && listed.kind == Kind::Sequence {
        shown = normal::one_line(&shown);
    }
    if listed.kind > Kind::Table && flavour == Flavour::MySql {
        shown = normal::without_end(shown);
    }
    if listed.starts.is_some() {
        shown = normal::without_starts(&shown, &ident(&listed.name));
    }
    Object {
        kind: listed.kind,
        name: listed.name.clone(),
        text: shown,
        setting,
        starts: listed.starts,
    }
}
