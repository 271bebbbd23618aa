//! Who has to wait for whom at one server, among the tasks of this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedMutexGuard, RwLock};

/// The locks of one server's blueprints and databases.
#[derive(Default)]
pub(super) struct Locks {
    templates: Mutex<HashMap<String, Arc<RwLock<()>>>>,
    databases: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Locks {
    /// The lock that keeps builders of a blueprint's templates and their readers apart.
    pub(super) fn template(&self, blueprint: &str) -> Arc<RwLock<()>> {
        let locks = self.templates.lock();
        let mut locks = locks.unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(blueprint.to_owned()).or_default())
    }

    /// Held by who changes what is in a database.
    pub(super) async fn database(&self, database: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let locks = self.databases.lock();
            let mut locks = locks.unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(locks.entry(database.to_owned()).or_default())
        };
        lock.lock_owned().await
    }
}
