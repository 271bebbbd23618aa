//! Against a real server, with the access lists of two tenants.

pub(crate) mod server;

use std::collections::BTreeSet;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::budget::{Share, Turns};
use super::keys::Collecting;
use super::names::Names;
use super::pubsub::Channels;
use super::scan::Scan;
use super::{Error, Walker};
use crate::front::redis::info;
use server::{Server, ask};
use tenantsdb_codecs::feed::route::{PoolMode, Redis};

const ACME: &[u8] = b"acme:";
const GLOBEX: &[u8] = b"globex:";

/// A server where both tenants have keys of the same names, one of them more.
async fn server(acme: usize, globex: usize) -> Server {
    let server = Server::start(&["acme", "globex"]).await;
    for (tenant, keys) in [("acme", acme), ("globex", globex)] {
        let mut session = server.connect_as(&format!("app__{tenant}")).await;
        for n in 0..keys {
            ask(&mut session, &["SET", &format!("{tenant}:user:{n}"), "x"]).await;
        }
    }
    server
}

/// What a walker needs beside its connection.
#[derive(Default)]
struct Parts {
    turns: Turns,
    share: Share,
}

impl Parts {
    fn walker<'a>(&'a self, stream: &'a mut TcpStream, prefix: &'a [u8]) -> Walker<'a, TcpStream> {
        Walker::new(stream, Names::new(prefix), &self.turns, &self.share)
    }
}

fn scan_words<'a>(words: &[&'a str]) -> Scan<'a> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    Scan::read(&words).unwrap()
}

async fn scan_all(walker: &mut Walker<'_, TcpStream>, options: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let words = [&[cursor.as_str()], options].concat();
        let page = walker.scan(&scan_words(&words)).await.unwrap();
        let names = page.names.into_iter();
        found.extend(names.map(|name| String::from_utf8(name.into()).unwrap()));
        if page.cursor == 0 {
            return found;
        }
        cursor = page.cursor.to_string();
    }
}

#[tokio::test]
async fn a_tenant_finds_its_own_names_and_no_others() {
    let server = server(1500, 3000).await;
    let parts = Parts::default();
    let mut session = server.connect_as("app__acme").await;
    ask(&mut session, &["SADD", "acme:set:[1]", "x"]).await;
    let mut stream = server.connect_as("app__acme:walk").await;
    let mut walker = parts.walker(&mut stream, ACME);
    let found = scan_all(&mut walker, &["COUNT", "10"]).await;
    assert_eq!(found.len(), 1501);
    assert!(found.contains("user:1499") && !found.contains("user:2000"));
    assert_eq!(
        scan_all(&mut walker, &["MATCH", "user:149?"]).await.len(),
        10
    );
    assert_eq!(scan_all(&mut walker, &["MATCH", "*globex*"]).await.len(), 0);
    let sets = scan_all(&mut walker, &["TYPE", "set"]).await;
    assert_eq!(sets, BTreeSet::from(["set:[1]".to_owned()]));

    let collecting = Collecting::default();
    let all = walker.keys(b"*", &collecting).await.unwrap();
    assert_eq!(all.len(), 1501);
    let one = walker.keys(b"set:\\[1\\]", &collecting).await.unwrap();
    assert_eq!(one, [b"set:[1]"[..].into()]);
    assert_eq!(walker.db_size().await.unwrap(), 1501);
    for _ in 0..20 {
        let name = walker.random_key().await.unwrap().unwrap();
        assert!(all.contains(&name));
    }
}

#[tokio::test]
async fn an_empty_tenant_of_a_full_server_has_nothing() {
    let server = server(0, 5000).await;
    let parts = Parts::default();
    let mut stream = server.connect_as("app__acme:walk").await;
    let mut walker = parts.walker(&mut stream, ACME);
    assert_eq!(walker.random_key().await.unwrap(), None);
    assert_eq!(walker.db_size().await.unwrap(), 0);
    assert!(scan_all(&mut walker, &[]).await.is_empty());
}

#[tokio::test]
async fn a_flush_takes_the_tenants_own_keys() {
    let server = server(3000, 700).await;
    let parts = Parts::default();
    let mut session = server.connect_as("app__acme").await;
    // What comes unasked meanwhile is the session's.
    ask(&mut session, &["HELLO", "3"]).await;
    ask(&mut session, &["CLIENT", "TRACKING", "ON"]).await;
    ask(&mut session, &["GET", "acme:user:7"]).await;
    let mut stream = server.connect_as("app__acme:walk").await;
    let mut walker = parts.walker(&mut stream, ACME);
    assert_eq!(walker.db_size().await.unwrap(), 3000);
    let mut pushes = Vec::new();
    walker.flush(&mut session, &mut pushes).await.unwrap();
    let pushes = String::from_utf8(pushes).unwrap();
    assert!(
        pushes.starts_with('>') && pushes.contains("acme:user:7"),
        "{pushes}"
    );
    assert_eq!(walker.db_size().await.unwrap(), 0);
    let mut stream = server.connect_as("app__globex:walk").await;
    let other = Parts::default();
    assert_eq!(
        other.walker(&mut stream, GLOBEX).db_size().await.unwrap(),
        700
    );
}

#[tokio::test]
async fn a_flush_that_is_refused_keeps_what_came_unasked() {
    let server = server(3, 0).await;
    let parts = Parts::default();
    let (mut session, mut other) = tokio::io::duplex(1 << 20);
    let said = b">2\r\n+invalidate\r\n_\r\n-NOPERM no\r\n>2\r\n+inv";
    other.write_all(said).await.unwrap();
    let mut stream = server.connect_as("app__acme:walk").await;
    let mut walker = parts.walker(&mut stream, ACME);
    let mut pushes = Vec::new();
    let refused = walker.flush(&mut session, &mut pushes).await.unwrap_err();
    assert!(refused.is_settled(), "{refused}");
    assert_eq!(pushes, b">2\r\n+invalidate\r\n_\r\n>2\r\n+inv");
}

#[tokio::test]
async fn a_pattern_of_channels_costs_what_may_be_spent() {
    let server = server(0, 0).await;
    let mut acme = server.connect_as("app__acme").await;
    let channel = format!("__keyspace@0__:acme:{}", "a".repeat(8_000));
    ask(&mut acme, &["SUBSCRIBE", &channel]).await;
    let parts = Parts::default();
    let mut stream = server.connect_as("app__acme:walk").await;
    let mut walker = parts.walker(&mut stream, ACME);
    for pattern in [
        [&b"*"[..], &b"a".repeat(500), b"b"].concat(),
        b"a".repeat(1_025),
    ] {
        let refused = walker.channels(Channels::Plain, Some(&pattern)).await;
        assert!(matches!(refused, Err(Error::TooMuch(_))), "{refused:?}");
    }
    let long = b"a".repeat(1_024);
    let none = walker.channels(Channels::Plain, Some(&long)).await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn channels_are_the_tenants_own() {
    let server = server(0, 0).await;
    let mut acme = server.connect_as("app__acme").await;
    let mut globex = server.connect_as("app__globex").await;
    ask(&mut acme, &["SUBSCRIBE", "acme:news"]).await;
    ask(&mut acme, &["SUBSCRIBE", "__keyspace@0__:acme:user"]).await;
    ask(&mut globex, &["SUBSCRIBE", "globex:news"]).await;
    let parts = Parts::default();
    let mut stream = server.connect_as("app__acme:walk").await;
    let mut walker = parts.walker(&mut stream, ACME);
    let mut all = walker.channels(Channels::Plain, None).await.unwrap();
    all.sort();
    assert_eq!(all, [b"__keyspace@0__:user".to_vec(), b"news".to_vec()]);
    let some = walker.channels(Channels::Plain, Some(b"n*")).await.unwrap();
    assert_eq!(some, [b"news".to_vec()]);
    let counts = walker.subscribers(
        Channels::Plain,
        &[
            b"news",
            b"globex:news",
            b"__keyspace@0__:user",
            b"__keyevent@0__:set",
            b"none",
        ],
    );
    assert_eq!(counts.await.unwrap(), [1, 0, 1, 0, 0]);
    let none = walker.subscribers(Channels::Plain, &[]).await.unwrap();
    assert!(none.is_empty());
    assert!(
        walker
            .channels(Channels::Shard, None)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn memory_is_estimated_from_some_keys() {
    let server = server(200, 0).await;
    let mut session = server.connect_as("app__acme").await;
    let parts = Parts::default();
    let mut stream = server.connect_as("app__acme:walk").await;
    let mut walker = parts.walker(&mut stream, ACME);
    let sample = walker.count(false).await.unwrap().unwrap();
    sample
        .measure(&mut session, &parts.share.usage)
        .await
        .unwrap();
    let counted = parts.share.usage.last().unwrap();
    let bytes = counted.bytes.unwrap();
    assert_eq!(counted.keys, 200);
    assert!((200 * 40..200 * 200).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn info_of_a_real_server_says_nothing_of_the_others() {
    let server = server(3, 40).await;
    let parts = Parts::default();
    let mut stream = server.connect_as("app__acme:walk").await;
    let mut walker = parts.walker(&mut stream, ACME);
    assert_eq!(walker.db_size().await.unwrap(), 3);
    let text = walker.info().await.unwrap();
    let view = info::view(
        &text,
        &[],
        &info::Own {
            database: "app__acme",
            pool_mode: PoolMode::Session,
            limits: &Redis::default(),
            clients: 1,
            blocked: 0,
            clients_max: None,
            counted: parts.share.usage.last(),
        },
    );
    let view = String::from_utf8(view).unwrap();
    assert!(
        view.contains("redis_version:") && view.contains("db0:keys=3,"),
        "{view}"
    );
    for foreign in [
        "run_id",
        "tcp_port",
        "keys=43",
        "executable",
        "master_replid",
        "cmdstat",
    ] {
        assert!(!view.contains(foreign), "{foreign}: {view}");
    }
}

#[tokio::test]
async fn what_the_server_refuses_leaves_the_connection_in_order() {
    let server = server(1, 0).await;
    let parts = Parts::default();
    let mut stream = server.connect_as("app__acme").await; // may not walk
    let mut walker = parts.walker(&mut stream, ACME);
    let refused = walker.db_size().await.unwrap_err();
    assert!(
        matches!(&refused, Error::Refused(text) if text.starts_with("NOPERM")),
        "{refused}"
    );
    assert!(refused.is_settled());
    assert!(walker.random_key().await.unwrap_err().is_settled());
}
