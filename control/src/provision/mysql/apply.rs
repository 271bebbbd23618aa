//! Versions into one database, statement by statement, each exactly once.
//!
//! DDL ends its own transaction, so each statement has a mark of its own ([`super::marker`]): the
//! intent to run it, with what its objects are; then it runs; then it is done. Whoever meets an
//! intent that is not done looks at the objects: they are as before (it is run), or as the
//! statement leaves them (it counts), or neither: then a person has to look.
//!
//! The marker lies where the tenant can write. It is believed as far as it agrees with what control
//! knows; nothing is run on the word of one that does not.

use tenantsdb_codecs::feed::id::workspace_database;

use super::connect::{Fault, MySql};
use super::deployer::Deployer;
use super::marker::{self, Marker};
use super::session;
use crate::blueprint::{Snapshot, Version};
use crate::provision::steps::{self, Passing as _, Progress, Steps, attention};
use crate::provision::{Applied, Apply, Error, Failure, Found};

/// "Table doesn't exist": there is no marker.
const NO_TABLE: u16 = 1146;
/// "Duplicate entry": somebody else wrote the marker.
const DUPLICATE: u16 = 1062;

/// What stopped a version, and in which statement.
pub(super) type Stop = steps::Stop<Fault>;

/// One attempt.
pub(super) struct Run<'a> {
    pub(super) mysql: &'a MySql,
    pub(super) deployer: Deployer,
    pub(super) apply: &'a Apply<'a>,
    pub(super) workspace: String,
    progress: &'a mut Progress,
    /// Where a template is built: what each statement left, and the schema before the next.
    pub(super) record: Option<(&'a mut Vec<Found>, Snapshot)>,
}

impl MySql {
    pub(in crate::provision) async fn apply(&self, apply: Apply<'_>) -> Result<Applied, Failure> {
        steps::apply_recording(self, apply, None).await
    }
}

impl Steps for MySql {
    type Fault = Fault;

    async fn attempt(
        &self,
        apply: &Apply<'_>,
        progress: &mut Progress,
        found: Option<&mut Vec<Found>>,
    ) -> Result<(), Stop> {
        let _alone = self.database_alone(apply.database).await;
        let done = match self.deployer_open(apply.database).await {
            Ok(deployer) => {
                let mut run = Run {
                    mysql: self,
                    deployer,
                    apply,
                    workspace: workspace_database(apply.blueprint),
                    progress,
                    record: found.map(|found| (found, Snapshot::default())),
                };
                let done = run.versions().await;
                if done.is_ok() {
                    run.deployer.close().await;
                }
                done
            }
            Err(fault) => Err(fault.into()),
        };
        // What a statement still does is ended here, or before the next attempt.
        if let Err(error) = self.deployer_close(apply.database).await {
            tracing::warn!(%error, database = apply.database, "sessions may be left over");
        }
        done
    }
}

// === impl Run ===

impl Run<'_> {
    async fn versions(&mut self) -> Result<(), Stop> {
        let sql = session::limits(
            self.deployer.work.flavour,
            self.apply.lock_timeout,
            self.apply.statement_timeout,
        );
        self.deployer.work.run(&sql).await?;
        // Who locks the marker is waited for no longer.
        self.deployer.marker.run(&sql).await?;
        let marker = self.marker().await?;
        let what = format!("the table {}", marker::TABLE);
        let mut at = self.progress.believed(self.apply, (&what, &marker))?;
        self.progress.from.get_or_insert(at);
        self.progress.to = Some(at);
        if self.record.is_some() {
            let before = self.read(None).await?;
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
        if self.marker().await?.ordinal() != Some(at) {
            return Err(attention(
                "a statement writes the version marker".to_owned(),
            ));
        }
        Ok(())
    }

    async fn marker(&mut self) -> Result<Marker, Stop> {
        match Marker::read(&mut self.deployer.marker).await {
            Err(fault) if fault.number == NO_TABLE => Err(attention(format!(
                "the database has no table {}, in which its version stands",
                marker::TABLE
            ))),
            // What stands there under its name is something else, or more than is ours.
            Err(fault)
                if matches!(fault.error, Error::Refused(_))
                    || fault.number != 0 && !fault.passes() =>
            {
                Err(attention(format!(
                    "the table {} of the database, in which its version stands, cannot be read: {}",
                    marker::TABLE,
                    fault.error
                )))
            }
            other => Ok(other?),
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
        let sql = marker::whole(version.ordinal, &marker::digest_of(version));
        match self.deployer.marker.run(&sql).await {
            Err(fault) if fault.number == DUPLICATE => Err(attention(
                "a statement writes the version marker".to_owned(),
            )),
            other => Ok(other.map(|_| ())?),
        }
    }
}
