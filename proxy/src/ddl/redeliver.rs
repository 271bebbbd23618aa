//! Captures that control did not take at once, and those that a run before has left over: offered
//! until it takes them. They are in the [journal](super::journal) meanwhile.
//!
//! In order for each workspace. One of which control says that it will not have it for now holds
//! back the later ones of the same workspace, and no others.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use tenantsdb_codecs::feed::capture::Capture;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::journal::Journal;
use crate::backoff::Backoff;
use crate::control::{Client, ControlError};

/// First and longest time between two attempts; each is drawn from its second half.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Captures on their way to the task; the journal has no room for more.
const QUEUE_MAX: usize = 4096;

/// Who takes captures.
pub trait Recipient {
    /// Takes one; each id counts once. Ends within a deadline of its own.
    fn take(&self, capture: &Capture) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// Why a capture was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It never will be: the workspace is gone, or control cannot read it.
    #[error("{0}")]
    Never(String),
    /// This one is not taken now; one of another workspace may be.
    #[error("{0}")]
    NotNow(String),
    /// None is taken now.
    #[error("{0}")]
    Unreachable(String),
}

impl Recipient for Client {
    async fn take(&self, capture: &Capture) -> Result<(), Refusal> {
        match self.capture(capture).await {
            Ok(_) => Ok(()),
            Err(error) => Err(refusal(&error)),
        }
    }
}

fn refusal(error: &ControlError) -> Refusal {
    let text = error.to_string();
    match error {
        ControlError::Status(StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST) => {
            Refusal::Never(text)
        }
        ControlError::Status(_) => Refusal::NotNow(text),
        ControlError::Token
        | ControlError::Http(_)
        | ControlError::TimedOut
        | ControlError::Unauthorized => Refusal::Unreachable(text),
    }
}

/// Hands captures over. Cheap to clone; may be used on any thread.
#[derive(Clone, Debug)]
pub struct Undelivered {
    captures: mpsc::Sender<Capture>,
    waiting: Waiting,
}

/// Offers them: to be run by [`Redelivery::run`].
#[derive(Debug)]
pub struct Redelivery {
    queue: mpsc::Receiver<Capture>,
    captures: Vec<Capture>,
    waiting: Waiting,
}

/// How many captures of each workspace wait.
#[derive(Clone, Debug, Default)]
struct Waiting(Arc<Mutex<HashMap<String, usize>>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, database: &str) {
        *self.lock().entry(database.to_owned()).or_default() += 1;
    }

    fn remove(&self, database: &str) {
        let mut waiting = self.lock();
        if let Some(count) = waiting.get_mut(database) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(database);
            }
        }
    }
}

/// The two ends; `left_over` is what [`open`](super::journal::open) has found.
#[must_use]
pub fn channel(left_over: Vec<Capture>) -> (Undelivered, Redelivery) {
    let (captures, queue) = mpsc::channel(QUEUE_MAX);
    let waiting = Waiting::default();
    for capture in &left_over {
        waiting.add(&capture.database);
    }
    let undelivered = Undelivered {
        captures,
        waiting: waiting.clone(),
    };
    let redelivery = Redelivery {
        queue,
        captures: left_over,
        waiting,
    };
    (undelivered, redelivery)
}

impl Undelivered {
    /// Hands over a capture that the journal has and control has not. Does not wait.
    pub fn add(&self, capture: Capture) {
        let (id, database) = (capture.id.clone(), capture.database.clone());
        self.waiting.add(&database);
        if self.captures.try_send(capture).is_err() {
            self.waiting.remove(&database);
            error!(%id, %database, "a captured schema change is delivered at the next start only");
        }
    }

    /// Whether captures of this workspace wait: a later one has to wait behind them.
    #[must_use]
    pub fn waits(&self, database: &str) -> bool {
        self.waiting.lock().contains_key(database)
    }
}

impl Redelivery {
    /// Offers what is there until it is taken, and then what comes; ends when nothing is left and
    /// nobody can hand over more.
    pub async fn run(mut self, recipient: impl Recipient, journal: Journal) {
        let mut backoff = Backoff::new(BACKOFF);
        loop {
            if self.captures.is_empty() {
                match self.queue.recv().await {
                    Some(capture) => self.captures.push(capture),
                    None => return,
                }
            }
            while let Ok(capture) = self.queue.try_recv() {
                self.captures.push(capture);
            }
            let before = self.captures.len();
            let refused = self.offer_all(&recipient, &journal).await;
            if self.captures.len() < before {
                backoff.reset();
            }
            if let Some(refused) = refused {
                let wait = backoff.next();
                let (waiting, wait_ms) = (self.captures.len(), wait.as_millis());
                warn!(%refused, waiting, wait_ms, "captured schema changes wait for control");
                sleep(wait).await;
            }
        }
    }

    /// Offers each capture once, but those behind one of the same workspace that was refused.
    /// Returns the last refusal of one that stays.
    async fn offer_all(
        &mut self,
        recipient: &impl Recipient,
        journal: &Journal,
    ) -> Option<Refusal> {
        let mut refused = None;
        let mut held = HashSet::new();
        let mut left = Vec::new();
        let mut captures = std::mem::take(&mut self.captures).into_iter();
        while let Some(capture) = captures.next() {
            if held.contains(&capture.database) {
                left.push(capture);
                continue;
            }
            let (id, database) = (&capture.id, &capture.database);
            match recipient.take(&capture).await {
                Ok(()) => info!(%id, %database, "a captured schema change was delivered late"),
                Err(Refusal::Never(reason)) => {
                    warn!(%id, %database, reason, "control does not want a captured schema change");
                }
                Err(refusal) => {
                    held.insert(database.clone());
                    left.push(capture);
                    if matches!(refusal, Refusal::Unreachable(_)) {
                        left.extend(captures);
                        refused = Some(refusal);
                        break;
                    }
                    refused = Some(refusal);
                    continue;
                }
            }
            self.waiting.remove(database);
            journal.delivered(id);
        }
        self.captures = left;
        refused
    }
}

#[cfg(test)]
mod tests;
