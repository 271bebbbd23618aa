//! Deployments: bringing tenants' databases to a version of their blueprint.
//!
//! A deployment and its targets are rows. What runs them holds nothing that a restart would miss:
//! the version marker in each database says what it has, so a target that was interrupted is simply
//! done again.
//!
//! - [`plan`]: which tenants, to which version.
//! - [`runner`]: one deployment for each blueprint at a time, a few workers for each server.
//! - [`target`]: one database.

pub(crate) mod plan;
mod runner;
mod target;

use tokio::sync::Notify;

pub(crate) use self::runner::run;

/// Wakes the runner when there is a new deployment.
#[derive(Debug, Default)]
pub(crate) struct Wake(Notify);

impl Wake {
    /// There is something to do.
    pub(crate) fn wake(&self) {
        self.0.notify_one();
    }

    /// Waits until there is. Cancel safe.
    async fn woken(&self) {
        self.0.notified().await;
    }
}

#[cfg(test)]
mod tests;
