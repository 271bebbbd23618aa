//! What every request and every background task is given. Made once, passed down; nothing of it
//! would be missed after a restart.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::api_keys::KeyUses;
use crate::config::Config;
use crate::deploy::Wake;
use crate::error::Result;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::provision::{Provisioner, ServerLogin};
use crate::secret::MasterKey;
use crate::store::Store;
use crate::store::servers::{self, Server};

/// What every request and every background task is given.
pub struct Context {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) master_key: MasterKey,
    pub(crate) feed: Feed,
    pub(crate) provisioners: Provisioners,
    pub(crate) locks: Locks,
    pub(crate) deployments: Wake,
    pub(crate) key_uses: KeyUses,
    pub(crate) metrics: Metrics,
    /// Work that must not be cut off half way: shutdown waits for it.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the process is asked to stop.
    pub(crate) shutdown: CancellationToken,
}

/// One administrator for each server, made when first needed.
#[derive(Default)]
pub(crate) struct Provisioners {
    held: Mutex<HashMap<String, Provisioner>>,
}

/// What only one task at a time may work on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lock {
    /// A tenant, with all its databases.
    Tenant(String),
    /// A blueprint's workspace: made, dropped, its login changed.
    Workspace(String),
    /// The reading of a workspace's ledger and the making of versions from it.
    Sealing(String),
    /// Dropping databases on a server.
    Dropping(String),
    /// The accounts on a Redis server: held from the look into the store until the server has been
    /// told, so that whoever looked last is the last to tell.
    Accounts(String),
    /// The roles and templates of a blueprint on a server.
    Template(String, String),
}

/// Locks by name. One that nobody holds or waits for takes no room.
#[derive(Default)]
pub(crate) struct Locks {
    held: Mutex<HashMap<Lock, Weak<tokio::sync::Mutex<()>>>>,
}

// === impl Context ===

impl Context {
    /// Builds the parts around an open store.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub(crate) async fn new(
        config: Config,
        store: Store,
        master_key: MasterKey,
    ) -> Result<Arc<Self>> {
        let feed = Feed::new(&store).await?;
        Ok(Arc::new(Self {
            config,
            store,
            master_key,
            feed,
            provisioners: Provisioners::default(),
            locks: Locks::default(),
            deployments: Wake::default(),
            key_uses: KeyUses::default(),
            metrics: Metrics::default(),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        }))
    }

    /// The administrator of a registered server.
    pub(crate) async fn provisioner(&self, server_id: &str) -> Result<Provisioner> {
        if let Some(provisioner) = self.provisioners.lock().get(server_id) {
            return Ok(provisioner.clone());
        }
        let server = servers::of_id(&mut *self.store.read().await?, server_id).await?;
        let provisioner = Provisioner::new(server.engine, self.server_login(&server)?);
        Ok(self
            .provisioners
            .lock()
            .entry(server.id)
            .or_insert(provisioner)
            .clone())
    }

    /// Drops the administrator of a server that was removed.
    pub(crate) fn provisioner_forget(&self, server_id: &str) {
        self.provisioners.lock().remove(server_id);
    }

    fn server_login(&self, server: &Server) -> Result<ServerLogin> {
        Ok(ServerLogin {
            addr: server.addr.clone(),
            tls: server.tls,
            user: server.username.clone(),
            password: self.master_key.open(&server.id, &server.password)?,
            ca: self.config.server_ca.clone(),
        })
    }
}

// === impl Provisioners ===

impl Provisioners {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Provisioner>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Locks ===

impl Locks {
    /// Waits for the lock. Cancel safe; waiters are served in order.
    pub(crate) async fn lock(&self, name: Lock) -> OwnedMutexGuard<()> {
        self.of(name).lock_owned().await
    }

    fn of(&self, name: Lock) -> Arc<tokio::sync::Mutex<()>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = held.get(&name).and_then(Weak::upgrade) {
            return lock;
        }
        held.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        held.insert(name, Arc::downgrade(&lock));
        lock
    }
}
