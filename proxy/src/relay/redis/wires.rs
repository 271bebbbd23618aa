//! What is kept of a session between two runs of the pump.

use tenantsdb_codecs::redis::client::Scan;
use tenantsdb_codecs::redis::reply::{Rewriter, Walker};

use super::out::Outbox;
use super::queue::Queue;
use crate::relay::scratch::{Leftover, SCRATCH_BYTES};

/// The bytes of a session, between two runs of the pump.
#[derive(Debug, Default)]
pub(crate) struct Wires {
    /// What the client has sent and nobody has used, from the first byte of a request.
    pub(crate) input: Option<Leftover>,
    pub(crate) to_server: Outbox,
    pub(crate) to_client: Outbox,
    pub(crate) queue: Queue,
    /// The next request is answered with this.
    pub(crate) refusal: Option<Vec<u8>>,
    /// The server connection has carried what must not be left on it: it is not used again.
    pub(crate) tainted: bool,
    /// The server connection was pinned: it is used again once it has proved to be at rest.
    pub(crate) doubtful: bool,
    pub(super) scan: Scan,
    /// The front of the input is a request that is not whole.
    pub(super) needs_more: bool,
    pub(super) rewriter: Rewriter,
    /// First byte of the reply under way.
    pub(super) first: u8,
    /// A message under way that came unasked.
    pub(super) gathered: Vec<u8>,
    pub(super) walker: Walker,
    /// The server has a request in part.
    pub(super) partial: bool,
    /// The client cannot be told anything any more.
    pub(crate) is_cut: bool,
    /// Places of the keys of the request at hand, and where the prefix goes in each.
    pub(super) keys: Vec<(usize, usize)>,
}

// === impl Wires ===

impl Wires {
    /// Of a client that has sent this already.
    pub(crate) fn starting_with(early: Vec<u8>) -> Self {
        Self {
            input: (!early.is_empty()).then(|| early.into()),
            ..Self::default()
        }
    }

    /// Whether the server connection is between two commands.
    pub(crate) fn is_quiet(&self) -> bool {
        self.queue.is_empty()
            && self.to_server.is_empty()
            && self.rewriter.at_boundary()
            && self.gathered.is_empty()
            && !self.partial
    }

    /// Whether the client can be told something.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.rewriter.at_boundary() && self.to_client.is_empty()
    }

    /// Whether so much waits for the client that nothing is added to it on our own account.
    pub(super) fn is_unread(&self) -> bool {
        self.to_client.waiting() + self.queue.bytes() > SCRATCH_BYTES
    }

    /// The request at the front of the input has been taken off it.
    pub(crate) fn forget_request(&mut self) {
        self.scan.reset();
        self.needs_more = false;
    }
}
