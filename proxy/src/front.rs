//! The client side: one module for each protocol that clients speak, and what they share.

mod admit;
pub mod mongo;
pub mod mysql;
pub mod postgres;
pub mod redis;

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::context::Context;
use crate::metrics::Direction;
use crate::relay::Ended;
use crate::stream::Stream;

/// How long a client may be silent at first, once it is its turn. What is silent for longer is no
/// client; until it speaks it takes none of the places of those that do.
const SILENT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a client that finds no place may take to say what it wants.
const FULL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a client may take to hear why it is refused.
const TELL_TIMEOUT: Duration = Duration::from_secs(2);

/// How much of what a refused client still sends is read, so that the kernel does not answer it
/// with a reset that overtakes the reason.
const UNHEARD_BYTES_MAX: usize = 1 << 20;

/// Sends `last` and closes, without losing it to a reset: what the client still sends is read until
/// it closes too. Ends within [`TELL_TIMEOUT`].
async fn close_with<T>(mut stream: Stream<T>, last: &[u8])
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let closing = async {
        stream.write_all(last).await?;
        stream.shutdown().await?;
        let mut unheard = [0; 4096];
        let mut left = UNHEARD_BYTES_MAX;
        while left > 0 {
            match stream.read(&mut unheard).await? {
                0 => break,
                bytes => left = left.saturating_sub(bytes),
            }
        }
        io::Result::Ok(())
    };
    // A client that does not listen has lost nothing.
    let _ = timeout(TELL_TIMEOUT, closing).await;
}

/// Sends what is in `out`, and empties it. Not cancel safe.
async fn send_out<T>(stream: &mut Stream<T>, out: &mut Vec<u8>) -> io::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(out).await?;
    stream.flush().await?;
    out.clear();
    Ok(())
}

/// Whether a client has begun to talk in time. Its first byte stays where it is; that it has gone
/// instead is found by who reads.
async fn has_begun(context: &Context, stream: &TcpStream) -> bool {
    let silent = SILENT_TIMEOUT.min(context.config.handshake_timeout);
    timeout(silent, stream.peek(&mut [0])).await.is_ok()
}

/// Completes when a client that waits has closed its connection; with the error, if there was one.
/// One that has sent something, which nobody has read yet, is taken to be there. Cancel safe.
async fn gone(client: &TcpStream) -> Option<io::Error> {
    match client.peek(&mut [0]).await {
        Ok(0) => None,
        Ok(_) => std::future::pending().await,
        Err(error) => Some(error),
    }
}

/// Counts and logs how a session ended.
fn report<E: std::fmt::Display>(context: &Context, ended: &Ended<E>) {
    let (to_server, to_client) = ended.bytes;
    let relayed = &context.metrics.relayed_bytes;
    relayed.add(Direction::ClientToServer, to_server);
    relayed.add(Direction::ServerToClient, to_client);
    match ended.end.fault() {
        Some(kind) => {
            context.metrics.faults.increment(kind);
            tracing::info!(
                end = %ended.end, fault = %kind, to_server, to_client,
                "session ended"
            );
        }
        None => tracing::debug!(end = %ended.end, to_server, to_client, "session ended"),
    }
}
