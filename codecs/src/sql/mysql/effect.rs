//! What a statement may change.

use super::head::Head;
use super::lex::{Token, Tokens};
use super::{Mode, split};

/// What a statement is to capture. The order is by how much must be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Data, settings of the session, transactions, maintenance, temporary tables: nothing of the
    /// schema. Functions and triggers that it runs cannot change the schema either: the servers
    /// refuse what commits in them (1422).
    Reads,
    /// Accounts, roles, privileges, and what belongs to the whole server (databases, plugins,
    /// tablespaces): recorded, never deployed.
    Privilege,
    /// Changes the schema.
    Schema,
    /// Runs what its text does not show, or is not known.
    Opaque,
}

/// What the statement is to capture, by its text alone. Of a text without a statement: `Reads`.
#[must_use]
pub fn effect(text: &str, mode: Mode) -> Effect {
    let head = Head::of(text, mode);
    match head.tag.as_str() {
        "" if Tokens::new(text, mode).next().is_none() => Effect::Reads,
        "ANALYZE" | "BACKUP" | "BEGIN" | "CACHE INDEX" | "CHECK TABLE" | "CHECKSUM TABLE"
        | "COMMIT" | "DEALLOCATE PREPARE" | "DELETE" | "DO" | "DROP PREPARE" | "EXPLAIN"
        | "FLUSH" | "GET DIAGNOSTICS" | "HANDLER" | "HELP" | "INSERT" | "KILL" | "LOAD"
        | "LOCK" | "OPTIMIZE TABLE" | "PREPARE" | "RELEASE SAVEPOINT" | "REPAIR TABLE"
        | "REPLACE" | "RESIGNAL" | "ROLLBACK" | "SAVEPOINT" | "SELECT" | "SET" | "SET ROLE"
        | "SHOW" | "SIGNAL" | "START TRANSACTION" | "TRUNCATE TABLE" | "UNLOCK" | "UPDATE"
        | "USE" | "WITH" | "XA" => Effect::Reads,
        "CREATE DATABASE" | "DROP DATABASE" | "GRANT" | "INSTALL" | "RENAME USER" | "REVOKE"
        | "SET DEFAULT ROLE" | "SET PASSWORD" | "UNINSTALL" => Effect::Privilege,
        // A library on the server's disk, for all databases.
        "CREATE FUNCTION" if is_loadable(text, mode) => Effect::Privilege,
        "RENAME TABLE" => Effect::Schema,
        tag => match tag.split_once(' ') {
            Some(("ALTER" | "CREATE" | "DROP", object)) => of_object(object),
            _ => Effect::Opaque,
        },
    }
}

/// The strongest effect of all statements in the text.
#[must_use]
pub fn effect_of_text(text: &str, mode: Mode) -> Effect {
    let statements = split(text, mode).into_iter();
    let effects = statements.map(|statement| effect(statement, mode));
    effects.max().unwrap_or(Effect::Reads)
}

fn of_object(object: &str) -> Effect {
    match object {
        "DATABASE" | "EVENT" | "FUNCTION" | "INDEX" | "LIBRARY" | "PACKAGE" | "PACKAGE BODY"
        | "PROCEDURE" | "SEQUENCE" | "TABLE" | "TRIGGER" | "VIEW" => Effect::Schema,
        "INSTANCE"
        | "LOGFILE GROUP"
        | "RESOURCE GROUP"
        | "ROLE"
        | "SERVER"
        | "SPATIAL REFERENCE SYSTEM"
        | "TABLESPACE"
        | "USER" => Effect::Privilege,
        object if object.starts_with("TEMPORARY ") => Effect::Reads,
        _ => Effect::Opaque,
    }
}

/// `CREATE FUNCTION name RETURNS type SONAME 'file'`, and nothing behind it.
fn is_loadable(text: &str, mode: Mode) -> bool {
    let tokens: Vec<Token<'_>> = Tokens::new(text, mode).take(32).collect();
    matches!(tokens.as_slice(), [.., soname, _] if soname.is("SONAME"))
}
