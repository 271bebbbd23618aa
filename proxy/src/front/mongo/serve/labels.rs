//! What a driver is told to do about a request whose reply it does not get.

use tenantsdb_codecs::mongo::command::Kept;
use tenantsdb_codecs::mongo::pipeline::Asked;
use tenantsdb_codecs::mongo::report::{
    RESUMABLE_CHANGE_STREAM, RETRYABLE_WRITE, TRANSIENT_TRANSACTION, UNKNOWN_COMMIT,
};

/// The labels of the error, by the specifications "Retryable Writes", "Transactions" and "Change
/// Streams": a driver finds them where a server would have put them, and without them takes the
/// error for the last word. To a cursor that is no change stream's the last one says nothing.
pub(super) const fn labels(asked: &Asked, retryable: bool) -> &'static [&'static str] {
    match (asked.kept, asked.transaction) {
        (Kept::Commit, _) => &[RETRYABLE_WRITE, UNKNOWN_COMMIT],
        (Kept::Abort, _) => &[RETRYABLE_WRITE],
        (_, Some(_)) => &[TRANSIENT_TRANSACTION],
        (Kept::GetMore, None) => &[RESUMABLE_CHANGE_STREAM],
        _ if retryable => &[RETRYABLE_WRITE],
        _ => &[],
    }
}
