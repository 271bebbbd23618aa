//! What the server sends, for requests.

use tenantsdb_codecs::redis::reply::{Fed, Shape};
use tenantsdb_codecs::redis::sink::{Discard, Sink as _};
use tokio::io::{AsyncRead, AsyncWrite};

use super::out::Pieces;
use super::pump::{Broken, Pump};
use super::queue::{Owed, Role};

impl<C, S> Pump<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Takes all of what the server has sent.
    pub(super) fn replies(&mut self, input: &[u8], pieces: &mut Pieces<'_>) -> Result<(), Broken> {
        let mut at = 0;
        loop {
            self.settle(pieces);
            let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) else {
                return Ok(());
            };
            pieces.set_base(at);
            at += match self.push(rest, pieces)? {
                Some(used) => used,
                None => self.reply(rest, pieces)?,
            };
        }
    }

    /// Puts our own words as far as they are next.
    pub(super) fn settle(&mut self, pieces: &mut Pieces<'_>) {
        while matches!(self.wires.queue.front(), Some(Owed::Local(_))) {
            if let Some(Owed::Local(words)) = self.wires.queue.pop() {
                pieces.put(&words);
            }
        }
    }

    /// Goes on with the reply that is next.
    fn reply(&mut self, input: &[u8], pieces: &mut Pieces<'_>) -> Result<usize, Broken> {
        let wires = &mut *self.wires;
        if wires.rewriter.at_boundary() {
            wires.first = input.first().copied().unwrap_or_default();
            self.reply_begins()?;
        }
        let wires = &mut *self.wires;
        let prefix = self.desk.prefix;
        let rewriter = &mut wires.rewriter;
        let fed = match wires.queue.front_mut() {
            Some(Owed::Run { mute: false, .. }) => {
                rewriter.feed(&Shape::Plain, prefix, input, pieces)?
            }
            Some(Owed::Run { .. }) => rewriter.feed(&Shape::Plain, prefix, input, &mut Discard)?,
            Some(Owed::Reply(reply)) => {
                let hidden = reply.mute || matches!(reply.role, Role::Swallow(_));
                let shape = match reply.role {
                    Role::Queued => &Shape::Plain,
                    _ => &reply.shape,
                };
                if hidden {
                    rewriter.feed(shape, prefix, input, &mut Discard)?
                } else {
                    rewriter.feed(shape, prefix, input, pieces)?
                }
            }
            _ => return Err(Broken::Unowed),
        };
        let Fed { consumed, done } = fed;
        if done {
            self.reply_ended(pieces);
        }
        Ok(consumed)
    }

    fn reply_begins(&mut self) -> Result<(), Broken> {
        let wires = &mut *self.wires;
        if !matches!(wires.queue.front(), Some(Owed::Reply(_))) {
            return Ok(());
        }
        let is_exec = matches!(
            wires.queue.front(),
            Some(Owed::Reply(reply)) if reply.role == Role::Exec
        );
        let exec = is_exec.then(|| wires.queue.take_exec());
        let Some(Owed::Reply(reply)) = wires.queue.front_mut() else {
            return Ok(());
        };
        if let Some(shape) = exec {
            reply.shape = shape;
        }
        // What follows would be taken for what it is not.
        if reply.role == Role::Multi && wires.first != b'+' {
            return Err(Broken::Unowed);
        }
        if reply.role == Role::Multi {
            wires.queue.begun();
        }
        Ok(())
    }

    fn reply_ended(&mut self, pieces: &mut Pieces<'_>) {
        let wires = &mut *self.wires;
        let was_ok = wires.first == b'+';
        if let Some(Owed::Run {
            replies, queued, ..
        }) = wires.queue.front_mut()
        {
            let counts = *queued && was_ok;
            *replies -= 1;
            if *replies == 0 {
                wires.queue.pop();
            }
            if counts {
                wires.queue.queued(Shape::Plain);
            }
            return;
        }
        let Some(Owed::Reply(reply)) = wires.queue.pop() else {
            return;
        };
        match reply.role {
            Role::Queued if was_ok => wires.queue.queued(reply.shape),
            Role::Tracking { asked, before } => {
                self.state.tracking = if was_ok { asked } else { before };
            }
            Role::Swallow(words) if !reply.mute => pieces.put(&words),
            _ => {}
        }
    }
}
