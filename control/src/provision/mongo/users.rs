//! Users of tenants and workspaces: each is made in, and reaches, its own database, and nothing
//! else.
//!
//! The server makes the salt of a password itself, so a login begins with its password: it is told
//! to the server once, and what the server made of it is read back, compared and kept.
//!
//! What a user may do stands in a role of its database, of which there is one: so the role says
//! what a user that was shut may do when it is opened again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mongodb::bson::{Bson, Document, doc};
use tenantsdb_codecs::scram::Verifier;
use tenantsdb_codecs::secret::Secret;

use super::connect::{Fault, Mongo, refused};
use crate::provision::Error;

/// What a tenant's login may do with all collections of its database: what the built-in role
/// `readWrite` lets do, but for what makes, changes and drops collections and indexes
/// (<https://www.mongodb.com/docs/manual/reference/built-in-roles/>). Who may insert may also run
/// `create` for a collection that is no view and not capped: the server makes it for an insert too.
/// The proxy refuses that one.
const DATA: &[&str] = &[
    "find",
    "insert",
    "update",
    "remove",
    "listCollections",
    "listIndexes",
    "collStats",
    "dbStats",
    "dbHash",
    "changeStream",
    "killCursors",
    // Since MongoDB 7.0: the last, so that it can be left out.
    "listSearchIndexes",
];

/// The role of a login that works with documents.
const ROLE_DATA: &str = "tenantsdb_tenant";
/// The role of one that may change the schema too.
const ROLE_ALL: &str = "tenantsdb_owner";

/// UserNotFound, RoleNotFound, BadValue and FailedToParse of what a server does not know.
const NO_USER: i32 = 11;
const NO_ROLE: i32 = 31;
const UNKNOWN_ACTION: &[i32] = &[2, 9];

/// What a login may do in its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    /// Work with documents. Collections that inserts bring into being are part of that.
    Data,
    /// All of it.
    All,
}

impl Mongo {
    /// Gives a login its password, making the user if there is none, and gives what may be kept of
    /// it: what the server made of the password. The user may do what it could before; a new one
    /// nothing.
    pub(in crate::provision) async fn login_password(
        &self,
        user: &str,
        password: &Secret<String>,
    ) -> Result<String, Error> {
        let there = self.user(user).await?;
        if let Some(there) = &there {
            check_ours(there, user)?;
        }
        let command = if there.is_some() {
            "updateUser"
        } else {
            "createUser"
        };
        let mut told = doc! {
            command: user,
            "pwd": password.expose(),
            "mechanisms": ["SCRAM-SHA-256"],
        };
        if there.is_none() {
            told.insert("roles", Vec::<Bson>::new());
        }
        self.run(user, told).await?;
        let made = self.user(user).await?;
        let verifier = made.as_ref().and_then(credentials).ok_or_else(|| {
            refused(
                "the server does not show what it made of a password (usersInfo with \
                 showCredentials): the administrator needs the role root",
            )
        })?;
        let text = password.expose().as_bytes();
        let derived = Verifier::derive(text, &verifier.salt, verifier.iterations);
        if derived.to_string() != verifier.to_string() {
            return Err(Error::Refused(
                "what the server made of a password is not SCRAM-SHA-256 of it".to_owned(),
            ));
        }
        Ok(verifier.to_string())
    }

    /// Refuses new work of a login. Open connections of it can do nothing more, either: the server
    /// looks at roles with each command.
    pub(in crate::provision) async fn login_disable(&self, user: &str) -> Result<(), Error> {
        self.roles_set(user, &[]).await?;
        Ok(())
    }

    pub(in crate::provision) async fn login_enable(&self, user: &str) -> Result<(), Error> {
        let roles = self.run(user, doc! {"rolesInfo": 1}).await?;
        let roles = roles.get_array("roles").cloned().unwrap_or_default();
        let names = roles
            .iter()
            .filter_map(|role| role.as_document()?.get_str("role").ok());
        let role = match names.into_iter().any(|name| name == ROLE_ALL) {
            true => ROLE_ALL,
            false => ROLE_DATA,
        };
        self.roles_set(user, &[role]).await?;
        Ok(())
    }

    /// Checks that the server has this verifier: it was told the password before.
    pub(in crate::provision) async fn login_rotate(
        &self,
        user: &str,
        verifier: &str,
    ) -> Result<(), Error> {
        Ok(self.check_verifier(user, verifier).await?)
    }

    pub(super) async fn check_verifier(&self, user: &str, verifier: &str) -> Result<(), Fault> {
        let there = self.user(user).await?;
        match there.as_ref().and_then(credentials) {
            Some(known) if known.to_string() == verifier => Ok(()),
            _ => Err(refused(format!(
                "the server has another password for {user} than it was given; \
                 `tdb credentials rotate {user}` makes one that both know"
            ))),
        }
    }

    /// Ends what runs in the name of a database's login. Connections stay, as no command ends them.
    pub(in crate::provision) async fn terminate(&self, database: &str) -> Result<(), Error> {
        let users = vec![doc! {"user": database, "db": database}];
        // Servers without sessions do not have it.
        self.run_unless("admin", doc! {"killAllSessions": users}, &[59])
            .await?;
        Ok(())
    }

    /// Lets a login do this in its database, and nothing else.
    pub(super) async fn grant(&self, user: &str, rights: Rights) -> Result<(), Fault> {
        self.role_ensure(user, rights).await?;
        let (role, other) = match rights {
            Rights::Data => (ROLE_DATA, ROLE_ALL),
            Rights::All => (ROLE_ALL, ROLE_DATA),
        };
        self.roles_set(user, &[role]).await?;
        self.run_unless(user, doc! {"dropRole": other}, &[NO_ROLE])
            .await
    }

    /// Makes the role of a database, or says again what it may do.
    pub(super) async fn role_ensure(&self, database: &str, rights: Rights) -> Result<(), Fault> {
        let own = |role: &str| doc! {"role": role, "db": database};
        let (role, roles) = match rights {
            Rights::Data => (ROLE_DATA, vec![]),
            Rights::All => (ROLE_ALL, vec![own("readWrite"), own("dbAdmin")]),
        };
        let known = self.run(database, doc! {"rolesInfo": role}).await?;
        let known = known
            .get_array("roles")
            .is_ok_and(|roles| !roles.is_empty());
        let command = if known { "updateRole" } else { "createRole" };
        let say = |actions: &[&str]| {
            let resource = doc! {"db": database, "collection": ""};
            let privileges = match rights {
                Rights::Data => vec![doc! {"resource": resource, "actions": actions}],
                Rights::All => vec![],
            };
            doc! {command: role, "privileges": privileges, "roles": &roles}
        };
        match self.run(database, say(DATA)).await {
            Err(fault) if UNKNOWN_ACTION.contains(&fault.code) => {
                tracing::info!(
                    database,
                    error = %fault.error,
                    "the server does not know some of the rights of a tenant"
                );
                let known = DATA.split_last().map_or(DATA, |(_, known)| known);
                self.run(database, say(known)).await.map(|_| ())
            }
            other => other.map(|_| ()),
        }
    }

    /// What the server says of a login, with its credentials.
    pub(super) async fn user(&self, user: &str) -> Result<Option<Document>, Fault> {
        let asked = doc! {
            "usersInfo": {"user": user, "db": user},
            "showCredentials": true,
        };
        let answer = self.run(user, asked).await?;
        let users = answer.get_array("users").ok();
        let user = users.and_then(|users| users.first()?.as_document().cloned());
        Ok(user)
    }

    async fn roles_set(&self, user: &str, roles: &[&str]) -> Result<(), Fault> {
        let roles: Vec<Document> = roles
            .iter()
            .map(|role| doc! {"role": *role, "db": user})
            .collect();
        match self
            .run(user, doc! {"updateUser": user, "roles": roles})
            .await
        {
            Err(fault) if fault.code == NO_USER => Err(refused(format!(
                "the server has no user {user}; `tdb credentials rotate {user}` makes it"
            ))),
            other => other.map(|_| ()),
        }
    }
}

/// Refuses a user that may do something outside its database.
fn check_ours(there: &Document, database: &str) -> Result<(), Fault> {
    let roles = there.get_array("roles").cloned().unwrap_or_default();
    let within = |role: &Bson| {
        let role = role.as_document();
        role.and_then(|role| role.get_str("db").ok()) == Some(database)
    };
    match roles.iter().all(within) {
        true => Ok(()),
        false => Err(refused(format!(
            "the server has a user {database} with rights outside that database: it was not made \
             by TenantsDB"
        ))),
    }
}

/// What the server made of a user's password.
fn credentials(user: &Document) -> Option<Verifier> {
    let scram = user.get_document("credentials").ok()?;
    let scram = scram.get_document("SCRAM-SHA-256").ok()?;
    let iterations = match scram.get("iterationCount")? {
        Bson::Int32(count) => u32::try_from(*count).ok()?,
        Bson::Int64(count) => u32::try_from(*count).ok()?,
        _ => return None,
    };
    let key = |name: &str| {
        let text = scram.get_str(name).ok()?;
        // In the one form that there is of it.
        Some(STANDARD.encode(STANDARD.decode(text).ok()?))
    };
    let text = format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        key("salt")?,
        key("storedKey")?,
        key("serverKey")?
    );
    text.parse().ok()
}
