//! Removing a tenant: no client gets in from the moment of the answer; the rest happens in the
//! background, since dropping a database forces a checkpoint and may take many seconds.

use std::sync::Arc;

use tenantsdb_codecs::feed::id::Engine;
use tracing::Instrument as _;

use crate::context::{Context, Lock};
use crate::error::Result;
use crate::store::blueprints::Stage;
use crate::store::tenants::{self, TenantStatus};
use crate::store::{databases, routes};

use super::Full;
use crate::app::accounts;

/// Closes a tenant at once and removes it in the background.
pub(crate) async fn delete(context: &Arc<Context>, name: &str) -> Result<Full> {
    let alone = context.locks.lock(Lock::Tenant(name.to_owned())).await;
    let mut write = context.store.write().await?;
    let mut full = super::fetch(&mut write, name).await?;
    full.tenant.status = TenantStatus::Deleting;
    tenants::status_set(&mut write, name, TenantStatus::Deleting, "").await?;
    for database in &mut full.databases {
        database.stage = Stage::Deleting;
        databases::stage_set(&mut write, database, Stage::Deleting, "").await?;
        routes::drop(&mut write, database.engine, &database.name).await?;
    }
    write.commit().await?;
    let (context, name) = (Arc::clone(context), name.to_owned());
    let span = tracing::info_span!("tenant_delete", tenant = name);
    context.clone().tasks.spawn(
        async move {
            let _alone = alone;
            if let Err(error) = finish(&context, &name).await {
                tracing::warn!(%error, "removing a tenant failed; it will be tried again");
            }
        }
        .instrument(span),
    );
    Ok(full)
}

/// Removes what is left of a tenant that is `deleting`. May be repeated. The lock is the caller's.
pub(crate) async fn finish(context: &Context, name: &str) -> Result<()> {
    let rev = *context.store.rev().borrow();
    context.feed.wait_routed(rev).await;
    let there = databases::of_tenant(&mut *context.store.read().await?, name).await?;
    for database in &there {
        // One at a time on each server: a burst of drops stalls everybody's commits.
        let lock = Lock::Dropping(database.server_id.clone());
        let _paced = tokio::select! {
            paced = context.locks.lock(lock) => paced,
            () = context.shutdown.cancelled() => return Ok(()),
        };
        let provisioner = context.provisioner(&database.server_id).await?;
        if database.engine == Engine::Redis {
            accounts::remove(context, &database.name).await?;
        } else {
            provisioner.terminate(&database.name).await?;
            provisioner
                .tenant_drop(&database.blueprint, &database.tenant)
                .await?;
        }
        let mut write = context.store.write().await?;
        databases::delete(&mut write, database.engine, &database.name).await?;
        write.commit().await?;
    }
    let mut write = context.store.write().await?;
    if databases::of_tenant(&mut write, name).await?.is_empty() {
        tenants::delete(&mut write, name).await?;
    }
    write.commit().await?;
    tracing::info!("tenant removed");
    Ok(())
}
