//! Versions into databases whose statements each end their own transaction, as on MySQL and
//! MongoDB: what is the same whatever the statements are.
//!
//! Each statement has a mark of its own ([`super::marker`]): the intent to run it, with what its
//! objects are; then it runs; then it is done. The marker lies where the tenant can write: it is
//! believed as far as it agrees with what control knows.

use std::time::Duration;

use super::marker::Marker;
use super::{Applied, Apply, Error, Failure, Found};
use crate::blueprint::{Version, version_name};

/// Attempts without progress before the database counts as failed.
const ATTEMPTS_MAX: u32 = 8;
/// First pause between attempts; each next one is twice as long.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest pause between attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// How long a statement of a replay may wait for a lock; nobody else is in the template.
const REPLAY_LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a statement of a replay may run: there are no rows and no documents.
const REPLAY_STATEMENT_TIMEOUT: Duration = Duration::from_secs(120);

/// What went wrong, as an engine knows it.
pub(in crate::provision) trait Passing:
    From<Error> + Into<Error> + Send
{
    /// Whether the same may work later.
    fn passes(&self) -> bool;
}

/// A server on which versions are run statement by statement.
pub(in crate::provision) trait Steps: Sync {
    type Fault: Passing;

    /// Applies what is missing, up to the first error; alone on the database, and with nothing left
    /// running behind it. Adds to `found` what each statement left.
    fn attempt(
        &self,
        apply: &Apply<'_>,
        progress: &mut Progress,
        found: Option<&mut Vec<Found>>,
    ) -> impl Future<Output = Result<(), Stop<Self::Fault>>> + Send;
}

/// What stopped a version, and in which statement.
pub(in crate::provision) struct Stop<F> {
    pub(in crate::provision) fault: F,
    pub(in crate::provision) statement: Option<String>,
    pub(in crate::provision) needs_attention: bool,
}

/// How far all attempts got.
#[derive(Default)]
pub(in crate::provision) struct Progress {
    pub(in crate::provision) from: Option<u32>,
    pub(in crate::provision) to: Option<u32>,
    /// The highest version that this call began.
    pub(in crate::provision) begun: Option<u32>,
    /// Statements that are done.
    pub(in crate::provision) steps: u64,
}

/// Applies, in as many attempts as it takes, and adds to `found` what each statement left.
pub(in crate::provision) async fn apply_recording<S: Steps>(
    server: &S,
    apply: Apply<'_>,
    mut found: Option<&mut Vec<Found>>,
) -> Result<Applied, Failure> {
    let mut progress = Progress::default();
    let mut attempt = 0;
    loop {
        let before = (progress.to, progress.steps);
        let found = found.as_deref_mut();
        let stop = match server.attempt(&apply, &mut progress, found).await {
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

/// Runs what is new of the versions in a template that has 1.`from`.
pub(in crate::provision) async fn replay<S: Steps>(
    server: &S,
    (template, blueprint): (&str, &str),
    (from, versions): (u32, &[Version]),
    found: &mut Vec<Found>,
) -> Result<(), Error> {
    let apply = Apply {
        database: template,
        blueprint,
        versions,
        application_name: "tdb-template",
        lock_timeout: REPLAY_LOCK_TIMEOUT,
        statement_timeout: REPLAY_STATEMENT_TIMEOUT,
        known: from,
        begun: versions.last().map_or(from, |version| version.ordinal),
        online: false,
    };
    let replayed = apply_recording(server, apply, Some(found)).await;
    replayed.map(|_| ()).map_err(Error::of_replay)
}

/// Leaves what statements left that the versions do not say yet.
pub(in crate::provision) fn retain_unknown(found: &mut Vec<Found>, versions: &[Version]) {
    found.retain(|(ordinal, place, _)| {
        let version = versions.iter().find(|version| version.ordinal == *ordinal);
        let at = usize::try_from(place.saturating_sub(1)).unwrap_or(usize::MAX);
        version
            .and_then(|version| version.statements.get(at))
            .is_some_and(|statement| statement.probe.is_none())
    });
}

/// Refuses a version that does not follow the one that the database is at.
pub(in crate::provision) fn check_next<F: From<Error>>(at: u32, next: u32) -> Result<(), Stop<F>> {
    if next == at + 1 {
        return Ok(());
    }
    Err(refused(format!(
        "the database is at {}, and {} is the next version given",
        version_name(at),
        version_name(next)
    )))
}

// === impl Progress ===

impl Progress {
    /// The version that the database says it has in its `marker`, which is `what`, if control can
    /// believe it.
    pub(in crate::provision) fn believed<F: From<Error>>(
        &self,
        apply: &Apply<'_>,
        (what, marker): (&str, &Marker),
    ) -> Result<u32, Stop<F>> {
        let known = apply.known.max(self.to.unwrap_or(0));
        let begun = apply.begun.max(self.begun.unwrap_or(0)).max(known);
        let believed = marker.believed((known, begun), apply.versions);
        believed.map_err(|says| {
            attention(format!(
                "{what} of the database, where the tenant can write, says {says}; control has \
                 recorded {} and begun nothing above {}. Nothing was run",
                version_name(known),
                version_name(begun)
            ))
        })
    }
}

// === impl Stop ===

impl<F> From<F> for Stop<F> {
    fn from(fault: F) -> Self {
        Self {
            fault,
            statement: None,
            needs_attention: false,
        }
    }
}

impl<F> Stop<F> {
    /// Says in which statement it happened, where that is not known yet.
    pub(in crate::provision) fn within(mut self, statement: &str) -> Self {
        self.statement.get_or_insert_with(|| statement.to_owned());
        self
    }
}

pub(in crate::provision) fn refused<F: From<Error>>(message: String) -> Stop<F> {
    F::from(Error::Refused(message)).into()
}

pub(in crate::provision) fn attention<F: From<Error>>(message: String) -> Stop<F> {
    Stop {
        needs_attention: true,
        ..refused(message)
    }
}

fn failure<F: Into<Error>>(stop: Stop<F>, progress: &Progress) -> Failure {
    let error = stop.fault.into();
    let unreachable = matches!(error, Error::Unreachable { .. });
    let (sqlstate, message) = match error {
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

#[cfg(test)]
mod tests;
