//! Counting a database for its limits, beside the session that has found the last count too old.

use std::rc::Rc;
use std::sync::Arc;

use tokio::task::spawn_local;

use super::super::login::Proved;
use super::super::opener::Opener;
use super::super::registry::Tenant;
use crate::core::Core;
use crate::fault::Fault as _;
use crate::walk::names::Names;
use crate::walk::usage::{OverLimit, Refreshing};
use crate::walk::{Error, Walker};

/// Whether a command that may add data is to be refused, by the last count; and has the database
/// counted again if that is due. Nothing is counted of a database that nobody writes to.
pub(crate) fn over_limit(
    core: &Rc<Core>,
    proved: &Proved,
    tenant: &Arc<Tenant>,
) -> Option<OverLimit> {
    let limits = proved.route.redis.as_deref()?;
    if limits.keys_max.is_none() && limits.memory_bytes_max.is_none() {
        return None;
    }
    let usage = &tenant.walks.usage;
    if let Some(refreshing) = usage.refresh(limits) {
        let (core, proved, tenant) = (Rc::clone(core), proved.clone(), Arc::clone(tenant));
        spawn_local(async move { refresh(&core, &proved, &tenant, refreshing).await });
    }
    usage.over_limit(limits)
}

/// Counts, and measures if there is a limit of memory.
async fn refresh(core: &Core, proved: &Proved, tenant: &Tenant, refreshing: Refreshing) {
    let counted = tokio::select! {
        counted = count(core, proved, tenant) => counted,
        () = core.context.drain.stopping() => return,
    };
    if let Err(error) = counted {
        tracing::debug!(%error, fault = %error.kind(), database = %proved.route.database, "count");
    }
    drop(refreshing);
}

async fn count(core: &Core, proved: &Proved, tenant: &Tenant) -> Result<(), Error> {
    let Ok(mut pooled) = Opener::walk(&core.context, proved).checkout(core).await else {
        return Ok(()); // the session that needs the server says so
    };
    let turns = core.context.walks.servers.turns(&proved.route.server.id);
    let names = Names::new(proved.prefix().unwrap_or_default().as_bytes());
    let stream = &mut pooled.connection.stream;
    let counted = Walker::new(stream, names, &turns, &tenant.walks)
        .count(false)
        .await;
    if counted.as_ref().err().is_none_or(Error::is_settled) {
        core.redis.put_back(pooled);
    }
    let limits = proved.route.redis.as_deref();
    let is_measured = limits.is_some_and(|limits| limits.memory_bytes_max.is_some());
    let Some(sample) = counted?.filter(|_| is_measured) else {
        return Ok(());
    };
    let protocol = Default::default();
    let opener = Opener::session(&core.context, proved, protocol);
    let Ok(mut pooled) = opener.checkout(core).await else {
        return Ok(());
    };
    let usage = &tenant.walks.usage;
    let measured = sample.measure(&mut pooled.connection.stream, usage).await;
    if measured.as_ref().err().is_none_or(Error::is_settled) {
        core.redis.put_back(pooled);
    }
    measured
}
