//! One route as the proxy uses it: checked, verifiers read, and small, for there may be a million.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use tenantsdb_codecs::feed::id::{DatabaseName, Engine};
use tenantsdb_codecs::feed::route::{self as wire, Kind, Limits, PoolMode, Redis, Server, Status};
use tenantsdb_codecs::redis::command::{RuleError, Rules};
use tenantsdb_codecs::{mysql, scram};

use crate::auth::redis;

/// Most logins of one database: control makes one or two of each.
const LOGINS_MAX: usize = 16;

/// A route that can be used. Made from the feed's [`wire::Route`], which it can be turned back
/// into.
#[derive(Debug)]
pub struct Route {
    /// The engine whose protocol the client speaks.
    pub engine: Engine,
    /// The name that clients ask for; on the server it is the same.
    pub database: Box<str>,
    /// Workspace or tenant.
    pub kind: Kind,
    /// Whether clients may use it now.
    pub status: Status,
    /// The server that has it; one for all routes to that server.
    pub server: Arc<Server>,
    /// Who may log in.
    pub logins: Box<[Login]>,
    /// What it may use.
    pub limits: Limits,
    /// When server connections are given back.
    pub pool_mode: PoolMode,
    /// Whether the server may ask clients for their local files.
    pub local_infile: bool,
    /// Whether a tenant may change its schema; MongoDB only.
    pub allow_ddl: bool,
    /// What is so only of a Redis database: there with Redis, with no other engine. Boxed, because
    /// it is larger than all the rest.
    pub redis: Option<Box<Redis>>,
}

/// One login of a database, with its verifier read.
#[derive(Debug)]
pub struct Login {
    /// User name towards the client.
    pub user: Box<str>,
    /// The account's name on the server, where it is another one.
    pub server_user: Option<Box<str>>,
    /// Checks the client's proof.
    pub verifier: Verifier,
    /// Raised by each rotation; pooled connections of another generation are not used.
    pub generation: u64,
}

/// What a client's proof is checked against.
#[derive(Clone, Debug)]
pub enum Verifier {
    /// PostgreSQL's and MongoDB's.
    Scram(scram::Verifier),
    /// MySQL's and MariaDB's.
    MySql(mysql::auth::Verifier),
    /// Redis's.
    Redis(redis::Verifier),
}

/// Why a route cannot be used. Reported to control; holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Neither `{blueprint}_dev` nor `{blueprint}__{tenant}`, or not what the route says it is.
    #[error("the database name does not fit the route's kind, blueprint and tenant")]
    Name,
    /// No port to connect to.
    #[error("the server's address is not host:port")]
    Address,
    /// More than any database has.
    #[error("{0} logins: there may be at most {LOGINS_MAX}")]
    Logins(usize),
    /// Two logins of one name.
    #[error("two logins of one name")]
    DuplicateLogin,
    /// A verifier that cannot be read.
    #[error("the verifier of {0} cannot be used")]
    Verifier(String),
    /// A Redis route without what Redis routes say, or another engine's with it.
    #[error("the part about Redis is missing, or has no place here")]
    Redis,
    /// A MongoDB route whose server says nothing of itself, or another engine's that does.
    #[error("what the MongoDB server can do is missing, or has no place here")]
    Mongo,
    /// No prefix that keeps its keys apart from all others.
    #[error("the key prefix is not lower-case letters, digits and underscores before one colon")]
    Prefix,
    /// A rule of commands that cannot be read: to guess would be to allow something.
    #[error(transparent)]
    Commands(#[from] RuleError),
}

impl Route {
    /// Whether a login of an earlier state of this route is one of its logins still: of that name
    /// and of that generation, of which no other login of the database has ever been.
    #[must_use]
    pub fn has_still(&self, login: &Login) -> bool {
        self.logins
            .iter()
            .any(|now| now.user == login.user && now.generation == login.generation)
    }

    /// Checks a route of the feed and reads its verifiers.
    ///
    /// # Errors
    ///
    /// What makes it unusable.
    pub fn read(route: wire::Route, servers: &mut Interner<Server>) -> Result<Self, RouteError> {
        check_name(&route)?;
        check_redis(&route)?;
        if (route.engine == Engine::MongoDb) != route.server.mongo.is_some() {
            return Err(RouteError::Mongo);
        }
        let port = route
            .server
            .addr
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(1..))) {
            return Err(RouteError::Address);
        }
        Ok(Self {
            engine: route.engine,
            database: route.database.into_boxed_str(),
            kind: route.kind,
            status: route.status,
            server: servers.intern(route.server),
            logins: read_logins(route.engine, route.logins)?,
            limits: route.limits,
            pool_mode: route.pool_mode,
            local_infile: route.local_infile,
            allow_ddl: route.allow_ddl,
            redis: route.redis.map(Box::new),
        })
    }

    /// The route as the feed and the file on disk have it.
    #[must_use]
    pub fn to_wire(&self) -> wire::Route {
        let (blueprint, tenant) = match DatabaseName::parse(&self.database) {
            Some(DatabaseName::Workspace { blueprint }) => (blueprint, None),
            Some(DatabaseName::Tenant { blueprint, tenant }) => (blueprint, Some(tenant)),
            None => ("", None), // `read` took no such name
        };
        let logins = self.logins.iter().map(|login| wire::Login {
            user: login.user.to_string(),
            server_user: login.server_user.as_deref().map(str::to_owned),
            verifier: login.verifier.to_string(),
            generation: login.generation,
        });
        wire::Route {
            engine: self.engine,
            database: self.database.to_string(),
            kind: self.kind,
            blueprint: blueprint.to_owned(),
            tenant: tenant.map(str::to_owned),
            status: self.status,
            server: (*self.server).clone(),
            logins: logins.collect(),
            limits: self.limits,
            pool_mode: self.pool_mode,
            local_infile: self.local_infile,
            allow_ddl: self.allow_ddl,
            redis: self.redis.as_deref().cloned(),
        }
    }
}

impl Route {
    /// Which flavour of MySQL its server is.
    #[must_use]
    pub fn flavour(&self) -> mysql::Flavour {
        mysql::Flavour::of_version(self.server.version.as_deref().unwrap_or_default())
    }
}

/// The name must say what the route says: the two are used side by side, and must not disagree.
fn check_name(route: &wire::Route) -> Result<(), RouteError> {
    let fits = match DatabaseName::parse(&route.database) {
        Some(DatabaseName::Workspace { blueprint }) => {
            route.kind == Kind::Workspace && route.blueprint == blueprint && route.tenant.is_none()
        }
        Some(DatabaseName::Tenant { blueprint, tenant }) => {
            route.kind == Kind::Tenant
                && route.blueprint == blueprint
                && route.tenant.as_deref() == Some(tenant)
        }
        None => false,
    };
    if fits { Ok(()) } else { Err(RouteError::Name) }
}

/// A prefix that is empty, or lacks its colon, would let one database see another's keys.
fn check_redis(route: &wire::Route) -> Result<(), RouteError> {
    if (route.engine == Engine::Redis) != route.redis.is_some() {
        return Err(RouteError::Redis);
    }
    let Some(redis) = &route.redis else {
        return Ok(());
    };
    Rules::read(&redis.commands)?;
    match redis.prefix.as_deref() {
        Some(prefix) if !is_prefix(prefix) => Err(RouteError::Prefix),
        _ => Ok(()),
    }
}

/// Whether it is `^[a-z0-9][a-z0-9_]*:$`: no prefix of that form begins another.
fn is_prefix(prefix: &str) -> bool {
    let name = prefix.strip_suffix(':').unwrap_or_default().as_bytes();
    let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.first().is_some_and(letter) && name.iter().all(|byte| letter(byte) || *byte == b'_')
}

fn read_logins(engine: Engine, logins: Vec<wire::Login>) -> Result<Box<[Login]>, RouteError> {
    // None: nobody may log in just now. To keep the last ones would be to let them in.
    if logins.len() > LOGINS_MAX {
        return Err(RouteError::Logins(logins.len()));
    }
    let names: HashSet<&str> = logins.iter().map(|login| login.user.as_str()).collect();
    if names.len() != logins.len() {
        return Err(RouteError::DuplicateLogin);
    }
    let read = logins
        .into_iter()
        .map(|login| match Verifier::read(engine, &login.verifier) {
            Some(verifier) => Ok(Login {
                user: login.user.into_boxed_str(),
                server_user: login.server_user.map(String::into_boxed_str),
                verifier,
                generation: login.generation,
            }),
            None => Err(RouteError::Verifier(login.user)),
        });
    read.collect()
}

// === impl Login ===

impl Login {
    /// The account's name on the server.
    #[must_use]
    pub fn server_user(&self) -> &str {
        self.server_user.as_deref().unwrap_or(&self.user)
    }
}

// === impl Verifier ===

impl Verifier {
    fn read(engine: Engine, text: &str) -> Option<Self> {
        match engine {
            Engine::Postgres | Engine::MongoDb => text.parse().ok().map(Self::Scram),
            Engine::MySql => text.parse().ok().map(Self::MySql),
            Engine::Redis => text.parse().ok().map(Self::Redis),
        }
    }

    /// PostgreSQL's or MongoDB's.
    #[must_use]
    pub const fn scram(&self) -> Option<&scram::Verifier> {
        match self {
            Self::Scram(verifier) => Some(verifier),
            Self::MySql(_) | Self::Redis(_) => None,
        }
    }

    /// MySQL's or MariaDB's.
    #[must_use]
    pub const fn mysql(&self) -> Option<&mysql::auth::Verifier> {
        match self {
            Self::MySql(verifier) => Some(verifier),
            Self::Scram(_) | Self::Redis(_) => None,
        }
    }

    /// Redis's.
    #[must_use]
    pub const fn redis(&self) -> Option<&redis::Verifier> {
        match self {
            Self::Redis(verifier) => Some(verifier),
            Self::Scram(_) | Self::MySql(_) => None,
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scram(verifier) => verifier.fmt(f),
            Self::MySql(verifier) => verifier.fmt(f),
            Self::Redis(verifier) => verifier.fmt(f),
        }
    }
}

/// Values that many routes share, each kept once. Belongs to whoever reads routes.
#[derive(Debug)]
pub struct Interner<T: ?Sized> {
    values: HashSet<Arc<T>>,
    prune_at: usize,
}

/// Below this many values an interner does not look for unused ones.
const INTERNED_MIN: usize = 64;

impl<T: ?Sized> Default for Interner<T> {
    fn default() -> Self {
        Self {
            values: HashSet::new(),
            prune_at: INTERNED_MIN,
        }
    }
}

impl<T: Eq + Hash> Interner<T> {
    /// The kept value that equals `value`, which is kept if there was none.
    pub fn intern(&mut self, value: T) -> Arc<T> {
        if let Some(kept) = self.values.get(&value) {
            return Arc::clone(kept);
        }
        if self.values.len() >= self.prune_at {
            self.values.retain(|kept| Arc::strong_count(kept) > 1);
            self.prune_at = (2 * self.values.len()).max(INTERNED_MIN);
        }
        let value = Arc::new(value);
        self.values.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use tenantsdb_codecs::feed::route::ServerTls;

    use super::*;

    pub(crate) const VERIFIER: &str = "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$\
         AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    /// A route to a tenant of the blueprint `app`.
    pub(crate) fn wire_route(tenant: &str, generation: u64) -> wire::Route {
        wire::Route {
            engine: Engine::Postgres,
            database: format!("app__{tenant}"),
            kind: Kind::Tenant,
            blueprint: "app".to_owned(),
            tenant: Some(tenant.to_owned()),
            status: Status::Active,
            server: Server {
                id: "srv_1".to_owned(),
                addr: "127.0.0.1:5432".to_owned(),
                tls: ServerTls::Disable,
                version: None,
                mongo: None,
            },
            logins: vec![wire::Login {
                user: format!("app__{tenant}"),
                server_user: None,
                verifier: VERIFIER.to_owned(),
                generation,
            }],
            limits: Limits::default(),
            pool_mode: PoolMode::Session,
            local_infile: false,
            allow_ddl: false,
            redis: None,
        }
    }

    pub(crate) const REDIS_VERIFIER: &str =
        "sha256$0101010101010101010101010101010101010101010101010101010101010101";

    /// A route to the Redis database of a tenant of `blueprint`.
    pub(crate) fn redis_route(blueprint: &str, tenant: &str) -> wire::Route {
        let mut route = wire_route(tenant, 1);
        route.engine = Engine::Redis;
        route.database = format!("{blueprint}__{tenant}");
        route.blueprint = blueprint.to_owned();
        route.logins[0].user = route.database.clone();
        route.logins[0].verifier = REDIS_VERIFIER.to_owned();
        route.redis = Some(Redis {
            prefix: Some(format!("{tenant}:")),
            ..Redis::default()
        });
        route
    }

    fn read(route: wire::Route) -> Result<Route, RouteError> {
        Route::read(route, &mut Interner::default())
    }

    #[test]
    fn a_route_that_was_read_is_written_as_it_came() {
        let route = wire_route("acme", 3);
        assert_eq!(read(route.clone()).unwrap().to_wire(), route);
        let route = redis_route("app", "acme");
        assert_eq!(read(route.clone()).unwrap().to_wire(), route);
    }

    #[test]
    fn a_redis_route_says_what_its_keys_begin_with() {
        let with = |redis: Option<Redis>| {
            let mut route = redis_route("app", "acme");
            route.redis = redis;
            read(route).map(|_| ())
        };
        let prefix = |prefix: &str| {
            with(Some(Redis {
                prefix: Some(prefix.to_owned()),
                ..Redis::default()
            }))
        };
        assert_eq!(with(None), Err(RouteError::Redis));
        assert_eq!(with(Some(Redis::default())), Ok(()), "a server of its own");
        for good in ["acme:", "0:", "app__acme:", "a_b:"] {
            assert_eq!(prefix(good), Ok(()), "{good}");
        }
        for bad in [
            "", ":", "acme", "_a:", "a:b:", "A:", "a*:", "a b:", "é:", "a::",
        ] {
            assert_eq!(prefix(bad), Err(RouteError::Prefix), "{bad}");
        }
        let rule = Redis {
            commands: vec!["~*".to_owned()],
            ..Redis::default()
        };
        assert!(matches!(with(Some(rule)), Err(RouteError::Commands(_))));
        let mut other = wire_route("acme", 1);
        other.redis = Some(Redis::default());
        assert_eq!(read(other).err(), Some(RouteError::Redis));
    }

    #[test]
    fn routes_that_cannot_be_used_are_refused_with_the_reason() {
        let broken = |change: fn(&mut wire::Route)| {
            let mut route = wire_route("acme", 1);
            change(&mut route);
            read(route).unwrap_err()
        };
        assert_eq!(broken(|r| r.kind = Kind::Workspace), RouteError::Name);
        assert_eq!(broken(|r| r.blueprint.push('x')), RouteError::Name);
        assert_eq!(broken(|r| r.tenant = None), RouteError::Name);
        assert_eq!(broken(|r| r.database = "postgres".into()), RouteError::Name);
        assert_eq!(broken(|r| r.server.addr = "db".into()), RouteError::Address);
        assert_eq!(
            broken(|r| r.server.addr = "db:0".into()),
            RouteError::Address
        );
        assert_eq!(
            broken(|r| r.logins = vec![r.logins[0].clone(); LOGINS_MAX + 1]),
            RouteError::Logins(LOGINS_MAX + 1)
        );
        assert_eq!(
            broken(|r| r.logins.push(r.logins[0].clone())),
            RouteError::DuplicateLogin
        );
        assert_eq!(
            broken(|r| r.logins[0].verifier = "md5abc".into()),
            RouteError::Verifier("app__acme".into())
        );
    }

    #[test]
    fn routes_to_one_server_share_it_and_unused_servers_are_forgotten() {
        let mut servers = Interner::default();
        let a = Route::read(wire_route("a", 1), &mut servers).unwrap();
        let b = Route::read(wire_route("b", 1), &mut servers).unwrap();
        assert!(Arc::ptr_eq(&a.server, &b.server));
        for n in 1..1000 {
            let mut route = wire_route("c", 1);
            route.server.addr = format!("127.0.0.1:{n}");
            Route::read(route, &mut servers).unwrap();
        }
        assert!(
            servers.values.len() <= INTERNED_MIN,
            "{}",
            servers.values.len()
        );
        assert!(servers.values.contains(&a.server));
    }

    #[test]
    fn a_route_is_small() {
        assert!(size_of::<Route>() <= 80, "{}", size_of::<Route>());
    }
}
