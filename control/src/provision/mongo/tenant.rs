//! Tenants: a database made as a template says, and a login that reaches nothing else.

use tenantsdb_codecs::feed::id::tenant_database;

use super::connect::{Fault, Mongo, refused};
use super::database::{There, foreign};
use super::template::template_database;
use super::users::Rights;
use crate::provision::{Error, TenantSpec};

impl Mongo {
    pub(in crate::provision) async fn tenant_create(
        &self,
        tenant: TenantSpec<'_>,
    ) -> Result<(), Error> {
        let lock = self.template_lock(tenant.blueprint);
        let _shared = lock.read().await;
        let name = tenant_database(tenant.blueprint, tenant.tenant);
        let _alone = self.database_alone(&name).await;
        self.check_verifier(&name, tenant.verifier).await?;
        self.fill(&tenant, &name).await?;
        let rights = match tenant.allow_ddl {
            true => Rights::All,
            false => Rights::Data,
        };
        self.grant(&name, rights).await?;
        Ok(())
    }

    pub(in crate::provision) async fn tenant_drop(
        &self,
        blueprint: &str,
        tenant: &str,
    ) -> Result<(), Error> {
        let name = tenant_database(blueprint, tenant);
        let _alone = self.database_alone(&name).await;
        Ok(self.database_clear(&name).await?)
    }

    /// Makes what the template has, unless it is there, and marks it as complete if it is that.
    async fn fill(&self, tenant: &TenantSpec<'_>, name: &str) -> Result<(), Fault> {
        match self.look(name).await? {
            There::Ours(written) if written.marker.ordinal().is_some() => return Ok(()),
            // What a crash left.
            There::Ours(_) => self.database_drop(name).await?,
            There::Nothing => {}
            There::Foreign => return Err(foreign(name)),
        }
        let template = template_database(tenant.blueprint, tenant.ordinal);
        let Some((written, fingerprint)) = self.completed(&template).await? else {
            return Err(Error::NoTemplate(tenant.ordinal).into());
        };
        let version = (tenant.ordinal, written.marker.version_digest());
        self.marker_making(name, version).await?;
        self.cut_here().await;
        self.make(name, &written.objects).await?;
        let made = self.read(name).await?;
        if made.digest() != fingerprint {
            return Err(refused(format!(
                "what was made of the template is not what the template is: {}",
                made.changed(&written.objects).join(", ")
            )));
        }
        self.cut_here().await;
        self.marker_made(name, version).await?;
        self.cut_here().await;
        Ok(())
    }
}
