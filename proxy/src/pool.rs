//! Server connections: kept for the next client of the same login, counted for each database.
//!
//! ```text
//!             idle one of the same key                      reset confirmed, nobody waits
//!  checkout ──────────────────────────────► in a session ────────────────────────────────► idle
//!     │ none                                  ▲  ▲  │ reset confirmed, head of the queue
//!     ▼            place free: dial           │  │  │ has the same key, on any core
//!   budget ───────────────────────────────────┘  │  └──────────────────────────► that session
//!     │ full                                     │
//!     ▼        a place is freed, or a connection │
//!   queue (first come, first served) ────────────┘    everything else: closed, its place freed
//! ```
//!
//! A connection inside TLS does not leave its core: for a session of another it is closed, and that
//! session dials with its place.
//!
//! - [`key`]: what must be equal for a connection to serve another client.
//! - [`budget`]: how many connections a database may have, over all cores, and who waits for one.
//! - [`idle`]: connections at rest, of one core.
//! - [`moving`]: from one core to another.
//! - [`seat`]: how one core asks another for its idle connections.
//! - [`mod@checkout`]: the way through all of these.

pub(crate) mod budget;
pub(crate) mod checkout;
pub(crate) mod idle;
pub(crate) mod key;
pub(crate) mod moving;
pub(crate) mod seat;

use std::cell::RefCell;
use std::sync::Arc;

use tokio::time::{Duration, Instant, MissedTickBehavior};

use crate::back::Link;
use crate::config::Config;
use crate::context::Context;
pub(crate) use budget::Budgets;
use budget::Permit;
pub(crate) use checkout::{Error, NoPlace, Opener, Request, Reserved, checkout, reserve};
use idle::IdleSet;
use key::Key;
use seat::{Seat, Wanted};

/// How often connections that have been idle for too long are looked for.
const TEND_EVERY: Duration = Duration::from_secs(1);

/// Idle connections that this process keeps to one server, over all databases and cores; beyond it
/// the one that has been idle longest is closed. A server has about 100 connections for everybody
/// (PostgreSQL's `max_connections`): were each database's kept until it is too old, tenants that
/// come once a minute would shut out the next one.
const IDLE_PER_SERVER_MAX: usize = 32;

/// A server connection in its place of the budget. Dropped, it is closed and the place is free.
#[derive(Debug)]
pub(crate) struct Pooled<C: Link> {
    pub(crate) connection: C,
    key: Arc<Key>,
    permit: Permit<C>,
    _open: Open,
}

/// One unit of the gauge of open connections.
#[derive(Debug)]
struct Open(Arc<Context>);

impl Open {
    fn new(context: &Arc<Context>) -> Self {
        context.metrics.server_connections.increment();
        Self(Arc::clone(context))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.server_connections.decrement();
    }
}

/// The server connections of one core to servers of one engine.
#[derive(Debug)]
pub(crate) struct Pools<C: Link> {
    idle: RefCell<IdleSet<C>>,
    /// This core's share of [`IDLE_PER_SERVER_MAX`].
    idle_per_server_max: usize,
    budgets: Arc<Budgets<C>>,
    seat: Seat<C>,
}

// === impl Pooled ===

impl<C: Link> Pooled<C> {
    /// Whose connection it is, and what it was begun with.
    pub(crate) const fn key(&self) -> &Arc<Key> {
        &self.key
    }
}

// === impl Pools ===

impl<C: Link> Pools<C> {
    /// Without connections. Called on the core's own thread.
    pub(crate) fn new(config: &Config, budgets: &Arc<Budgets<C>>) -> Self {
        Self {
            idle: RefCell::default(),
            idle_per_server_max: IDLE_PER_SERVER_MAX.div_ceil(config.cores.get()),
            budgets: Arc::clone(budgets),
            seat: budgets.join(),
        }
    }

    /// Takes back a connection whose reset is confirmed: for who has waited longest if it can use
    /// it, else to rest; or closes it, if who has waited longest needs its place.
    pub(crate) fn put_back(&self, pooled: Pooled<C>) {
        let budget = Arc::clone(pooled.permit.budget());
        let Some(pooled) = budget.offer(self.seat.core, pooled) else {
            return;
        };
        let mut idle = self.idle.borrow_mut();
        idle.push(pooled, Instant::now());
        let excess = idle.take_excess(budget.place(), self.idle_per_server_max);
        // Dropped outside of the borrow: its place may go to a session of this core.
        drop(idle);
        if let Some(excess) = &excess {
            excess.permit.budget().idle_taken(self.seat.core);
        }
    }

    /// An idle connection of that key on which nothing has happened since; others are closed.
    fn take_idle(&self, key: &Key) -> Option<Pooled<C>> {
        loop {
            let pooled = self.idle.borrow_mut().take(key)?;
            pooled.permit.budget().idle_taken(self.seat.core);
            if pooled.connection.stream().is_quiet() {
                return Some(pooled);
            }
        }
    }

    /// Gives the connection of `budget` that has been idle longest on this core to who waits, or
    /// closes it for its place. Answers whether there was one.
    fn evict(&self, budget: &budget::Budget<C>) -> bool {
        let Some(evicted) = self.idle.borrow_mut().take_oldest(budget) else {
            return false;
        };
        budget.idle_taken(self.seat.core);
        self.put_back(evicted);
        true
    }

    /// Closes what has been idle since before `deadline`.
    fn reap(&self, deadline: Instant) {
        let reaped = self.idle.borrow_mut().take_older(deadline);
        self.close(reaped);
    }

    /// Closes what is idle to the server with this id.
    fn clear_server(&self, server: &str) {
        let taken = self.idle.borrow_mut().take_server(server);
        self.close(taken);
    }

    /// Closes what was idle until now.
    fn close(&self, taken: Vec<Pooled<C>>) {
        for pooled in &taken {
            pooled.permit.budget().idle_taken(self.seat.core);
        }
        drop(taken);
    }

    /// Looks after the idle connections for as long as it runs: closes those that have been idle
    /// for too long, and those whose place another core's client waits for. One timer.
    pub(crate) async fn tend(&self, idle_timeout: Duration) {
        let mut ticks = tokio::time::interval(TEND_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                wanted = self.seat.wanted() => match wanted {
                    Wanted::Place(budget) => if !self.evict(&budget) {
                        // It was taken in the meantime; another core may have one.
                        self.budgets.make_room(&budget);
                    },
                    Wanted::Server(server) => self.clear_server(&server),
                },
                now = ticks.tick() => {
                    // Before the timer started there was nothing idle.
                    if let Some(deadline) = now.checked_sub(idle_timeout) {
                        self.reap(deadline);
                    }
                    if self.seat.core == 0 {
                        self.budgets.tend();
                    }
                }
            }
        }
    }
}
