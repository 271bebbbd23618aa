//! `tdb deployments`: bring tenants to a version, and see what became of each.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::Error;
use super::print::Mode;
use super::{ListArgs, Session, print, watch, workspaces};
use crate::client::requests::DeploymentCreate;
use crate::client::types::{Deployment, DeploymentResult};
use crate::client::{Client, Paging, Reply};

/// The status of a database in which nothing is run until a person has looked.
const ATTENTION: &str = "needs_attention";
/// What that person does.
const WHAT_TO_DO: &str = "\
→ needs attention: nothing is run there any more. Look at its objects, and put its table
  _tenantsdb (on MongoDB the collection, as an administrator of the server) right: state = 'done'
  in the row of a statement that took effect (step is its place in the version), no row for one
  that did not, no rows of versions that it does not have. Then deploy again.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Bring tenants to a version of their blueprint
    Create(CreateArgs),
    /// List the deployments
    List(FilterArgs),
    /// Show a deployment with the outcome for each tenant
    #[command(visible_alias = "get")]
    Status(StatusArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The blueprint
    #[arg(long)]
    blueprint: String,
    /// The version to bring tenants to; the last one if left out
    #[arg(long)]
    version: Option<String>,
    /// All tenants of the blueprint
    #[arg(long, required_unless_present = "tenants", conflicts_with = "tenants")]
    all: bool,
    /// These tenants
    #[arg(long = "tenant", value_name = "TENANT", num_args = 1.., id = "tenants")]
    tenants: Vec<String>,
    /// Refuse what would lock a table for writing: ALTER by ALGORITHM=INSTANT, else INPLACE with
    /// LOCK=NONE, else not at all (MySQL)
    #[arg(long)]
    online: bool,
    /// Follow it to its end; exit code 1 if it fails for any tenant
    #[arg(long, short)]
    watch: bool,
}

#[derive(Debug, Args)]
pub(super) struct FilterArgs {
    /// Only deployments of this blueprint
    #[arg(long)]
    blueprint: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Its id; the newest deployment if left out
    id: Option<String>,
    /// Follow it to its end; exit code 1 if it fails for any tenant
    #[arg(long, short)]
    watch: bool,
}

// === impl Command ===

impl Command {
    pub(super) fn what(&self) -> String {
        match self {
            Self::Create(args) => format!("Deploying blueprint '{}'", args.blueprint),
            Self::List(_) => "Listing deployments".to_owned(),
            Self::Status(StatusArgs { id: Some(id), .. }) => format!("Deployment '{id}'"),
            Self::Status(_) => "Finding the newest deployment".to_owned(),
        }
    }

    pub(super) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let client = session.client()?;
        match self {
            Self::Create(args) => create(args, session).await,
            Self::List(args) => {
                let blueprint = args.blueprint.as_deref();
                let reply = client
                    .deployment_list(blueprint, &args.list.paging())
                    .await?;
                let none = "No deployments yet: tdb deployments create --blueprint BLUEPRINT --all";
                session.print_list(&reply, |deployment| &deployment.id, list_text, none)
            }
            Self::Status(args) => {
                let id = match args.id {
                    Some(id) => id,
                    None => newest(&client).await?,
                };
                if args.watch {
                    let reply = watch::follow(&client, &id, session).await?;
                    return print_outcome(&reply, session);
                }
                let reply = client.deployment_fetch(&id).await?;
                print_status(&reply, session)
            }
        }
    }
}

/// Id of the deployment that was created last.
async fn newest(client: &Client) -> Result<String, Error> {
    let first = Paging {
        limit: Some(1),
        cursor: None,
    };
    let reply = client.deployment_list(None, &first).await?;
    let newest = reply.value.into_iter().next();
    newest.map(|deployment| deployment.id).ok_or_else(|| {
        Error::usage(
            "there is no deployment yet",
            "start one: tdb deployments create --blueprint BLUEPRINT --all",
        )
    })
}

async fn create(args: CreateArgs, session: &mut Session<'_>) -> Result<(), Error> {
    let client = session.client()?;
    let wanted = DeploymentCreate {
        blueprint: args.blueprint,
        version: args.version,
        all: args.all,
        tenants: args.tenants,
        online: args.online,
    };
    let reply = client.deployment_create(&wanted).await?;
    let deployment = &reply.value;
    let started = format!(
        "✓ Deployment {} started: {} {} for {}\n",
        deployment.id,
        deployment.blueprint,
        deployment.version,
        tenants(deployment.total)
    );
    if args.watch {
        if session.mode == Mode::Text {
            // Standard output is for the outcome.
            session.warn(started.trim_end())?;
        }
        let reply = watch::follow(&client, &deployment.id, session).await?;
        return print_outcome(&reply, session);
    }
    let text = format!(
        "{started}  → follow it: tdb deployments status {} --watch\n",
        deployment.id
    );
    session.print(&reply.body, &[&deployment.id], &text)
}

fn print_status(reply: &Reply<Deployment>, session: &mut Session<'_>) -> Result<(), Error> {
    let deployment = &reply.value;
    session.print(&reply.body, &[&deployment.status], &status_text(deployment))
}

/// The end of a watched deployment: its status, and a failure if it failed.
fn print_outcome(reply: &Reply<Deployment>, session: &mut Session<'_>) -> Result<(), Error> {
    print_status(reply, session)?;
    let deployment = &reply.value;
    match deployment.status.as_str() {
        "failed" => Err(Error::Deployment {
            blueprint: deployment.blueprint.clone(),
            text: match &deployment.error {
                Some(error) => error.clone(),
                None => format!(
                    "{} of {} failed",
                    deployment.failed,
                    tenants(deployment.total)
                ),
            },
        }),
        _ => Ok(()),
    }
}

fn list_text(deployments: &[Deployment]) -> String {
    let rows = deployments.iter().map(|deployment| {
        [
            deployment.id.clone(),
            deployment.blueprint.clone(),
            deployment.version.clone(),
            deployment.status.clone(),
            format!("{}/{}", deployment.done(), deployment.total),
            deployment.failed.to_string(),
            print::time(&deployment.created_at),
        ]
    });
    print::table(
        [
            "ID",
            "BLUEPRINT",
            "VERSION",
            "STATUS",
            "DONE",
            "FAILED",
            "CREATED",
        ],
        rows,
    )
}

fn status_text(deployment: &Deployment) -> String {
    let counts = format!(
        "{} total, {} completed, {} failed, {} skipped, {} to go",
        deployment.total,
        deployment.completed,
        deployment.failed,
        deployment.skipped,
        deployment.total.saturating_sub(deployment.done())
    );
    let finished = deployment.finished_at.as_deref().map(print::time);
    let mut text = format!("Deployment '{}'\n", deployment.id);
    text += &print::fields(&[
        ("blueprint", &deployment.blueprint),
        ("version", &deployment.version),
        ("status", &deployment.status),
        ("reason", deployment.error.as_deref().unwrap_or_default()),
        ("tenants", &counts),
        ("created", &print::time(&deployment.created_at)),
        ("finished", finished.as_deref().unwrap_or_default()),
        ("took", &took(deployment).unwrap_or_default()),
    ]);
    if !deployment.results.is_empty() {
        text.push('\n');
        text += &results_text(&deployment.results);
    }
    text += &failures_text(deployment);
    text
}

/// `1234ms, 24.3 tenants/s`; `None` before the end.
fn took(deployment: &Deployment) -> Option<String> {
    let at = |time: &str| OffsetDateTime::parse(time, &Rfc3339).ok();
    let (from, to) = (
        at(&deployment.created_at)?,
        at(deployment.finished_at.as_deref()?)?,
    );
    let took = Duration::try_from(to - from).ok()?;
    let mut text = duration(u64::try_from(took.as_millis()).ok()?);
    // Exact up to four thousand million tenants.
    let worked = u32::try_from(deployment.done().saturating_sub(deployment.skipped)).ok()?;
    if worked > 0 && !took.is_zero() {
        let _ = write!(
            text,
            ", {:.1} tenants/s",
            f64::from(worked) / took.as_secs_f64()
        );
    }
    Some(text)
}

fn results_text(results: &[DeploymentResult]) -> String {
    let rows = results.iter().map(|result| {
        [
            result.tenant.clone(),
            result.status.clone(),
            moved(result),
            result.duration_ms.map_or("-".to_owned(), duration),
            print::or_dash(result.error.as_deref()),
        ]
    });
    print::table(["TENANT", "STATUS", "VERSION", "DURATION", "ERROR"], rows)
}

/// `1.0 -> 1.1`
fn moved(result: &DeploymentResult) -> String {
    match (result.from_version.as_deref(), result.to_version.as_deref()) {
        (Some(from), Some(to)) if from != to => format!("{from} -> {to}"),
        (from, to) => print::or_dash(from.or(to)),
    }
}

fn duration(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{ms}ms"),
        _ => format!("{}.{}s", ms / 1000, ms % 1000 / 100),
    }
}

/// Failures with the same text together, most tenants first.
fn failures_text(deployment: &Deployment) -> String {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for result in deployment
        .results
        .iter()
        .filter(|result| matches!(result.status.as_str(), "failed" | ATTENTION))
    {
        // The tenant's own database name is the one thing that differs in otherwise equal texts.
        let database = format!("{}__{}", deployment.blueprint, result.tenant);
        let mut signature = failure(result).replace(&database, "DATABASE");
        if result.status == ATTENTION {
            signature = format!("{signature}\n{WHAT_TO_DO}");
        }
        groups.entry(signature).or_default().push(&result.tenant);
    }
    if groups.is_empty() {
        return String::new();
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    let mut text = "\nFailures:\n".to_owned();
    for (failure, names) in groups {
        let number = u64::try_from(names.len()).unwrap_or(u64::MAX);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {}: {}", tenants(number), names.join(", "));
        let _ = writeln!(text, "    {}", failure.trim_end().replace('\n', "\n    "));
    }
    text
}

/// The server's code and text, and the statement it is about.
fn failure(result: &DeploymentResult) -> String {
    let mut text = result
        .error
        .clone()
        .unwrap_or_else(|| "no reason was kept".to_owned());
    if let Some(sqlstate) = &result.sqlstate {
        text = format!("{sqlstate}: {text}");
    }
    if let Some(statement) = &result.statement {
        text += &format!("\nin: {}", workspaces::shown(statement));
    }
    text
}

fn tenants(number: u64) -> String {
    print::count(number, "tenant")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(tenant: &str, status: &str, error: Option<&str>) -> DeploymentResult {
        DeploymentResult {
            tenant: tenant.to_owned(),
            status: status.to_owned(),
            from_version: Some("1.0".to_owned()),
            to_version: (status == "completed").then(|| "1.1".to_owned()),
            error: error.map(str::to_owned),
            sqlstate: error.map(|_| "42701".to_owned()),
            statement: error.map(|_| "ALTER TABLE users\nADD phone TEXT".to_owned()),
            duration_ms: Some(120),
        }
    }

    #[test]
    fn a_status_has_a_line_for_each_tenant_and_failures_grouped_at_the_end() {
        let deployment = Deployment {
            id: "dep_1".to_owned(),
            blueprint: "myapp".to_owned(),
            version: "1.1".to_owned(),
            status: "failed".to_owned(),
            total: 4,
            completed: 1,
            failed: 3,
            created_at: "2026-01-02T03:04:05.1Z".to_owned(),
            finished_at: Some("2026-01-02T03:04:05.6Z".to_owned()),
            results: vec![
                result("acme", "completed", None),
                result(
                    "bob",
                    "failed",
                    Some("column \"phone\" of myapp__bob exists"),
                ),
                result("carl", "failed", Some("disk full")),
                result(
                    "dora",
                    "failed",
                    Some("column \"phone\" of myapp__dora exists"),
                ),
            ],
            ..Default::default()
        };
        assert_eq!(
            status_text(&deployment),
            "Deployment 'dep_1'
  blueprint:  myapp
  version:    1.1
  status:     failed
  tenants:    4 total, 1 completed, 3 failed, 0 skipped, 0 to go
  created:    2026-01-02T03:04:05Z
  finished:   2026-01-02T03:04:05Z
  took:       500ms, 8.0 tenants/s

TENANT  STATUS     VERSION     DURATION  ERROR
acme    completed  1.0 -> 1.1  120ms     -
bob     failed     1.0         120ms     column \"phone\" of myapp__bob exists
carl    failed     1.0         120ms     disk full
dora    failed     1.0         120ms     column \"phone\" of myapp__dora exists

Failures:
  2 tenants: bob, dora
    42701: column \"phone\" of DATABASE exists
    in: ALTER TABLE users
    ADD phone TEXT
  1 tenant: carl
    42701: disk full
    in: ALTER TABLE users
    ADD phone TEXT
"
        );
    }

    #[test]
    fn what_needs_attention_says_what_to_do() {
        let deployment = Deployment {
            blueprint: "myapp".to_owned(),
            results: vec![result("acme", ATTENTION, Some("its marker says 1.9"))],
            ..Default::default()
        };
        let text = failures_text(&deployment);
        assert!(
            text.contains("1 tenant: acme\n    42701: its marker says 1.9"),
            "{text}"
        );
        assert!(text.contains("\n    → needs attention: "), "{text}");
    }

    #[test]
    fn long_durations_are_in_seconds() {
        assert_eq!(duration(9_999), "9999ms");
        assert_eq!(duration(12_345), "12.3s");
    }
}
