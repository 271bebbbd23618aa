//! May a server be used?

use super::connect::{Fault, MySql, Session, TextRow, refused, text};
use super::quote::{ident, literal};
use crate::provision::{Error, Facts};
use tenantsdb_codecs::mysql::Flavour;

/// Major and minor of the first version of each: MariaDB's with all of ACCOUNT LOCK, and MySQL's
/// with atomic DDL.
const MARIADB_MIN: (u32, u32) = (10, 5);
const MYSQL_MIN: (u32, u32) = (8, 0);

/// What the administrator needs on `*.*`: each right that it hands on, and some for itself.
const RIGHTS: &[&str] = &[
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "REFERENCES",
    "INDEX",
    "ALTER",
    "CREATE TEMPORARY TABLES",
    "LOCK TABLES",
    "EXECUTE",
    "CREATE VIEW",
    "SHOW VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "EVENT",
    "TRIGGER",
    "CREATE USER",
    "PROCESS",
];
/// One of these, to end threads of others.
const KILL_RIGHTS: &[&str] = &["SUPER", "CONNECTION_ADMIN", "CONNECTION ADMIN"];
/// "Access denied", "There is no such grant defined", an unknown account: older servers have no
/// PUBLIC.
const NO_PUBLIC: &[u16] = &[1044, 1045, 1141, 1227, 1064];

impl MySql {
    pub(in crate::provision) async fn register(&self) -> Result<Facts, Error> {
        let facts = self
            .admin_once(async |admin| {
                let facts = facts(admin).await?;
                check_rights(admin).await?;
                check_settings(admin).await?;
                check_grants_to_all(admin).await?;
                Ok(facts)
            })
            .await;
        facts.map_err(|error| self.login_refused(error))
    }

    /// A refused login is the caller's mistake, not the server's failure.
    fn login_refused(&self, error: Error) -> Error {
        match error {
            Error::Server { sqlstate, message } if sqlstate.starts_with("28") => Error::Refused(
                format!("server {} refuses the admin login: {message}", self.addr()),
            ),
            other => other,
        }
    }
}

async fn facts(admin: &mut Session) -> Result<Facts, Fault> {
    let rows = admin
        .rows("SELECT VERSION(), @@GLOBAL.read_only, @@GLOBAL.lower_case_table_names")
        .await?;
    let row = rows.into_iter().next().unwrap_or_default();
    let (version, read_only) = (text(&row, 0), text(&row, 1));
    let (number, at_least) = version_of(&version)
        .ok_or_else(|| refused(format!("the server says that its version is {version}")))?;
    let minimum = match admin.flavour {
        Flavour::MariaDb => MARIADB_MIN,
        Flavour::MySql => MYSQL_MIN,
    };
    if at_least < minimum {
        return Err(refused(format!(
            "the server is {version}; MySQL 8.0 and MariaDB 10.5 are the oldest that can be used"
        )));
    }
    if read_only != "0" {
        return Err(refused(
            "the server is read-only; register the one that it replicates",
        ));
    }
    tracing::info!(
        version,
        lower_case_table_names = text(&row, 2),
        "MySQL server looked at"
    );
    let version = match admin.flavour {
        Flavour::MariaDb => format!("{number}-MariaDB"),
        Flavour::MySql => number,
    };
    Ok(Facts {
        version,
        mongo: None,
        mark: None,
    })
}

/// `10.11.14-MariaDB-0+deb12u2`: the number, and its first two parts.
fn version_of(version: &str) -> Option<(String, (u32, u32))> {
    let number = version.split('-').next()?;
    let mut parts = number.split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?.parse().ok()?;
    Some((number.to_owned(), (major, minor)))
}

async fn check_rights(admin: &mut Session) -> Result<(), Fault> {
    let grants = admin.rows("SHOW GRANTS").await?;
    let user = admin.value("SELECT CURRENT_USER()").await?;
    let missing = missing_rights(&grants);
    if missing.is_empty() {
        return Ok(());
    }
    let user = user.unwrap_or_default();
    let (name, host) = user.rsplit_once('@').unwrap_or((&user, "%"));
    Err(refused(format!(
        "the login {user} lacks {}; run on the server: GRANT ALL PRIVILEGES ON *.* TO {}@{} \
         WITH GRANT OPTION",
        missing.join(", "),
        literal(name),
        literal(host)
    )))
}

fn missing_rights(grants: &[TextRow]) -> Vec<&'static str> {
    let mut has = Vec::new();
    let mut hands_on = false;
    for grant in grants.iter().map(|row| text(row, 0)) {
        let Some((rights, rest)) = grant
            .strip_prefix("GRANT ")
            .and_then(|rest| rest.split_once(" ON *.* TO "))
        else {
            continue;
        };
        hands_on |= rest.contains("WITH GRANT OPTION");
        has.extend(rights.split(',').map(|right| right.trim().to_owned()));
    }
    let all = has.iter().any(|right| right.starts_with("ALL PRIVILEGES"));
    let has = |right: &str| all || has.iter().any(|other| other == right);
    let mut missing: Vec<&str> = RIGHTS.iter().copied().filter(|right| !has(right)).collect();
    if !KILL_RIGHTS.iter().any(|right| has(right)) {
        missing.push("CONNECTION_ADMIN");
    }
    if !hands_on {
        missing.push("GRANT OPTION");
    }
    missing
}

async fn check_settings(admin: &mut Session) -> Result<(), Fault> {
    let rows = admin
        .rows("SELECT @@GLOBAL.log_bin, @@GLOBAL.log_bin_trust_function_creators")
        .await?;
    let row = rows.into_iter().next().unwrap_or_default();
    if text(&row, 0) != "0" && text(&row, 1) == "0" {
        return Err(refused(
            "with its binary log on, the server lets no tenant have triggers or functions; run on \
             the server: SET GLOBAL log_bin_trust_function_creators = ON, and have it in its \
             configuration file",
        ));
    }
    if admin.flavour == Flavour::MySql {
        let roles = admin.value("SELECT @@GLOBAL.mandatory_roles").await?;
        if let Some(roles) = roles.filter(|roles| !roles.is_empty()) {
            return Err(refused(format!(
                "the server gives every account the roles {roles}, tenants too; run on the \
                 server: SET PERSIST mandatory_roles = ''"
            )));
        }
    }
    Ok(())
}

/// Rights that every account has, a tenant's too.
async fn check_grants_to_all(admin: &mut Session) -> Result<(), Fault> {
    let anonymous = admin
        .rows("SELECT Host FROM mysql.user WHERE User = ''")
        .await?;
    if let Some(row) = anonymous.first() {
        return Err(refused(format!(
            "the server has an anonymous account, which would be let in instead of tenants' \
             accounts; run on the server: DROP USER ''@{}",
            literal(&text(row, 0))
        )));
    }
    let to_all = admin
        .rows("SELECT Db, User FROM mysql.db WHERE User IN ('', 'PUBLIC')")
        .await?;
    if let Some(row) = to_all.first() {
        let (schema, user) = (text(row, 0), text(row, 1));
        let command = match user.as_str() {
            "" => format!(
                "DELETE FROM mysql.db WHERE User = '' AND Db = {}; FLUSH PRIVILEGES",
                literal(&schema)
            ),
            _ => format!("REVOKE ALL PRIVILEGES ON {}.* FROM PUBLIC", ident(&schema)),
        };
        return Err(refused(format!(
            "the server gives every account rights on {schema}; run on the server: {command}"
        )));
    }
    check_public(admin).await
}

/// MariaDB's grants to PUBLIC, of any kind.
async fn check_public(admin: &mut Session) -> Result<(), Fault> {
    if admin.flavour == Flavour::MySql {
        return Ok(());
    }
    let grants = match admin.rows("SHOW GRANTS FOR PUBLIC").await {
        Err(fault) if NO_PUBLIC.contains(&fault.number) => return Ok(()),
        other => other?,
    };
    let given = grants
        .iter()
        .map(|row| text(row, 0))
        .find(|grant| !grant.starts_with("GRANT USAGE ON *.* TO "));
    match given {
        None => Ok(()),
        Some(grant) => Err(refused(format!(
            "the server gives every account rights ({grant}); take them back on the server: \
             REVOKE … FROM PUBLIC"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_without_what_the_packager_added() {
        assert_eq!(
            version_of("10.11.14-MariaDB-0+deb12u2"),
            Some(("10.11.14".to_owned(), (10, 11)))
        );
        assert_eq!(version_of("9.7.4-2").map(|(_, v)| v), Some((9, 7)));
        assert_eq!(version_of("main"), None);
    }

    #[test]
    fn rights_that_are_missing_are_named() {
        let row = |text: &str| vec![Some(text.to_owned())];
        let root = "GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION";
        assert!(missing_rights(&[row(root)]).is_empty());
        let all = "GRANT ALL PRIVILEGES ON *.* TO `root`@`%`";
        assert_eq!(missing_rights(&[row(all)]), ["GRANT OPTION"]);
        let some = "GRANT SELECT, CREATE USER ON *.* TO `x`@`%` WITH GRANT OPTION";
        assert!(missing_rights(&[row(some)]).contains(&"PROCESS"));
    }
}
