//! A reply that is held back until something else is done.

use tenantsdb_codecs::mongo::Error as ProtocolError;
use tenantsdb_codecs::mongo::frame::{Header, MESSAGE_BYTES_MAX};
use tenantsdb_codecs::mongo::op_msg::{self, Flags, Message};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::{Broken, Moved, give};
use crate::back::mongo::{Connection, Error as ServerError};
use crate::inbox::{self, Inbox};
use crate::stream::Stream;

/// Reads the whole reply to the request of this number. Waits for it however long it takes: what
/// it is about has an effect, whether somebody waits or not. Not cancel safe.
pub(crate) async fn hold<S>(server: &mut Connection<S>, id: i32) -> Result<Vec<u8>, ServerError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut inbox = Inbox::default();
    loop {
        if let Some(header) = Header::read(inbox.unread(), MESSAGE_BYTES_MAX)? {
            if header.response_to != id {
                return Err(ServerError::Stray(header.response_to));
            }
            if inbox.unread().len() >= header.length {
                break;
            }
        }
        let filled: Result<(), inbox::Error<ProtocolError>> = inbox.fill(&mut server.stream).await;
        filled?;
    }
    let message = inbox.into_unread();
    let reply = Message::read(&message)?;
    // Only an exhaust cursor has more than one.
    if reply.flags.more_to_come {
        return Err(ServerError::Protocol(ProtocolError::Unsupported("reply")));
    }
    Ok(message)
}

/// Gives the client a reply that was held, with this body, as one to the request of this number of
/// its own.
pub(crate) async fn let_go<C>(
    client: &mut Stream<C>,
    (reply, body): (&Message<'_>, &[u8]),
    client_id: i32,
    moved: &mut Moved,
) -> Result<(), Broken>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let flags = Flags {
        checksum_present: reply.flags.checksum_present,
        ..Flags::NONE
    };
    let mut out = Vec::with_capacity(reply.header.length);
    op_msg::write(reply.header.request_id, client_id, flags, body, &mut out);
    give(client, &out, moved).await?;
    let flushed = client.flush().await;
    flushed.map_err(|error| Broken::ClientGone(Some(error)))
}
