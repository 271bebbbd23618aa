//! Rules of the accounts on Redis servers: what the store says, told to the server; told again when
//! it lost them; and what a database leaves, removed.
//!
//! Whoever tells a server looks into the store first, under the server's lock, so that the last one
//! tells what is newest.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tenantsdb_codecs::feed::id::Engine;
use tokio::sync::OwnedMutexGuard;
use tokio::time::MissedTickBehavior;

use crate::context::{Context, Lock};
use crate::error::{Error, Result};
use crate::provision::Account;
use crate::store::servers::{self, Server};
use crate::store::{databases, namespaces, settings};

/// How often each server is asked whether it still has its accounts: one round trip.
const EVERY: Duration = Duration::from_secs(3);
/// Accounts that are told in one go. Meanwhile nobody else tells the server anything.
const PAGE: u32 = 500;

/// The lock of a server's accounts.
pub(crate) async fn alone(context: &Context, server_id: &str) -> OwnedMutexGuard<()> {
    let lock = Lock::Accounts(server_id.to_owned());
    context.locks.lock(lock).await
}

/// Tells the server what the store says of a database's accounts.
pub(crate) async fn put_alone(context: &Context, server_id: &str, database: &str) -> Result<()> {
    let _alone = alone(context, server_id).await;
    put(context, server_id, database, |_| {}).await
}

/// Tells the server what the store says of a database's accounts, but for what is about to be
/// written there. The server's lock is the caller's.
pub(crate) async fn put(
    context: &Context,
    server_id: &str,
    database: &str,
    but: impl FnOnce(&mut Account),
) -> Result<()> {
    let mut read = context.store.read().await?;
    let account = namespaces::account_fetch(&mut read, database).await?;
    drop(read);
    let mut account =
        account.ok_or_else(|| Error::internal(format!("{database} has no account")))?;
    but(&mut account);
    let provisioner = context.provisioner(server_id).await?;
    Ok(provisioner.account_put(&[account]).await?)
}

/// Makes the accounts of a database that nobody has been in yet.
pub(crate) async fn make(context: &Context, server_id: &str, database: &str) -> Result<()> {
    let namespace = namespaces::fetch(&mut *context.store.read().await?, database).await?;
    let dedicated = namespace.is_some_and(|namespace| namespace.prefix.is_none());
    let provisioner = context.provisioner(server_id).await?;
    if dedicated && !provisioner.server_is_empty().await? {
        let refused = "the server is to be the tenant's own, and has keys of somebody else's";
        return Err(crate::provision::Error::Refused(refused.to_owned()).into());
    }
    put_alone(context, server_id, database).await
}

/// Gives the accounts of a tenant's database what version 1.`ordinal` allows. The server's lock is
/// the caller's.
pub(crate) async fn deploy(
    context: &Context,
    database: &databases::Database,
    ordinal: u32,
) -> Result<()> {
    let blueprint = &database.blueprint;
    let settings = settings::fetch(&mut *context.store.read().await?, blueprint, ordinal).await?;
    put(context, &database.server_id, &database.name, |account| {
        account.commands = settings.commands;
    })
    .await
}

/// Removes what a database has on its server: its sessions, its keys, its accounts. May be
/// repeated; at shutdown it is left for the next start. The prefix is free when the rows are gone.
pub(crate) async fn remove(context: &Context, database: &str) -> Result<()> {
    let namespace = namespaces::fetch(&mut *context.store.read().await?, database).await?;
    let Some(namespace) = namespace else {
        return Ok(());
    };
    let provisioner = context.provisioner(&namespace.server_id).await?;
    let shut = {
        let _alone = alone(context, &namespace.server_id).await;
        provisioner.account_shut(database).await
    };
    shut?;
    let emptied = async {
        match &namespace.prefix {
            Some(prefix) => provisioner.keys_drop(prefix).await.map(|_| ()),
            None => provisioner.server_empty().await,
        }
    };
    tokio::select! {
        emptied = emptied => emptied?,
        () = context.shutdown.cancelled() => {
            return Err(Error::internal("the process stops; removing keys goes on at its start"));
        }
    }
    let _alone = alone(context, &namespace.server_id).await;
    Ok(provisioner.account_drop(database).await?)
}

/// Looks after the accounts of all Redis servers, until shutdown.
pub(crate) async fn run(context: Arc<Context>) {
    let mut away = HashSet::new();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = context.shutdown.cancelled() => return,
        }
        let all = match context.store.read().await {
            Ok(mut read) => servers::of_engine(&mut read, Engine::Redis).await,
            Err(error) => Err(error),
        };
        match all {
            Ok(all) => {
                // All at once: one that does not answer puts off the next look, by the time that
                // connecting may take, and no more.
                let looks = all.iter().map(|server| look(&context, server));
                let looks = futures_util::future::join_all(looks).await;
                for (server, looked) in all.iter().zip(looks) {
                    note(&mut away, server, looked);
                }
            }
            Err(error) => tracing::warn!(%error, "the Redis servers cannot be looked at"),
        }
    }
}

/// Says that a server is away when that begins and when it ends, not every few seconds.
fn note(away: &mut HashSet<String>, server: &Server, looked: Result<()>) {
    match looked {
        Ok(()) => {
            if away.remove(&server.id) {
                tracing::info!(server = server.name, "the server is there again");
            }
        }
        Err(error) => {
            if away.insert(server.id.clone()) {
                tracing::warn!(server = server.name, %error, "accounts cannot be looked after");
            }
        }
    }
}

/// Gives a server its accounts again if it lost them.
pub(crate) async fn look(context: &Context, server: &Server) -> Result<()> {
    let provisioner = context.provisioner(&server.id).await?;
    let mark = provisioner.mark().await?;
    match mark.of {
        Some(of) if of == server.id && mark.fresh => return Ok(()),
        Some(other) if other != server.id => {
            return Err(Error::conflict(format!(
                "server \"{}\" has the accounts of another registration, {other}",
                server.name
            )));
        }
        _ => {}
    }
    let mut after = String::new();
    let mut told = 0;
    loop {
        let _alone = alone(context, &server.id).await;
        let mut read = context.store.read().await?;
        let page = namespaces::account_list(&mut read, &server.id, &after, PAGE).await?;
        drop(read);
        let Some(last) = page.last() else { break };
        after = last.database.clone();
        provisioner.account_put(&page).await?;
        told += page.len();
    }
    let strays = strays_drop(context, server).await?;
    provisioner.mark_set(&server.id, &mark.run).await?;
    tracing::info!(
        server = server.name,
        accounts = told,
        strays,
        "the server has its accounts"
    );
    Ok(())
}

/// Removes accounts of databases that are gone, which an ACL file may have brought back.
async fn strays_drop(context: &Context, server: &Server) -> Result<usize> {
    let _alone = alone(context, &server.id).await;
    let mut read = context.store.read().await?;
    let known = namespaces::databases_on(&mut read, &server.id).await?;
    drop(read);
    let known = known.into_iter().collect();
    let provisioner = context.provisioner(&server.id).await?;
    Ok(provisioner.strays_drop(&known).await?)
}
