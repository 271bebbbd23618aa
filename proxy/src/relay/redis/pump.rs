//! Both directions of a session whose keys have a prefix, polled by one task.
//!
//! ```text
//!            scratch ─► requests ─► pieces ─► server
//!   client                │ what each is owed           ▲ nothing is read from one side
//!      ▲                 queue                          │ while the other does not take what
//!      └── pieces ◄── replies, pushes ◄── scratch ◄── server    was read from it before
//! ```
//!
//! A session at rest holds no buffer. Without a server connection it waits for the client alone;
//! when a request needs one the pump stops, and says so ([`Turn`]).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tenantsdb_codecs::redis;
use tenantsdb_codecs::redis::command::Rules;
use tenantsdb_codecs::redis::table::Table;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use super::large::Large;
use super::wires::Wires;
use crate::drain::Drain;
use crate::front::redis::registry::Member;
use crate::front::redis::registry::client::Pins;
use crate::front::redis::state::State;
use crate::metrics::{Metrics, Pin as PinLabel};
use crate::relay::{End, LINGER};

/// Bytes that are not the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// Not a request, or not a reply.
    #[error("{0}")]
    Protocol(#[from] redis::Error),
    /// A reply that nobody waits for, or another than can be.
    #[error("a reply that nothing asked for")]
    Unowed,
    /// What came unasked is longer than is held.
    #[error("a message of more than 32 MB")]
    TooLong,
    /// The client's patterns take too long to match with one channel.
    #[error("patterns that take too long to match")]
    Patterns,
    /// A request was refused when the front of it was at the server.
    #[error("a request that cannot be carried out, and is at the server in part")]
    Partial,
    /// A client that waits has sent more than is held: it is not known whether it is still there.
    #[error("more than 64 kB of requests behind a command that waits")]
    Behind,
}

/// Each reason by its name in metrics.
const PINS: [(Pins, PinLabel); 5] = [
    (Pins::MULTI, PinLabel::Multi),
    (Pins::WATCH, PinLabel::Watch),
    (Pins::BLOCKING, PinLabel::Blocking),
    (Pins::SUBSCRIBED, PinLabel::Subscribed),
    (Pins::TRACKING, PinLabel::Tracking),
];

/// Why the pump stops.
#[derive(Debug)]
pub(crate) enum Turn {
    /// The next request needs a server connection, and there is none.
    Server,
    /// The next request is the session's own business, and everything before it is answered.
    Ask,
    /// Nothing holds the server connection.
    Idle,
    /// The server connection is gone, and with it nothing of the session's.
    Lost,
    End(End<Broken>),
}

/// Why the client's next request has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Server,
    Ask,
    /// The client is owed too much.
    Full,
    /// The client does not take its answers.
    Unread,
}

/// What comes of looking at a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Done,
    Stop(Stop),
}

/// What does not change while the pump runs.
pub(crate) struct Desk<'a> {
    /// What the server says of its commands; `None` as long as nobody has asked it.
    pub(crate) table: Option<&'a Table>,
    pub(crate) rules: &'a Rules,
    pub(crate) prefix: &'a [u8],
    pub(crate) member: &'a Member,
    /// Longest argument in bytes.
    pub(crate) value_bytes_max: Option<u64>,
    /// Why nothing may be added to the database.
    pub(crate) over_limit: &'a dyn Fn() -> Option<String>,
    pub(crate) drain: &'a Drain,
    pub(crate) metrics: &'a Metrics,
    /// The server connection is given back as soon as nothing holds it.
    pub(crate) releases: bool,
}

/// A session under way.
pub(crate) struct Pump<'a, C, S> {
    pub(crate) client: &'a mut C,
    pub(crate) server: Option<&'a mut S>,
    pub(crate) desk: &'a Desk<'a>,
    pub(crate) wires: &'a mut Wires,
    pub(crate) state: &'a mut State,
    pub(super) large: Option<Large<'a>>,
    pub(super) stop: Option<Stop>,
    /// The client gets nothing for the request at hand.
    pub(super) mute: bool,
    /// Nothing more is read from the client; how the session ends once all is answered.
    pub(super) closing: Option<End<Broken>>,
    linger: Option<Pin<Box<Sleep>>>,
    /// The server takes or says no more, and why.
    pub(super) lost: Option<Option<io::Error>>,
    pins: Pins,
}

// === impl Pump ===

impl<'a, C, S> Pump<'a, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    pub(crate) fn new(
        client: &'a mut C,
        server: Option<&'a mut S>,
        desk: &'a Desk<'a>,
        wires: &'a mut Wires,
        state: &'a mut State,
    ) -> Self {
        let pins = desk.member.client().seen.pins();
        Self {
            client,
            server,
            desk,
            wires,
            state,
            large: None,
            stop: None,
            mute: false,
            closing: None,
            linger: None,
            lost: None,
            pins,
        }
    }

    /// Moves what there is. The task must be woken by the drain and by whoever ends the client.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        loop {
            if let Err(end) = self.poll_requests(cx) {
                return Poll::Ready(Turn::End(end));
            }
            if let Err(end) = self.poll_replies(cx) {
                return Poll::Ready(Turn::End(end));
            }
            self.note_pins();
            if let Some(turn) = self.turn(cx) {
                return Poll::Ready(turn);
            }
            let goes_on = match self.stop {
                Some(Stop::Full) => !self.wires.queue.is_full(),
                Some(Stop::Unread) => !self.wires.is_unread(),
                _ => false,
            };
            if !goes_on {
                return Poll::Pending;
            }
            self.stop = None;
        }
    }

    fn note_pins(&mut self) {
        let mut pins = self.state.pins();
        if self.wires.queue.is_blocking() {
            pins = pins.with(Pins::BLOCKING);
        }
        self.wires.doubtful |= !pins.is_empty();
        if pins != self.pins {
            for (pin, label) in PINS {
                if pins.has(pin) && !self.pins.has(pin) {
                    self.desk.metrics.pinned.increment(label);
                }
            }
            self.pins = pins;
            let seen = &self.desk.member.client().seen;
            seen.set_pins(pins);
            seen.set_queued(self.state.multi.map(|multi| multi.queued));
        } else if let Some(multi) = self.state.multi {
            let seen = &self.desk.member.client().seen;
            seen.set_queued(Some(multi.queued));
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Option<Turn> {
        if self.desk.member.client().is_killed() {
            let killed = io::Error::other("ended by CLIENT KILL");
            return Some(Turn::End(End::ClientGone(Some(killed))));
        }
        // In the middle of a request that is dropped the server is at rest. But who stops now would
        // take the rest of it for new requests.
        let quiet = self.wires.is_quiet() && self.large.is_none();
        if self.desk.drain.is_stopping()
            || self.desk.drain.is_draining()
                && quiet
                && self.wires.to_client.is_empty()
                && self.state.multi.is_none()
        {
            return Some(Turn::End(End::Drained));
        }
        if self.closing.is_some() {
            return self.poll_closing(cx, quiet);
        }
        if self.lost.is_some() && quiet {
            self.lost = None;
            return Some(Turn::Lost);
        }
        match self.stop {
            Some(Stop::Server) => return Some(Turn::Server),
            // Its answers are kept for a client that does not take them: one at a time.
            Some(Stop::Ask) if quiet && self.wires.to_client.is_empty() => return Some(Turn::Ask),
            Some(_) => return None,
            None => {}
        }
        let idle = self.desk.releases && self.server.is_some() && quiet;
        (idle && self.pins.is_empty()).then_some(Turn::Idle)
    }

    /// The client says no more: it is told what it is owed, if that does not take for ever.
    fn poll_closing(&mut self, cx: &mut Context<'_>, quiet: bool) -> Option<Turn> {
        let linger = self
            .linger
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let gone = matches!(self.closing, Some(End::ClientGone(_)));
        let over = if gone && (self.wires.queue.is_blocking() || self.large.is_some()) {
            true
        } else {
            quiet && self.wires.to_client.is_empty()
        };
        if over || linger.as_mut().poll(cx).is_ready() {
            return self.closing.take().map(Turn::End);
        }
        None
    }
}
