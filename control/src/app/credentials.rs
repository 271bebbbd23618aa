//! Rules of credentials: another password for a database, the old one refused everywhere.
//!
//! The proxies take the new verifier first, then the server; when both have it the sessions of the
//! old password are ended. A crash between leaves a login that is not applied, see `recover`.

use tenantsdb_codecs::feed::id::{DatabaseName, Engine};
use tenantsdb_codecs::mysql::Flavour;
use tenantsdb_codecs::secret::Secret;

use crate::context::{Context, Lock};
use crate::error::{Error, Result};
use crate::feed::Routed;
use crate::name::{ConnectionString, flavour};
use crate::provision::Provisioner;
use crate::store::blueprints::Stage;
use crate::store::databases::Database;
use crate::store::tenants::Tenant;
use crate::store::{Conn, databases, logins, tenants};

use super::routes::{put_tenant, put_workspace};
use super::tenants::applied;
use super::{accounts, password, pending, seal, workspaces};

/// A credential that was made, and what its asker is told once.
pub(crate) struct Rotated {
    /// Without the password.
    pub(crate) connection_string: ConnectionString,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) generation: u64,
    pub(crate) password: Secret<String>,
    pub(crate) routed: Routed,
}

/// Whose database it is.
enum Owner {
    Workspace(String),
    Tenant(String),
}

fn unknown(database: &str) -> Error {
    Error::not_found("database", database)
        .hint("a tenant's is BLUEPRINT__TENANT, a workspace's NAME_dev")
}

/// Gives the login of a database another password.
pub(crate) async fn rotate(context: &Context, database: &str) -> Result<Rotated> {
    let unknown = || unknown(database);
    let owner = match DatabaseName::parse(database).ok_or_else(unknown)? {
        DatabaseName::Workspace { blueprint } => Owner::Workspace(blueprint.to_owned()),
        DatabaseName::Tenant { tenant, .. } => Owner::Tenant(tenant.to_owned()),
    };
    let lock = match &owner {
        Owner::Workspace(name) => Lock::Workspace(name.clone()),
        Owner::Tenant(name) => Lock::Tenant(name.clone()),
    };
    let _alone = context.locks.lock(lock).await;
    let new = {
        let mut read = context.store.read().await?;
        let (engine, flavour) = kind_of(&mut read, &owner, database).await?;
        let new = password::new(engine, flavour)?;
        pending::at_first(context, engine, database, new)?
    };
    let mut write = context.store.write().await?;
    let (engine, server_id, server_version) = match &owner {
        Owner::Workspace(name) => {
            let blueprint = workspaces::fetch(&mut write, name).await?;
            if blueprint.stage != Stage::Active {
                return Err(seal::not_active(name, blueprint.stage));
            }
            logins::rotate(&mut write, blueprint.engine, database, &new.verifier).await?;
            put_workspace(&mut write, &blueprint).await?;
            (
                blueprint.engine,
                blueprint.server_id,
                blueprint.server_version,
            )
        }
        Owner::Tenant(_) => {
            let (tenant, row) = tenant_database(&mut write, database).await?;
            logins::rotate(&mut write, row.engine, database, &new.verifier).await?;
            put_tenant(&mut write, &row, tenant.status).await?;
            (row.engine, row.server_id, row.server_version)
        }
    };
    let login = logins::of_database(&mut write, engine, database)
        .await?
        .pop()
        .ok_or_else(unknown)?;
    let rev = write.commit().await?;
    let routed = context.feed.wait_routed(rev).await;
    let later = tell_server(context, &server_id, login.clone())
        .await
        .map_err(|error| error.hint("the old password is void; rotate again for one to use"))?;
    let routed = match later {
        Some(rev) => context.feed.wait_routed(rev).await,
        None => routed,
    };
    applied(context, engine, database).await?;
    warm(context, &server_id, database, &new.password).await;
    tracing::info!(
        database,
        generation = login.generation,
        "credential rotated"
    );
    Ok(Rotated {
        connection_string: ConnectionString::of(context, engine, &server_version, database),
        database: database.to_owned(),
        user: login.username,
        generation: login.generation,
        password: new.password,
        routed,
    })
}

async fn kind_of(
    conn: &mut Conn,
    owner: &Owner,
    database: &str,
) -> Result<(Engine, Option<Flavour>)> {
    match owner {
        Owner::Workspace(name) => {
            let row = workspaces::fetch(conn, name).await?;
            Ok((row.engine, row.flavour()))
        }
        Owner::Tenant(_) => {
            let (_, row) = tenant_database(conn, database).await?;
            Ok((row.engine, flavour(row.engine, &row.server_version)))
        }
    }
}

/// Gives the revision of the route, if there is another since.
async fn tell_server(
    context: &Context,
    server_id: &str,
    login: logins::Login,
) -> Result<Option<u64>> {
    let (login, routed) = pending::settle(context, server_id, login).await?;
    let provisioner: Provisioner = context.provisioner(server_id).await?;
    if login.engine == Engine::Redis {
        accounts::put_alone(context, server_id, &login.database).await?;
    } else {
        provisioner
            .login_rotate(&login.username, &login.verifier)
            .await?;
    }
    provisioner.terminate(&login.database).await?;
    Ok(routed)
}

/// Logs in once with a password that was just issued, so that MySQL's `caching_sha2_password` lets
/// the proxies in by proof from then on. Without it the first client has to send its password, so a
/// failure is nobody's concern.
pub(crate) async fn warm(
    context: &Context,
    server_id: &str,
    user: &str,
    password: &Secret<String>,
) {
    let warmed = async {
        let provisioner = context.provisioner(server_id).await?;
        Ok::<(), Error>(provisioner.login_warm(user, password).await?)
    };
    if let Err(error) = warmed.await {
        tracing::info!(user, %error, "the server does not know the new password by its hash yet");
    }
}

async fn tenant_database(conn: &mut Conn, name: &str) -> Result<(Tenant, Database)> {
    let unknown = || Error::not_found("database", name);
    let database = databases::fetch(conn, name).await?.ok_or_else(unknown)?;
    if database.stage != Stage::Active {
        return Err(Error::conflict(format!(
            "database \"{name}\" is {}",
            database.stage.as_str()
        )));
    }
    let tenant = tenants::fetch(conn, &database.tenant)
        .await?
        .ok_or_else(unknown)?;
    Ok((tenant, database))
}

/// Tells the server of a workspace what the store says about its login. May be repeated. The
/// workspace's lock is the caller's.
pub(crate) async fn apply_workspace(context: &Context, name: &str) -> Result<()> {
    let mut read = context.store.read().await?;
    let blueprint = workspaces::fetch(&mut read, name).await?;
    let database = tenantsdb_codecs::feed::id::workspace_database(name);
    let logins = logins::of_database(&mut read, blueprint.engine, &database).await?;
    drop(read);
    for login in logins {
        tell_server(context, &blueprint.server_id, login).await?;
    }
    applied(context, blueprint.engine, &database).await
}

/// What a repeated answer says in place of the password.
pub(crate) fn note(database: &str) -> String {
    format!(
        "the password was shown once, in the first answer; \
         `tdb credentials rotate {database}` makes another"
    )
}
