//! Roles: three for each blueprint, and a login for each tenant and workspace.

use std::time::Duration;

use tenantsdb_codecs::scram::Verifier;
use tenantsdb_codecs::secret::Secret;

use super::connect::{Admin, Postgres};
use super::quote::{ident, literal};
use super::{data_role, database, deploy_role, owner_role};
use crate::provision::Error;

/// Attributes that none of our roles has.
pub(super) const PLAIN: &str = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS";

/// As PostgreSQL itself takes them: `scram_iterations`, and SCRAM_DEFAULT_SALT_LEN in
/// src/include/common/scram-common.h.
const ITERATIONS: u32 = 4_096;
const SALT_BYTES: usize = 16;

/// Somebody made it between our look and our CREATE: `duplicate_object`, `unique_violation`.
const ROLE_EXISTS: &[&str] = &["42710", "23505"];

/// `undefined_object`.
const NO_ROLE: &[&str] = &["42704"];
/// `dependent_objects_still_exist`.
const STILL_NEEDED: &str = "2BP01";
/// Between two attempts somebody may have granted it something anew.
const DROP_ATTEMPTS_MAX: u32 = 3;
/// How long a template is waited for that a role was granted something in.
const TEMPLATE_WAIT: Duration = Duration::from_secs(10);

/// A database that a role has to do with; whether it can be entered; whether the role owns
/// something there.
type Place = (String, bool, bool);

/// All of them. What concerns the whole server counts for the maintenance database.
const PLACES: &str = "
    SELECT d.datname::text, d.datallowconn,
        bool_or(s.deptype = 'o' AND s.classid <> 'pg_user_mapping'::regclass)
    FROM pg_shdepend s
    JOIN pg_roles r ON s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid
    JOIN pg_database d ON d.oid = s.dbid OR (s.dbid = 0 AND d.datname = 'postgres')
    WHERE r.rolname = $1 GROUP BY d.datname, d.datallowconn";

impl Postgres {
    pub(in crate::provision) async fn ensure_blueprint(
        &self,
        blueprint: &str,
    ) -> Result<(), Error> {
        // In the order of `sweep`: who holds a connection and waits for the roles would keep the
        // connections from who has the roles and waits for one.
        let alone = self.roles_alone().await;
        let mut admin = self.admin().await?;
        ensure_group(&mut admin, &owner_role(blueprint)).await?;
        ensure_group(&mut admin, &data_role(blueprint)).await?;
        ensure_group(&mut admin, &deploy_role(blueprint)).await?;
        drop(alone);
        admin.close().await;
        Ok(())
    }

    pub(in crate::provision) async fn drop_blueprint(&self, blueprint: &str) -> Result<(), Error> {
        let lock = self.template_lock(blueprint);
        let alone = lock.write().await;
        self.admin_once(async |admin| super::template::drop_all(admin, blueprint).await)
            .await?;
        drop(alone);
        self.sweep(blueprint).await?;
        for role in [
            deploy_role(blueprint),
            data_role(blueprint),
            owner_role(blueprint),
        ] {
            self.drop_role(&role, None).await?;
        }
        Ok(())
    }

    /// Drops a role that may be gone. What it owned went with its database; but anybody may have
    /// granted it something in a database of their own, which would keep it. What it still owns
    /// itself goes to `heir`; without one it is not touched, and keeps the role.
    pub(super) async fn drop_role(&self, role: &str, heir: Option<&str>) -> Result<(), Error> {
        for _ in 1..DROP_ATTEMPTS_MAX {
            let dropped = self
                .admin_once(async |admin| shut_and_drop(admin, role).await)
                .await;
            match dropped {
                Err(Error::Server { sqlstate, .. }) if sqlstate == STILL_NEEDED => {}
                other => return other,
            }
            let places = self
                .admin_once(async |admin| admin.rows::<Place>(PLACES, &[role]).await)
                .await?;
            for place in &places {
                if let Err(error) = self.disown(place, role, heir).await {
                    let database = &place.0;
                    tracing::warn!(%error, role, database, "a role cannot be disowned there");
                }
            }
        }
        self.admin_once(async |admin| shut_and_drop(admin, role).await)
            .await
    }

    /// Takes what a role was granted in a database.
    async fn disown(&self, place: &Place, role: &str, heir: Option<&str>) -> Result<(), Error> {
        let (database, open, owns) = place;
        let role = ident(role);
        let sql = match heir {
            Some(heir) => format!(
                "REASSIGN OWNED BY {role} TO {}; DROP OWNED BY {role}",
                ident(heir)
            ),
            None if *owns => return Err(Error::Refused(format!("{role} owns something there"))),
            None => format!("DROP OWNED BY {role}"),
        };
        if *open {
            let mut inside = self.admin_in(database).await?;
            inside.run(&sql).await?;
            inside.close().await;
            return Ok(());
        }
        let Some((blueprint, _)) = database.rsplit_once("_template_1_") else {
            return Err(Error::Refused("the database is closed".to_owned()));
        };
        let lock = self.template_lock(blueprint);
        // The caller may hold it, or wait for another that somebody else holds.
        let Ok(_alone) = tokio::time::timeout(TEMPLATE_WAIT, lock.write()).await else {
            return Err(Error::Refused("the template is in use".to_owned()));
        };
        self.admin_once(async |admin| database::open(admin, database).await)
            .await?;
        let disowned = match self.admin_in(database).await {
            Ok(mut inside) => {
                let disowned = inside.run(&sql).await;
                inside.close().await;
                disowned
            }
            Err(error) => Err(error),
        };
        self.admin_once(async |admin| database::close(admin, database).await)
            .await?;
        disowned
    }

    pub(in crate::provision) async fn login_disable(&self, user: &str) -> Result<(), Error> {
        let mut admin = self.admin().await?;
        admin
            .run(&format!("ALTER ROLE {} NOLOGIN", ident(user)))
            .await?;
        admin.close().await;
        Ok(())
    }

    pub(in crate::provision) async fn login_enable(&self, user: &str) -> Result<(), Error> {
        let mut admin = self.admin().await?;
        admin
            .run(&format!("ALTER ROLE {} LOGIN", ident(user)))
            .await?;
        admin.close().await;
        Ok(())
    }

    pub(in crate::provision) async fn login_rotate(
        &self,
        user: &str,
        verifier: &str,
    ) -> Result<(), Error> {
        let mut admin = self.admin().await?;
        reset_settings(&mut admin, user).await?;
        let role = ident(user);
        let password = literal(verifier);
        admin
            .run(&format!(
                "ALTER ROLE {role} PASSWORD {password} VALID UNTIL 'infinity'"
            ))
            .await?;
        admin.close().await;
        Ok(())
    }
}

/// Makes a login, or gives the one that is there this verifier.
pub(super) async fn ensure_login(
    admin: &mut Admin,
    user: &str,
    verifier: &str,
) -> Result<(), Error> {
    ensure_role(admin, user, "NOLOGIN").await?;
    let sql = format!(
        "ALTER ROLE {} {PLAIN} INHERIT LOGIN PASSWORD {} VALID UNTIL 'infinity'",
        ident(user),
        literal(verifier)
    );
    admin.run(&sql).await
}

/// What the server stores of a password. Sent in its place, so that the password itself never
/// stands in a statement that the server may log.
pub(super) fn verifier(password: &Secret<String>) -> Result<String, Error> {
    let mut salt = [0_u8; SALT_BYTES];
    random(&mut salt)?;
    let password = password.expose().as_bytes();
    Ok(Verifier::derive(password, &salt, ITERATIONS).to_string())
}

async fn shut_and_drop(admin: &mut Admin, role: &str) -> Result<(), Error> {
    let role = ident(role);
    let shut = format!("ALTER ROLE {role} NOLOGIN");
    admin.run_unless(&shut, NO_ROLE).await?;
    admin.run(&format!("DROP ROLE IF EXISTS {role}")).await
}

pub(super) fn random(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|error| Error::Server {
        sqlstate: String::new(),
        message: format!("no random bytes: {error}"),
    })
}

/// Says that a role is ours. It takes an administrator to say so.
pub(super) fn comment(role: &str) -> String {
    format!(
        "COMMENT ON ROLE {} IS 'TenantsDB: made and dropped by control'",
        ident(role)
    )
}

async fn ensure_group(admin: &mut Admin, role: &str) -> Result<(), Error> {
    ensure_role(admin, role, "NOLOGIN").await?;
    admin
        .run(&format!("ALTER ROLE {} {PLAIN} NOLOGIN", ident(role)))
        .await
}

async fn ensure_role(admin: &mut Admin, role: &str, attributes: &str) -> Result<(), Error> {
    let probe = "SELECT coalesce(shobj_description(oid, 'pg_authid') LIKE 'TenantsDB: %', false) \
                 FROM pg_roles WHERE rolname = $1";
    if admin.value::<bool>(probe, &[role]).await?.is_none() {
        let create = format!(
            "CREATE ROLE {} {PLAIN} {attributes}; {}",
            ident(role),
            comment(role)
        );
        admin.run_unless(&create, ROLE_EXISTS).await?;
    }
    // Taking a person's login over would lock that person out.
    if admin.value::<bool>(probe, &[role]).await? == Some(false) {
        return Err(Error::Refused(format!(
            "the server has a role {role} that was not made by TenantsDB"
        )));
    }
    Ok(())
}

/// Takes back a role's settings, in all databases; a login that may change the schema keeps acting
/// as the owner.
async fn reset_settings(admin: &mut Admin, user: &str) -> Result<(), Error> {
    let role = ident(user);
    admin.run(&format!("ALTER ROLE {role} RESET ALL")).await?;
    let settings = "SELECT d.datname::text FROM pg_db_role_setting s \
                    JOIN pg_database d ON d.oid = s.setdatabase \
                    JOIN pg_roles r ON r.oid = s.setrole WHERE r.rolname = $1";
    for (database,) in admin.rows::<(String,)>(settings, &[user]).await? {
        let sql = format!(
            "ALTER ROLE {role} IN DATABASE {} RESET ALL",
            ident(&database)
        );
        admin.run(&sql).await?;
    }
    // The login of a tenant or workspace has its database's name.
    let owners = "SELECT o.rolname::text FROM pg_auth_members m \
                  JOIN pg_roles o ON o.oid = m.roleid JOIN pg_roles r ON r.oid = m.member \
                  JOIN pg_database d ON d.datname = r.rolname \
                  WHERE r.rolname = $1 AND right(o.rolname, 6) = '_owner'";
    for (owner,) in admin.rows::<(String,)>(owners, &[user]).await? {
        admin.run(&act_as_owner(user, &owner)).await?;
    }
    Ok(())
}

/// Has the sessions of a login start as the owner, so that what they make belongs to it. DISCARD
/// ALL goes back to this too.
pub(super) fn act_as_owner(user: &str, owner: &str) -> String {
    format!(
        "ALTER ROLE {0} IN DATABASE {0} SET role = {1}",
        ident(user),
        literal(owner)
    )
}
