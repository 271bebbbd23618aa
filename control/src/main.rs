//! `tenantsdb-control`: arguments, logging, and the exit code; nothing else.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use tenantsdb_control::config::{
    Config, DEPLOY_WORKERS, MARIADB_ADDRESS, MONGO_ADDRESS, MYSQL_ADDRESS, REDIS_ADDRESS,
    check_address,
};
use tenantsdb_control::daemon::Daemon;
use tenantsdb_control::init::init;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Frees memory of bursts sooner than the system's allocator, and is faster under threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the health check waits for an answer.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// The control plane of TenantsDB.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the store, the master key, one API key and one proxy token; print both once.
    Init(Place),
    /// Serve the REST API and the route feed.
    Run(Run),
    /// Ask a running control whether it is ready; exits with 0 or 1.
    Health(Listen),
}

#[derive(Args)]
struct Place {
    /// Data directory.
    #[arg(long, env = "TENANTSDB_CONTROL_DATA")]
    data: PathBuf,
    /// File of the key that seals secrets; DATA/master.key if left out.
    #[arg(long, env = "TENANTSDB_MASTER_KEY_FILE")]
    master_key_file: Option<PathBuf>,
}

#[derive(Args)]
struct Listen {
    /// Address of the REST API and the route feed.
    #[arg(
        long,
        env = "TENANTSDB_CONTROL_LISTEN",
        default_value = "127.0.0.1:6080"
    )]
    listen: SocketAddr,
}

#[derive(Args)]
struct Run {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    listen: Listen,
    /// host:port of the proxies for PostgreSQL clients, as connection strings show it.
    #[arg(
        long,
        env = "TENANTSDB_POSTGRES_ADDRESS",
        default_value = "127.0.0.1:6432"
    )]
    postgres_address: String,
    /// host:port of the proxies for MySQL clients whose databases are on MariaDB.
    #[arg(
        long,
        env = "TENANTSDB_MARIADB_ADDRESS",
        default_value = MARIADB_ADDRESS
    )]
    mariadb_address: String,
    /// host:port of the proxies for MySQL clients whose databases are on MySQL.
    #[arg(
        long,
        env = "TENANTSDB_MYSQL_ADDRESS",
        default_value = MYSQL_ADDRESS
    )]
    mysql_address: String,
    /// host:port of the proxies for MongoDB clients.
    #[arg(
        long,
        env = "TENANTSDB_MONGO_ADDRESS",
        default_value = MONGO_ADDRESS
    )]
    mongo_address: String,
    /// host:port of the proxies for Redis clients.
    #[arg(
        long,
        env = "TENANTSDB_REDIS_ADDRESS",
        default_value = REDIS_ADDRESS
    )]
    redis_address: String,
    /// Tenants of one database server that a deployment works on at once.
    #[arg(
        long,
        env = "TENANTSDB_DEPLOY_WORKERS",
        default_value_t = DEPLOY_WORKERS
    )]
    deploy_workers: NonZeroU16,
    /// PEM file of the authorities that database servers with "verify-full" are checked against.
    /// Left out, the public ones are trusted; a server with a private authority then is refused.
    #[arg(long, env = "TENANTSDB_SERVER_CA", value_name = "FILE")]
    server_ca: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("TENANTSDB_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match start(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tenantsdb-control: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(command: Command) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            match command {
                Command::Init(place) => make(place).await,
                Command::Run(run) => serve(run).await,
                Command::Health(listen) => health(listen.listen).await,
            }
        })
}

async fn make(place: Place) -> anyhow::Result<()> {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config::new(
        place.data,
        nowhere,
        "127.0.0.1:6432".to_owned(),
        place.master_key_file,
    )?;
    let made = init(&config).await?;
    println!("API key:     {}", made.api_key.expose());
    println!("Proxy token: {}", made.proxy_token.expose());
    eprintln!(
        "Both are shown this once. The store is in {}; without {} its secrets cannot be read.",
        config.data.display(),
        config.master_key.display()
    );
    Ok(())
}

async fn serve(run: Run) -> anyhow::Result<()> {
    let mut config = Config::new(
        run.place.data,
        run.listen.listen,
        run.postgres_address,
        run.place.master_key_file,
    )?;
    for address in [
        &run.mariadb_address,
        &run.mysql_address,
        &run.mongo_address,
        &run.redis_address,
    ] {
        check_address(address)?;
    }
    config.mariadb_address = run.mariadb_address;
    config.mysql_address = run.mysql_address;
    config.mongo_address = run.mongo_address;
    config.redis_address = run.redis_address;
    config.deploy_workers = run.deploy_workers;
    config.server_ca = run.server_ca;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let daemon = Daemon::start(config).await?;
    tracing::info!(listen = %daemon.address()?, "control runs");
    let shutdown = daemon.shutdown();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.cancel();
    });
    daemon.run().await;
    Ok(())
}

async fn health(listen: SocketAddr) -> anyhow::Result<()> {
    let answer = tokio::time::timeout(HEALTH_TIMEOUT, ask(listen))
        .await
        .context("no answer in time")??;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200 "), "not ready");
    Ok(())
}

/// One request needs no HTTP client.
async fn ask(listen: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(listen).await?;
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: health\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
