//! Small work at intervals: sealing workspaces, writing down what was only noted, forgetting what
//! is too old to matter.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::MissedTickBehavior;

use tenantsdb_codecs::feed::id::Engine;

use crate::context::Context;
use crate::error::Result;
use crate::store::blueprints::{self, Stage};
use crate::store::{captures, idempotency, proxies, routes, timestamp};

use super::seal::seal;

/// Captures seal at once; this is for what no proxy saw.
const SEAL_EVERY: Duration = Duration::from_secs(10);
/// Acknowledgements and uses of keys are noted in memory and written together.
const SAVE_EVERY: Duration = Duration::from_secs(1);
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// Answers to repeat, ids of captures and tombstones of routes are kept this long.
const KEEP: Duration = Duration::from_secs(24 * 3600);
/// A proxy that was not seen for this long is forgotten.
const KEEP_PROXIES: Duration = Duration::from_secs(7 * 24 * 3600);

/// Seals every workspace at intervals, until shutdown.
pub(crate) async fn run_sealing(context: Arc<Context>) {
    let mut failing = HashSet::new();
    let mut first = true;
    let mut ticks = tokio::time::interval(SEAL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = context.shutdown.cancelled() => return,
        }
        if let Err(error) = seal_all(&context, &mut failing, first).await {
            tracing::warn!(%error, "sealing could not look at the workspaces");
        }
        first = false;
    }
}

/// Says that a workspace cannot be sealed when it begins and when it ends, not every ten seconds.
async fn seal_all(context: &Context, failing: &mut HashSet<String>, first: bool) -> Result<()> {
    let active = blueprints::at_stage(&mut *context.store.read().await?, Stage::Active).await?;
    for blueprint in active {
        // MySQL and MongoDB have no ledger: the proxies' records of what happened while nobody was
        // here come first.
        if first && matches!(blueprint.engine, Engine::MySql | Engine::MongoDb) {
            continue;
        }
        if context.shutdown.is_cancelled() {
            return Ok(());
        }
        match seal(context, &blueprint.name).await {
            Ok(_) if failing.remove(&blueprint.name) => {
                tracing::info!(workspace = blueprint.name, "sealing works again");
            }
            Ok(_) => {}
            Err(error) => {
                if failing.insert(blueprint.name.clone()) {
                    tracing::warn!(workspace = blueprint.name, %error, "sealing failed");
                }
            }
        }
    }
    Ok(())
}

/// Writes down what was noted, until shutdown and once more then.
pub(crate) async fn run_saving(context: Arc<Context>) {
    let mut ticks = tokio::time::interval(SAVE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = tokio::select! {
            _ = ticks.tick() => false,
            () = context.shutdown.cancelled() => true,
        };
        for saved in [
            context.feed.save(&context.store).await,
            context.key_uses.save(&context.store).await,
        ] {
            if let Err(error) = saved {
                tracing::warn!(%error, "noting acknowledgements or uses of keys failed");
            }
        }
        if last {
            return;
        }
    }
}

/// Forgets what is too old, until shutdown.
pub(crate) async fn run_pruning(context: Arc<Context>) {
    let mut ticks = tokio::time::interval(PRUNE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = context.shutdown.cancelled() => return,
        }
        if let Err(error) = prune(&context).await {
            tracing::warn!(%error, "pruning failed");
        }
    }
}

async fn prune(context: &Context) -> Result<()> {
    let now = OffsetDateTime::now_utc();
    let before = timestamp(now - KEEP);
    let proxies_before = now - KEEP_PROXIES;
    let mut write = context.store.write().await?;
    idempotency::prune(&mut write, &before).await?;
    captures::prune(&mut write, &before).await?;
    routes::compact(&mut write, &before).await?;
    proxies::prune(&mut write, &timestamp(proxies_before)).await?;
    write.commit().await?;
    context.feed.forget(proxies_before);
    Ok(())
}
