//! May this server be used?

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use tenantsdb_codecs::feed::route::{Mongo as Hello, Topology};

use super::connect::{Fault, Mongo, refused};
use super::users;
use crate::provision::{Error, Facts};

/// OP_MSG alone, `hello`, `dropIndexes` while an index is built, and cursors that are all there.
const VERSION_MIN: u32 = 6;
/// Databases in which it is tried whether the administrator can do what is to be done: one for each
/// trial, since two controls may try at once.
const TRIAL: &str = "tenantsdb_trial_";
/// Unauthorized, CommandNotFound of servers that hide what one may not do, AuthenticationFailed.
const NOT_ALLOWED: &[i32] = &[13, 18];

impl Mongo {
    pub(in crate::provision) async fn register(&self) -> Result<Facts, Error> {
        let build = self.run("admin", doc! {"buildInfo": 1}).await?;
        let version = build.get_str("version").unwrap_or_default().to_owned();
        check_version(&version)?;
        let hello = self.run("admin", doc! {"hello": 1}).await?;
        check_writable(&hello)?;
        self.check_closed().await?;
        self.check_rights().await?;
        if self.is_exposed() {
            // They are told as they are: the server takes no verifier.
            let addr = self.addr();
            tracing::warn!(addr, "passwords of logins go to this server without TLS");
        }
        Ok(Facts {
            version,
            mark: None,
            mongo: Some(facts(&hello)),
        })
    }

    /// Whether somebody who is not logged in is kept out.
    async fn check_closed(&self) -> Result<(), Fault> {
        let nobody = self.nobody()?;
        let asked = nobody
            .database("admin")
            .run_command(doc! {"usersInfo": 1})
            .await;
        nobody.shutdown().await;
        match asked.map_err(|error| self.fault(&error)) {
            // Its own refusal, and not that it could not be asked.
            Err(fault) if fault.code != 0 => Ok(()),
            Err(fault) => Err(fault),
            Ok(_) => Err(refused(
                "the server lets in anybody who does not log in: start it with --auth",
            )),
        }
    }

    /// Whether the administrator may do what is to be done later.
    async fn check_rights(&self) -> Result<(), Fault> {
        let trial = format!("{TRIAL}{}", ObjectId::new().to_hex());
        let tried = async {
            self.role_ensure(&trial, users::Rights::Data).await?;
            self.run(&trial, doc! {"create": "trial"}).await?;
            self.run_unless(&trial, doc! {"killAllSessions": []}, &[59])
                .await
        };
        let tried = tried.await;
        let cleared = self.database_clear(&trial).await;
        match tried.and(cleared) {
            Err(fault) if NOT_ALLOWED.contains(&fault.code) => Err(refused(format!(
                "the administrator lacks rights ({}): it needs the role root",
                fault.error
            ))),
            other => other,
        }
    }
}

fn check_version(version: &str) -> Result<(), Fault> {
    let major = version.split('.').next();
    let major = major.and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < VERSION_MIN) {
        return Err(refused(format!(
            "MongoDB 6.0 or newer is needed, this is \"{version}\""
        )));
    }
    Ok(())
}

/// Whether it takes writes.
fn check_writable(hello: &Document) -> Result<(), Fault> {
    if hello.get_bool("arbiterOnly").unwrap_or(false) {
        return Err(refused("the server is an arbiter: register the primary"));
    }
    if !hello.get_bool("isWritablePrimary").unwrap_or(false) {
        let primary = hello.get_str("primary").unwrap_or("unknown");
        return Err(refused(format!(
            "the server is a secondary: register its primary instead ({primary}), or a mongos"
        )));
    }
    Ok(())
}

/// What proxies tell clients of the server.
fn facts(hello: &Document) -> Hello {
    let whole = |key: &str| hello.get_i32(key).unwrap_or_default();
    let topology = if hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") {
        Topology::Sharded
    } else if hello.contains_key("setName") {
        Topology::ReplicaSet
    } else {
        Topology::Standalone
    };
    Hello {
        min_wire_version: whole("minWireVersion"),
        max_wire_version: whole("maxWireVersion"),
        topology,
        session_timeout_minutes: hello.get_i32("logicalSessionTimeoutMinutes").ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topology_is_what_hello_says() {
        for (hello, topology) in [
            (doc! {"msg": "isdbgrid"}, Topology::Sharded),
            (doc! {"setName": "rs0"}, Topology::ReplicaSet),
            (doc! {"maxWireVersion": 21}, Topology::Standalone),
        ] {
            assert_eq!(facts(&hello).topology, topology);
        }
    }

    #[test]
    fn servers_that_are_too_old_or_take_no_writes_are_refused() {
        assert!(check_version("6.0.14").is_ok() && check_version("8.2.0").is_ok());
        assert!(check_version("5.0.1").is_err() && check_version("").is_err());
        let secondary = doc! {"isWritablePrimary": false, "primary": "b:27017"};
        assert!(check_writable(&secondary).is_err());
        assert!(check_writable(&doc! {"isWritablePrimary": true}).is_ok());
    }
}
