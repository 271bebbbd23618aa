//! How many clients there may be, in the order in which a connection meets the limits: all clients
//! of the process; those of one address that have not logged in; those of all addresses that have
//! not, counted from their first byte on; clients of one database.
//!
//! Nobody waits for a place: who has none is told at once. A queue would be filled by whoever opens
//! connections and says nothing, and delay everybody else's login.
//!
//! Beside them: monitors of MongoDB's drivers ([`monitors`]), and memory for requests that are held
//! ([`bodies`]), which is waited for.

pub(crate) mod bodies;
mod monitors;

use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::bodies::Bodies;
use self::monitors::{Monitors, Seat};
use crate::config::Config;
use crate::route::Route;

/// Counts of one process, shared by its cores.
#[derive(Debug)]
pub struct Limits {
    clients: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    monitors: Monitors,
    pub(crate) bodies: Bodies,
    handshakes_per_source_max: u32,
    sources: Counts<IpAddr>,
    databases: Counts<Box<str>>,
}

/// The limit that has no room for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Clients of the process.
    Clients,
    /// Clients of one address that have not logged in.
    Source,
    /// Clients that have not logged in.
    Handshakes,
}

/// One of the process's client connections; given back on drop.
#[derive(Debug)]
#[must_use = "the place is given back on drop"]
pub struct ClientPermit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// One of the clients that have not logged in; given back on drop.
#[derive(Debug)]
#[must_use = "the place is given back on drop"]
pub struct HandshakePermit {
    _process: OwnedSemaphorePermit,
    source: SourcePermit,
}

/// One of the connections by which MongoDB drivers see whether the proxy is there: they never log
/// in, and stay for as long as the application runs. Given back on drop.
#[derive(Debug)]
#[must_use = "the place is given back on drop"]
pub struct MonitorPermit {
    seat: Seat,
    _source: SourcePermit,
}

/// One client of an address that has not logged in; given back on drop.
pub type SourcePermit = Counted<IpAddr>;

/// One client of a database; given back on drop.
pub type DatabasePermit = Counted<Box<str>>;

/// How many there are of each; those that there are none of are not in here.
#[derive(Debug)]
struct Counts<K: Eq + Hash>(Arc<DashMap<K, u32>>);

/// One of those that a key has; given back on drop.
#[derive(Debug)]
#[must_use = "the place is given back on drop"]
pub struct Counted<K: Eq + Hash> {
    counts: Arc<DashMap<K, u32>>,
    key: K,
}

impl Limits {
    /// All places free.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            clients: Arc::new(Semaphore::new(config.client_connections_max)),
            handshakes: Arc::new(Semaphore::new(config.handshakes_max)),
            // The rest is for who does something.
            monitors: Monitors::new(config.client_connections_max / 2),
            bodies: Bodies::new(),
            handshakes_per_source_max: config.handshakes_per_source_max,
            sources: Counts::default(),
            databases: Counts::default(),
        }
    }

    /// A place for one more client, whose connection was just taken.
    ///
    /// # Errors
    ///
    /// The process is full, or the address has too many that have not logged in.
    pub fn client(&self, peer: IpAddr) -> Result<(ClientPermit, SourcePermit), Full> {
        let clients = Arc::clone(&self.clients);
        let client = clients.try_acquire_owned().map_err(|_| Full::Clients)?;
        let source = self.source(peer).ok_or(Full::Source)?;
        Ok((ClientPermit(client), source))
    }

    /// A place among those of the address that have not logged in.
    pub(crate) fn source(&self, peer: IpAddr) -> Option<SourcePermit> {
        self.sources
            .enter(source(peer), self.handshakes_per_source_max)
    }

    /// A place among the clients that have not logged in, for one that has begun to talk.
    ///
    /// # Errors
    ///
    /// There is none; the place of its address is given back.
    pub fn handshake(&self, source: SourcePermit) -> Result<HandshakePermit, SourcePermit> {
        match Arc::clone(&self.handshakes).try_acquire_owned() {
            Ok(process) => Ok(HandshakePermit {
                _process: process,
                source,
            }),
            Err(_) => Err(source),
        }
    }

    /// A place among the monitors, in exchange for the one among those that log in. Another may
    /// lose its own for it ([`MonitorPermit::lost`]). `None`: there are no monitors.
    pub fn monitor(&self, place: HandshakePermit) -> Option<MonitorPermit> {
        Some(MonitorPermit {
            seat: self.monitors.take(place.source.key)?,
            _source: place.source,
        })
    }

    /// A place among the clients of the route's database, or `None` when that is full. A route
    /// without a limit of its own has only the process's.
    #[must_use]
    pub fn database(&self, route: &Route) -> Option<DatabasePermit> {
        let max = route.limits.client_connections_max.unwrap_or(u32::MAX);
        self.databases.enter(route.database.clone(), max)
    }

    /// Clients connected to the database through this process.
    #[must_use]
    pub fn database_clients(&self, database: &str) -> u32 {
        self.databases.0.get(database).map_or(0, |count| *count)
    }
}

impl MonitorPermit {
    /// Completes when the place has been given to another: this one is to close. Cancel safe.
    pub(crate) async fn lost(&self) {
        self.seat.lost().await;
    }
}

/// What counts as one source: an IPv4 address, or an IPv6 network of 64 bits, since any host may
/// take all addresses of its own. An IPv4 address in IPv6 clothes is the IPv4 address.
fn source(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            Ipv6Addr::from(network).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clients => "sorry, too many clients already",
            Self::Source => "too many connections from this address have not logged in",
            Self::Handshakes => "too many connections have not logged in",
        })
    }
}

impl<K: Eq + Hash> Default for Counts<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Clone> Counts<K> {
    fn enter(&self, key: K, max: u32) -> Option<Counted<K>> {
        if max == 0 {
            return None;
        }
        let mut count = self.0.entry(key.clone()).or_insert(0);
        if *count >= max {
            return None;
        }
        *count += 1;
        drop(count);
        Some(Counted {
            counts: Arc::clone(&self.0),
            key,
        })
    }
}

impl<K: Eq + Hash> Drop for Counted<K> {
    fn drop(&mut self) {
        let freed = self.counts.remove_if_mut(&self.key, |_, count| {
            *count = count.saturating_sub(1);
            *count == 0
        });
        drop(freed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::route::entry::Interner;
    use crate::route::entry::tests::wire_route;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// What there is without waiting.
    pub(super) fn now<F: Future>(future: F) -> Option<F::Output> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    fn limits(clients: usize, handshakes: usize) -> Limits {
        Limits {
            clients: Arc::new(Semaphore::new(clients)),
            handshakes: Arc::new(Semaphore::new(handshakes)),
            monitors: Monitors::new(clients / 2),
            bodies: Bodies::new(),
            handshakes_per_source_max: 2,
            sources: Counts::default(),
            databases: Counts::default(),
        }
    }

    #[test]
    fn places_are_given_back() {
        let limits = limits(1, 1);
        let place = limits.client(PEER).unwrap();
        assert_eq!(limits.client(PEER).unwrap_err(), Full::Clients);
        drop(place);
        assert!(limits.client(PEER).is_ok());
        assert!(limits.sources.0.is_empty());
    }

    #[test]
    fn an_address_takes_the_places_of_no_other() {
        let limits = limits(9, 9);
        let hers: IpAddr = "2001:db8:0:1::1".parse().unwrap();
        let hers_too: IpAddr = "2001:db8:0:1:ffff::2".parse().unwrap();
        let other: IpAddr = "2001:db8:0:2::1".parse().unwrap();
        let held = (
            limits.client(hers).unwrap(),
            limits.client(hers_too).unwrap(),
        );
        assert_eq!(limits.client(hers).unwrap_err(), Full::Source);
        assert!(limits.client(other).is_ok());
        drop(held);
        assert!(limits.client(hers).is_ok());
        assert!(limits.sources.0.is_empty(), "nothing is left behind");
    }

    #[test]
    fn an_ipv4_address_is_itself_on_an_ipv6_listener_too() {
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        let plain: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(source(mapped), plain);
        assert_ne!(source(mapped), source("::ffff:192.0.2.2".parse().unwrap()));
    }

    #[test]
    fn who_finds_no_place_to_log_in_is_told_at_once() {
        let limits = limits(9, 1);
        let source = || limits.source(PEER).unwrap();
        let first = limits.handshake(source()).unwrap();
        drop(limits.handshake(source()).unwrap_err());
        drop(first);
        assert!(limits.handshake(source()).is_ok());
        assert!(limits.sources.0.is_empty());
    }

    #[test]
    fn who_only_looks_whether_we_are_there_takes_no_place_of_those_who_log_in() {
        let limits = limits(2, 1);
        let place = || limits.handshake(limits.source(PEER).unwrap());
        let first = limits.monitor(place().unwrap()).unwrap();
        assert!(now(first.lost()).is_none());
        let second = limits.monitor(place().unwrap()).unwrap();
        assert!(now(first.lost()).is_some(), "there is one place");
        assert!(now(second.lost()).is_none());
        drop((first, second));
        assert!(limits.sources.0.is_empty());
    }

    #[test]
    fn a_database_has_a_limit_of_its_own_and_leaves_nothing_behind() {
        let limits = limits(9, 9);
        let mut route = wire_route("acme", 1);
        route.limits.client_connections_max = Some(2);
        let route = Route::read(route, &mut Interner::default()).unwrap();
        let held = (
            limits.database(&route).unwrap(),
            limits.database(&route).unwrap(),
        );
        assert!(limits.database(&route).is_none());
        assert_eq!(limits.database_clients("app__acme"), 2);
        drop(held);
        assert!(limits.databases.0.is_empty());
    }

    #[test]
    fn a_database_without_places_leaves_nothing_behind() {
        let limits = limits(9, 9);
        let mut route = wire_route("acme", 1);
        route.limits.client_connections_max = Some(0);
        let route = Route::read(route, &mut Interner::default()).unwrap();
        assert!(limits.database(&route).is_none());
        assert!(limits.databases.0.is_empty());
    }
}
