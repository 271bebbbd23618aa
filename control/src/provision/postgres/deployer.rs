//! The logins that captured text runs in: one for each piece of work on one database, gone behind
//! it.
//!
//! Captured text can do what its login can, also where no check of ours sees it (in a deferred
//! trigger at COMMIT): give it another password, share its memberships. So the login may enter the
//! one database only that the text is for, and what it did to itself goes with it. What it is a
//! member of stays as it was: that would take an administrator.
//!
//! A login that a crash left has no password that anybody was told, and is dropped before the
//! first use of its blueprint by the next process.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tenantsdb_codecs::secret::Secret;

use super::connect::{Admin, Postgres};
use super::quote::{ident, literal};
use super::roles::{self, PLAIN};
use super::{deploy_role, owner_role};
use crate::provision::Error;

/// How long the password is good for. It is used at once; an open session does not end by it.
const VALID: &str = "2 hours";
/// Of one login: the session at work, and those of attempts before whose end the server has not
/// noticed.
const CONNECTION_LIMIT: u8 = 4;
/// Between two looks at whether its sessions have ended; doubled each time.
const END_PAUSE_MIN: Duration = Duration::from_millis(1);
/// Looks before it is dropped all the same: 2 s altogether.
const END_LOOKS_MAX: u32 = 10;
/// Two sessions that grant on one database at once fail with "tuple concurrently updated": they
/// take turns by this lock, with the hash of the database's name.
const GRANT_LOCK: i32 = 0x7464_6272;

/// Digits in the names of such logins.
const RANDOM_BYTES: usize = 8;

/// `undefined_object`: the role is gone. `undefined_database`: so is the database.
const NO_ROLE: &str = "42704";
const NO_DATABASE: &str = "3D000";
/// `dependent_objects_still_exist`.
const STILL_NEEDED: &str = "2BP01";

/// The logins of this process.
#[derive(Default)]
pub(super) struct Logins {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In use, or being dropped.
    live: HashSet<String>,
    /// Blueprints of which nothing is left over.
    swept: HashSet<String>,
}

/// A login for one database. [`Postgres::deployer_drop`] drops it from the server.
pub(super) struct Deployer {
    pub(super) name: String,
    pub(super) password: Secret<String>,
    database: String,
    live: Live,
}

/// Holds a name in [`State::live`].
struct Live {
    postgres: Postgres,
    blueprint: String,
    name: String,
    dropped: bool,
}

// === impl Postgres ===

impl Postgres {
    /// Makes a login that may enter `database`, and there act as the blueprint's owner and write
    /// the version marker.
    pub(super) async fn deployer_create(
        &self,
        blueprint: &str,
        database: &str,
    ) -> Result<Deployer, Error> {
        self.sweep(blueprint).await?;
        let name = format!(
            "{}_{}",
            deploy_role(blueprint),
            random_hex::<RANDOM_BYTES>()?
        );
        let password = Secret::new(random_hex::<32>()?);
        // Known as ours before it is there.
        let deployer = Deployer {
            live: self.live(blueprint, &name),
            name,
            password,
            database: database.to_owned(),
        };
        let sql = format!(
            "{lock}; \
             CREATE ROLE {role} {PLAIN} LOGIN NOINHERIT CONNECTION LIMIT {CONNECTION_LIMIT} \
                 PASSWORD {verifier}; \
             DO $until$ BEGIN EXECUTE format('ALTER ROLE %I VALID UNTIL %L', {literal}, \
                 now() + interval '{VALID}'); END $until$; \
             {comment}; \
             GRANT {owner}, {marker} TO {role}; \
             GRANT CONNECT ON DATABASE {database} TO {role}",
            lock = grant_lock(database),
            role = ident(&deployer.name),
            verifier = literal(&roles::verifier(&deployer.password)?),
            literal = literal(&deployer.name),
            comment = roles::comment(&deployer.name),
            owner = ident(&owner_role(blueprint)),
            marker = ident(&deploy_role(blueprint)),
            database = ident(database),
        );
        let mut admin = self.admin_kept().await?;
        admin.run(&sql).await?;
        self.keep(admin).await;
        Ok(deployer)
    }

    /// Drops a login and ends its sessions. What fails is done again before the blueprint's next
    /// use.
    pub(super) async fn deployer_drop(&self, mut deployer: Deployer) {
        let database = Some(deployer.database.as_str());
        let blueprint = &deployer.live.blueprint;
        match self.login_end(blueprint, &deployer.name, database).await {
            Ok(()) => deployer.live.dropped = true,
            Err(error) => tracing::warn!(%error, login = deployer.name, "a login is left over"),
        }
        drop(deployer);
        if self.logins().locked().live.is_empty() {
            self.close_kept().await;
        }
    }

    /// Drops what an earlier process, or broken-off work of this one, left.
    pub(super) async fn sweep(&self, blueprint: &str) -> Result<(), Error> {
        if self.logins().locked().swept.contains(blueprint) {
            return Ok(());
        }
        let _alone = self.roles_alone().await;
        if !self.logins().locked().swept.insert(blueprint.to_owned()) {
            return Ok(());
        }
        let left = self
            .admin_once(async |admin| left_over(admin, blueprint).await)
            .await
            .inspect_err(|_| {
                self.logins().locked().swept.remove(blueprint);
            })?;
        for name in left {
            // Looked at after the list was read: who is not live now was not to be when it was.
            if self.logins().locked().live.contains(&name) {
                continue;
            }
            if let Err(error) = self.login_end(blueprint, &name, None).await {
                tracing::warn!(%error, login = name, "a login is left over");
            }
        }
        Ok(())
    }

    async fn login_end(
        &self,
        blueprint: &str,
        name: &str,
        database: Option<&str>,
    ) -> Result<(), Error> {
        let mut admin = self.admin_kept().await?;
        let ended = end(&mut admin, name, database).await;
        match ended {
            Ok(()) => {
                self.keep(admin).await;
                return Ok(());
            }
            Err(Error::Server { sqlstate, .. }) if sqlstate == STILL_NEEDED => {}
            Err(error) => return Err(error),
        }
        admin.close().await;
        // What the text made as this login itself belongs to the owner, as all it makes does.
        self.drop_role(name, Some(&owner_role(blueprint))).await
    }

    fn live(&self, blueprint: &str, name: &str) -> Live {
        self.logins().locked().live.insert(name.to_owned());
        Live {
            postgres: self.clone(),
            blueprint: blueprint.to_owned(),
            name: name.to_owned(),
            dropped: false,
        }
    }
}

// === impl Logins ===

impl Logins {
    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Live ===

impl Drop for Live {
    fn drop(&mut self) {
        let mut state = self.postgres.logins().locked();
        state.live.remove(&self.name);
        if !self.dropped {
            state.swept.remove(&self.blueprint);
        }
    }
}

/// Shuts a login, ends its sessions and drops it.
async fn end(admin: &mut Admin, name: &str, database: Option<&str>) -> Result<(), Error> {
    let role = ident(name);
    let shut = format!("ALTER ROLE {role} NOLOGIN");
    admin.run_unless(&shut, &[NO_ROLE]).await?;
    let sql = "SELECT r.oid::int8::text, count(pg_terminate_backend(a.pid)) FROM pg_roles r \
               LEFT JOIN pg_stat_activity a ON a.usesysid = r.oid \
               WHERE r.rolname = $1 GROUP BY r.oid";
    let mut oid = String::new();
    let mut pause = END_PAUSE_MIN;
    for _ in 0..END_LOOKS_MAX {
        let Some((is, sessions)) = admin.rows::<(String, i64)>(sql, &[name]).await?.pop() else {
            return Ok(());
        };
        oid = is;
        if sessions == 0 {
            break;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    // One that was being let in when the role was shut is seen now.
    let drop = format!(
        "DROP ROLE {role}; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = {oid}"
    );
    if let Some(database) = database {
        let revoke = format!(
            "{}; REVOKE CONNECT ON DATABASE {} FROM {role}; {drop}",
            grant_lock(database),
            ident(database)
        );
        match admin.run(&revoke).await {
            Err(Error::Server { sqlstate, .. }) if sqlstate == NO_DATABASE => {}
            other => return other,
        }
    }
    admin.run(&drop).await
}

async fn left_over(admin: &mut Admin, blueprint: &str) -> Result<Vec<String>, Error> {
    let prefix = format!("{}_", deploy_role(blueprint));
    let sql = "SELECT r.rolname::text FROM pg_roles r WHERE starts_with(r.rolname, $1) \
               AND substr(r.rolname, length($1) + 1) ~ '^[0-9a-f]{16}$' \
               AND shobj_description(r.oid, 'pg_authid') LIKE 'TenantsDB: %'";
    let names = admin.rows::<(String,)>(sql, &[&prefix]).await?;
    Ok(names.into_iter().map(|(name,)| name).collect())
}

fn grant_lock(database: &str) -> String {
    format!(
        "SELECT pg_advisory_xact_lock({GRANT_LOCK}, hashtext({}))",
        literal(database)
    )
}

fn random_hex<const BYTES: usize>() -> Result<String, Error> {
    let mut bytes = [0_u8; BYTES];
    roles::random(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
