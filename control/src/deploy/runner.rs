//! What runs deployments: one of each blueprint at a time, oldest first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::{self, JoinSet};
use tracing::Instrument as _;

use super::{plan, target};
use crate::app::template;
use crate::blueprint::Version;
use crate::context::Context;
use crate::error::Result;
use crate::store::deployments::{self, Deployment, DeploymentStatus};
use crate::store::versions;

/// How often deployments are looked for without being told of one.
const EVERY: Duration = Duration::from_secs(10);

/// What all workers on one server are given.
pub(super) struct Work {
    pub(super) context: Arc<Context>,
    pub(super) deployment: Deployment,
    pub(super) versions: Arc<Vec<Version>>,
    pub(super) server_id: String,
}

/// Runs until shutdown, and then until the targets under way are settled.
pub(crate) async fn run(context: Arc<Context>) {
    // Blueprints by the task that works on one of their deployments.
    let mut at_work: HashMap<task::Id, String> = HashMap::new();
    let mut tasks: JoinSet<()> = JoinSet::new();
    while !context.shutdown.is_cancelled() {
        match deployments_open(&context).await {
            Ok(open) => {
                for (id, blueprint) in open {
                    if at_work.values().all(|busy| *busy != blueprint) {
                        let span = tracing::info_span!("deployment", id);
                        let work = deployment(Arc::clone(&context), id).instrument(span);
                        at_work.insert(tasks.spawn(work).id(), blueprint);
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "deployments cannot be looked for"),
        }
        tokio::select! {
            () = context.deployments.woken() => {}
            () = tokio::time::sleep(EVERY) => {}
            () = context.shutdown.cancelled() => {}
            Some(done) = tasks.join_next_with_id() => {
                let task = match done {
                    Ok((task, ())) => task,
                    Err(error) => {
                        tracing::error!(%error, "a deployment broke off; it is begun again");
                        error.id()
                    }
                };
                at_work.remove(&task);
            }
        }
    }
    while tasks.join_next().await.is_some() {}
}

async fn deployments_open(context: &Context) -> Result<Vec<(String, String)>> {
    deployments::open_first(&mut *context.store.read().await?).await
}

/// Runs one deployment to its end, or to shutdown.
async fn deployment(context: Arc<Context>, id: String) {
    if let Err(error) = attempt(&context, &id).await {
        // Only the store can fail here. The row stays open and is taken up again.
        tracing::error!(%error, "the deployment is put off");
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = context.shutdown.cancelled() => {}
        }
    }
}

async fn attempt(context: &Arc<Context>, id: &str) -> Result<()> {
    let mut write = context.store.write().await?;
    deployments::begin(&mut write, id).await?;
    let deployment = plan::fetch(&mut write, id).await?;
    write.commit().await?;
    if let Err(error) = plan::check(context, &deployment).await {
        let reason = error.detail();
        tracing::warn!(%error, "the version cannot be deployed");
        let mut write = context.store.write().await?;
        deployments::fail_pending(&mut write, id, None, reason).await?;
        deployments::finish(&mut write, id, reason).await?;
        write.commit().await?;
        return Ok(());
    }
    let mut read = context.store.read().await?;
    let name = &deployment.blueprint;
    let versions = versions::up_to(&mut read, name, deployment.ordinal).await?;
    let servers = deployments::open_servers(&mut read, id).await?;
    drop(read);
    let versions = Arc::new(versions);
    let servers = servers
        .into_iter()
        .map(|server_id| server(context, &deployment, &versions, server_id));
    for done in join_all(servers).await {
        done?;
    }
    if context.shutdown.is_cancelled() {
        return Ok(());
    }
    let mut write = context.store.write().await?;
    deployments::finish(&mut write, id, "").await?;
    let deployment = plan::fetch(&mut write, id).await?;
    write.commit().await?;
    report(&deployment);
    Ok(())
}

/// All targets of one server, by a few workers.
async fn server(
    context: &Arc<Context>,
    deployment: &Deployment,
    versions: &Arc<Vec<Version>>,
    server_id: String,
) -> Result<()> {
    let ready = template::ensure_roles(context, &deployment.blueprint, &server_id).await;
    if let Err(error) = ready {
        tracing::warn!(%error, server_id, "the server is not ready for a deployment");
        return fail_server(context, &deployment.id, &server_id, error.detail()).await;
    }
    let work = Work {
        context: Arc::clone(context),
        deployment: deployment.clone(),
        versions: Arc::clone(versions),
        server_id,
    };
    let workers = (0..context.config.deploy_workers.get()).map(|_| worker(&work));
    for done in join_all(workers).await {
        done?;
    }
    Ok(())
}

/// One target after the other, until none is left.
async fn worker(work: &Work) -> Result<()> {
    while !work.context.shutdown.is_cancelled() {
        let mut write = work.context.store.write().await?;
        let claimed = deployments::claim(&mut write, &work.deployment.id, &work.server_id).await?;
        write.commit().await?;
        let Some(claimed) = claimed else { break };
        let span = tracing::info_span!("target", database = claimed.database);
        let unreachable = target::settle(work, &claimed).instrument(span).await?;
        if let Some(reason) = unreachable {
            // A minute of attempts for each of thousands of targets helps nobody; those that are
            // done are passed over by the next deployment.
            fail_server(&work.context, &work.deployment.id, &work.server_id, &reason).await?;
        }
    }
    Ok(())
}

/// Fails what nobody works on yet of a server that is of no use.
async fn fail_server(
    context: &Context,
    deployment: &str,
    server_id: &str,
    reason: &str,
) -> Result<()> {
    let mut write = context.store.write().await?;
    deployments::fail_pending(&mut write, deployment, Some(server_id), reason).await?;
    write.commit().await?;
    Ok(())
}

fn report(deployment: &Deployment) {
    tracing::info!(
        completed = deployment.completed,
        failed = deployment.failed,
        skipped = deployment.skipped,
        "deployment {}",
        match deployment.status {
            DeploymentStatus::Failed => "finished, some tenants failed",
            _ => "completed",
        }
    );
}
