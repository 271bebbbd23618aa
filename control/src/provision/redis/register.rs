//! May this server be used?

use redis::{Pipeline, Value};

use super::accounts::{read_mark, user};
use super::catalog::Catalog;
use super::connect::{Redis, Session, info_value};
use crate::provision::{Error, Facts};

/// ACL rules for channels, parts of commands, ACL DRYRUN and SORT under key rules are all there.
const VERSION_MIN: u32 = 7;
/// An account that is made and removed again to see whether that can be done.
const TRIAL: &str = "tenantsdb:trial";

impl Redis {
    pub(in crate::provision) async fn register(&self) -> Result<Facts, Error> {
        let mut admin = self.admin().await?;
        let version = check_version(&mut admin).await?;
        check_alone(&mut admin).await?;
        check_default(&mut admin).await?;
        check_rights(&mut admin).await?;
        Catalog::read(&mut admin).await?;
        let mark = read_mark(&mut admin).await?;
        Ok(Facts {
            version,
            mongo: None,
            mark,
        })
    }
}

/// `7.0.15`, or `valkey 8.0.1`: Valkey calls itself Redis 7.2.4 for who looks no closer.
async fn check_version(admin: &mut Session) -> Result<String, Error> {
    let info = admin.info("server").await?;
    let version = info_value(&info, "redis_version").unwrap_or_default();
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    if major.is_none_or(|major: u32| major < VERSION_MIN) {
        return Err(refused(format!(
            "Redis 7.0 or newer is needed, this is \"{version}\""
        )));
    }
    Ok(match info_value(&info, "valkey_version") {
        Some(valkey) => format!("valkey {valkey}"),
        None => version.to_owned(),
    })
}

/// Whether it is a server by itself, that takes writes.
async fn check_alone(admin: &mut Session) -> Result<(), Error> {
    let info = admin.info("server").await?;
    // Valkey: server_mode, with redis_mode as its other name.
    let mode = info_value(&info, "redis_mode").or_else(|| info_value(&info, "server_mode"));
    if let Some(mode @ ("cluster" | "sentinel")) = mode {
        return Err(refused(format!(
            "the server runs as {mode}: a standalone server is needed"
        )));
    }
    let info = admin.info("replication").await?;
    if info_value(&info, "role") == Some("slave") {
        return Err(refused(
            "the server is a replica: register its primary instead",
        ));
    }
    Ok(())
}

/// Whether anybody is let in without a password.
async fn check_default(admin: &mut Session) -> Result<(), Error> {
    let default = user(admin, "default").await?.unwrap_or_default();
    let flags = match default.get("flags") {
        Some(Value::Array(flags) | Value::Set(flags)) => flags.as_slice(),
        _ => &[],
    };
    let has = |name: &str| {
        let name = name.as_bytes();
        flags.iter().any(|flag| match flag {
            Value::BulkString(flag) => flag == name,
            Value::SimpleString(flag) => flag.as_bytes() == name,
            _ => false,
        })
    };
    if has("on") && has("nopass") {
        return Err(refused(
            "the user \"default\" has no password, so anybody may read all keys: set requirepass, \
             or `ACL SETUSER default off`",
        ));
    }
    Ok(())
}

/// Whether the administrator may do what is to be done later.
async fn check_rights(admin: &mut Session) -> Result<(), Error> {
    let mut commands = Pipeline::new();
    commands
        .cmd("ACL")
        .arg(&["SETUSER", TRIAL, "reset", "off", "~trial:*", "+@all"]);
    commands.cmd("CLIENT").arg(&["KILL", "USER", TRIAL]);
    commands.cmd("ACL").arg(&["DELUSER", TRIAL]);
    commands
        .cmd("SCAN")
        .arg(&["0", "MATCH", "tenantsdb:trial:*", "COUNT", "1"]);
    commands.cmd("UNLINK").arg("tenantsdb:trial:none");
    admin
        .ask_all(&commands)
        .await
        .map_err(|error| match error {
            Error::Server { message, .. } if message.starts_with("NOPERM") => refused(format!(
                "the administrator lacks rights ({message}): it needs `~* &* +@all`"
            )),
            other => other,
        })?;
    Ok(())
}

fn refused(text: impl Into<String>) -> Error {
    Error::Refused(text.into())
}
