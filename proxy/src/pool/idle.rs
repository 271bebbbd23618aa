//! Connections at rest, of one core.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::Pooled;
use super::budget::{Budget, Place};
use super::key::Key;

/// Idle connections by database, each database's oldest first. A database has a handful: they are
/// looked through one by one.
#[derive(Debug, Default)]
pub(super) struct IdleSet {
    databases: HashMap<Arc<Place>, Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    pooled: Pooled,
    since: Instant,
}

impl IdleSet {
    pub(super) fn push(&mut self, pooled: Pooled, since: Instant) {
        let place = Arc::clone(pooled.permit.budget().place());
        self.databases.entry(place).or_default().push(Idle { pooled, since });
    }

    /// The connection of that key that was used last: it is the warmest, and the others may age.
    pub(super) fn take(&mut self, key: &Key) -> Option<Pooled> {
        self.take_where(&Place::of(key), |all| {
            all.iter().rposition(|idle| *idle.pooled.key == *key)
        })
    }

    /// The connection of that database that has been idle longest.
    pub(super) fn take_oldest(&mut self, budget: &Budget) -> Option<Pooled> {
        self.take_where(budget.place(), |all| (!all.is_empty()).then_some(0))
    }

    /// A connection of the login of `key` that an older password opened.
    pub(super) fn take_outdated(&mut self, key: &Key) -> Option<Pooled> {
        self.take_where(&Place::of(key), |all| {
            all.iter().position(|idle| idle.pooled.key.is_outdated_by(key))
        })
    }

    /// All that have been idle since before `deadline`.
    pub(super) fn take_older(&mut self, deadline: Instant) -> Vec<Pooled> {
        let mut taken = Vec::new();
        self.databases.retain(|_, all| {
            let young = all.iter().position(|idle| idle.since >= deadline).unwrap_or(all.len());
            taken.extend(all.drain(..young).map(|idle| idle.pooled));
            !all.is_empty()
        });
        taken
    }

    fn take_where(
        &mut self,
        place: &Place,
        find: impl FnOnce(&[Idle]) -> Option<usize>,
    ) -> Option<Pooled> {
        let all = self.databases.get_mut(place)?;
        let taken = all.remove(find(all)?);
        if all.is_empty() {
            self.databases.remove(place);
        }
        Some(taken.pooled)
    }
}
