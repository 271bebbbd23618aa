//! What the server sends unasked, and what it says of subscriptions.
//!
//! With RESP3 it begins with a letter of its own; with RESP2 it is an array, and comes to clients
//! that send nothing but what is about subscriptions. Messages are held until they are whole: whose
//! they are stands in their first words, and a pattern's client may be owed them more than once.

use tenantsdb_codecs::limits::REDIS_PATTERN_STEPS_MAX;
use tenantsdb_codecs::redis::glob;
use tenantsdb_codecs::redis::prefix::{channel_out, strip};
use tenantsdb_codecs::redis::reply::is_push;
use tenantsdb_codecs::redis::server::{self, Protocol};
use tenantsdb_codecs::redis::sink::Sink as _;
use tenantsdb_codecs::redis::value::{Value, value};
use tokio::io::{AsyncRead, AsyncWrite};

use super::out::Pieces;
use super::pump::{Broken, Pump};
use super::queue::Owed;

/// Longest message that is held, in bytes: to a subscriber that is slower by as much the server
/// itself sends nothing more (`client-output-buffer-limit pubsub`).
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Bytes for the client beyond which a pattern's message is no longer copied, by the same rule:
/// each pattern that matches takes a copy, and nothing more is read before all are written.
const COPIES_BYTES_MAX: usize = MESSAGE_BYTES_MAX;

impl<C, S> Pump<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Takes what is no reply; `None`: it is one.
    pub(super) fn push(
        &mut self,
        input: &[u8],
        pieces: &mut Pieces<'_>,
    ) -> Result<Option<usize>, Broken> {
        if self.wires.gathered.is_empty() && !self.is_unasked(input) {
            return Ok(None);
        }
        let fed = self.wires.walker.feed(input)?;
        let frame = input.get(..fed.consumed).unwrap_or_default();
        if fed.done && self.wires.gathered.is_empty() {
            self.message(frame, pieces)?;
            return Ok(Some(fed.consumed));
        }
        self.wires.gathered.extend_from_slice(frame);
        if self.wires.gathered.len() > MESSAGE_BYTES_MAX {
            return Err(Broken::TooLong);
        }
        if fed.done {
            let gathered = std::mem::take(&mut self.wires.gathered);
            self.message(&gathered, pieces)?;
        }
        Ok(Some(fed.consumed))
    }

    fn is_unasked(&self, input: &[u8]) -> bool {
        let first = input.first().copied().unwrap_or_default();
        if !self.wires.rewriter.at_boundary() {
            return false;
        }
        match self.state.protocol {
            Protocol::Resp3 => {
                is_push(first)
                    || first == b'-'
                        && matches!(self.wires.queue.front(), Some(Owed::Confirm { .. }))
            }
            Protocol::Resp2 => match self.wires.queue.front() {
                Some(Owed::Confirm { .. }) => true,
                None => !self.state.subscriptions.is_empty(),
                Some(_) => false,
            },
        }
    }

    fn message(&mut self, frame: &[u8], pieces: &mut Pieces<'_>) -> Result<(), Broken> {
        let Some((message, _)) = value(frame)? else {
            return Err(Broken::Unowed);
        };
        if matches!(message, Value::Error(_)) {
            // It has not done what the session takes to be done: told, and over.
            pieces.put(frame);
            return Err(Broken::Unowed);
        }
        let parts = message.elements().ok_or(Broken::Unowed)?;
        let kind = parts.first().and_then(Value::bytes).unwrap_or_default();
        match (kind, parts) {
            (b"message", [_, channel, said]) => self.tell(b"message", channel, said, pieces),
            (b"smessage", [_, channel, said]) => self.tell(b"smessage", channel, said, pieces),
            (b"pmessage", [_, _, channel, said]) => self.tell_patterns(channel, said, pieces)?,
            (b"invalidate", [_, keys]) => self.invalidate(keys, pieces),
            (
                b"subscribe" | b"unsubscribe" | b"psubscribe" | b"punsubscribe" | b"ssubscribe"
                | b"sunsubscribe",
                _,
            ) => self.confirmed(pieces)?,
            // Of a version that is newer than this: nobody knows what is in it.
            _ => {}
        }
        Ok(())
    }

    /// One more subscription is confirmed.
    fn confirmed(&mut self, pieces: &mut Pieces<'_>) -> Result<(), Broken> {
        let Some(Owed::Confirm { left, .. }) = self.wires.queue.front_mut() else {
            return Err(Broken::Unowed);
        };
        *left = left.saturating_sub(1);
        if *left == 0
            && let Some(Owed::Confirm { words, .. }) = self.wires.queue.pop()
        {
            pieces.put(&words);
        }
        Ok(())
    }

    fn tell(&self, kind: &[u8], channel: &Value<'_>, said: &Value<'_>, pieces: &mut Pieces<'_>) {
        let channel = channel.bytes().unwrap_or_default();
        // Shards know no notifications: the whole name is behind the prefix.
        let name = if kind == b"smessage" {
            strip(self.desk.prefix, channel).map(<[u8]>::to_vec)
        } else {
            channel_out(self.desk.prefix, channel).map(|(head, tail)| [head, tail].concat())
        };
        let (Some(name), Some(said)) = (name, said.bytes()) else {
            return; // another database's; the server has it wrong
        };
        pieces.with_text(|out| {
            server::push(3, self.state.protocol, out);
            for word in [kind, &name, said] {
                server::bulk(word, out);
            }
        });
    }

    fn tell_patterns(
        &self,
        channel: &Value<'_>,
        said: &Value<'_>,
        pieces: &mut Pieces<'_>,
    ) -> Result<(), Broken> {
        let channel = channel.bytes().unwrap_or_default();
        let (Some((head, tail)), Some(said)) =
            (channel_out(self.desk.prefix, channel), said.bytes())
        else {
            return Ok(());
        };
        let name = [head, tail].concat();
        let mut steps = REDIS_PATTERN_STEPS_MAX;
        for pattern in &self.state.subscriptions.patterns {
            if glob::matches_within(pattern, &name, &mut steps).ok_or(Broken::Patterns)? {
                let copied = pattern.len() + name.len() + said.len();
                if pieces.text_bytes() + copied > COPIES_BYTES_MAX {
                    return Err(Broken::TooLong);
                }
                pieces.with_text(|out| {
                    server::push(4, self.state.protocol, out);
                    for word in [b"pmessage", &**pattern, &name, said] {
                        server::bulk(word, out);
                    }
                });
            }
        }
        Ok(())
    }

    fn invalidate(&self, keys: &Value<'_>, pieces: &mut Pieces<'_>) {
        let protocol = self.state.protocol;
        pieces.with_text(|out| {
            server::push(2, protocol, out);
            server::bulk(b"invalidate", out);
            let Some(keys) = keys.elements() else {
                server::null(protocol, out); // all keys
                return;
            };
            let own = keys.iter().filter_map(Value::bytes);
            let own: Vec<&[u8]> = own.filter_map(|key| strip(self.desk.prefix, key)).collect();
            server::array(own.len(), out);
            for key in own {
                server::bulk(key, out);
            }
        });
    }
}
