//! One database of a deployment.

use std::time::Duration;

use tenantsdb_codecs::feed::id::Engine;
use tokio::time::Instant;

use super::runner::Work;
use crate::app::accounts;
use crate::app::routes::put_tenant;
use crate::error::{Code, Result};
use crate::provision::{Apply, Failure};
use crate::store::blueprints::Stage;
use crate::store::deployments::{self, Outcome, Target, TargetStatus};
use crate::store::{Write, databases, tenants};

/// How long a statement waits for a lock before the version is begun again: whoever waits behind it
/// waits as long.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a statement may take: building an index on a large table does.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4 * 3600);
/// How long a database that is being made is waited for.
const CREATING_MAX: Duration = Duration::from_secs(120);
/// Between two looks at it.
const CREATING_PAUSE: Duration = Duration::from_millis(200);

/// What to do about a target.
enum Ready {
    /// Bring it up to date.
    Go,
    /// Nothing can be done.
    Not(Outcome),
    /// The process is going down; the target is left for the next one.
    Later,
}

/// Brings one database up to the deployment's version and records what became of it. Gives the
/// reason if its server cannot be reached.
pub(super) async fn settle(work: &Work, target: &Target) -> Result<Option<String>> {
    let started = Instant::now();
    let ready = ready(work, target).await?;
    // Held until the store has it, so that nobody tells the server what was before.
    let _accounts = match target.engine {
        Engine::Redis => Some(accounts::alone(&work.context, &target.server_id).await),
        Engine::Postgres | Engine::MySql | Engine::MongoDb => None,
    };
    let mut outcome = match ready {
        Ready::Not(outcome) => outcome,
        Ready::Later => return Ok(None),
        Ready::Go if target.engine == Engine::Redis => apply_settings(work, target).await?,
        Ready::Go => apply(work, target).await?,
    };
    outcome.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Some(failure) = &outcome.failure {
        let sqlstate = failure.sqlstate.as_deref().unwrap_or_default();
        tracing::warn!(
            sqlstate,
            error = failure.message,
            "target not brought to the version"
        );
    }
    let mut write = work.context.store.write().await?;
    deployments::settle(&mut write, target, &outcome).await?;
    if let Some(ordinal) = outcome.to_ordinal {
        databases::ordinal_set(&mut write, target.engine, &target.database, ordinal).await?;
        if outcome.status == TargetStatus::Completed && target.engine == Engine::Redis {
            put_route(&mut write, target).await?;
        }
    }
    write.commit().await?;
    let unreachable = outcome.failure.filter(|failure| failure.unreachable);
    Ok(unreachable.map(|failure| failure.message))
}

/// Waits for a database that is being made.
async fn ready(work: &Work, target: &Target) -> Result<Ready> {
    let deadline = Instant::now() + CREATING_MAX;
    loop {
        let mut read = work.context.store.read().await?;
        let stage = deployments::target_stage(&mut read, target).await?;
        drop(read);
        match stage {
            Some((Stage::Active, _)) => return Ok(Ready::Go),
            Some((Stage::Creating, _)) if Instant::now() < deadline => {
                tokio::select! {
                    () = tokio::time::sleep(CREATING_PAUSE) => {}
                    () = work.context.shutdown.cancelled() => return Ok(Ready::Later),
                }
            }
            Some((Stage::Creating, _)) => {
                return Ok(Ready::Not(failed(None, "the database is still being made")));
            }
            Some((Stage::Failed, _)) => {
                return Ok(Ready::Not(failed(None, "the database could not be made")));
            }
            None | Some((Stage::Deleting, _)) => return Ok(Ready::Not(skipped(None))),
        }
    }
}

async fn apply(work: &Work, target: &Target) -> Result<Outcome> {
    let provisioner = match work.context.provisioner(&target.server_id).await {
        Ok(provisioner) => provisioner,
        Err(error) => return Ok(failed(None, error.detail())),
    };
    let (known, begun) = begin(work, target).await?;
    let applied = provisioner
        .apply(Apply {
            database: &target.database,
            blueprint: &work.deployment.blueprint,
            versions: &work.versions,
            application_name: &format!("tdb-deploy-{}", work.deployment.id),
            lock_timeout: LOCK_TIMEOUT,
            statement_timeout: STATEMENT_TIMEOUT,
            known,
            begun,
            online: work.deployment.online,
        })
        .await;
    match applied {
        Ok(applied) if applied.from == applied.to => Ok(skipped(Some(applied.to))),
        Ok(applied) => Ok(Outcome {
            status: TargetStatus::Completed,
            from_ordinal: Some(applied.from),
            to_ordinal: Some(applied.to),
            failure: None,
            duration_ms: 0,
        }),
        Err(failure) => {
            // Deleted while it was worked on: nobody is waiting for it.
            let mut read = work.context.store.read().await?;
            match deployments::target_stage(&mut read, target).await? {
                None | Some((Stage::Deleting, _)) => Ok(skipped(failure.to)),
                Some((_, known)) => Ok(failed(Some((known, failure)), "")),
            }
        }
    }
}

/// Gives the accounts of a Redis database what the version allows. There is nothing between having
/// a version and not having it, so doing it again after a crash is all there is to be done.
async fn apply_settings(work: &Work, target: &Target) -> Result<Outcome> {
    let mut read = work.context.store.read().await?;
    let database = databases::fetch(&mut read, &target.database).await?;
    drop(read);
    let Some(database) = database.filter(|database| database.stage == Stage::Active) else {
        return Ok(skipped(None));
    };
    let (from, to) = (database.ordinal, work.deployment.ordinal);
    if from >= to {
        return Ok(skipped(Some(from)));
    }
    match accounts::deploy(&work.context, &database, to).await {
        Ok(()) => Ok(Outcome {
            status: TargetStatus::Completed,
            from_ordinal: Some(from),
            to_ordinal: Some(to),
            failure: None,
            duration_ms: 0,
        }),
        Err(error) => {
            let failure = Failure {
                from: Some(from),
                to: Some(from),
                sqlstate: None,
                message: error.detail().to_owned(),
                statement: None,
                unreachable: error.code() == Code::ServerUnreachable,
                needs_attention: false,
            };
            Ok(failed(Some((from, failure)), ""))
        }
    }
}

/// Tells the proxies what the version that a Redis database has now allows.
async fn put_route(write: &mut Write<'_>, target: &Target) -> Result<()> {
    let Some(database) = databases::fetch(write, &target.database).await? else {
        return Ok(());
    };
    if let Some(tenant) = tenants::fetch(write, &target.tenant).await? {
        put_tenant(write, &database, tenant.status).await?;
    }
    Ok(())
}

/// Notes which version may be begun before anything is, where the marker in the database is not
/// believed alone. Gives the version that control knows of, and the highest that it ever began.
async fn begin(work: &Work, target: &Target) -> Result<(u32, u32)> {
    let ordinal = work.deployment.ordinal;
    let (engine, name) = (target.engine, &target.database);
    if engine == Engine::Postgres {
        return Ok((0, ordinal));
    }
    let mut write = work.context.store.write().await?;
    databases::begun_raise(&mut write, engine, name, ordinal).await?;
    let ordinals = databases::ordinals(&mut write, engine, name).await?;
    write.commit().await?;
    Ok(ordinals.unwrap_or((0, ordinal)))
}

fn skipped(ordinal: Option<u32>) -> Outcome {
    Outcome {
        status: TargetStatus::Skipped,
        from_ordinal: ordinal,
        to_ordinal: ordinal,
        failure: None,
        duration_ms: 0,
    }
}

/// A failure of the server's, with the version that the store knew of; or one of ours.
fn failed(cause: Option<(u32, Failure)>, reason: &str) -> Outcome {
    let attention = cause
        .as_ref()
        .is_some_and(|(_, failure)| failure.needs_attention);
    let (known, failure) = match cause {
        Some((known, failure)) => (Some(known), failure),
        None => (
            None,
            Failure {
                from: None,
                to: None,
                sqlstate: None,
                message: reason.to_owned(),
                statement: None,
                unreachable: false,
                needs_attention: false,
            },
        ),
    };
    Outcome {
        status: match attention {
            true => TargetStatus::NeedsAttention,
            false => TargetStatus::Failed,
        },
        from_ordinal: failure.from.or(known),
        to_ordinal: failure.to.or(known),
        failure: Some(failure),
        duration_ms: 0,
    }
}
