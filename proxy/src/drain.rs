//! Going down without dropping anyone who is at work.
//!
//! ```text
//! serving --first SIGTERM or SIGINT--> draining --all sessions gone, drain time over, or a second
//!                                               signal--> stopping
//! ```
//!
//! While draining, listeners are closed, sessions between two transactions end with `57P01`, and
//! those at work may finish.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Where the process is on its way down. One for the process, seen by every session.
#[derive(Debug, Default)]
pub struct Drain {
    draining: CancellationToken,
    stopping: CancellationToken,
    /// The same as the tokens say, without their lock: sessions look after each message.
    is_draining: AtomicBool,
    is_stopping: AtomicBool,
}

impl Drain {
    /// Starts to drain. Does nothing if it has started.
    pub fn begin(&self) {
        self.is_draining.store(true, Ordering::Release);
        self.draining.cancel();
    }

    /// Ends all that is still there; implies [`Self::begin`].
    pub fn stop(&self) {
        self.begin();
        self.is_stopping.store(true, Ordering::Release);
        self.stopping.cancel();
    }

    /// Whether new work is to be refused and idle sessions are to end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Whether everything is to end now.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Completes when draining starts, at once if it has. Cancel safe.
    pub fn draining(&self) -> WaitForCancellationFuture<'_> {
        self.draining.cancelled()
    }

    /// Completes when everything is to end, at once if it is. Cancel safe.
    pub fn stopping(&self) -> WaitForCancellationFuture<'_> {
        self.stopping.cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stopping_drains_too() {
        let drain = Drain::default();
        assert!(!drain.is_draining());
        drain.begin();
        drain.draining().await;
        assert!(drain.is_draining() && !drain.is_stopping());
        let drain = Drain::default();
        drain.stop();
        drain.draining().await;
        drain.stopping().await;
        assert!(drain.is_draining() && drain.is_stopping());
    }
}
