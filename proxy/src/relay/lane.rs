//! One direction of a session: read here, look, write there.
//!
//! Bytes go through the core's scratch buffer. What the writer does not take is copied into a
//! leftover, and until that is gone nothing more is read: memory for each direction is bounded, and
//! a slow peer slows the other down.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::gate::{Flow, Gate, Look};
use super::scratch::{self, Leftover};

/// Why a direction ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// The reader's side said goodbye in the protocol.
    Goodbye,
    /// The reader's side closed its connection.
    Eof,
}

/// Why a direction failed.
#[derive(Debug)]
pub(crate) enum Fail<E> {
    /// The side that is read from.
    Read(io::Error),
    /// The side that is written to.
    Write(io::Error),
    /// The side that is read from does not speak the protocol.
    Protocol(E),
}

/// State of one direction between two polls.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    rest: Option<Rest>,
    /// Bytes may be in the writer's own buffer (TLS).
    unflushed: bool,
    held: bool,
    goodbye: bool,
    /// A writer that fails is written to no more, and the reader is read all the same.
    ignore_writer: bool,
    bytes: u64,
}

/// Bytes that were read and not written. `at <= pass <= seen <=` the buffer's length.
#[derive(Debug)]
struct Rest {
    buf: Leftover,
    /// Written up to here.
    at: usize,
    /// May be written up to here.
    pass: usize,
    /// Looked at up to here.
    seen: usize,
}

// === impl Lane ===

impl Lane {
    /// A direction that has bytes to forward before the first that it reads.
    pub(crate) fn starting_with(bytes: Vec<u8>) -> Self {
        let rest = (!bytes.is_empty()).then(|| Rest {
            buf: bytes.into(),
            at: 0,
            pass: 0,
            seen: 0,
        });
        Self {
            rest,
            ..Self::default()
        }
    }

    /// Whether all that was read has been written.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_none() && !self.unflushed
    }

    /// Whether what is left is held by the gate, and all before it has been written.
    pub(crate) fn is_held(&self) -> bool {
        let written = self.rest.as_ref().is_none_or(|rest| rest.at == rest.pass);
        self.held && written && !self.unflushed
    }

    /// What was read and not written.
    pub(crate) fn take_unwritten(&mut self) -> Vec<u8> {
        let rest = self.rest.take();
        let unwritten = rest.as_ref().and_then(|rest| rest.buf.get(rest.at..));
        unwritten.unwrap_or_default().to_vec()
    }

    /// Lets go of what the gate holds.
    pub(crate) fn lift(&mut self) {
        self.held = false;
        if let Some(rest) = &mut self.rest {
            rest.pass = rest.seen;
        }
    }

    /// From now on a writer that fails does not end this direction.
    pub(crate) fn ignore_writer(&mut self) {
        self.ignore_writer = true;
    }

    /// Bytes forwarded so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Forwards what there is. `Pending` when either side or the gate has to be waited for, with
    /// the waker registered at the side; `Ready` when this direction has come to its end and all
    /// that may be written has been.
    pub(crate) fn poll<G: Gate>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        gate: &mut G,
    ) -> Poll<Result<Close, Fail<G::Error>>> {
        loop {
            ready!(self.poll_rest(cx, to, gate))?;
            if self.goodbye {
                // Nobody polls this direction again.
                ready!(self.poll_flush(cx, to))?;
                return Poll::Ready(Ok(Close::Goodbye));
            }
            match scratch::with(|buf| self.poll_chunk(cx, from, to, gate, buf)) {
                Poll::Ready(Ok(0)) => {
                    ready!(self.poll_flush(cx, to))?;
                    return Poll::Ready(Ok(Close::Eof));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(fail)) => return Poll::Ready(Err(fail)),
                Poll::Pending => {
                    ready!(self.poll_flush(cx, to))?;
                    return Poll::Pending;
                }
            }
        }
    }

    /// Reads once and writes what it can of that. A short read is not followed by a second one:
    /// tokio clears the readiness then, and the next call finds it so without a system call.
    fn poll_chunk<G: Gate>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        gate: &mut G,
        buf: &mut [u8],
    ) -> Poll<Result<usize, Fail<G::Error>>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(from).poll_read(cx, &mut buf)).map_err(Fail::Read)?;
        let chunk = buf.filled();
        let look = gate.look(chunk).map_err(Fail::Protocol)?;
        let mut at = 0;
        while let Some(out) = chunk.get(at..look.pass).filter(|out| !out.is_empty()) {
            match self.poll_write(cx, to, out)? {
                Poll::Ready(written) => at += written,
                Poll::Pending => break,
            }
        }
        self.note(look.flow);
        if let Some(rest) = chunk
            .get(at..)
            .filter(|rest| !rest.is_empty() && !self.is_over(at, look))
        {
            self.rest = Some(Rest {
                buf: Leftover::copy(rest),
                at: 0,
                pass: look.pass - at,
                seen: look.seen - at,
            });
        }
        Poll::Ready(Ok(chunk.len()))
    }

    /// Whether what is left of a chunk is not to be forwarded at all.
    fn is_over(&self, at: usize, look: Look) -> bool {
        self.goodbye && at == look.pass
    }

    fn note(&mut self, flow: Flow) {
        self.held |= flow == Flow::Hold;
        self.goodbye |= flow == Flow::End;
    }

    /// Writes the leftover, looking at those of its bytes that nobody has looked at.
    fn poll_rest<G: Gate>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut (impl AsyncWrite + Unpin),
        gate: &mut G,
    ) -> Poll<Result<(), Fail<G::Error>>> {
        // Taken out while it is worked on, and put back if it is to wait.
        while let Some(mut rest) = self.rest.take() {
            while let Some(out) = rest
                .buf
                .get(rest.at..rest.pass)
                .filter(|out| !out.is_empty())
            {
                match self.poll_write(cx, to, out)? {
                    Poll::Ready(written) => rest.at += written,
                    Poll::Pending => {
                        self.rest = Some(rest);
                        return Poll::Pending;
                    }
                }
            }
            if self.held {
                self.rest = Some(rest);
                ready!(self.poll_flush(cx, to))?;
                return Poll::Pending;
            }
            let unseen = rest.buf.get(rest.seen..).unwrap_or_default();
            if self.goodbye || unseen.is_empty() {
                break;
            }
            let look = gate.look(unseen).map_err(Fail::Protocol)?;
            rest.pass = rest.seen + look.pass;
            rest.seen += look.seen;
            self.note(look.flow);
            self.rest = Some(rest);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write<E>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut (impl AsyncWrite + Unpin),
        out: &[u8],
    ) -> Result<Poll<usize>, Fail<E>> {
        let written = match Pin::new(to).poll_write(cx, out) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(written) => written,
        };
        match written {
            Ok(written) => {
                self.bytes += written as u64;
                self.unflushed = true;
                Ok(Poll::Ready(written))
            }
            Err(_) if self.ignore_writer => Ok(Poll::Ready(out.len())),
            Err(error) => Err(Fail::Write(error)),
        }
    }

    fn poll_flush<E>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Result<(), Fail<E>>> {
        if self.unflushed {
            let flushed = ready!(Pin::new(to).poll_flush(cx));
            self.unflushed = false;
            if !self.ignore_writer {
                flushed.map_err(Fail::Write)?;
            }
        }
        Poll::Ready(Ok(()))
    }
}
