//! The command line and the environment, unchecked: every value is text until [`super::check`] has
//! seen all of them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The data plane of TenantsDB.
#[derive(Debug, Parser)]
#[command(
    name = "tenantsdb-proxy",
    version,
    about,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// What to do; `run` if left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `run`.
    #[command(flatten)]
    pub run: Raw,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve clients until SIGTERM or SIGINT.
    Run(Box<Raw>),
    /// Ask a running proxy whether it is alive; exit status 0 or 1.
    Health(Health),
    /// Make a CA and a server certificate for localhost, for development.
    DevCerts(DevCerts),
}

/// Options of `health`.
#[derive(Debug, Args)]
pub struct Health {
    /// The proxy's --admin-listen.
    #[arg(long, env = "TENANTSDB_ADMIN_LISTEN", default_value = ADMIN_LISTEN)]
    pub admin_listen: String,
    /// Ask whether it has routes to serve, too.
    #[arg(long)]
    pub ready: bool,
}

/// Options of `dev-certs`.
#[derive(Debug, Args)]
pub struct DevCerts {
    /// Where ca.crt, server.crt and server.key go; made if it is not there. Files are not replaced.
    #[arg(long)]
    pub dir: PathBuf,
}

const ADMIN_LISTEN: &str = "127.0.0.1:6090";

/// Options of `run`, as they were given.
#[derive(Clone, Debug, Default, Args)]
pub struct Raw {
    /// Where PostgreSQL clients connect.
    #[arg(
        long,
        env = "TENANTSDB_POSTGRES_LISTEN",
        default_value = "127.0.0.1:6432"
    )]
    pub postgres_listen: String,
    /// Where clients of MySQL servers connect, for example 127.0.0.1:6307 [default: nowhere].
    #[arg(long, env = "TENANTSDB_MYSQL_LISTEN")]
    pub mysql_listen: Option<String>,
    /// Where clients of MariaDB servers connect, for example 127.0.0.1:6306 [default: nowhere].
    #[arg(long, env = "TENANTSDB_MARIADB_LISTEN")]
    pub mariadb_listen: Option<String>,
    /// Where MongoDB clients connect, for example 127.0.0.1:6017 [default: nowhere].
    #[arg(long, env = "TENANTSDB_MONGO_LISTEN")]
    pub mongo_listen: Option<String>,
    /// Where Redis clients connect, for example 127.0.0.1:6380 [default: nowhere].
    #[arg(long, env = "TENANTSDB_REDIS_LISTEN")]
    pub redis_listen: Option<String>,
    /// Private RSA key, PEM (PKCS#8), that MySQL clients without TLS seal their passwords with; the
    /// same for all proxies [default: one that is made when it is needed].
    #[arg(long, env = "TENANTSDB_MYSQL_RSA_KEY")]
    pub mysql_rsa_key: Option<PathBuf>,
    /// Where /metrics, /healthz and /readyz are served.
    #[arg(long, env = "TENANTSDB_ADMIN_LISTEN", default_value = ADMIN_LISTEN)]
    pub admin_listen: String,
    /// Base URL of tenantsdb-control.
    #[arg(
        long,
        env = "TENANTSDB_CONTROL_URL",
        default_value = "http://127.0.0.1:6080"
    )]
    pub control_url: String,
    /// File that holds the proxy token, which `tenantsdb-control init` prints.
    #[arg(long, env = "TENANTSDB_PROXY_TOKEN_FILE")]
    pub proxy_token_file: Option<PathBuf>,
    /// Name of this proxy, unique among those of one control [default: host name and port].
    #[arg(long, env = "TENANTSDB_PROXY_ID")]
    pub proxy_id: Option<String>,
    /// Directory for the last good routes, so that a restart does not need control.
    #[arg(long, env = "TENANTSDB_PROXY_DATA")]
    pub data: Option<PathBuf>,
    /// Certificate chain for clients, PEM; read again on SIGHUP.
    #[arg(long, env = "TENANTSDB_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert, PEM.
    #[arg(long, env = "TENANTSDB_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// CA certificates, PEM, for servers that are registered with tls verify-full.
    #[arg(long, env = "TENANTSDB_SERVER_CA")]
    pub server_ca: Option<PathBuf>,
    /// Threads that serve sessions [default: one for each processor].
    #[arg(long, env = "TENANTSDB_CORES")]
    pub cores: Option<String>,
    /// Client connections of this proxy.
    #[arg(
        long,
        env = "TENANTSDB_CLIENT_CONNECTIONS_MAX",
        default_value = "10000"
    )]
    pub client_connections_max: String,
    /// Client connections that have not logged in; more are refused.
    #[arg(long, env = "TENANTSDB_HANDSHAKES_MAX", default_value = "4000")]
    pub handshakes_max: String,
    /// Those of one IPv4 address or IPv6 /64 network; raise it behind a balancer or NAT.
    #[arg(
        long,
        env = "TENANTSDB_HANDSHAKES_PER_SOURCE_MAX",
        default_value = "1000"
    )]
    pub handshakes_per_source_max: String,
    /// Server connections of one database, unless its route says otherwise.
    #[arg(long, env = "TENANTSDB_SERVER_CONNECTIONS_MAX", default_value = "20")]
    pub server_connections_max: String,
    /// The same of a MongoDB database, whose drivers keep a pool of their own.
    #[arg(
        long,
        env = "TENANTSDB_MONGO_SERVER_CONNECTIONS_MAX",
        default_value = "100"
    )]
    pub mongo_server_connections_max: String,
    /// The same of a Redis database, whose applications keep some dozens of connections each.
    #[arg(
        long,
        env = "TENANTSDB_REDIS_SERVER_CONNECTIONS_MAX",
        default_value = "200"
    )]
    pub redis_server_connections_max: String,
    /// Seconds from accept to the answer to a login.
    #[arg(long, env = "TENANTSDB_HANDSHAKE_SECONDS", default_value = "10")]
    pub handshake_seconds: String,
    /// Seconds that a client waits for a server connection.
    #[arg(long, env = "TENANTSDB_CHECKOUT_SECONDS", default_value = "15")]
    pub checkout_seconds: String,
    /// Seconds for connecting and logging in to a server.
    #[arg(long, env = "TENANTSDB_CONNECT_SECONDS", default_value = "5")]
    pub connect_seconds: String,
    /// Seconds after which an idle server connection is closed.
    #[arg(long, env = "TENANTSDB_IDLE_SECONDS", default_value = "60")]
    pub idle_seconds: String,
    /// Seconds that sessions at work get after SIGTERM.
    #[arg(long, env = "TENANTSDB_DRAIN_SECONDS", default_value = "30")]
    pub drain_seconds: String,
    /// Write logs as JSON.
    #[arg(long, env = "TENANTSDB_LOG_JSON")]
    pub log_json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_is_the_default_command() {
        let cli = Cli::parse_from(["tenantsdb-proxy", "--cores", "3"]);
        assert!(cli.command.is_none());
        assert_eq!(cli.run.cores.as_deref(), Some("3"));
    }
}
