//! Names: what a blueprint, a tenant and a database may be called, and how one is made from
//! another.
//!
//! A database name is `{blueprint}_dev` for the workspace and `{blueprint}__{tenant}` for a tenant.
//! Neither half holds `__` or ends in `_`, so the first `__` is the only place to split; it is
//! looked for before `_dev`, because `a__b_dev` is the tenant `b_dev` of the blueprint `a`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest blueprint name, in bytes: with the longest tenant name and `__` it stays below the 63
/// bytes of a PostgreSQL identifier, and every role derived from it does too.
pub const BLUEPRINT_BYTES_MAX: usize = 26;
/// Longest tenant name, in bytes.
pub const TENANT_BYTES_MAX: usize = 31;

/// Why a name is refused. The text says the rule, for people to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Does not match the pattern of a blueprint name.
    #[error(
        "a blueprint name is 1 to 26 characters, starts with a lower-case letter and holds only \
         lower-case letters, digits and underscores"
    )]
    BlueprintPattern,
    /// Does not match the pattern of a tenant name.
    #[error(
        "a tenant name is 1 to 31 characters, starts with a lower-case letter or a digit and holds \
         only lower-case letters, digits and underscores"
    )]
    TenantPattern,
    /// Holds the separator.
    #[error("a name does not hold \"__\": it separates blueprint and tenant in database names")]
    DoubleUnderscore,
    /// Ends in `_`, which would run into the separator.
    #[error("a name does not end in \"_\"")]
    TrailingUnderscore,
    /// A blueprint that ends in `_dev`.
    #[error("a blueprint name does not end in \"_dev\": that is the name of a workspace database")]
    WorkspaceSuffix,
    /// A blueprint that starts with `pg_`, as no role of ours could.
    #[error("a blueprint name does not start with \"pg_\": PostgreSQL keeps such names for itself")]
    Reserved,
}

/// Checks a blueprint name: `^[a-z][a-z0-9_]{0,25}$`, no `__`, no final `_`, no final `_dev`, no
/// `pg_` at its start (<https://www.postgresql.org/docs/15/sql-createrole.html>).
///
/// # Errors
///
/// The rule that the name breaks.
pub fn check_blueprint(name: &str) -> Result<(), NameError> {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if !first || name.len() > BLUEPRINT_BYTES_MAX || !name.bytes().all(name_byte) {
        return Err(NameError::BlueprintPattern);
    }
    check_common(name)?;
    if name.ends_with("_dev") {
        return Err(NameError::WorkspaceSuffix);
    }
    if name.starts_with("pg_") {
        return Err(NameError::Reserved);
    }
    Ok(())
}

/// Checks a tenant name: `^[a-z0-9][a-z0-9_]{0,30}$`, no `__`, no final `_`.
///
/// # Errors
///
/// The rule that the name breaks.
pub fn check_tenant(name: &str) -> Result<(), NameError> {
    let first = name.bytes().next().is_some_and(|b| b != b'_');
    if !first || name.len() > TENANT_BYTES_MAX || !name.bytes().all(name_byte) {
        return Err(NameError::TenantPattern);
    }
    check_common(name)
}

fn name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

fn check_common(name: &str) -> Result<(), NameError> {
    if name.contains("__") {
        return Err(NameError::DoubleUnderscore);
    }
    if name.ends_with('_') {
        return Err(NameError::TrailingUnderscore);
    }
    Ok(())
}

/// Name of a blueprint's workspace database, and of the login that designs in it.
#[must_use]
pub fn workspace_database(blueprint: &str) -> String {
    format!("{blueprint}_dev")
}

/// Name of a tenant's database, and of the tenant's own login.
#[must_use]
pub fn tenant_database(blueprint: &str, tenant: &str) -> String {
    format!("{blueprint}__{tenant}")
}

/// Name of the second account of a Redis database that shares its server: it can walk over the
/// names of the server's keys and channels, and reach none of them. The `:` is in no database's
/// name.
#[must_use]
pub fn walk_user(database: &str) -> String {
    format!("{database}:walk")
}

/// What a database name says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseName<'a> {
    /// `{blueprint}_dev`.
    Workspace {
        /// The blueprint that the workspace defines.
        blueprint: &'a str,
    },
    /// `{blueprint}__{tenant}`.
    Tenant {
        /// The blueprint that the database was made from.
        blueprint: &'a str,
        /// The customer it belongs to.
        tenant: &'a str,
    },
}

impl<'a> DatabaseName<'a> {
    /// Reads a database name, or `None` if it is neither a workspace's nor a tenant's.
    #[must_use]
    pub fn parse(database: &'a str) -> Option<Self> {
        if let Some((blueprint, tenant)) = database.split_once("__") {
            check_blueprint(blueprint).ok()?;
            check_tenant(tenant).ok()?;
            return Some(Self::Tenant { blueprint, tenant });
        }
        let blueprint = database.strip_suffix("_dev")?;
        check_blueprint(blueprint).ok()?;
        Some(Self::Workspace { blueprint })
    }
}

/// A database engine, under the name that it has in every layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB: one protocol, two flavours.
    MySql,
    /// MongoDB.
    MongoDb,
    /// Redis and Valkey.
    Redis,
}

/// Not the name of an engine that this version serves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown engine \"{0}\": this version serves PostgreSQL, MySQL, MongoDB and Redis")]
pub struct UnknownEngine(pub String);

impl Engine {
    /// Every engine, in the order that people list them.
    pub const ALL: &'static [Self] = &[Self::Postgres, Self::MySql, Self::MongoDb, Self::Redis];

    /// The name that people and the REST API use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MySQL",
            Self::MongoDb => "MongoDB",
            Self::Redis => "Redis",
        }
    }
}

impl From<Engine> for &'static str {
    fn from(engine: Engine) -> Self {
        engine.name()
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Engine {
    type Err = UnknownEngine;

    /// Reads an engine name in any case.
    fn from_str(name: &str) -> Result<Self, UnknownEngine> {
        Self::ALL
            .iter()
            .copied()
            .find(|engine| engine.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownEngine(name.to_owned()))
    }
}

impl TryFrom<String> for Engine {
    type Error = UnknownEngine;

    fn try_from(name: String) -> Result<Self, UnknownEngine> {
        name.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_their_limits_are_accepted() {
        assert_eq!(check_blueprint(&"a".repeat(26)), Ok(()));
        assert_eq!(check_tenant(&"9".repeat(31)), Ok(()));
        assert_eq!(check_blueprint("a"), Ok(()));
        assert_eq!(check_blueprint("pgapp"), Ok(()));
        assert!(tenant_database(&"a".repeat(26), &"b".repeat(31)).len() <= 63);
    }

    #[test]
    fn names_that_break_a_rule_are_refused_with_that_rule() {
        use NameError::*;
        for (name, error) in [
            ("", BlueprintPattern),
            ("1a", BlueprintPattern),
            ("_a", BlueprintPattern),
            ("MyApp", BlueprintPattern),
            ("my-app", BlueprintPattern),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaa", BlueprintPattern),
            ("my__app", DoubleUnderscore),
            ("my_", TrailingUnderscore),
            ("my_dev", WorkspaceSuffix),
            ("pg_app", Reserved),
        ] {
            assert_eq!(check_blueprint(name), Err(error), "{name}");
        }
        for (name, error) in [
            ("", TenantPattern),
            ("_a", TenantPattern),
            ("Acme", TenantPattern),
            ("a b", TenantPattern),
            ("a__b", DoubleUnderscore),
            ("a_", TrailingUnderscore),
        ] {
            assert_eq!(check_tenant(name), Err(error), "{name}");
        }
        assert_eq!(check_tenant("b_dev"), Ok(()));
    }

    #[test]
    fn the_separator_is_looked_for_before_the_workspace_suffix() {
        assert_eq!(
            DatabaseName::parse("a__b_dev"),
            Some(DatabaseName::Tenant {
                blueprint: "a",
                tenant: "b_dev"
            })
        );
        assert_eq!(
            DatabaseName::parse("a_dev"),
            Some(DatabaseName::Workspace { blueprint: "a" })
        );
        for other in [
            "postgres",
            "template1",
            "a",
            "_dev",
            "__a",
            "a__",
            "a___b",
            "a__b__c",
        ] {
            assert_eq!(DatabaseName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_walking_account_is_no_databases_name() {
        assert_eq!(walk_user("a__b"), "a__b:walk");
        assert_eq!(DatabaseName::parse(&walk_user("a__b")), None);
    }

    #[test]
    fn engine_names_are_read_in_any_case() {
        assert_eq!("postgresql".parse(), Ok(Engine::Postgres));
        assert_eq!("PostgreSQL".parse(), Ok(Engine::Postgres));
        assert!("oracle".parse::<Engine>().is_err());
    }
}
