//! Cancelling what a session runs: which session a request means, and that it hits no other.
//!
//! - [`postgres`]: CancelRequests, by keys of ours.
//! - [`mysql`]: KILL, by connection ids of ours.
//!
//! The server acts on a request whenever it comes to it, and what runs on the connection then is
//! what is hit. So a server connection is not given to the next client while a request is under way
//! ([`Requests`]).

pub mod mysql;
pub mod postgres;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

pub use mysql::ConnectionIds;
pub use postgres::CancelKeys;

/// How long the server may take to act on a request. After that the server connection is closed at
/// the end of its session, not used again.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests under way for one session; more are dropped. A server acts on each in milliseconds.
const UNDER_WAY_MAX: u32 = 4;

/// The requests that are about one session.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    count: Mutex<Count>,
    /// Told when the last request under way has ended.
    settled: Notify,
}

#[derive(Debug, Default)]
struct Count {
    under_way: u32,
    /// The session has ended: none may begin.
    over: bool,
    /// The server may still act on one at any time.
    uncertain: bool,
}

/// A request under way. Dropped before the server has acted, it may act whenever it likes.
#[derive(Debug)]
pub(crate) struct UnderWay<R: AsRef<Requests>> {
    requests: R,
    acted: bool,
}

// === impl Requests ===

impl Requests {
    /// A request that begins; `None` if there are too many, or the session is over.
    fn begin<R: AsRef<Self>>(requests: R) -> Option<UnderWay<R>> {
        let mut count = requests.as_ref().lock();
        if count.over || count.under_way >= UNDER_WAY_MAX {
            return None;
        }
        count.under_way += 1;
        drop(count);
        Some(UnderWay {
            requests,
            acted: false,
        })
    }

    /// From now on none begins.
    fn end(&self) {
        self.lock().over = true;
    }

    /// Ends them. Answers, when none is under way any more, whether the server has acted on all:
    /// whether its connection may be used again. Cancel safe.
    async fn close(&self) -> bool {
        let deadline = Instant::now() + CANCEL_TIMEOUT;
        loop {
            {
                let mut count = self.lock();
                count.over = true;
                if count.under_way == 0 {
                    return !count.uncertain;
                }
            }
            if timeout_at(deadline, self.settled.notified()).await.is_err() {
                return false;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl UnderWay ===

impl<R: AsRef<Requests>> UnderWay<R> {
    /// The server has acted on it.
    pub(crate) fn acted(mut self) {
        self.acted = true;
    }
}

impl<R: AsRef<Requests>> Drop for UnderWay<R> {
    fn drop(&mut self) {
        let requests = self.requests.as_ref();
        let mut count = requests.lock();
        count.under_way -= 1;
        count.uncertain |= !self.acted;
        if count.under_way == 0 {
            requests.settled.notify_one();
        }
    }
}
