//! Workspaces: a database whose login has all rights in it.

use tenantsdb_codecs::feed::id::workspace_database;

use super::connect::Mongo;
use super::database::{There, foreign};
use super::users::Rights;
use crate::provision::Error;

impl Mongo {
    pub(in crate::provision) async fn workspace_create(
        &self,
        blueprint: &str,
        verifier: &str,
    ) -> Result<(), Error> {
        let name = workspace_database(blueprint);
        self.check_verifier(&name, verifier).await?;
        self.grant(&name, Rights::All).await?;
        Ok(())
    }

    pub(in crate::provision) async fn workspace_drop(&self, blueprint: &str) -> Result<(), Error> {
        let name = workspace_database(blueprint);
        let _alone = self.database_alone(&name).await;
        Ok(self.database_clear(&name).await?)
    }

    /// Refuses a database that somebody else made: one with collections, or with users of other
    /// names. To be asked before there is a user of ours, and again after a crash.
    pub(in crate::provision) async fn check_free(&self, database: &str) -> Result<(), Error> {
        let ours = self.user(database).await?.is_some();
        match self.look(database).await? {
            There::Foreign if !ours => Err(foreign(database).into()),
            _ => Ok(()),
        }
    }
}
