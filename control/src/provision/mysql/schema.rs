//! All objects of a schema, as the server shows them: for snapshots, and to make them again
//! elsewhere.
//!
//! One query for each kind, always of this one schema, then SHOW CREATE of each object, many in
//! one message.

mod list;

use std::collections::{BTreeMap, BTreeSet};

use super::connect::{Fault, MySql, Session, refused, text};
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
        "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME \
         FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {schema}"
    );
    let Some(defaults) = session.rows(&defaults).await?.into_iter().next() else {
        return Err(refused(format!("there is no schema {database}")));
    };
    let excluded = Excluded::default();
    let mut listed = list::tables(session, &schema, &excluded).await?;
    listed.extend(list::routines(session, &schema).await?);
    let (triggers, orders) = list::triggers(session, &schema, &excluded).await?;
    listed.extend(triggers);
    listed.extend(list::events(session, &schema).await?);
    if let Some(only) = only {
        listed.retain(|one| only.contains(&format!("{} {}", one.kind.word(), one.name)));
    }
    // Stable: triggers stay in their order.
    listed.sort_by_key(|one| one.kind);
    let mut objects = Vec::with_capacity(listed.len());
    for some in listed.chunks(SHOW_MAX) {
        objects.extend(list::show(session, database, some).await?);
    }
    Ok(Schema {
        character_set: text(&defaults, 0),
        collation: text(&defaults, 1),
        objects,
        orders,
    })
}
