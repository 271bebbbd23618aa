//! What can be said of MySQL's and MariaDB's statements from their text alone: where one ends, what
//! command it is, whether it is worth recording, and how it reads in another database. Capture and
//! deployment build on it.
//!
//! Nothing here decides whether a statement took effect: control does, by comparing the workspace's
//! schema with the one before. A text that the server would refuse gets some answer, never a panic.
//! Where the servers disagree the answer is the one that records more.
//!
//! - [`split()`]: the statements of a COM_QUERY.
//! - [`tag`]: what command a statement is.
//! - [`effect()`], [`effect_of_text`]: what it may change.
//! - [`is_conditional`], [`is_crash_safe`]: what its confirmation says, and what can be found out
//!   when there was none.
//! - [`mentions`], [`names`]: which objects it may be about.
//! - [`portable()`]: the statement without its definer and the name of its database.
//! - [`with_online`]: the statement, with the demand that nobody is kept waiting.
//! - [`kill()`]: the connection that a KILL names.
//!
//! The rules are those of the servers' scanners (`sql/sql_lex.cc` in both), with the text in UTF-8.
//! What an executable comment holds (`/*!40101 … */`, `/*M!100100 … */`) is code here, whatever its
//! version, as long as there may be a server of that version.

mod effect;
mod head;
mod kill;
mod lex;
mod nesting;
mod online;
mod portable;
mod reserved;
mod safety;
mod split;

use std::collections::HashSet;

pub use effect::{Effect, effect, effect_of_text};
pub use kill::{Kill, kill};
pub use online::{Online, with_online};
pub use portable::portable;
pub use safety::{is_conditional, is_crash_safe};
pub use split::split;

use lex::Tokens;

/// What of `@@sql_mode` changes where strings and names begin and end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mode {
    /// `"` quotes names, not strings.
    pub ansi_quotes: bool,
    /// A backslash in a string is a character like others.
    pub no_backslash_escapes: bool,
}

impl Mode {
    /// Reads the value of `@@sql_mode`, or a list as SET takes it: the names that stand for several
    /// (`ANSI`, MariaDB's `ORACLE`) are known.
    #[must_use]
    pub fn of_sql_mode(modes: &str) -> Self {
        // sys_vars.cc, expand_sql_mode: what includes MODE_ANSI_QUOTES.
        const ANSI_QUOTES: &[&str] = &[
            "ANSI_QUOTES",
            "ANSI",
            "DB2",
            "MAXDB",
            "MSSQL",
            "ORACLE",
            "POSTGRESQL",
        ];
        let has = |name: &str| {
            modes
                .split(',')
                .any(|mode| mode.trim().eq_ignore_ascii_case(name))
        };
        Self {
            ansi_quotes: ANSI_QUOTES.iter().any(|name| has(name)),
            no_backslash_escapes: has("NO_BACKSLASH_ESCAPES"),
        }
    }
}

/// The command: `CREATE TABLE`, `ALTER VIEW`, `CALL`. What qualifies it is left out (`OR REPLACE`,
/// `UNIQUE`, `DEFINER = …`) but for `TEMPORARY`; SCHEMA is DATABASE; of `SET STATEMENT … FOR` it is
/// the command behind it. Empty if the statement begins like none that is known.
#[must_use]
pub fn tag(text: &str) -> String {
    head::Head::of(text, Mode::default()).tag
}

/// Whether `name` stands in the text as an identifier, with or without quotes and wherever it is
/// qualified. `name` is one part of a name, not quoted; case makes no difference in ASCII.
#[must_use]
pub fn mentions(text: &str, name: &str, mode: Mode) -> bool {
    Tokens::new(text, mode).any(|token| {
        token
            .name()
            .is_some_and(|other| other.eq_ignore_ascii_case(name))
    })
}

/// All that may be a name in the text: quoted names without their quotes, and words, key words
/// among them. Each once, in the order of the text; ASCII letters in lower case.
#[must_use]
pub fn names(text: &str, mode: Mode) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut names = Vec::new();
    for name in Tokens::new(text, mode).filter_map(|token| token.name()) {
        let name = name.to_ascii_lowercase();
        if !seen.contains(&name) {
            seen.insert(name.clone());
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests;
