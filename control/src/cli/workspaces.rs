//! `tdb workspaces`: the development databases, and what they have that tenants lack.

use clap::{Args, Subcommand};
use tenantsdb_codecs::mongo::shell::shell;

use super::credentials::Keep;
use super::error::Error;
use super::settings::SettingsArgs;
use super::{ListArgs, Session, credentials, print};
use crate::client::requests::WorkspaceCreate;
use crate::client::types::{Diff, PendingStatement, Workspace};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a workspace: a development database whose DDL is recorded
    Create(CreateArgs),
    /// List the workspaces
    List(ListArgs),
    /// Show one workspace
    Get {
        /// Its name
        workspace: String,
    },
    /// Print the DDL that some tenant lacks
    Diff {
        /// Its name
        workspace: String,
    },
    /// Show the settings of a Redis workspace, or change some, which makes the next version
    Settings(SettingsArgs),
    /// Drop a workspace with its database and its blueprint
    Delete {
        /// Its name
        workspace: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Its name, and the name of its blueprint
    #[arg(long)]
    name: String,
    /// The database engine: PostgreSQL, MySQL (which MariaDB is, too), MongoDB or Redis (Valkey)
    #[arg(long, value_name = "ENGINE")]
    database: String,
    /// The server to put it on, by id or name; chosen for you if left out. Tenants go to servers of
    /// the same kind, so say it where there are MySQL and MariaDB servers
    #[arg(long)]
    server: Option<String>,
    #[command(flatten)]
    keep: Keep,
}

// === impl Command ===

impl Command {
    pub(super) fn what(&self) -> String {
        match self {
            Self::Create(args) => format!("Creating workspace '{}'", args.name),
            Self::List(_) => "Listing workspaces".to_owned(),
            Self::Get { workspace } => format!("Showing workspace '{workspace}'"),
            Self::Diff { workspace } => format!("Comparing workspace '{workspace}'"),
            Self::Settings(args) => format!("Settings of workspace '{}'", args.workspace),
            Self::Delete { workspace, .. } => format!("Deleting workspace '{workspace}'"),
        }
    }

    pub(super) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        match self {
            Self::Create(args) => create(args, session).await,
            Self::List(args) => {
                let reply = session.client()?.workspace_list(&args.paging()).await?;
                let none = "No workspaces yet: tdb workspaces create --name NAME --database ENGINE";
                session.print_list(&reply, |workspace| &workspace.name, list_text, none)
            }
            Self::Get { workspace } => {
                let reply = session.client()?.workspace_fetch(&workspace).await?;
                let text = format!("Workspace '{workspace}'\n{}", text(&reply.value));
                session.print(&reply.body, &[&reply.value.name], &text)
            }
            Self::Diff { workspace } => {
                let reply = session.client()?.workspace_diff(&workspace).await?;
                let quiet = reply
                    .value
                    .pending
                    .iter()
                    .map(|pending| terminated(&pending.ddl));
                let quiet: Vec<String> = quiet.collect();
                let quiet: Vec<&str> = quiet.iter().map(String::as_str).collect();
                session.print(&reply.body, &quiet, &diff_text(&reply.value))
            }
            Self::Settings(args) => args.run(session).await,
            Self::Delete { workspace, yes } => delete(&workspace, yes, session).await,
        }
    }
}

async fn create(args: CreateArgs, session: &mut Session<'_>) -> Result<(), Error> {
    let wanted = WorkspaceCreate {
        name: args.name,
        engine: args.database,
        server: args.server,
    };
    let reply = session.client()?.workspace_create(&wanted).await?;
    let workspace = &reply.value;
    let connection = workspace.connection_string.as_deref().unwrap_or_default();
    let next = match workspace.engine.as_str() {
        "Redis" => "open redis-cli on it",
        _ => "design the schema",
    };
    let text = format!(
        "✓ Workspace '{}' created\n\n{}\n  → {next}: tdb connect {}\n",
        workspace.name,
        text(workspace),
        workspace.database
    );
    // Kept even if nobody reads what is printed.
    let printed = session.print(&reply.body, &[connection], &text);
    credentials::issued(session, &args.keep, &workspace.database, connection).await?;
    printed?;
    session.note_routing(workspace.routed, &workspace.behind)
}

async fn delete(workspace: &str, yes: bool, session: &mut Session<'_>) -> Result<(), Error> {
    let client = session.client()?;
    let fetched = client.workspace_fetch(workspace).await?.value;
    if !yes {
        let question = format!(
            "This drops the database {} with all its data, and the blueprint with all its \
             versions.",
            fetched.database
        );
        session.confirm(&question, workspace)?;
    }
    let reply = client.workspace_delete(workspace).await?;
    credentials::ended(session, &[&fetched.database]).await?;
    session.print(
        &reply.body,
        &[workspace],
        &format!("✓ Workspace '{workspace}' deleted\n"),
    )
}

fn text(workspace: &Workspace) -> String {
    print::fields(&[
        ("engine", &workspace.engine),
        ("database", &workspace.database),
        ("blueprint", &workspace.blueprint),
        ("version", &workspace.version),
        ("server", &workspace.server),
        ("prefix", workspace.prefix.as_deref().unwrap_or_default()),
        ("status", &workspace.status),
        ("reason", &workspace.reason),
        ("created", &print::time(&workspace.created_at)),
        (
            "connection string",
            workspace.connection_string.as_deref().unwrap_or_default(),
        ),
    ])
}

fn list_text(workspaces: &[Workspace]) -> String {
    let rows = workspaces.iter().map(|workspace| {
        [
            &workspace.name,
            &workspace.engine,
            &workspace.database,
            &workspace.version,
            &workspace.status,
        ]
        .map(Clone::clone)
    });
    print::table(["NAME", "ENGINE", "DATABASE", "VERSION", "STATUS"], rows)
}

fn diff_text(diff: &Diff) -> String {
    if diff.pending.is_empty() {
        return "No pending DDL changes.\n".to_owned();
    }
    let mut text = "Pending DDL Changes:\n".to_owned();
    for (number, pending) in (1..).zip(&diff.pending) {
        text.push_str(&pending_text(number, pending));
    }
    text
}

fn pending_text(number: u64, pending: &PendingStatement) -> String {
    // Lines after the first stand under it.
    let statement = terminated(&pending.ddl).replace('\n', "\n     ");
    let mut remarks = String::new();
    // What a comment begins with, for who copies the line.
    let comment = if is_command(&pending.ddl) { "//" } else { "--" };
    if pending.origin == "inferred" {
        remarks += &format!("  {comment} inferred: no single statement explains it");
    }
    if pending.crash_safe == Some(false) {
        remarks += &format!("  {comment} not crash-safe: cannot be told afterwards whether it ran");
    }
    format!("  {number}. {statement}{remarks}\n")
}

/// Whether it is a command of MongoDB, which is JSON.
fn is_command(ddl: &str) -> bool {
    ddl.starts_with('{')
}

/// A statement as people read it.
pub(super) fn shown(ddl: &str) -> String {
    if is_command(ddl) {
        shell(ddl)
    } else {
        ddl.to_owned()
    }
}

/// The statement with its semicolon, which a comment at the end must not swallow.
pub(super) fn terminated(ddl: &str) -> String {
    if is_command(ddl) {
        return shell(ddl);
    }
    let last_line = ddl.lines().next_back().unwrap_or_default();
    match last_line.contains("--") {
        true => format!("{ddl}\n;"),
        false => format!("{ddl};"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(statements: &[(&str, &str)]) -> String {
        let pending = statements.iter().map(|(ddl, origin)| PendingStatement {
            ddl: (*ddl).to_owned(),
            origin: (*origin).to_owned(),
            ..Default::default()
        });
        diff_text(&Diff {
            pending: pending.collect(),
        })
    }

    #[test]
    fn a_diff_is_printed_to_the_byte() {
        assert_eq!(
            diff(&[("ALTER TABLE users ADD COLUMN phone TEXT", "wire")]),
            "Pending DDL Changes:\n  1. ALTER TABLE users ADD COLUMN phone TEXT;\n"
        );
        assert_eq!(diff(&[]), "No pending DDL changes.\n");
    }

    #[test]
    fn statements_of_several_lines_stand_under_their_number() {
        assert_eq!(
            diff(&[
                ("CREATE TABLE t (\n  a int\n)", "wire"),
                ("DROP TABLE u", "ledger")
            ]),
            "Pending DDL Changes:
  1. CREATE TABLE t (
       a int
     );
  2. DROP TABLE u;
"
        );
    }

    #[test]
    fn a_final_comment_does_not_swallow_the_semicolon() {
        assert_eq!(terminated("DROP TABLE t -- old"), "DROP TABLE t -- old\n;");
        assert_eq!(terminated("-- old\nDROP TABLE t"), "-- old\nDROP TABLE t;");
    }

    #[test]
    fn a_statement_that_leaves_no_trace_is_marked() {
        let pending = PendingStatement {
            ddl: "CREATE TABLE u SELECT * FROM t".to_owned(),
            origin: "wire".to_owned(),
            crash_safe: Some(false),
            ..Default::default()
        };
        assert_eq!(
            pending_text(1, &pending),
            "  1. CREATE TABLE u SELECT * FROM t;  -- not crash-safe: cannot be told afterwards \
             whether it ran\n"
        );
    }

    #[test]
    fn an_inferred_change_is_marked() {
        assert!(diff(&[("DROP TABLE t", "inferred")]).contains("DROP TABLE t;  -- inferred"));
    }
}
