//! Identifiers that control makes, and the connection strings that people are given. The rules of
//! blueprint, tenant and database names are in `tenantsdb_codecs::feed::id`.

use std::fmt;

use serde::{Serialize, Serializer};
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::mysql::Flavour;
use tenantsdb_codecs::secret::Secret;

use crate::context::Context;
use crate::error::Result;
use crate::secret::random_bytes;

/// A new identifier: the prefix, `_` and 64 random bits in hexadecimal.
///
/// # Errors
///
/// The system has no random bytes.
pub fn new_id(prefix: &str) -> Result<String> {
    let bytes: [u8; 8] = random_bytes()?;
    Ok(format!("{prefix}_{:016x}", u64::from_be_bytes(bytes)))
}

/// Which of MySQL and MariaDB a server is, by the version it gives; `None` for other engines.
pub(crate) fn flavour(engine: Engine, server_version: &str) -> Option<Flavour> {
    match engine {
        Engine::Postgres | Engine::MongoDb | Engine::Redis => None,
        Engine::MySql => Some(Flavour::of_version(server_version)),
    }
}

/// What people call such a server.
pub(crate) fn server_kind(engine: Engine, flavour: Option<Flavour>) -> &'static str {
    match flavour {
        Some(Flavour::MariaDb) => "MariaDB",
        Some(Flavour::MySql) | None => engine.name(),
    }
}

/// What a client needs to connect through a proxy. The password is there only in the answer that
/// issued it.
#[derive(Clone, Debug)]
pub struct ConnectionString {
    /// The engine, which is the scheme of the URL.
    pub engine: Engine,
    /// Who logs in.
    pub user: String,
    /// As issued: base64url, so it needs no escapes in a URL.
    pub password: Option<Secret<String>>,
    /// `host:port` of the proxies.
    pub address: String,
    /// The database asked for.
    pub database: String,
}

impl ConnectionString {
    /// How to reach a database whose login has its own name; without password. The proxies have a
    /// door for each flavour of MySQL: they greet before they know who comes.
    pub(crate) fn of(
        context: &Context,
        engine: Engine,
        server_version: &str,
        database: &str,
    ) -> Self {
        let config = &context.config;
        let address = match (engine, flavour(engine, server_version)) {
            (Engine::MongoDb, _) => &config.mongo_address,
            (Engine::Redis, _) => &config.redis_address,
            (_, None) => &config.postgres_address,
            (_, Some(Flavour::MySql)) => &config.mysql_address,
            (_, Some(Flavour::MariaDb)) => &config.mariadb_address,
        };
        Self {
            engine,
            user: database.to_owned(),
            password: None,
            address: address.clone(),
            database: match engine {
                // The number of the only one there is; the name is the user's.
                Engine::Redis => "0".to_owned(),
                Engine::Postgres | Engine::MySql | Engine::MongoDb => database.to_owned(),
            },
        }
    }
}

impl fmt::Display for ConnectionString {
    /// With the password if there is one: for the caller it was issued to, never for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.engine {
            Engine::Postgres => "postgresql",
            Engine::MySql => "mysql",
            Engine::MongoDb => "mongodb",
            Engine::Redis => "redis",
        };
        write!(f, "{scheme}://{}", self.user)?;
        if let Some(password) = &self.password {
            write!(f, ":{}", password.expose())?;
        }
        write!(f, "@{}/{}", self.address, self.database)?;
        if self.engine == Engine::MongoDb {
            // Each user is one of its own database.
            write!(f, "?authSource={}", self.database)?;
        }
        Ok(())
    }
}

impl Serialize for ConnectionString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl utoipa::PartialSchema for ConnectionString {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}

impl utoipa::ToSchema for ConnectionString {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_string_has_the_password_only_while_it_is_issued() {
        let mut string = ConnectionString {
            engine: Engine::Postgres,
            user: "a__b".to_owned(),
            password: Some(Secret::new("pw".to_owned())),
            address: "127.0.0.1:6432".to_owned(),
            database: "a__b".to_owned(),
        };
        assert_eq!(
            string.to_string(),
            "postgresql://a__b:pw@127.0.0.1:6432/a__b"
        );
        string.password = None;
        assert_eq!(string.to_string(), "postgresql://a__b@127.0.0.1:6432/a__b");
        assert!(!format!("{string:?}").contains("pw"));
    }
}
