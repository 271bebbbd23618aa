//! What can be said of PostgreSQL statements from their text alone: where one ends, what command it
//! is, whether it is worth watching. Capture and deployment build on it.
//!
//! Nothing here decides whether a statement took effect: the server does, by command tags and by
//! the ledger. A text that the server would refuse gets some answer, never a panic.
//!
//! - [`split()`]: the statements of a Query.
//! - [`command_tag`]: the tag that the server would give.
//! - [`effect()`], [`runs_alone`]: what it may change, and whether it can be part of a transaction.
//! - [`index_name`]: what a CREATE INDEX makes.
//! - [`survivors()`]: what is left of confirmed statements after rollbacks, to savepoints too.
//! - [`mentions`]: whether an object is named.
//! - [`mysql`]: the same of the statements of MySQL and MariaDB.
//!
//! The rules are those of the server's scanner (`src/backend/parser/scan.l`) with
//! `standard_conforming_strings` on, which it is unless somebody turns it off.

mod effect;
mod lex;
pub mod mysql;
mod split;
mod survivors;
mod tag;

pub use effect::{Control, Effect, effect, index_name, runs_alone};
pub use split::split;
pub use survivors::survivors;
pub use tag::command_tag;

use lex::Tokens;

/// Whether `name` stands in the statement as an identifier, with or without quotes and wherever
/// it is qualified. `name` is one part of a name as the catalogue has it: not folded, not quoted.
#[must_use]
pub fn mentions(statement: &str, name: &str) -> bool {
    Tokens::new(statement).any(|token| token.name().is_some_and(|other| other == name))
}

#[cfg(test)]
mod tests;
