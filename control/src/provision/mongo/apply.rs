//! Versions into one database, command by command.
//!
//! No two commands that change a schema are one transaction, so each has a mark of its own
//! ([`super::marker`]): the intent to run it, with what its objects are; then it runs; then it is
//! done. Each is a state that is to be: whoever meets an intent that is not done looks at the
//! objects, and runs the command again unless they are neither as before nor as it leaves them.
//!
//! The marker lies where the tenant can write. It is believed as far as it agrees with what control
//! knows; nothing is run on the word of one that does not.

use std::time::Duration;

use tenantsdb_codecs::feed::id::workspace_database;

use super::connect::{Fault, Mongo};
use super::marker::DUPLICATE;
use crate::blueprint::mongo::normal::MARKER;
use crate::blueprint::{Snapshot, Version, version_name};
use crate::provision::marker::{Marker, digest_of};
use crate::provision::{Applied, Apply, Error, Failure, Found};

/// Attempts without progress before the database counts as failed.
const ATTEMPTS_MAX: u32 = 8;

/// What stopped a version, and in which statement.
pub(super) struct Stop {
    pub(super) fault: Fault,
    pub(super) statement: Option<String>,
    pub(super) needs_attention: bool,
}

/// How far all attempts got.
#[derive(Default)]
struct Progress {
    from: Option<u32>,
    to: Option<u32>,
    /// The highest version that this call began.
    begun: Option<u32>,
    /// Statements that are done.
    steps: u64,
}

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
        self.apply_recording(apply, None).await
    }

    /// Applies, and adds to `found` what each statement left.
    pub(super) async fn apply_recording(
        &self,
        apply: Apply<'_>,
        mut found: Option<&mut Vec<Found>>,
    ) -> Result<Applied, Failure> {
        let mut progress = Progress::default();
        let mut attempt = 0;
        loop {
            let before = (progress.to, progress.steps);
            let found = found.as_deref_mut();
            let stop = match self.attempt(&apply, &mut progress, found).await {
                Ok(()) => {
                    let from = progress.from.unwrap_or_default();
                    return Ok(Applied {
                        from,
                        to: progress.to.unwrap_or(from),
                    });
                }
                Err(stop) => stop,
            };
            if (progress.to, progress.steps) != before {
                attempt = 0;
            }
            attempt += 1;
            if attempt >= ATTEMPTS_MAX || stop.needs_attention || !stop.fault.passes() {
                return Err(failure(stop, &progress));
            }
            tokio::time::sleep(pause(attempt)).await;
        }
    }

    /// Applies what is missing, up to the first error. Alone on the database.
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
        let mut at = self.believed(&marker)?;
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
            if version.ordinal != at + 1 {
                return Err(refused(format!(
                    "the database is at {}, and {} is the next version given",
                    version_name(at),
                    version_name(version.ordinal)
                )));
            }
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

    /// The version that the database says it has, if control can believe it.
    fn believed(&self, marker: &Marker) -> Result<u32, Stop> {
        let known = self.apply.known.max(self.progress.to.unwrap_or(0));
        let begun = self.apply.begun.max(self.progress.begun.unwrap_or(0));
        let begun = begun.max(known);
        let believed = marker.believed((known, begun), self.apply.versions);
        believed.map_err(|says| {
            attention(format!(
                "the collection {MARKER} of the database, where the tenant can write, says {says}; \
                 control has recorded {} and begun nothing above {}. Nothing was run",
                version_name(known),
                version_name(begun)
            ))
        })
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

// === impl Stop ===

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            statement: None,
            needs_attention: false,
        }
    }
}

impl Stop {
    /// Says in which statement it happened, where that is not known yet.
    pub(super) fn within(mut self, statement: &str) -> Self {
        self.statement.get_or_insert_with(|| statement.to_owned());
        self
    }
}

pub(super) fn refused(message: String) -> Stop {
    Fault::from(Error::Refused(message)).into()
}

pub(super) fn attention(message: String) -> Stop {
    Stop {
        needs_attention: true,
        ..refused(message)
    }
}

fn failure(stop: Stop, progress: &Progress) -> Failure {
    let unreachable = matches!(stop.fault.error, Error::Unreachable { .. });
    let (sqlstate, message) = match stop.fault.error {
        Error::Server { sqlstate, message } if !sqlstate.is_empty() => (Some(sqlstate), message),
        other => (None, other.to_string()),
    };
    Failure {
        from: progress.from,
        to: progress.to,
        sqlstate,
        message,
        statement: stop.statement,
        unreachable,
        needs_attention: stop.needs_attention,
    }
}

/// The pause before the attempt after `attempt`: 0.1 s, twice as long each time, 5 s at most.
fn pause(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(10);
    let due = Duration::from_millis(100).saturating_mul(1 << doublings);
    due.min(Duration::from_secs(5))
}
