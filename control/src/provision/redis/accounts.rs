//! The accounts of databases on one server, and the mark by which their loss is noticed: a server
//! without an ACL file forgets all accounts when it is started again, and one with such a file has
//! those that were there when ACL SAVE was last run, with the passwords of that time.

use std::collections::{HashMap, HashSet};

use redis::{Pipeline, Value};
use tenantsdb_codecs::feed::id::{DatabaseName, walk_user};

use super::acl;
use super::connect::{Redis, Session, info_value};
use crate::provision::types::unreachable;
use crate::provision::{Account, Error, Mark};

/// An account that is off and may do nothing; its key pattern says whose the others are, its
/// channel pattern in which run of the server they were said. It is set when all others are there.
pub(super) const MARK: &str = "tenantsdb:canary";

impl Redis {
    /// Says what these accounts are to be.
    pub(in crate::provision) async fn account_put(
        &self,
        accounts: &[Account],
    ) -> Result<(), Error> {
        let mut admin = self.admin().await?;
        let catalog = self.catalog(&mut admin).await?;
        let mut commands = Pipeline::new();
        for account in accounts {
            for (name, rules) in acl::users(account, &catalog) {
                commands.cmd("ACL").arg("SETUSER").arg(name).arg(rules);
            }
        }
        let done = admin.ask_all(&commands).await;
        if matches!(done, Err(Error::Server { .. })) {
            // A rule that this server does not know: it may be another one by now.
            self.catalog_forget();
        }
        done.map(|_| ())
    }

    /// Ends the sessions of a database.
    pub(in crate::provision) async fn terminate(&self, database: &str) -> Result<(), Error> {
        terminate(&mut self.admin().await?, database).await
    }

    /// Shuts the accounts of a database and ends their sessions.
    pub(in crate::provision) async fn account_shut(&self, database: &str) -> Result<(), Error> {
        let mut admin = self.admin().await?;
        let mut commands = Pipeline::new();
        for name in acl::names(database) {
            commands
                .cmd("ACL")
                .arg("SETUSER")
                .arg(name)
                .arg(&["reset", "off"]);
        }
        admin.ask_all(&commands).await?;
        terminate(&mut admin, database).await
    }

    /// Removes the accounts of a database.
    pub(in crate::provision) async fn account_drop(&self, database: &str) -> Result<(), Error> {
        let names = acl::names(database);
        let mut admin = self.admin().await?;
        admin
            .ask::<Value>(redis::cmd("ACL").arg("DELUSER").arg(&names))
            .await
            .map(|_| ())
    }

    /// What the mark says, and which run of the server said it.
    pub(in crate::provision) async fn mark(&self) -> Result<Mark, Error> {
        let mut admin = self.admin().await?;
        let run = run(&mut admin).await?;
        let mark = Mark {
            of: read_mark(&mut admin).await?,
            fresh: has_channel(&mut admin, &run).await?,
            run,
        };
        if !mark.fresh {
            // It was started again, and may be of another version.
            self.catalog_forget();
        }
        Ok(mark)
    }

    /// Sets the mark, if the server was not started again since that run.
    pub(in crate::provision) async fn mark_set(&self, mark: &str, of: &str) -> Result<(), Error> {
        let mut admin = self.admin().await?;
        if run(&mut admin).await? != of {
            let again = "the server was started again meanwhile";
            return Err(unreachable(self.addr(), again));
        }
        // Should it be started again from here on, this session is none of the new run's.
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg(MARK).arg(&["reset", "off"]);
        command.arg(format!("~{mark}")).arg(format!("&{of}"));
        admin.ask::<Value>(&command).await.map(|_| ())
    }

    /// Removes accounts that an ACL file brought back although their databases are gone: pairs as
    /// [`acl::users`] makes them, of nobody whom `known` knows.
    pub(in crate::provision) async fn strays_drop(
        &self,
        known: &HashSet<String>,
    ) -> Result<usize, Error> {
        let mut admin = self.admin().await?;
        let users: HashSet<String> = admin.ask(redis::cmd("ACL").arg("USERS")).await?;
        let is_stray = |name: &&String| {
            !known.contains(*name)
                && DatabaseName::parse(name).is_some()
                && users.contains(&walk_user(name))
        };
        let strays: Vec<&String> = users.iter().filter(is_stray).collect();
        for name in &strays {
            let names = acl::names(name);
            admin
                .ask::<Value>(redis::cmd("ACL").arg("DELUSER").arg(&names))
                .await?;
        }
        Ok(strays.len())
    }

    /// Takes the mark away: the server is no longer ours.
    pub(in crate::provision) async fn mark_drop(&self) -> Result<(), Error> {
        let mut admin = self.admin().await?;
        let command = redis::cmd("ACL").arg("DELUSER").arg(MARK).to_owned();
        admin.ask::<Value>(&command).await.map(|_| ())
    }

    /// Why one of these rules of a blueprint is none that this server understands.
    pub(in crate::provision) async fn rules_refused(
        &self,
        rules: &[String],
    ) -> Result<Option<String>, Error> {
        let mut admin = self.admin().await?;
        let catalog = self.catalog(&mut admin).await?;
        Ok(rules.iter().find_map(|rule| acl::refused(rule, &catalog)))
    }
}

/// What the server calls its run: another after each start.
async fn run(admin: &mut Session) -> Result<String, Error> {
    let info = admin.info("server").await?;
    Ok(info_value(&info, "run_id").unwrap_or_default().to_owned())
}

/// What the mark says: the pattern of its keys.
pub(super) async fn read_mark(admin: &mut Session) -> Result<Option<String>, Error> {
    let user = user(admin, MARK).await?;
    Ok(user.map(|user| patterns(&user, "keys").trim_start_matches('~').to_owned()))
}

/// Whether the mark was set in that run of the server: one that an ACL file brought back says
/// nothing of accounts that were changed since the file was written.
async fn has_channel(admin: &mut Session, run: &str) -> Result<bool, Error> {
    let user = user(admin, MARK).await?.unwrap_or_default();
    Ok(patterns(&user, "channels").trim_start_matches('&') == run)
}

fn patterns(user: &HashMap<String, Value>, of: &str) -> String {
    match user.get(of) {
        Some(Value::BulkString(patterns)) => String::from_utf8_lossy(patterns).into_owned(),
        _ => String::new(),
    }
}

/// What ACL GETUSER says of an account. Never ACL LIST: it stops the server for seconds where there
/// are many.
pub(super) async fn user(
    admin: &mut Session,
    name: &str,
) -> Result<Option<HashMap<String, Value>>, Error> {
    admin.ask(redis::cmd("ACL").arg("GETUSER").arg(name)).await
}

async fn terminate(admin: &mut Session, database: &str) -> Result<(), Error> {
    let mut commands = Pipeline::new();
    for name in acl::names(database) {
        commands.cmd("CLIENT").arg(&["KILL", "USER"]).arg(name);
    }
    match admin.ask_all(&commands).await {
        // There is no such account, so it has no sessions.
        Err(Error::Server { message, .. }) if message.contains("No such user") => Ok(()),
        other => other.map(|_| ()),
    }
}
