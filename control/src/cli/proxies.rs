//! `tdb proxies`: who follows the route feed, and how far behind.

use clap::Subcommand;

use super::error::Error;
use super::{ListArgs, Session, print};
use crate::client::types::{Proxy, RefusedRoute};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the proxies
    List(ListArgs),
}

// === impl Command ===

impl Command {
    pub(super) fn what(&self) -> String {
        match self {
            Self::List(_) => "Listing proxies".to_owned(),
        }
    }

    pub(super) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        match self {
            Self::List(args) => {
                let reply = session.client()?.proxy_list(&args.paging()).await?;
                let none = "No proxy has connected yet.";
                session.print_list(&reply, |proxy| &proxy.id, list_text, none)
            }
        }
    }
}

fn list_text(proxies: &[Proxy]) -> String {
    let rows = proxies.iter().map(|proxy| {
        [
            proxy.id.clone(),
            if proxy.live { "yes" } else { "no" }.to_owned(),
            proxy.acked_rev.to_string(),
            proxy.behind.to_string(),
            print::or_dash(proxy.last_ack_at.as_deref().map(print::time).as_deref()),
        ]
    });
    let mut text = print::table(["ID", "LIVE", "REVISION", "BEHIND", "LAST HEARD"], rows);
    for proxy in proxies {
        if let Some(refused) = &proxy.refused {
            let RefusedRoute { database, reason } = refused;
            text += &format!(
                "\n! {} cannot use the route of {database}: {reason}\n",
                proxy.id
            );
        }
    }
    text
}
