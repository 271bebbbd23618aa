//! All objects of a schema, as the server shows them: for snapshots, and to make them again
//! elsewhere.
//!
//! One query for each kind, always of this one schema, then SHOW CREATE of each object, many in
//! one message.

use std::collections::{BTreeMap, BTreeSet};

use tenantsdb_codecs::sql::mysql::{Mode, portable};

use super::connect::{Fault, MySql, Session, TextRow, refused, text};
use super::flavour::Flavour;
use super::marker;
use super::normal;
use super::quote::{ident, literal};
use crate::blueprint::{Excluded, Snapshot};
use crate::provision::{Error, Fingerprint};

/// SHOW CREATE statements in one message.
const SHOW_MAX: usize = 64;
/// How often a schema is read again that changed under our eyes.
const READ_ATTEMPTS_MAX: u32 = 5;
/// "Unknown table", "no such table", "routine does not exist", "trigger …", "event …", "sequence
/// …": dropped since it was listed.
const GONE: &[u16] = &[1051, 1146, 1305, 1360, 1539, 4091];

/// Kinds of objects, in the order in which they can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Sequence,
    Table,
    Package,
    PackageBody,
    Function,
    Procedure,
    View,
    Trigger,
    Event,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// What SHOW CREATE gives, without definer and the schema's own name.
    pub(super) text: String,
    /// Of views and programs.
    pub(super) setting: Option<Setting>,
    /// Of an event that begins when it was made: that moment, in seconds since 1970. It is not in
    /// the text.
    pub(super) starts: Option<i64>,
}

/// What a view or a program depends on besides its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Setting {
    /// Not of views.
    pub(super) sql_mode: Option<String>,
    pub(super) character_set_client: String,
    pub(super) collation_connection: String,
    /// Not of views.
    pub(super) database_collation: Option<String>,
    /// Of events.
    pub(super) time_zone: Option<String>,
}

/// A schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Schema {
    pub(super) character_set: String,
    pub(super) collation: String,
    /// By kind; triggers in the order in which they fire.
    pub(super) objects: Vec<Object>,
    /// Per table, which triggers fire in which order, where that is not plain.
    orders: BTreeMap<String, String>,
}

/// What is listed before it is shown.
struct Listed {
    kind: Kind,
    name: String,
    starts: Option<i64>,
}

impl MySql {
    pub(in crate::provision) async fn snapshot(&self, database: &str) -> Result<Snapshot, Error> {
        self.admin_once(async |admin| Ok(Schema::read(admin, database, None).await?.snapshot()))
            .await
    }

    pub(in crate::provision) async fn fingerprint(
        &self,
        database: &str,
    ) -> Result<Fingerprint, Error> {
        Ok(Fingerprint(self.snapshot(database).await?.digest()))
    }
}

// === impl Schema ===

impl Schema {
    /// Reads a schema, or of its objects those of these keys only. The session's default database
    /// is that schema afterwards.
    pub(super) async fn read(
        session: &mut Session,
        database: &str,
        only: Option<&BTreeSet<String>>,
    ) -> Result<Self, Fault> {
        session.run(&format!("USE {}", ident(database))).await?;
        let mut attempts = 1;
        loop {
            match read_once(session, database, only).await {
                Err(fault) if GONE.contains(&fault.number) && attempts < READ_ATTEMPTS_MAX => {
                    attempts += 1;
                }
                other => return other,
            }
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut objects = BTreeMap::new();
        objects.insert(
            "schema".to_owned(),
            format!(
                "CHARACTER SET {} COLLATE {}",
                self.character_set, self.collation
            ),
        );
        for (table, order) in &self.orders {
            objects.insert(format!("order {table}"), order.clone());
        }
        for object in &self.objects {
            objects.insert(object.key(), object.definition());
        }
        Snapshot(objects)
    }
}

// === impl Object ===

impl Object {
    pub(super) fn key(&self) -> String {
        format!("{} {}", self.kind.word(), self.name)
    }

    fn definition(&self) -> String {
        let mut definition = String::new();
        if let Some(setting) = &self.setting {
            for (name, value) in setting.lines() {
                definition.push_str(&format!("{name}={value}\n"));
            }
            definition.push('\n');
        }
        match self.kind {
            Kind::Table => definition.push_str(&normal::without_counter(&self.text)),
            _ => definition.push_str(&self.text),
        }
        definition
    }
}

// === impl Setting ===

impl Setting {
    fn lines(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("sql_mode", self.sql_mode.as_deref()),
            (
                "character_set_client",
                Some(self.character_set_client.as_str()),
            ),
            (
                "collation_connection",
                Some(self.collation_connection.as_str()),
            ),
            ("database_collation", self.database_collation.as_deref()),
            ("time_zone", self.time_zone.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

// === impl Kind ===

impl Kind {
    /// As it stands in keys.
    const fn word(self) -> &'static str {
        match self {
            Self::Sequence => "sequence",
            Self::Table => "table",
            Self::Package => "package",
            Self::PackageBody => "package-body",
            Self::Function => "function",
            Self::Procedure => "procedure",
            Self::View => "view",
            Self::Trigger => "trigger",
            Self::Event => "event",
        }
    }

    /// As it stands in SHOW CREATE.
    const fn in_sql(self) -> &'static str {
        match self {
            Self::Sequence => "SEQUENCE",
            Self::Table => "TABLE",
            Self::Package => "PACKAGE",
            Self::PackageBody => "PACKAGE BODY",
            Self::Function => "FUNCTION",
            Self::Procedure => "PROCEDURE",
            Self::View => "VIEW",
            Self::Trigger => "TRIGGER",
            Self::Event => "EVENT",
        }
    }

    fn of_routine(word: &str) -> Option<Self> {
        [
            Self::Package,
            Self::PackageBody,
            Self::Function,
            Self::Procedure,
        ]
        .into_iter()
        .find(|kind| kind.in_sql() == word)
    }
}

async fn read_once(
    session: &mut Session,
    database: &str,
    only: Option<&BTreeSet<String>>,
) -> Result<Schema, Fault> {
    let schema = literal(database);
    let defaults = format!(
        "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA \
         WHERE SCHEMA_NAME = {schema}"
    );
    let Some(defaults) = session.rows(&defaults).await?.into_iter().next() else {
        return Err(refused(format!("there is no schema {database}")));
    };
    let excluded = Excluded::default();
    let mut listed = tables(session, &schema, &excluded).await?;
    listed.extend(routines(session, &schema).await?);
    let (triggers, orders) = triggers(session, &schema, &excluded).await?;
    listed.extend(triggers);
    listed.extend(events(session, &schema).await?);
    if let Some(only) = only {
        listed.retain(|one| only.contains(&format!("{} {}", one.kind.word(), one.name)));
    }
    // Stable: triggers stay in their order.
    listed.sort_by_key(|one| one.kind);
    let mut objects = Vec::with_capacity(listed.len());
    for some in listed.chunks(SHOW_MAX) {
        objects.extend(show(session, database, some).await?);
    }
    Ok(Schema {
        character_set: text(&defaults, 0),
        collation: text(&defaults, 1),
        objects,
        orders,
    })
}

/// Tables, views and sequences, by name.
async fn tables(
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

async fn routines(session: &mut Session, schema: &str) -> Result<Vec<Listed>, Fault> {
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
async fn triggers(
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
async fn events(session: &mut Session, schema: &str) -> Result<Vec<Listed>, Fault> {
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

impl Listed {
    const fn new(kind: Kind, name: String) -> Self {
        Self {
            kind,
            name,
            starts: None,
        }
    }
}

/// The product's own, and tools' history.
fn is_left_out(excluded: &Excluded, table: &str) -> bool {
    table == marker::TABLE || excluded.table("", table)
}

async fn show(
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
