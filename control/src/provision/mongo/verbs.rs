//! The verbs that only MongoDB servers have, and those that mean little here.

use mongodb::bson::doc;
use tenantsdb_codecs::secret::Secret;

use super::Mongo;
use crate::blueprint::mongo::command::is_structural;
use crate::provision::{Error, Provisioner, Server, only};

impl Provisioner {
    /// Gives a login of a MongoDB database its password, making the user if there is none, and
    /// gives what may be kept of it.
    ///
    /// # Errors
    ///
    /// The server's; [`Error::Refused`] elsewhere.
    pub async fn login_password(
        &self,
        user: &str,
        password: &Secret<String>,
    ) -> Result<String, Error> {
        let Server::Mongo(server) = &self.server else {
            return Err(only("MongoDB"));
        };
        server.login_password(user, password).await
    }

    /// Refuses a database that is to be made and that somebody else made. MongoDB's users are made
    /// before what is in their databases; other engines look when they make these.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if it is there and not ours.
    pub async fn check_free(&self, database: &str) -> Result<(), Error> {
        match &self.server {
            Server::Mongo(server) => server.check_free(database).await,
            _ => Ok(()),
        }
    }
}

impl Mongo {
    /// Which of these connections still run something on the server.
    pub(in crate::provision) async fn threads_alive(
        &self,
        threads: &[i64],
    ) -> Result<Vec<i64>, Error> {
        let asked = doc! {"currentOp": 1, "connectionId": {"$in": threads}};
        let answer = self.run("admin", asked).await?;
        let running = answer.get_array("inprog").cloned().unwrap_or_default();
        let ids = running.iter().filter_map(|operation| {
            let operation = operation.as_document()?;
            // Some servers list what a connection ran last, whether or not it still does.
            let command = operation.get_document("command").ok()?;
            let (name, _) = command.iter().next()?;
            is_structural(name).then_some(())?;
            let id = operation.get("connectionId")?;
            id.as_i64().or_else(|| id.as_i32().map(i64::from))
        });
        Ok(ids.filter(|id| threads.contains(id)).collect())
    }

    /// Nothing changes a schema later than it is answered.
    #[expect(clippy::unused_async, reason = "a verb")]
    pub(in crate::provision) async fn threads_busy(
        &self,
        _database: &str,
    ) -> Result<Vec<i64>, Error> {
        Ok(Vec::new())
    }
}
