//! Templates: one database for each of the newest versions, which tenants are cloned from.
//!
//! A template is built under another name by replaying the blueprint into an empty database, and
//! gets its own name last: a template that is there is complete. Its fingerprint stands in the
//! database's comment, since nobody can connect to it any more.

use std::cmp::Reverse;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tenantsdb_codecs::secret::Secret;

use super::connect::{Admin, Postgres};
use super::database::{self, Source};
use super::quote::{ident, literal};
use super::{data_role, deploy_role, owner_role};
use crate::blueprint::Version;
use crate::provision::{Apply, Error};

/// Templates that are kept for each blueprint: the newest, and the one before for tenants that are
/// being cloned from it.
const TEMPLATES_MAX: usize = 2;
/// How long a statement of a replay may wait for a lock; nobody else is in the database.
const REPLAY_LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a statement of a replay may run: the tables are empty.
const REPLAY_STATEMENT_TIMEOUT: Duration = Duration::from_secs(120);

/// Name of the template of version 1.`ordinal`.
pub(super) fn template_database(blueprint: &str, ordinal: u32) -> String {
    format!("{blueprint}_template_1_{ordinal}")
}

/// Name of the database that becomes the next template.
fn building_database(blueprint: &str) -> String {
    format!("{blueprint}_template_building")
}

impl Postgres {
    pub(in crate::provision) async fn template_ensure(
        &self,
        blueprint: &str,
        deploy_password: &Secret<String>,
        versions: &[Version],
    ) -> Result<(), Error> {
        let ordinal = versions.last().map_or(0, |version| version.ordinal);
        let template = template_database(blueprint, ordinal);
        let lock = self.template_lock(blueprint);
        let mut admin = self.admin().await?;
        if database::exists(&mut admin, &template).await? {
            admin.close().await;
            return Ok(());
        }
        admin.close().await;
        let _alone = lock.write().await;
        let mut admin = self.admin().await?;
        if !database::exists(&mut admin, &template).await? {
            self.build(&mut admin, blueprint, deploy_password, versions)
                .await?;
            drop_old(&mut admin, blueprint, ordinal).await?;
        }
        admin.close().await;
        Ok(())
    }

    pub(in crate::provision) async fn template_check(
        &self,
        blueprint: &str,
        ordinal: u32,
        workspace_database: &str,
    ) -> Result<(), Error> {
        let template = template_database(blueprint, ordinal);
        let workspace = self.schema(workspace_database).await?;
        let mut admin = self.admin().await?;
        let comment = "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database \
                       WHERE datname = $1";
        let recorded = admin.value::<String>(comment, &[&template]).await?;
        let Some(recorded) = recorded else {
            return Err(Error::NoTemplate(ordinal));
        };
        if recorded == workspace.fingerprint().0 {
            admin.close().await;
            return Ok(());
        }
        // Only to be able to say what differs is the template looked into again.
        let lock = self.template_lock(blueprint);
        let _alone = lock.write().await;
        database::open(&mut admin, &template).await?;
        let schema = self.schema(&template).await;
        database::close(&mut admin, &template).await?;
        admin.close().await;
        let differences = schema?.differences(&workspace);
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::NotDeployable(differences))
    }

    async fn build(
        &self,
        admin: &mut Admin,
        blueprint: &str,
        deploy_password: &Secret<String>,
        versions: &[Version],
    ) -> Result<(), Error> {
        let building = building_database(blueprint);
        // What a crash left is not looked at.
        database::drop_database(admin, &building).await?;
        database::create_closed(admin, &building, Source::Empty).await?;
        let grants = format!(
            "GRANT CREATE ON DATABASE {0} TO {1}; GRANT CONNECT ON DATABASE {0} TO {2}",
            ident(&building),
            ident(&owner_role(blueprint)),
            ident(&deploy_role(blueprint)),
        );
        admin.run(&grants).await?;
        database::open(admin, &building).await?;
        self.furnish(&building, blueprint).await?;
        self.deploy_login(admin, blueprint, deploy_password).await?;
        let applied = self
            .apply(Apply {
                database: &building,
                blueprint,
                deploy_password,
                versions,
                application_name: "tdb-template",
                lock_timeout: REPLAY_LOCK_TIMEOUT,
                statement_timeout: REPLAY_STATEMENT_TIMEOUT,
            })
            .await;
        if let Err(failure) = applied {
            let ordinal = failure.to.map_or(0, |ordinal| ordinal.saturating_add(1));
            database::drop_database(admin, &building).await?;
            return Err(Error::Replay { ordinal, failure });
        }
        let fingerprint = self.schema(&building).await?.fingerprint();
        let ordinal = versions.last().map_or(0, |version| version.ordinal);
        let revoke = format!(
            "REVOKE CONNECT ON DATABASE {0} FROM {1}; COMMENT ON DATABASE {0} IS {2}",
            ident(&building),
            ident(&deploy_role(blueprint)),
            literal(&fingerprint.0),
        );
        admin.run(&revoke).await?;
        database::close(admin, &building).await?;
        let (from, to) = (
            ident(&building),
            ident(&template_database(blueprint, ordinal)),
        );
        admin
            .run(&format!("ALTER DATABASE {from} IS_TEMPLATE true"))
            .await?;
        admin
            .run(&format!("ALTER DATABASE {from} RENAME TO {to}"))
            .await
    }

    /// What is the same in all templates: rights of the blueprint's roles, and the version marker.
    async fn furnish(&self, building: &str, blueprint: &str) -> Result<(), Error> {
        let (owner, data) = (ident(&owner_role(blueprint)), ident(&data_role(blueprint)));
        let deploy = ident(&deploy_role(blueprint));
        let mut admin = self.admin_in(building).await?;
        admin.run(&public_schema(&owner, &data)).await?;
        let marker = format!(
            "CREATE SCHEMA tenantsdb; \
             GRANT USAGE ON SCHEMA tenantsdb TO PUBLIC; \
             CREATE TABLE tenantsdb.version (ordinal int4 PRIMARY KEY, version text NOT NULL, \
                 applied_at timestamptz NOT NULL DEFAULT now()); \
             CREATE TABLE tenantsdb.step (ordinal int4, step int4, state text NOT NULL, \
                 indexes_before text NOT NULL DEFAULT '', at timestamptz NOT NULL DEFAULT now(), \
                 PRIMARY KEY (ordinal, step)); \
             GRANT SELECT ON tenantsdb.version, tenantsdb.step TO PUBLIC; \
             GRANT INSERT, UPDATE ON tenantsdb.version, tenantsdb.step TO {deploy}; \
             INSERT INTO tenantsdb.version (ordinal, version) VALUES (0, '1.0')"
        );
        admin.run(&marker).await?;
        admin.close().await;
        Ok(())
    }
}

/// Schema public belongs to the blueprint, and what the owner makes, tenants may fill and read.
pub(super) fn public_schema(owner: &str, data: &str) -> String {
    format!(
        "ALTER SCHEMA public OWNER TO {owner}; \
         REVOKE CREATE ON SCHEMA public FROM PUBLIC; \
         GRANT USAGE ON SCHEMA public TO PUBLIC; \
         ALTER DEFAULT PRIVILEGES FOR ROLE {owner} \
             GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLES TO {data}; \
         ALTER DEFAULT PRIVILEGES FOR ROLE {owner} \
             GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {data}; \
         ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT USAGE ON SCHEMAS TO {data}"
    )
}

/// Drops all templates of a blueprint, and one that is being built.
pub(super) async fn drop_all(admin: &mut Admin, blueprint: &str) -> Result<(), Error> {
    for (_, template) in templates(admin, blueprint).await? {
        database::drop_database(admin, &template).await?;
    }
    database::drop_database(admin, &building_database(blueprint)).await
}

/// Keeps the template just made and the newest of the others.
async fn drop_old(admin: &mut Admin, blueprint: &str, made: u32) -> Result<(), Error> {
    let mut others = templates(admin, blueprint).await?;
    others.retain(|(ordinal, _)| *ordinal != made);
    others.sort_unstable_by_key(|(ordinal, _)| Reverse(*ordinal));
    for (_, template) in others.iter().skip(TEMPLATES_MAX - 1) {
        database::drop_database(admin, template).await?;
    }
    Ok(())
}

async fn templates(admin: &mut Admin, blueprint: &str) -> Result<Vec<(u32, String)>, Error> {
    let prefix = format!("{blueprint}_template_1_");
    let sql = "SELECT datname::text FROM pg_database WHERE starts_with(datname, $1)";
    let names = admin.rows::<(String,)>(sql, &[&prefix]).await?;
    let ordinal = |name: &str| name.strip_prefix(&prefix)?.parse().ok();
    Ok(names
        .into_iter()
        .filter_map(|(name,)| Some((ordinal(&name)?, name)))
        .collect())
}

/// SHA-256 in hex.
pub(super) fn digest(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
