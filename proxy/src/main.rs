//! `tenantsdb-proxy`: arguments, logs, exit code.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use tenantsdb_proxy::config::check::{address, check};
use tenantsdb_proxy::config::raw::{Cli, Command, Health, Raw};
use tenantsdb_proxy::{admin, server, tls};
use tracing_subscriber::EnvFilter;

/// Memory of short-lived sessions goes back and is found again without a lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli
        .command
        .unwrap_or_else(|| Command::Run(Box::new(cli.run)))
    {
        Command::Run(raw) => run(&raw),
        Command::Health(health) => ask(&health),
        Command::DevCerts(to) => tls::dev::write(&to.dir).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tenantsdb-proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(raw: &Raw) -> anyhow::Result<()> {
    log(raw.log_json);
    let config = check(raw)?;
    Ok(server::run(config)?)
}

fn ask(health: &Health) -> anyhow::Result<()> {
    let listen = address("--admin-listen", &health.admin_listen)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime
        .block_on(admin::ask(listen, health.ready))
        .map_err(anyhow::Error::msg)
}

/// Logs go to standard error; `TENANTSDB_LOG` chooses which, as `info` or `tenantsdb_proxy=debug`.
fn log(json: bool) {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .with_env_var("TENANTSDB_LOG")
        .from_env_lossy();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    if json { log.json().init() } else { log.init() }
}
