//! Demanding that a statement keeps nobody waiting.

use super::Mode;
use super::head::{Head, begins_with};
use super::lex::{Kind, Scanner, Token, Tokens};
use super::safety::outside;
use super::split::pieces;

/// What is demanded. A server that cannot do it refuses the statement (1845, 1846) and has changed
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Online {
    /// `ALGORITHM=INSTANT`: the definition changes and no row is touched.
    Instant,
    /// `ALGORITHM=INPLACE, LOCK=NONE`: others read and write meanwhile.
    Inplace,
}

/// The statement with this demand. What takes one is ALTER TABLE and, for [`Online::Inplace`],
/// CREATE INDEX and DROP INDEX, which becomes an ALTER TABLE. `None` for all else, for several
/// statements, where one is made already, and where the grammar has no place for it: behind
/// partitions, tablespaces and ORDER BY.
#[must_use]
pub fn with_online(text: &str, online: Online) -> Option<String> {
    let head = Head::of(text, Mode::default());
    let tokens = outside(text, head.tokens);
    let demand = match (head.tag.as_str(), online) {
        ("ALTER TABLE", Online::Instant) => ", ALGORITHM=INSTANT",
        ("ALTER TABLE", Online::Inplace) => ", ALGORITHM=INPLACE, LOCK=NONE",
        ("CREATE INDEX", Online::Inplace) => " ALGORITHM=INPLACE LOCK=NONE",
        ("DROP INDEX", Online::Inplace) => return drop_index(text, head.tokens),
        _ => return None,
    };
    if pieces(text, Mode::default().into()).len() != 1
        || tokens.iter().any(|token| token.kind == Kind::Unterminated)
    {
        return None;
    }
    if head.online || tokens.iter().enumerate().any(|(at, _)| stops(&tokens, at)) {
        return None;
    }
    let tokens = match tokens.split_last() {
        Some((semicolon, rest)) if semicolon.is_symbol(b';') => rest,
        _ => &tokens,
    };
    // A name, and something to do with it.
    if tokens.len() < 2 {
        return None;
    }
    let end = last_end(text)?;
    let (before, behind) = text.split_at_checked(end)?;
    Some(format!("{before}{demand}{behind}"))
}

/// MariaDB takes no demand in DROP INDEX; in ALTER TABLE both do. `skipped` is how many tokens are
/// before the name.
fn drop_index(text: &str, skipped: usize) -> Option<String> {
    let mut tokens: Vec<Token<'_>> = Scanner::new(text, Mode::default()).collect();
    tokens.pop_if(|last| last.is_symbol(b';'));
    let (head, rest) = tokens.split_at_checked(skipped)?;
    // Nothing behind the table, and no executable comments, whose parts cannot change places.
    let [name, on, table @ ..] = rest else {
        return None;
    };
    let is_table = match table {
        [table] => table.name().is_some(),
        [database, dot, table] => {
            database.name().is_some() && dot.is_symbol(b'.') && table.name().is_some()
        }
        _ => false,
    };
    let first = head.first().filter(|first| first.is("DROP"))?;
    if !(is_table && on.is("ON") && name.name().is_some()) {
        return None;
    }
    let drop_end = name.end();
    let (table_start, end) = (table.first()?.start, table.last()?.end());
    let (before, drop) = (text.get(..first.start)?, text.get(first.start..drop_end)?);
    let (table, behind) = (text.get(table_start..end)?, text.get(end..)?);
    Some(format!(
        "{before}ALTER TABLE {table} {drop}, ALGORITHM=INPLACE, LOCK=NONE{behind}"
    ))
}

/// Where the last token ends that is no semicolon, if it is outside of parentheses.
fn last_end(text: &str) -> Option<usize> {
    let (mut depth, mut end) = (0_usize, None);
    for token in Tokens::new(text, Mode::default()) {
        match token.kind {
            Kind::Symbol(b'(') => depth += 1,
            Kind::Symbol(b')') => depth = depth.checked_sub(1)?,
            Kind::Symbol(b';') => continue,
            _ => {}
        }
        end = Some(token.end());
    }
    end.filter(|_| depth == 0)
}

/// Whether what begins here leaves no place for a demand.
fn stops(tokens: &[Token<'_>], at: usize) -> bool {
    const VALUES: &[&str] = &[
        "COPY",
        "DEFAULT",
        "EXCLUSIVE",
        "INPLACE",
        "INSTANT",
        "NOCOPY",
        "NONE",
        "SHARED",
    ];
    let here = tokens.get(at..).unwrap_or_default();
    let (Some(token), next) = (here.first(), here.get(1)) else {
        return false;
    };
    if token.is("ALGORITHM") || token.is("LOCK") {
        return next.is_some_and(|next| next.is_symbol(b'=') || next.is_one_of(VALUES));
    }
    token.is_one_of(&[
        "PARTITION",
        "PARTITIONING",
        "SECONDARY_LOAD",
        "SECONDARY_UNLOAD",
    ]) || begins_with(here, &["ORDER", "BY"])
        || begins_with(here, &["DISCARD", "TABLESPACE"])
        || begins_with(here, &["IMPORT", "TABLESPACE"])
}
