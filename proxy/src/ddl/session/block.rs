//! What a session has done and not committed, and committed and not reported.

use tenantsdb_codecs::feed::capture::CapturedStatement;
use tenantsdb_codecs::postgres::server::TransactionStatus;
use tenantsdb_codecs::sql::{self, Control, Effect};

use super::asked::Statement;

/// What the statements of one transaction may take in bytes; of one with more, none is sent. The
/// ledger has all of them.
const TRANSACTION_BYTES_MAX: usize = 8 << 20;

/// Bytes that a statement costs besides its text and tag.
const STATEMENT_OVERHEAD_BYTES: usize = 64;

/// Statements of one fate.
#[derive(Debug, Default)]
struct Batch {
    statements: Vec<CapturedStatement>,
    bytes: usize,
    /// There is more in it than savepoints.
    counts: bool,
}

/// The statements of the transaction under way, and those committed before it in the same batch.
///
/// ```text
///            statement done          COMMIT, or ReadyForQuery after an implicit block
///   (nothing) ──────────► open ────────────────────────────────────────► committed
///                           └─ ROLLBACK, or ReadyForQuery `I` after an error ─► (nothing)
/// ```
#[derive(Debug, Default)]
pub(crate) struct Block {
    open: Batch,
    committed: Batch,
    /// There was an error since the last ReadyForQuery.
    failed: bool,
}

// === impl Block ===

impl Block {
    /// The server has confirmed a statement with this command tag.
    pub(crate) fn complete(&mut self, statement: Option<&Statement>, tag: &str) {
        let known = statement.map(|statement| statement.effect.clone());
        let text = statement.map_or("", |statement| &statement.text);
        match known.unwrap_or_else(|| sql::effect(tag)) {
            // What counts is what the server says: the text may have been taken for another.
            Effect::Reads if sql::effect(tag) != Effect::Reads => self.open.push("", tag, true),
            Effect::Reads => {}
            Effect::Transaction(control) => self.control(&control, text, tag),
            Effect::Schema | Effect::Privilege | Effect::Opaque => self.open.push(text, tag, true),
        }
    }

    /// The server has run a function by its number; it may have done anything.
    pub(crate) fn call(&mut self) {
        self.open.counts = true;
    }

    /// The server has sent an error.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
    }

    /// The server waits for the next batch. Answers what has been committed, unless that is of no
    /// interest.
    pub(crate) fn ready(&mut self, status: TransactionStatus) -> Option<Vec<CapturedStatement>> {
        let failed = std::mem::take(&mut self.failed);
        if status == TransactionStatus::Idle {
            if failed {
                self.open = Batch::default();
            }
            self.commit();
        }
        let committed = std::mem::take(&mut self.committed);
        committed.counts.then_some(committed.statements)
    }

    fn control(&mut self, control: &Control, text: &str, tag: &str) {
        match control {
            Control::Begin => {}
            // The effect is that of a transaction prepared earlier, perhaps by another session.
            Control::Commit if tag == "COMMIT PREPARED" => self.open.push(text, tag, true),
            // A failed transaction answers COMMIT with the tag ROLLBACK.
            Control::Commit if tag == "COMMIT" => self.commit(),
            Control::Rollback if tag == "ROLLBACK PREPARED" => {}
            Control::Commit | Control::Rollback | Control::Prepare => self.open = Batch::default(),
            Control::Savepoint(_) | Control::RollbackTo(_) | Control::Release(_) => {
                self.open.push(text, tag, false);
            }
        }
    }

    fn commit(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.committed.append(open);
    }
}

// === impl Batch ===

impl Batch {
    fn push(&mut self, text: &str, tag: &str, counts: bool) {
        self.counts |= counts;
        self.bytes += text.len() + tag.len() + STATEMENT_OVERHEAD_BYTES;
        if self.bytes > TRANSACTION_BYTES_MAX {
            // The ledger still has all of it.
            self.statements = Vec::new();
            return;
        }
        self.statements.push(CapturedStatement {
            text: text.to_owned(),
            tag: tag.to_owned(),
            ..CapturedStatement::default()
        });
    }

    fn append(&mut self, later: Self) {
        self.counts |= later.counts;
        self.bytes += later.bytes;
        self.statements.extend(later.statements);
        if self.bytes > TRANSACTION_BYTES_MAX {
            self.statements = Vec::new();
        }
    }
}
