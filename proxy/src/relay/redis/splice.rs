//! Bytes that nobody reads: of a database that has its server to itself.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::Instant;

use crate::relay::gate::{Flow, Look, Traffic};

/// A client that was answered this long ago, and has sent nothing since, is taken to be at rest.
/// Only asked when the process goes down: else a client that has nothing to do would be waited for
/// until the end.
const REST: Duration = Duration::from_millis(500);

/// What is known without reading: who spoke last, and when.
#[derive(Debug)]
pub(crate) struct Unread {
    /// The client has said something that the server has not answered.
    owed: bool,
    /// The server's last bytes end a line, as every reply does.
    at_line_end: bool,
    last: Instant,
}

impl Default for Unread {
    fn default() -> Self {
        Self {
            owed: false,
            at_line_end: true,
            last: Instant::now(),
        }
    }
}

const fn all(input: &[u8]) -> Look {
    Look {
        pass: input.len(),
        seen: input.len(),
        flow: Flow::On,
    }
}

impl Traffic for Unread {
    type Error = Infallible;

    fn client_sent(&mut self, input: &[u8]) -> Result<Look, Infallible> {
        self.owed |= !input.is_empty();
        Ok(all(input))
    }

    fn server_sent(&mut self, input: &[u8]) -> Result<Look, Infallible> {
        if !input.is_empty() {
            self.owed = false;
            self.at_line_end = input.ends_with(b"\n");
            self.last = Instant::now();
        }
        Ok(all(input))
    }

    fn is_owed(&self) -> bool {
        self.owed
    }

    /// As far as can be known: what is closed then loses what the server is slow to say.
    fn is_settled(&self) -> bool {
        !self.owed && self.at_line_end && self.last.elapsed() >= REST
    }

    fn may_be_at_work(&self) -> bool {
        self.owed
    }

    fn server_at_boundary(&self) -> bool {
        self.at_line_end
    }

    fn server_explained(&self) -> bool {
        false
    }
}
