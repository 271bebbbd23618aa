//! One MongoDB request to a server, and what it replies, without holding either.
//!
//! A request is passed on once its body, the first section, is known, with a number of ours. Its
//! reply must name that number; it is passed on with the client's. Sequences and documents go by in
//! the core's buffer, a part at a time.

mod held;

use std::io;

use tenantsdb_codecs::mongo::Error as ProtocolError;
use tenantsdb_codecs::mongo::bson::Document;
use tenantsdb_codecs::mongo::frame::MESSAGE_BYTES_MAX;
use tenantsdb_codecs::mongo::op_msg::{Head, Passing, Stream as Passed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::back::mongo::{Connection, Error as ServerError};
use crate::inbox::Inbox;
use crate::stream::Stream;
pub(crate) use held::{hold, let_go};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// Which side a request or its reply came to nothing by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The client went away.
    #[error("client is gone")]
    ClientGone(#[source] Option<io::Error>),
    /// The client's bytes are not the protocol.
    #[error("{0}")]
    Client(ProtocolError),
    /// Between two replies to one request, the session lost its right to the second.
    #[error("{0}")]
    Withdrawn(&'static str),
    /// The server went away, or its bytes are not the protocol. `begun`: the client has a part of
    /// the reply, or has not sent all of its request, so that it cannot be told.
    #[error("{error}")]
    Server { error: ServerError, begun: bool },
}

/// A reply that has been passed on.
#[derive(Debug)]
pub(crate) struct Replied {
    passing: Passing,
    /// The reply's own number.
    pub(crate) request_id: i32,
    /// Another reply to the same request follows.
    pub(crate) more_to_come: bool,
}

// === impl Replied ===

impl Replied {
    /// What is small of the reply.
    pub(crate) fn outline(&self) -> Option<Document<'_>> {
        self.passing.outline()
    }
}

/// What is bytes moved, for the counters.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moved {
    pub(crate) to_server: u64,
    pub(crate) to_client: u64,
}

/// Passes on the request at the front of the client's inbox, whose opening has been read; answers
/// the number that its reply will name. Not cancel safe.
pub(crate) async fn request<C, S>(
    client: &mut Stream<C>,
    inbox: &mut Inbox,
    server: &mut Connection<S>,
    (head, database): (Head, &str),
    moved: &mut Moved,
) -> Result<i32, Broken>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let id = server.session.next();
    let mut unread = std::mem::take(inbox).into_unread();
    let mut passed = Passed::start_command(&mut unread, head, id, database);
    let behind = unread.get_mut(head.bytes..).unwrap_or_default();
    let bytes = passed.step(behind).map_err(Broken::Client)?;
    let (now, rest) = unread.split_at(unread.len().min(head.bytes + bytes));
    // What comes behind the request stays, whatever becomes of that.
    *inbox = Inbox::of(rest.to_vec());
    let sent = send(&mut server.stream, now, moved).await;
    sent.map_err(|error| gone(error, passed.left()))?;
    // It may be long, and what is to come may take long.
    drop(unread);
    let mut chunk = Vec::new();
    while passed.left() > 0 {
        chunk.resize(CHUNK_BYTES.min(passed.left()), 0);
        let read = client.read(&mut chunk).await;
        let read = read.map_err(|error| Broken::ClientGone(Some(error)))?;
        let part = chunk.get_mut(..read).unwrap_or_default();
        if part.is_empty() {
            return Err(Broken::ClientGone(None));
        }
        let bytes = passed.step(part).map_err(Broken::Client)?;
        let part = part.get(..bytes).unwrap_or_default();
        let sent = send(&mut server.stream, part, moved).await;
        sent.map_err(|error| gone(error, passed.left()))?;
    }
    let flushed = server.stream.flush().await;
    flushed.map_err(|error| gone(error, 0))?;
    Ok(id)
}

/// Waits until a reply has begun to come. Cancel safe.
pub(crate) async fn come<S>(server: &mut Connection<S>, inbox: &mut Inbox) -> Result<Head, Broken>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let failed = |error: ServerError| Broken::Server {
        error,
        begun: false,
    };
    loop {
        let head = Head::read(inbox.unread(), MESSAGE_BYTES_MAX);
        if let Some(head) = head.map_err(|error| failed(error.into()))? {
            return Ok(head);
        }
        let filled = inbox.fill::<ProtocolError>(&mut server.stream).await;
        filled.map_err(|error| failed(error.into()))?;
    }
}

/// Passes on the reply to one of these requests, by our number and the client's. Not cancel safe.
pub(crate) async fn reply<C, S>(
    client: &mut Stream<C>,
    server: &mut Connection<S>,
    inbox: &mut Inbox,
    numbers: &[(i32, i32)],
    moved: &mut Moved,
) -> Result<Replied, Broken>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let failed = |error: ServerError| Broken::Server {
        error,
        begun: false,
    };
    let head = come(server, inbox).await?;
    let to = head.header.response_to;
    let known = numbers.iter().find(|(asked, _)| *asked == to);
    let Some((_, client_id)) = known.copied() else {
        return Err(failed(ServerError::Stray(to)));
    };
    let mut unread = std::mem::take(inbox).into_unread();
    let mut passing = Passing::start(&mut unread, head, head.header.request_id, client_id);
    let broken = |error: ProtocolError, begun| Broken::Server {
        error: error.into(),
        begun,
    };
    let behind = unread.get_mut(head.bytes..).unwrap_or_default();
    let bytes = passing.step(behind).map_err(|error| broken(error, false))?;
    let (now, rest) = unread.split_at(unread.len().min(head.bytes + bytes));
    *inbox = Inbox::of(rest.to_vec());
    give(client, now, moved).await?;
    let mut chunk = Vec::new();
    while passing.left() > 0 {
        chunk.resize(CHUNK_BYTES.min(passing.left()), 0);
        let read = server.stream.read(&mut chunk).await;
        let read = read.map_err(|error| Broken::Server {
            error: error.into(),
            begun: true,
        })?;
        let part = chunk.get_mut(..read).unwrap_or_default();
        if part.is_empty() {
            return Err(Broken::Server {
                error: ServerError::Closed,
                begun: true,
            });
        }
        let bytes = passing.step(part).map_err(|error| broken(error, true))?;
        give(client, part.get(..bytes).unwrap_or_default(), moved).await?;
    }
    let flushed = client.flush().await;
    flushed.map_err(|error| Broken::ClientGone(Some(error)))?;
    Ok(Replied {
        passing,
        request_id: head.header.request_id,
        more_to_come: head.flags.more_to_come,
    })
}

async fn send<S>(server: &mut Stream<S>, bytes: &[u8], moved: &mut Moved) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    server.write_all(bytes).await?;
    moved.to_server += bytes.len() as u64;
    Ok(())
}

async fn give<C>(client: &mut Stream<C>, bytes: &[u8], moved: &mut Moved) -> Result<(), Broken>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let written = client.write_all(bytes).await;
    written.map_err(|error| Broken::ClientGone(Some(error)))?;
    moved.to_client += bytes.len() as u64;
    Ok(())
}

/// The server went away while so many bytes of the request have not come: what comes then must not
/// be taken for the next request.
fn gone(error: io::Error, left: usize) -> Broken {
    Broken::Server {
        error: error.into(),
        begun: left > 0,
    }
}

#[cfg(test)]
mod tests;
