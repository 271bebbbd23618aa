//! Which tenants, to which version; and whether that version may be deployed at all.

use tenantsdb_codecs::feed::id::Engine;

use crate::app::{blueprints as blueprint_rules, seal, template, workspaces};
use crate::blueprint::{version_name, version_ordinal};
use crate::context::Context;
use crate::error::{Code, Error, Result};
use crate::name::new_id;
use crate::store::deployments::{self, Deployment};
use crate::store::{Conn, versions};

/// A deployment to make.
#[derive(Clone, Debug)]
pub(crate) struct NewDeployment {
    pub(crate) blueprint: String,
    /// `1.n`; the newest if left out.
    pub(crate) version: Option<String>,
    pub(crate) targets: Targets,
    /// Refuse statements that would lock a table for writing. MySQL only.
    pub(crate) online: bool,
}

/// Whom a deployment is for.
#[derive(Clone, Debug)]
pub(crate) enum Targets {
    /// Every tenant that has a database of the blueprint.
    All,
    /// These tenants.
    Named(Vec<String>),
}

/// Makes a deployment; it is run in the background.
///
/// # Errors
///
/// An unknown blueprint, version or tenant; or the workspace cannot be read, and nobody knows which
/// version is the newest.
pub(crate) async fn create(context: &Context, new: NewDeployment) -> Result<Deployment> {
    let mut read = context.store.read().await?;
    let engine = workspaces::fetch_active(&mut read, &new.blueprint)
        .await?
        .engine;
    drop(read);
    if new.online && engine != Engine::MySql {
        return Err(Error::invalid(format!(
            "online is for MySQL: {engine} has no such choice for a whole statement"
        ))
        .hint(match engine {
            Engine::Postgres => {
                "leave it out; statements like CREATE INDEX CONCURRENTLY are deployed as written"
            }
            _ => "leave it out",
        }));
    }
    let newest = seal::seal(context, &new.blueprint).await?;
    let ordinal = target_ordinal(&new, newest)?;
    let id = new_id("dep")?;
    let mut write = context.store.write().await?;
    workspaces::fetch_active(&mut write, &new.blueprint).await?;
    deployments::insert(&mut write, &id, &new.blueprint, ordinal, new.online).await?;
    match &new.targets {
        Targets::All => deployments::targets_insert_all(&mut write, &id).await?,
        Targets::Named(tenants) => insert_named(&mut write, &id, &new.blueprint, tenants).await?,
    }
    let made = fetch(&mut write, &id).await?;
    write.commit().await?;
    context.deployments.wake();
    tracing::info!(
        deployment = id,
        blueprint = new.blueprint,
        version = version_name(ordinal),
        tenants = made.total,
        "deployment made"
    );
    Ok(made)
}

/// The deployment of that id.
pub(crate) async fn fetch(conn: &mut Conn, id: &str) -> Result<Deployment> {
    deployments::fetch(conn, id)
        .await?
        .ok_or_else(|| Error::not_found("deployment", id))
}

/// Makes sure that replaying the blueprint up to the version gives what the workspace had: either
/// that was seen, for this version or a later one, or it is looked at now for the newest.
pub(super) async fn check(context: &Context, deployment: &Deployment) -> Result<()> {
    let mut read = context.store.read().await?;
    let name = &deployment.blueprint;
    if versions::verified_from(&mut read, name, deployment.ordinal).await? {
        return Ok(());
    }
    let blueprint = blueprint_rules::fetch(&mut read, name).await?;
    drop(read);
    template::verify(context, &blueprint).await.map(|_| ())
}

fn target_ordinal(new: &NewDeployment, newest: u32) -> Result<u32> {
    let Some(version) = &new.version else {
        return Ok(newest);
    };
    version_ordinal(version)
        .filter(|ordinal| *ordinal <= newest)
        .ok_or_else(|| {
            Error::new(
                Code::UnknownVersion,
                format!(
                    "blueprint \"{}\" has no version \"{version}\"",
                    new.blueprint
                ),
            )
            .hint(format!("the newest is {}", version_name(newest)))
        })
}

async fn insert_named(
    conn: &mut Conn,
    id: &str,
    blueprint: &str,
    tenants: &[String],
) -> Result<()> {
    let mut names: Vec<&String> = tenants.iter().collect();
    names.sort_unstable();
    names.dedup();
    for (place, tenant) in (1..).zip(names) {
        if !deployments::target_insert(conn, id, place, tenant).await? {
            return Err(Error::new(
                Code::NotFound,
                format!("tenant \"{tenant}\" has no database of blueprint \"{blueprint}\""),
            ));
        }
    }
    Ok(())
}
