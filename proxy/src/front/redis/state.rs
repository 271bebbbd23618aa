//! What a client has made of its session, as the server would keep it.

use std::collections::BTreeSet;

use tenantsdb_codecs::redis::server::Protocol;

use super::registry::client::Pins;

/// A session's state. Changed as requests are read: the server answers in the same order.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// What it is answered in.
    pub(crate) protocol: Protocol,
    /// CLIENT REPLY.
    pub(crate) replies: Replies,
    /// An open MULTI.
    pub(crate) multi: Option<Multi>,
    /// Keys are watched.
    pub(crate) watch: bool,
    pub(crate) subscriptions: Subscriptions,
    /// CLIENT TRACKING is on.
    pub(crate) tracking: Option<Box<Tracking>>,
}

/// Which replies the client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Replies {
    #[default]
    All,
    None,
    /// All but that to the next request.
    SkipNext,
}

/// A transaction whose commands are being queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Multi {
    /// A command of it was refused here: it will not be carried out.
    pub(crate) doomed: bool,
    /// Commands that were sent.
    pub(crate) queued: usize,
    /// What is kept until EXEC to say what their replies are, in bytes.
    pub(crate) kept_bytes: usize,
}

/// What the client listens to, in its own words.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    pub(crate) channels: BTreeSet<Box<[u8]>>,
    pub(crate) patterns: BTreeSet<Box<[u8]>>,
    pub(crate) shard_channels: BTreeSet<Box<[u8]>>,
    /// All of these names together.
    pub(crate) bytes: usize,
    /// The server sends all of the database's channels.
    pub(crate) has_all: bool,
    /// And all notifications about its keys.
    pub(crate) has_keyspace: bool,
}

/// What CLIENT TRACKINGINFO says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tracking {
    pub(crate) bcast: bool,
    pub(crate) optin: bool,
    pub(crate) optout: bool,
    pub(crate) noloop: bool,
    /// Without the database's own.
    pub(crate) prefixes: Vec<Box<[u8]>>,
}

// === impl State ===

impl State {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            ..Self::default()
        }
    }

    /// Whether the client may send nothing but what is about subscriptions.
    pub(crate) fn is_subscriber_only(&self) -> bool {
        self.protocol == Protocol::Resp2 && !self.subscriptions.is_empty()
    }

    /// Why the server connection must stay with the session, beside what is owed on it.
    pub(crate) fn pins(&self) -> Pins {
        let mut pins = Pins::default();
        if self.multi.is_some() {
            pins = pins.with(Pins::MULTI);
        }
        if self.watch {
            pins = pins.with(Pins::WATCH);
        }
        if !self.subscriptions.is_empty() {
            pins = pins.with(Pins::SUBSCRIBED);
        }
        if self.tracking.is_some() {
            pins = pins.with(Pins::TRACKING);
        }
        pins
    }

    /// A command was refused here; the transaction that it is part of comes to nothing.
    pub(crate) const fn doom(&mut self) {
        if let Some(multi) = &mut self.multi {
            multi.doomed = true;
        }
    }
}

// === impl Subscriptions ===

impl Subscriptions {
    pub(crate) fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shard_channels.is_empty()
    }
}
