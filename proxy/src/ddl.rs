//! Capture of schema changes: `session` finds in a workspace session what took effect; this takes
//! it to control.

pub mod journal;
pub(crate) mod mongo;
pub mod redeliver;
pub(crate) mod session;

use std::sync::Arc;
use std::time::Duration;

use tenantsdb_codecs::feed::capture::{Capture, Sealed};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::{debug, error, warn};

use crate::context::Context;
use crate::control::Client;
use crate::fault::{Fault, FaultKind};
use crate::metrics::Outcome;
use journal::JournalError;

/// How long a workspace client's ReadyForQuery is held back for control. The ledger in the database
/// has the statement by then whatever control does.
const SEAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Captures on their way at one time; more wait for their turn within [`SEAL_TIMEOUT`].
const IN_FLIGHT_MAX: usize = 64;

/// Takes captures from sessions on all cores to the thread that speaks to control.
#[derive(Clone, Debug)]
pub struct Captures(mpsc::Sender<Job>);

/// What [`Captures`] hands over: to be run by [`Delivery::run`].
#[derive(Debug)]
pub struct Delivery(mpsc::Receiver<Job>);

#[derive(Debug)]
struct Job {
    capture: Capture,
    done: oneshot::Sender<bool>,
}

/// The two ends.
#[must_use]
pub fn channel() -> (Captures, Delivery) {
    let (jobs, queue) = mpsc::channel(IN_FLIGHT_MAX);
    (Captures(jobs), Delivery(queue))
}

impl Captures {
    /// Sends a capture and waits until control has sealed it, at most 5 s. Returns whether it has;
    /// if not, the reason is in the log, and the ledger's text is what will be sealed.
    ///
    /// Cancel safe: a capture that was handed over is delivered without the caller.
    pub async fn send(&self, capture: Capture) -> bool {
        let (id, database) = (capture.id.clone(), capture.database.clone());
        let (done, sealed) = oneshot::channel();
        let delivery = async {
            self.0.send(Job { capture, done }).await.ok()?;
            sealed.await.ok()
        };
        match timeout(SEAL_TIMEOUT, delivery).await {
            Ok(Some(sealed)) => sealed,
            Ok(None) => false, // the process is going down
            Err(_) => {
                warn!(%id, %database, "control did not seal captured statements in time");
                false
            }
        }
    }
}

impl Delivery {
    /// Delivers captures, several at a time, until it is dropped.
    pub async fn run(mut self, client: Client, context: Arc<Context>) {
        let mut in_flight = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                job = self.0.recv(), if in_flight.len() < IN_FLIGHT_MAX => match job {
                    Some(job) => {
                        let (client, context) = (client.clone(), Arc::clone(&context));
                        in_flight.spawn(take(client, context, job));
                    }
                    None => return,
                },
                Some(_) = in_flight.join_next() => {}
            }
        }
    }
}

async fn take(client: Client, context: Arc<Context>, job: Job) {
    let Job { capture, done } = job;
    let sealed = match timeout(SEAL_TIMEOUT, client.capture(&capture)).await {
        Ok(Ok(Sealed { version })) => {
            debug!(id = %capture.id, database = %capture.database, %version, "sealed");
            true
        }
        Ok(Err(error)) => {
            context.metrics.faults.increment(error.kind());
            let error = error.to_string();
            warn!(id = %capture.id, database = %capture.database, %error, "control did not seal");
            false
        }
        Err(_) => {
            context.metrics.faults.increment(FaultKind::Control);
            false // the session has said so
        }
    };
    let outcome = if sealed { Outcome::Ok } else { Outcome::Failed };
    context.metrics.captures.increment(outcome);
    let _ = done.send(sealed); // a session that is gone does not mind
}

/// Writes down what is about to be forwarded to a workspace whose server keeps no ledger of its
/// own. Without a data directory nothing is.
///
/// # Errors
///
/// It could not be written: the statement must not be forwarded. The reason is in the log.
pub(crate) async fn intend(context: &Context, capture: &Capture) -> Result<(), JournalError> {
    let Some(record) = &context.record else {
        return Ok(());
    };
    record.journal.intend(capture).await.inspect_err(|reason| {
        error!(%reason, "a statement is refused that could not be written to the journal");
    })
}

/// Writes down what became of it, and tells control. The journal keeps what control does not take.
pub(crate) async fn deliver(context: &Context, capture: Capture) {
    let Some(record) = &context.record else {
        if !capture.statements.is_empty() {
            context.captures.send(capture).await;
        }
        return;
    };
    if let Err(reason) = record.journal.settle(&capture).await {
        // The intent is there: control will find what the statement did.
        error!(%reason, "what became of a statement could not be written to the journal");
    }
    if capture.statements.is_empty() {
        return;
    }
    // Those that wait are given to control in their order. Two sessions' at once come as they come:
    // control compares each with what it finds.
    let behind = record.undelivered.waits(&capture.database);
    if !behind && context.captures.send(capture.clone()).await {
        record.journal.delivered(&capture.id);
    } else {
        record.undelivered.add(capture);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture() -> Capture {
        Capture {
            id: "s:1".to_owned(),
            database: "app_dev".to_owned(),
            pid: 1,
            user: "app_dev".to_owned(),
            application_name: String::new(),
            statements: Vec::new(),
            context: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_waits_for_control_only_so_long() {
        let (captures, _nobody_delivers) = channel();
        let started = tokio::time::Instant::now();
        assert!(!captures.send(capture()).await);
        assert_eq!(started.elapsed(), SEAL_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_costs_no_more_than_that() {
        let (captures, _nobody_delivers) = channel();
        let started = tokio::time::Instant::now();
        let mut sending = tokio::task::JoinSet::new();
        for _ in 0..3 * IN_FLIGHT_MAX {
            let captures = captures.clone();
            sending.spawn(async move { captures.send(capture()).await });
        }
        assert!(sending.join_all().await.into_iter().all(|sealed| !sealed));
        assert_eq!(started.elapsed(), SEAL_TIMEOUT);
    }
}
