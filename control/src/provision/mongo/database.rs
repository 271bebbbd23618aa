//! Databases: looked at, emptied, dropped. There is no command that makes one: it is there with its
//! first collection.

use mongodb::bson::doc;

use super::connect::{Fault, Mongo, refused};
use super::marker::Written;
use crate::blueprint::Snapshot;
use crate::blueprint::mongo::infer;
use crate::blueprint::mongo::normal::MARKER;

const INDEX_NOT_FOUND: i32 = 27;

/// What is there under a database's name.
pub(super) enum There {
    Nothing,
    /// One of ours.
    Ours(Written),
    /// One that has collections and no marker.
    Foreign,
}

impl Mongo {
    /// Looks what is there.
    pub(super) async fn look(&self, database: &str) -> Result<There, Fault> {
        if let Some(written) = self.marker(database).await? {
            return Ok(There::Ours(written));
        }
        let listed = self.collections(database).await?;
        Ok(match listed.is_empty() {
            true => There::Nothing,
            false => There::Foreign,
        })
    }

    /// Makes the objects of a snapshot in a database that has none.
    pub(super) async fn make(&self, database: &str, objects: &Snapshot) -> Result<(), Fault> {
        let keys: Vec<String> = objects.0.keys().cloned().collect();
        for command in infer(&Snapshot::default(), objects, &keys) {
            let drops = command.contains_key("dropIndexes");
            match self.run(database, command).await {
                // What some servers make with a collection is not there to be dropped.
                Err(fault) if drops && fault.code == INDEX_NOT_FOUND => {}
                other => drop(other?),
            }
            self.cut_here().await;
        }
        Ok(())
    }

    /// Drops all collections but the marker; those that cannot be are left.
    pub(super) async fn empty(&self, database: &str) -> Result<(), Fault> {
        let listed = self.collections(database).await?;
        // Views first: a time series has a collection of the server's own, which goes with it.
        let (views, others): (Vec<_>, Vec<_>) = listed
            .iter()
            .partition(|one| one.get_str("type").is_ok_and(|kind| kind == "view"));
        for one in views.into_iter().chain(others) {
            let name = one.get_str("name").unwrap_or_default();
            if name != MARKER && !name.starts_with("system.") {
                self.run(database, doc! {"drop": name}).await?;
            }
        }
        Ok(())
    }

    /// Drops a database that may be gone, with its users and roles.
    pub(super) async fn database_clear(&self, database: &str) -> Result<(), Fault> {
        // Nobody writes there any more when it is dropped.
        self.run(database, doc! {"dropAllUsersFromDatabase": 1})
            .await?;
        self.run(database, doc! {"dropAllRolesFromDatabase": 1})
            .await?;
        self.database_drop(database).await
    }

    /// Drops the collections of a database that may be gone.
    pub(super) async fn database_drop(&self, database: &str) -> Result<(), Fault> {
        let command = doc! {"dropDatabase": 1, "writeConcern": {"w": "majority"}};
        self.run(database, command).await.map(|_| ())
    }
}

pub(super) fn foreign(database: &str) -> Fault {
    refused(format!(
        "the server has a database {database} that was not made by TenantsDB"
    ))
}
