//! Tenants: a clone of a template, and a login that reaches nothing else.

use tenantsdb_codecs::feed::id::tenant_database;

use super::connect::{Admin, Postgres};
use super::database::{self, Source};
use super::quote::ident;
use super::template::template_database;
use super::{data_role, owner_role, roles};
use crate::provision::{Error, TenantSpec};

/// The template vanished between our look and the clone: `undefined_database`.
const NO_DATABASE: &str = "3D000";

impl Postgres {
    pub(in crate::provision) async fn tenant_create(
        &self,
        tenant: TenantSpec<'_>,
    ) -> Result<(), Error> {
        let lock = self.template_lock(tenant.blueprint);
        let _shared = lock.read().await;
        let mut admin = self.admin().await?;
        let name = tenant_database(tenant.blueprint, tenant.tenant);
        let template = template_database(tenant.blueprint, tenant.ordinal);
        roles::ensure_login(&mut admin, &name, tenant.verifier).await?;
        let grant = format!(
            "GRANT {} TO {}",
            ident(&data_role(tenant.blueprint)),
            ident(&name)
        );
        admin.run(&grant).await?;
        database::create_closed(&mut admin, &name, Source::Template(&template))
            .await
            .map_err(|error| match error {
                Error::Server { sqlstate, .. } if sqlstate == NO_DATABASE => {
                    Error::NoTemplate(tenant.ordinal)
                }
                other => other,
            })?;
        grant_rights(&mut admin, &tenant, &name).await?;
        database::open(&mut admin, &name).await?;
        admin.close().await;
        Ok(())
    }

    pub(in crate::provision) async fn tenant_drop(
        &self,
        blueprint: &str,
        tenant: &str,
    ) -> Result<(), Error> {
        let name = tenant_database(blueprint, tenant);
        let mut admin = self.admin().await?;
        database::drop_database(&mut admin, &name).await?;
        admin.close().await;
        self.drop_role(&name, None).await
    }
}

/// Rights on the database itself are not cloned with a template.
async fn grant_rights(admin: &mut Admin, tenant: &TenantSpec<'_>, name: &str) -> Result<(), Error> {
    let (database, owner) = (ident(name), ident(&owner_role(tenant.blueprint)));
    let grants = format!(
        "GRANT CREATE ON DATABASE {database} TO {owner}; \
         GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {database}"
    );
    admin.run(&grants).await?;
    if tenant.allow_ddl {
        admin
            .run(&format!(
                "GRANT {owner} TO {database}; GRANT TEMPORARY ON DATABASE {database} TO {owner}"
            ))
            .await?;
        admin
            .run(&roles::act_as_owner(name, &owner_role(tenant.blueprint)))
            .await?;
    }
    Ok(())
}
