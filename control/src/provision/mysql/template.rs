//! Templates: a schema for each of the newest versions, which tenants are copied from.
//!
//! A template is built under its own name, by replaying what is new of the blueprint into a copy of
//! the newest template before it. Its marker says last that it is complete, with its fingerprint.
//! While it is built, each statement is looked at: what it changed, and to what.

use std::cmp::Reverse;

use super::connect::{Fault, MySql, Session, text};
use super::copy::{Original, filled};
use super::database;
use super::deployer::Deployer;
use super::marker::{self, Marker};
use super::quote::literal;
use super::schema::Schema;
use crate::blueprint::{Snapshot, Version};
use crate::provision::{Error, Found, steps};

/// Templates that are kept for each blueprint: the newest, and the one before for tenants that are
/// being copied from it.
const TEMPLATES_MAX: usize = 2;

/// What a new template is begun from.
struct Base {
    ordinal: u32,
    /// Of the version.
    digest: String,
    original: Original,
    found: Vec<Found>,
}

/// Name of the template of version 1.`ordinal`.
pub(super) fn template_database(blueprint: &str, ordinal: u32) -> String {
    format!("{blueprint}_template_1_{ordinal}")
}

/// The marker of a template and its fingerprint, if it is there and complete.
pub(super) async fn completed(
    admin: &mut Session,
    template: &str,
) -> Result<Option<(Marker, String)>, Fault> {
    let marker = Marker::read_of(admin, template).await?;
    Ok(marker.and_then(|marker| {
        let fingerprint = marker.template()?.to_owned();
        Some((marker, fingerprint))
    }))
}

impl MySql {
    #[expect(clippy::unused_async, reason = "a verb")]
    pub(in crate::provision) async fn ensure_blueprint(
        &self,
        _blueprint: &str,
    ) -> Result<(), Error> {
        // Each schema has its own accounts.
        Ok(())
    }

    pub(in crate::provision) async fn drop_blueprint(&self, blueprint: &str) -> Result<(), Error> {
        let lock = self.template_lock(blueprint);
        let _alone = lock.write().await;
        self.admin_once(async |admin| {
            for (_, template) in templates(admin, blueprint).await? {
                database::drop_database(admin, &template).await?;
            }
            Ok(())
        })
        .await
    }

    pub(in crate::provision) async fn template_ensure(
        &self,
        blueprint: &str,
        versions: &[Version],
    ) -> Result<Vec<Found>, Error> {
        let ordinal = versions.last().map_or(0, |version| version.ordinal);
        let template = template_database(blueprint, ordinal);
        let lock = self.template_lock(blueprint);
        if let Some(found) = self.there(&template, versions).await? {
            return Ok(found);
        }
        let _alone = lock.write().await;
        if let Some(found) = self.there(&template, versions).await? {
            return Ok(found);
        }
        let found = match self.build(blueprint, versions).await {
            Ok(found) => found,
            Err(error) => {
                self.admin_once(async |admin| database::drop_database(admin, &template).await)
                    .await?;
                return Err(error);
            }
        };
        self.admin_once(async |admin| drop_old(admin, blueprint, ordinal).await)
            .await?;
        Ok(found)
    }

    pub(in crate::provision) async fn template_check(
        &self,
        blueprint: &str,
        ordinal: u32,
        workspace_database: &str,
    ) -> Result<(), Error> {
        let template = template_database(blueprint, ordinal);
        let workspace = self.snapshot(workspace_database).await?;
        let recorded = self
            .admin_once(async |admin| completed(admin, &template).await)
            .await?;
        let (_, fingerprint) = recorded.ok_or(Error::NoTemplate(ordinal))?;
        if fingerprint == workspace.digest() {
            return Ok(());
        }
        let lock = self.template_lock(blueprint);
        let _shared = lock.read().await;
        let differences = self.snapshot(&template).await?.changed(&workspace);
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::NotDeployable(differences))
    }

    pub(in crate::provision) async fn template_snapshot(
        &self,
        blueprint: &str,
        ordinal: u32,
    ) -> Result<Snapshot, Error> {
        let lock = self.template_lock(blueprint);
        let _shared = lock.read().await;
        self.snapshot(&template_database(blueprint, ordinal)).await
    }

    /// If the template is there: what its statements left, as far as the versions do not know it.
    async fn there(
        &self,
        template: &str,
        versions: &[Version],
    ) -> Result<Option<Vec<Found>>, Error> {
        let marker = self
            .admin_once(async |admin| completed(admin, template).await)
            .await?;
        let Some((marker, _)) = marker else {
            return Ok(None);
        };
        let mut found = marker.found();
        steps::retain_unknown(&mut found, versions);
        Ok(Some(found))
    }

    async fn build(&self, blueprint: &str, versions: &[Version]) -> Result<Vec<Found>, Error> {
        match self.build_from(blueprint, versions, true).await {
            // A view that lost its table cannot be copied; from the beginning it can be made.
            Err(error @ (Error::Refused(_) | Error::Server { .. })) => {
                tracing::info!(%error, blueprint, "template built from the beginning");
                self.build_from(blueprint, versions, false).await
            }
            other => other,
        }
    }

    async fn build_from(
        &self,
        blueprint: &str,
        versions: &[Version],
        copies: bool,
    ) -> Result<Vec<Found>, Error> {
        let ordinal = versions.last().map_or(0, |version| version.ordinal);
        let template = template_database(blueprint, ordinal);
        let alone = self.database_alone(&template).await;
        let mut admin = self.admin().await?;
        let begun = self.begin(&mut admin, blueprint, ordinal, copies).await;
        admin.close().await;
        let base = begun?;
        let begun = match self.deployer_open(&template).await {
            Ok(mut deployer) => {
                let begun = self.begin_with(&mut deployer, &template, &base).await;
                deployer.close().await;
                begun
            }
            Err(fault) => Err(fault),
        };
        self.deployer_close(&template).await?;
        begun?;
        drop(alone);
        let mut found = base.found;
        steps::retain_unknown(&mut found, versions);
        let names = (template.as_str(), blueprint);
        steps::replay(self, names, (base.ordinal, versions), &mut found).await?;
        self.complete(&template, ordinal).await?;
        Ok(found)
    }

    /// Makes the schema with its marker, and reads what it begins from.
    async fn begin(
        &self,
        admin: &mut Session,
        blueprint: &str,
        ordinal: u32,
        copies: bool,
    ) -> Result<Base, Fault> {
        let template = template_database(blueprint, ordinal);
        if let database::Found::Foreign = database::look(admin, &template).await? {
            return Err(database::foreign(&template));
        }
        // What a crash left is not looked at.
        database::drop_database(admin, &template).await?;
        let base = match copies {
            true => base(admin, blueprint, ordinal).await?,
            false => None,
        };
        let defaults = base.as_ref().map(|base| {
            let schema = &base.original.schema;
            (schema.character_set.as_str(), schema.collation.as_str())
        });
        let from = base
            .as_ref()
            .map_or((0, ""), |base| (base.ordinal, base.digest.as_str()));
        database::create_marked(admin, &template, defaults, from).await?;
        self.deployer_create(admin, &template).await?;
        match base {
            Some(base) => Ok(base),
            None => Ok(Base {
                ordinal: 0,
                digest: String::new(),
                original: Original {
                    schema: Schema::read(admin, &template, None).await?,
                    database: template,
                    filled: Vec::new(),
                },
                found: Vec::new(),
            }),
        }
    }

    /// Copies what a template begins from, and marks it as that version.
    async fn begin_with(
        &self,
        deployer: &mut Deployer,
        template: &str,
        base: &Base,
    ) -> Result<(), Fault> {
        self.copy(&mut deployer.work, &base.original, template)
            .await?;
        for (ordinal, place, probe) in &base.found {
            let sql = marker::found(*ordinal, *place, probe);
            deployer.marker.run(&sql).await?;
        }
        deployer.marker.run(&marker::made(base.ordinal)).await?;
        Ok(())
    }

    async fn complete(&self, template: &str, ordinal: u32) -> Result<(), Error> {
        let _alone = self.database_alone(template).await;
        let completed = match self.deployer_open(template).await {
            Ok(mut deployer) => {
                let session = &mut deployer.marker;
                let completed = async {
                    let schema = Schema::read(session, template, None).await?;
                    let filled = filled(session, &schema).await?;
                    let fingerprint = schema.snapshot().digest();
                    let sql = marker::template(ordinal, &fingerprint, filled);
                    session.run(&sql).await
                }
                .await;
                deployer.close().await;
                completed
            }
            Err(fault) => Err(fault),
        };
        self.deployer_close(template).await?;
        completed?;
        Ok(())
    }
}

/// The newest complete template before this version.
async fn base(admin: &mut Session, blueprint: &str, ordinal: u32) -> Result<Option<Base>, Fault> {
    let mut earlier = templates(admin, blueprint).await?;
    earlier.retain(|(other, _)| *other < ordinal);
    earlier.sort_unstable_by_key(|(other, _)| Reverse(*other));
    for (ordinal, template) in earlier {
        let Some((marker, _)) = completed(admin, &template).await? else {
            continue;
        };
        let schema = Schema::read(admin, &template, None).await?;
        return Ok(Some(Base {
            ordinal,
            digest: marker.version_digest().to_owned(),
            original: Original {
                database: template,
                schema,
                filled: marker.filled(),
            },
            found: marker.found(),
        }));
    }
    Ok(None)
}

/// Keeps the template just made and the newest of the others.
async fn drop_old(admin: &mut Session, blueprint: &str, made: u32) -> Result<(), Fault> {
    let mut others = templates(admin, blueprint).await?;
    others.retain(|(ordinal, _)| *ordinal != made);
    others.sort_unstable_by_key(|(ordinal, _)| Reverse(*ordinal));
    for (_, template) in others.iter().skip(TEMPLATES_MAX - 1) {
        database::drop_database(admin, template).await?;
    }
    Ok(())
}

async fn templates(admin: &mut Session, blueprint: &str) -> Result<Vec<(u32, String)>, Fault> {
    let prefix = format!("{blueprint}_template_1_");
    let sql = format!(
        "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE LEFT(SCHEMA_NAME, {}) = {}",
        prefix.len(),
        literal(&prefix)
    );
    let ordinal = |name: &str| name.strip_prefix(&prefix)?.parse().ok();
    let names = admin.rows(&sql).await?;
    Ok(names
        .iter()
        .map(|row| text(row, 0))
        .filter_map(|name| Some((ordinal(&name)?, name)))
        .collect())
}
