//! Getting a server ready for databases of a blueprint: its roles, and the template of a version.

use tenantsdb_codecs::feed::id::{Engine, workspace_database};

use crate::context::{Context, Lock};
use crate::error::{Code, Error, Result};
use crate::provision;
use crate::store::blueprints::{self, Blueprint};
use crate::store::versions;

use super::seal::{correct, seal};

/// The workspace may move on while its schema is compared; then the newer version is looked at.
const VERIFY_ATTEMPTS_MAX: u32 = 5;

/// Seals the workspace and makes sure that replaying its versions gives its schema; gives the
/// ordinal of that version.
///
/// # Errors
///
/// It does not: such a version is not deployed to anybody.
pub(crate) async fn verify(context: &Context, blueprint: &Blueprint) -> Result<u32> {
    let name = &blueprint.name;
    let mut ordinal = seal(context, name).await?;
    for _ in 0..VERIFY_ATTEMPTS_MAX {
        let known = versions::verified(&mut *context.store.read().await?, name, ordinal).await?;
        if known {
            return Ok(ordinal);
        }
        ensure(context, name, &blueprint.server_id, ordinal).await?;
        let provisioner = context.provisioner(&blueprint.server_id).await?;
        let database = workspace_database(name);
        match provisioner.template_check(name, ordinal, &database).await {
            Ok(()) => {
                let mut write = context.store.write().await?;
                versions::verified_set(&mut write, name, ordinal).await?;
                write.commit().await?;
                return Ok(ordinal);
            }
            Err(error) => {
                let mut newest = seal(context, name).await?;
                if newest == ordinal && matches!(error, provision::Error::NotDeployable(_)) {
                    newest = correct(context, blueprint, ordinal).await?;
                }
                if newest == ordinal {
                    return Err(error.into());
                }
                ordinal = newest;
            }
        }
    }
    Err(Error::new(
        Code::NotDeployable,
        format!("the workspace of \"{name}\" changes faster than it can be compared"),
    )
    .hint("try again when nobody runs DDL in it"))
}

/// Makes the blueprint's roles and the template of a version on a server, if they are not there.
pub(crate) async fn ensure(
    context: &Context,
    blueprint: &str,
    server_id: &str,
    ordinal: u32,
) -> Result<()> {
    let lock = Lock::Template(blueprint.to_owned(), server_id.to_owned());
    let _alone = context.locks.lock(lock).await;
    let mut read = context.store.read().await?;
    let known = blueprints::server_known(&mut read, blueprint, server_id).await?;
    drop(read);
    if !known {
        ensure_roles(context, blueprint, server_id).await?;
    }
    let versions = versions::up_to(&mut *context.store.read().await?, blueprint, ordinal).await?;
    let provisioner = context.provisioner(server_id).await?;
    let found = provisioner.template_ensure(blueprint, &versions).await?;
    if found.is_empty() {
        return Ok(());
    }
    let mut write = context.store.write().await?;
    for (ordinal, place, probe) in &found {
        versions::probe_set(&mut write, blueprint, (*ordinal, *place), probe).await?;
    }
    write.commit().await?;
    Ok(())
}

/// Makes the blueprint's roles on a server.
pub(crate) async fn ensure_roles(
    context: &Context,
    blueprint: &str,
    server_id: &str,
) -> Result<()> {
    let mut read = context.store.read().await?;
    let row = blueprints::fetch(&mut read, blueprint).await?;
    drop(read);
    if row.is_some_and(|row| row.engine == Engine::Redis) {
        // It has none: each account says all that it may do.
        return Ok(());
    }
    // Recorded first: what a crash leaves there is dropped with the blueprint.
    let mut write = context.store.write().await?;
    blueprints::server_insert(&mut write, blueprint, server_id).await?;
    write.commit().await?;
    let provisioner = context.provisioner(server_id).await?;
    Ok(provisioner.ensure_blueprint(blueprint).await?)
}
