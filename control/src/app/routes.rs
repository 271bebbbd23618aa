//! From rows to what proxies are told.

use tenantsdb_codecs::feed::id::workspace_database;
use tenantsdb_codecs::feed::route::{Kind, Limits, PoolMode, Route, Status};

use crate::error::Result;
use crate::store::blueprints::Blueprint;
use crate::store::databases::Database;
use crate::store::tenants::TenantStatus;
use crate::store::{Write, logins, routes, servers};

/// Tells the proxies about a tenant's database as the store has it now.
pub(crate) async fn put_tenant(
    write: &mut Write<'_>,
    database: &Database,
    status: TenantStatus,
) -> Result<u64> {
    let server = servers::of_id(write, &database.server_id).await?;
    let logins = logins::of_database(write, database.engine, &database.name).await?;
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
        logins: logins.iter().map(logins::Login::route).collect(),
        limits: Limits::default(),
        pool_mode: PoolMode::default(),
        local_infile: database.allow_local_infile,
    };
    routes::put(write, &route).await
}

/// Tells the proxies about a workspace as the store has it now.
pub(crate) async fn put_workspace(write: &mut Write<'_>, blueprint: &Blueprint) -> Result<u64> {
    let server = servers::of_id(write, &blueprint.server_id).await?;
    let database = workspace_database(&blueprint.name);
    let logins = logins::of_database(write, blueprint.engine, &database).await?;
    let route = Route {
        engine: blueprint.engine,
        database,
        kind: Kind::Workspace,
        blueprint: blueprint.name.clone(),
        tenant: None,
        status: Status::Active,
        server: server.route(),
        logins: logins.iter().map(logins::Login::route).collect(),
        limits: Limits::default(),
        pool_mode: PoolMode::default(),
        local_infile: false,
    };
    routes::put(write, &route).await
}
