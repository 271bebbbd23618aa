//! Rules of database servers.

use std::collections::BTreeMap;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::ServerTls;
use tenantsdb_codecs::mysql::Flavour;
use tenantsdb_codecs::secret::Secret;

use crate::config::check_address;
use crate::context::Context;
use crate::error::{Code, Error, Result};
use crate::name::{new_id, server_kind};
use crate::provision::{Provisioner, ServerLogin};
use crate::store::blueprints::Blueprint;
use crate::store::servers::{self, Mode, Server};
use crate::store::{self, Conn};

use super::accounts;

/// Longest server name, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// A server to register.
pub(crate) struct NewServer {
    pub(crate) name: Option<String>,
    pub(crate) engine: Engine,
    pub(crate) addr: String,
    pub(crate) tls: ServerTls,
    pub(crate) user: String,
    pub(crate) password: Secret<String>,
    pub(crate) mode: Mode,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) capacity: Option<u32>,
}

/// Looks at the server, closes its standing databases to tenants, and registers it.
pub(crate) async fn create(context: &Context, new: NewServer) -> Result<Server> {
    check_address(&new.addr)?;
    let name = new.name.clone().unwrap_or_else(|| new.addr.clone());
    check_name(&name)?;
    check_mode(&new)?;
    check_free(&mut *context.store.read().await?, &new, &name).await?;
    let login = ServerLogin {
        addr: new.addr.clone(),
        tls: new.tls,
        user: new.user.clone(),
        password: new.password.clone(),
        ca: context.config.server_ca.clone(),
    };
    let facts = Provisioner::new(new.engine, login)
        .register()
        .await
        .map_err(|error| not_registered(&new, error.into()))?;
    if let Some(mark) = &facts.mark {
        return Err(marked(context, &new, mark).await?);
    }
    let id = new_id("srv")?;
    let server = Server {
        password: context.master_key.seal(&id, &new.password)?,
        id,
        name,
        engine: new.engine,
        addr: new.addr.clone(),
        tls: new.tls,
        username: new.user.clone(),
        mode: new.mode,
        labels: new.labels.clone(),
        capacity: new.capacity,
        version: facts.version,
        mongo: facts.mongo,
        created_at: store::now(),
        databases: 0,
    };
    let mut write = context.store.write().await?;
    check_free(&mut write, &new, &server.name).await?;
    servers::insert(&mut write, &server).await?;
    write.commit().await?;
    tracing::info!(
        server = server.name,
        addr = server.addr,
        "server registered"
    );
    if server.engine == Engine::Redis {
        // It is marked as ours at once, so that it is not registered again under another address.
        accounts::look(context, &server).await?;
    }
    Ok(server)
}

fn check_mode(new: &NewServer) -> Result<()> {
    if new.mode == Mode::Shared || new.engine == Engine::Redis {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "dedicated servers are for Redis: databases on {} do not see each other on one server",
        new.engine
    ))
    .hint("leave it out"))
}

/// Why a Redis server that has the accounts of a registration is not registered: two databases
/// would have one prefix.
async fn marked(context: &Context, new: &NewServer, mark: &str) -> Result<Error> {
    let mut read = context.store.read().await?;
    Ok(match servers::fetch(&mut read, mark).await? {
        Some(other) => Error::conflict(format!(
            "the server at {} is registered already, as \"{}\"",
            new.addr, other.name
        )),
        None => Error::conflict(format!(
            "the server at {} is used by another control, which calls it {mark}",
            new.addr
        ))
        .hint("if that one is no more: `ACL DELUSER tenantsdb:canary` on the server"),
    })
}

/// Says what the administrator of a server needs, where that may be what is missing.
fn not_registered(new: &NewServer, error: Error) -> Error {
    if error.code() != Code::ServerRefused {
        return error;
    }
    if new.engine == Engine::MongoDb {
        return error.hint("the administrator is a user of the database admin with the role root");
    }
    if new.engine != Engine::MySql {
        return error;
    }
    error.hint(format!(
        "the administrator needs GRANT ALL PRIVILEGES ON *.* TO '{}'@'…' WITH GRANT OPTION",
        new.user
    ))
}

/// Forgets a server that nothing is placed on. What is on it stays as it is.
pub(crate) async fn delete(context: &Context, id_or_name: &str) -> Result<()> {
    let mut write = context.store.write().await?;
    let server = fetch(&mut write, id_or_name).await?;
    if servers::in_use(&mut write, &server.id).await? {
        return Err(Error::conflict(format!(
            "server \"{}\" has workspaces or tenants",
            server.name
        ))
        .hint("delete them first"));
    }
    servers::delete(&mut write, &server.id).await?;
    let marked = match server.engine {
        Engine::Redis => Some(context.provisioner(&server.id).await?),
        Engine::Postgres | Engine::MySql | Engine::MongoDb => None,
    };
    write.commit().await?;
    if let Some(marked) = marked
        && let Err(error) = marked.mark_drop().await
    {
        tracing::warn!(server = server.name, %error, "the server still says that it is ours");
    }
    context.provisioner_forget(&server.id);
    Ok(())
}

/// The server of that id or name.
pub(crate) async fn fetch(conn: &mut Conn, id_or_name: &str) -> Result<Server> {
    servers::fetch(conn, id_or_name)
        .await?
        .ok_or_else(|| Error::not_found("server", id_or_name))
}

/// A server for a workspace: the one that was named, or the one with most room.
pub(crate) async fn place_workspace(
    conn: &mut Conn,
    engine: Engine,
    named: Option<&str>,
) -> Result<Server> {
    if let Some(named) = named {
        return place_named(conn, engine, None, named).await;
    }
    let mut fitting = servers::with_room(conn, engine).await?.into_iter();
    let Some(first) = fitting.next() else {
        return Err(no_room(engine, None));
    };
    let flavour = first.flavour();
    if let Some(other) = fitting.find(|server| server.flavour() != flavour) {
        return Err(Error::invalid(format!(
            "there are MySQL and MariaDB servers, for example \"{}\" and \"{}\": a blueprint \
             is for one of the two",
            first.name, other.name
        ))
        .hint("say on which server the workspace is to be: `--server NAME`"));
    }
    Ok(first)
}

/// A server for one more tenant of a blueprint: the one that was named, or the one with most room.
/// It is of the flavour that the workspace's server is: what was designed on MySQL may mean
/// something else on MariaDB, or nothing.
pub(crate) async fn place(
    conn: &mut Conn,
    blueprint: &Blueprint,
    named: Option<&str>,
) -> Result<Server> {
    let flavour = blueprint.flavour();
    if let Some(named) = named {
        return place_named(conn, blueprint.engine, flavour, named).await;
    }
    let fitting = servers::with_room(conn, blueprint.engine).await?;
    let mut fitting = fitting
        .into_iter()
        .filter(|server| server.flavour() == flavour);
    fitting
        .next()
        .ok_or_else(|| no_room(blueprint.engine, flavour))
}

fn no_room(engine: Engine, flavour: Option<Flavour>) -> Error {
    let kind = server_kind(engine, flavour);
    Error::new(Code::NoServer, format!("no {kind} server has room"))
        .hint("register one with `tdb servers add`")
}

async fn place_named(
    conn: &mut Conn,
    engine: Engine,
    flavour: Option<Flavour>,
    named: &str,
) -> Result<Server> {
    let server = fetch(conn, named).await?;
    if server.mode == Mode::Dedicated {
        return Err(Error::new(
            Code::NoServer,
            format!("server \"{named}\" is for one tenant alone, made with dedicated"),
        ));
    }
    if server.engine != engine {
        return Err(Error::invalid(format!(
            "server \"{named}\" is {}, the blueprint is {engine}",
            server.engine
        )));
    }
    if flavour.is_some() && server.flavour() != flavour {
        let wanted = server_kind(engine, flavour);
        return Err(Error::new(
            Code::NoServer,
            format!(
                "server \"{named}\" is {}, the blueprint's workspace is on {wanted}",
                server_kind(engine, server.flavour())
            ),
        )
        .hint(format!("name a {wanted} server, or leave it out")));
    }
    if server
        .capacity
        .is_some_and(|capacity| server.databases >= u64::from(capacity))
    {
        return Err(Error::new(
            Code::NoServer,
            format!("server \"{named}\" is full"),
        ));
    }
    Ok(server)
}

async fn check_free(conn: &mut Conn, new: &NewServer, name: &str) -> Result<()> {
    if servers::fetch(conn, name).await?.is_some() {
        return Err(Error::conflict(format!(
            "there is a server \"{name}\" already"
        )));
    }
    if let Some(other) = servers::at_address(conn, new.engine, &new.addr).await? {
        return Err(Error::conflict(format!(
            "the server at {} is registered already, as \"{}\"",
            new.addr, other.name
        )));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._:-[]".contains(&b);
    match name.len() {
        1..=NAME_BYTES_MAX if name.bytes().all(fits) => Ok(()),
        _ => Err(Error::new(
            Code::InvalidName,
            "a server name is 1 to 63 letters, digits and . _ : - [ ]",
        )),
    }
}
