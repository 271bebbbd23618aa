//! What a request makes of the session, and what the server owes for it.

use tenantsdb_codecs::redis::command::Effect;
use tenantsdb_codecs::redis::reply::Shape;
use tenantsdb_codecs::redis::server;
use tokio::io::{AsyncRead, AsyncWrite};

use super::out::Pieces;
use super::pump::Pump;
use super::queue::{BYTES_MAX, Owed, Reply, Role, shape_bytes};
use crate::front::redis::state::Multi;

/// Of a command whose reply would need more than there is room for until EXEC.
pub(super) const TOO_MUCH_KEPT: &str = "ERR the transaction takes too much room until EXEC";

const EXEC_ABORT: &[u8] = b"-EXECABORT Transaction discarded because of previous errors.\r\n";

impl<C, S> Pump<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Notes what the server owes for a request that it is sent, and what becomes of the session.
    pub(super) fn expect(&mut self, effect: Effect, shape: Shape, blocking: bool) {
        let in_multi = self.state.multi.is_some();
        let role = match effect {
            Effect::Multi if !in_multi => {
                self.state.multi = Some(Multi::default());
                Role::Multi
            }
            Effect::Exec if in_multi => {
                self.state.multi = None;
                self.state.watch = false;
                Role::Exec
            }
            Effect::Discard if in_multi => {
                self.state.multi = None;
                self.state.watch = false;
                Role::Pass
            }
            // The server refuses them inside, and carries on.
            Effect::Multi | Effect::Watch if in_multi => Role::Pass,
            Effect::Watch => {
                self.state.watch = true;
                Role::Pass
            }
            Effect::Unwatch if !in_multi => {
                self.state.watch = false;
                Role::Pass
            }
            _ if in_multi => Role::Queued,
            _ if blocking => Role::Blocking,
            _ => Role::Pass,
        };
        self.owe_reply(role, shape);
    }

    /// Whether what is kept of a transaction until EXEC is no more than is kept of a queue. A shape
    /// takes a place for each command before it.
    pub(super) fn has_room(&self, shape: &Shape) -> bool {
        let Some(multi) = self.state.multi.filter(|_| *shape != Shape::Plain) else {
            return true;
        };
        let places = (multi.queued + 1) * size_of::<Shape>();
        places + multi.kept_bytes + shape_bytes(shape) <= BYTES_MAX
    }

    pub(super) fn owe_reply(&mut self, role: Role, shape: Shape) {
        let queued = role == Role::Queued;
        let mut shape = shape;
        if queued && !self.has_room(&shape) {
            // Of a request that went out in parts: the server has it, and will not carry it out.
            self.state.doom();
            shape = Shape::Plain;
        }
        if let Some(multi) = self.state.multi.as_mut().filter(|_| queued) {
            multi.queued += 1;
            multi.kept_bytes += shape_bytes(&shape);
        }
        let mute = self.mute;
        if shape == Shape::Plain && (queued || role == Role::Pass) {
            self.wires.queue.pass(queued, mute);
            return;
        }
        self.wires
            .queue
            .push(Owed::Reply(Reply { shape, role, mute }));
    }

    /// Throws the transaction away at the server.
    pub(super) fn discard(&mut self, pieces: &mut Pieces<'_>) {
        self.state.multi = None;
        self.state.watch = false;
        pieces.with_text(|out| server::command(&[b"DISCARD"], out));
        self.owe_reply(Role::Swallow(EXEC_ABORT.to_vec()), Shape::Plain);
    }

    /// Our own words come next, or, inside a transaction, where EXEC has their turn: the server is
    /// given something harmless to queue.
    pub(super) fn answer_in_turn(&mut self, words: Vec<u8>, pieces: &mut Pieces<'_>) {
        if self.state.multi.is_none() {
            self.owe(words);
            return;
        }
        let shape = Shape::Replace(words.into());
        if !self.has_room(&shape) {
            self.refuse(TOO_MUCH_KEPT);
            return;
        }
        pieces.with_text(|out| server::command(&[b"PING"], out));
        self.owe_reply(Role::Queued, shape);
    }
}
