//! The end of a session, as its client sees it.

use tenantsdb_codecs::mysql::code::Code;
use tenantsdb_codecs::mysql::report::Report;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Ended;
use crate::front::close_with;
use crate::relay::End;
use crate::stream::Stream;

/// Tells the client why its session is over, if it does not know and can be told between two
/// messages, and closes its connection.
pub(super) async fn farewell<T>(stream: Stream<T>, ended: &Ended)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut last = Vec::new();
    if ended.client_at_boundary
        && let Some((code, message)) = words(ended)
    {
        // The answer to a command, or a word between two, which servers number from 0.
        let mut sequence = u8::from(ended.busy);
        Report::new(code, &message).encode(&mut sequence, &mut last);
    }
    match ended.end {
        // Its socket is of no more use; nothing is to be said.
        End::ClientGone(_) => {}
        // Nobody listens; a plain connection is simply closed, TLS takes leave.
        End::Goodbye if matches!(stream, Stream::Plain(_)) => {}
        _ => close_with(stream, &last).await,
    }
}

fn words(ended: &Ended) -> Option<(Code, String)> {
    Some(match &ended.end {
        End::Goodbye | End::ClientGone(_) | End::Asked => return None,
        End::ServerGone(_) if ended.server_explained => return None,
        End::ServerGone(_) => (
            Code::CONNECTION_KILLED,
            "the database server closed the connection unexpectedly".to_owned(),
        ),
        End::ClientBroken(error) => (Code::UNKNOWN_COMMAND, error.to_string()),
        End::ServerBroken(error) => (
            Code::MALFORMED_PACKET,
            format!("the database server sent what cannot be passed on: {error}"),
        ),
        End::Drained => (
            Code::SERVER_SHUTDOWN,
            "Server shutdown in progress".to_owned(),
        ),
    })
}
