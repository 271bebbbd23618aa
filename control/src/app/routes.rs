//! From rows to what proxies are told.

use tenantsdb_codecs::feed::id::{Engine, workspace_database};
use tenantsdb_codecs::feed::route::{
    Kind, Limits, Login as RouteLogin, PoolMode, Redis, Route, Status,
};

use crate::error::Result;
use crate::store::blueprints::Blueprint;
use crate::store::databases::Database;
use crate::store::logins::Login;
use crate::store::tenants::TenantStatus;
use crate::store::{Conn, Write, logins, namespaces, routes, servers, settings};

/// Tells the proxies about a tenant's database as the store has it now.
pub(crate) async fn put_tenant(
    write: &mut Write<'_>,
    database: &Database,
    status: TenantStatus,
) -> Result<u64> {
    let server = servers::of_id(write, &database.server_id).await?;
    let logins = logins::of_database(write, database.engine, &database.name).await?;
    let version = (database.blueprint.as_str(), database.ordinal);
    let (redis, of_redis) = of_redis(write, &database.name, version).await?;
    let route = Route {
        engine: database.engine,
        database: database.name.clone(),
        kind: Kind::Tenant,
        blueprint: database.blueprint.clone(),
        tenant: Some(database.tenant.clone()),
        status: match status {
            TenantStatus::Suspended => Status::Suspended,
            _ => Status::Active,
        },
        server: server.route(),
        logins: known(&logins),
        limits: Limits::default(),
        pool_mode: of_redis.unwrap_or(database.pool_mode),
        local_infile: database.allow_local_infile,
        allow_ddl: database.engine == Engine::MongoDb && database.allow_ddl,
        redis,
    };
    routes::put(write, &route).await
}

/// Tells the proxies about a workspace as the store has it now.
pub(crate) async fn put_workspace(write: &mut Write<'_>, blueprint: &Blueprint) -> Result<u64> {
    let server = servers::of_id(write, &blueprint.server_id).await?;
    let database = workspace_database(&blueprint.name);
    let logins = logins::of_database(write, blueprint.engine, &database).await?;
    let version = (blueprint.name.as_str(), blueprint.ordinal);
    let (redis, pool_mode) = of_redis(write, &database, version).await?;
    let route = Route {
        engine: blueprint.engine,
        database,
        kind: Kind::Workspace,
        blueprint: blueprint.name.clone(),
        tenant: None,
        status: Status::Active,
        server: server.route(),
        logins: known(&logins),
        limits: Limits::default(),
        pool_mode: pool_mode.unwrap_or_default(),
        local_infile: false,
        allow_ddl: blueprint.engine == Engine::MongoDb,
        redis,
    };
    routes::put(write, &route).await
}

/// Logins that somebody can be let in by.
fn known(logins: &[Login]) -> Vec<RouteLogin> {
    let known = logins.iter().filter(|login| !login.is_pending());
    known.map(Login::route).collect()
}

/// What is so only of a Redis database: its namespace, and the settings of its version.
async fn of_redis(
    conn: &mut Conn,
    database: &str,
    (blueprint, ordinal): (&str, u32),
) -> Result<(Option<Redis>, Option<PoolMode>)> {
    let Some(namespace) = namespaces::fetch(conn, database).await? else {
        return Ok((None, None));
    };
    let settings = settings::fetch(conn, blueprint, ordinal).await?;
    let pool_mode = settings.pool_mode;
    Ok((Some(settings.route(namespace.prefix)), Some(pool_mode)))
}
