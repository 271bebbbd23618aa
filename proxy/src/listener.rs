//! Accepting clients: one listener for each core on one address, the kernel spreads them.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tenantsdb_codecs::mysql::Flavour;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use crate::core::Core;
use crate::fault::FaultKind;
use crate::front::{mongo, mysql, postgres, redis};
use crate::limits::{Full, SourcePermit};
use crate::metrics::Login;
use crate::stream::keepalive;

/// Clients in the kernel's queue of one listener; `net.core.somaxconn` may be lower.
const BACKLOG: i32 = 4096;
/// Out of file descriptors: the next attempt, for which a session may have ended.
const EXHAUSTED_WAIT: Duration = Duration::from_millis(100);
/// Between two log lines about the same trouble of one listener.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);
/// What sessions get to tell their clients that all ends now.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// Clients of one core that are being told that there is no place for them; more are closed without
/// a word.
const REFUSALS_MAX: usize = 64;

/// Whose clients a listener takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// PostgreSQL's.
    Postgres,
    /// MySQL's or MariaDB's.
    MySql(Flavour),
    /// MongoDB's.
    Mongo,
    /// Redis's or Valkey's.
    Redis,
}

impl Door {
    async fn serve(
        self,
        core: Rc<Core>,
        stream: TcpStream,
        peer: SocketAddr,
        source: SourcePermit,
    ) {
        match self {
            Self::Postgres => postgres::serve(core, stream, peer, source).await,
            Self::MySql(flavour) => mysql::serve(core, stream, peer, source, flavour).await,
            Self::Mongo => mongo::serve(core, stream, peer, source).await,
            Self::Redis => redis::serve(core, stream, peer, source).await,
        }
    }

    async fn turn_away(self, core: Rc<Core>, stream: TcpStream, peer: SocketAddr, full: Full) {
        match self {
            Self::Postgres => postgres::turn_away(core, stream, peer, full).await,
            Self::MySql(_) => mysql::turn_away(core, stream, peer, full).await,
            Self::Mongo => mongo::turn_away(core, stream, peer, full).await,
            Self::Redis => redis::turn_away(core, stream, peer, full).await,
        }
    }
}

/// Binds `count` listeners to one address; port 0 is the same free port for all.
///
/// # Errors
///
/// The address cannot be bound, most likely because it is in use.
pub fn bind(address: SocketAddr, count: usize) -> io::Result<(SocketAddr, Vec<StdListener>)> {
    claim(address)?;
    let first = bind_one(address)?;
    let address = first.local_addr()?;
    let rest = (1..count).map(|_| bind_one(address));
    let listeners = std::iter::once(Ok(first))
        .chain(rest)
        .collect::<io::Result<_>>()?;
    Ok((address, listeners))
}

/// Fails where somebody listens. `SO_REUSEPORT` alone would share the address with another proxy
/// that was left running, and each would get some of the clients.
fn claim(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?; // connections that have ended do not count
    socket.bind(&address.into())
}

fn bind_one(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Connections have these from their listener (Linux, BSD), which saves the calls for each.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive())?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves the clients of one listener until the process drains, and then until all of its sessions
/// are gone or the process stops. Runs in a `LocalSet`.
///
/// # Errors
///
/// The listener cannot be registered with the runtime.
pub async fn serve(core: Rc<Core>, door: Door, listener: StdListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let sessions = TaskTracker::new();
    let refusals = TaskTracker::new();
    let context = std::sync::Arc::clone(&core.context);
    let take = |(stream, peer): (TcpStream, SocketAddr)| {
        context.metrics.accepted.increment();
        let core = Rc::clone(&core);
        match context.limits.client(peer.ip()) {
            Ok((permit, source)) => {
                sessions.spawn_local(async move {
                    let _permit = permit;
                    let context = std::sync::Arc::clone(&core.context);
                    let _clients = context.metrics.clients.enter();
                    door.serve(core, stream, peer, source).await;
                });
            }
            Err(full) if refusals.len() < REFUSALS_MAX => {
                refusals.spawn_local(door.turn_away(core, stream, peer, full));
            }
            Err(_) => {
                context.metrics.logins.increment(Login::Refused);
                context.metrics.faults.increment(FaultKind::Limit);
            }
        }
    };
    let mut complaints = Complaints::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = context.drain.draining() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(client) => take(client),
            Err(error) if exhausted(&error) => {
                context.metrics.accept_errors.increment();
                complaints.about(&error);
                sleep(EXHAUSTED_WAIT).await;
            }
            // The client went away in the queue, or its network did: its own affair.
            Err(error) => debug!(%error, "accept"),
        }
    }
    // Who is in the queue would be reset by the close; a session tells them why, and to come again.
    while let Ok(Ok(client)) = tokio::time::timeout(Duration::ZERO, listener.accept()).await {
        take(client);
    }
    drop(listener);
    sessions.close();
    tokio::select! {
        () = sessions.wait() => {}
        () = context.drain.stopping() => {
            let left = sessions.len();
            if left > 0 {
                warn!(left, "sessions were at work when the time to drain was over");
            }
            // They have been told to end, and tell their clients.
            let _ = tokio::time::timeout(STOP_GRACE, sessions.wait()).await;
        }
    }
    Ok(())
}

/// Whether accepting failed for want of something that comes back, and will fail until it does.
fn exhausted(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        errno,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// Says the same thing only once in a while.
#[derive(Debug, Default)]
struct Complaints {
    last: Option<Instant>,
}

impl Complaints {
    fn about(&mut self, error: &io::Error) {
        if self
            .last
            .is_none_or(|last| last.elapsed() >= COMPLAINT_INTERVAL)
        {
            self.last = Some(Instant::now());
            error!(%error, "clients cannot be accepted: raise the limit of open files (ulimit -n)");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn all_cores_listen_on_one_free_port() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (address, listeners) = bind(any, 3).unwrap();
        assert_ne!(address.port(), 0);
        assert_eq!(listeners.len(), 3);
        for listener in &listeners {
            assert_eq!(listener.local_addr().unwrap(), address);
        }
    }

    #[test]
    fn an_address_is_not_shared_with_another_process() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (address, listeners) = bind(any, 2).unwrap();
        assert_eq!(
            bind(address, 2).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
        drop(listeners);
        assert!(bind(address, 2).is_ok());
    }

    #[test]
    fn running_out_of_descriptors_is_not_the_clients_fault() {
        let out = io::Error::from_raw_os_error(Errno::MFILE.raw_os_error());
        assert!(exhausted(&out));
        let gone = io::Error::from_raw_os_error(Errno::CONNABORTED.raw_os_error());
        assert!(!exhausted(&gone));
    }
}
