//! SQL of deployments and their targets.

mod status;

use sqlx::{FromRow, Row as _};
use tenantsdb_codecs::feed::id::Engine;

use super::blueprints::Stage;
use super::{Conn, Row, named, natural, natural_opt};
use crate::error::Result;
use crate::provision::Failure;
pub(crate) use status::{DeploymentStatus, TargetStatus};

/// A deployment, with its targets counted.
#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) blueprint: String,
    /// Of the version that it goes to.
    pub(crate) ordinal: u32,
    pub(crate) status: DeploymentStatus,
    /// Why nothing could be deployed at all; empty otherwise.
    pub(crate) reason: String,
    /// Statements that would lock a table for writing are refused. MySQL only.
    pub(crate) online: bool,
    pub(crate) created_at: String,
    pub(crate) finished_at: Option<String>,
    pub(crate) total: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

/// One database of a deployment.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) deployment: String,
    /// Its place among the results, from 1.
    pub(crate) place: u32,
    pub(crate) engine: Engine,
    pub(crate) database: String,
    pub(crate) tenant: String,
    pub(crate) server_id: String,
    pub(crate) status: TargetStatus,
    pub(crate) from_ordinal: Option<u32>,
    pub(crate) to_ordinal: Option<u32>,
    pub(crate) error: Option<String>,
    pub(crate) sqlstate: Option<String>,
    pub(crate) statement: Option<String>,
    pub(crate) duration_ms: Option<u64>,
}

/// What is to be written about a target that is done.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) status: TargetStatus,
    pub(crate) from_ordinal: Option<u32>,
    pub(crate) to_ordinal: Option<u32>,
    pub(crate) failure: Option<Failure>,
    pub(crate) duration_ms: u64,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT d.*,
                (SELECT COUNT(*) FROM deployment_targets t WHERE t.deployment = d.id) AS total,
                (SELECT COUNT(*) FROM deployment_targets t WHERE t.deployment = d.id
                    AND t.status = 'completed') AS completed,
                (SELECT COUNT(*) FROM deployment_targets t WHERE t.deployment = d.id
                    AND t.status = 'failed') AS failed,
                (SELECT COUNT(*) FROM deployment_targets t WHERE t.deployment = d.id
                    AND t.status = 'skipped') AS skipped
             FROM deployments d ",
            $rest
        )
    };
}

// === impl Deployment ===

impl FromRow<'_, Row> for Deployment {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            blueprint: row.try_get("blueprint")?,
            ordinal: natural(row, "ordinal")?,
            status: named(row, "status")?,
            reason: row.try_get("reason")?,
            online: row.try_get("online")?,
            created_at: row.try_get("created_at")?,
            finished_at: row.try_get("finished_at")?,
            total: natural(row, "total")?,
            completed: natural(row, "completed")?,
            failed: natural(row, "failed")?,
            skipped: natural(row, "skipped")?,
        })
    }
}

// === impl Target ===

impl FromRow<'_, Row> for Target {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            deployment: row.try_get("deployment")?,
            place: natural(row, "place")?,
            engine: named(row, "engine")?,
            database: row.try_get("database")?,
            tenant: row.try_get("tenant")?,
            server_id: row.try_get("server_id")?,
            status: match row.try_get("needs_attention")? {
                true => TargetStatus::NeedsAttention,
                false => named(row, "status")?,
            },
            from_ordinal: natural_opt(row, "from_ordinal")?,
            to_ordinal: natural_opt(row, "to_ordinal")?,
            error: row.try_get("error")?,
            sqlstate: row.try_get("sqlstate")?,
            statement: row.try_get("statement")?,
            duration_ms: natural_opt(row, "duration_ms")?,
        })
    }
}

/// Adds a deployment that waits for its turn.
pub(crate) async fn insert(
    conn: &mut Conn,
    id: &str,
    blueprint: &str,
    ordinal: u32,
    online: bool,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO deployments (id, blueprint, ordinal, status, created_at, online)
         VALUES ($1, $2, $3, 'pending', $4, $5)",
    )
    .bind(id)
    .bind(blueprint)
    .bind(i64::from(ordinal))
    .bind(super::now())
    .bind(online)
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes targets of all databases of the deployment's blueprint that are there or being made, in
/// the order of their tenants' names.
pub(crate) async fn targets_insert_all(conn: &mut Conn, id: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO deployment_targets (deployment, place, engine, database, tenant, server_id,
                                         status)
         SELECT d.id, ROW_NUMBER() OVER (ORDER BY b.tenant), b.engine, b.name, b.tenant,
                b.server_id, 'pending'
         FROM deployments d JOIN databases b ON b.blueprint = d.blueprint
         WHERE d.id = $1 AND b.status IN ('active', 'creating')",
    )
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a target of one tenant's database; false if there is none.
pub(crate) async fn target_insert(
    conn: &mut Conn,
    id: &str,
    place: u32,
    tenant: &str,
) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO deployment_targets (deployment, place, engine, database, tenant, server_id,
                                         status)
         SELECT d.id, $2, b.engine, b.name, b.tenant, b.server_id, 'pending'
         FROM deployments d JOIN databases b ON b.blueprint = d.blueprint
         WHERE d.id = $1 AND b.tenant = $3 AND b.status IN ('active', 'creating')",
    )
    .bind(id)
    .bind(i64::from(place))
    .bind(tenant)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The deployment of that id.
pub(crate) async fn fetch(conn: &mut Conn, id: &str) -> Result<Option<Deployment>> {
    Ok(sqlx::query_as(select!("WHERE d.id = $1"))
        .bind(id)
        .fetch_optional(conn)
        .await?)
}

/// Deployments, newest first, older than `before` (`created_at` and id; none for the first page).
pub(crate) async fn list(
    conn: &mut Conn,
    blueprint: Option<&str>,
    before: Option<(&str, &str)>,
    limit: u32,
) -> Result<Vec<Deployment>> {
    let (created_at, id) = before.unwrap_or(("~", ""));
    Ok(sqlx::query_as(select!(
        "WHERE ($1 IS NULL OR d.blueprint = $1)
           AND (d.created_at < $2 OR (d.created_at = $2 AND d.id < $3))
         ORDER BY d.created_at DESC, d.id DESC LIMIT $4"
    ))
    .bind(blueprint)
    .bind(created_at)
    .bind(id)
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?)
}

/// For each blueprint the oldest deployment that is not over: its id and the blueprint.
pub(crate) async fn open_first(conn: &mut Conn) -> Result<Vec<(String, String)>> {
    let rows = sqlx::query(
        "SELECT id, blueprint FROM deployments WHERE finished_at IS NULL
         ORDER BY created_at, id",
    )
    .fetch_all(conn)
    .await?;
    let mut first: Vec<(String, String)> = Vec::new();
    for row in rows {
        let blueprint: String = row.try_get("blueprint")?;
        if !first.iter().any(|(_, other)| *other == blueprint) {
            first.push((row.try_get("id")?, blueprint));
        }
    }
    Ok(first)
}

/// Marks a deployment as being worked on, and takes back the targets that an attempt before this
/// one left claimed: a process that is gone, or one that could not record what became of them. Only
/// one attempt at a deployment is made at a time.
pub(crate) async fn begin(conn: &mut Conn, id: &str) -> Result<()> {
    sqlx::query(
        "UPDATE deployment_targets SET status = 'pending'
         WHERE deployment = $1 AND status = 'running'",
    )
    .bind(id)
    .execute(&mut *conn)
    .await?;
    sqlx::query("UPDATE deployments SET status = 'running' WHERE id = $1")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// The servers on which targets are still to be done.
pub(crate) async fn open_servers(conn: &mut Conn, id: &str) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT server_id FROM deployment_targets
         WHERE deployment = $1 AND status IN ('pending', 'running') ORDER BY server_id",
    )
    .bind(id)
    .fetch_all(conn)
    .await?)
}

/// Takes the next target of a server.
pub(crate) async fn claim(conn: &mut Conn, id: &str, server_id: &str) -> Result<Option<Target>> {
    Ok(sqlx::query_as(
        "UPDATE deployment_targets SET status = 'running'
         WHERE deployment = $1 AND place = (
             SELECT MIN(place) FROM deployment_targets
             WHERE deployment = $1 AND server_id = $2 AND status = 'pending')
         RETURNING *",
    )
    .bind(id)
    .bind(server_id)
    .fetch_optional(conn)
    .await?)
}

/// Records what became of a target.
pub(crate) async fn settle(conn: &mut Conn, target: &Target, outcome: &Outcome) -> Result<()> {
    let failure = outcome.failure.as_ref();
    sqlx::query(
        "UPDATE deployment_targets SET status = $3, from_ordinal = $4, to_ordinal = $5,
             error = $6, sqlstate = $7, statement = $8, duration_ms = $9, needs_attention = $10
         WHERE deployment = $1 AND place = $2",
    )
    .bind(&target.deployment)
    .bind(i64::from(target.place))
    .bind(outcome.status.stored())
    .bind(outcome.from_ordinal.map(i64::from))
    .bind(outcome.to_ordinal.map(i64::from))
    .bind(failure.map(|failure| failure.message.as_str()))
    .bind(failure.and_then(|failure| failure.sqlstate.as_deref()))
    .bind(failure.and_then(|failure| failure.statement.as_deref()))
    .bind(super::integer(outcome.duration_ms)?)
    .bind(outcome.status == TargetStatus::NeedsAttention)
    .execute(conn)
    .await?;
    Ok(())
}

/// Fails all targets that nobody works on yet, of one server or of all, for the same reason.
pub(crate) async fn fail_pending(
    conn: &mut Conn,
    id: &str,
    server_id: Option<&str>,
    reason: &str,
) -> Result<()> {
    sqlx::query(
        "UPDATE deployment_targets SET status = 'failed', error = $3
         WHERE deployment = $1 AND ($2 IS NULL OR server_id = $2)
           AND status = 'pending'",
    )
    .bind(id)
    .bind(server_id)
    .bind(reason)
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a deployment: failed with a reason or with failed targets, completed otherwise.
pub(crate) async fn finish(conn: &mut Conn, id: &str, reason: &str) -> Result<()> {
    sqlx::query(
        "UPDATE deployments SET finished_at = $2, reason = $3,
             status = CASE WHEN $3 <> '' OR EXISTS (
                 SELECT 1 FROM deployment_targets t
                 WHERE t.deployment = deployments.id AND t.status = 'failed')
             THEN 'failed' ELSE 'completed' END
         WHERE id = $1",
    )
    .bind(id)
    .bind(super::now())
    .bind(reason)
    .execute(conn)
    .await?;
    Ok(())
}

/// Targets of a deployment behind `after` in their order.
pub(crate) async fn targets(
    conn: &mut Conn,
    id: &str,
    after: u32,
    limit: u32,
) -> Result<Vec<Target>> {
    Ok(sqlx::query_as(
        "SELECT * FROM deployment_targets WHERE deployment = $1 AND place > $2
         ORDER BY place LIMIT $3",
    )
    .bind(id)
    .bind(i64::from(after))
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?)
}

/// The stage of a target's database, if it is still there, and the version it is known to have.
pub(crate) async fn target_stage(conn: &mut Conn, target: &Target) -> Result<Option<(Stage, u32)>> {
    let database = super::databases::fetch(conn, &target.database).await?;
    Ok(database.map(|database| (database.stage, database.ordinal)))
}

#[cfg(test)]
mod tests {
    use super::super::{databases, tests as rows};
    use super::*;

    async fn three_tenants() -> (tempfile::TempDir, super::super::Store) {
        let (dir, store) = rows::empty().await;
        rows::server(&store, "one", None).await;
        rows::server(&store, "two", None).await;
        rows::blueprint(&store, "one").await;
        for (tenant, server) in [("x", "one"), ("y", "two"), ("z", "one")] {
            rows::tenant(&store, tenant, server, 0).await;
        }
        (dir, store)
    }

    fn outcome(status: TargetStatus) -> Outcome {
        Outcome {
            status,
            from_ordinal: Some(0),
            to_ordinal: Some(1),
            failure: None,
            duration_ms: 7,
        }
    }

    #[tokio::test]
    async fn targets_are_claimed_once_each_by_server() {
        let (_dir, store) = three_tenants().await;
        let mut write = store.write().await.unwrap();
        insert(&mut write, "dep_1", "a", 1, false).await.unwrap();
        targets_insert_all(&mut write, "dep_1").await.unwrap();
        assert_eq!(
            open_servers(&mut write, "dep_1").await.unwrap(),
            ["srv_one", "srv_two"]
        );
        let x = claim(&mut write, "dep_1", "srv_one")
            .await
            .unwrap()
            .unwrap();
        let z = claim(&mut write, "dep_1", "srv_one")
            .await
            .unwrap()
            .unwrap();
        assert_eq!((x.tenant.as_str(), z.tenant.as_str()), ("x", "z"));
        assert!(
            claim(&mut write, "dep_1", "srv_one")
                .await
                .unwrap()
                .is_none()
        );
        settle(&mut write, &x, &outcome(TargetStatus::Completed))
            .await
            .unwrap();
        // What became of z could not be recorded; the deployment is taken up again.
        begin(&mut write, "dep_1").await.unwrap();
        let again = claim(&mut write, "dep_1", "srv_one")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(again.tenant, "z");
    }

    #[tokio::test]
    async fn a_deployment_with_a_failed_target_has_failed() {
        let (_dir, store) = three_tenants().await;
        let mut write = store.write().await.unwrap();
        for id in ["dep_1", "dep_2"] {
            insert(&mut write, id, "a", 1, false).await.unwrap();
            targets_insert_all(&mut write, id).await.unwrap();
        }
        assert_eq!(
            open_first(&mut write).await.unwrap(),
            [("dep_1".to_owned(), "a".to_owned())]
        );
        for status in [TargetStatus::Completed, TargetStatus::Skipped] {
            let target = claim(&mut write, "dep_1", "srv_one")
                .await
                .unwrap()
                .unwrap();
            settle(&mut write, &target, &outcome(status)).await.unwrap();
        }
        fail_pending(&mut write, "dep_1", Some("srv_two"), "gone")
            .await
            .unwrap();
        finish(&mut write, "dep_1", "").await.unwrap();
        let first = fetch(&mut write, "dep_1").await.unwrap().unwrap();
        assert_eq!(first.status, DeploymentStatus::Failed);
        assert_eq!((first.total, first.completed), (3, 1));
        assert_eq!((first.failed, first.skipped), (1, 1));
        let results = targets(&mut write, "dep_1", 1, 10).await.unwrap();
        assert_eq!(results.len(), 2);
        assert_eq!(results[0].error.as_deref(), Some("gone"));
        assert_eq!(open_first(&mut write).await.unwrap()[0].0, "dep_2");
    }

    #[tokio::test]
    async fn one_tenant_is_a_target_only_with_a_database_of_the_blueprint() {
        let (_dir, store) = three_tenants().await;
        let mut write = store.write().await.unwrap();
        insert(&mut write, "dep_1", "a", 1, false).await.unwrap();
        assert!(target_insert(&mut write, "dep_1", 1, "y").await.unwrap());
        assert!(
            !target_insert(&mut write, "dep_1", 2, "nobody")
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn what_needs_attention_is_told_apart_and_counted_with_the_failed() {
        let (_dir, store) = three_tenants().await;
        let mut write = store.write().await.unwrap();
        insert(&mut write, "dep_1", "a", 1, true).await.unwrap();
        targets_insert_all(&mut write, "dep_1").await.unwrap();
        let x = claim(&mut write, "dep_1", "srv_one")
            .await
            .unwrap()
            .unwrap();
        settle(&mut write, &x, &outcome(TargetStatus::NeedsAttention))
            .await
            .unwrap();
        fail_pending(&mut write, "dep_1", None, "gone")
            .await
            .unwrap();
        finish(&mut write, "dep_1", "").await.unwrap();
        let statuses: Vec<TargetStatus> = targets(&mut write, "dep_1", 0, 9)
            .await
            .unwrap()
            .iter()
            .map(|target| target.status)
            .collect();
        let failed = TargetStatus::Failed;
        assert_eq!(statuses, [TargetStatus::NeedsAttention, failed, failed]);
        let deployment = fetch(&mut write, "dep_1").await.unwrap().unwrap();
        assert_eq!((deployment.failed, deployment.online), (3, true));
        assert_eq!(deployment.status, DeploymentStatus::Failed);
    }

    #[tokio::test]
    async fn the_list_has_the_newest_first_and_pages() {
        let (_dir, store) = three_tenants().await;
        let mut write = store.write().await.unwrap();
        for id in ["dep_1", "dep_2", "dep_3"] {
            insert(&mut write, id, "a", 1, false).await.unwrap();
        }
        let first = list(&mut write, Some("a"), None, 2).await.unwrap();
        assert_eq!(first[0].id, "dep_3");
        let last = &first[1];
        let before = Some((last.created_at.as_str(), last.id.as_str()));
        let second = list(&mut write, None, before, 2).await.unwrap();
        assert_eq!(second.len(), 1);
        assert_eq!(second[0].id, "dep_1");
        assert!(
            list(&mut write, Some("b"), None, 2)
                .await
                .unwrap()
                .is_empty()
        );
    }

    #[tokio::test]
    async fn a_version_that_was_refused_is_no_target_for_a_database_in_the_making() {
        let (_dir, store) = three_tenants().await;
        let mut write = store.write().await.unwrap();
        insert(&mut write, "dep_1", "a", 1, false).await.unwrap();
        let target = databases::deployment_target(&mut write, "a", "").await;
        assert_eq!(target.unwrap(), Some(1));
        finish(&mut write, "dep_1", "it is not what the workspace has")
            .await
            .unwrap();
        let target = databases::deployment_target(&mut write, "a", "").await;
        assert_eq!(target.unwrap(), None);
    }
}
