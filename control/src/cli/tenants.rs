//! `tdb tenants`: the customers and their databases.

use clap::{Args, Subcommand};

use super::credentials::Keep;
use super::error::Error;
use super::servers::label;
use super::{ListArgs, Session, credentials, drift, print};
use crate::client::Reply;
use crate::client::requests::TenantCreate;
use crate::client::types::{Tenant, TenantDatabase};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a tenant: a database of its own, at the blueprint's version
    Create(CreateArgs),
    /// List the tenants
    List(FilterArgs),
    /// Show one tenant
    Get {
        /// Its name
        tenant: String,
    },
    /// Change how a tenant's database is served
    Set(SetArgs),
    /// Show what no version put into its databases, or is gone from them
    Drift {
        /// Its name
        tenant: String,
    },
    /// Close a tenant to its clients; its data stays
    Suspend {
        /// Its name
        tenant: String,
    },
    /// Open a suspended tenant
    Resume {
        /// Its name
        tenant: String,
    },
    /// Drop a tenant with its databases and all their data
    Delete {
        /// Its name
        tenant: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Its name: lower-case letters, digits and underscores
    #[arg(long)]
    name: String,
    /// The blueprint that its database is made from
    #[arg(long)]
    blueprint: String,
    /// Let its login change the schema of its database
    #[arg(long)]
    allow_ddl: bool,
    /// Let its login truncate tables (MySQL, where that takes the right to drop them)
    #[arg(long)]
    allow_truncate: bool,
    /// Let its clients load local files with LOAD DATA LOCAL (MySQL)
    #[arg(long)]
    allow_local_infile: bool,
    /// When server connections are given back: session or transaction (MongoDB)
    #[arg(long, value_name = "MODE", value_parser = ["session", "transaction"])]
    pool_mode: Option<String>,
    /// The customer's id in your own books
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// A word to find it by; may be given again
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// The server to put it on, by id or name; chosen for you if left out
    #[arg(long)]
    server: Option<String>,
    /// Give it a server of its own, one that was added as dedicated (Redis)
    #[arg(long)]
    dedicated: bool,
    #[command(flatten)]
    keep: Keep,
}

#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// Its name
    tenant: String,
    /// The blueprint whose database is meant
    #[arg(long)]
    blueprint: String,
    /// When server connections are given back: session or transaction (MongoDB)
    #[arg(long, value_name = "MODE", value_parser = ["session", "transaction"])]
    pool_mode: String,
}

#[derive(Debug, Args)]
pub(super) struct FilterArgs {
    /// Only tenants of this blueprint
    #[arg(long)]
    blueprint: Option<String>,
    /// Only tenants in this state
    #[arg(long, value_parser = ["creating", "active", "suspended", "deleting", "failed"])]
    status: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

// === impl Command ===

impl Command {
    pub(super) fn what(&self) -> String {
        match self {
            Self::Create(args) => format!("Creating tenant '{}'", args.name),
            Self::List(_) => "Listing tenants".to_owned(),
            Self::Get { tenant } => format!("Showing tenant '{tenant}'"),
            Self::Set(args) => format!("Changing tenant '{}'", args.tenant),
            Self::Drift { tenant } => format!("Comparing tenant '{tenant}'"),
            Self::Suspend { tenant } => format!("Suspending tenant '{tenant}'"),
            Self::Resume { tenant } => format!("Resuming tenant '{tenant}'"),
            Self::Delete { tenant, .. } => format!("Deleting tenant '{tenant}'"),
        }
    }

    pub(super) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let client = session.client()?;
        match self {
            Self::Create(args) => create(args, session).await,
            Self::List(args) => {
                let (blueprint, status) = (args.blueprint.as_deref(), args.status.as_deref());
                let reply = client
                    .tenant_list(blueprint, status, &args.list.paging())
                    .await?;
                let none = match (blueprint, status) {
                    (None, None) => {
                        "No tenants yet: tdb tenants create --name NAME --blueprint BLUEPRINT"
                    }
                    _ => "No such tenants.",
                };
                session.print_list(&reply, |tenant| &tenant.name, list_text, none)
            }
            Self::Get { tenant } => {
                let reply = client.tenant_fetch(&tenant).await?;
                let text = format!("Tenant '{tenant}'\n{}", text(&reply.value));
                session.print(&reply.body, &[&reply.value.name], &text)
            }
            Self::Set(args) => {
                let SetArgs {
                    tenant,
                    blueprint,
                    pool_mode,
                } = args;
                let set = client.tenant_pool_mode_set(&tenant, &blueprint, &pool_mode);
                changed(&set.await?, &format!("has pool mode {pool_mode}"), session)
            }
            Self::Drift { tenant } => drift::show(&tenant, session).await,
            Self::Suspend { tenant } => {
                changed(&client.tenant_suspend(&tenant).await?, "suspended", session)
            }
            Self::Resume { tenant } => {
                changed(&client.tenant_resume(&tenant).await?, "resumed", session)
            }
            Self::Delete { tenant, yes } => delete(&tenant, yes, session).await,
        }
    }
}

async fn create(args: CreateArgs, session: &mut Session<'_>) -> Result<(), Error> {
    let tenant = TenantCreate {
        name: args.name,
        blueprint: args.blueprint,
        allow_ddl: args.allow_ddl,
        allow_truncate: args.allow_truncate,
        allow_local_infile: args.allow_local_infile,
        pool_mode: args.pool_mode,
        external_id: args.external_id,
        labels: args.labels.into_iter().collect(),
        server: args.server,
        dedicated: args.dedicated,
    };
    let reply = session.client()?.tenant_create(&tenant).await?;
    let created = &reply.value;
    // An earlier blueprint's database may be listed too; its password is not in this answer.
    let issued = created
        .databases
        .iter()
        .find(|database| database.blueprint == tenant.blueprint);
    let database = issued.cloned().unwrap_or_default();
    let connection = database.connection_string.as_deref().unwrap_or_default();
    let client = match database.engine.as_str() {
        "MySQL" => "a MySQL client",
        "MongoDB" => "mongosh",
        "Redis" => "redis-cli",
        _ => "psql",
    };
    let text = format!(
        "✓ Tenant '{}' created\n\n{}\n  → open {client} on it: tdb connect {}\n",
        created.name,
        text(created),
        database.database
    );
    // Kept even if nobody reads what is printed.
    let printed = session.print(&reply.body, &[connection], &text);
    credentials::issued(session, &args.keep, &database.database, connection).await?;
    printed?;
    session.note_routing(created.routed, &created.behind)
}

fn changed(reply: &Reply<Tenant>, done: &str, session: &mut Session<'_>) -> Result<(), Error> {
    let tenant = &reply.value;
    let text = format!("✓ Tenant '{}' {done}\n", tenant.name);
    session.print(&reply.body, &[&tenant.name], &text)?;
    session.note_routing(tenant.routed, &tenant.behind)
}

async fn delete(tenant: &str, yes: bool, session: &mut Session<'_>) -> Result<(), Error> {
    let client = session.client()?;
    let databases = client.tenant_fetch(tenant).await?.value.databases;
    let names: Vec<&str> = databases
        .iter()
        .map(|database| database.database.as_str())
        .collect();
    if !yes {
        let question = format!("This drops {} with all data.", names.join(", "));
        session.confirm(&question, tenant)?;
    }
    let reply = client.tenant_delete(tenant).await?;
    credentials::ended(session, &names).await?;
    let text =
        format!("✓ Tenant '{tenant}' deleted; its databases are dropped in the background\n");
    session.print(&reply.body, &[tenant], &text)
}

fn text(tenant: &Tenant) -> String {
    let mut text = print::fields(&[
        ("status", &tenant.status),
        ("reason", &tenant.reason),
        (
            "external id",
            tenant.external_id.as_deref().unwrap_or_default(),
        ),
        ("labels", &print::labels(&tenant.labels)),
        ("created", &print::time(&tenant.created_at)),
    ]);
    for database in &tenant.databases {
        text.push('\n');
        text += &database_text(database);
    }
    text
}

fn database_text(database: &TenantDatabase) -> String {
    print::fields(&[
        ("database", &database.database),
        ("engine", &database.engine),
        ("blueprint", &database.blueprint),
        ("version", &database.version),
        ("server", &database.server),
        ("prefix", database.prefix.as_deref().unwrap_or_default()),
        (
            "schema changes",
            if database.allow_ddl { "allowed" } else { "" },
        ),
        (
            "truncate",
            if database.allow_truncate {
                "allowed"
            } else {
                ""
            },
        ),
        (
            "local infile",
            if database.allow_local_infile {
                "allowed"
            } else {
                ""
            },
        ),
        (
            "pool mode",
            database.pool_mode.as_deref().unwrap_or_default(),
        ),
        ("reason", &database.reason),
        (
            "connection string",
            database.connection_string.as_deref().unwrap_or_default(),
        ),
    ])
}

/// One row for each database: a tenant may have several.
fn list_text(tenants: &[Tenant]) -> String {
    let rows = tenants.iter().flat_map(|tenant| {
        let none = [TenantDatabase::default()];
        let databases = match tenant.databases.as_slice() {
            [] => none.to_vec(),
            databases => databases.to_vec(),
        };
        databases.into_iter().map(|database| {
            [
                tenant.name.clone(),
                tenant.status.clone(),
                print::or_dash(Some(&database.database)),
                print::or_dash(Some(&database.version)),
                print::or_dash(Some(&database.server)),
                print::or_dash(tenant.external_id.as_deref()),
            ]
        })
    });
    print::table(
        [
            "NAME",
            "STATUS",
            "DATABASE",
            "VERSION",
            "SERVER",
            "EXTERNAL ID",
        ],
        rows,
    )
}
