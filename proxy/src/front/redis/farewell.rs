//! The end of a session, as its client sees it.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::front::close_with;
use crate::stream::Stream;

/// Closes a client's connection behind `last`. There is nothing that a Redis client could be told
/// between two replies: it would take it for the answer to its next command. So `last` ends what it
/// is owed, or is empty.
pub(super) async fn farewell<T>(stream: Stream<T>, last: &[u8])
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    match stream {
        Stream::Plain(_) if last.is_empty() => {}
        stream => close_with(stream, last).await,
    }
}
