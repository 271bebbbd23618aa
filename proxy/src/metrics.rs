//! What is counted, and its form for Prometheus.
//!
//! A metric is a field here; its labels are enums, so that the number of series is known when this
//! is compiled. No label holds a tenant, a user or an error's text.

pub mod counter;
pub mod text;

use crate::fault::FaultKind;
use counter::{Counter, Family, Gauge};

/// Everything that is counted. One for the process.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections that listeners took.
    pub accepted: Counter,
    /// Times that the process was out of file descriptors when a client came.
    pub accept_errors: Counter,
    /// Clients connected now.
    pub clients: Gauge,
    /// Logins, by how they ended.
    pub logins: Family<Login, 4>,
    /// Sessions that ended badly and requests to control that failed, by who was at fault.
    pub faults: Family<FaultKind, 7>,
    /// Bytes relayed, by direction.
    pub relayed_bytes: Family<Direction, 2>,
    /// Server connections open now, idle ones included.
    pub server_connections: Gauge,
    /// Attempts to open a server connection, by how they ended.
    pub server_connects: Family<Outcome, 2>,
    /// Checkouts, by where the connection came from.
    pub checkouts: Family<Checkout, 4>,
    /// Times that a session in transaction mode had to keep its server connection, by why.
    pub pinned: Family<Pin, 8>,
    /// Resets of server connections at the end of sessions.
    pub resets: Family<Outcome, 2>,
    /// Cancel requests, by whether the key was known.
    pub cancels: Family<Outcome, 2>,
    /// Captures sent to control.
    pub captures: Family<Outcome, 2>,
    /// 1 while the route feed is followed.
    pub feed_connected: Gauge,
    /// Attempts to follow the feed.
    pub feed_connects: Counter,
    /// Routes that came and could not be used.
    pub routes_refused: Counter,
    /// Revision of the feed in force.
    pub feed_rev: Gauge,
}

/// A label with a fixed set of values.
pub trait Label: Copy + 'static {
    /// Name of the label.
    const NAME: &'static str;
    /// All values, in the order of [`Label::index`].
    const ALL: &'static [Self];
    /// Place in [`Label::ALL`].
    fn index(self) -> usize;
    /// Value of the label.
    fn label(self) -> &'static str;
}

/// Declares a label: an enum with names.
macro_rules! label {
    (
        $(#[$doc:meta])* $name:ident($key:literal) {
            $($(#[$value_doc:meta])* $value:ident = $text:literal,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$value_doc])* $value,)+
        }

        impl Label for $name {
            const NAME: &'static str = $key;
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn index(self) -> usize {
                self as usize
            }

            fn label(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }
    };
}

label! {
    /// How a login ended.
    Login("outcome") {
        /// The client proved itself.
        Accepted = "accepted",
        /// Wrong password, or no such user or database: one answer for all three.
        Denied = "denied",
        /// Proved, and refused for another reason: suspended, draining, a limit, the server.
        Refused = "refused",
        /// Went away, broke the protocol, or took too long.
        Broken = "broken",
    }
}

label! {
    /// Where bytes went.
    Direction("direction") {
        /// From the client to the server.
        ClientToServer = "client_to_server",
        /// From the server to the client.
        ServerToClient = "server_to_client",
    }
}

label! {
    /// Whether something worked.
    Outcome("outcome") {
        /// It did.
        Ok = "ok",
        /// It did not.
        Failed = "failed",
    }
}

label! {
    /// How a checkout ended.
    Checkout("outcome") {
        /// An idle connection was taken.
        Reused = "reused",
        /// A connection was opened.
        Opened = "opened",
        /// The deadline passed before there was one.
        TimedOut = "timed_out",
        /// The server could not be reached, or refused.
        Failed = "failed",
    }
}

label! {
    /// Why a session in transaction mode keeps its server connection: the first five are of Redis,
    /// the others of MongoDB.
    Pin("reason") {
        /// A transaction is open.
        Multi = "multi",
        /// Keys are watched.
        Watch = "watch",
        /// A command that may wait is not answered.
        Blocking = "blocking",
        /// It listens to channels.
        Subscribed = "subscribed",
        /// It is told of changed keys.
        Tracking = "tracking",
        /// Further replies come of themselves.
        Exhaust = "exhaust",
        /// A transaction is open.
        Transaction = "transaction",
        /// A cursor is open that only this connection reaches.
        Cursor = "cursor",
    }
}

impl Label for FaultKind {
    const NAME: &'static str = "kind";
    const ALL: &'static [Self] = &Self::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn label(self) -> &'static str {
        Self::label(self)
    }
}
