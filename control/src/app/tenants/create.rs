//! Making a tenant, or a database of one more blueprint for a tenant that is there.
//!
//! The verifier is committed with the row before anything is made on the server, so that a crash
//! leaves a database that can be finished. Nobody knows the password then; it can be rotated.

use std::collections::BTreeMap;
use std::time::Duration;

use tenantsdb_codecs::feed::id::{Engine, check_tenant, tenant_database};
use tenantsdb_codecs::feed::route::PoolMode;
use tenantsdb_codecs::secret::Secret;

use crate::context::{Context, Lock};
use crate::error::{Error, Result};
use crate::feed::Routed;
use crate::name::new_id;
use crate::provision::{self, Apply, TenantSpec};
use crate::store::blueprints::{Blueprint, Stage};
use crate::store::databases::{self, Database};
use crate::store::tenants::{self, Tenant, TenantStatus};
use crate::store::{self, Conn, logins, namespaces, versions};

use super::{Full, allowed};
use crate::app::placement::{self, Place};
use crate::app::routes::put_tenant;
use crate::app::{accounts, credentials, password, pending, template, workspaces};

/// How often a database is begun again because its template was replaced by a newer one meanwhile.
const TEMPLATE_ATTEMPTS_MAX: u32 = 5;
/// How long a statement that brings a new database up to a running deployment waits for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long such a statement may take: the database is empty.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// A tenant to make.
#[derive(Clone, Debug)]
pub(crate) struct NewTenant {
    pub(crate) name: String,
    pub(crate) blueprint: String,
    pub(crate) allow_ddl: bool,
    /// MySQL only.
    pub(crate) allow_truncate: bool,
    /// MySQL only.
    pub(crate) allow_local_infile: bool,
    /// MongoDB only.
    pub(crate) pool_mode: Option<PoolMode>,
    pub(crate) external_id: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    /// A server by name or id, instead of the one with most room.
    pub(crate) server: Option<String>,
    /// A server of its own. Redis only.
    pub(crate) dedicated: bool,
}

/// What was made, and what its maker is told once.
pub(crate) struct Made {
    pub(crate) full: Full,
    /// The new database.
    pub(crate) database: String,
    pub(crate) password: Secret<String>,
    pub(crate) routed: Routed,
}

/// Makes a tenant's database of a blueprint.
pub(crate) async fn create(context: &Context, new: NewTenant) -> Result<Made> {
    check_tenant(&new.name)?;
    let _alone = context.locks.lock(Lock::Tenant(new.name.clone())).await;
    let (blueprint, Place { server, .. }) = {
        let mut read = context.store.read().await?;
        plan(&mut read, &new).await?
    };
    let ordinal = template::verify(context, &blueprint).await?;
    template::ensure(context, &blueprint.name, &server.id, ordinal).await?;
    let secret = password::new(blueprint.engine, server.flavour())?;
    let name = tenant_database(&blueprint.name, &new.name);
    let secret = pending::at_first(context, blueprint.engine, &name, secret)?;
    let database = insert(context, &new, ordinal, &server.id, &secret.verifier).await?;
    let rev = match finish(context, &database).await {
        Ok(rev) => rev,
        Err(error) => {
            undo(context, &database, &error).await?;
            return Err(error);
        }
    };
    let name = &database.name;
    credentials::warm(context, &server.id, name, &secret.password).await;
    let routed = context.feed.wait_routed(rev).await;
    tracing::info!(
        database = database.name,
        server = server.name,
        "tenant made"
    );
    Ok(Made {
        full: super::fetch(&mut *context.store.read().await?, &new.name).await?,
        database: database.name,
        password: secret.password,
        routed,
    })
}

/// Whether it may be made, and where.
async fn plan(conn: &mut Conn, new: &NewTenant) -> Result<(Blueprint, Place)> {
    let blueprint = workspaces::fetch_active(conn, &new.blueprint).await?;
    allowed::check(blueprint.engine, new)?;
    if let Some(tenant) = tenants::fetch(conn, &new.name).await? {
        check_room(conn, &tenant, new).await?;
    }
    let wanted = (new.server.as_deref(), new.dedicated);
    let place = placement::tenant(conn, &blueprint, &new.name, wanted).await?;
    Ok((blueprint, place))
}

async fn check_room(conn: &mut Conn, tenant: &Tenant, new: &NewTenant) -> Result<()> {
    let there = databases::of_tenant(conn, &tenant.name).await?;
    let name = &tenant.name;
    if there
        .iter()
        .any(|database| database.blueprint == new.blueprint)
    {
        let error = Error::conflict(format!(
            "tenant \"{name}\" has a database of blueprint \"{}\" already",
            new.blueprint
        ));
        return Err(match tenant.status {
            TenantStatus::Failed => error.hint(format!("`tdb tenants delete {name}` first")),
            _ => error,
        });
    }
    if tenant.status != TenantStatus::Active {
        return Err(Error::conflict(format!(
            "tenant \"{name}\" is {}",
            tenant.status.as_str()
        )));
    }
    if new.external_id.is_some() || !new.labels.is_empty() {
        return Err(Error::conflict(format!(
            "tenant \"{name}\" is there already: external_id and labels are set when it is made"
        )));
    }
    Ok(())
}

async fn insert(
    context: &Context,
    new: &NewTenant,
    ordinal: u32,
    server_id: &str,
    verifier: &str,
) -> Result<Database> {
    let mut write = context.store.write().await?;
    let named = NewTenant {
        server: Some(server_id.to_owned()),
        ..new.clone()
    };
    let (blueprint, Place { server, namespace }) = plan(&mut write, &named).await?;
    if tenants::fetch(&mut write, &new.name).await?.is_none() {
        let tenant = Tenant {
            name: new.name.clone(),
            id: new_id("ten")?,
            external_id: new.external_id.clone(),
            labels: new.labels.clone(),
            status: TenantStatus::Creating,
            reason: String::new(),
            created_at: store::now(),
        };
        tenants::insert(&mut write, &tenant).await?;
    }
    let database = Database {
        engine: blueprint.engine,
        name: tenant_database(&blueprint.name, &new.name),
        tenant: new.name.clone(),
        blueprint: blueprint.name,
        server_id: server.id,
        ordinal,
        stage: Stage::Creating,
        reason: String::new(),
        allow_ddl: new.allow_ddl,
        allow_truncate: new.allow_truncate,
        allow_local_infile: new.allow_local_infile,
        pool_mode: new.pool_mode.unwrap_or_default(),
        created_at: store::now(),
        prefix: namespace.as_ref().and_then(|place| place.prefix.clone()),
        server: server.name,
        server_version: server.version,
    };
    databases::insert(&mut write, &database).await?;
    if let Some(namespace) = &namespace {
        namespaces::insert(&mut write, namespace, &database.blueprint).await?;
    }
    logins::insert(&mut write, database.engine, &database.name, verifier).await?;
    write.commit().await?;
    Ok(database)
}

/// Makes on the server what the rows say, and opens the database; gives the revision of its route.
/// May be repeated. The tenant's lock is the caller's.
pub(crate) async fn finish(context: &Context, database: &Database) -> Result<u64> {
    let mut database = database.clone();
    make(context, &mut database).await?;
    loop {
        match open(context, &database).await? {
            Opened::At(rev) => return Ok(rev),
            Opened::Behind(target) => catch_up(context, &mut database, target).await?,
        }
    }
}

/// Makes the database and its login from the template of the version that the row names.
async fn make(context: &Context, database: &mut Database) -> Result<()> {
    if database.engine == Engine::Redis {
        return accounts::make(context, &database.server_id, &database.name).await;
    }
    let mut read = context.store.read().await?;
    let login = logins::of_database(&mut read, database.engine, &database.name)
        .await?
        .pop()
        .ok_or_else(|| Error::internal(format!("{} has no login", database.name)))?;
    drop(read);
    let (login, _) = pending::settle(context, &database.server_id, login).await?;
    let provisioner = context.provisioner(&database.server_id).await?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let spec = TenantSpec {
            blueprint: &database.blueprint,
            tenant: &database.tenant,
            verifier: &login.verifier,
            ordinal: database.ordinal,
            allow_ddl: database.allow_ddl,
            allow_truncate: database.allow_truncate,
        };
        match provisioner.tenant_create(spec).await {
            Ok(()) => return Ok(()),
            Err(provision::Error::NoTemplate(_)) if attempts < TEMPLATE_ATTEMPTS_MAX => {}
            Err(error) => return Err(error.into()),
        }
        // Two newer versions came meanwhile and only two templates are kept: be born at the newest.
        let blueprint = {
            let mut read = context.store.read().await?;
            workspaces::fetch_active(&mut read, &database.blueprint).await?
        };
        let ordinal = template::verify(context, &blueprint).await?;
        template::ensure(context, &blueprint.name, &database.server_id, ordinal).await?;
        database.ordinal = ordinal;
        let mut write = context.store.write().await?;
        databases::ordinal_set(&mut write, database.engine, &database.name, ordinal).await?;
        write.commit().await?;
    }
}

enum Opened {
    /// The revision of the route.
    At(u64),
    /// A deployment that began meanwhile goes to this version, and did not see this database.
    Behind(u32),
}

/// Opens the database, unless a deployment passed by while it was being made: that one looked for
/// its targets in a write transaction, as this is, so one of the two sees the other.
async fn open(context: &Context, database: &Database) -> Result<Opened> {
    let mut write = context.store.write().await?;
    let since = &database.created_at;
    let target = databases::deployment_target(&mut write, &database.blueprint, since).await?;
    if let Some(target) = target.filter(|target| *target > database.ordinal) {
        return Ok(Opened::Behind(target));
    }
    databases::stage_set(&mut write, database, Stage::Active, "").await?;
    logins::applied_set(&mut write, database.engine, &database.name, true).await?;
    let tenant = super::fetch(&mut write, &database.tenant).await?.tenant;
    let status = match tenant.status {
        TenantStatus::Creating => {
            let active = TenantStatus::Active;
            tenants::status_set(&mut write, &tenant.name, active, "").await?;
            active
        }
        other => other,
    };
    put_tenant(&mut write, database, status).await?;
    write.commit().await.map(Opened::At)
}

async fn catch_up(context: &Context, database: &mut Database, target: u32) -> Result<()> {
    if database.engine == Engine::Redis {
        let _alone = accounts::alone(context, &database.server_id).await;
        accounts::deploy(context, database, target).await?;
        database.ordinal = target;
        let mut write = context.store.write().await?;
        databases::ordinal_set(&mut write, database.engine, &database.name, target).await?;
        write.commit().await?;
        return Ok(());
    }
    let mut read = context.store.read().await?;
    let versions = versions::up_to(&mut read, &database.blueprint, target).await?;
    drop(read);
    let mut write = context.store.write().await?;
    databases::begun_raise(&mut write, database.engine, &database.name, target).await?;
    write.commit().await?;
    let apply = Apply {
        database: &database.name,
        blueprint: &database.blueprint,
        versions: &versions,
        application_name: "tdb-tenant-create",
        lock_timeout: LOCK_TIMEOUT,
        statement_timeout: STATEMENT_TIMEOUT,
        known: database.ordinal,
        begun: target,
        online: false,
    };
    let provisioner = context.provisioner(&database.server_id).await?;
    let applied = provisioner.apply(apply).await.map_err(|failure| {
        Error::internal(format!(
            "bringing {} to version 1.{target} failed: {failure}",
            database.name
        ))
    })?;
    database.ordinal = applied.to;
    let mut write = context.store.write().await?;
    databases::ordinal_set(&mut write, database.engine, &database.name, applied.to).await?;
    write.commit().await?;
    Ok(())
}

/// Takes back a database that could not be made; if that fails too, keeps the row as failed.
pub(crate) async fn undo(context: &Context, database: &Database, error: &Error) -> Result<()> {
    if !error.is_not_ours()
        && let Err(second) = drop_from_server(context, database).await
    {
        tracing::warn!(database = database.name, error = %second, "cleaning up failed");
        return fail(context, database, error.detail()).await;
    }
    let mut write = context.store.write().await?;
    databases::delete(&mut write, database.engine, &database.name).await?;
    if databases::of_tenant(&mut write, &database.tenant)
        .await?
        .is_empty()
    {
        tenants::delete(&mut write, &database.tenant).await?;
    }
    write.commit().await?;
    Ok(())
}

async fn drop_from_server(context: &Context, database: &Database) -> Result<()> {
    if database.engine == Engine::Redis {
        return accounts::remove(context, &database.name).await;
    }
    let provisioner = context.provisioner(&database.server_id).await?;
    Ok(provisioner
        .tenant_drop(&database.blueprint, &database.tenant)
        .await?)
}

/// Keeps a database that could not be made, with the reason: it can be deleted.
async fn fail(context: &Context, database: &Database, reason: &str) -> Result<()> {
    let mut write = context.store.write().await?;
    databases::stage_set(&mut write, database, Stage::Failed, reason).await?;
    let tenant = super::fetch(&mut write, &database.tenant).await?.tenant;
    if tenant.status == TenantStatus::Creating {
        tenants::status_set(&mut write, &tenant.name, TenantStatus::Failed, reason).await?;
    }
    write.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::Running;
    use crate::store::tests as rows;

    #[tokio::test]
    async fn what_is_not_ours_is_left_alone_and_what_cannot_be_cleaned_up_is_kept() {
        let control = Running::start().await;
        let context = &control.context;
        // Nobody can log in to this server: whatever would be dropped there cannot be.
        rows::server(&context.store, "s1", None).await;
        rows::blueprint(&context.store, "s1").await;
        rows::tenant(&context.store, "t", "s1", 0).await;
        let mut read = context.store.read().await.unwrap();
        let database = databases::fetch(&mut read, "a__t").await.unwrap().unwrap();
        drop(read);

        let failed = Error::from(provision::Error::Server {
            sqlstate: "53100".to_owned(),
            message: "disk full".to_owned(),
        });
        undo(context, &database, &failed).await.unwrap();
        let kept = super::super::fetch(&mut context.store.read().await.unwrap(), "t")
            .await
            .unwrap();
        assert_eq!(kept.databases[0].stage, Stage::Failed);
        assert_eq!(kept.databases[0].reason, "disk full");

        let refused = Error::from(provision::Error::Refused("somebody else's".to_owned()));
        undo(context, &database, &refused).await.unwrap();
        let mut read = context.store.read().await.unwrap();
        assert!(tenants::fetch(&mut read, "t").await.unwrap().is_none());
    }
}
