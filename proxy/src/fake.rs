//! Peers for tests: a PostgreSQL server that does as it is told, and a client.
//!
//! - [`server`], [`client`]: over loopback, with a whole core between them.
//! - [`mysql`]: the same for MariaDB.
//! - [`mongo`]: a MongoDB server and a client.
//! - [`redis`]: a Redis server; its clients are sockets.

pub(crate) mod client;
pub(crate) mod mongo;
pub(crate) mod mysql;
pub(crate) mod redis;
pub(crate) mod server;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::{self as wire, Kind, PoolMode, ServerTls, Status};
use tenantsdb_codecs::scram::Verifier;
use tenantsdb_codecs::secret::Secret;
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};

use crate::config::{Config, Control};
use crate::context::Context;
use crate::core::Core;
use crate::listener::{self, Door};
use crate::route::Route;
use crate::route::entry::Interner;
use crate::tls::Tls;
pub(crate) use client::{connect, connect_as};
pub(crate) use server::{Mood, Server, fail, ready};

pub(crate) const PASSWORD: &[u8] = b"correct horse";
pub(crate) const DATABASE: &str = "app__acme";

/// Runs a test that has tasks of its own, all on this thread.
pub(crate) fn run<R>(test: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test)
}

pub(crate) fn config() -> Config {
    let seconds = Duration::from_secs;
    Config {
        postgres_listen: ([127, 0, 0, 1], 0).into(),
        mysql_listen: None,
        mariadb_listen: None,
        mongo_listen: None,
        redis_listen: None,
        mysql_rsa_key: None,
        admin_listen: ([127, 0, 0, 1], 0).into(),
        control: Control {
            url: "http://127.0.0.1:1".to_owned(),
            token: Secret::new("tdb_pt_1_2".to_owned()),
            proxy_id: "test".to_owned(),
        },
        data: None,
        client_tls: None,
        server_ca: None,
        cores: NonZeroUsize::MIN,
        client_connections_max: 100,
        handshakes_max: 100,
        handshakes_per_source_max: 100,
        server_connections_max: 1,
        mongo_server_connections_max: 1,
        redis_server_connections_max: 1,
        handshake_timeout: seconds(10),
        checkout_timeout: seconds(10),
        connect_timeout: seconds(10),
        idle_timeout: seconds(60),
        drain_timeout: seconds(10),
    }
}

pub(crate) fn context(config: Config) -> Arc<Context> {
    let tls = Tls::load(&config).unwrap();
    let (captures, _) = crate::ddl::channel();
    Context::new(config, tls, captures, None).expect("no key is named")
}

pub(crate) fn verifier() -> Verifier {
    thread_local! {
        static VERIFIER: Verifier = Verifier::derive(PASSWORD, b"0123456789abcdef", 4096);
    }
    VERIFIER.with(Clone::clone)
}

/// A route to [`DATABASE`] on the server at `addr`.
pub(crate) fn route(addr: SocketAddr) -> wire::Route {
    wire::Route {
        engine: Engine::Postgres,
        database: DATABASE.to_owned(),
        kind: Kind::Tenant,
        blueprint: "app".to_owned(),
        tenant: Some("acme".to_owned()),
        status: Status::Active,
        server: wire::Server {
            id: "srv_1".to_owned(),
            addr: addr.to_string(),
            tls: ServerTls::Disable,
            version: None,
            mongo: None,
        },
        logins: vec![wire::Login {
            user: DATABASE.to_owned(),
            server_user: None,
            verifier: verifier().to_string(),
            generation: 1,
        }],
        limits: wire::Limits::default(),
        pool_mode: PoolMode::Session,
        local_infile: false,
        allow_ddl: false,
        redis: None,
    }
}

/// A core that serves whoever connects to the address.
pub(crate) async fn proxy(core: &Rc<Core>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let core = Rc::clone(core);
    spawn_local(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let source = core.context.limits.source(peer.ip()).unwrap();
            spawn_local(crate::front::postgres::serve(
                Rc::clone(&core),
                stream,
                peer,
                source,
            ));
        }
    });
    addr
}

/// The same behind a listener, with all the limits that a client meets there.
pub(crate) fn listen(core: &Rc<Core>) -> SocketAddr {
    listen_at(core, Door::Postgres)
}

/// The same for another protocol.
pub(crate) fn listen_at(core: &Rc<Core>, door: Door) -> SocketAddr {
    let (addr, listeners) = listener::bind(([127, 0, 0, 1], 0).into(), 1).unwrap();
    for listener in listeners {
        let core = Rc::clone(core);
        spawn_local(async move { listener::serve(core, door, listener).await.unwrap() });
    }
    addr
}

/// Puts a route in force.
pub(crate) fn put(context: &Context, route: wire::Route) {
    let route = Route::read(route, &mut Interner::default()).unwrap();
    context.routes.put(Arc::new(route));
}

/// Waits until `done` says so.
pub(crate) async fn until(mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("it comes about");
}
