//! What a statement may change.

use super::command_tag;
use super::lex::{Kind, Token, Tokens};
use super::tag::outside;

/// What a statement is to capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Data, settings of the session, maintenance: nothing of the schema by itself. A function that
    /// it calls may still do anything; the ledger sees that.
    Reads,
    /// Begins, ends or divides a transaction.
    Transaction(Control),
    /// Changes the schema.
    Schema,
    /// Roles, owners, privileges, and what belongs to the whole server (databases, tablespaces,
    /// settings): recorded, never deployed.
    Privilege,
    /// Runs what its text does not show, or is not known.
    Opaque,
}

/// Transaction control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END; with AND CHAIN too. In a failed transaction the server answers `ROLLBACK`.
    Commit,
    /// ROLLBACK, ABORT; with AND CHAIN too.
    Rollback,
    /// SAVEPOINT, by its name as the server folds it.
    Savepoint(String),
    /// ROLLBACK TO.
    RollbackTo(String),
    /// RELEASE.
    Release(String),
    /// PREPARE TRANSACTION: ends the transaction in this session, and takes effect later or never.
    Prepare,
}

/// What the statement is to capture, by its text alone.
#[must_use]
pub fn effect(statement: &str) -> Effect {
    if Tokens::new(statement).next().is_none() {
        return Effect::Reads;
    }
    let tag = command_tag(statement);
    if let Some(control) = control(&tag, statement) {
        return Effect::Transaction(control);
    }
    match tag.as_str() {
        // COMMIT PREPARED lets the DDL of another transaction take effect; DROP OWNED drops tables
        // by the name of a role.
        "" | "CALL" | "COMMIT PREPARED" | "DO" | "DROP OWNED" | "EXECUTE" | "EXPLAIN" => {
            Effect::Opaque
        }
        "ALTER DATABASE"
        | "ALTER DEFAULT PRIVILEGES"
        | "ALTER ROLE"
        | "ALTER SYSTEM"
        | "ALTER TABLESPACE"
        | "CREATE DATABASE"
        | "CREATE ROLE"
        | "CREATE TABLESPACE"
        | "DROP DATABASE"
        | "DROP ROLE"
        | "DROP TABLESPACE"
        | "GRANT"
        | "GRANT ROLE"
        | "REASSIGN OWNED"
        | "REVOKE"
        | "REVOKE ROLE" => Effect::Privilege,
        "COMMENT"
        | "IMPORT FOREIGN SCHEMA"
        | "REFRESH MATERIALIZED VIEW"
        | "SECURITY LABEL"
        | "SELECT INTO" => Effect::Schema,
        tag if tag.starts_with("ALTER ") && only_sets_owner(statement) => Effect::Privilege,
        tag if ["ALTER ", "CREATE ", "DROP "]
            .iter()
            .any(|verb| tag.starts_with(verb)) =>
        {
            Effect::Schema
        }
        _ => Effect::Reads,
    }
}

/// Whether the server refuses the statement in a transaction block. Not all can be seen in the text
/// (REINDEX of a partitioned table): the server's 25001 has the last word.
#[must_use]
pub fn runs_alone(statement: &str) -> bool {
    let tokens: Vec<Token<'_>> = Tokens::new(statement).collect();
    match command_tag(statement).as_str() {
        "ALTER SYSTEM"
        | "COMMIT PREPARED"
        | "CREATE DATABASE"
        | "CREATE SUBSCRIPTION"
        | "CREATE TABLESPACE"
        | "DISCARD ALL"
        | "DROP DATABASE"
        | "DROP SUBSCRIPTION"
        | "DROP TABLESPACE"
        | "ROLLBACK PREPARED"
        | "VACUUM" => true,
        "ALTER DATABASE" => has(&tokens, &["SET", "TABLESPACE"]),
        "ALTER SUBSCRIPTION" => has(&tokens, &["PUBLICATION"]),
        "ALTER TABLE" => detaches_concurrently(&tokens),
        // Without a table it is for all of them.
        "CLUSTER" => outside(statement).all(|token| token.is("CLUSTER") || token.is("VERBOSE")),
        "CREATE INDEX" | "DROP INDEX" => index_words(&tokens)
            .first()
            .is_some_and(|token| token.is("CONCURRENTLY")),
        "REINDEX" => reindex_runs_alone(&tokens),
        _ => false,
    }
}

/// Name of the index that a CREATE INDEX makes, without its schema, if the statement gives one.
#[must_use]
pub fn index_name(statement: &str) -> Option<String> {
    if command_tag(statement) != "CREATE INDEX" {
        return None;
    }
    let tokens: Vec<Token<'_>> = Tokens::new(statement).collect();
    let words = without(index_words(&tokens), &["CONCURRENTLY"]);
    let words = without(words, &["IF", "NOT", "EXISTS"]);
    match words.first() {
        // `on` without quotes is reserved: it is no name.
        Some(token) if !token.is("ON") => token.name().map(String::from),
        _ => None,
    }
}

/// What follows `{CREATE | DROP} [UNIQUE] INDEX`.
fn index_words<'a, 't>(tokens: &'a [Token<'t>]) -> &'a [Token<'t>] {
    let rest = tokens.get(1..).unwrap_or_default();
    without(without(rest, &["UNIQUE"]), &["INDEX"])
}

/// `ALTER TABLE [IF EXISTS] [ONLY] name DETACH PARTITION name CONCURRENTLY`, and nothing else:
/// names may be such words too (`ADD COLUMN detach partition DEFAULT f(), …`), and what runs alone
/// is looked at less.
fn detaches_concurrently(tokens: &[Token<'_>]) -> bool {
    let rest = tokens.get(2..).unwrap_or_default();
    let rest = without(without(rest, &["IF", "EXISTS"]), &["ONLY"]);
    let Some(rest) = behind_name(rest) else {
        return false;
    };
    let [detach, partition, rest @ ..] = rest else {
        return false;
    };
    let detaches = detach.is("DETACH") && partition.is("PARTITION");
    detaches && matches!(behind_name(rest), Some([last]) if last.is("CONCURRENTLY"))
}

/// What follows a name with or without schema; `None` if there is none.
fn behind_name<'a, 't>(tokens: &'a [Token<'t>]) -> Option<&'a [Token<'t>]> {
    let (first, mut rest) = tokens.split_first()?;
    first.name()?;
    while let [dot, name, behind @ ..] = rest
        && dot.is_symbol(b'.')
    {
        name.name()?;
        rest = behind;
    }
    Some(rest)
}

/// What follows these words, where they are there.
fn without<'a, 't>(tokens: &'a [Token<'t>], words: &[&str]) -> &'a [Token<'t>] {
    match tokens.split_at_checked(words.len()) {
        Some((first, rest)) if first.iter().zip(words).all(|(token, word)| token.is(word)) => rest,
        _ => tokens,
    }
}

/// `REINDEX [ ( options ) ] kind [ CONCURRENTLY ] name`: alone if concurrent, or of more than one
/// table.
fn reindex_runs_alone(tokens: &[Token<'_>]) -> bool {
    let options_end = tokens.iter().position(|token| token.is_symbol(b')'));
    let (options, rest) = tokens
        .split_at_checked(options_end.unwrap_or(0))
        .unwrap_or_default();
    let turned_off = ["FALSE", "OFF"];
    let option = options.windows(2).any(|pair| match pair {
        [option, value] => {
            option.is("CONCURRENTLY") && !turned_off.iter().any(|word| value.is(word))
        }
        _ => false,
    });
    let last_option = options.last().is_some_and(|token| token.is("CONCURRENTLY"));
    let kinds = ["SCHEMA", "DATABASE", "SYSTEM"];
    let wide = rest
        .iter()
        .skip(1)
        .take(1)
        .any(|token| kinds.iter().any(|kind| token.is(kind)));
    let concurrently = rest
        .iter()
        .skip(2)
        .take(1)
        .any(|token| token.is("CONCURRENTLY"));
    option || last_option || wide || concurrently
}

fn control(tag: &str, statement: &str) -> Option<Control> {
    match tag {
        "BEGIN" | "START TRANSACTION" => Some(Control::Begin),
        "COMMIT" => Some(Control::Commit),
        "PREPARE TRANSACTION" => Some(Control::Prepare),
        "SAVEPOINT" => savepoint(statement, "SAVEPOINT").map(Control::Savepoint),
        "RELEASE" => savepoint(statement, "RELEASE").map(Control::Release),
        "ROLLBACK" => {
            Some(savepoint(statement, "TO").map_or(Control::Rollback, Control::RollbackTo))
        }
        _ => None,
    }
}

/// The name of a savepoint: behind `key`, and behind the word SAVEPOINT where that is not the name.
fn savepoint(statement: &str, key: &str) -> Option<String> {
    let mut tokens = Tokens::new(statement)
        .skip_while(|token| !token.is(key))
        .skip(1);
    let first = tokens.next()?;
    let name = match tokens.next() {
        Some(second) if first.is("SAVEPOINT") => second,
        _ => first,
    };
    name.name().map(String::from)
}

/// ALTER … OWNER TO role, and nothing else; `RENAME [COLUMN …] owner TO name` is something else.
fn only_sets_owner(statement: &str) -> bool {
    let tokens: Vec<Token<'_>> = outside(statement).collect();
    let several = tokens.iter().any(|token| token.kind == Kind::Symbol(b','));
    match tokens.as_slice() {
        [.., before, last, owner, to, _] => {
            let renames = before.is("RENAME") || last.is("RENAME");
            !several && !renames && owner.is("OWNER") && to.is("TO")
        }
        _ => false,
    }
}

/// Whether these words follow one another somewhere.
fn has(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens
        .windows(words.len())
        .any(|window| window.iter().zip(words).all(|(token, word)| token.is(word)))
}
