//! The Redis clients of this process, by database: what `CLIENT LIST`, `INFO` and `CLIENT KILL` are
//! about, and what the sessions of one database share.
//!
//! Nothing is kept of a database without clients, but for what it has flushed of the server's
//! scripts: its next client is not to see them again. A client sees those of its own database that
//! are connected to the same proxy process, never another's.
//!
//! - [`client`]: one of them, as Redis writes it.
//! - [`filter`]: which of them are meant.

pub(crate) mod client;
pub(crate) mod filter;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;

use super::local::script::Scripts;
use crate::walk::Share;
use client::Client;

/// With as many databases, those without clients are forgotten whatever they have flushed: they
/// take 4 kB at most, together 40 MB.
const DATABASES_KEPT_MAX: usize = 10_000;

/// The databases with clients, of one process.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    tenants: DashMap<Box<str>, Arc<Tenant>>,
}

/// What the sessions of one database share in this process, on whichever core they are.
#[derive(Debug, Default)]
pub(crate) struct Tenant {
    /// By their ids.
    clients: Mutex<BTreeMap<i64, Arc<Client>>>,
    /// What `SCRIPT FLUSH` has hidden.
    pub(crate) scripts: Scripts,
    /// What its walks may cost, and what the last one found.
    pub(crate) walks: Share,
}

/// A client that has logged in.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    /// What CLIENT ID answers: no other client of the process has it.
    pub(crate) id: i64,
    /// The database.
    pub(crate) database: Box<str>,
    /// The name it logged in with.
    pub(crate) user: Box<str>,
    /// Its address.
    pub(crate) peer: SocketAddr,
    /// Ours, as it knows it.
    pub(crate) local: SocketAddr,
}

/// One client's place among those of its database, from its login to its end.
#[derive(Debug)]
#[must_use = "the client is forgotten once this is dropped"]
pub(crate) struct Member {
    tenants: Arc<Tenants>,
    database: Box<str>,
    tenant: Arc<Tenant>,
    client: Arc<Client>,
}

// === impl Tenants ===

impl Tenants {
    /// A client that has logged in.
    pub(crate) fn enter(self: &Arc<Self>, entrance: Entrance) -> Member {
        let database = entrance.database.clone();
        let entry = self.tenants.entry(database.clone()).or_default();
        // Inside the entry's lock: a tenant that is forgotten has no clients.
        let client = Arc::new(Client::new(entrance));
        entry.lock().insert(client.id, Arc::clone(&client));
        let tenant = Arc::clone(&entry);
        drop(entry);
        Member {
            tenants: Arc::clone(self),
            database,
            tenant,
            client,
        }
    }
}

// === impl Tenant ===

impl Tenant {
    /// All clients, the oldest first, but for those that are to end: who has killed one does not
    /// find it again, as at the server, which ends it at once.
    pub(crate) fn clients(&self) -> Vec<Arc<Client>> {
        let clients = self.lock();
        let staying = clients.values().filter(|client| !client.is_killed());
        staying.map(Arc::clone).collect()
    }

    /// Patterns that its clients are subscribed to, each client's counted: what `PUBSUB NUMPAT`
    /// says. The server's own count is of the one pattern that each such session has there.
    pub(crate) fn patterns(&self) -> u64 {
        let clients = self.lock();
        let counts = clients.values().map(|client| client.seen.patterns());
        counts.map(u64::from).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, Arc<Client>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Member ===

impl Member {
    /// This client.
    pub(crate) const fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// What it shares with the others of its database.
    pub(crate) const fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.tenant.lock().remove(&self.client.id);
        let tenants = &self.tenants.tenants;
        // Counted before the entry is locked: counting locks them all.
        let is_kept = self.tenant.scripts.outlives_clients() && tenants.len() < DATABASES_KEPT_MAX;
        tenants.remove_if(&self.database, |_, tenant| {
            !is_kept && tenant.lock().is_empty()
        });
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn entrance(database: &str, port: u16) -> Entrance {
        Entrance {
            id: (1 << 40) + i64::from(port),
            database: database.into(),
            user: database.into(),
            peer: ([192, 0, 2, 1], port).into(),
            local: ([192, 0, 2, 9], 6380).into(),
        }
    }

    #[tokio::test]
    async fn a_database_has_its_own_clients_and_leaves_nothing_behind() {
        let tenants = Arc::<Tenants>::default();
        let first = tenants.enter(entrance("app__acme", 1));
        let second = tenants.enter(entrance("app__acme", 2));
        let other = tenants.enter(entrance("app__globex", 3));
        assert_eq!(first.tenant().lock().len(), 2);
        assert_eq!(other.tenant().lock().len(), 1);
        assert!(Arc::ptr_eq(first.tenant(), second.tenant()));
        drop(first);
        assert_eq!(second.tenant().lock().len(), 1);
        drop((second, other));
        assert!(tenants.tenants.is_empty());
    }

    #[tokio::test]
    async fn what_it_flushed_is_remembered_for_its_next_client() {
        let sha = b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
        let tenants = Arc::<Tenants>::default();
        let first = tenants.enter(entrance("app__acme", 1));
        first.tenant().scripts.flush();
        drop(first);
        let next = tenants.enter(entrance("app__acme", 2));
        assert!(next.tenant().scripts.hides(sha));
        let other = tenants.enter(entrance("app__globex", 3));
        assert!(!other.tenant().scripts.hides(sha));
    }

    #[tokio::test]
    async fn a_session_that_is_ended_is_of_one_database_only() {
        let tenants = Arc::<Tenants>::default();
        let acme = tenants.enter(entrance("app__acme", 1));
        let globex = tenants.enter(entrance("app__globex", 2));
        let clients = acme.tenant().clients();
        assert_eq!(clients.len(), 1);
        clients.iter().for_each(|client| client.kill());
        assert!(acme.tenant().clients().is_empty());
        assert!(tenants.tenants.get("app__nobody").is_none());
        acme.client().killed().await;
        assert!(!globex.client().is_killed());
    }

    #[tokio::test]
    async fn patterns_are_counted_over_the_clients_of_the_database() {
        let tenants = Arc::<Tenants>::default();
        let members = [
            tenants.enter(entrance("app__acme", 1)),
            tenants.enter(entrance("app__acme", 2)),
            tenants.enter(entrance("app__globex", 3)),
        ];
        for (member, patterns) in members.iter().zip([2, 1, 5]) {
            member.client().seen.subscriptions(0, patterns, 0);
        }
        assert_eq!(members[0].tenant().patterns(), 3);
    }
}
