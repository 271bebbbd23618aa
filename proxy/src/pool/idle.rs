//! Connections at rest, of one core.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::Pooled;
use super::budget::{Budget, Place};
use super::key::Key;
use crate::back::Link;

/// Idle connections by server and database, each database's oldest first. A server has a few dozen
/// ([`IdleSet::take_excess`]): they are looked through one by one.
#[derive(Debug)]
pub(super) struct IdleSet<C: Link> {
    servers: HashMap<Box<str>, Databases<C>>,
}

type Databases<C> = HashMap<Arc<Place>, Vec<Idle<C>>>;

#[derive(Debug)]
struct Idle<C: Link> {
    pooled: Pooled<C>,
    since: Instant,
}

impl<C: Link> Default for IdleSet<C> {
    fn default() -> Self {
        Self {
            servers: HashMap::new(),
        }
    }
}

impl<C: Link> IdleSet<C> {
    pub(super) fn push(&mut self, pooled: Pooled<C>, since: Instant) {
        let place = Arc::clone(pooled.permit.budget().place());
        let databases = self.servers.entry(place.server().into()).or_default();
        databases
            .entry(place)
            .or_default()
            .push(Idle { pooled, since });
    }

    /// The connection that has been idle longest on the server of `place`, if more than `max` are.
    pub(super) fn take_excess(&mut self, place: &Place, max: usize) -> Option<Pooled<C>> {
        let databases = self.servers.get(place.server())?;
        if databases.values().map(Vec::len).sum::<usize>() <= max {
            return None;
        }
        let since = |all: &Vec<Idle<C>>| all.first().map(|idle| idle.since);
        let (oldest, _) = databases.iter().min_by_key(|(_, all)| since(all))?;
        let oldest = Arc::clone(oldest);
        self.take_where(&oldest, |all| (!all.is_empty()).then_some(0))
    }

    /// The connection of that key that was used last: it is the warmest, and the others may age.
    pub(super) fn take(&mut self, key: &Key) -> Option<Pooled<C>> {
        self.take_where(&Place::of(key), |all| {
            all.iter().rposition(|idle| *idle.pooled.key == *key)
        })
    }

    /// The connection of that database that has been idle longest.
    pub(super) fn take_oldest(&mut self, budget: &Budget<C>) -> Option<Pooled<C>> {
        self.take_where(budget.place(), |all| (!all.is_empty()).then_some(0))
    }

    /// A connection of the login of `key` that an older password opened.
    pub(super) fn take_outdated(&mut self, key: &Key) -> Option<Pooled<C>> {
        self.take_where(&Place::of(key), |all| {
            all.iter()
                .position(|idle| idle.pooled.key.is_outdated_by(key))
        })
    }

    /// All that have been idle since before `deadline`.
    pub(super) fn take_older(&mut self, deadline: Instant) -> Vec<Pooled<C>> {
        let mut taken = Vec::new();
        self.servers.retain(|_, databases| {
            databases.retain(|_, all| {
                let young = all.iter().position(|idle| idle.since >= deadline);
                let young = young.unwrap_or(all.len());
                taken.extend(all.drain(..young).map(|idle| idle.pooled));
                !all.is_empty()
            });
            !databases.is_empty()
        });
        taken
    }

    /// All to the server with this id.
    pub(super) fn take_server(&mut self, server: &str) -> Vec<Pooled<C>> {
        let databases = self.servers.remove(server).unwrap_or_default();
        let all = databases.into_values().flatten();
        all.map(|idle| idle.pooled).collect()
    }

    fn take_where(
        &mut self,
        place: &Place,
        find: impl FnOnce(&[Idle<C>]) -> Option<usize>,
    ) -> Option<Pooled<C>> {
        let databases = self.servers.get_mut(place.server())?;
        let all = databases.get_mut(place)?;
        let taken = all.remove(find(all)?);
        if all.is_empty() {
            databases.remove(place);
        }
        if databases.is_empty() {
            self.servers.remove(place.server());
        }
        Some(taken.pooled)
    }
}
