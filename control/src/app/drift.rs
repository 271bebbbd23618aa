//! Drift: what is in a tenant's databases that no version put there, or that is gone from them.

use super::{template, tenants};
use crate::context::Context;
use crate::error::Result;
use crate::provision::Difference;
use crate::store::blueprints::Stage;
use crate::store::databases::Database;

/// How often a database is looked at again because it was deployed to meanwhile.
const LOOKS_MAX: u32 = 5;

/// Each database of a tenant that is there, with how it differs from the version that it has. What
/// a deployment that is at it, or that failed, did of the next version counts too.
///
/// # Errors
///
/// There is no such tenant; a server cannot be reached.
pub(crate) async fn of_tenant(
    context: &Context,
    name: &str,
) -> Result<Vec<(Database, Vec<Difference>)>> {
    let mut looks = 0;
    loop {
        looks += 1;
        let before = active(context, name).await?;
        let mut drifted = Vec::with_capacity(before.len());
        for database in before {
            let differences = of_database(context, &database).await?;
            drifted.push((database, differences));
        }
        let now = active(context, name).await?;
        let ordinals = |database: &Database| (database.name.clone(), database.ordinal);
        let compared = drifted.iter().map(|(database, _)| ordinals(database));
        if looks >= LOOKS_MAX || compared.eq(now.iter().map(ordinals)) {
            return Ok(drifted);
        }
    }
}

async fn active(context: &Context, name: &str) -> Result<Vec<Database>> {
    let mut full = tenants::fetch(&mut *context.store.read().await?, name).await?;
    full.databases
        .retain(|database| database.stage == Stage::Active);
    Ok(full.databases)
}

async fn of_database(context: &Context, database: &Database) -> Result<Vec<Difference>> {
    let (blueprint, server, ordinal) = (&database.blueprint, &database.server_id, database.ordinal);
    // Only the newest templates are kept; an older one is made again.
    template::ensure(context, blueprint, server, ordinal).await?;
    let provisioner = context.provisioner(server).await?;
    let found = provisioner.drift(blueprint, ordinal, &database.name);
    Ok(found.await?)
}
