//! Rules of tenants: made, looked at, suspended, resumed, deleted.
//!
//! - [`create`]: a row first, then the server, then the route.
//! - [`delete`]: the route first, then in the background the server, then the rows.

mod allowed;
pub(crate) mod create;
pub(crate) mod delete;

use std::collections::BTreeSet;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::PoolMode;
use tokio::sync::OwnedMutexGuard;

use crate::context::{Context, Lock};
use crate::error::{Error, Result};
use crate::feed::Routed;
use crate::provision::Account;
use crate::store::blueprints::Stage;
use crate::store::databases::{self, Database};
use crate::store::tenants::{self, Filter, Tenant, TenantStatus};
use crate::store::{Conn, logins};

use super::routes::put_tenant;
use super::{accounts, pending};

/// A tenant and its databases.
#[derive(Clone, Debug)]
pub(crate) struct Full {
    pub(crate) tenant: Tenant,
    pub(crate) databases: Vec<Database>,
}

/// The tenant of that name.
pub(crate) async fn fetch(conn: &mut Conn, name: &str) -> Result<Full> {
    let tenant = tenants::fetch(conn, name)
        .await?
        .ok_or_else(|| Error::not_found("tenant", name))?;
    Ok(Full {
        databases: databases::of_tenant(conn, name).await?,
        tenant,
    })
}

/// Tenants that match, behind `after` in the order of names.
pub(crate) async fn list(
    conn: &mut Conn,
    filter: &Filter,
    after: &str,
    limit: u32,
) -> Result<Vec<Full>> {
    let page = tenants::list(conn, filter, after, limit).await?;
    let mut full = Vec::with_capacity(page.len());
    for tenant in page {
        full.push(Full {
            databases: databases::of_tenant(conn, &tenant.name).await?,
            tenant,
        });
    }
    Ok(full)
}

/// Closes a tenant to clients: the proxies first, then the server, then the sessions that are open.
pub(crate) async fn suspend(context: &Context, name: &str) -> Result<(Full, Routed)> {
    let _alone = context.locks.lock(Lock::Tenant(name.to_owned())).await;
    let mut write = context.store.write().await?;
    let mut full = fetch(&mut write, name).await?;
    check_open(&full.tenant)?;
    full.tenant.status = TenantStatus::Suspended;
    tenants::status_set(&mut write, name, TenantStatus::Suspended, "").await?;
    for database in full.databases.iter().filter(|d| d.stage == Stage::Active) {
        logins::applied_set(&mut write, database.engine, &database.name, false).await?;
        put_tenant(&mut write, database, TenantStatus::Suspended).await?;
    }
    let rev = write.commit().await?;
    let routed = context.feed.wait_routed(rev).await;
    for database in full.databases.iter().filter(|d| d.stage == Stage::Active) {
        apply_logins(context, database, TenantStatus::Suspended)
            .await
            .map_err(|error| {
                error.hint(
                    "the proxies refuse the tenant; its server is told when it can be reached",
                )
            })?;
    }
    tracing::info!(tenant = name, "tenant suspended");
    Ok((full, routed))
}

/// Opens a suspended tenant again: the server first, then the proxies.
pub(crate) async fn resume(context: &Context, name: &str) -> Result<(Full, Routed)> {
    let _alone = context.locks.lock(Lock::Tenant(name.to_owned())).await;
    let mut write = context.store.write().await?;
    let mut full = fetch(&mut write, name).await?;
    check_open(&full.tenant)?;
    let open: Vec<Database> = full
        .databases
        .iter()
        .filter(|database| database.stage == Stage::Active)
        .cloned()
        .collect();
    // A crash from here on leaves the tenant suspended, and the server is told so again.
    for database in &open {
        logins::applied_set(&mut write, database.engine, &database.name, false).await?;
    }
    write.commit().await?;
    let _accounts = accounts_alone(context, &open).await;
    for database in &open {
        tell_server(context, database, TenantStatus::Active).await?;
    }
    let mut write = context.store.write().await?;
    full.tenant.status = TenantStatus::Active;
    tenants::status_set(&mut write, name, TenantStatus::Active, "").await?;
    for database in &open {
        logins::applied_set(&mut write, database.engine, &database.name, true).await?;
        put_tenant(&mut write, database, TenantStatus::Active).await?;
    }
    let rev = write.commit().await?;
    let routed = context.feed.wait_routed(rev).await;
    tracing::info!(tenant = name, "tenant resumed");
    Ok((full, routed))
}

/// Says when the server connections of a tenant's database are given back. Sessions that are open
/// hold to it from their next request on.
pub(crate) async fn pool_mode_set(
    context: &Context,
    (name, blueprint): (&str, &str),
    pool_mode: PoolMode,
) -> Result<(Full, Routed)> {
    let _alone = context.locks.lock(Lock::Tenant(name.to_owned())).await;
    let mut write = context.store.write().await?;
    let mut full = fetch(&mut write, name).await?;
    check_open(&full.tenant)?;
    let status = full.tenant.status;
    let found = full.databases.iter_mut().find(|d| d.blueprint == blueprint);
    let database = found
        .ok_or_else(|| Error::not_found(&format!("database of tenant \"{name}\" of"), blueprint))?;
    allowed::check_pool_mode(database.engine)?;
    database.pool_mode = pool_mode;
    databases::pool_mode_set(&mut write, database).await?;
    if database.stage == Stage::Active {
        put_tenant(&mut write, database, status).await?;
    }
    let rev = write.commit().await?;
    let routed = context.feed.wait_routed(rev).await;
    tracing::info!(
        tenant = name,
        blueprint,
        pool_mode = pool_mode.name(),
        "pool mode set"
    );
    Ok((full, routed))
}

fn check_open(tenant: &Tenant) -> Result<()> {
    match tenant.status {
        TenantStatus::Active | TenantStatus::Suspended => Ok(()),
        status => Err(Error::conflict(format!(
            "tenant \"{}\" is {}",
            tenant.name,
            status.as_str()
        ))),
    }
}

/// Tells the server what the store says about a database's logins, and notes that it was told.
/// May be repeated. The tenant's lock is the caller's.
pub(crate) async fn apply_logins(
    context: &Context,
    database: &Database,
    status: TenantStatus,
) -> Result<()> {
    let _accounts = accounts_alone(context, std::slice::from_ref(database)).await;
    tell_server(context, database, status).await?;
    applied(context, database.engine, &database.name).await
}

/// Notes that the server has been told.
pub(crate) async fn applied(context: &Context, engine: Engine, database: &str) -> Result<()> {
    let mut write = context.store.write().await?;
    logins::applied_set(&mut write, engine, database, true).await?;
    write.commit().await?;
    Ok(())
}

/// The locks of the accounts on the databases' Redis servers, in the order of their names.
async fn accounts_alone(context: &Context, databases: &[Database]) -> Vec<OwnedMutexGuard<()>> {
    let servers: BTreeSet<&str> = databases
        .iter()
        .filter(|database| database.engine == Engine::Redis)
        .map(|database| database.server_id.as_str())
        .collect();
    let mut held = Vec::with_capacity(servers.len());
    for server in servers {
        held.push(accounts::alone(context, server).await);
    }
    held
}

/// The locks of accounts are the caller's.
async fn tell_server(context: &Context, database: &Database, status: TenantStatus) -> Result<()> {
    let mut read = context.store.read().await?;
    let logins = logins::of_database(&mut read, database.engine, &database.name).await?;
    drop(read);
    let provisioner = context.provisioner(&database.server_id).await?;
    if database.engine == Engine::Redis {
        let open = status != TenantStatus::Suspended;
        let opened = |account: &mut Account| account.open = open;
        accounts::put(context, &database.server_id, &database.name, opened).await?;
        return Ok(provisioner.terminate(&database.name).await?);
    }
    for login in logins {
        let (login, _) = pending::settle(context, &database.server_id, login).await?;
        provisioner
            .login_rotate(&login.username, &login.verifier)
            .await?;
        match status {
            TenantStatus::Suspended => provisioner.login_disable(&login.username).await?,
            _ => provisioner.login_enable(&login.username).await?,
        }
    }
    // Sessions that were open under what held before.
    Ok(provisioner.terminate(&database.name).await?)
}
