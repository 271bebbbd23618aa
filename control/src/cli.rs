//! `tdb`: the command line over the REST service.
//!
//! A run is: read the arguments, settle the address and key ([`config`]), call the service through
//! [`crate::client`], print ([`mod@print`]), and turn what went wrong into text and an exit code
//! ([`error`]). One module for each noun; each holds its arguments, its calls and its texts. Texts
//! are made by functions of the answer alone, so that tests can compare them byte for byte.
//!
//! - [`credentials`] keeps issued connection strings, [`mod@file`] writes them safely.
//! - [`connect`] becomes psql, or what another engine has; [`watch`] follows a deployment.

mod api_keys;
mod blueprints;
mod config;
mod connect;
mod credentials;
mod deployments;
mod drift;
mod error;
mod file;
mod print;
mod proxies;
mod servers;
mod session;
mod settings;
mod tenants;
mod watch;
mod workspaces;

use std::ffi::OsString;
use std::io::{BufRead, Write};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde_json::json;

use crate::client::Paging;
use error::Error;
use print::Mode;
use session::Session;

const AFTER_HELP: &str = "\
Address and key of the service, the first that is there:
  --api-url, --api-key        on the command line (others can see it in the process list)
  TDB_API_URL, TDB_API_KEY    in the environment
  tdb config set              in ~/.config/tenantsdb/config.json (TDB_CONFIG names another file)

Issued connection strings are kept for `tdb connect` in credentials.json beside that file, mode
0600; --no-save leaves them out.

Exit codes:
  0    done
  1    the service refused or failed, or a watched deployment failed
  2    wrong usage, or no address or key
  3    not found
  4    conflict: the name is taken, or something is still in use
  5    the API key is missing, wrong, or may not do this
  6    the service cannot be reached
  130  interrupted while watching; what was watched goes on";

/// A database for each customer, run as if there were one database.
#[derive(Parser)]
#[command(name = "tdb", version, after_help = AFTER_HELP, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
struct GlobalArgs {
    /// Print the REST answer as JSON; errors as problem documents on stderr
    #[arg(long, global = true)]
    json: bool,
    /// Print the essential only: names, ids or connection strings, one a line
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Address of the service, for example http://127.0.0.1:6080
    #[arg(long, global = true, value_name = "URL")]
    api_url: Option<String>,
    /// API key; prefer TDB_API_KEY, which the process list does not show
    #[arg(long, global = true, value_name = "KEY")]
    api_key: Option<String>,
}

/// Which part of a list to print.
#[derive(Clone, Debug, Default, Args)]
struct ListArgs {
    /// At most so many; all of them if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Go on where a list with --limit ended: the `next` of its --json
    #[arg(long)]
    cursor: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Database servers that hold workspaces and tenants
    #[command(subcommand)]
    Servers(servers::Command),
    /// Development databases, one for each blueprint
    #[command(subcommand)]
    Workspaces(workspaces::Command),
    /// Versioned schemas that workspaces define
    #[command(subcommand)]
    Blueprints(blueprints::Command),
    /// Customers, each with a database of its own
    #[command(subcommand)]
    Tenants(tenants::Command),
    /// Passwords of databases
    #[command(subcommand)]
    Credentials(credentials::Command),
    /// Jobs that bring tenants to a version of their blueprint
    #[command(subcommand)]
    Deployments(deployments::Command),
    /// Proxies that follow the route feed
    #[command(subcommand)]
    Proxies(proxies::Command),
    /// Keys to the REST service
    #[command(subcommand, visible_alias = "apikeys")]
    ApiKeys(api_keys::Command),
    /// Open psql, a MySQL client, mongosh or redis-cli on a workspace or tenant database
    Connect(connect::ConnectArgs),
    /// Address and key of the service
    #[command(subcommand)]
    Config(config::Command),
    /// Print the version of tdb
    Version,
}

/// What the process was given besides its arguments. No `Debug`: it holds secrets.
#[derive(Clone, Default)]
pub struct Environment {
    /// `TDB_API_URL`.
    pub api_url: Option<String>,
    /// `TDB_API_KEY`.
    pub api_key: Option<String>,
    /// `TDB_SERVER_PASSWORD`.
    pub server_password: Option<String>,
    /// The configuration file; `None` if there is neither `TDB_CONFIG` nor a home.
    pub config_file: Option<PathBuf>,
    /// Whether a person can be asked on standard input.
    pub stdin_is_terminal: bool,
    /// Whether a progress bar can be drawn on standard error.
    pub stderr_is_terminal: bool,
}

/// Where a run reads and prints.
pub struct Streams<'a> {
    /// Standard input.
    pub input: &'a mut dyn BufRead,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
}

/// Runs `tdb` with `args` (the program's name first) and returns its exit code.
///
/// `tdb connect` replaces the process and returns only if that failed.
pub async fn run(
    args: impl IntoIterator<Item = OsString>,
    environment: Environment,
    mut streams: Streams<'_>,
) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return print_usage(&error, &mut streams),
    };
    let mode = Mode::of(cli.global.json, cli.global.quiet);
    let mut session = Session {
        mode,
        global: cli.global,
        environment,
        streams,
    };
    let what = cli.command.what();
    match cli.command.run(&mut session).await {
        Ok(()) => 0,
        Err(error) => {
            // Nobody is left to tell if this fails too.
            let _ = session
                .streams
                .err
                .write_all(error.render(&what, mode).as_bytes());
            error.exit_code()
        }
    }
}

/// Help goes to standard output, mistakes to standard error.
fn print_usage(error: &clap::Error, streams: &mut Streams<'_>) -> u8 {
    let text = error.render();
    let stream = if error.use_stderr() {
        &mut streams.err
    } else {
        &mut streams.out
    };
    let _ = write!(stream, "{text}");
    u8::try_from(error.exit_code()).unwrap_or(2)
}

// === impl Environment ===

impl Environment {
    /// Reads the environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        use std::io::IsTerminal;
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let folder = || {
            let folder = variable("XDG_CONFIG_HOME").map(PathBuf::from);
            folder.or_else(|| Some(std::env::home_dir()?.join(".config")))
        };
        let config_file = variable("TDB_CONFIG")
            .map(PathBuf::from)
            .or_else(|| Some(folder()?.join("tenantsdb").join("config.json")));
        Self {
            api_url: variable("TDB_API_URL"),
            api_key: variable("TDB_API_KEY"),
            server_password: variable("TDB_SERVER_PASSWORD"),
            config_file,
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
        }
    }
}

// === impl ListArgs ===

impl ListArgs {
    fn paging(&self) -> Paging {
        Paging {
            limit: self
                .limit
                .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            cursor: self.cursor.clone(),
        }
    }
}

// === impl Command ===

impl Command {
    /// What is being done, for "… failed".
    fn what(&self) -> String {
        match self {
            Self::Servers(command) => command.what(),
            Self::Workspaces(command) => command.what(),
            Self::Blueprints(command) => command.what(),
            Self::Tenants(command) => command.what(),
            Self::Credentials(command) => command.what(),
            Self::Deployments(command) => command.what(),
            Self::Proxies(command) => command.what(),
            Self::ApiKeys(command) => command.what(),
            Self::Connect(args) => args.what(),
            Self::Config(command) => command.what(),
            Self::Version => "Printing the version".to_owned(),
        }
    }

    async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        match self {
            Self::Servers(command) => command.run(session).await,
            Self::Workspaces(command) => command.run(session).await,
            Self::Blueprints(command) => command.run(session).await,
            Self::Tenants(command) => command.run(session).await,
            Self::Credentials(command) => command.run(session).await,
            Self::Deployments(command) => command.run(session).await,
            Self::Proxies(command) => command.run(session).await,
            Self::ApiKeys(command) => command.run(session).await,
            Self::Connect(args) => args.run(session).await,
            Self::Config(command) => command.run(session).await,
            Self::Version => {
                let version = env!("CARGO_PKG_VERSION");
                let text = format!("tdb v{version}\n");
                session.print(&json!({ "version": version }), &[version], &text)
            }
        }
    }
}

#[cfg(test)]
mod tests;
