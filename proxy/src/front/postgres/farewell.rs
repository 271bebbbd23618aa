//! The end of a session, as its client sees it.

use tenantsdb_codecs::postgres::report::{Report, Severity};
use tenantsdb_codecs::postgres::sqlstate::SqlState;
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
        && let Some((sqlstate, message)) = words(ended)
    {
        Report {
            severity: Severity::Fatal,
            sqlstate,
            message: &message,
            detail: None,
            hint: None,
        }
        .encode_error(&mut last);
    }
    match ended.end {
        // Its socket is of no more use; nothing is to be said.
        End::ClientGone(_) => {}
        // Nobody listens; a plain connection is simply closed, TLS takes leave.
        End::Goodbye if matches!(stream, Stream::Plain(_)) => {}
        _ => close_with(stream, &last).await,
    }
}

fn words(ended: &Ended) -> Option<(SqlState, String)> {
    Some(match &ended.end {
        End::Goodbye | End::ClientGone(_) | End::Asked => return None,
        End::ServerGone(_) if ended.server_explained => return None,
        End::ServerGone(_) => (
            SqlState::CONNECTION_FAILURE,
            "the database server closed the connection unexpectedly".to_owned(),
        ),
        End::ClientBroken(error) => (SqlState::PROTOCOL_VIOLATION, error.to_string()),
        End::ServerBroken(_) => (
            SqlState::CONNECTION_FAILURE,
            "the database server sent what is not its protocol".to_owned(),
        ),
        End::Drained => (
            SqlState::ADMIN_SHUTDOWN,
            "terminating connection because the proxy is shutting down".to_owned(),
        ),
    })
}
