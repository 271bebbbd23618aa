//! Templates: one database for each of the newest versions, which tenants are cloned from.
//!
//! A template is built under another name by replaying the blueprint into an empty database (or
//! what is new of it into a clone of the template before, which was made that way), and gets its
//! own name last: a template that is there is complete. Its fingerprint stands in the
//! database's comment, since nobody can connect to it any more.

use std::cmp::Reverse;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::connect::{Admin, Postgres};
use super::database::{self, Source};
use super::quote::{ident, literal};
use super::{data_role, deploy_role, owner_role};
use crate::blueprint::Version;
use crate::provision::{Apply, Error, Fingerprint, Found};

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
        versions: &[Version],
    ) -> Result<Vec<Found>, Error> {
        let ordinal = versions.last().map_or(0, |version| version.ordinal);
        let template = template_database(blueprint, ordinal);
        let lock = self.template_lock(blueprint);
        if self.has_database(&template).await? {
            return Ok(Vec::new());
        }
        let _alone = lock.write().await;
        if self.has_database(&template).await? {
            return Ok(Vec::new());
        }
        self.build(blueprint, versions).await?;
        let mut admin = self.admin().await?;
        drop_old(&mut admin, blueprint, ordinal).await?;
        admin.close().await;
        Ok(Vec::new())
    }

    pub(in crate::provision) async fn template_check(
        &self,
        blueprint: &str,
        ordinal: u32,
        workspace_database: &str,
    ) -> Result<(), Error> {
        let template = template_database(blueprint, ordinal);
        let workspace = self.schema(workspace_database).await?;
        let recorded = self.recorded_fingerprint(&template).await?;
        if recorded.ok_or(Error::NoTemplate(ordinal))? == workspace.fingerprint().0 {
            return Ok(());
        }
        // Only to be able to say what differs is the template looked into again.
        let lock = self.template_lock(blueprint);
        let _alone = lock.write().await;
        self.admin_once(async |admin| database::open(admin, &template).await)
            .await?;
        let schema = self.schema(&template).await;
        self.admin_once(async |admin| database::close(admin, &template).await)
            .await?;
        let differences = schema?.differences(&workspace);
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::NotDeployable(differences))
    }

    async fn has_database(&self, name: &str) -> Result<bool, Error> {
        self.admin_once(async |admin| database::exists(admin, name).await)
            .await
    }

    /// What the comment of a template says; `None` if the template is not there.
    async fn recorded_fingerprint(&self, template: &str) -> Result<Option<String>, Error> {
        let sql = "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database \
                   WHERE datname = $1";
        self.admin_once(async |admin| admin.value::<String>(sql, &[template]).await)
            .await
    }

    /// No admin connection is held while another is asked for: builders of other blueprints may
    /// hold the rest.
    async fn build(&self, blueprint: &str, versions: &[Version]) -> Result<(), Error> {
        let building = building_database(blueprint);
        let ordinal = versions.last().map_or(0, |version| version.ordinal);
        let furnished = self
            .admin_once(async |admin| begin(admin, blueprint, &building, ordinal).await)
            .await?;
        if !furnished {
            self.furnish(&building, blueprint).await?;
        }
        let applied = self
            .apply(Apply {
                database: &building,
                blueprint,
                versions,
                application_name: "tdb-template",
                lock_timeout: REPLAY_LOCK_TIMEOUT,
                statement_timeout: REPLAY_STATEMENT_TIMEOUT,
                known: 0,
                begun: u32::MAX,
                online: false,
            })
            .await;
        if let Err(failure) = applied {
            self.admin_once(async |admin| database::drop_database(admin, &building).await)
                .await?;
            return Err(Error::of_replay(failure));
        }
        let fingerprint = self.schema(&building).await?.fingerprint();
        let template = template_database(blueprint, ordinal);
        self.admin_once(async |admin| complete(admin, (&building, &template), &fingerprint).await)
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

/// Makes the database that is to become a template, open: a clone of the newest
/// template before it, or an empty one. Says whether it is a clone, which has all but the rights on
/// the database itself.
async fn begin(
    admin: &mut Admin,
    blueprint: &str,
    building: &str,
    ordinal: u32,
) -> Result<bool, Error> {
    // What a crash left is not looked at.
    database::drop_database(admin, building).await?;
    let mut earlier = templates(admin, blueprint).await?;
    earlier.retain(|(other, _)| *other < ordinal);
    let newest = earlier.into_iter().max();
    let source = match &newest {
        Some((_, template)) => Source::Template(template),
        None => Source::Empty,
    };
    database::create_closed(admin, building, source).await?;
    let grants = format!(
        "GRANT CREATE ON DATABASE {0} TO {1}",
        ident(building),
        ident(&owner_role(blueprint)),
    );
    admin.run(&grants).await?;
    database::open(admin, building).await?;
    Ok(newest.is_some())
}

/// Closes the database for good and gives it its name.
async fn complete(
    admin: &mut Admin,
    (building, template): (&str, &str),
    fingerprint: &Fingerprint,
) -> Result<(), Error> {
    let comment = format!(
        "COMMENT ON DATABASE {} IS {}",
        ident(building),
        literal(&fingerprint.0),
    );
    admin.run(&comment).await?;
    database::close(admin, building).await?;
    let (from, to) = (ident(building), ident(template));
    admin
        .run(&format!("ALTER DATABASE {from} IS_TEMPLATE true"))
        .await?;
    admin
        .run(&format!("ALTER DATABASE {from} RENAME TO {to}"))
        .await
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
