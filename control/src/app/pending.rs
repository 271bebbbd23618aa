//! Logins whose password the server has not been told yet. MongoDB only: there the server makes
//! what is kept of a password, and cannot be given what was made elsewhere.
//!
//! Until it has been told, the row of the login holds the password, sealed with the master key, in
//! place of the verifier; proxies know no such login. So a crash at any moment leaves either a
//! password that can still be told, or what the server made of it.

use tenantsdb_codecs::feed::id::{DatabaseName, Engine};

use super::password::NewPassword;
use super::routes::{put_tenant, put_workspace};
use crate::context::Context;
use crate::error::Result;
use crate::store::blueprints::{self, Stage};
use crate::store::logins::{self, Login};
use crate::store::{Write, databases, tenants};

/// The password with what the row of a login of `database` holds of it at first.
pub(crate) fn at_first(
    context: &Context,
    engine: Engine,
    database: &str,
    new: NewPassword,
) -> Result<NewPassword> {
    if engine != Engine::MongoDb {
        return Ok(new);
    }
    Ok(NewPassword {
        verifier: context.master_key.seal(database, &new.password)?,
        password: new.password,
    })
}

/// Tells the server the password of a login that it has not been told, and keeps what it made of
/// it. If the database is open, proxies are told in the same step: gives the revision then. May be
/// repeated. The lock of the workspace or tenant is the caller's.
pub(crate) async fn settle(
    context: &Context,
    server_id: &str,
    login: Login,
) -> Result<(Login, Option<u64>)> {
    if !login.is_pending() {
        return Ok((login, None));
    }
    let password = context.master_key.open(&login.database, &login.verifier)?;
    let provisioner = context.provisioner(server_id).await?;
    if !is_open(context, &login.database).await? {
        // Somebody else's database must not be taken for one that is being made.
        provisioner.check_free(&login.database).await?;
    }
    let verifier = provisioner
        .login_password(&login.username, &password)
        .await?;
    let mut write = context.store.write().await?;
    logins::verifier_set(&mut write, &login, &verifier).await?;
    let routed = put_route(&mut write, &login.database).await?;
    write.commit().await?;
    Ok((Login { verifier, ..login }, routed))
}

/// Whether a workspace or tenant is there already, and not being made.
async fn is_open(context: &Context, database: &str) -> Result<bool> {
    let mut read = context.store.read().await?;
    let stage = match DatabaseName::parse(database) {
        Some(DatabaseName::Workspace { blueprint }) => {
            let row = blueprints::fetch(&mut read, blueprint).await?;
            row.map(|row| row.stage)
        }
        _ => {
            let row = databases::fetch(&mut read, database).await?;
            row.map(|row| row.stage)
        }
    };
    Ok(stage == Some(Stage::Active))
}

/// Tells the proxies of a database that is open.
async fn put_route(write: &mut Write<'_>, database: &str) -> Result<Option<u64>> {
    if let Some(DatabaseName::Workspace { blueprint }) = DatabaseName::parse(database) {
        let row = blueprints::fetch(write, blueprint).await?;
        return match row.filter(|row| row.stage == Stage::Active) {
            Some(row) => put_workspace(write, &row).await.map(Some),
            None => Ok(None),
        };
    }
    let row = databases::fetch(write, database).await?;
    let Some(row) = row.filter(|row| row.stage == Stage::Active) else {
        return Ok(None);
    };
    match tenants::fetch(write, &row.tenant).await? {
        Some(tenant) => put_tenant(write, &row, tenant.status).await.map(Some),
        None => Ok(None),
    }
}
