//! A schema's objects made again in an empty one, with the rows that belong to them.

use super::accounts;
use super::connect::{Fault, MySql, STATEMENT_TIMEOUT, Session, refused, text};
use super::names::deploy_account_name;
use super::normal::as_sent;
use super::quote::{ident, literal};
use super::schema::{Kind, Object, Schema};
use super::session;
use crate::blueprint::TableText;

/// For tables: whatever SHOW CREATE gives is taken, in any order of references. For programs their
/// own settings follow.
const SETTINGS: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, \
    SESSION foreign_key_checks = 0, SESSION unique_checks = 0, SESSION sql_mode = \
    'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION'";

/// What is copied.
pub(super) struct Original {
    /// Its name.
    pub(super) database: String,
    pub(super) schema: Schema,
    /// Tables that have rows: some statements make both.
    pub(super) filled: Vec<String>,
}

impl MySql {
    /// Makes all objects of `from` in the schema `database`, which has its defaults already, and
    /// nothing else. The session is its deploy account's: what the texts hold gets no further than
    /// that.
    pub(super) async fn copy(
        &self,
        session: &mut Session,
        from: &Original,
        database: &str,
    ) -> Result<(), Fault> {
        session.run(SETTINGS).await?;
        let is_table = |object: &&Object| object.kind <= Kind::Table;
        for object in from.schema.objects.iter().filter(is_table) {
            make(session, object).await?;
        }
        if !from.filled.is_empty() {
            // Before there is a trigger. Not by the administrator: what stands under a table's name
            // in the original may be something that runs code by now.
            let name = deploy_account_name(database);
            self.admin_once(async |admin| accounts::lend(admin, &name, &from.database).await)
                .await?;
            let filled = fill(session, from, database).await;
            self.admin_once(async |admin| accounts::take_back(admin, &name, &from.database).await)
                .await?;
            filled?;
        }
        programs(session, &from.schema, database).await
    }
}

async fn fill(session: &mut Session, from: &Original, database: &str) -> Result<(), Fault> {
    for table in &from.filled {
        let columns = format!(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} \
             AND TABLE_NAME = {} AND EXTRA NOT LIKE '%STORED GENERATED%' \
             AND EXTRA NOT LIKE '%VIRTUAL GENERATED%' ORDER BY ORDINAL_POSITION",
            literal(database),
            literal(table)
        );
        let columns = session.rows(&columns).await?;
        let columns: Vec<String> = columns.iter().map(|row| ident(&text(row, 0))).collect();
        let (columns, table) = (columns.join(", "), ident(table));
        let sql = format!(
            "INSERT INTO {}.{table} ({columns}) SELECT {columns} FROM {}.{table}",
            ident(database),
            ident(&from.database)
        );
        session.run(&sql).await?;
    }
    Ok(())
}

/// The tables of the session's own schema that have rows, and are of an engine that keeps them.
pub(super) async fn filled(session: &mut Session, schema: &Schema) -> Result<Vec<String>, Fault> {
    const ENGINES: &[&str] = &["ENGINE=InnoDB", "ENGINE=MyISAM", "ENGINE=Aria"];
    let keeps = |object: &&Object| {
        let options = TableText::parse(&object.text).options;
        object.kind == Kind::Table && ENGINES.iter().any(|engine| options.starts_with(engine))
    };
    let mut filled = Vec::new();
    for object in schema.objects.iter().filter(keeps) {
        let sql = format!("SELECT 1 FROM {} LIMIT 1", ident(&object.name));
        if session.value(&sql).await?.is_some() {
            filled.push(object.name.clone());
        }
    }
    Ok(filled)
}

async fn programs(session: &mut Session, from: &Schema, database: &str) -> Result<(), Fault> {
    let mut collation = from.collation.clone();
    let mut views = Vec::new();
    for object in from
        .objects
        .iter()
        .filter(|object| object.kind > Kind::Table)
    {
        if object.kind > Kind::View && !views.is_empty() {
            make_views(session, std::mem::take(&mut views)).await?;
        }
        if object.kind == Kind::View {
            views.push(object);
            continue;
        }
        default_collation(session, database, object, &mut collation).await?;
        make(session, object).await?;
    }
    make_views(session, views).await?;
    if collation != from.collation {
        set_collation(session, database, &from.collation).await?;
    }
    Ok(())
}

/// A program keeps the collation that its schema had when it was made.
async fn default_collation(
    session: &mut Session,
    database: &str,
    object: &Object,
    current: &mut String,
) -> Result<(), Fault> {
    let wanted = object
        .setting
        .as_ref()
        .and_then(|setting| setting.database_collation.as_deref());
    if let Some(wanted) = wanted.filter(|wanted| wanted != current) {
        set_collation(session, database, wanted).await?;
        wanted.clone_into(current);
    }
    Ok(())
}

async fn set_collation(
    session: &mut Session,
    database: &str,
    collation: &str,
) -> Result<(), Fault> {
    let sql = format!(
        "ALTER DATABASE {} COLLATE {}",
        ident(database),
        literal(collation)
    );
    session.run(&sql).await.map(|_| ())
}

/// Views may stand on each other, and only the server knows how: those that fail are tried again
/// when others stand.
async fn make_views(session: &mut Session, mut views: Vec<&Object>) -> Result<(), Fault> {
    while !views.is_empty() {
        let before = views.len();
        let mut failed = Vec::new();
        let mut first = None;
        for view in views {
            match make(session, view).await {
                Ok(()) => {}
                Err(fault) if fault.number != 0 => {
                    failed.push(view);
                    first.get_or_insert(fault);
                }
                Err(fault) => return Err(fault),
            }
        }
        if let Some(fault) = first.filter(|_| failed.len() == before) {
            let keys: Vec<String> = failed.iter().map(|view| view.key()).collect();
            return Err(refused(format!(
                "{} cannot be made again as it stands: {}",
                keys.join(", "),
                fault.error
            )));
        }
        views = failed;
    }
    Ok(())
}

async fn make(session: &mut Session, object: &Object) -> Result<(), Fault> {
    if let Some(setting) = &object.setting {
        let sql = session::setting(setting, object.starts)?;
        session.run(&sql).await?;
    }
    let character_set = object
        .setting
        .as_ref()
        .map_or("utf8mb4", |setting| setting.character_set_client.as_str());
    let text = match object.kind {
        Kind::Table => TableText::sent(&object.text),
        _ => object.text.clone(),
    };
    let Some(sent) = as_sent(&text, character_set) else {
        return Err(refused(format!(
            "{} has characters beyond ASCII and was made in {character_set}; make it again in \
             utf8mb4",
            object.key()
        )));
    };
    match session.captured(&sent, STATEMENT_TIMEOUT).await? {
        1 => Ok(()),
        _ => Err(refused(format!(
            "the definition of {} is more than one statement",
            object.key()
        ))),
    }
}
