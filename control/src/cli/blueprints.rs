//! `tdb blueprints`: the versioned schemas.

use std::fmt::Write;

use clap::{Args, Subcommand};

use super::error::Error;
use super::workspaces::terminated;
use super::{ListArgs, Session, print};
use crate::client::types::{Blueprint, BlueprintVersion, Table};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the blueprints
    List(ListArgs),
    /// Show one blueprint: its versions, its tables with their columns
    Get {
        /// Its name
        blueprint: String,
    },
    /// Print the versions of a blueprint with their statements
    Versions(VersionsArgs),
}

#[derive(Debug, Args)]
pub(super) struct VersionsArgs {
    /// Its name
    blueprint: String,
    #[command(flatten)]
    list: ListArgs,
}

// === impl Command ===

impl Command {
    pub(super) fn what(&self) -> String {
        match self {
            Self::List(_) => "Listing blueprints".to_owned(),
            Self::Get { blueprint } => format!("Showing blueprint '{blueprint}'"),
            Self::Versions(args) => format!("Listing versions of blueprint '{}'", args.blueprint),
        }
    }

    pub(super) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let client = session.client()?;
        match self {
            Self::List(args) => {
                let reply = client.blueprint_list(&args.paging()).await?;
                let none = "No blueprints yet: a workspace makes one (tdb workspaces create)";
                session.print_list(&reply, |blueprint| &blueprint.name, list_text, none)
            }
            Self::Get { blueprint } => {
                let reply = client.blueprint_fetch(&blueprint).await?;
                session.print(&reply.body, &[&reply.value.version], &text(&reply.value))
            }
            Self::Versions(args) => {
                let paging = args.list.paging();
                let reply = client.blueprint_versions(&args.blueprint, &paging).await?;
                session.print_list(
                    &reply,
                    |version| &version.version,
                    versions_text,
                    "No versions.",
                )
            }
        }
    }
}

fn list_text(blueprints: &[Blueprint]) -> String {
    let rows = blueprints.iter().map(|blueprint| {
        [
            blueprint.name.clone(),
            blueprint.engine.clone(),
            blueprint.database.clone(),
            blueprint.version.clone(),
            blueprint.tenants.to_string(),
        ]
    });
    print::table(["NAME", "ENGINE", "WORKSPACE", "VERSION", "TENANTS"], rows)
}

fn text(blueprint: &Blueprint) -> String {
    let mut text = format!("Blueprint '{}'\n", blueprint.name);
    text += &print::fields(&[
        ("engine", &blueprint.engine),
        ("workspace", &blueprint.database),
        ("version", &blueprint.version),
        ("tenants", &blueprint.tenants.to_string()),
    ]);
    let rows = blueprint.versions.iter().map(|version| {
        let statements = version.statements.len().to_string();
        [
            version.version.clone(),
            statements,
            print::time(&version.created_at),
        ]
    });
    text += "\nVersions:\n";
    text += &print::table(["VERSION", "STATEMENTS", "CREATED"], rows);
    text += "\nTables:\n";
    if blueprint.tables.is_empty() {
        text += "none\n";
    }
    let tables: Vec<String> = blueprint.tables.iter().map(table_text).collect();
    text + &tables.join("\n")
}

fn table_text(table: &Table) -> String {
    // A collection has none.
    let has_columns = !table.columns.is_empty();
    let rows = table.columns.iter().map(|column| {
        [
            column.name.clone(),
            column.type_name.clone(),
            if column.nullable { "yes" } else { "no" }.to_owned(),
            print::or_dash(column.default.as_deref()),
        ]
    });
    let columns = || print::table(["COLUMN", "TYPE", "NULL", "DEFAULT"], rows);
    let mut parts: Vec<String> = has_columns.then(columns).into_iter().collect();
    for (heading, list) in [
        ("INDEX", &table.indexes),
        ("CONSTRAINT", &table.constraints),
    ] {
        let rows = list
            .iter()
            .map(|part| [part.name.clone(), part.definition.clone()]);
        if !list.is_empty() {
            parts.push(print::table([heading, "DEFINITION"], rows));
        }
    }
    let mut text = format!("{}.{}\n", table.schema, table.name);
    for line in parts.join("\n").lines() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", format!("  {line}").trim_end());
    }
    text
}

fn versions_text(versions: &[BlueprintVersion]) -> String {
    versions.iter().fold(String::new(), |mut text, version| {
        let _ = writeln!(
            text,
            "{}  {}",
            version.version,
            print::time(&version.created_at)
        );
        for statement in &version.statements {
            let fate = match statement.deploy {
                true => "",
                false => "  -- recorded, never deployed",
            };
            let _ = writeln!(
                text,
                "  {}{fate}",
                terminated(&statement.ddl).replace('\n', "\n  ")
            );
        }
        text
    })
}
