//! Accounts of tenants and workspaces: each reaches one schema, and nothing else.
//!
//! An account is `'name'@'%'`. What it may do outside its schema is looked at before it is touched:
//! one that was there with other rights is somebody else's.

use tenantsdb_codecs::secret::Secret;

use super::connect::{Fault, MySql, Session, refused, text};
use super::quote::{grant_target, ident, literal};
use super::threads::{Threads, end_threads};
use crate::provision::Error;
use tenantsdb_codecs::mysql::{Flavour, account_name};

/// A tenant's login may work with data and temporary tables.
const DATA: &str = "SELECT, INSERT, UPDATE, DELETE, EXECUTE, CREATE TEMPORARY TABLES, \
    LOCK TABLES, SHOW VIEW";
/// "There is no such grant defined".
const NO_GRANT: &[u16] = &[1141];

/// What an account may do with its schema.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rights {
    /// Work with data; empty tables by TRUNCATE too, if `truncate`.
    Data { truncate: bool },
    /// All of it, but hand rights on.
    All,
}

impl MySql {
    pub(in crate::provision) async fn login_disable(&self, user: &str) -> Result<(), Error> {
        self.admin_once(async |admin| {
            let sql = format!("ALTER USER {} ACCOUNT LOCK", account(user));
            admin.run(&sql).await?;
            end_threads(admin, &Threads::Of(&account_name(user))).await
        })
        .await
    }

    pub(in crate::provision) async fn login_enable(&self, user: &str) -> Result<(), Error> {
        self.admin_once(async |admin| {
            let sql = format!("ALTER USER {} ACCOUNT UNLOCK", account(user));
            admin.run(&sql).await.map(|_| ())
        })
        .await
    }

    pub(in crate::provision) async fn login_rotate(
        &self,
        user: &str,
        verifier: &str,
    ) -> Result<(), Error> {
        self.admin_once(async |admin| {
            authenticate(admin, user, verifier).await?;
            let own = account(user);
            // What an account can change about itself.
            let default_role = match admin.flavour {
                Flavour::MariaDb => format!("SET DEFAULT ROLE NONE FOR {own}"),
                Flavour::MySql => format!("SET DEFAULT ROLE NONE TO {own}"),
            };
            admin.run(&default_role).await?;
            end_threads(admin, &Threads::Of(&account_name(user))).await
        })
        .await
    }

    pub(in crate::provision) async fn login_warm(
        &self,
        user: &str,
        password: &Secret<String>,
    ) -> Result<(), Error> {
        let flavour = self.admin_once(async |admin| Ok(admin.flavour)).await?;
        if flavour == Flavour::MariaDb {
            return Ok(());
        }
        let session = self
            .session_of(&account_name(user), password.expose(), None)
            .await?;
        session.close().await;
        Ok(())
    }
}

/// The account of a login, as statements name it.
pub(super) fn account(login: &str) -> String {
    account_of_name(&account_name(login))
}

pub(super) fn account_of_name(name: &str) -> String {
    format!("{}@'%'", literal(name))
}

/// Makes a login's account, locked, or checks that the one that is there is ours, and gives it this
/// authentication.
pub(super) async fn ensure_login(
    admin: &mut Session,
    login: &str,
    verifier: &str,
) -> Result<(), Fault> {
    let name = account_name(login);
    ensure_ours(admin, &name, login).await?;
    let own = account_of_name(&name);
    let identified = identified(admin.flavour, verifier)?;
    let create = format!("CREATE USER IF NOT EXISTS {own} {identified} ACCOUNT LOCK");
    admin.run(&create).await?;
    authenticate(admin, login, verifier).await
}

/// Refuses an account that has rights outside the schema `database`, or one that would be let in
/// before it.
pub(super) async fn ensure_ours(
    admin: &mut Session,
    name: &str,
    database: &str,
) -> Result<(), Fault> {
    let sql = format!("SELECT Host FROM mysql.user WHERE User = {}", literal(name));
    let hosts = admin.rows(&sql).await?;
    if let Some(host) = hosts.iter().map(|row| text(row, 0)).find(|h| h != "%") {
        return Err(refused(format!(
            "the server has an account {}@{}, which would be let in instead of {}; run on the \
             server: DROP USER {0}@{1}",
            literal(name),
            literal(&host),
            account_of_name(name)
        )));
    }
    if hosts.is_empty() {
        return Ok(());
    }
    let own = account_of_name(name);
    let grants = admin.rows(&format!("SHOW GRANTS FOR {own}")).await?;
    match grants
        .iter()
        .map(|row| text(row, 0))
        .find(|grant| !is_within(grant, database))
    {
        None => Ok(()),
        Some(_) => Err(refused(format!(
            "the server has an account {own} with rights outside {database}: it was not made by \
             TenantsDB"
        ))),
    }
}

/// Gives an account exactly these rights on a schema, and none elsewhere.
pub(super) async fn grant(
    admin: &mut Session,
    name: &str,
    schema: &str,
    rights: Rights,
) -> Result<(), Fault> {
    let partial_revokes = partial_revokes(admin).await?;
    let own = account_of_name(name);
    let privileges = match rights {
        Rights::Data { truncate: false } => DATA.to_owned(),
        Rights::Data { truncate: true } => format!("{DATA}, DROP"),
        Rights::All => "ALL PRIVILEGES".to_owned(),
    };
    let target = grant_target(schema, partial_revokes);
    let revoke = format!("REVOKE ALL PRIVILEGES ON {target} FROM {own}");
    admin.run_unless(&revoke, NO_GRANT).await?;
    let other = grant_target(schema, !partial_revokes);
    // As it was written when the setting was another.
    let revoke = format!("REVOKE ALL PRIVILEGES ON {other} FROM {own}");
    admin.run_unless(&revoke, NO_GRANT).await?;
    admin
        .run(&format!("GRANT {privileges} ON {target} TO {own}"))
        .await
        .map(|_| ())
}

/// Lets an account read another schema for a while.
pub(super) async fn lend(admin: &mut Session, name: &str, schema: &str) -> Result<(), Fault> {
    let target = grant_target(schema, partial_revokes(admin).await?);
    let own = account_of_name(name);
    let grant = format!("GRANT SELECT ON {target} TO {own}");
    admin.run(&grant).await.map(|_| ())
}

/// The end of [`lend`].
pub(super) async fn take_back(admin: &mut Session, name: &str, schema: &str) -> Result<(), Fault> {
    let target = grant_target(schema, partial_revokes(admin).await?);
    let own = account_of_name(name);
    let revoke = format!("REVOKE SELECT ON {target} FROM {own}");
    admin.run_unless(&revoke, NO_GRANT).await
}

pub(super) async fn unlock(admin: &mut Session, login: &str) -> Result<(), Fault> {
    let sql = format!("ALTER USER {} ACCOUNT UNLOCK", account(login));
    admin.run(&sql).await.map(|_| ())
}

/// Locks a login's account, if there is one, and ends its threads.
pub(super) async fn lock_if_there(admin: &mut Session, login: &str) -> Result<(), Fault> {
    let sql = format!("ALTER USER IF EXISTS {} ACCOUNT LOCK", account(login));
    admin.run(&sql).await?;
    end_threads(admin, &Threads::Of(&account_name(login))).await
}

/// Drops an account that may be gone, and ends its threads.
pub(super) async fn drop_account(admin: &mut Session, name: &str) -> Result<(), Fault> {
    let own = account_of_name(name);
    admin.run(&format!("DROP USER IF EXISTS {own}")).await?;
    end_threads(admin, &Threads::Of(name)).await
}

/// Gives an account its authentication, and takes back what bounds it otherwise.
async fn authenticate(admin: &mut Session, login: &str, verifier: &str) -> Result<(), Fault> {
    let own = account(login);
    let identified = identified(admin.flavour, verifier)?;
    admin
        .run(&format!(
            "ALTER USER {own} {identified} REQUIRE NONE PASSWORD EXPIRE NEVER"
        ))
        .await?;
    if admin.flavour == Flavour::MySql {
        admin
            .run(&format!("ALTER USER {own} DISCARD OLD PASSWORD"))
            .await?;
    }
    Ok(())
}

/// How CREATE and ALTER USER take a stored verifier.
pub(super) fn identified(flavour: Flavour, verifier: &str) -> Result<String, Fault> {
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    let parts: Vec<&str> = verifier.split('$').collect();
    match (flavour, parts.as_slice()) {
        (Flavour::MariaDb, ["mysql_native_password", hash]) if hash.len() == 40 && is_hex(hash) => {
            Ok(format!(
                "IDENTIFIED VIA mysql_native_password USING '*{hash}'"
            ))
        }
        (Flavour::MySql, ["caching_sha2_password", _, stored]) if is_hex(stored) => Ok(format!(
            "IDENTIFIED WITH caching_sha2_password AS 0x{stored}"
        )),
        _ => Err(refused(
            "the login's verifier is of no kind that this server takes",
        )),
    }
}

/// Whether a line of SHOW GRANTS gives nothing outside the schema, and no right to hand on.
fn is_within(grant: &str, database: &str) -> bool {
    if grant.starts_with("GRANT USAGE ON *.* TO ") {
        return true;
    }
    if grant.ends_with("WITH GRANT OPTION") {
        return false;
    }
    [false, true].iter().any(|partial_revokes| {
        let target = grant_target(database, *partial_revokes);
        grant.contains(&format!(" ON {target} TO "))
    }) || [" ON ", " ON PROCEDURE ", " ON FUNCTION "]
        .iter()
        .any(|on| grant.contains(&format!("{on}{}.`", ident(database))))
}

/// MySQL's setting by which `_` and `%` in a grant are no wildcards.
async fn partial_revokes(admin: &mut Session) -> Result<bool, Fault> {
    match admin.flavour {
        Flavour::MariaDb => Ok(false),
        Flavour::MySql => Ok(admin
            .value("SELECT @@GLOBAL.partial_revokes")
            .await?
            .as_deref()
            == Some("1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_outside_the_schema_or_to_hand_on_is_seen() {
        let database = "a__b";
        for within in [
            "GRANT USAGE ON *.* TO `a__b`@`%` IDENTIFIED BY PASSWORD '*00'",
            "GRANT SELECT ON `a\\_\\_b`.* TO `a__b`@`%`",
            "GRANT SELECT ON `a__b`.* TO `a__b`@`%`",
            "GRANT EXECUTE ON PROCEDURE `a__b`.`p` TO `a__b`@`%`",
        ] {
            assert!(is_within(within, database), "{within}");
        }
        for outside in [
            "GRANT SELECT ON *.* TO `a__b`@`%`",
            "GRANT SELECT ON `other`.* TO `a__b`@`%`",
            "GRANT SELECT ON `a__b`.* TO `a__b`@`%` WITH GRANT OPTION",
            "GRANT `role`@`%` TO `a__b`@`%`",
            "GRANT PROXY ON ``@`` TO `a__b`@`%`",
            "SET DEFAULT ROLE `role` FOR `a__b`@`%`",
        ] {
            assert!(!is_within(outside, database), "{outside}");
        }
    }

    #[test]
    fn only_verifiers_of_the_servers_own_kind_become_statements() {
        let native = format!("mysql_native_password${}", "A".repeat(40));
        assert!(identified(Flavour::MariaDb, &native).is_ok());
        assert!(identified(Flavour::MySql, &native).is_err());
        let sha2 = format!("caching_sha2_password${}$244124", "a".repeat(64));
        assert_eq!(
            identified(Flavour::MySql, &sha2).unwrap(),
            "IDENTIFIED WITH caching_sha2_password AS 0x244124"
        );
        let without = format!("caching_sha2_password${}", "a".repeat(64));
        assert!(identified(Flavour::MySql, &without).is_err());
        assert!(identified(Flavour::MariaDb, "mysql_native_password$' OR 1").is_err());
    }
}
