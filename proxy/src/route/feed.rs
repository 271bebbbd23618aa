//! The stream from control: followed for as long as the process lives, and acknowledged.
//!
//! Two tasks. [`follow`] reads the stream and changes the table, and waits for nothing else;
//! [`acknowledge`] says over another connection what is in force, the newest position once if
//! several came while it was on its way.

use std::time::Duration;

use tenantsdb_codecs::feed::stream::{Ack, LineError, Lines, Nack};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::follow::{FollowError, Follower, Position, Step};
use super::table::Routes;
use crate::backoff::Backoff;
use crate::control::{Client, ControlError};
use crate::fault::FaultKind;
use crate::metrics::Metrics;

/// Control sends a mark every 5 s; a stream without a byte for three of them is broken.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// First and longest time between two attempts; each is drawn from its second half.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// Between an acknowledgement that failed and the next attempt.
const ACK_RETRY: Duration = Duration::from_millis(500);
/// Refused routes on their way to control; those beyond are only in the log.
const NACKS_MAX: usize = 256;

/// Where the feed says how far it has come. Sent anew for each sign of life, changed or not.
#[derive(Debug)]
pub struct Progress {
    position: watch::Sender<Option<Position>>,
    nacks: mpsc::Sender<Nack>,
}

/// What [`acknowledge`] listens to.
#[derive(Debug)]
pub struct Progressed {
    position: watch::Receiver<Option<Position>>,
    nacks: mpsc::Receiver<Nack>,
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Line(#[from] LineError),
    #[error(transparent)]
    Follow(#[from] FollowError),
    #[error("control closed the feed")]
    Closed,
    #[error("the feed was silent for {} s", SILENCE_MAX.as_secs())]
    Silent,
}

impl Progress {
    /// The two ends, at the position that was loaded from disk, if one was.
    #[must_use]
    pub fn channel(loaded: Option<Position>) -> (Self, Progressed) {
        let (position, positions) = watch::channel(loaded);
        let (nacks, refused) = mpsc::channel(NACKS_MAX);
        let sending = Self { position, nacks };
        let receiving = Progressed {
            position: positions,
            nacks: refused,
        };
        (sending, receiving)
    }

    /// How far the table has come, for others who want to know; `None` as long as there is none.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Option<Position>> {
        self.position.subscribe()
    }

    fn publish(&self, follower: &mut Follower) {
        self.position.send_replace(follower.position().cloned());
        for nack in follower.take_nacks() {
            let _ = self.nacks.try_send(nack); // control hears of the first 256; the log has all
        }
    }
}

/// Follows the feed until it is dropped; breaks are logged and mended.
pub async fn follow(
    client: Client,
    routes: &Routes,
    metrics: &Metrics,
    mut follower: Follower,
    progress: Progress,
) {
    let mut backoff = Backoff::new(BACKOFF);
    loop {
        metrics.feed_connects.increment();
        let error = {
            let mut stream = Stream {
                routes,
                metrics,
                follower: &mut follower,
                progress: &progress,
                backoff: &mut backoff,
            };
            stream.run(&client).await
        };
        metrics.feed_connected.set(0);
        follower.disconnected();
        let wait = backoff.next();
        let wait_ms = wait.as_millis();
        match error {
            FeedError::Closed => info!(wait_ms, "control closed the route feed; connecting again"),
            error => {
                metrics.faults.increment(FaultKind::Control);
                warn!(%error, wait_ms, "route feed broke; routes in force stay");
            }
        }
        sleep(wait).await;
    }
}

/// One connection's worth of the feed.
struct Stream<'a> {
    routes: &'a Routes,
    metrics: &'a Metrics,
    follower: &'a mut Follower,
    progress: &'a Progress,
    backoff: &'a mut Backoff,
}

impl Stream<'_> {
    /// Reads until the stream ends, and says why it did.
    async fn run(&mut self, client: &Client) -> FeedError {
        let mut answer = match client.feed(self.follower.position()).await {
            Ok(answer) => answer,
            Err(error) => return error.into(),
        };
        info!(position = ?self.follower.position(), "following the route feed");
        self.metrics.feed_connected.set(1);
        let mut lines = Lines::default();
        loop {
            let chunk = match timeout(SILENCE_MAX, answer.chunk()).await {
                Err(_) => return FeedError::Silent,
                Ok(Err(error)) => return ControlError::from(error).into(),
                Ok(Ok(None)) => return FeedError::Closed,
                Ok(Ok(Some(chunk))) => chunk,
            };
            if let Err(error) = self.take(&mut lines, &chunk) {
                return error;
            }
        }
    }

    /// Takes in one chunk, and publishes once what all its lines came to, broken or not.
    fn take(&mut self, lines: &mut Lines, chunk: &[u8]) -> Result<(), FeedError> {
        let (mut advanced, mut alive) = (false, false);
        let taken = lines.push(chunk, |line| {
            match self.follower.take(line, self.routes)? {
                Step::Advanced => advanced = true,
                Step::Alive => alive = true,
                Step::Aside => {}
            }
            Ok::<_, FeedError>(())
        });
        if advanced || alive {
            self.backoff.reset();
            let rev = self.follower.position().map_or(0, |position| position.rev);
            self.metrics.feed_rev.set(rev);
            debug!(rev, routes = self.routes.len(), "routes in force");
            self.progress.publish(self.follower);
        }
        taken
    }
}

/// Tells control what is in force: at once after each change and each mark, until the feed is
/// dropped. One that fails is sent again, with what is newest by then.
pub async fn acknowledge(client: Client, metrics: &Metrics, mut progressed: Progressed) {
    let mut failing = false;
    let mut nack = None;
    loop {
        if nack.is_none() {
            tokio::select! {
                biased;
                Some(refused) = progressed.nacks.recv() => {
                    metrics.routes_refused.increment();
                    nack = Some(refused);
                }
                changed = progressed.position.changed() => if changed.is_err() { return },
            }
        }
        let Some(Position { epoch, rev }) = progressed.position.borrow_and_update().clone() else {
            nack = None; // refused inside a snapshot that never became a table
            continue;
        };
        let ack = Ack {
            proxy: client.proxy_id().to_owned(),
            epoch,
            rev,
            nack: nack.take(),
        };
        match client.ack(&ack).await {
            Ok(()) => failing = false,
            Err(error) => {
                if !failing {
                    warn!(%error, rev, "acknowledging routes failed; trying again");
                }
                failing = true;
                nack = ack.nack;
                sleep(ACK_RETRY).await;
                progressed.position.mark_changed();
            }
        }
    }
}

#[cfg(test)]
mod tests;
