//! Tenants: a copy of a template, and a login that reaches nothing else.

use tenantsdb_codecs::feed::id::tenant_database;

use super::accounts::{self, Rights, drop_account};
use super::connect::{Fault, MySql, Session, refused};
use super::copy::copy;
use super::database::{self, Found};
use super::flavour::account_name;
use super::marker;
use super::schema::Schema;
use super::template::{completed, template_database};
use crate::provision::{Error, TenantSpec};

impl MySql {
    pub(in crate::provision) async fn tenant_create(
        &self,
        tenant: TenantSpec<'_>,
    ) -> Result<(), Error> {
        let lock = self.template_lock(tenant.blueprint);
        let _shared = lock.read().await;
        let name = tenant_database(tenant.blueprint, tenant.tenant);
        let template = template_database(tenant.blueprint, tenant.ordinal);
        let alone = self.database_alone(&name).await;
        let mut admin = self.admin().await?;
        let ready = self.ready(&mut admin, &tenant, &name, &template).await;
        admin.close().await;
        if let Some((schema, fingerprint)) = ready? {
            self.fill(&name, &schema, tenant.ordinal, &fingerprint)
                .await?;
        }
        drop(alone);
        self.admin_once(async |admin| {
            accounts::ensure_login(admin, &name, tenant.verifier).await?;
            let rights = match tenant.allow_ddl {
                true => Rights::All,
                false => Rights::Data {
                    truncate: tenant.allow_truncate,
                },
            };
            accounts::grant(admin, &account_name(&name), &name, rights).await?;
            accounts::unlock(admin, &name).await
        })
        .await
    }

    pub(in crate::provision) async fn tenant_drop(
        &self,
        blueprint: &str,
        tenant: &str,
    ) -> Result<(), Error> {
        let name = tenant_database(blueprint, tenant);
        self.drop_with_login(&name).await
    }

    /// Drops a schema, its login and its deploy account.
    pub(super) async fn drop_with_login(&self, name: &str) -> Result<(), Error> {
        let _alone = self.database_alone(name).await;
        self.admin_once(async |admin| {
            accounts::lock_if_there(admin, name).await?;
            database::drop_database(admin, name).await?;
            // Behind its schema: MySQL keeps accounts that define what is there.
            drop_account(admin, &account_name(name)).await
        })
        .await
    }

    /// Sees to an empty schema that is marked as being made, with its deploy account, and gives
    /// what is to be copied. `None` if the tenant's schema is complete.
    async fn ready(
        &self,
        admin: &mut Session,
        tenant: &TenantSpec<'_>,
        name: &str,
        template: &str,
    ) -> Result<Option<(Schema, String)>, Fault> {
        match database::look(admin, name).await? {
            Found::Ours(marker) if marker.ordinal().is_some() => return Ok(None),
            // What a crash left.
            Found::Ours(_) => database::drop_database(admin, name).await?,
            Found::Nothing | Found::Empty => {}
            Found::Foreign => return Err(database::foreign(name)),
        }
        let Some((marker, fingerprint)) = completed(admin, template).await? else {
            return Err(Error::NoTemplate(tenant.ordinal).into());
        };
        let schema = Schema::read(admin, template, None).await?;
        let defaults = Some((schema.character_set.as_str(), schema.collation.as_str()));
        let version = (tenant.ordinal, marker.version_digest());
        database::create_marked(admin, name, defaults, version).await?;
        self.deployer_create(admin, name).await?;
        Ok(Some((schema, fingerprint)))
    }

    /// Copies into a schema that is marked as being made, and marks it as complete if it is what
    /// was copied.
    async fn fill(
        &self,
        name: &str,
        schema: &Schema,
        ordinal: u32,
        fingerprint: &str,
    ) -> Result<(), Error> {
        let filled = match self.deployer_open(name).await {
            Ok(mut deployer) => {
                let filled = async {
                    self.cut_here().await;
                    copy(&mut deployer.work, schema, name).await?;
                    self.cut_here().await;
                    let copied = Schema::read(&mut deployer.marker, name, None).await?;
                    let copied = copied.snapshot();
                    if copied.digest() != fingerprint {
                        let differences = copied.changed(&schema.snapshot());
                        return Err(refused(format!(
                            "the copy of the template is not what the template is: {}",
                            differences.join(", ")
                        )));
                    }
                    if deployer.marker.run(&marker::made(ordinal)).await? != 1 {
                        return Err(refused("a definition in the template writes the marker"));
                    }
                    self.cut_here().await;
                    Ok(())
                }
                .await;
                deployer.close().await;
                filled
            }
            Err(fault) => Err(fault),
        };
        self.deployer_close(name).await?;
        Ok(filled?)
    }
}
