//! What a tenant may be given, by engine.

use tenantsdb_codecs::feed::id::Engine;

use super::create::NewTenant;
use crate::error::{Error, Result};

/// Whether the engine has what the tenant is to be allowed.
pub(super) fn check(engine: Engine, new: &NewTenant) -> Result<()> {
    if new.dedicated && engine != Engine::Redis {
        return Err(Error::invalid(format!(
            "dedicated is for Redis: databases on {engine} do not see each other on one server"
        ))
        .hint("leave it out"));
    }
    if new.allow_ddl && engine == Engine::Redis {
        return Err(Error::invalid(
            "allow_ddl is for engines with a schema, which Redis does not have",
        )
        .hint("leave it out"));
    }
    if new.pool_mode.is_some() {
        check_pool_mode(engine)?;
    }
    if engine == Engine::MySql {
        return Ok(());
    }
    if new.allow_truncate {
        return Err(Error::invalid(format!(
            "allow_truncate is for MySQL, where TRUNCATE is DDL: a {engine} tenant may always \
             empty what it has"
        ))
        .hint("leave it out"));
    }
    if new.allow_local_infile {
        return Err(Error::invalid(format!(
            "allow_local_infile is for MySQL's LOAD DATA LOCAL, which {engine} does not have"
        ))
        .hint("leave it out"));
    }
    Ok(())
}

/// Whether a database of the engine has a pool mode of its own.
pub(super) fn check_pool_mode(engine: Engine) -> Result<()> {
    let error = |why: &str, hint: &'static str| Err(Error::invalid(why).hint(hint));
    match engine {
        Engine::MongoDb => Ok(()),
        Engine::Redis => error(
            "the pool mode of a Redis database is part of its blueprint",
            "set it by `tdb workspaces settings`, and deploy",
        ),
        Engine::Postgres | Engine::MySql => error(
            &format!("{engine} databases have server connections for whole sessions only"),
            "leave it out",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_mode_of_its_own_has_a_mongodb_database_only() {
        assert!(check_pool_mode(Engine::MongoDb).is_ok());
        for (engine, says) in [
            (Engine::Postgres, "whole sessions"),
            (Engine::MySql, "whole sessions"),
            (Engine::Redis, "part of its blueprint"),
        ] {
            let error = check_pool_mode(engine).unwrap_err().to_string();
            assert!(error.contains(says), "{engine}: {error}");
        }
    }
}
