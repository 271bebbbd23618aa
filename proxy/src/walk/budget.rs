//! What walks may cost a server and its other tenants.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout_at};

use super::usage::Usage;

/// Questions under way at one server at a time. A page of names keeps a Redis server, which has one
/// thread, for some hundreds of microseconds: with two, everybody else's commands run between.
pub(crate) const QUESTIONS_PER_SERVER_MAX: usize = 2;

/// After a count that took `d`, the database is not counted again for this many times `d`: counting
/// takes a tenth of the time of one connection at most.
const REST_FACTOR: u32 = 9;

/// The longest such rest: the count of a very large server is no older than this and its own time.
const REST_MAX: Duration = Duration::from_secs(60);

/// How long who asks for the number of keys waits until they may be counted again; on a server
/// whose count takes less than a ninth of this the answer is always fresh.
const PATIENCE: Duration = Duration::from_millis(250);

/// Pages of a walk before it rests between two: a small server is walked without.
const PAGES_WITHOUT_REST: u32 = 16;

/// The longest rest between two pages.
const PAGE_REST_MAX: Duration = Duration::from_millis(5);

/// The turns at each server, for one process; there are as many as servers in the routes' lifetime.
#[derive(Debug, Default)]
pub(crate) struct Servers(DashMap<Box<str>, Arc<Turns>>);

/// The turns at one server.
#[derive(Debug)]
pub(crate) struct Turns(Semaphore);

/// Held while a question is under way.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _permit: SemaphorePermit<'a>,
    begun: Instant,
}

/// How fast one walk goes.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pages: u32,
}

/// What one database's walks may cost, on all cores.
#[derive(Debug)]
pub(crate) struct Share {
    /// Held by a walk over all names.
    walk: Mutex<Duty>,
    /// Held by one page of a client's own SCAN.
    step: Semaphore,
    /// What the last count found.
    pub(crate) usage: Arc<Usage>,
}

/// When the database may be counted again.
#[derive(Debug, Default)]
struct Duty {
    next: Option<Instant>,
}

/// A walk over all of a database's names.
#[derive(Debug)]
pub(super) struct Walking<'a> {
    duty: MutexGuard<'a, Duty>,
    /// When it began, if it is a count.
    counting: Option<Instant>,
}

// === impl Servers ===

impl Servers {
    /// The turns at the server with this id.
    pub(crate) fn turns(&self, server: &str) -> Arc<Turns> {
        if let Some(turns) = self.0.get(server) {
            return Arc::clone(&turns);
        }
        let entry = self.0.entry(server.into()).or_default();
        Arc::clone(&entry)
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(QUESTIONS_PER_SERVER_MAX))
    }
}

impl Turns {
    /// Waits for a turn, in the order of those who wait. Cancel safe.
    pub(super) async fn turn(&self) -> Turn<'_> {
        let permit = self.0.acquire().await;
        Turn {
            _permit: permit.expect("turns are never closed"),
            begun: Instant::now(),
        }
    }
}

// === impl Pace ===

impl Pace {
    /// Ends a turn of a walk that goes on: after its first pages each rests as long as it took, so
    /// that the server has as much time for others. Cancel safe.
    pub(super) async fn rest(&mut self, turn: Turn<'_>) {
        self.pages = self.pages.saturating_add(1);
        if self.pages <= PAGES_WITHOUT_REST {
            tokio::task::yield_now().await;
        } else {
            sleep(turn.begun.elapsed().min(PAGE_REST_MAX)).await;
        }
        drop(turn);
    }
}

// === impl Share ===

impl Default for Share {
    fn default() -> Self {
        Self {
            walk: Mutex::default(),
            step: Semaphore::new(1),
            usage: Arc::default(),
        }
    }
}

impl Share {
    /// Waits until no other walk of the database is under way. Cancel safe.
    pub(super) async fn walk(&self) -> Walking<'_> {
        Walking {
            duty: self.walk.lock().await,
            counting: None,
        }
    }

    /// Waits until the database may be counted, at most for [`PATIENCE`] if `may_give_up`. `None`
    /// if it may not be counted by then. Cancel safe.
    pub(super) async fn count(&self, may_give_up: bool) -> Option<Walking<'_>> {
        let deadline = Instant::now() + PATIENCE;
        let mut walking = loop {
            let walking = if may_give_up {
                timeout_at(deadline, self.walk()).await.ok()?
            } else {
                self.walk().await
            };
            match walking.duty.next.filter(|next| *next > Instant::now()) {
                Some(next) if may_give_up && next > deadline => return None,
                Some(next) => {
                    drop(walking); // other walks need not wait for it
                    sleep_until(next).await;
                }
                None => break walking,
            }
        };
        walking.counting = Some(Instant::now());
        Some(walking)
    }

    /// Waits until no other client of the database is served a page. Cancel safe.
    pub(super) async fn step(&self) -> SemaphorePermit<'_> {
        let permit = self.step.acquire().await;
        permit.expect("steps are never closed")
    }
}

impl Drop for Walking<'_> {
    fn drop(&mut self) {
        // Also of a count that was given up: it has cost what it has cost.
        if let Some(begun) = self.counting {
            let rest = (begun.elapsed() * REST_FACTOR).min(REST_MAX);
            self.duty.next = Some(Instant::now() + rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    async fn count(share: &Share, took: Duration) -> bool {
        let Some(walking) = share.count(true).await else {
            return false;
        };
        sleep(took).await;
        drop(walking);
        true
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_count_is_waited_for() {
        let share = Share::default();
        for _ in 0..10 {
            assert!(count(&share, 20 * MS).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_count_is_made_again_nine_times_its_time_later() {
        let share = Share::default();
        assert!(count(&share, 1000 * MS).await);
        let ended = Instant::now();
        assert!(!count(&share, MS).await);
        assert_eq!(ended.elapsed(), Duration::ZERO, "told at once");
        sleep(8700 * MS).await;
        assert!(!count(&share, MS).await);
        sleep(100 * MS).await;
        assert!(count(&share, MS).await);
        assert!(ended.elapsed() >= 9000 * MS);
    }

    #[tokio::test(start_paused = true)]
    async fn no_count_is_older_than_a_minute_and_its_own_time() {
        let share = Share::default();
        assert!(count(&share, Duration::from_secs(600)).await);
        sleep(REST_MAX).await;
        assert!(count(&share, MS).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_count_that_is_given_up_has_cost_too() {
        let share = Share::default();
        let given_up = tokio::time::timeout(1000 * MS, count(&share, 5000 * MS));
        assert!(given_up.await.is_err());
        assert!(!count(&share, MS).await);
    }

    #[tokio::test(start_paused = true)]
    async fn one_walk_of_a_database_at_a_time() {
        let share = Share::default();
        let walking = share.walk().await;
        assert!(share.count(true).await.is_none(), "the last count must do");
        let _step = share.step().await;
        drop(walking);
        assert!(share.count(true).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_is_asked_by_two_at_a_time_in_order() {
        let servers = Servers::default();
        let turns = servers.turns("srv_1");
        assert!(Arc::ptr_eq(&turns, &servers.turns("srv_1")));
        let (first, _second) = (turns.turn().await, turns.turn().await);
        assert!(tokio::time::timeout(MS, turns.turn()).await.is_err());
        drop(first);
        turns.turn().await;
        servers.turns("srv_2").turn().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_walk_rests_as_long_as_its_pages_take() {
        let turns = Turns::default();
        let mut pace = Pace::default();
        let mut rested = Duration::ZERO;
        for _ in 0..PAGES_WITHOUT_REST + 10 {
            let turn = turns.turn().await;
            sleep(2 * MS).await;
            let asked = Instant::now();
            pace.rest(turn).await;
            rested += asked.elapsed();
        }
        assert_eq!(rested, 20 * MS);
    }
}
