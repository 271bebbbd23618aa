//! The client's side of the pump: what it sends is read as far as the server takes it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tenantsdb_codecs::redis;
use tenantsdb_codecs::redis::client::{Bounds, Scan, Scanned};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::out::Pieces;
use super::pump::{Broken, Next, Pump, Stop};
use super::queue::Owed;
use crate::relay::End;
use crate::relay::scratch::{self, Leftover, SCRATCH_BYTES};

/// What a client may send. An inline request is refused before it fills all that is held.
const BOUNDS: Bounds = Bounds {
    inline_bytes_max: SCRATCH_BYTES - 1,
    ..Bounds::AFTER_AUTH
};

/// What comes of looking at the front of what the client has sent.
enum Step {
    /// So many bytes are done with.
    Used(usize),
    NeedsMore,
    Stop(Stop),
}

impl<C, S> Pump<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Reads what the client says, as long as the server takes it.
    pub(super) fn poll_requests(&mut self, cx: &mut Context<'_>) -> Result<(), End<Broken>> {
        loop {
            if !self.poll_server_takes(cx) {
                return Ok(());
            }
            if self.closing.is_some() {
                return Ok(());
            }
            if self.stop.is_some() {
                return self.poll_aside(cx);
            }
            let held = self.wires.input.take();
            let read = match held {
                Some(held) if !self.wires.needs_more => {
                    self.look_at(cx, held);
                    Some(())
                }
                Some(held) => self.poll_more(cx, held)?,
                None => scratch::with(|buf| self.poll_fresh(cx, buf))?,
            };
            if read.is_none() {
                return Ok(());
            }
        }
    }

    /// Writes what the server has not taken. Answers whether it takes more.
    fn poll_server_takes(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(server) = &mut self.server else {
            return true;
        };
        if self.lost.is_some() {
            return self.is_dropping(); // the server gets nothing of it
        }
        let drained = self.wires.to_server.poll_drain(cx, server);
        let flushed = match drained {
            Poll::Ready(Ok(())) => self.wires.to_server.poll_flush(cx, server),
            other => other,
        };
        match flushed {
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
            // It may have left a word of farewell; who reads it meets the end.
            Poll::Ready(Err(error)) => {
                self.lost = Some(Some(error));
                false
            }
        }
    }

    /// Reads into the core's buffer. `None`: there is nothing now.
    fn poll_fresh(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Result<Option<()>, End<Broken>> {
        let mut buf = ReadBuf::new(buf);
        match Pin::new(&mut *self.client).poll_read(cx, &mut buf) {
            Poll::Pending => return Ok(None),
            Poll::Ready(Err(error)) => return Err(End::ClientGone(Some(error))),
            Poll::Ready(Ok(())) => {}
        }
        let chunk = buf.filled();
        if chunk.is_empty() {
            self.closing = Some(End::ClientGone(None));
            return Ok(None);
        }
        let used = self.parse(cx, chunk);
        let left = chunk.get(used..).filter(|left| !left.is_empty());
        self.wires.input = left.map(Leftover::copy);
        Ok(Some(()))
    }

    /// Reads behind what is held of a request. `None`: there is nothing now.
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        mut held: Leftover,
    ) -> Result<Option<()>, End<Broken>> {
        if held.len() >= SCRATCH_BYTES {
            self.broken(redis::Error::TooMany("bytes")); // never: what is so long is large
            return Ok(None);
        }
        match self.poll_behind(cx, &mut held) {
            Poll::Pending => {
                self.wires.input = Some(held);
                Ok(None)
            }
            Poll::Ready(Err(error)) => Err(End::ClientGone(Some(error))),
            Poll::Ready(Ok(false)) => {
                self.closing = Some(End::ClientGone(None));
                Ok(None)
            }
            Poll::Ready(Ok(true)) => {
                self.look_at(cx, held);
                Ok(Some(()))
            }
        }
    }

    /// Answers whether there was anything but the end. `held` must have room.
    fn poll_behind(&mut self, cx: &mut Context<'_>, held: &mut Leftover) -> Poll<io::Result<bool>> {
        let room = SCRATCH_BYTES.saturating_sub(held.len());
        scratch::with(|buf| {
            let mut buf = ReadBuf::new(buf.get_mut(..room).unwrap_or_default());
            let read = Pin::new(&mut *self.client).poll_read(cx, &mut buf);
            held.extend_from_slice(buf.filled());
            read.map_ok(|()| !buf.filled().is_empty())
        })
    }

    /// While the next request waits for what may take for ever, its client may go away: what it
    /// sends is held. Behind as much as is held its end would not be seen, and it would keep the
    /// server connection for good: that ends the session.
    fn poll_aside(&mut self, cx: &mut Context<'_>) -> Result<(), End<Broken>> {
        while self.wires.queue.is_blocking() {
            let held = self.wires.input.take();
            let mut held = held.unwrap_or_else(|| Leftover::copy(&[]));
            if held.len() >= SCRATCH_BYTES {
                return Err(End::ClientBroken(Broken::Behind));
            }
            let read = self.poll_behind(cx, &mut held);
            self.wires.input = Some(held);
            match read {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(End::ClientGone(Some(error))),
                Poll::Ready(Ok(false)) => return Err(End::ClientGone(None)),
                Poll::Ready(Ok(true)) => {}
            }
        }
        Ok(())
    }

    fn look_at(&mut self, cx: &mut Context<'_>, mut held: Leftover) {
        let used = self.parse(cx, &held);
        let used = used.min(held.len());
        held.drain(..used);
        if !held.is_empty() {
            self.wires.input = Some(held);
        }
    }

    /// Looks at requests and sends on what is to go on. Answers how many bytes are done with.
    fn parse(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let mut pieces = Pieces::new(input);
        let mut scan = std::mem::take(&mut self.wires.scan);
        let mut at = 0;
        self.wires.needs_more = false;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            pieces.set_base(at);
            match self.step(&mut scan, rest, &mut pieces) {
                Step::Used(used) => at += used,
                Step::NeedsMore => {
                    self.wires.needs_more = true;
                    break;
                }
                Step::Stop(stop) => {
                    self.stop = Some(stop);
                    break;
                }
            }
            if self.closing.is_some() {
                at = input.len(); // nobody looks at it
            } else if self.lost.is_some() && self.large.is_none() {
                break; // behind a request that was dropped: the next finds another connection
            } else if self.wires.queue.is_full() {
                self.stop = Some(Stop::Full);
                break;
            }
        }
        self.wires.scan = scan;
        if !pieces.is_empty() {
            self.send_to_server(cx, &pieces);
        }
        at
    }

    /// Looks at one request, or at more of one that is passed on in parts.
    fn step(&mut self, scan: &mut Scan, input: &[u8], pieces: &mut Pieces<'_>) -> Step {
        if self.large.is_some() {
            return match self.large(input, pieces) {
                0 => Step::NeedsMore,
                used => Step::Used(used),
            };
        }
        match scan.resume(input, &BOUNDS) {
            Ok(Scanned::Whole { bytes }) => {
                if !scan.is_empty()
                    && let Next::Stop(stop) = self.request(scan, input, bytes, pieces)
                {
                    return Step::Stop(stop);
                }
                scan.reset();
                Step::Used(bytes)
            }
            Ok(Scanned::Incomplete) if self.is_large(scan, input) => {
                match self.begin_large(scan, input, pieces) {
                    Ok(used) => {
                        scan.reset();
                        Step::Used(used)
                    }
                    Err(stop) => Step::Stop(stop),
                }
            }
            Ok(Scanned::Incomplete) => Step::NeedsMore,
            Err(error) => {
                self.broken(error);
                Step::Used(input.len())
            }
        }
    }

    fn send_to_server(&mut self, cx: &mut Context<'_>, pieces: &Pieces<'_>) {
        let Some(server) = &mut self.server else {
            return; // nothing is put without one
        };
        if let Err(error) = self.wires.to_server.send(cx, pieces, server) {
            self.lost = Some(Some(error));
        }
    }

    /// Nothing behind this can be understood.
    fn broken(&mut self, error: redis::Error) {
        let words = format!("-ERR Protocol error: {error}\r\n");
        self.wires.queue.push(Owed::Local(words.into_bytes()));
        self.closing = Some(End::ClientBroken(error.into()));
    }
}
