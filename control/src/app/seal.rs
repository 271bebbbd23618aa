//! Sealing: what took effect in a workspace becomes versions of its blueprint.
//!
//! The ledger in the workspace says what took effect, the captures say in which words. All unsealed
//! rows are read in one snapshot; each transaction makes one version, in the order of commits. The
//! store commits first and the ledger is marked afterwards: what a crash leaves unmarked is read
//! again and known by its transaction. MySQL has no ledger, see [`mod@mysql`].

mod mysql;

use std::sync::atomic::Ordering;
use std::time::Duration;

use tenantsdb_codecs::feed::capture::Capture;
use tenantsdb_codecs::feed::id::{DatabaseName, Engine, workspace_database};

use crate::blueprint::{ChangeSet, Excluded, LedgerRow, Patience, compose, version_name};
use crate::context::{Context, Lock};
use crate::error::{Error, Result};
use crate::store::blueprints::{self, Blueprint, Stage};
use crate::store::{Write, captures, now, versions};

/// How long rows that no capture speaks of are left alone, once: the proxy's capture of them is
/// most likely on its way, and has the statement's own text.
const CAPTURE_GRACE: Duration = Duration::from_millis(500);

/// Seals all that has taken effect in the workspace; gives the ordinal of the newest version.
///
/// # Errors
///
/// The workspace's server cannot be reached: then nobody knows what is pending.
pub(crate) async fn seal(context: &Context, blueprint: &str) -> Result<u32> {
    let sealed = match attempt(context, blueprint, Patience::Waits).await {
        Ok(None) => {
            tokio::time::sleep(CAPTURE_GRACE).await;
            attempt(context, blueprint, Patience::Over).await
        }
        other => other,
    };
    concluded(context, blueprint, sealed).await
}

/// Seals what a capture that has just come explains. On MySQL others may follow that a proxy had to
/// keep, and what they will explain is left for them; only what came of a CALL and the like, which
/// no other will tell, is sealed at once.
async fn seal_captured(context: &Context, blueprint: &str, capture: &Capture) -> Result<u32> {
    let row = blueprints::fetch(&mut *context.store.read().await?, blueprint).await?;
    let engine = row.map(|row| row.engine);
    let Some(engine @ (Engine::MySql | Engine::MongoDb)) = engine else {
        return seal(context, blueprint).await;
    };
    let mut sealed = attempt(context, blueprint, Patience::Partial).await;
    if matches!(sealed, Ok(None))
        && mysql::is_opaque(engine, capture)
        && mysql::is_alone(context, blueprint, &capture.id).await?
    {
        tokio::time::sleep(CAPTURE_GRACE).await;
        sealed = attempt(context, blueprint, Patience::Over).await;
    }
    concluded(context, blueprint, sealed).await
}

/// The newest ordinal, also if the sealing was put off.
async fn concluded(context: &Context, blueprint: &str, sealed: Result<Option<u32>>) -> Result<u32> {
    match sealed {
        Ok(Some(ordinal)) => Ok(ordinal),
        Ok(None) => blueprints::fetch(&mut *context.store.read().await?, blueprint)
            .await?
            .map(|row| row.ordinal)
            .ok_or_else(|| Error::not_found("workspace", blueprint)),
        Err(error) => {
            context
                .metrics
                .seal_failures
                .fetch_add(1, Ordering::Relaxed);
            Err(error)
        }
    }
}

/// Takes in what a proxy saw, and seals. Gives the newest version.
pub(crate) async fn capture(context: &Context, capture: &Capture) -> Result<String> {
    let Some(DatabaseName::Workspace { blueprint }) = DatabaseName::parse(&capture.database) else {
        return Err(Error::not_found("workspace database", &capture.database));
    };
    let mut write = context.store.write().await?;
    if blueprints::fetch(&mut write, blueprint).await?.is_none() {
        return Err(Error::not_found("workspace", blueprint));
    }
    captures::insert(&mut write, blueprint, capture).await?;
    write.commit().await?;
    context.metrics.captures.fetch_add(1, Ordering::Relaxed);
    seal_captured(context, blueprint, capture)
        .await
        .map(version_name)
}

/// One pass; `None` if it is worth to wait for captures that are on their way. The lock is not held
/// meanwhile, so that a capture that comes is sealed at once.
async fn attempt(context: &Context, name: &str, patience: Patience) -> Result<Option<u32>> {
    let _alone = context.locks.lock(Lock::Sealing(name.to_owned())).await;
    let mut read = context.store.read().await?;
    let blueprint = blueprints::fetch(&mut read, name)
        .await?
        .ok_or_else(|| Error::not_found("workspace", name))?;
    if blueprint.stage != Stage::Active {
        return Err(not_active(name, blueprint.stage));
    }
    drop(read);
    match blueprint.engine {
        Engine::Postgres => {
            let may_wait = patience == Patience::Waits;
            attempt_postgres(context, &blueprint, may_wait).await
        }
        Engine::MySql | Engine::MongoDb => mysql::attempt(context, &blueprint, patience).await,
        // Settings are versions from the moment they are set.
        Engine::Redis => Ok(Some(blueprint.ordinal)),
    }
}

/// Makes a version of what replaying the newest one, 1.`ordinal`, does not give. Gives the newest
/// ordinal then, which is the same where there is nothing to be done. MySQL only: a ledger knows in
/// which order things happened.
pub(crate) async fn correct(context: &Context, blueprint: &Blueprint, ordinal: u32) -> Result<u32> {
    match blueprint.engine {
        Engine::Postgres | Engine::Redis => Ok(ordinal),
        Engine::MySql | Engine::MongoDb => {
            let lock = Lock::Sealing(blueprint.name.clone());
            let _alone = context.locks.lock(lock).await;
            mysql::correct(context, &blueprint.name, ordinal).await
        }
    }
}

/// Says that there are new versions, if there are.
fn note(context: &Context, before: &Blueprint, ordinal: u32) {
    let made = ordinal.saturating_sub(before.ordinal);
    if made > 0 {
        context
            .metrics
            .versions_sealed
            .fetch_add(made.into(), Ordering::Relaxed);
        let version = version_name(ordinal);
        tracing::info!(blueprint = before.name, version, "sealed");
    }
}

async fn attempt_postgres(
    context: &Context,
    blueprint: &Blueprint,
    may_wait: bool,
) -> Result<Option<u32>> {
    let name = &blueprint.name;
    // Before the ledger: what these announce is then in the rows for certain, and they are spent.
    let captures = captures::unspent(&mut *context.store.read().await?, name).await?;
    let provisioner = context.provisioner(&blueprint.server_id).await?;
    let database = workspace_database(name);
    let rows = provisioner.ledger_read(&database).await?;
    if may_wait
        && rows
            .iter()
            .any(|row| !row.sealed && !is_captured(row, &captures))
    {
        return Ok(None);
    }
    if rows.is_empty() && captures.is_empty() {
        return Ok(Some(blueprint.ordinal));
    }
    let sets = compose(&rows, &captures, &Excluded::default());
    let mut write = context.store.write().await?;
    let ordinal = record(&mut write, name, &sets, &captures).await?;
    write.commit().await?;
    note(context, blueprint, ordinal);
    let ids: Vec<i64> = sets
        .iter()
        .flat_map(|set| &set.ledger_ids)
        .copied()
        .collect();
    if !ids.is_empty() {
        provisioner.ledger_seal(&database, &ids).await?;
    }
    Ok(Some(ordinal))
}

/// Why a workspace that is not active cannot be used.
pub(crate) fn not_active(name: &str, stage: Stage) -> Error {
    Error::conflict(format!("workspace \"{name}\" is {}", stage.as_str()))
}

fn is_captured(row: &LedgerRow, captures: &[Capture]) -> bool {
    captures
        .iter()
        .any(|capture| capture.pid == i64::from(row.pid))
}

/// Makes a version of each change set that is not one already, and spends the captures. Gives the
/// newest ordinal.
async fn record(
    write: &mut Write<'_>,
    blueprint: &str,
    sets: &[ChangeSet],
    captures: &[Capture],
) -> Result<u32> {
    let mut ordinal = blueprints::fetch(write, blueprint)
        .await?
        .ok_or_else(|| Error::not_found("workspace", blueprint))?
        .ordinal;
    for set in sets {
        if versions::is_sealed(write, blueprint, &set.xid).await? {
            continue;
        }
        if set.statements.is_empty() {
            versions::seal(write, blueprint, &set.xid, None).await?;
            continue;
        }
        ordinal += 1;
        versions::insert(write, blueprint, ordinal, &now()).await?;
        for (place, statement) in (1..).zip(&set.statements) {
            versions::statement_insert(write, blueprint, ordinal, place, statement).await?;
        }
        versions::seal(write, blueprint, &set.xid, Some(ordinal)).await?;
    }
    blueprints::ordinal_set(write, blueprint, ordinal).await?;
    for capture in captures {
        captures::spend(write, &capture.id).await?;
    }
    Ok(ordinal)
}

#[cfg(test)]
mod tests;
