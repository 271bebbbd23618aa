//! What the operator asks for: resolved once at start, immutable from then on.
//!
//! [`raw`] is what the command line and the environment may say; [`check`] resolves it and reports
//! everything that is wrong with it at once.

pub mod check;
pub mod raw;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use tenantsdb_codecs::secret::Secret;

/// The resolved configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where PostgreSQL clients connect. Port 0 takes a free one, which is logged.
    pub postgres_listen: SocketAddr,
    /// Where MySQL clients connect, if any.
    pub mysql_listen: Option<SocketAddr>,
    /// Where MariaDB clients connect, if any.
    pub mariadb_listen: Option<SocketAddr>,
    /// Where MongoDB clients connect, if any.
    pub mongo_listen: Option<SocketAddr>,
    /// Where Redis clients connect, if any.
    pub redis_listen: Option<SocketAddr>,
    /// Private key that MySQL clients without TLS seal their passwords with; `None` makes one.
    pub mysql_rsa_key: Option<PathBuf>,
    /// Where `/metrics`, `/healthz` and `/readyz` are served.
    pub admin_listen: SocketAddr,
    /// How control is reached.
    pub control: Control,
    /// Where the last good routes are kept; `None` keeps none.
    pub data: Option<PathBuf>,
    /// Certificate for clients; `None` refuses TLS (`sslmode=prefer` goes on without).
    pub client_tls: Option<CertFiles>,
    /// Certificates that `verify-full` servers are checked against; `None` trusts no such server.
    pub server_ca: Option<PathBuf>,
    /// Threads that serve sessions.
    pub cores: NonZeroUsize,
    /// Client connections of the process.
    pub client_connections_max: usize,
    /// Client connections that have not logged in.
    pub handshakes_max: usize,
    /// Those of one IPv4 address, or one IPv6 network of 64 bits.
    pub handshakes_per_source_max: u32,
    /// Server connections of one database, idle ones included, unless its route says otherwise.
    pub server_connections_max: u32,
    /// The same of one MongoDB database.
    pub mongo_server_connections_max: u32,
    /// The same of one Redis database.
    pub redis_server_connections_max: u32,
    /// From accept to the answer to a login.
    pub handshake_timeout: Duration,
    /// From a login that was proved to a server connection.
    pub checkout_timeout: Duration,
    /// From dialling a server to being logged in there.
    pub connect_timeout: Duration,
    /// How long a server connection may be idle.
    pub idle_timeout: Duration,
    /// How long sessions at work may go on once draining starts.
    pub drain_timeout: Duration,
}

/// How control is reached.
#[derive(Clone, Debug)]
pub struct Control {
    /// Base URL, without a final slash.
    pub url: String,
    /// The proxy token that control's `init` printed.
    pub token: Secret<String>,
    /// The name of this proxy; no other may follow the feed under it.
    pub proxy_id: String,
}

/// A certificate chain and its private key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertFiles {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}
