//! Redis databases by the name of their tenant alone: a Redis client has one name to say, and
//! `acme` is enough where that says which database is meant.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tenantsdb_codecs::feed::id::{DatabaseName, Engine};

use super::entry::Route;

/// A power of two, as in [`super::table`]; without Redis routes there is no shard at all.
const SHARDS: usize = 1024;

/// The index. Readers never wait; whoever changes it holds the table's lock.
#[derive(Debug)]
pub(super) struct Tenants {
    shards: Box<[ArcSwapOption<Shard>]>,
    hasher: RandomState,
}

/// An index that is made aside.
#[derive(Debug)]
pub(super) struct Building(Vec<Shard>);

type Shard = HashSet<Namesakes>;

/// All Redis databases of tenants of one name, each of another blueprint; never none. Found by that
/// name.
#[derive(Clone, Debug)]
struct Namesakes(Arc<[Arc<Route>]>);

impl Default for Tenants {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| ArcSwapOption::empty()).collect(),
            hasher: RandomState::new(),
        }
    }
}

// === impl Tenants ===

impl Tenants {
    /// The database of the tenant, if it is the only one.
    pub(super) fn get(&self, tenant: &str) -> Option<Arc<Route>> {
        let shard = self.shard(tenant).load();
        match &*shard.as_ref()?.get(tenant)?.0 {
            [route] => Some(Arc::clone(route)),
            _ => None,
        }
    }

    /// Takes in a new or changed route.
    pub(super) fn put(&self, route: &Arc<Route>) {
        if let Some(tenant) = tenant(route) {
            let shard = self.shard(tenant);
            let mut copy = shard.load().as_deref().cloned().unwrap_or_default();
            insert(&mut copy, tenant, route);
            shard.store(Some(Arc::new(copy)));
        }
    }

    /// Takes a route out.
    pub(super) fn remove(&self, route: &Route) {
        let Some(tenant) = tenant(route) else {
            return;
        };
        let shard = self.shard(tenant);
        let mut copy = shard.load().as_deref().cloned().unwrap_or_default();
        let left = others(&mut copy, tenant, route);
        if !left.is_empty() {
            copy.insert(Namesakes(left.into()));
        }
        shard.store((!copy.is_empty()).then(|| Arc::new(copy)));
    }

    /// An index to be filled aside.
    pub(super) fn build(&self, routes: &[Arc<Route>]) -> Building {
        let mut shards: Vec<Shard> = (0..self.shards.len()).map(|_| Shard::new()).collect();
        for route in routes {
            if let Some(tenant) = tenant(route)
                && let Some(shard) = shards.get_mut(self.index(tenant))
            {
                insert(shard, tenant, route);
            }
        }
        Building(shards)
    }

    /// Puts what was built in the place of all that is there.
    pub(super) fn replace(&self, built: Building) {
        for (shard, new) in self.shards.iter().zip(built.0) {
            shard.store((!new.is_empty()).then(|| Arc::new(new)));
        }
    }

    fn shard(&self, tenant: &str) -> &ArcSwapOption<Shard> {
        &self.shards[self.index(tenant)]
    }

    fn index(&self, tenant: &str) -> usize {
        let low = self.hasher.hash_one(tenant) & (SHARDS as u64 - 1);
        usize::try_from(low).unwrap_or(0)
    }
}

/// Puts a route among its namesakes, in the place of the one that it follows.
fn insert(shard: &mut Shard, tenant: &str, route: &Arc<Route>) {
    let mut all = others(shard, tenant, route);
    all.push(Arc::clone(route));
    shard.insert(Namesakes(all.into()));
}

/// Takes the namesakes of a route out of the shard, without it.
fn others(shard: &mut Shard, tenant: &str, route: &Route) -> Vec<Arc<Route>> {
    let all = shard.take(tenant);
    let all = all.iter().flat_map(|namesakes| namesakes.0.iter());
    let others = all.filter(|other| other.database != route.database);
    others.map(Arc::clone).collect()
}

/// The tenant of a Redis route.
fn tenant(route: &Route) -> Option<&str> {
    if route.engine != Engine::Redis {
        return None;
    }
    match DatabaseName::parse(&route.database)? {
        DatabaseName::Tenant { tenant, .. } => Some(tenant),
        DatabaseName::Workspace { .. } => None,
    }
}

// === impl Namesakes ===

impl Borrow<str> for Namesakes {
    fn borrow(&self) -> &str {
        let first = self.0.first().and_then(|route| tenant(route));
        first.unwrap_or_default() // there is one, of a tenant
    }
}

impl Hash for Namesakes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrow::<str>::borrow(self).hash(state);
    }
}

impl PartialEq for Namesakes {
    fn eq(&self, other: &Self) -> bool {
        Borrow::<str>::borrow(self) == Borrow::<str>::borrow(other)
    }
}

impl Eq for Namesakes {}

#[cfg(test)]
mod tests {
    use super::super::entry::Interner;
    use super::super::entry::tests::{redis_route, wire_route};
    use super::super::table::Routes;
    use super::*;

    fn route(blueprint: &str, tenant: &str) -> Arc<Route> {
        let route = redis_route(blueprint, tenant);
        Arc::new(Route::read(route, &mut Interner::default()).unwrap())
    }

    fn workspace(blueprint: &str) -> Arc<Route> {
        let mut route = redis_route(blueprint, "none");
        route.kind = tenantsdb_codecs::feed::route::Kind::Workspace;
        route.database = format!("{blueprint}_dev");
        route.tenant = None;
        Arc::new(Route::read(route, &mut Interner::default()).unwrap())
    }

    fn found(routes: &Routes, user: &str) -> Option<String> {
        Some(routes.redis(user)?.database.to_string())
    }

    fn is(database: &str) -> Option<String> {
        Some(database.to_owned())
    }

    #[test]
    fn a_tenant_is_found_by_its_own_name_while_that_says_which() {
        let routes = Routes::default();
        assert_eq!(found(&routes, "acme"), None);
        routes.put(route("app", "acme"));
        routes.put(route("app", "globex"));
        routes.put(route("app", "acme"));
        assert_eq!(found(&routes, "acme"), is("app__acme"));
        assert_eq!(found(&routes, "app__acme"), is("app__acme"));
        routes.put(route("shop", "acme"));
        assert_eq!(found(&routes, "acme"), None);
        assert_eq!(found(&routes, "shop__acme"), is("shop__acme"));
        assert_eq!(found(&routes, "globex"), is("app__globex"));
        assert!(routes.remove(Engine::Redis, "app__acme"));
        assert_eq!(found(&routes, "acme"), is("shop__acme"));
        assert!(routes.remove(Engine::Redis, "shop__acme"));
        assert!(!routes.remove(Engine::Redis, "shop__acme"));
        assert_eq!(found(&routes, "acme"), None);
    }

    #[test]
    fn a_workspace_and_other_engines_are_not_found_by_a_short_name() {
        let routes = Routes::default();
        routes.put(workspace("app"));
        let other = Route::read(wire_route("acme", 1), &mut Interner::default()).unwrap();
        routes.put(Arc::new(other));
        assert_eq!(found(&routes, "app_dev"), is("app_dev"));
        for user in ["app", "dev", "", "acme", "app__acme"] {
            assert_eq!(found(&routes, user), None, "{user}");
        }
        // Full names come first.
        routes.put(route("shop", "app_dev"));
        assert_eq!(found(&routes, "app_dev"), is("app_dev"));
        assert_eq!(found(&routes, "shop__app_dev"), is("shop__app_dev"));
    }

    #[test]
    fn a_snapshot_takes_the_place_of_all_short_names() {
        let routes = Routes::default();
        routes.put(route("app", "acme"));
        routes.put(route("shop", "acme"));
        routes.put(route("app", "gone"));
        let all = vec![route("app", "acme"), route("app", "acme"), workspace("app")];
        routes.replace_all(all);
        assert_eq!(found(&routes, "acme"), is("app__acme"));
        assert_eq!(found(&routes, "gone"), None);
        routes.replace_all(vec![route("a", "acme"), route("b", "acme")]);
        assert_eq!(found(&routes, "acme"), None);
        routes.replace_all(Vec::new());
        assert_eq!(found(&routes, "a__acme"), None);
    }

    #[test]
    fn a_route_that_was_replaced_is_not_found_by_its_short_name() {
        let routes = Routes::default();
        routes.put(route("app", "acme"));
        let mut suspended = redis_route("app", "acme");
        suspended.status = tenantsdb_codecs::feed::route::Status::Suspended;
        let suspended = Route::read(suspended, &mut Interner::default()).unwrap();
        routes.put(Arc::new(suspended));
        let full = routes.redis("app__acme").unwrap();
        assert!(Arc::ptr_eq(&full, &routes.redis("acme").unwrap()));
    }
}
