//! Captured DDL on its way from a proxy to control: the wire's part of the record.
//!
//! PostgreSQL: the ledger in the workspace says *what* took effect; the wire says in which words. A
//! proxy sends one [`Capture`] for each stretch of a workspace session that ended with the server
//! idle and was not plain reading and writing, and holds the client's ReadyForQuery until control
//! has answered.
//!
//! MySQL and MongoDB have no such ledger. A proxy writes one [`Capture`] for each command that may
//! change the schema into its journal before it forwards the command, and holds the end of the
//! reply until control has answered or the journal has what became of it. What took effect is for
//! control to find by comparing the workspace's schema with the one before.
//!
//! A statement of MongoDB is a command as canonical Extended JSON (version 2), without the fields
//! that say how it is run (`lsid`, `writeConcern`, `$db` and the like). A transaction is one
//! capture, when it is committed. Context it has none.

use serde::{Deserialize, Serialize};

/// Tag of a MongoDB statement that no client sent: `{"create": …}` for a collection that came into
/// being by a write to it.
pub const IMPLICIT: &str = "implicit";

/// What one workspace session ran between two moments at which the server was idle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// `<session>:<n>`; control takes each id once, so a capture may be sent again.
    pub id: String,
    /// The workspace database.
    pub database: String,
    /// Process id of the server's backend (the ledger's rows carry it too), MySQL's thread id,
    /// MongoDB's `connectionId`.
    pub pid: i64,
    /// Who was logged in.
    pub user: String,
    /// What the client called itself.
    #[serde(default)]
    pub application_name: String,
    /// In the order in which the server confirmed them.
    pub statements: Vec<CapturedStatement>,
    /// What the statements depend on besides their text. MySQL only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// The settings of a MySQL session that change what its DDL means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// `@@sql_mode`.
    pub sql_mode: String,
    /// `@@character_set_client`.
    pub character_set_client: String,
    /// `@@collation_connection`; its character set is `@@character_set_connection`.
    pub collation_connection: String,
    /// `@@foreign_key_checks`.
    pub foreign_key_checks: bool,
    /// `@@default_storage_engine`.
    pub default_storage_engine: String,
    /// `@@explicit_defaults_for_timestamp`.
    pub explicit_defaults_for_timestamp: bool,
}

/// What is known of a statement's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The server confirmed it.
    #[default]
    Done,
    /// The proxy forwarded it, or was about to, and never saw the answer. MySQL and MongoDB.
    Unknown,
}

fn is_done(outcome: &Outcome) -> bool {
    *outcome == Outcome::Done
}

fn is_zero(count: &u16) -> bool {
    *count == 0
}

/// A statement that the server confirmed. It may have been rolled back since: what stands in the
/// ledger counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedStatement {
    /// The statement alone, without the others of its Query message.
    pub text: String,
    /// The server's command tag, whole: `CREATE TABLE`, `INSERT 0 1`, `ROLLBACK`. MySQL has none:
    /// empty. MongoDB: empty, or [`IMPLICIT`].
    pub tag: String,
    /// What is known of its end.
    #[serde(default, skip_serializing_if = "is_done")]
    pub outcome: Outcome,
    /// Warnings and notes that came with the confirmation (MySQL: `IF NOT EXISTS` that did nothing
    /// leaves a note).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warnings: u16,
}

/// Control's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The blueprint's version after sealing.
    pub version: String,
}
