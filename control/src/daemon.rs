//! `tenantsdb-control run`: the parts put together, run, and stopped in order.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::api;
use crate::app::{accounts, housekeeping, recover};
use crate::config::Config;
use crate::context::Context;
use crate::deploy;
use crate::error::{Error, Result};
use crate::secret::MasterKey;
use crate::store::Store;

/// How long work that must not be cut off may take after the process was asked to stop. What is
/// cut off all the same is gone on with at the next start.
const DRAIN: Duration = Duration::from_secs(20);
/// Held while a process uses the data directory.
const LOCK_FILE: &str = "lock";

/// A control plane that listens and is ready to run.
pub struct Daemon {
    pub(crate) context: Arc<Context>,
    listener: TcpListener,
    /// Two processes on one store would not know of each other's work.
    _lock: File,
}

impl Daemon {
    /// Opens the store and listens.
    ///
    /// # Errors
    ///
    /// The data directory is not initialised or in use, or the address cannot be listened on.
    pub async fn start(config: Config) -> Result<Self> {
        let master_key = MasterKey::load(&config.master_key)?;
        let lock = lock(&config)?;
        let store = Store::open(&config.store_path()).await?;
        let listen = config.listen;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| Error::internal(format!("cannot listen on {listen}: {error}")))?;
        let context = Context::new(config, store, master_key).await?;
        recover::at_start(&context).await?;
        Ok(Self {
            context,
            listener,
            _lock: lock,
        })
    }

    /// Where it listens: the port that the system chose if none was given.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().map_err(Error::internal)
    }

    /// Cancel it to stop.
    #[must_use]
    pub fn shutdown(&self) -> CancellationToken {
        self.context.shutdown.clone()
    }

    /// Runs until it is asked to stop and what must not be cut off has ended.
    pub async fn run(self) {
        let context = &self.context;
        let tasks = &context.tasks;
        let span = tracing::info_span!("recover");
        tasks.spawn(recover::run(Arc::clone(context)).instrument(span));
        let span = tracing::info_span!("sealing");
        tasks.spawn(housekeeping::run_sealing(Arc::clone(context)).instrument(span));
        let span = tracing::info_span!("accounts");
        tasks.spawn(accounts::run(Arc::clone(context)).instrument(span));
        tasks.spawn(deploy::run(Arc::clone(context)));
        let span = tracing::info_span!("saving");
        tasks.spawn(housekeeping::run_saving(Arc::clone(context)).instrument(span));
        let span = tracing::info_span!("pruning");
        tasks.spawn(housekeeping::run_pruning(Arc::clone(context)).instrument(span));
        api::serve::serve(Arc::clone(context), self.listener).await;
        tracing::info!("stopping");
        tasks.close();
        if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
            tracing::warn!(tasks = tasks.len(), "stopped before all work was done");
        }
        context.store.close().await;
    }
}

fn lock(config: &Config) -> Result<File> {
    let path = config.data.join(LOCK_FILE);
    let file = File::create(&path)
        .map_err(|error| Error::internal(format!("{}: {error}", path.display())))?;
    file.try_lock()
        .map_err(|_| Error::conflict(format!("another control uses {}", config.data.display())))?;
    Ok(file)
}
