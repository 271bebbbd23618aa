//! Against a real server, through the pools.

use std::net::SocketAddr;
use std::rc::Rc;

use tenantsdb_codecs::feed::route::Redis;
use tenantsdb_codecs::redis::server::Protocol;
use tenantsdb_codecs::secret::Secret;
use tokio::time::Duration;

use super::*;
use crate::fake::{self, DATABASE, PASSWORD};
use crate::front::redis::handshake::Login;
use crate::front::redis::local::refresh::over_limit;
use crate::front::redis::login;
use crate::front::redis::registry::Entrance;
use crate::pool::Pooled;
use crate::walk::tests::server::{self, Server};

/// A session of `acme`, on a server that it shares with `globex`.
struct Stage {
    server: Server,
    core: Rc<Core>,
    proved: Proved,
    member: Member,
}

impl Stage {
    async fn new(limits: Redis) -> Self {
        let server = Server::start(&["acme", "globex"]).await;
        let addr: SocketAddr = ([127, 0, 0, 1], server.port).into();
        let mut config = fake::config();
        config.redis_server_connections_max = 5;
        let core = Core::new(fake::context(config));
        let mut route = fake::redis::route(addr, Some("acme:"));
        route.redis = Some(Redis {
            prefix: Some("acme:".to_owned()),
            ..limits
        });
        fake::put(&core.context, route);
        let login = Login {
            user: DATABASE.as_bytes().into(),
            password: Secret::new(PASSWORD.to_vec()),
            hello: None,
        };
        let proved = login::check(&core.context, &login).unwrap();
        let member = core.context.redis_clients.enter(Entrance {
            id: 7,
            database: DATABASE.into(),
            user: DATABASE.into(),
            peer: addr,
            local: addr,
        });
        Self {
            server,
            core,
            proved,
            member,
        }
    }

    async fn ask(&self, local: Local, words: &str) -> Answer {
        let words: Vec<&[u8]> = words.split_whitespace().map(str::as_bytes).collect();
        let mut session = match needs_session(local) {
            true => Some(self.session().await),
            false => None,
        };
        let asking = Asking {
            core: &self.core,
            proved: &self.proved,
            member: &self.member,
        };
        let connection = session.as_mut().map(|session| &mut session.connection);
        let done = ask(asking, local, &words, connection).await;
        assert!(done.is_settled && done.pushes.is_empty());
        done.answer
    }

    async fn session(&self) -> Pooled<Connection> {
        let opener = Opener::session(&self.core.context, &self.proved, Protocol::Resp2);
        opener.checkout(&self.core).await.unwrap()
    }

    async fn set(&self, tenant: &str, keys: usize) {
        let mut session = self.server.connect_as(&format!("app__{tenant}")).await;
        for n in 0..keys {
            server::ask(&mut session, &["SET", &format!("{tenant}:k{n}"), "x"]).await;
        }
    }

    /// Asks until the database is over its limit, or not.
    async fn until_over(&self, over: bool) -> String {
        for _ in 0..500 {
            let found = over_limit(&self.core, &self.proved, self.member.tenant());
            if found.is_some() == over {
                return found.map_or(String::new(), |found| found.to_string());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("after five seconds not yet {over}");
    }
}

#[test]
fn questions_are_answered_about_the_tenant_alone() {
    fake::run(async {
        let stage = Stage::new(Redis::default()).await;
        stage.set("acme", 3).await;
        stage.set("globex", 5).await;
        assert_eq!(stage.ask(Local::DbSize, "").await, Answer::Integer(3));
        let one = stage.ask(Local::Keys, "k1").await;
        assert_eq!(one, Answer::strings([b"k1".to_vec()]));
        let Answer::Array(page) = stage.ask(Local::Scan, "0 COUNT 1000").await else {
            panic!("no page");
        };
        assert_eq!(page[0], Answer::Bulk(b"0".to_vec()));
        assert!(matches!(&page[1], Answer::Array(names) if names.len() == 3));
        let refused = stage.ask(Local::Scan, "0 FOO 1").await;
        assert_eq!(refused, Answer::error("ERR syntax error"));
        assert!(matches!(
            stage.ask(Local::RandomKey, "").await,
            Answer::Bulk(_)
        ));
        let Answer::Text(info) = stage.ask(Local::Info, "keyspace").await else {
            panic!("no text");
        };
        assert_eq!(info, b"# Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\n");
        let counts = stage.ask(Local::PubSub, "NUMSUB a").await;
        let expected = vec![Answer::Bulk(b"a".to_vec()), Answer::Integer(0)];
        assert_eq!(counts, Answer::Array(expected));
        assert_eq!(stage.ask(Local::Flush, "ASYNC").await, Answer::OK);
        assert_eq!(stage.ask(Local::DbSize, "").await, Answer::Integer(0));
        let mut other = stage.server.connect_as("app__globex").await;
        assert_eq!(server::ask(&mut other, &["GET", "globex:k4"]).await, "x");
    });
}

#[test]
fn a_flush_of_scripts_is_seen_by_the_tenant_alone() {
    fake::run(async {
        let stage = Stage::new(Redis::default()).await;
        let mut session = stage.server.connect_as("app__acme").await;
        let sha = server::ask(&mut session, &["SCRIPT", "LOAD", "return 1"]).await;
        let seen = |there| Answer::Array(vec![Answer::Integer(there)]);
        let words = format!("EXISTS {sha}");
        assert_eq!(stage.ask(Local::ScriptExists, &words).await, seen(1));
        let scripts = &stage.member.tenant().scripts;
        scripts.flush();
        assert_eq!(stage.ask(Local::ScriptExists, &words).await, seen(0));
        scripts.loaded(sha.as_bytes());
        assert_eq!(stage.ask(Local::ScriptExists, &words).await, seen(1));
    });
}

#[test]
fn a_database_over_its_limit_is_told_so_and_recovers() {
    fake::run(async {
        let stage = Stage::new(Redis {
            keys_max: Some(10),
            memory_bytes_max: Some(1 << 20),
            ..Redis::default()
        })
        .await;
        stage.set("acme", 12).await;
        let told = stage.until_over(true).await;
        assert!(
            told.starts_with("OOM ") && told.contains("12 keys"),
            "{told}"
        );
        fake::until(|| {
            let counted = stage.member.tenant().walks.usage.last();
            counted.is_some_and(|counted| counted.bytes.is_some())
        })
        .await;
        let mut session = stage.server.connect_as("app__acme").await;
        server::ask(&mut session, &["DEL", "acme:k0", "acme:k1", "acme:k2"]).await;
        stage.until_over(false).await;
    });
}

#[test]
fn a_server_that_is_gone_is_told_of() {
    fake::run(async {
        let mut stage = Stage::new(Redis::default()).await;
        stage.set("acme", 1).await;
        assert_eq!(stage.ask(Local::DbSize, "").await, Answer::Integer(1));
        stage.server.stop();
        let gone = stage.ask(Local::DbSize, "").await;
        assert!(matches!(&gone, Answer::Error(text) if text.contains("cannot be reached")));
    });
}

#[test]
fn a_client_that_goes_stops_its_walk_and_the_connection_is_not_used_again() {
    fake::run(async {
        let stage = Stage::new(Redis::default()).await;
        stage.set("acme", 3).await;
        assert_eq!(stage.ask(Local::DbSize, "").await, Answer::Integer(3));
        let connections = &stage.core.context.metrics.server_connections;
        assert_eq!(connections.value(), 1, "it rests in its pool");
        tokio::select! {
            biased;
            answer = stage.ask(Local::Keys, "*") => panic!("{answer:?}"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(connections.value(), 0);
        let all = stage.ask(Local::Keys, "*").await;
        assert!(matches!(all, Answer::Array(names) if names.len() == 3));
    });
}
