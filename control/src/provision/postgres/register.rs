//! May a server be used? And: its standing databases are closed to tenants.

use super::connect::{Admin, Postgres};
use super::quote::ident;
use crate::provision::{Error, Facts};

/// The first version with `CREATE DATABASE … STRATEGY`, and without CREATE on schema public for
/// all.
const VERSION_MIN: i32 = 150_000;

/// Databases that are there without us: a tenant's login must not get in, and what it left in
/// template1 would be in the next new database.
const STANDING_DATABASES: [&str; 2] = ["postgres", "template1"];

impl Postgres {
    pub(in crate::provision) async fn register(&self) -> Result<Facts, Error> {
        let mut admin = self
            .admin()
            .await
            .map_err(|error| self.login_refused(error))?;
        let facts = facts(&mut admin).await?;
        close_standing_databases(&mut admin).await?;
        admin.close().await;
        Ok(facts)
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

async fn facts(admin: &mut Admin) -> Result<Facts, Error> {
    let sql = "SELECT current_setting('server_version'), \
               current_setting('server_version_num')::int4, \
               current_setting('is_superuser') = 'on', current_user::text, pg_is_in_recovery()";
    let rows = admin
        .rows::<(String, i32, bool, String, bool)>(sql, &[])
        .await?;
    let Some((version, number, superuser, user, standby)) = rows.into_iter().next() else {
        return Err(Error::Refused(
            "the server does not say its version".to_owned(),
        ));
    };
    if number < VERSION_MIN {
        return Err(Error::Refused(format!(
            "the server is PostgreSQL {version}; 15 is the oldest that can be used"
        )));
    }
    if !superuser {
        let role = ident(&user);
        return Err(Error::Refused(format!(
            "the login {user} is no superuser, which event triggers need; \
             run on the server: ALTER ROLE {role} SUPERUSER"
        )));
    }
    if standby {
        return Err(Error::Refused(
            "the server is a read-only standby; register its primary".to_owned(),
        ));
    }
    // "15.18 (Debian 15.18-0+deb12u1)": what follows the space is the packager's.
    let version = version.split(' ').next().unwrap_or(&version).to_owned();
    Ok(Facts {
        version,
        mongo: None,
        mark: None,
    })
}

async fn close_standing_databases(admin: &mut Admin) -> Result<(), Error> {
    for database in STANDING_DATABASES {
        let revoke = format!(
            "REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC",
            ident(database)
        );
        // Somebody else may be at the same row; what counts is that it is closed in the end.
        let revoked = match is_open_to_all(admin, database).await? {
            true => admin.run(&revoke).await,
            false => Ok(()),
        };
        if let Err(Error::Server { message, .. }) = revoked
            && is_open_to_all(admin, database).await?
        {
            return Err(Error::Refused(format!(
                "tenants could enter database {database} ({message}); run on the server: {revoke}"
            )));
        }
    }
    Ok(())
}

/// Whether a database is there and PUBLIC may connect to it, or make temporary objects in it.
async fn is_open_to_all(admin: &mut Admin, database: &str) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_database d, \
               aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a \
               WHERE d.datname = $1 AND a.grantee = 0)";
    Ok(admin.value::<bool>(sql, &[database]).await? == Some(true))
}
