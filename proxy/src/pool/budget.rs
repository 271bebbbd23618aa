//! How many server connections each database may have, over all cores, and who waits for one.
//!
//! Only databases that have connections or clients waiting are in here; a cold one costs nothing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use dashmap::DashMap;
use tokio::sync::{mpsc, oneshot};

use super::Pooled;
use super::key::Key;
use super::moving::Moving;
use super::seat::{Seat, Wanted};
use crate::back::Link;

/// Clients that may wait for a connection of one database; more are refused at once.
const WAITERS_MAX: usize = 10_000;

/// Requests to close an idle connection that a core may be behind with. One that does not fit is
/// made again by [`Budgets::tend`].
const WANTED_MAX: usize = 256;

/// A database on a server: what a budget is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    server: Box<str>,
    database: Box<str>,
}

impl Place {
    pub(crate) fn of(key: &Key) -> Self {
        Self {
            server: key.server.id.as_str().into(),
            database: key.database.clone(),
        }
    }

    /// Control's id of the server.
    pub(super) fn server(&self) -> &str {
        &self.server
    }
}

/// The budgets of the process.
#[derive(Debug)]
pub(crate) struct Budgets<C: Link> {
    budgets: DashMap<Arc<Place>, Arc<Budget<C>>>,
    /// What the route of a database does not say otherwise.
    connections_max: u32,
    /// Each core's ear. Locked for writing only while cores start.
    cores: RwLock<Vec<mpsc::Sender<Wanted<C>>>>,
}

/// What one database has and may have.
#[derive(Debug)]
pub(crate) struct Budget<C: Link> {
    place: Arc<Place>,
    state: Mutex<State<C>>,
}

#[derive(Debug)]
struct State<C: Link> {
    max: u32,
    used: u32,
    waiters: VecDeque<Waiter<C>>,
    /// Idle connections on each core; part of `used`.
    idle: Vec<u32>,
}

/// A client that waits.
#[derive(Debug)]
struct Waiter<C: Link> {
    core: usize,
    key: Arc<Key>,
    grant: oneshot::Sender<Grant<C>>,
}

/// What a client that waited gets.
#[derive(Debug)]
pub(crate) enum Grant<C: Link> {
    /// A place for a connection.
    Permit(Permit<C>),
    /// A connection of its own key, on its own core.
    Connection(Box<Pooled<C>>),
    /// A connection of its own key, from another core.
    Moving(Box<Moving<C>>),
}

/// A place in a budget; dropped, it goes to who has waited longest.
#[derive(Debug)]
pub(crate) struct Permit<C: Link> {
    /// `None` once the place has been handed on.
    budget: Option<Arc<Budget<C>>>,
}

/// How a place was asked for.
pub(crate) enum Acquired<C: Link> {
    /// There was one.
    Now(Permit<C>),
    /// It will come.
    Later(oneshot::Receiver<Grant<C>>),
    /// Too many wait already.
    Full,
}

// === impl Budgets ===

impl<C: Link> Budgets<C> {
    /// Without connections; each database may have so many unless its route says otherwise.
    pub(crate) fn new(connections_max: u32) -> Self {
        Self {
            budgets: DashMap::new(),
            connections_max,
            cores: RwLock::default(),
        }
    }

    /// A core that will have connections. It must listen to [`Seat::wanted`].
    pub(crate) fn join(&self) -> Seat<C> {
        let (ear, wanted) = mpsc::channel(WANTED_MAX);
        let mut cores = self.cores.write().unwrap_or_else(PoisonError::into_inner);
        cores.push(ear);
        Seat {
            core: cores.len() - 1,
            wanted: RefCell::new(wanted),
        }
    }

    /// The budget of a database; `max` is what its route says.
    pub(crate) fn of(&self, key: &Key, max: Option<u32>) -> Arc<Budget<C>> {
        let place = Arc::new(Place::of(key));
        let budget = {
            let entry = self.budgets.entry(Arc::clone(&place));
            Arc::clone(&entry.or_insert_with(|| Arc::new(Budget::new(place))))
        };
        budget.resize(max.unwrap_or(self.connections_max));
        budget
    }

    /// Asks a core that has an idle connection of this budget to close it, if clients wait.
    pub(crate) fn make_room(&self, budget: &Arc<Budget<C>>) {
        let Some(core) = budget.core_with_idle() else {
            return;
        };
        let cores = self.cores.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(ear) = cores.get(core) {
            // A core that is behind with this many will come to it.
            let _ = ear.try_send(Wanted::Place(Arc::clone(budget)));
        }
    }

    /// Asks all cores that have idle connections to the server with this id to close them. Answers
    /// whether any has.
    pub(super) fn clear_server(&self, server: &str) -> bool {
        let mut asked = false;
        let cores = self.cores.read().unwrap_or_else(PoisonError::into_inner);
        for (core, ear) in cores.iter().enumerate() {
            let idle =
                |budget: &Budget<C>| budget.lock().idle.get(core).is_some_and(|idle| *idle > 0);
            let mut budgets = self.budgets.iter();
            if budgets.any(|budget| budget.place.server() == server && idle(&budget)) {
                asked |= ear.try_send(Wanted::Server(server.into())).is_ok();
            }
        }
        asked
    }

    /// Forgets databases without connections and clients, and makes room where clients wait and
    /// connections are idle. To be called from time to time, by one core.
    pub(crate) fn tend(&self) {
        let mut waited_for = Vec::new();
        // Permits, idle connections and clients that wait hold their budget; so does whoever is
        // about to use one, and takes it out of the map under the same lock.
        self.budgets.retain(|_, budget| {
            if budget.core_with_idle().is_some() {
                waited_for.push(Arc::clone(budget));
            }
            Arc::strong_count(budget) > 1
        });
        for budget in &waited_for {
            self.make_room(budget);
        }
    }
}

#[cfg(test)]
impl<C: Link> Budgets<C> {
    /// Clients that wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.budgets
            .iter()
            .map(|budget| budget.lock().waiters.len())
            .sum()
    }
}

// === impl Budget ===

impl<C: Link> Budget<C> {
    fn new(place: Arc<Place>) -> Self {
        Self {
            place,
            state: Mutex::default(),
        }
    }

    pub(super) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// A place for a connection, now or when it comes to this client's turn. Who waits already
    /// comes first.
    pub(crate) fn acquire(self: &Arc<Self>, core: usize, key: &Arc<Key>) -> Acquired<C> {
        let mut state = self.lock();
        if state.used < state.max || state.waiters.len() >= WAITERS_MAX {
            state.waiters.retain(|waiter| !waiter.grant.is_closed());
        }
        if state.used < state.max && state.waiters.is_empty() {
            state.used += 1;
            return Acquired::Now(Permit::new(self));
        }
        if state.waiters.len() >= WAITERS_MAX {
            return Acquired::Full;
        }
        let (grant, granted) = oneshot::channel();
        let key = Arc::clone(key);
        state.waiters.push_back(Waiter { core, key, grant });
        Acquired::Later(granted)
    }

    /// Takes a connection that is at rest, on the core that it is on. Given back if nobody waits:
    /// then it counts as idle.
    pub(super) fn offer(&self, core: usize, mut pooled: Pooled<C>) -> Option<Pooled<C>> {
        loop {
            let mut state = self.lock();
            if state.used > state.max {
                drop(state);
                return None; // the budget was cut: closed
            }
            let Some(waiter) = state.next_waiter() else {
                state.count_idle(core);
                return Some(pooled);
            };
            let grant = match Self::fit(&waiter, core, pooled) {
                Ok(grant) => grant,
                Err(permit) => {
                    // Its place is what is needed; dropping that gives it to the same waiter.
                    state.waiters.push_front(waiter);
                    drop(state);
                    drop(permit);
                    return None;
                }
            };
            drop(state);
            // Who has just gone leaves it for the next.
            pooled = waiter
                .grant
                .send(grant)
                .err()
                .and_then(Grant::into_pooled)?;
        }
    }

    /// The connection in the form in which the waiter can use it. One that it cannot use is closed,
    /// and its place is left, not to be dropped while the budget is locked.
    fn fit(waiter: &Waiter<C>, core: usize, pooled: Pooled<C>) -> Result<Grant<C>, Permit<C>> {
        if waiter.key != pooled.key {
            return Err(pooled.permit);
        }
        if waiter.core == core {
            return Ok(Grant::Connection(Box::new(pooled)));
        }
        Moving::leave(pooled).map(|moving| Grant::Moving(Box::new(moving)))
    }

    /// An idle connection of `core` is idle no more.
    pub(super) fn idle_taken(&self, core: usize) {
        if let Some(idle) = self.lock().idle.get_mut(core) {
            *idle = idle.saturating_sub(1);
        }
    }

    fn resize(self: &Arc<Self>, max: u32) {
        let grown = {
            let mut state = self.lock();
            let grown = max.saturating_sub(state.max);
            state.max = max;
            grown.min(u32::try_from(state.waiters.len()).unwrap_or(u32::MAX))
        };
        for _ in 0..grown {
            self.lock().used += 1;
            drop(Permit::new(self)); // to who has waited longest
        }
    }

    /// A core that has an idle connection, if clients wait.
    fn core_with_idle(&self) -> Option<usize> {
        let state = self.lock();
        let waited_for = state.waiters.iter().any(|waiter| !waiter.grant.is_closed());
        let core = state.idle.iter().position(|idle| *idle > 0);
        core.filter(|_| waited_for)
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        // Nothing is left half done when a thread dies with the lock held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Link> Default for State<C> {
    fn default() -> Self {
        Self {
            max: 0,
            used: 0,
            waiters: VecDeque::new(),
            idle: Vec::new(),
        }
    }
}

impl<C: Link> State<C> {
    /// Who has waited longest and still waits.
    fn next_waiter(&mut self) -> Option<Waiter<C>> {
        loop {
            let waiter = self.waiters.pop_front()?;
            if !waiter.grant.is_closed() {
                return Some(waiter);
            }
        }
    }

    fn count_idle(&mut self, core: usize) {
        if self.idle.len() <= core {
            self.idle.resize(core + 1, 0);
        }
        if let Some(idle) = self.idle.get_mut(core) {
            *idle += 1;
        }
    }
}

// === impl Grant ===

impl<C: Link> Grant<C> {
    /// The connection, on this core; `None` where there is none.
    pub(super) fn into_pooled(self) -> Option<Pooled<C>> {
        match self {
            Self::Permit(_) => None,
            Self::Connection(pooled) => Some(*pooled),
            Self::Moving(moving) => moving.arrive(),
        }
    }
}

// === impl Permit ===

impl<C: Link> Permit<C> {
    fn new(budget: &Arc<Budget<C>>) -> Self {
        Self {
            budget: Some(Arc::clone(budget)),
        }
    }

    /// What it is a place in.
    pub(super) fn budget(&self) -> &Arc<Budget<C>> {
        self.budget
            .as_ref()
            .expect("only a dropped permit has none")
    }
}

impl<C: Link> Drop for Permit<C> {
    fn drop(&mut self) {
        let Some(budget) = self.budget.take() else {
            return;
        };
        loop {
            let waiter = {
                let mut state = budget.lock();
                let fits = state.used <= state.max;
                match fits.then(|| state.next_waiter()).flatten() {
                    Some(waiter) => waiter,
                    None => {
                        state.used = state.used.saturating_sub(1);
                        return;
                    }
                }
            };
            match waiter.grant.send(Grant::Permit(Self::new(&budget))) {
                Ok(()) => return,
                // It has just gone: this place is for the next, and the unused permit for nobody.
                Err(Grant::Permit(mut unused)) => drop(unused.budget.take()),
                Err(Grant::Connection(_) | Grant::Moving(_)) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;
