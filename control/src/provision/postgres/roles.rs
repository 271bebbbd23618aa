//! Roles: three for each blueprint, and a login for each tenant and workspace.

use tenantsdb_codecs::scram::Verifier;
use tenantsdb_codecs::secret::Secret;

use super::connect::{Admin, Postgres};
use super::quote::{ident, literal};
use super::{data_role, deploy_role, owner_role};
use crate::provision::Error;

/// Attributes that none of our roles has.
const PLAIN: &str = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS";

/// As PostgreSQL itself takes them: `scram_iterations`, and SCRAM_DEFAULT_SALT_LEN in
/// src/include/common/scram-common.h.
const ITERATIONS: u32 = 4_096;
const SALT_BYTES: usize = 16;

/// Somebody made it between our look and our CREATE: `duplicate_object`, `unique_violation`.
const ROLE_EXISTS: &[&str] = &["42710", "23505"];

impl Postgres {
    pub(in crate::provision) async fn ensure_blueprint(
        &self,
        blueprint: &str,
        deploy_password: &Secret<String>,
    ) -> Result<(), Error> {
        let mut admin = self.admin().await?;
        let alone = self.roles_alone().await;
        ensure_group(&mut admin, &owner_role(blueprint)).await?;
        ensure_group(&mut admin, &data_role(blueprint)).await?;
        drop(alone);
        self.deploy_login(&mut admin, blueprint, deploy_password)
            .await?;
        admin.close().await;
        Ok(())
    }

    /// Gives the deploy login its password and takes back whatever captured text changed in it.
    /// Needed before each use: a login may change its own password and settings.
    pub(super) async fn deploy_login(
        &self,
        admin: &mut Admin,
        blueprint: &str,
        password: &Secret<String>,
    ) -> Result<(), Error> {
        let verifier = verifier(password)?;
        let name = deploy_role(blueprint);
        let (role, owner) = (ident(&name), ident(&owner_role(blueprint)));
        let _alone = self.roles_alone().await;
        ensure_role(admin, &name, "NOLOGIN NOINHERIT").await?;
        reset_settings(admin, &name).await?;
        let password = literal(&verifier);
        let sql = format!(
            "ALTER ROLE {role} {PLAIN} LOGIN NOINHERIT PASSWORD {password} VALID UNTIL 'infinity'; \
             GRANT {owner} TO {role}"
        );
        admin.run(&sql).await
    }

    pub(in crate::provision) async fn drop_blueprint(&self, blueprint: &str) -> Result<(), Error> {
        let lock = self.template_lock(blueprint);
        let _alone = lock.write().await;
        let mut admin = self.admin().await?;
        super::template::drop_all(&mut admin, blueprint).await?;
        for role in [
            deploy_role(blueprint),
            data_role(blueprint),
            owner_role(blueprint),
        ] {
            drop_role(&mut admin, &role).await?;
        }
        admin.close().await;
        Ok(())
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
fn verifier(password: &Secret<String>) -> Result<String, Error> {
    let mut salt = [0_u8; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| Error::Server {
        sqlstate: String::new(),
        message: format!("no random bytes: {error}"),
    })?;
    let password = password.expose().as_bytes();
    Ok(Verifier::derive(password, &salt, ITERATIONS).to_string())
}

/// Drops a role that may be gone. What it could own or be granted went with its database.
pub(super) async fn drop_role(admin: &mut Admin, role: &str) -> Result<(), Error> {
    admin
        .run(&format!("DROP ROLE IF EXISTS {}", ident(role)))
        .await
}

async fn ensure_group(admin: &mut Admin, role: &str) -> Result<(), Error> {
    ensure_role(admin, role, "NOLOGIN").await?;
    admin
        .run(&format!("ALTER ROLE {} {PLAIN} NOLOGIN", ident(role)))
        .await
}

async fn ensure_role(admin: &mut Admin, role: &str, attributes: &str) -> Result<(), Error> {
    let probe = "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls \
                 FROM pg_roles WHERE rolname = $1";
    match admin.value::<bool>(probe, &[role]).await? {
        // Taking a person's login over would lock that person out.
        Some(true) => Err(Error::Refused(format!(
            "the server has a role {role} with rights beyond a tenant's: it is not ours to take"
        ))),
        Some(false) => Ok(()),
        None => {
            let create = format!("CREATE ROLE {} {PLAIN} {attributes}", ident(role));
            admin.run_unless(&create, ROLE_EXISTS).await
        }
    }
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
