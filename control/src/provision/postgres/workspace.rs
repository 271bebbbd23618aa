//! Workspaces: a database whose login acts as the blueprint's owner, with a ledger of its DDL.

use tenantsdb_codecs::feed::id::workspace_database;

use super::connect::Postgres;
use super::database::{self, Source};
use super::quote::ident;
use super::template::public_schema;
use super::{data_role, owner_role, roles};
use crate::provision::Error;

/// The ledger's table, functions and event triggers. Run again, it replaces the functions.
const LEDGER: &str = include_str!("ledger.sql");

impl Postgres {
    pub(in crate::provision) async fn workspace_create(
        &self,
        blueprint: &str,
        verifier: &str,
    ) -> Result<(), Error> {
        let name = workspace_database(blueprint);
        let owner_name = owner_role(blueprint);
        let (database, owner) = (ident(&name), ident(&owner_name));
        let mut admin = self.admin().await?;
        roles::ensure_login(&mut admin, &name, verifier).await?;
        admin.run(&format!("GRANT {owner} TO {database}")).await?;
        database::create_closed(&mut admin, &name, Source::Empty).await?;
        admin
            .run(&format!(
                "GRANT CREATE, TEMPORARY ON DATABASE {database} TO {owner}"
            ))
            .await?;
        admin.run(&roles::act_as_owner(&name, &owner_name)).await?;
        // Open, and without CONNECT for anybody, until the ledger is there.
        database::open(&mut admin, &name).await?;
        admin.close().await;
        let mut inside = self.admin_in(&name).await?;
        // Repeated, this is not to be in the ledger: event triggers do not fire for it.
        inside.run("SET session_replication_role = replica").await?;
        let data = ident(&data_role(blueprint));
        inside
            .run(&format!("{}; {LEDGER}", public_schema(&owner, &data)))
            .await?;
        inside.close().await;
        let mut admin = self.admin().await?;
        admin
            .run(&format!(
                "GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {database}"
            ))
            .await?;
        admin.close().await;
        Ok(())
    }

    pub(in crate::provision) async fn workspace_drop(&self, blueprint: &str) -> Result<(), Error> {
        let name = workspace_database(blueprint);
        let mut admin = self.admin().await?;
        database::drop_database(&mut admin, &name).await?;
        admin.close().await;
        self.drop_role(&name, None).await
    }
}
