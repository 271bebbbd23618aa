//! What rollbacks leave.

use super::{Control, Effect, effect};

/// Indices of the confirmed statements that were not rolled back, in order, without those that
/// control transactions.
///
/// Each statement comes with the tag that CommandComplete gave it; the first is the first after
/// the server was idle. A transaction that has not ended counts as if it were to commit.
/// Statements without BEGIN that come in one Query are one transaction, and ROLLBACK takes them
/// back too, so none is settled before a COMMIT or the end.
#[must_use]
pub fn survivors(statements: &[(impl AsRef<str>, impl AsRef<str>)]) -> Vec<usize> {
    let mut settled = Vec::new();
    // Of the transaction under way; a savepoint remembers how many there were.
    let mut open: Vec<usize> = Vec::new();
    let mut savepoints: Vec<(String, usize)> = Vec::new();
    for (index, (text, tag)) in statements.iter().enumerate() {
        let Effect::Transaction(control) = effect(text.as_ref()) else {
            open.push(index);
            continue;
        };
        let place = |savepoints: &[(String, usize)], name: &str| {
            savepoints.iter().rposition(|(other, _)| other == name)
        };
        match control {
            Control::Begin => {}
            Control::Commit if tag.as_ref() == "COMMIT" => {
                settled.append(&mut open);
                savepoints.clear();
            }
            // COMMIT of a failed transaction is answered ROLLBACK; a prepared one settles
            // elsewhere.
            Control::Commit | Control::Rollback | Control::Prepare => {
                open.clear();
                savepoints.clear();
            }
            Control::Savepoint(name) => savepoints.push((name, open.len())),
            Control::RollbackTo(name) => {
                if let Some(at) = place(&savepoints, &name) {
                    savepoints.truncate(at + 1);
                    open.truncate(savepoints.last().map_or(0, |(_, length)| *length));
                }
            }
            Control::Release(name) => {
                if let Some(at) = place(&savepoints, &name) {
                    savepoints.truncate(at);
                }
            }
        }
    }
    settled.append(&mut open);
    settled
}
