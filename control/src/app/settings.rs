//! Rules of the settings of a Redis blueprint. Setting them makes a version, which the workspace
//! has at once; tenants get it by a deployment, as they get DDL.

use tenantsdb_codecs::feed::id::{Engine, workspace_database};
use time::OffsetDateTime;

use crate::blueprint::{Origin, Settings, Statement, version_name};
use crate::context::{Context, Lock};
use crate::error::{Error, Result};
use crate::feed::Routed;
use crate::store::blueprints::{self, Blueprint};
use crate::store::{Conn, Write, logins, now, settings, versions};

use super::routes::put_workspace;
use super::{accounts, tenants, workspaces};

/// The settings of a workspace, and the version that they are.
pub(crate) async fn fetch(conn: &mut Conn, name: &str) -> Result<(Blueprint, Settings)> {
    let blueprint = workspaces::fetch(conn, name).await?;
    check_redis(&blueprint)?;
    let settings = settings::fetch(conn, name, blueprint.ordinal).await?;
    Ok((blueprint, settings))
}

/// Sets all of them. Nothing is made of what changes nothing.
pub(crate) async fn set(
    context: &Context,
    name: &str,
    new: Settings,
) -> Result<(Blueprint, Settings, Routed)> {
    let _alone = context.locks.lock(Lock::Workspace(name.to_owned())).await;
    let mut read = context.store.read().await?;
    let blueprint = workspaces::fetch_active(&mut read, name).await?;
    drop(read);
    check_redis(&blueprint)?;
    if let Some(wrong) = new.refused() {
        return Err(Error::invalid(wrong));
    }
    let provisioner = context.provisioner(&blueprint.server_id).await?;
    if let Some(wrong) = provisioner.rules_refused(&new.commands).await? {
        return Err(Error::invalid(wrong)
            .hint("a rule is like -flushall, +get, -@scripting or -client|list"));
    }
    let mut write = context.store.write().await?;
    let mut blueprint = workspaces::fetch_active(&mut write, name).await?;
    let old = settings::fetch(&mut write, name, blueprint.ordinal).await?;
    let statements = old.statements(&new);
    if !statements.is_empty() {
        blueprint.ordinal += 1;
        record(&mut write, &blueprint, &statements, &new).await?;
    }
    let rev = write.commit().await?;
    if !statements.is_empty() {
        let database = workspace_database(name);
        accounts::put_alone(context, &blueprint.server_id, &database)
            .await
            .map_err(|error| error.hint("the version is made; its server is told later"))?;
        tenants::applied(context, Engine::Redis, &database).await?;
        let version = version_name(blueprint.ordinal);
        tracing::info!(blueprint = name, version, "settings changed");
    }
    let routed = context.feed.wait_routed(rev).await;
    Ok((blueprint, new, routed))
}

async fn record(
    write: &mut Write<'_>,
    blueprint: &Blueprint,
    statements: &[String],
    new: &Settings,
) -> Result<()> {
    let (name, ordinal) = (&blueprint.name, blueprint.ordinal);
    versions::insert(write, name, ordinal, &now()).await?;
    for (place, ddl) in (1..).zip(statements) {
        let statement = statement(name, ddl);
        versions::statement_insert(write, name, ordinal, place, &statement).await?;
    }
    settings::insert(write, name, ordinal, new).await?;
    // There is nothing to be replayed that could come out otherwise.
    versions::verified_set(write, name, ordinal).await?;
    blueprints::ordinal_set(write, name, ordinal).await?;
    logins::applied_set(write, Engine::Redis, &workspace_database(name), false).await?;
    put_workspace(write, blueprint).await?;
    Ok(())
}

fn statement(blueprint: &str, text: &str) -> Statement {
    Statement {
        ddl: text.to_owned(),
        tag: text.split(' ').next().unwrap_or_default().to_owned(),
        search_path: String::new(),
        deploy: true,
        origin: Origin::Wire,
        captured_at: OffsetDateTime::now_utc(),
        user: workspace_database(blueprint),
        application_name: "control".to_owned(),
        context: None,
        probe: None,
    }
}

fn check_redis(blueprint: &Blueprint) -> Result<()> {
    if blueprint.engine == Engine::Redis {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "settings are for Redis: a {} blueprint is made by DDL in its workspace",
        blueprint.engine
    )))
}
