//! What a statement may change.

use super::Mode;
use super::head::Head;
use super::lex::{Kind, Reading, Token, Tokens};
use super::split::pieces;

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

/// What the statement is to capture, by its text alone. Of a text without a statement: `Reads`. A
/// string or comment that does not end makes it `Opaque`: the server may read the text otherwise.
#[must_use]
pub fn effect(text: &str, mode: Mode) -> Effect {
    of_statement(text, mode.into())
}

/// The strongest effect of all statements in the text, also if the server takes executable comments
/// for comments: those of `/*M!`, and of versions that mean MySQL 5.7 or later.
#[must_use]
pub fn effect_of_text(text: &str, mode: Mode) -> Effect {
    let disputed_skipped = Reading {
        mode,
        disputed_skipped: true,
    };
    let effect = of_pieces(text, mode.into());
    if text.contains("/*M!") || text.contains("/*!") {
        return effect.max(of_pieces(text, disputed_skipped));
    }
    effect
}

fn of_pieces(text: &str, reading: Reading) -> Effect {
    let statements = pieces(text, reading).into_iter();
    let effects = statements.map(|statement| of_statement(statement, reading));
    effects.max().unwrap_or(Effect::Reads)
}

fn of_statement(text: &str, reading: Reading) -> Effect {
    if Tokens::new(text, reading).any(|token| token.kind == Kind::Unterminated) {
        return Effect::Opaque;
    }
    let head = Head::of(text, reading);
    match head.tag.as_str() {
        "" if Tokens::new(text, reading).next().is_none() => Effect::Reads,
        "SET" if sets_password(text, reading) => Effect::Privilege,
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
        "CREATE FUNCTION" if is_loadable(text, reading) => Effect::Privilege,
        "RENAME TABLE" => Effect::Schema,
        // How keys are kept up meanwhile, and only on some engines; `mysqldump` writes it around
        // the rows of each table.
        "ALTER TABLE" if only_keys(text, reading) => Effect::Reads,
        tag => match tag.split_once(' ') {
            Some(("ALTER" | "CREATE" | "DROP", object)) => of_object(object),
            _ => Effect::Opaque,
        },
    }
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

/// `ALTER TABLE name {ENABLE | DISABLE} KEYS`, and nothing else.
fn only_keys(text: &str, reading: Reading) -> bool {
    let tokens: Vec<Token<'_>> = Tokens::new(text, reading).take(8).collect();
    let [alter, table, name @ .., switch, keys] = tokens.as_slice() else {
        return false;
    };
    let named = matches!(name, [_]) || matches!(name, [_, dot, _] if dot.is_symbol(b'.'));
    alter.is("ALTER")
        && table.is("TABLE")
        && named
        && switch.is_one_of(&["ENABLE", "DISABLE"])
        && keys.is("KEYS")
}

/// `SET variable = value, PASSWORD = …`, which MariaDB takes.
fn sets_password(text: &str, reading: Reading) -> bool {
    let mut follows_comma = false;
    Tokens::new(text, reading).any(|token| {
        let next = std::mem::replace(&mut follows_comma, token.is_symbol(b','));
        next && token.is("PASSWORD")
    })
}

/// `CREATE FUNCTION name RETURNS type SONAME 'file'`, and nothing behind it.
fn is_loadable(text: &str, reading: Reading) -> bool {
    let tokens: Vec<Token<'_>> = Tokens::new(text, reading).take(32).collect();
    matches!(tokens.as_slice(), [.., soname, _] if soname.is("SONAME"))
}
