//! Templates: what replaying the versions gives, for each of the newest of them.
//!
//! A template is built in a database of its own name, from the newest template before it. When its
//! last command has run, its objects are written down beside its marker and dropped: each
//! collection and each index costs the server a file and a handle, and tenants are made from what
//! is written.

use std::cmp::Reverse;

use mongodb::bson::doc;

use super::connect::{Fault, Mongo};
use super::database::{There, foreign};
use super::marker::Written;
use crate::blueprint::{Snapshot, Version};
use crate::provision::marker::digest_of;
use crate::provision::{Error, Found, steps};

/// Templates that are kept for each blueprint: the newest, and the one before for tenants that are
/// being made from it.
const TEMPLATES_MAX: usize = 2;

/// Name of the template of version 1.`ordinal`.
pub(super) fn template_database(blueprint: &str, ordinal: u32) -> String {
    format!("{blueprint}_template_1_{ordinal}")
}

impl Mongo {
    #[expect(clippy::unused_async, reason = "a verb")]
    pub(in crate::provision) async fn ensure_blueprint(
        &self,
        _blueprint: &str,
    ) -> Result<(), Error> {
        // Each database has its own users and roles.
        Ok(())
    }

    pub(in crate::provision) async fn drop_blueprint(&self, blueprint: &str) -> Result<(), Error> {
        let lock = self.template_lock(blueprint);
        let _alone = lock.write().await;
        for (_, template) in self.templates(blueprint).await? {
            self.database_drop(&template).await?;
        }
        Ok(())
    }

    pub(in crate::provision) async fn template_ensure(
        &self,
        blueprint: &str,
        versions: &[Version],
    ) -> Result<Vec<Found>, Error> {
        let ordinal = versions.last().map_or(0, |version| version.ordinal);
        let template = template_database(blueprint, ordinal);
        let lock = self.template_lock(blueprint);
        if let Some((written, _)) = self.completed(&template).await? {
            return Ok(found(written, versions));
        }
        let _alone = lock.write().await;
        if let Some((written, _)) = self.completed(&template).await? {
            return Ok(found(written, versions));
        }
        let found = match self.build(blueprint, versions).await {
            Ok(found) => found,
            Err(error) => {
                if !matches!(error, Error::Refused(_)) {
                    self.database_drop(&template).await?;
                }
                return Err(error);
            }
        };
        self.drop_old(blueprint, ordinal).await?;
        Ok(found)
    }

    pub(in crate::provision) async fn template_check(
        &self,
        blueprint: &str,
        ordinal: u32,
        workspace_database: &str,
    ) -> Result<(), Error> {
        let workspace = self.read(workspace_database).await?;
        let template = self.template_snapshot(blueprint, ordinal).await?;
        let differences = template.changed(&workspace);
        match differences.is_empty() {
            true => Ok(()),
            false => Err(Error::NotDeployable(differences)),
        }
    }

    pub(in crate::provision) async fn template_snapshot(
        &self,
        blueprint: &str,
        ordinal: u32,
    ) -> Result<Snapshot, Error> {
        let template = template_database(blueprint, ordinal);
        match self.completed(&template).await? {
            Some((written, _)) => Ok(written.objects),
            None => Err(Error::NoTemplate(ordinal)),
        }
    }

    /// What stands in a template and its fingerprint, if it is there and complete.
    pub(super) async fn completed(
        &self,
        template: &str,
    ) -> Result<Option<(Written, String)>, Fault> {
        let written = self.marker(template).await?;
        Ok(written.and_then(|written| {
            let fingerprint = written.template()?.to_owned();
            (written.objects.digest() == fingerprint).then_some((written, fingerprint))
        }))
    }

    async fn build(&self, blueprint: &str, versions: &[Version]) -> Result<Vec<Found>, Error> {
        let ordinal = versions.last().map_or(0, |version| version.ordinal);
        let template = template_database(blueprint, ordinal);
        if let There::Foreign = self.look(&template).await? {
            return Err(foreign(&template).into());
        }
        // What a crash left is not looked at.
        self.database_drop(&template).await?;
        let base = self.base(blueprint, ordinal).await?;
        let (from, objects, mut found) = base.unwrap_or_default();
        let digest = versions
            .iter()
            .find(|version| version.ordinal == from)
            .map_or_else(String::new, digest_of);
        self.marker_making(&template, (from, &digest)).await?;
        self.make(&template, &objects).await?;
        self.marker_made(&template, (from, &digest)).await?;
        let names = (template.as_str(), blueprint);
        steps::replay(self, names, (from, versions), &mut found).await?;
        let objects = self.read(&template).await?;
        self.marker_template(&template, ordinal, (&objects, &found))
            .await?;
        if let Err(fault) = self.empty(&template).await {
            tracing::info!(template, error = %fault.error, "a template keeps its collections");
        }
        steps::retain_unknown(&mut found, versions);
        Ok(found)
    }

    /// The newest complete template before this version: its ordinal, its objects, and what its
    /// statements left.
    async fn base(
        &self,
        blueprint: &str,
        ordinal: u32,
    ) -> Result<Option<(u32, Snapshot, Vec<Found>)>, Fault> {
        let mut earlier = self.templates(blueprint).await?;
        earlier.retain(|(other, _)| *other < ordinal);
        earlier.sort_unstable_by_key(|(other, _)| Reverse(*other));
        for (ordinal, template) in earlier {
            if let Some((written, _)) = self.completed(&template).await? {
                return Ok(Some((ordinal, written.objects, written.found)));
            }
        }
        Ok(None)
    }

    /// Keeps the template just made and the newest of the others.
    async fn drop_old(&self, blueprint: &str, made: u32) -> Result<(), Fault> {
        let mut others = self.templates(blueprint).await?;
        others.retain(|(ordinal, _)| *ordinal != made);
        others.sort_unstable_by_key(|(ordinal, _)| Reverse(*ordinal));
        for (_, template) in others.iter().skip(TEMPLATES_MAX - 1) {
            self.database_drop(template).await?;
        }
        Ok(())
    }

    async fn templates(&self, blueprint: &str) -> Result<Vec<(u32, String)>, Fault> {
        let prefix = format!("{blueprint}_template_1_");
        // Blueprints have letters, digits and `_` only, which mean themselves in a pattern.
        let filter = doc! {"name": {"$regex": format!("^{prefix}")}};
        let command = doc! {"listDatabases": 1, "nameOnly": true, "filter": filter};
        let answer = self.run("admin", command).await?;
        let databases = answer.get_array("databases").cloned().unwrap_or_default();
        let named = databases.iter().filter_map(|database| {
            let name = database.as_document()?.get_str("name").ok()?;
            let ordinal = name.strip_prefix(&prefix)?.parse().ok()?;
            Some((ordinal, name.to_owned()))
        });
        Ok(named.collect())
    }
}

/// What the statements of a template left, as far as the versions do not know it.
fn found(written: Written, versions: &[Version]) -> Vec<Found> {
    let mut found = written.found;
    steps::retain_unknown(&mut found, versions);
    found
}
