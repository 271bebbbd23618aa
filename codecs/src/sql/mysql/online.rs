//! Demanding that a statement keeps nobody waiting.

use super::Mode;
use super::head::{Head, begins_with};
use super::lex::Token;
use super::safety::outside;

/// What is demanded. A server that cannot do it refuses the statement (1845, 1846) and has changed
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Online {
    /// `ALGORITHM=INSTANT`: the definition changes and no row is touched.
    Instant,
    /// `ALGORITHM=INPLACE, LOCK=NONE`: others read and write meanwhile.
    Inplace,
}

/// The statement with this demand. `None` if it takes none, or has its own: ALTER TABLE (not of
/// partitions and tablespaces, not with ORDER BY, nothing else may stand behind those) and, for
/// [`Online::Inplace`], CREATE INDEX and DROP INDEX.
#[must_use]
pub fn with_online(text: &str, online: Online) -> Option<String> {
    let head = Head::of(text, Mode::default());
    let tokens = outside(text, head.tokens);
    let demand = match (head.tag.as_str(), online) {
        ("ALTER TABLE", Online::Instant) => ", ALGORITHM=INSTANT",
        ("ALTER TABLE", Online::Inplace) => ", ALGORITHM=INPLACE, LOCK=NONE",
        ("CREATE INDEX" | "DROP INDEX", Online::Inplace) => " ALGORITHM=INPLACE LOCK=NONE",
        _ => return None,
    };
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

/// Where the last token ends that is no semicolon.
fn last_end(text: &str) -> Option<usize> {
    let tokens = super::lex::Tokens::new(text, Mode::default());
    let last = tokens.filter(|token| !token.is_symbol(b';')).last()?;
    Some(last.end())
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
