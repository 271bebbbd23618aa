//! The server's side of the pump: what it sends is read as far as the client takes it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::out::Pieces;
use super::pump::{Broken, Pump};
use super::queue::Owed;
use crate::relay::End;
use crate::relay::scratch;

impl<C, S> Pump<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Takes what the server has sent to somebody else who has asked it meanwhile.
    ///
    /// # Errors
    ///
    /// It answers something.
    pub(crate) fn unasked(&mut self, input: &[u8]) -> Result<(), Broken> {
        let mut pieces = Pieces::new(input);
        self.replies(input, &mut pieces)?;
        self.wires.to_client.push_all(&pieces);
        Ok(())
    }

    /// Reads what the server says, as long as the client takes it.
    pub(super) fn poll_replies(&mut self, cx: &mut Context<'_>) -> Result<(), End<Broken>> {
        loop {
            let taken = self.wires.to_client.poll_drain(cx, self.client);
            match taken.map_err(|error| End::ClientGone(Some(error)))? {
                Poll::Ready(()) => {}
                Poll::Pending => return Ok(()),
            }
            if matches!(self.wires.queue.front(), Some(Owed::Local(_))) {
                let mut pieces = Pieces::new(&[]);
                self.settle(&mut pieces);
                self.send_to_client(cx, &pieces)?;
                continue;
            }
            if !scratch::with(|buf| self.poll_server_says(cx, buf))? {
                break;
            }
        }
        match self.wires.to_client.poll_flush(cx, self.client) {
            Poll::Ready(Err(error)) => Err(End::ClientGone(Some(error))),
            _ => Ok(()),
        }
    }

    /// Answers whether there was anything.
    fn poll_server_says(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Result<bool, End<Broken>> {
        let Some(server) = &mut self.server else {
            return Ok(false);
        };
        let mut buf = ReadBuf::new(buf);
        match Pin::new(&mut **server).poll_read(cx, &mut buf) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(error)) => return self.server_gone(Some(error)),
            Poll::Ready(Ok(())) => {}
        }
        let chunk = buf.filled();
        if chunk.is_empty() {
            let why = self.lost.take().flatten();
            return self.server_gone(why);
        }
        let mut pieces = Pieces::new(chunk);
        let fed = self.replies(chunk, &mut pieces);
        if !pieces.is_empty() {
            self.send_to_client(cx, &pieces)?;
        }
        fed.map_err(End::ServerBroken)?;
        Ok(true)
    }

    fn server_gone(&mut self, why: Option<io::Error>) -> Result<bool, End<Broken>> {
        if self.wires.is_quiet() && self.state.pins().is_empty() {
            self.lost = Some(why);
            return Ok(false);
        }
        Err(End::ServerGone(why))
    }

    fn send_to_client(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &Pieces<'_>,
    ) -> Result<(), End<Broken>> {
        let sent = self.wires.to_client.send(cx, pieces, self.client);
        sent.map_err(|error| End::ClientGone(Some(error)))
    }
}
