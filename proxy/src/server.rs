//! Builds the parts, starts the cores, and ends them; [`cores`] are the threads that serve
//! sessions.
//!
//! One thread for each core serves sessions and nothing else. The thread that called [`run`] does
//! the rest: signals, the feed, captures, the disk, the admin pages.

mod cores;

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tenantsdb_codecs::mysql::Flavour;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{error, info, warn};

use cores::Cores;

use crate::auth::rsa::RsaError;
use crate::config::Config;
use crate::context::{Context, Record};
use crate::control::{Client, ControlError};
use crate::ddl::journal::{self, Keeper};
use crate::ddl::redeliver::{self, Redelivery};
use crate::ddl::{self, Delivery};
use crate::listener::Door;
use crate::route::disk::{self, DataDir, DiskError};
use crate::route::feed::{self, Progress};
use crate::route::follow::{Follower, Position};
use crate::tls::{Tls, TlsError};
use crate::{admin, listener};

/// What sessions that are told to end at once get to do so.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The record of MySQL workspaces' DDL, in the data directory.
const JOURNAL: &str = "journal";

/// Why the proxy did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address that cannot be listened on.
    #[error("{option} {address}: {source}")]
    Bind {
        /// The option that names it.
        option: &'static str,
        /// The address.
        address: SocketAddr,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The key for MySQL's clients.
    #[error(transparent)]
    Rsa(#[from] RsaError),
    /// The data directory.
    #[error("--data {0}")]
    Data(#[from] DiskError),
    /// The journal in it.
    #[error("--data, journal: {0}")]
    Journal(#[source] io::Error),
    /// The client for control.
    #[error("control: {0}")]
    Control(#[from] ControlError),
    /// A runtime, a thread or a signal handler.
    #[error("starting: {0}")]
    Io(#[from] io::Error),
    /// A part of it ended without being told to: a bug, whose report is in the log.
    #[error("{0} ended by itself")]
    Lost(&'static str),
}

/// Runs the proxy until it is told to end by a signal.
///
/// # Errors
///
/// It cannot start, or a part of it was lost.
pub fn run(config: Config) -> Result<(), ServerError> {
    raise_file_limit();
    let parts = Parts::new(config)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(parts.run())
}

/// All that must be in order before the first client is accepted.
struct Parts {
    context: Arc<Context>,
    client: Client,
    delivery: Delivery,
    data: Option<Arc<DataDir>>,
    follower: Follower,
    /// For each core, one for each door.
    listeners: Vec<Vec<(Door, StdListener)>>,
    recording: Option<Recording>,
    admin: StdListener,
}

impl Parts {
    fn new(config: Config) -> Result<Self, ServerError> {
        let tls = Tls::load(&config)?;
        let client = Client::new(&config.control)?;
        let data = config.data.as_deref().map(DataDir::open).transpose()?;
        let (captures, delivery) = ddl::channel();
        let (record, recording) = match &config.data {
            Some(data) => Recording::open(data).map(|(record, it)| (Some(record), Some(it)))?,
            None => (None, None),
        };
        let context = Context::new(config, tls, captures, record)?;
        let config = &context.config;
        let follower = load(data.as_ref(), &context);
        let listeners = bind(config)?;
        let admin = StdListener::bind(config.admin_listen)
            .and_then(|admin| admin.set_nonblocking(true).map(|()| admin))
            .map_err(bind_error("--admin-listen", config.admin_listen))?;
        let admin_address = admin.local_addr()?;
        info!(
            postgres = %config.postgres_listen, admin = %admin_address, cores = listeners.len(),
            tls = config.client_tls.is_some(), proxy = config.control.proxy_id,
            control = config.control.url, routes = context.routes.len(), "listening"
        );
        Ok(Self {
            client,
            delivery,
            data: data.map(Arc::new),
            follower,
            listeners,
            recording,
            admin,
            context,
        })
    }

    async fn run(self) -> Result<(), ServerError> {
        let Self {
            context, client, ..
        } = self;
        let mut signals = Signals::new()?;
        let (progress, progressed) = Progress::channel(self.follower.position().cloned());
        let position = progress.subscribe();

        let pages = admin::router(Arc::clone(&context), position.clone());
        let listener = TcpListener::from_std(self.admin)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let served = axum::serve(listener, pages).await;
            error!(?served, "admin pages");
        });
        tasks.spawn(self.delivery.run(client.clone(), Arc::clone(&context)));
        if let Some(Recording { keeper, redelivery }) = self.recording
            && let Some(record) = &context.record
        {
            tasks.spawn(keeper.run());
            tasks.spawn(redelivery.run(client.clone(), record.journal.clone()));
        }
        tasks.spawn({
            let (context, client) = (Arc::clone(&context), client.clone());
            async move { feed::acknowledge(client, &context.metrics, progressed).await }
        });
        if let Some(data) = &self.data {
            let (data, routes) = (Arc::clone(data), Arc::clone(&context.routes));
            tasks.spawn(disk::keep(data, routes, position.clone()));
        }
        tasks.spawn({
            let (context, follower) = (Arc::clone(&context), self.follower);
            async move {
                feed::follow(
                    client,
                    &context.routes,
                    &context.metrics,
                    follower,
                    progress,
                )
                .await;
            }
        });

        let mut cores = Cores::start(&context, self.listeners)?;
        let ended = attend(&context, &mut signals, &mut cores, &mut tasks).await;
        if let Some(data) = &self.data {
            save(data, &context, &position);
        }
        ended
    }
}

/// The tasks behind the record of DDL.
struct Recording {
    keeper: Keeper,
    redelivery: Redelivery,
}

impl Recording {
    /// Opens the record in the data directory.
    fn open(data: &Path) -> Result<(Record, Self), ServerError> {
        let opened = journal::open(&data.join(JOURNAL)).map_err(ServerError::Journal)?;
        let (journal, keeper, left_over) = opened;
        let (undelivered, redelivery) = redeliver::channel(left_over);
        let record = Record {
            journal,
            undelivered,
        };
        Ok((record, Self { keeper, redelivery }))
    }
}

/// Binds each door for each core.
fn bind(config: &Config) -> Result<Vec<Vec<(Door, StdListener)>>, ServerError> {
    let doors = [
        (
            Door::Postgres,
            "--postgres-listen",
            Some(config.postgres_listen),
        ),
        (
            Door::MySql(Flavour::MySql),
            "--mysql-listen",
            config.mysql_listen,
        ),
        (
            Door::MySql(Flavour::MariaDb),
            "--mariadb-listen",
            config.mariadb_listen,
        ),
        (Door::Mongo, "--mongo-listen", config.mongo_listen),
        (Door::Redis, "--redis-listen", config.redis_listen),
    ];
    let mut cores: Vec<Vec<(Door, StdListener)>> = Vec::new();
    cores.resize_with(config.cores.get(), Vec::new);
    for (door, option, address) in doors {
        let Some(address) = address else { continue };
        let (bound, listeners) =
            listener::bind(address, cores.len()).map_err(bind_error(option, address))?;
        info!(?door, address = %bound, "listening");
        for (core, listener) in cores.iter_mut().zip(listeners) {
            core.push((door, listener));
        }
    }
    Ok(cores)
}

fn bind_error(option: &'static str, address: SocketAddr) -> impl FnOnce(io::Error) -> ServerError {
    move |source| ServerError::Bind {
        option,
        address,
        source,
    }
}

/// The follower that goes on from what is on disk, or from nothing.
fn load(data: Option<&DataDir>, context: &Context) -> Follower {
    let Some(data) = data else {
        warn!("no --data directory: after a restart routes can only come from control");
        return Follower::default();
    };
    match data.load(&context.routes) {
        Ok(Some(follower)) => {
            info!(routes = context.routes.len(), "routes loaded from disk");
            follower
        }
        Ok(None) => Follower::default(),
        Err(error) => {
            warn!(%error, "routes on disk cannot be used; waiting for control");
            Follower::default()
        }
    }
}

fn save(data: &DataDir, context: &Context, position: &watch::Receiver<Option<Position>>) {
    let position = position.borrow().clone();
    let saved = position.map(|position| data.save(&position, &context.routes));
    if let Some(Err(error)) = saved {
        warn!(%error, "routes could not be saved");
    }
}

/// Lets the cores run until a signal, then until they have drained.
async fn attend(
    context: &Context,
    signals: &mut Signals,
    cores: &mut Cores,
    tasks: &mut JoinSet<()>,
) -> Result<(), ServerError> {
    loop {
        tokio::select! {
            order = signals.next() => match order {
                Order::Reload => reload(context),
                Order::End => break,
            },
            Some(()) = cores.lost() => return Err(lost(context, "a core")),
            Some(_) = tasks.join_next() => return Err(lost(context, "a background task")),
        }
    }
    context.drain.begin();
    let seconds = context.config.drain_timeout.as_secs();
    info!(seconds, "draining: a second signal ends at once");
    tokio::select! {
        () = cores.ended() => {}
        () = sleep(context.config.drain_timeout) => {}
        () = signals.end() => {}
    }
    context.drain.stop();
    if tokio::time::timeout(STOP_TIMEOUT, cores.ended())
        .await
        .is_err()
    {
        warn!("a core did not end in time");
    }
    info!("ended");
    Ok(())
}

/// Whoever started this process starts it again; half of it is of no use.
fn lost(context: &Context, part: &'static str) -> ServerError {
    context.drain.stop();
    ServerError::Lost(part)
}

fn reload(context: &Context) {
    match context.tls.reload() {
        Ok(()) => info!("certificates reloaded"),
        Err(error) => error!(%error, "certificates not reloaded; the old ones stay"),
    }
}

/// What the operator can say to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Read the certificates again.
    Reload,
    /// Drain; said again, end at once.
    End,
}

struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Cancel safe.
    async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.reload.recv() => Order::Reload,
            _ = self.terminate.recv() => Order::End,
            _ = self.interrupt.recv() => Order::End,
        }
    }

    /// Waits for [`Order::End`]. Cancel safe.
    async fn end(&mut self) {
        while self.next().await != Order::End {}
    }
}

/// Takes all the file descriptors that the system gives without being asked for more rights.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let all = Rlimit {
            current: maximum,
            maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, all) {
            warn!(%error, ?current, "the limit of open files could not be raised");
        }
    }
}
