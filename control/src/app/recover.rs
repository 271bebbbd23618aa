//! Going on with what a crash, or a server that was away, has left half done. Runs at the start and
//! then every half minute; whatever a request works on at that moment is waited for by its lock.

use std::sync::Arc;
use std::time::Duration;

use tenantsdb_codecs::feed::id::DatabaseName;
use tracing::Instrument as _;
use tracing::instrument::Instrumented;

use crate::context::{Context, Lock};
use crate::error::{Code, Result};
use crate::store::blueprints::{self, Stage};
use crate::store::databases::{self, Database};
use crate::store::tenants::{self, TenantStatus};
use crate::store::{idempotency, logins};

use super::{credentials, tenants as rules, workspaces};

/// How often what is half done is looked for.
const EVERY: Duration = Duration::from_secs(30);

/// Clears what only the process before this one could have gone on with.
pub(crate) async fn at_start(context: &Context) -> Result<()> {
    let mut write = context.store.write().await?;
    idempotency::forget_running(&mut write).await?;
    write.commit().await?;
    Ok(())
}

/// Runs until shutdown.
pub(crate) async fn run(context: Arc<Context>) {
    loop {
        if let Err(error) = pass(&context).await {
            tracing::warn!(%error, "recovery could not look at everything");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = context.shutdown.cancelled() => return,
        }
    }
}

/// One look at everything. What fails is logged and left for the next.
pub(crate) async fn pass(context: &Arc<Context>) -> Result<()> {
    let mut read = context.store.read().await?;
    let workspaces_creating = blueprints::at_stage(&mut read, Stage::Creating).await?;
    let workspaces_deleting = blueprints::at_stage(&mut read, Stage::Deleting).await?;
    let databases_creating = databases::at_stage(&mut read, Stage::Creating).await?;
    let tenants_deleting = tenants::names_with(&mut read, TenantStatus::Deleting).await?;
    let unapplied = logins::unapplied(&mut read).await?;
    drop(read);
    for blueprint in workspaces_creating {
        let span = tracing::info_span!("unfinished", workspace = blueprint.name);
        attend(
            context,
            workspace_create(context, &blueprint.name).instrument(span),
        )
        .await;
    }
    for database in databases_creating {
        let span = tracing::info_span!("unfinished", database = database.name);
        attend(context, tenant_create(context, &database).instrument(span)).await;
    }
    for name in unapplied {
        let span = tracing::info_span!("unfinished", database = name);
        attend(context, login(context, &name).instrument(span)).await;
    }
    for name in tenants_deleting {
        let span = tracing::info_span!("unfinished", tenant = name);
        attend(context, tenant_delete(context, &name).instrument(span)).await;
    }
    for blueprint in workspaces_deleting {
        let span = tracing::info_span!("unfinished", workspace = blueprint.name);
        attend(
            context,
            workspace_delete(context, &blueprint.name).instrument(span),
        )
        .await;
    }
    Ok(())
}

/// Does one piece of work, unless the process is to stop.
async fn attend(context: &Context, work: Instrumented<impl Future<Output = Result<()>>>) {
    if context.shutdown.is_cancelled() {
        return;
    }
    let span = work.span().clone();
    if let Err(error) = work.await {
        let _entered = span.enter();
        tracing::warn!(%error, "not finished");
    }
}

async fn workspace_create(context: &Context, name: &str) -> Result<()> {
    let _alone = context.locks.lock(Lock::Workspace(name.to_owned())).await;
    let row = blueprints::fetch(&mut *context.store.read().await?, name).await?;
    if row.is_none_or(|row| row.stage != Stage::Creating) {
        return Ok(());
    }
    match workspaces::finish(context, name).await {
        Err(error) if error.code() != Code::ServerUnreachable => {
            workspaces::undo(context, name, &error).await?;
            Err(error)
        }
        other => other.map(|_| ()),
    }
}

async fn workspace_delete(context: &Context, name: &str) -> Result<()> {
    let _alone = context.locks.lock(Lock::Workspace(name.to_owned())).await;
    let row = blueprints::fetch(&mut *context.store.read().await?, name).await?;
    if row.is_none_or(|row| row.stage != Stage::Deleting) {
        return Ok(());
    }
    workspaces::finish_delete(context, name).await
}

async fn tenant_create(context: &Context, database: &Database) -> Result<()> {
    let _alone = context
        .locks
        .lock(Lock::Tenant(database.tenant.clone()))
        .await;
    let row = databases::fetch(&mut *context.store.read().await?, &database.name).await?;
    let Some(row) = row.filter(|row| row.stage == Stage::Creating) else {
        return Ok(());
    };
    match rules::create::finish(context, &row).await {
        Err(error) if error.code() != Code::ServerUnreachable => {
            rules::create::undo(context, &row, &error).await?;
            Err(error)
        }
        other => other.map(|_| ()),
    }
}

async fn tenant_delete(context: &Context, name: &str) -> Result<()> {
    let _alone = context.locks.lock(Lock::Tenant(name.to_owned())).await;
    let row = tenants::fetch(&mut *context.store.read().await?, name).await?;
    if row.is_none_or(|row| row.status != TenantStatus::Deleting) {
        return Ok(());
    }
    rules::delete::finish(context, name).await
}

/// Tells the server about a login that was changed and not applied.
async fn login(context: &Context, name: &str) -> Result<()> {
    if let Some(DatabaseName::Workspace { blueprint }) = DatabaseName::parse(name) {
        let _alone = context
            .locks
            .lock(Lock::Workspace(blueprint.to_owned()))
            .await;
        let row = blueprints::fetch(&mut *context.store.read().await?, blueprint).await?;
        if row.is_none_or(|row| row.stage != Stage::Active) || !unapplied(context, name).await? {
            return Ok(());
        }
        return credentials::apply_workspace(context, blueprint).await;
    }
    let Some(row) = databases::fetch(&mut *context.store.read().await?, name).await? else {
        return Ok(());
    };
    let _alone = context.locks.lock(Lock::Tenant(row.tenant.clone())).await;
    let tenant = tenants::fetch(&mut *context.store.read().await?, &row.tenant).await?;
    let row = databases::fetch(&mut *context.store.read().await?, name).await?;
    match (tenant, row) {
        (Some(tenant), Some(row)) if row.stage == Stage::Active => {
            if !unapplied(context, name).await? {
                return Ok(());
            }
            rules::apply_logins(context, &row, tenant.status).await
        }
        _ => Ok(()),
    }
}

async fn unapplied(context: &Context, name: &str) -> Result<bool> {
    let names = logins::unapplied(&mut *context.store.read().await?).await?;
    Ok(names.iter().any(|unapplied| unapplied == name))
}
