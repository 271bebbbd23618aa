//! Command tags.

use super::lex::{Kind, Token, Tokens};

/// What CREATE, ALTER and DROP speak of, as in the tag. Where one begins like another, the longer
/// is first.
const OBJECTS: &[&str] = &[
    "ACCESS METHOD",
    "AGGREGATE",
    "CAST",
    "COLLATION",
    "CONVERSION",
    "DATABASE",
    "DEFAULT PRIVILEGES",
    "DOMAIN",
    "EVENT TRIGGER",
    "EXTENSION",
    "FOREIGN DATA WRAPPER",
    "FOREIGN TABLE",
    "FUNCTION",
    "INDEX",
    "LANGUAGE",
    "LARGE OBJECT",
    "MATERIALIZED VIEW",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "OPERATOR",
    "OWNED",
    "POLICY",
    "PROCEDURE",
    "PUBLICATION",
    "ROLE",
    "ROUTINE",
    "RULE",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "STATISTICS",
    "SUBSCRIPTION",
    "SYSTEM",
    "TABLE",
    "TABLESPACE",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
    "TRANSFORM",
    "TRIGGER",
    "TYPE",
    "USER MAPPING",
    "VIEW",
];

/// Words that may stand between the verb and the object and are not in the tag.
const MODIFIERS: &[&str] = &[
    "OR",
    "REPLACE",
    "GLOBAL",
    "LOCAL",
    "TEMP",
    "TEMPORARY",
    "UNLOGGED",
    "RECURSIVE",
    "UNIQUE",
    "TRUSTED",
    "PROCEDURAL",
    "CONSTRAINT",
    "DEFAULT",
];

/// Commands whose tag follows from their first words. A longer form is before a shorter.
const COMMANDS: &[(&str, &str)] = &[
    ("ABORT", "ROLLBACK"),
    ("ANALYSE", "ANALYZE"),
    ("ANALYZE", "ANALYZE"),
    ("BEGIN", "BEGIN"),
    ("CALL", "CALL"),
    ("CHECKPOINT", "CHECKPOINT"),
    ("CLOSE ALL", "CLOSE CURSOR ALL"),
    ("CLOSE", "CLOSE CURSOR"),
    ("CLUSTER", "CLUSTER"),
    ("COMMENT", "COMMENT"),
    ("COMMIT PREPARED", "COMMIT PREPARED"),
    ("COMMIT", "COMMIT"),
    ("COPY", "COPY"),
    ("DEALLOCATE ALL", "DEALLOCATE ALL"),
    ("DEALLOCATE PREPARE ALL", "DEALLOCATE ALL"),
    ("DEALLOCATE", "DEALLOCATE"),
    ("DECLARE", "DECLARE CURSOR"),
    ("DELETE", "DELETE"),
    ("DISCARD ALL", "DISCARD ALL"),
    ("DISCARD PLANS", "DISCARD PLANS"),
    ("DISCARD SEQUENCES", "DISCARD SEQUENCES"),
    ("DISCARD TEMP", "DISCARD TEMP"),
    ("DISCARD TEMPORARY", "DISCARD TEMP"),
    ("DO", "DO"),
    ("END", "COMMIT"),
    ("EXECUTE", "EXECUTE"),
    ("EXPLAIN", "EXPLAIN"),
    ("FETCH", "FETCH"),
    ("IMPORT FOREIGN SCHEMA", "IMPORT FOREIGN SCHEMA"),
    ("INSERT", "INSERT"),
    ("LISTEN", "LISTEN"),
    ("LOAD", "LOAD"),
    ("LOCK", "LOCK TABLE"),
    ("MERGE", "MERGE"),
    ("MOVE", "MOVE"),
    ("NOTIFY", "NOTIFY"),
    ("PREPARE TRANSACTION", "PREPARE TRANSACTION"),
    ("PREPARE", "PREPARE"),
    ("REASSIGN OWNED", "REASSIGN OWNED"),
    ("REFRESH MATERIALIZED VIEW", "REFRESH MATERIALIZED VIEW"),
    ("REINDEX", "REINDEX"),
    ("RELEASE", "RELEASE"),
    ("RESET", "RESET"),
    ("ROLLBACK PREPARED", "ROLLBACK PREPARED"),
    ("ROLLBACK", "ROLLBACK"),
    ("SAVEPOINT", "SAVEPOINT"),
    ("SECURITY LABEL", "SECURITY LABEL"),
    ("SET CONSTRAINTS", "SET CONSTRAINTS"),
    ("SET", "SET"),
    ("SHOW", "SHOW"),
    ("START TRANSACTION", "START TRANSACTION"),
    ("TABLE", "SELECT"),
    ("TRUNCATE", "TRUNCATE TABLE"),
    ("UNLISTEN", "UNLISTEN"),
    ("UPDATE", "UPDATE"),
    ("VACUUM", "VACUUM"),
    ("VALUES", "SELECT"),
];

/// The tag that event triggers see for this statement (`tg_tag`), which is also what
/// CommandComplete says, but for two things: it has counts (`INSERT 0 1`), and what makes a
/// relation from a query (CREATE TABLE AS, SELECT INTO, CREATE MATERIALIZED VIEW) says `SELECT
/// n`. Empty if the statement begins like none that is known.
#[must_use]
pub fn command_tag(statement: &str) -> String {
    let words = leading_words(statement);
    let Some((verb, rest)) = words.split_first() else {
        return String::new();
    };
    let verb = verb.to_ascii_uppercase();
    match verb.as_str() {
        "CREATE" | "ALTER" | "DROP" => object(&verb, rest, statement).unwrap_or_default(),
        "GRANT" | "REVOKE" if is_role_grant(statement) => format!("{verb} ROLE"),
        "GRANT" | "REVOKE" => verb,
        "SELECT" if makes_table(statement) => "SELECT INTO".to_owned(),
        "SELECT" => verb,
        "WITH" => with(statement),
        _ => COMMANDS
            .iter()
            .find(|(phrase, _)| begins_with(&words, phrase))
            .map(|(_, tag)| (*tag).to_owned())
            .unwrap_or_default(),
    }
}

/// Words from the start up to what is none, without the parentheses that a SELECT may stand in.
fn leading_words(statement: &str) -> Vec<&str> {
    // CREATE OR REPLACE TRUSTED PROCEDURAL LANGUAGE is as long as it gets.
    const WORDS_MAX: usize = 8;
    Tokens::new(statement)
        .skip_while(|token| token.is_symbol(b'('))
        .take_while(|token| token.kind == Kind::Word)
        .take(WORDS_MAX)
        .map(|token| token.text)
        .collect()
}

/// The tag of CREATE, ALTER or DROP.
fn object(verb: &str, rest: &[&str], statement: &str) -> Option<String> {
    let is_modifier = |word: &str| {
        MODIFIERS
            .iter()
            .any(|other| word.eq_ignore_ascii_case(other))
    };
    // `DEFAULT` is a modifier in CREATE DEFAULT CONVERSION only.
    let skipped = match verb {
        "ALTER" => 0,
        _ => rest.iter().take_while(|word| is_modifier(word)).count(),
    };
    let rest = rest.get(skipped..)?;
    let object = OBJECTS
        .iter()
        .copied()
        .find(|object| begins_with(rest, object));
    let object = match (object, rest.first()) {
        (Some(object), _) => object,
        (None, Some(word))
            if ["USER", "GROUP"]
                .iter()
                .any(|w| word.eq_ignore_ascii_case(w)) =>
        {
            "ROLE"
        }
        (None, Some(word)) if word.eq_ignore_ascii_case("PROCEDURAL") => "LANGUAGE",
        (None, _) => return None,
    };
    if verb == "CREATE" && object == "TABLE" && outside(statement).any(|token| token.is("AS")) {
        return Some("CREATE TABLE AS".to_owned());
    }
    Some(format!("{verb} {object}"))
}

/// The tag of the statement that follows the WITH clause.
fn with(statement: &str) -> String {
    let main = outside(statement).find_map(|token| {
        ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES"]
            .into_iter()
            .find(|verb| token.is(verb))
    });
    match main {
        Some("SELECT") if makes_table(statement) => "SELECT INTO".to_owned(),
        Some("VALUES") => "SELECT".to_owned(),
        Some(verb) => verb.to_owned(),
        None => String::new(),
    }
}

/// GRANT and REVOKE of a role have no ON.
fn is_role_grant(statement: &str) -> bool {
    !outside(statement).any(|token| token.is("ON"))
}

/// SELECT INTO. The statement is known to be a query, so INTO is no part of INSERT or MERGE.
fn makes_table(statement: &str) -> bool {
    let mut previous: Option<Token<'_>> = None;
    outside(statement).any(|token| {
        let is_name = previous.is_some_and(|token| token.is_symbol(b'.') || token.is("AS"));
        previous = Some(token);
        token.is("INTO") && !is_name
    })
}

/// The tokens outside all parentheses.
pub(super) fn outside(statement: &str) -> impl Iterator<Item = Token<'_>> {
    let mut depth = 0_usize;
    Tokens::new(statement).filter(move |token| {
        match token.kind {
            Kind::Symbol(b'(') => depth += 1,
            Kind::Symbol(b')') => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    })
}

/// Whether the words begin with those of the phrase.
fn begins_with(words: &[&str], phrase: &str) -> bool {
    let mut words = words.iter();
    phrase.split(' ').all(|part| {
        words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case(part))
    })
}
