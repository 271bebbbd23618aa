//! All routes, in shards behind arc-swap: a reader takes what is there, an update copies one shard.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::Mongo;
use tenantsdb_codecs::mysql::Flavour;

use super::entry::Route;
use super::mongo::Offered;
use super::tenants::Tenants;
use super::versions::Versions;

/// A power of two. With a million routes a shard is a thousand pointers, so that a change copies
/// 16 kB; an empty table is 64 kB.
const SHARDS: usize = 1024;

/// All routes of the process.
///
/// A lookup is about one route, so shards are replaced one by one: while a snapshot is swapped in,
/// one name may be answered from the old table and the next from the new one, each whole.
#[derive(Debug)]
pub struct Routes {
    shards: Box<[ArcSwap<Shard>]>,
    hasher: RandomState,
    len: AtomicUsize,
    changes: AtomicU64,
    versions: Versions,
    mongo: Offered,
    /// Redis databases by the name of their tenant alone.
    tenants: Tenants,
    /// Held by whoever changes the table; readers do not know it.
    writer: Mutex<()>,
}

type Shard = HashSet<Row>;

/// A route in its shard, found by its database name: engine and name are compared, the name alone
/// is hashed, for hardly any name exists on two engines.
#[derive(Clone, Debug)]
struct Row(Arc<Route>);

/// What a route is found by. A trait object, because a set can only be asked for what its rows
/// borrow as, and no row holds a pair.
trait Key {
    fn key(&self) -> (Engine, &str);
}

impl Key for Row {
    fn key(&self) -> (Engine, &str) {
        (self.0.engine, &self.0.database)
    }
}

impl Key for (Engine, &str) {
    fn key(&self) -> (Engine, &str) {
        *self
    }
}

impl Hash for dyn Key + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().1.hash(state);
    }
}

impl PartialEq for dyn Key + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for dyn Key + '_ {}

impl<'a> Borrow<dyn Key + 'a> for Row {
    fn borrow(&self) -> &(dyn Key + 'a) {
        self
    }
}

impl Hash for Row {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self as &dyn Key).hash(state);
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Row {}

impl Default for Routes {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| ArcSwap::default()).collect(),
            hasher: RandomState::new(),
            len: AtomicUsize::new(0),
            changes: AtomicU64::new(0),
            versions: Versions::default(),
            mongo: Offered::default(),
            tenants: Tenants::default(),
            writer: Mutex::new(()),
        }
    }
}

impl Routes {
    /// The route of a database. Never waits.
    #[must_use]
    pub fn get(&self, engine: Engine, database: &str) -> Option<Arc<Route>> {
        let key: &dyn Key = &(engine, database);
        let shard = self.shard(database).load();
        shard.get(key).map(|row| Arc::clone(&row.0))
    }

    /// The route of a Redis client, which has only its user name to say where it wants to go: the
    /// database's name, or its tenant's where no other Redis database has a tenant of that name.
    /// A workspace is only found by its database's name. Never waits.
    #[must_use]
    pub fn redis(&self, user: &str) -> Option<Arc<Route>> {
        let found = self.get(Engine::Redis, user);
        found.or_else(|| self.tenants.get(user))
    }

    /// Routes in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether there is no route.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Raised by each change; two equal answers mean that nothing has changed between them.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The version that clients of this flavour are greeted with.
    #[must_use]
    pub fn mysql_version(&self, flavour: Flavour) -> Arc<String> {
        self.versions.greeting(flavour)
    }

    /// What all MongoDB servers can do.
    #[must_use]
    pub fn mongo(&self) -> Mongo {
        self.mongo.offered()
    }

    /// The lowest version among the MongoDB servers.
    #[must_use]
    pub fn mongo_version(&self) -> Arc<String> {
        self.mongo.version()
    }

    /// Takes in a new or changed route.
    pub fn put(&self, route: Arc<Route>) {
        let _writer = self.write();
        self.note(&route);
        self.tenants.put(&route);
        let shard = self.shard(&route.database);
        let mut copy = Shard::clone(&shard.load());
        if copy.replace(Row(route)).is_none() {
            self.len.fetch_add(1, Ordering::Relaxed);
        }
        shard.store(Arc::new(copy));
    }

    /// Takes a route out, and says whether it was there.
    pub fn remove(&self, engine: Engine, database: &str) -> bool {
        let key: &dyn Key = &(engine, database);
        let _writer = self.write();
        let shard = self.shard(database);
        let mut copy = Shard::clone(&shard.load());
        let taken = copy.take(key);
        if let Some(Row(route)) = &taken {
            self.tenants.remove(route);
            self.len.fetch_sub(1, Ordering::Relaxed);
            shard.store(Arc::new(copy));
        }
        taken.is_some()
    }

    /// Puts `routes` in the place of all that is there.
    pub fn replace_all(&self, routes: Vec<Arc<Route>>) {
        let mut built: Vec<Shard> = (0..self.shards.len()).map(|_| Shard::new()).collect();
        let tenants = self.tenants.build(&routes);
        self.versions.clear();
        self.mongo
            .replace(routes.iter().filter_map(|route| mongo(route)));
        for route in routes {
            self.note_version(&route);
            let index = self.index(&route.database);
            if let Some(shard) = built.get_mut(index) {
                shard.replace(Row(route));
            }
        }
        let _writer = self.write();
        let len = built.iter().map(HashSet::len).sum();
        for (shard, new) in self.shards.iter().zip(built) {
            shard.store(Arc::new(new));
        }
        self.tenants.replace(tenants);
        self.len.store(len, Ordering::Relaxed);
    }

    /// All routes, shard by shard; a change that comes meanwhile may be in it or not.
    pub fn all(&self) -> impl Iterator<Item = Arc<Route>> {
        self.shards.iter().flat_map(|shard| {
            let shard = shard.load();
            shard
                .iter()
                .map(|row| Arc::clone(&row.0))
                .collect::<Vec<_>>()
        })
    }

    fn note(&self, route: &Route) {
        self.note_version(route);
        if let Some((server, version)) = mongo(route) {
            self.mongo.note(server, version);
        }
    }

    fn note_version(&self, route: &Route) {
        if route.engine == Engine::MySql {
            self.versions
                .note(route.server.version.as_deref().unwrap_or_default());
        }
    }

    fn write(&self) -> Writing<'_> {
        // A poisoned lock guards nothing half-done: each shard is stored whole.
        let lock = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        Writing {
            changes: &self.changes,
            _lock: lock,
        }
    }

    fn shard(&self, database: &str) -> &ArcSwap<Shard> {
        &self.shards[self.index(database)]
    }

    fn index(&self, database: &str) -> usize {
        // The low bits; the shard's own hasher has keys of its own.
        let low = self.hasher.hash_one(database) & (SHARDS as u64 - 1);
        usize::try_from(low).unwrap_or(0)
    }
}

/// What a MongoDB server says of itself.
fn mongo(route: &Route) -> Option<(Mongo, &str)> {
    let version = route.server.version.as_deref().unwrap_or_default();
    route.server.mongo.map(|mongo| (mongo, version))
}

/// The right to change the table; the change is counted when it is over, so that who reads the
/// count first and the table after it may see a change early, never miss one.
struct Writing<'a> {
    changes: &'a AtomicU64,
    _lock: MutexGuard<'a, ()>,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.changes.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Interner;
    use super::super::entry::tests::wire_route;
    use super::*;

    fn route(tenant: &str, generation: u64) -> Arc<Route> {
        Arc::new(Route::read(wire_route(tenant, generation), &mut Interner::default()).unwrap())
    }

    fn generation(routes: &Routes, tenant: &str) -> Option<u64> {
        let route = routes.get(Engine::Postgres, &format!("app__{tenant}"))?;
        Some(route.logins[0].generation)
    }

    #[test]
    fn put_remove_and_replace_are_seen_and_counted() {
        let routes = Routes::default();
        assert_eq!(generation(&routes, "a"), None);
        routes.put(route("a", 1));
        routes.put(route("b", 1));
        routes.put(route("a", 2));
        assert_eq!((generation(&routes, "a"), routes.len()), (Some(2), 2));
        assert!(routes.remove(Engine::Postgres, "app__a"));
        assert!(!routes.remove(Engine::Postgres, "app__a"));
        assert_eq!((generation(&routes, "a"), routes.len()), (None, 1));
        let changes = routes.changes();
        routes.replace_all(vec![route("c", 5), route("c", 6), route("d", 1)]);
        assert_ne!(routes.changes(), changes);
        assert_eq!(
            (generation(&routes, "b"), generation(&routes, "c")),
            (None, Some(6))
        );
        assert_eq!((routes.len(), routes.all().count()), (2, 2));
    }

    #[test]
    fn a_reader_sees_each_route_whole_while_it_changes() {
        let routes = Routes::default();
        routes.put(route("a", 0));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut last = 0;
                    while last < 500 {
                        let seen = generation(&routes, "a").expect("it is never taken out");
                        assert!(seen >= last);
                        last = seen;
                    }
                });
            }
            for n in 1..=500 {
                routes.put(route("a", n));
            }
        });
    }
}
