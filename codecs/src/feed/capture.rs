//! Captured DDL on its way from a proxy to control: the wire's part of the record.
//!
//! The ledger in the workspace says *what* took effect; the wire says in which words. A proxy sends
//! one [`Capture`] for each stretch of a workspace session that ended with the server idle and was
//! not plain reading and writing, and holds the client's ReadyForQuery until control has answered.

use serde::{Deserialize, Serialize};

/// What one workspace session ran between two moments at which the server was idle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// `<session>:<n>`; control takes each id once, so a capture may be sent again.
    pub id: String,
    /// The workspace database.
    pub database: String,
    /// Process id of the server's backend: the ledger's rows carry it too.
    pub pid: i32,
    /// Who was logged in.
    pub user: String,
    /// What the client called itself.
    #[serde(default)]
    pub application_name: String,
    /// In the order in which the server confirmed them.
    pub statements: Vec<CapturedStatement>,
}

/// A statement that the server confirmed. It may have been rolled back since: what stands in the
/// ledger counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedStatement {
    /// The statement alone, without the others of its Query message.
    pub text: String,
    /// The server's command tag, whole: `CREATE TABLE`, `INSERT 0 1`, `ROLLBACK`.
    pub tag: String,
}

/// Control's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The blueprint's version after sealing.
    pub version: String,
}
