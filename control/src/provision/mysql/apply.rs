//! Versions into one database, statement by statement, each exactly once.
//!
//! DDL ends its own transaction, so each statement has a mark of its own ([`super::marker`]): the
//! intent to run it, with what its objects are; then it runs; then it is done. Whoever meets an
//! intent that is not done looks at the objects: they are as before (it is run), or as the
//! statement leaves them (it counts), or neither: then a person has to look.
//!
//! The marker lies where the tenant can write. It is believed as far as it agrees with what control
//! knows; nothing is run on the word of one that does not.

use std::time::Duration;

use tenantsdb_codecs::feed::id::workspace_database;

use super::connect::{Fault, MySql};
use super::deployer::Deployer;
use super::marker::{self, Marker};
use super::session;
use crate::blueprint::{Snapshot, Version, version_name};
use crate::provision::{Applied, Apply, Error, Failure, Found};

/// Attempts without progress before the database counts as failed.
const ATTEMPTS_MAX: u32 = 8;
/// First pause between attempts; each next one is twice as long.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest pause between attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// "Table doesn't exist": there is no marker.
const NO_TABLE: u16 = 1146;
/// "Duplicate entry": somebody else wrote the marker.
const DUPLICATE: u16 = 1062;

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

    /// Applies what is missing, up to the first error. Alone on the database, and with nothing left
    /// running behind it.
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
        let mut at = self.believed(&marker)?;
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

    /// The version that the database says it has, if control can believe it.
    fn believed(&self, marker: &Marker) -> Result<u32, Stop> {
        let known = self.apply.known.max(self.progress.to.unwrap_or(0));
        let begun = self.apply.begun.max(self.progress.begun.unwrap_or(0));
        let begun = begun.max(known);
        let says = |what: String| {
            attention(format!(
                "the table {} of the database, where the tenant can write, says {what}; control \
                 has recorded {} and begun nothing above {}. Nothing was run",
                marker::TABLE,
                version_name(known),
                version_name(begun)
            ))
        };
        marker
            .believed((known, begun), self.apply.versions)
            .map_err(says)
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

/// The pause before the attempt after `attempt`, between half and all of what is due.
fn pause(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(10);
    let due = BACKOFF_MIN.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    // Without randomness the workers that collided once would collide again.
    let share = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
    due.mul_f64(0.5 + share / 2.0)
}
