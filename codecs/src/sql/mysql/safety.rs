//! What can be found out about a statement when its answer is lost, or says little.

use super::Mode;
use super::head::{Head, begins_with};
use super::lex::{Kind, Token, Tokens};

/// Whether the statement may succeed and do nothing, or replace what is there, by its own words:
/// `IF [NOT] EXISTS` or `OR REPLACE` where the grammar has them.
#[must_use]
pub fn is_conditional(text: &str) -> bool {
    let head = Head::of(text, Mode::default());
    // MariaDB's ALTER TABLE has it for each column and key, too.
    head.conditional
        || head.tag == "ALTER TABLE" && {
            let tokens = outside(text, head.tokens);
            let mut rest = tokens.as_slice();
            let mut found = false;
            while let [_, behind @ ..] = rest {
                found |= begins_with(rest, &["IF", "EXISTS"]);
                found |= begins_with(rest, &["IF", "NOT", "EXISTS"]);
                rest = behind;
            }
            found
        }
}

/// Whether the schema tells if the statement ran: it creates, alters, drops or renames one object,
/// and moves no rows. Of a statement on several objects part may have happened; of one that copies
/// or removes rows the schema does not say.
#[must_use]
pub fn is_crash_safe(text: &str) -> bool {
    let head = Head::of(text, Mode::default());
    let rest = outside(text, head.tokens);
    let has = |words: &[&str]| windows(&rest).any(|tokens| begins_with(tokens, words));
    let several = || rest.iter().any(|token| token.is_symbol(b','));
    match head.tag.as_str() {
        "CREATE TABLE" => !carries_rows(text, head.tokens),
        "ALTER TABLE" => !NO_TRACE.iter().any(|words| has(words)),
        "ALTER SEQUENCE" => !has(&["RESTART"]),
        "DROP TABLE" | "DROP VIEW" | "RENAME TABLE" => !several(),
        "ALTER DATABASE"
        | "ALTER EVENT"
        | "ALTER FUNCTION"
        | "ALTER PROCEDURE"
        | "ALTER VIEW"
        | "CREATE EVENT"
        | "CREATE FUNCTION"
        | "CREATE INDEX"
        | "CREATE PACKAGE"
        | "CREATE PACKAGE BODY"
        | "CREATE PROCEDURE"
        | "CREATE SEQUENCE"
        | "CREATE TRIGGER"
        | "CREATE VIEW"
        | "DROP EVENT"
        | "DROP FUNCTION"
        | "DROP INDEX"
        | "DROP PACKAGE"
        | "DROP PACKAGE BODY"
        | "DROP PROCEDURE"
        | "DROP SEQUENCE"
        | "DROP TRIGGER" => true,
        _ => false,
    }
}

/// Parts of ALTER TABLE that move rows, or leave the definition as it was.
const NO_TRACE: &[&[&str]] = &[
    &["CONVERT", "PARTITION"],
    &["CONVERT", "TABLE"],
    &["DISABLE", "KEYS"],
    &["DISCARD"],
    &["ENABLE", "KEYS"],
    &["EXCHANGE", "PARTITION"],
    &["FORCE"],
    &["IMPORT"],
    &["ORDER", "BY"],
    &["TRUNCATE", "PARTITION"],
];

/// CREATE TABLE with a query: SELECT, or MySQL's `TABLE name` and VALUES.
fn carries_rows(text: &str, skipped: usize) -> bool {
    let mut tokens = Tokens::new(text, Mode::default()).skip(skipped);
    let mut follows_dot = false;
    tokens.any(|token| {
        let name = std::mem::replace(&mut follows_dot, token.is_symbol(b'.'));
        token.is("SELECT") && !name
    }) || outside(text, skipped)
        .iter()
        .any(|token| token.is("TABLE") || token.is("VALUES"))
}

/// Each token with all that follow it.
fn windows<'a, 't>(tokens: &'a [Token<'t>]) -> impl Iterator<Item = &'a [Token<'t>]> {
    (0..tokens.len()).filter_map(move |at| tokens.get(at..))
}

/// The tokens outside all parentheses, without the first ones.
pub(super) fn outside(text: &str, skipped: usize) -> Vec<Token<'_>> {
    let mut depth = 0_usize;
    Tokens::new(text, Mode::default())
        .skip(skipped)
        .filter(|token| {
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
        .collect()
}
