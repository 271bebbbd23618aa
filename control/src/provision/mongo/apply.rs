//! Versions into one database, command by command.
//!
//! No two commands that change a schema are one transaction, so each has a mark of its own
//! ([`super::marker`]): the intent to run it, with what its objects are; then it runs; then it is
//! done. Each is a state that is to be: whoever meets an intent that is not done looks at the
//! objects, and runs the command again unless they are neither as before nor as it leaves them.
//!
//! The marker lies where the tenant can write. It is believed as far as it agrees with what control
//! knows; nothing is run on the word of one that does not.

use tenantsdb_codecs::feed::id::workspace_database;

use super::connect::{Fault, Mongo};
use super::marker::DUPLICATE;
use crate::blueprint::mongo::normal::MARKER;
use crate::blueprint::{Snapshot, Version};
use crate::provision::marker::{Marker, digest_of};
use crate::provision::steps::{self, Progress, Steps, attention};
use crate::provision::{Applied, Apply, Error, Failure, Found};

/// What stopped a version, and in which statement.
pub(super) type Stop = steps::Stop<Fault>;

/// One attempt.
pub(super) struct Run<'a> {
    pub(super) mongo: &'a Mongo,
    pub(super) apply: &'a Apply<'a>,
    pub(super) workspace: String,
    progress: &'a mut Progress,
    /// Where a template is built: what each statement left, and the objects before the next.
    pub(super) record: Option<(&'a mut Vec<Found>, Snapshot)>,
}

impl Mongo {
    pub(in crate::provision) async fn apply(&self, apply: Apply<'_>) -> Result<Applied, Failure> {
        steps::apply_recording(self, apply, None).await
    }
}

impl Steps for Mongo {
    type Fault = Fault;

    async fn attempt(
        &self,
        apply: &Apply<'_>,
        progress: &mut Progress,
        found: Option<&mut Vec<Found>>,
    ) -> Result<(), Stop> {
        let _alone = self.database_alone(apply.database).await;
        let mut run = Run {
            mongo: self,
            apply,
            workspace: workspace_database(apply.blueprint),
            progress,
            record: found.map(|found| (found, Snapshot::default())),
        };
        run.versions().await
    }
}

// === impl Run ===

impl Run<'_> {
    async fn versions(&mut self) -> Result<(), Stop> {
        let marker = self.marker().await?;
        let what = format!("the collection {MARKER}");
        let mut at = self.progress.believed(self.apply, (&what, &marker))?;
        self.progress.from.get_or_insert(at);
        self.progress.to = Some(at);
        if self.record.is_some() {
            let before = self.mongo.read(self.apply.database).await?;
            self.record = self.record.take().map(|(found, _)| (found, before));
        }
        for version in self.apply.versions {
            if version.ordinal <= at {
                continue;
            }
            steps::check_next(at, version.ordinal)?;
            self.version(version, &marker).await?;
            at = version.ordinal;
            self.progress.to = Some(at);
        }
        Ok(())
    }

    async fn marker(&self) -> Result<Marker, Stop> {
        match self.mongo.marker(self.apply.database).await {
            Ok(Some(written)) => Ok(written.marker),
            Ok(None) => Err(attention(format!(
                "the database has no collection {MARKER}, in which its version stands"
            ))),
            Err(fault) if matches!(fault.error, Error::Refused(_)) => {
                Err(attention(fault.error.to_string()))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    async fn version(&mut self, version: &Version, marker: &Marker) -> Result<(), Stop> {
        self.progress.begun = Some(version.ordinal);
        for (step, statement) in (1..).zip(&version.statements) {
            if !statement.deploy {
                continue;
            }
            let row = marker.row(version.ordinal, step);
            self.step((version.ordinal, step), statement, row).await?;
            self.progress.steps += 1;
        }
        let whole = (version.ordinal, digest_of(version));
        let whole = (whole.0, whole.1.as_str());
        match self.mongo.marker_whole(self.apply.database, whole).await {
            Err(fault) if fault.code == DUPLICATE => Err(attention(
                "somebody else writes the version marker".to_owned(),
            )),
            other => Ok(other?),
        }
    }
}
