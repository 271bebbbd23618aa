//! What the benches have in common: fleets to route in.

use tenantsdb_codecs::feed::id::{Engine, tenant_database};
use tenantsdb_codecs::feed::route::{
    Kind, Limits, Login, PoolMode, Route, Server, ServerTls, Status,
};
use tenantsdb_codecs::scram::Verifier;

/// Database servers that the tenants of a fleet are spread over.
pub const SERVERS: usize = 100;

/// The routes of `tenants` tenants of one blueprint, as control would send them.
#[must_use]
pub fn fleet(tenants: usize) -> Vec<Route> {
    // One verifier for all: what it holds makes no difference to a lookup, and each would take
    // 4096 rounds of a hash to make.
    let verifier = Verifier::derive(b"bench", b"0123456789abcdef", 4096).to_string();
    (0..tenants).map(|n| route(n, &verifier)).collect()
}

/// The database of the `n`-th tenant of [`fleet`].
#[must_use]
pub fn database(n: usize) -> String {
    tenant_database("shop", &format!("customer_{n}"))
}

fn route(n: usize, verifier: &str) -> Route {
    let server = n % SERVERS;
    Route {
        engine: Engine::Postgres,
        database: database(n),
        kind: Kind::Tenant,
        blueprint: "shop".to_owned(),
        tenant: Some(format!("customer_{n}")),
        status: Status::Active,
        server: Server {
            id: format!("srv_{server:016x}"),
            addr: format!("10.0.0.{server}:5432"),
            tls: ServerTls::Disable,
            version: None,
            mongo: None,
        },
        logins: vec![Login {
            user: database(n),
            server_user: None,
            verifier: verifier.to_owned(),
            generation: 1,
        }],
        limits: Limits::default(),
        pool_mode: PoolMode::Session,
        local_infile: false,
        allow_ddl: false,
        redis: None,
    }
}
