//! What a client left on the server: cursors, transactions, sessions.
//!
//! They belong to no connection, and a driver has many. So they are kept for all connections of one
//! user from one address together, and the server is told to forget them when the last of these is
//! gone: then the application is, or what it had open is of no use to it. What a driver that ends
//! in an orderly way closes itself is not kept any more by then.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenantsdb_codecs::mongo::pipeline::Sessions;
use tokio::time::Duration;
use tracing::debug;

use super::login::Proved;
use super::{opener, release};
use crate::core::Core;

/// How long an application may be without a connection before what it has open is given up: a
/// driver that lost all of them connects again, and goes on with the same sessions.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// The clients of this process, by what they share.
#[derive(Debug, Default)]
pub(crate) struct Groups(Mutex<HashMap<Key, Group>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    database: Box<str>,
    user: Box<str>,
    peer: IpAddr,
}

#[derive(Debug, Default)]
struct Group {
    members: usize,
    open: Arc<Mutex<Sessions>>,
}

/// One connection of a group.
#[derive(Debug)]
pub(crate) struct Member {
    key: Key,
    open: Arc<Mutex<Sessions>>,
    groups: Arc<Groups>,
    left: bool,
}

// === impl Groups ===

impl Groups {
    /// Counts a connection in.
    pub(crate) fn join(self: &Arc<Self>, proved: &Proved, peer: IpAddr) -> Member {
        let key = Key {
            database: proved.route.database.clone(),
            user: proved.login().user.clone(),
            peer: peer.to_canonical(),
        };
        let mut groups = lock(&self.0);
        let group = groups.entry(key.clone()).or_default();
        group.members += 1;
        Member {
            key,
            open: Arc::clone(&group.open),
            groups: Arc::clone(self),
            left: false,
        }
    }
}

#[cfg(test)]
impl Groups {
    /// How many connections each has.
    pub(super) fn members(&self) -> Vec<usize> {
        lock(&self.0).values().map(|group| group.members).collect()
    }
}

// === impl Member ===

impl Member {
    /// What the group has open.
    pub(crate) fn open(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.open)
    }

    /// Counts the connection out. Whether it was the last one.
    fn leave(&mut self) -> bool {
        if std::mem::replace(&mut self.left, true) {
            return false;
        }
        let mut groups = lock(&self.groups.0);
        let Some(group) = groups.get_mut(&self.key) else {
            return false;
        };
        group.members = group.members.saturating_sub(1);
        if group.members > 0 {
            return false;
        }
        if lock(&self.open).is_empty() {
            groups.remove(&self.key);
            return false;
        }
        true
    }

    /// Commands that make the server forget what is left, unless somebody has come again.
    fn leavings(&self) -> Vec<Vec<u8>> {
        let mut groups = lock(&self.groups.0);
        match groups.get(&self.key) {
            // Its place in the table may be another's already.
            Some(group) if group.members == 0 && Arc::ptr_eq(&group.open, &self.open) => {}
            _ => return Vec::new(),
        }
        groups.remove(&self.key);
        drop(groups);
        lock(&self.open).leavings()
    }

    /// Counts the connection out, and if nobody comes again soon tells the server what nobody can
    /// use any more. What it cannot be told then it finds out by its own timeouts.
    pub(crate) fn farewell(mut self, core: &Rc<Core>, proved: &Proved) {
        if !self.leave() {
            return;
        }
        let (core, proved) = (Rc::clone(core), proved.clone());
        tokio::task::spawn_local(async move {
            tokio::time::sleep(GRACE).await;
            let commands = self.leavings();
            if commands.is_empty() || core.context.drain.is_draining() {
                return;
            }
            debug!(
                commands = commands.len(),
                "telling the server what was left"
            );
            tell(&core, &proved, &commands).await;
        });
    }
}

async fn tell(core: &Core, proved: &Proved, commands: &[Vec<u8>]) {
    let mut pooled = match opener::take(core, proved).await {
        Ok(pooled) => pooled,
        Err(error) => {
            debug!(%error, "no server connection for it");
            return;
        }
    };
    let told = async {
        for command in commands {
            // What the server has forgotten already is an error, and none of ours.
            pooled.connection.ask(command).await?;
        }
        Ok::<_, crate::back::mongo::Error>(())
    };
    match tokio::time::timeout(core.context.config.checkout_timeout, told).await {
        Ok(Ok(())) => release::release(core, pooled, false).await,
        Ok(Err(error)) => debug!(%error, "server connection closed"),
        Err(_) => debug!("server does not answer; connection closed"),
    }
}

impl Drop for Member {
    /// Of one that did not say farewell nothing is told.
    fn drop(&mut self) {
        if self.leave() {
            lock(&self.groups.0).remove(&self.key);
        }
    }
}

/// A poisoned lock guards nothing half-done: lists of what to forget.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
