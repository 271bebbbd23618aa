//! Rules of workspaces: the development database that defines a blueprint.

use std::sync::Arc;

use tenantsdb_codecs::feed::id::{Engine, check_blueprint, workspace_database};
use tenantsdb_codecs::secret::Secret;
use tracing::Instrument as _;

use crate::context::{Context, Lock};
use crate::error::{Error, Result};
use crate::feed::Routed;
use crate::store::blueprints::{self, Blueprint, Stage};
use crate::store::{Conn, logins, namespaces, routes, snapshots};

use super::placement::{self, Place};
use super::{accounts, credentials, password, pending, routes::put_workspace, seal, template};

/// A workspace that was made, and what its maker is told once.
pub(crate) struct Made {
    pub(crate) blueprint: Blueprint,
    pub(crate) password: Secret<String>,
    pub(crate) routed: Routed,
}

/// Makes a workspace and its blueprint at version 1.0.
pub(crate) async fn create(
    context: &Context,
    name: &str,
    engine: Engine,
    server: Option<&str>,
) -> Result<Made> {
    check_blueprint(name)?;
    let _alone = context.locks.lock(Lock::Workspace(name.to_owned())).await;
    let mut read = context.store.read().await?;
    let server = plan(&mut read, name, engine, server).await?.server;
    drop(read);
    let new = password::new(engine, server.flavour())?;
    let new = pending::at_first(context, engine, &workspace_database(name), new)?;
    let mut write = context.store.write().await?;
    let Place { server, namespace } = plan(&mut write, name, engine, Some(&server.id)).await?;
    blueprints::insert(&mut write, name, engine, &server.id).await?;
    if let Some(namespace) = &namespace {
        namespaces::insert(&mut write, namespace, name).await?;
    }
    logins::insert(&mut write, engine, &workspace_database(name), &new.verifier).await?;
    write.commit().await?;
    let rev = match finish(context, name).await {
        Ok(rev) => rev,
        Err(error) => {
            undo(context, name, &error).await?;
            return Err(error);
        }
    };
    let database = workspace_database(name);
    credentials::warm(context, &server.id, &database, &new.password).await;
    let routed = context.feed.wait_routed(rev).await;
    tracing::info!(workspace = name, server = server.name, "workspace made");
    Ok(Made {
        blueprint: fetch(&mut *context.store.read().await?, name).await?,
        password: new.password,
        routed,
    })
}

/// Whether it may be made, and where.
async fn plan(conn: &mut Conn, name: &str, engine: Engine, server: Option<&str>) -> Result<Place> {
    if let Some(there) = blueprints::fetch(conn, name).await? {
        return Err(taken(&there));
    }
    placement::workspace(conn, name, engine, server).await
}

/// Makes on the server what the row says, and opens the workspace. May be repeated. The lock is the
/// caller's.
pub(crate) async fn finish(context: &Context, name: &str) -> Result<u64> {
    let mut read = context.store.read().await?;
    let blueprint = fetch(&mut read, name).await?;
    let database = workspace_database(name);
    let login = logins::of_database(&mut read, blueprint.engine, &database)
        .await?
        .pop()
        .ok_or_else(|| Error::internal(format!("{database} has no login")))?;
    drop(read);
    template::ensure_roles(context, name, &blueprint.server_id).await?;
    let (login, _) = pending::settle(context, &blueprint.server_id, login).await?;
    let provisioner = context.provisioner(&blueprint.server_id).await?;
    match blueprint.engine {
        Engine::Redis => accounts::make(context, &blueprint.server_id, &database).await?,
        _ => provisioner.workspace_create(name, &login.verifier).await?,
    }
    // Nobody was in it yet: this is what version 1.0 has.
    let snapshot = match blueprint.engine {
        Engine::Postgres | Engine::Redis => None,
        Engine::MySql | Engine::MongoDb => Some(provisioner.snapshot(&database).await?),
    };
    let mut write = context.store.write().await?;
    if let Some(snapshot) = &snapshot {
        snapshots::put(&mut write, name, snapshot).await?;
    }
    blueprints::stage_set(&mut write, name, Stage::Active, "").await?;
    logins::applied_set(&mut write, blueprint.engine, &database, true).await?;
    put_workspace(&mut write, &blueprint).await?;
    write.commit().await
}

/// Takes back a workspace that could not be made; if that fails too, keeps the row as failed.
pub(crate) async fn undo(context: &Context, name: &str, error: &Error) -> Result<()> {
    let removed = match error.is_not_ours() {
        true => Ok(()),
        false => remove_from_servers(context, name).await,
    };
    let mut write = context.store.write().await?;
    match removed {
        Ok(()) => forget(&mut write, name).await?,
        Err(second) => {
            tracing::warn!(workspace = name, error = %second, "cleaning up failed");
            blueprints::stage_set(&mut write, name, Stage::Failed, error.detail()).await?;
        }
    }
    write.commit().await?;
    Ok(())
}

/// Closes a workspace at once and removes it, its blueprint and its versions in the background.
pub(crate) async fn delete(context: &Arc<Context>, name: &str) -> Result<Blueprint> {
    let alone = context.locks.lock(Lock::Workspace(name.to_owned())).await;
    let mut write = context.store.write().await?;
    let mut blueprint = fetch(&mut write, name).await?;
    if blueprint.tenants > 0 {
        return Err(Error::conflict(format!(
            "blueprint \"{name}\" has {} tenants",
            blueprint.tenants
        ))
        .hint("delete them first"));
    }
    blueprint.stage = Stage::Deleting;
    blueprints::stage_set(&mut write, name, Stage::Deleting, "").await?;
    routes::drop(&mut write, blueprint.engine, &workspace_database(name)).await?;
    write.commit().await?;
    let (context, name) = (Arc::clone(context), name.to_owned());
    let span = tracing::info_span!("workspace_delete", workspace = name);
    context.clone().tasks.spawn(
        async move {
            let _alone = alone;
            if let Err(error) = finish_delete(&context, &name).await {
                tracing::warn!(%error, "removing a workspace failed; it will be tried again");
            }
        }
        .instrument(span),
    );
    Ok(blueprint)
}

/// Removes what is left of a workspace that is `deleting`. May be repeated. The lock is the
/// caller's.
pub(crate) async fn finish_delete(context: &Context, name: &str) -> Result<()> {
    let rev = *context.store.rev().borrow();
    context.feed.wait_routed(rev).await;
    remove_from_servers(context, name).await?;
    let mut write = context.store.write().await?;
    forget(&mut write, name).await?;
    write.commit().await?;
    tracing::info!(workspace = name, "workspace removed");
    Ok(())
}

async fn remove_from_servers(context: &Context, name: &str) -> Result<()> {
    let mut read = context.store.read().await?;
    let blueprint = fetch(&mut read, name).await?;
    let server_ids = blueprints::server_ids(&mut read, name).await?;
    drop(read);
    // Nobody may be reading the ledger while it goes.
    let _alone = context.locks.lock(Lock::Sealing(name.to_owned())).await;
    let provisioner = context.provisioner(&blueprint.server_id).await?;
    match blueprint.engine {
        Engine::Redis => accounts::remove(context, &workspace_database(name)).await?,
        _ => provisioner.workspace_drop(name).await?,
    }
    for server_id in &server_ids {
        context
            .provisioner(server_id)
            .await?
            .drop_blueprint(name)
            .await?;
    }
    Ok(())
}

async fn forget(conn: &mut Conn, name: &str) -> Result<()> {
    let engine = fetch(conn, name).await?.engine;
    logins::delete(conn, engine, &workspace_database(name)).await?;
    blueprints::delete(conn, name).await
}

/// The workspace of that name.
pub(crate) async fn fetch(conn: &mut Conn, name: &str) -> Result<Blueprint> {
    blueprints::fetch(conn, name)
        .await?
        .ok_or_else(|| Error::not_found("workspace", name))
}

/// An active blueprint that tenants can be made from.
pub(crate) async fn fetch_active(conn: &mut Conn, name: &str) -> Result<Blueprint> {
    let blueprint = super::blueprints::fetch(conn, name).await?;
    match blueprint.stage {
        Stage::Active => Ok(blueprint),
        stage => Err(seal::not_active(name, stage)),
    }
}

fn taken(there: &Blueprint) -> Error {
    let error = Error::conflict(format!(
        "there is a workspace \"{}\" already, and it is {}",
        there.name,
        there.stage.as_str()
    ));
    match there.stage {
        Stage::Failed => error.hint(format!("`tdb workspaces delete {}` first", there.name)),
        _ => error,
    }
}
