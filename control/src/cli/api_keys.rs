//! `tdb api-keys`: keys to the REST service.

use clap::Subcommand;

use super::error::Error;
use super::{ListArgs, Session, print};
use crate::client::types::ApiKey;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Issue a key; its secret is printed this once
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
    },
    /// List the keys, without their secrets
    List(ListArgs),
    /// End a key
    Delete {
        /// Its id
        id: String,
    },
}

// === impl Command ===

impl Command {
    pub(super) fn what(&self) -> String {
        match self {
            Self::Create { name } => format!("Creating API key '{name}'"),
            Self::List(_) => "Listing API keys".to_owned(),
            Self::Delete { id } => format!("Deleting API key '{id}'"),
        }
    }

    pub(super) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let client = session.client()?;
        match self {
            Self::Create { name } => create(&name, session).await,
            Self::List(args) => {
                let reply = client.api_key_list(&args.paging()).await?;
                session.print_list(&reply, |key| &key.id, list_text, "No API keys.")
            }
            Self::Delete { id } => {
                let reply = client.api_key_delete(&id).await?;
                session.print(&reply.body, &[&id], &format!("✓ API key '{id}' deleted\n"))
            }
        }
    }
}

async fn create(name: &str, session: &mut Session<'_>) -> Result<(), Error> {
    let reply = session.client()?.api_key_create(name).await?;
    let issued = &reply.value;
    let mut text = format!("✓ API key '{}' created\n\n", issued.name);
    text += &print::fields(&[("id", &issued.id), ("key", &issued.key)]);
    if issued.key.is_empty() {
        text += &format!(
            "\n  ! the answer with the key was lost on its way\n  → delete this one, make another: \
             tdb api-keys delete {}\n",
            issued.id
        );
    } else {
        text += "\n  → it is not shown again; keep it where TDB_API_KEY is set\n";
    }
    session.print(&reply.body, &[&issued.key], &text)
}

fn list_text(keys: &[ApiKey]) -> String {
    let rows = keys.iter().map(|key| {
        [
            key.id.clone(),
            key.name.clone(),
            print::time(&key.created_at),
            print::or_dash(key.last_used_at.as_deref().map(print::time).as_deref()),
        ]
    });
    print::table(["ID", "NAME", "CREATED", "LAST USED"], rows)
}
