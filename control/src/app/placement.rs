//! Where a new database goes: on which server, and on Redis with which prefix.
//!
//! A prefix belongs to one database of a server. The short one (`acme:`, `dev:`) is taken where it
//! is free, on whichever server; where it is free nowhere, the long one is
//! (`myapp__acme:`, `myapp_dev:`).

use tenantsdb_codecs::feed::id::{Engine, tenant_database, workspace_database};

use crate::error::{Code, Error, Result};
use crate::store::Conn;
use crate::store::blueprints::Blueprint;
use crate::store::namespaces::{self, Namespace};
use crate::store::servers::{self as rows, Mode, Server};

use super::servers;

/// Where a database is to be.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) server: Server,
    /// Redis only.
    pub(crate) namespace: Option<Namespace>,
}

/// The workspace of a Redis server has this prefix, so no tenant may.
const WORKSPACE: &str = "dev";

/// A place for the workspace of a new blueprint.
pub(crate) async fn workspace(
    conn: &mut Conn,
    blueprint: &str,
    engine: Engine,
    named: Option<&str>,
) -> Result<Place> {
    let server = servers::place_workspace(conn, engine, named).await?;
    if engine != Engine::Redis {
        return Ok(Place {
            server,
            namespace: None,
        });
    }
    let database = workspace_database(blueprint);
    let prefixes = [format!("{WORKSPACE}:"), format!("{database}:")];
    let servers = among(conn, server, named).await?;
    choose(conn, &database, servers, &prefixes).await
}

/// A place for a tenant's database of a blueprint.
pub(crate) async fn tenant(
    conn: &mut Conn,
    blueprint: &Blueprint,
    tenant: &str,
    (named, dedicated): (Option<&str>, bool),
) -> Result<Place> {
    let redis = blueprint.engine == Engine::Redis;
    if redis && tenant == WORKSPACE {
        return Err(Error::new(
            Code::InvalidName,
            "a tenant on Redis is not called \"dev\": that is what keys of workspaces begin with",
        ));
    }
    let database = tenant_database(&blueprint.name, tenant);
    if dedicated {
        let server = own_server(conn, blueprint.engine, named).await?;
        return Ok(Place {
            namespace: Some(Namespace {
                database,
                server_id: server.id.clone(),
                prefix: None,
            }),
            server,
        });
    }
    let server = servers::place(conn, blueprint, named).await?;
    if !redis {
        return Ok(Place {
            server,
            namespace: None,
        });
    }
    let prefixes = [format!("{tenant}:"), format!("{database}:")];
    let servers = among(conn, server, named).await?;
    choose(conn, &database, servers, &prefixes).await
}

/// The servers to choose from: the one that was named, or all that have room.
async fn among(conn: &mut Conn, first: Server, named: Option<&str>) -> Result<Vec<Server>> {
    match named {
        Some(_) => Ok(vec![first]),
        None => rows::with_room(conn, first.engine).await,
    }
}

async fn choose(
    conn: &mut Conn,
    database: &str,
    servers: Vec<Server>,
    prefixes: &[String],
) -> Result<Place> {
    for prefix in prefixes {
        for server in &servers {
            if !namespaces::is_taken(conn, &server.id, Some(prefix)).await? {
                return Ok(Place {
                    namespace: Some(Namespace {
                        database: database.to_owned(),
                        server_id: server.id.clone(),
                        prefix: Some(prefix.clone()),
                    }),
                    server: server.clone(),
                });
            }
        }
    }
    Err(Error::new(
        Code::NoServer,
        format!(
            "on every Redis server that could be used the keys of others begin with \"{}\"",
            prefixes.join("\" and \"")
        ),
    )
    .hint("register another one with `tdb servers add`"))
}

/// A server that nobody uses and that is meant for one database.
async fn own_server(conn: &mut Conn, engine: Engine, named: Option<&str>) -> Result<Server> {
    let Some(named) = named else {
        let free = rows::dedicated_free(conn, engine).await?;
        return free.into_iter().next().ok_or_else(|| {
            Error::new(
                Code::NoServer,
                format!("no dedicated {engine} server is free"),
            )
            .hint("register one with `tdb servers add --dedicated`")
        });
    };
    let server = servers::fetch(conn, named).await?;
    if server.engine != engine || server.mode != Mode::Dedicated {
        return Err(Error::invalid(format!(
            "server \"{named}\" is no dedicated {engine} server"
        )));
    }
    if namespaces::is_taken(conn, &server.id, None).await? {
        return Err(Error::new(
            Code::NoServer,
            format!("server \"{named}\" is another tenant's"),
        ));
    }
    Ok(server)
}
