//! How many clients there may be, in the order in which a connection meets the limits: all clients
//! of the process, clients that have not logged in, clients of one database.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Config;
use crate::route::Route;

/// Counts of one process, shared by its cores.
#[derive(Debug)]
pub struct Limits {
    clients: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    databases: Arc<DashMap<Box<str>, u32>>,
}

/// One of the process's client connections; given back on drop.
#[derive(Debug)]
#[must_use = "the place is given back on drop"]
pub struct ClientPermit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// One of the clients that have not logged in; given back on drop.
#[derive(Debug)]
#[must_use = "the place is given back on drop"]
pub struct HandshakePermit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// One client of a database; given back on drop.
#[derive(Debug)]
#[must_use = "the place is given back on drop"]
pub struct DatabasePermit {
    databases: Arc<DashMap<Box<str>, u32>>,
    database: Box<str>,
}

impl Limits {
    /// All places free.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            clients: Arc::new(Semaphore::new(config.client_connections_max)),
            handshakes: Arc::new(Semaphore::new(config.handshakes_max)),
            databases: Arc::default(),
        }
    }

    /// A place for one more client, or `None` when the process is full.
    #[must_use]
    pub fn client(&self) -> Option<ClientPermit> {
        let permit = Arc::clone(&self.clients).try_acquire_owned().ok()?;
        Some(ClientPermit(permit))
    }

    /// Waits for a place among the clients that have not logged in, first come first served. The
    /// wait counts towards the caller's handshake deadline. Cancel safe.
    pub async fn handshake(&self) -> HandshakePermit {
        let permit = Arc::clone(&self.handshakes).acquire_owned().await;
        HandshakePermit(permit.expect("the semaphore is never closed"))
    }

    /// A place among the clients of the route's database, or `None` when that is full. A route
    /// without a limit of its own has only the process's.
    #[must_use]
    pub fn database(&self, route: &Route) -> Option<DatabasePermit> {
        let max = route.limits.client_connections_max.unwrap_or(u32::MAX);
        if max == 0 {
            return None;
        }
        let mut count = self.databases.entry(route.database.clone()).or_insert(0);
        if *count >= max {
            return None;
        }
        *count += 1;
        drop(count);
        Some(DatabasePermit {
            databases: Arc::clone(&self.databases),
            database: route.database.clone(),
        })
    }

    /// Clients connected to the database through this process.
    #[must_use]
    pub fn database_clients(&self, database: &str) -> u32 {
        self.databases.get(database).map_or(0, |count| *count)
    }
}

impl Drop for DatabasePermit {
    fn drop(&mut self) {
        let freed = self.databases.remove_if_mut(&self.database, |_, count| {
            *count = count.saturating_sub(1);
            *count == 0
        });
        drop(freed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::entry::Interner;
    use crate::route::entry::tests::wire_route;

    fn limits(clients: usize, handshakes: usize) -> Limits {
        Limits {
            clients: Arc::new(Semaphore::new(clients)),
            handshakes: Arc::new(Semaphore::new(handshakes)),
            databases: Arc::default(),
        }
    }

    #[test]
    fn places_are_given_back() {
        let limits = limits(1, 1);
        let place = limits.client().unwrap();
        assert!(limits.client().is_none());
        drop(place);
        assert!(limits.client().is_some());
    }

    #[test]
    fn a_database_has_a_limit_of_its_own_and_leaves_nothing_behind() {
        let limits = limits(9, 9);
        let mut route = wire_route("acme", 1);
        route.limits.client_connections_max = Some(2);
        let route = Route::read(route, &mut Interner::default()).unwrap();
        let held = (
            limits.database(&route).unwrap(),
            limits.database(&route).unwrap(),
        );
        assert!(limits.database(&route).is_none());
        assert_eq!(limits.database_clients("app__acme"), 2);
        drop(held);
        assert!(limits.databases.is_empty());
    }

    #[test]
    fn a_database_without_places_leaves_nothing_behind() {
        let limits = limits(9, 9);
        let mut route = wire_route("acme", 1);
        route.limits.client_connections_max = Some(0);
        let route = Route::read(route, &mut Interner::default()).unwrap();
        assert!(limits.database(&route).is_none());
        assert!(limits.databases.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_have_not_logged_in_wait_for_their_turn() {
        let limits = limits(9, 1);
        let first = limits.handshake().await;
        let wait = std::time::Duration::from_secs(1);
        assert!(
            tokio::time::timeout(wait, limits.handshake())
                .await
                .is_err()
        );
        drop(first);
        drop(limits.handshake().await);
    }
}
