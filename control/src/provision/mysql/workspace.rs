//! Workspaces: a schema whose login has all rights in it.

use tenantsdb_codecs::feed::id::workspace_database;

use super::accounts::{self, Rights};
use super::connect::MySql;
use super::database::{self, Found};
use super::flavour::account_name;
use super::quote::literal;
use crate::provision::Error;

impl MySql {
    pub(in crate::provision) async fn workspace_create(
        &self,
        blueprint: &str,
        verifier: &str,
    ) -> Result<(), Error> {
        let name = workspace_database(blueprint);
        let account = account_name(&name);
        self.admin_once(async |admin| {
            let sql = format!(
                "SELECT 1 FROM mysql.user WHERE User = {}",
                literal(&account)
            );
            let known = admin.value(&sql).await?.is_some();
            // Ours has its account before there is anything in it.
            if matches!(database::look(admin, &name).await?, Found::Foreign) && !known {
                return Err(database::foreign(&name));
            }
            database::create(admin, &name, None).await?;
            accounts::ensure_login(admin, &name, verifier).await?;
            accounts::grant(admin, &account, &name, Rights::All).await?;
            accounts::unlock(admin, &name).await
        })
        .await
    }

    pub(in crate::provision) async fn workspace_drop(&self, blueprint: &str) -> Result<(), Error> {
        self.drop_with_login(&workspace_database(blueprint)).await
    }
}
