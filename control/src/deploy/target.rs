//! One database of a deployment.

use std::time::Duration;

use tokio::time::Instant;

use super::runner::Work;
use crate::error::Result;
use crate::provision::{Apply, Failure};
use crate::store::blueprints::Stage;
use crate::store::databases;
use crate::store::deployments::{self, Outcome, Target, TargetStatus};

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
    let mut outcome = match ready(work, target).await? {
        Ready::Not(outcome) => outcome,
        Ready::Later => return Ok(None),
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
    let applied = provisioner
        .apply(Apply {
            database: &target.database,
            blueprint: &work.deployment.blueprint,
            versions: &work.versions,
            application_name: &format!("tdb-deploy-{}", work.deployment.id),
            lock_timeout: LOCK_TIMEOUT,
            statement_timeout: STATEMENT_TIMEOUT,
            known: 0,
            begun: u32::MAX,
            online: false,
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
        status: TargetStatus::Failed,
        from_ordinal: failure.from.or(known),
        to_ordinal: failure.to.or(known),
        failure: Some(failure),
        duration_ms: 0,
    }
}
