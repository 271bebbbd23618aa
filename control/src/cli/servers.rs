//! `tdb servers`: the database servers that hold workspaces and tenants.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::error::Error;
use super::{ListArgs, Session, print};
use crate::client::requests::ServerAdd;
use crate::client::types::Server;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Register a database server; its admin password comes from a file, standard input or
    /// TDB_SERVER_PASSWORD
    Add(AddArgs),
    /// List the servers
    List(ListArgs),
    /// Show one server
    Get {
        /// Its id or name
        server: String,
    },
    /// Forget a server that holds no database of ours
    Remove {
        /// Its id or name
        server: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// A name to speak of it by
    #[arg(long)]
    name: Option<String>,
    /// What it runs: PostgreSQL, MySQL (which MariaDB is, too: the server says which), MongoDB
    /// or Redis (Valkey)
    #[arg(long)]
    engine: String,
    /// Where it listens
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// Admin login: a superuser on PostgreSQL, an account with ALL PRIVILEGES and GRANT OPTION on
    /// MySQL, a user of admin with the role root on MongoDB, a user with ~* &* +@all on Redis
    /// (default has them)
    #[arg(long)]
    user: String,
    /// File that holds the admin password
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    password_file: Option<PathBuf>,
    /// Read the admin password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// How connections to it are protected
    #[arg(long)]
    tls: Option<Tls>,
    /// Keep it for one tenant alone, made with --dedicated (Redis)
    #[arg(long)]
    dedicated: bool,
    /// A word to find it by; may be given again
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Most tenants it may hold
    #[arg(long, value_name = "TENANTS")]
    capacity: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Tls {
    /// Plain TCP: loopback and private networks only
    Disable,
    /// TLS without looking at the certificate
    Require,
    /// TLS; the certificate must be valid for the host
    VerifyFull,
}

// === impl Tls ===

impl Tls {
    const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Require => "require",
            Self::VerifyFull => "verify-full",
        }
    }
}

// === impl Command ===

impl Command {
    pub(super) fn what(&self) -> String {
        match self {
            Self::Add(args) => format!("Adding server '{}'", args.address),
            Self::List(_) => "Listing servers".to_owned(),
            Self::Get { server } => format!("Showing server '{server}'"),
            Self::Remove { server } => format!("Removing server '{server}'"),
        }
    }

    pub(super) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        match self {
            Self::Add(args) => add(args, session).await,
            Self::List(args) => {
                let reply = session.client()?.server_list(&args.paging()).await?;
                let none = "No servers yet: tdb servers add";
                session.print_list(&reply, title, list_text, none)
            }
            Self::Get { server } => {
                let reply = session.client()?.server_fetch(&server).await?;
                let text = format!("Server '{}'\n{}", title(&reply.value), text(&reply.value));
                session.print(&reply.body, &[&reply.value.id], &text)
            }
            Self::Remove { server } => {
                let reply = session.client()?.server_remove(&server).await?;
                session.print(
                    &reply.body,
                    &[&server],
                    &format!("✓ Server '{server}' removed\n"),
                )
            }
        }
    }
}

async fn add(args: AddArgs, session: &mut Session<'_>) -> Result<(), Error> {
    let client = session.client()?;
    let server = ServerAdd {
        password: password(&args, session)?,
        name: args.name,
        engine: args.engine,
        address: args.address,
        user: args.user,
        mode: args.dedicated.then(|| "dedicated".to_owned()),
        tls: args.tls.map(|tls| tls.name().to_owned()),
        labels: args.labels.into_iter().collect(),
        capacity: args.capacity,
    };
    let reply = client.server_add(&server).await?;
    let added = &reply.value;
    let text = format!("✓ Server '{}' added\n\n{}", title(added), text(added));
    session.print(&reply.body, &[&added.id], &text)
}

/// The admin password, from where the process list does not show it.
fn password(args: &AddArgs, session: &mut Session<'_>) -> Result<String, Error> {
    if let Some(path) = &args.password_file {
        let text = fs::read_to_string(path).map_err(|error| {
            let text = format!("cannot read {}: {error}", path.display());
            Error::local(text, "--password-file names a readable file")
        })?;
        return Ok(first_line(&text));
    }
    if args.password_stdin {
        let mut line = String::new();
        session.streams.input.read_line(&mut line)?;
        return Ok(first_line(&line));
    }
    session.environment.server_password.clone().ok_or_else(|| {
        Error::usage(
            "the admin password is missing",
            "set TDB_SERVER_PASSWORD, or add --password-file FILE or --password-stdin",
        )
    })
}

/// Editors and `echo` end a line; no password does.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Reads `key=value`.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a label looks like KEY=VALUE".to_owned()),
    }
}

fn title(server: &Server) -> &str {
    server.name.as_deref().unwrap_or(&server.id)
}

fn text(server: &Server) -> String {
    let capacity = server.capacity.map(|capacity| capacity.to_string());
    print::fields(&[
        ("id", &server.id),
        ("engine", &engine(server)),
        ("address", &server.address),
        ("tls", &server.tls),
        ("mode", &server.mode),
        ("tenants", &server.tenants.to_string()),
        ("capacity", capacity.as_deref().unwrap_or_default()),
        ("labels", &print::labels(&server.labels)),
        ("created", &print::time(&server.created_at)),
    ])
}

fn engine(server: &Server) -> String {
    match &server.version {
        Some(version) => format!("{} {version}", server.engine),
        None => server.engine.clone(),
    }
}

fn list_text(servers: &[Server]) -> String {
    let rows = servers.iter().map(|server| {
        [
            server.id.clone(),
            print::or_dash(server.name.as_deref()),
            engine(server),
            server.address.clone(),
            server.tls.clone(),
            match server.capacity {
                Some(capacity) => format!("{} of {capacity}", server.tenants),
                None => server.tenants.to_string(),
            },
            print::or_dash(Some(&print::labels(&server.labels))),
        ]
    });
    print::table(
        [
            "ID", "NAME", "ENGINE", "ADDRESS", "TLS", "TENANTS", "LABELS",
        ],
        rows,
    )
}
