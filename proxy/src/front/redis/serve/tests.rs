//! Sessions between sockets, a pool of one connection, and a server that does as it is told.

use std::net::SocketAddr;
use std::time::Duration;

use tenantsdb_codecs::feed::route as wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::config::Config;
use crate::fake::redis::{Mood, Server, expect, expect_end, route};
use crate::fake::{self, until};
use crate::front::redis;
use crate::listener::Door;

const AUTH: &str = "AUTH acme \"correct horse\"\r\n";

struct Stage {
    server: Server,
    core: Rc<Core>,
    addr: SocketAddr,
}

/// In front of a database that may have one connection.
async fn stage(
    mode: PoolMode,
    configure: impl FnOnce(&mut Config),
    change: impl FnOnce(&mut wire::Route),
) -> Stage {
    let (server, server_addr) = Server::start().await;
    let mut config = fake::config();
    config.redis_server_connections_max = 1;
    configure(&mut config);
    let core = Core::new(fake::context(config));
    let mut route = route(server_addr, Some("acme:"));
    route.pool_mode = mode;
    change(&mut route);
    fake::put(&core.context, route);
    let addr = fake::listen_at(&core, Door::Redis);
    Stage { server, core, addr }
}

async fn transaction() -> Stage {
    let short = |config: &mut Config| config.checkout_timeout = Duration::from_millis(50);
    stage(PoolMode::Transaction, short, |_| {}).await
}

impl Stage {
    /// A client that is logged in, and has said this.
    async fn client(&self, text: &str) -> TcpStream {
        let mut client = TcpStream::connect(self.addr).await.unwrap();
        let said = format!("{AUTH}{text}");
        client.write_all(said.as_bytes()).await.unwrap();
        expect(&mut client, "+OK\r\n").await;
        client
    }
}

/// The server answers GET with the key as it has it.
fn got(key: &str) -> String {
    format!("${}\r\nacme:{key}\r\n", key.len() + 5)
}

async fn ask(client: &mut TcpStream, text: &str, expected: &str) {
    client.write_all(text.as_bytes()).await.unwrap();
    expect(client, expected).await;
}

#[test]
fn clients_share_a_connection_between_their_commands() {
    fake::run(async {
        let stage = transaction().await;
        let mut first = stage.client("GET a\r\n").await;
        expect(&mut first, &got("a")).await;
        let mut second = stage.client("GET b\r\n").await;
        expect(&mut second, &got("b")).await;
        ask(&mut first, "GET c\r\n", &got("c")).await;
        ask(&mut first, "MULTI\r\n", "+OK\r\n").await;
        let full = "-ERR max number of clients reached: no server connection became free in time \
                    for database 'app__acme'\r\n";
        ask(&mut second, "GET d\r\n", full).await;
        ask(&mut first, "DISCARD\r\n", "+OK\r\n").await;
        ask(&mut second, "GET e\r\n", &got("e")).await;
        let heard = stage.server.heard_by(1);
        let asked: Vec<&str> = heard.iter().map(String::as_str).collect();
        assert_eq!(
            asked[2..7],
            ["GET acme:a", "GET acme:b", "GET acme:c", "MULTI", "DISCARD"]
        );
        assert!(asked[7].starts_with("PING "), "{asked:?}");
        assert_eq!(asked[8..], ["GET acme:e"]);
        assert_eq!(
            stage
                .core
                .context
                .metrics
                .pinned
                .value(crate::metrics::Pin::Multi),
            1
        );
    });
}

#[test]
fn a_session_of_its_own_connection_gives_it_back_at_its_end() {
    fake::run(async {
        let stage = stage(PoolMode::Session, |_| {}, |_| {}).await;
        let mut first = stage.client("GET a\r\nWATCH a\r\n").await;
        expect(&mut first, &(got("a") + "+OK\r\n")).await;
        let mut second = stage.client("GET b\r\n").await;
        ask(&mut first, "QUIT\r\n", "+OK\r\n").await;
        expect_end(&mut first).await;
        expect(&mut second, &got("b")).await;
        let heard = stage.server.heard_by(1);
        assert_eq!(heard[4], "UNWATCH");
        assert!(heard[5].starts_with("PING "), "{heard:?}");
        assert_eq!(heard[6], "GET acme:b");
    });
}

#[test]
fn a_client_that_goes_before_its_reply_costs_the_connection() {
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        for said in [
            "GET b\r\n",
            "BLPOP l 0\r\n",
            "MULTI\r\nGET b\r\n",
            "SUBSCRIBE c\r\n",
        ] {
            fake::run(async {
                let stage = stage(mode, |_| {}, |_| {}).await;
                let mut client = stage.client("GET a\r\n").await;
                expect(&mut client, &got("a")).await;
                stage.server.be(Mood::Silent);
                client.write_all(said.as_bytes()).await.unwrap();
                client.set_zero_linger().unwrap(); // it is gone, and not only done with talking
                until(|| stage.server.heard_by(1).len() > 3).await;
                drop(client);
                until(|| stage.server.open() == 0).await;
                stage.server.be(Mood::Good);
                let mut next = stage.client("GET c\r\n").await;
                expect(&mut next, &got("c")).await;
            });
        }
    }
}

#[test]
fn who_has_only_ended_its_own_side_gets_its_answers() {
    fake::run(async {
        let stage = transaction().await;
        let mut client = stage.client("GET a\r\nGET b\r\n").await;
        client.shutdown().await.unwrap();
        expect(&mut client, &(got("a") + &got("b"))).await;
        expect_end(&mut client).await;
        until(|| stage.server.heard_by(1).len() == 5).await; // it was used again
    });
}

#[test]
fn half_a_reply_ends_both_connections() {
    fake::run(async {
        let stage = transaction().await;
        let mut client = stage.client("GET a\r\n").await;
        expect(&mut client, &got("a")).await;
        stage.server.be(Mood::HangUp);
        ask(&mut client, "GET b\r\n", "$100\r\nhalf").await;
        expect_end(&mut client).await;
        stage.server.be(Mood::Good);
        let mut next = stage.client("GET c\r\n").await;
        expect(&mut next, &got("c")).await;
    });
}

/// A session that is dropped when it has been polled so often: the next must not see its replies.
async fn dropped_after(stage: &Stage, polls: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    let source = stage.core.context.limits.source(peer.ip()).unwrap();
    let said = format!("{AUTH}GET a\r\nSET b 1\r\nMULTI\r\nGET c\r\nDISCARD\r\nGET d\r\n");
    client.write_all(said.as_bytes()).await.unwrap();
    let mut serving = Box::pin(redis::serve(Rc::clone(&stage.core), stream, peer, source));
    let mut polled = 0;
    poll_fn(|cx| {
        polled += 1;
        cx.waker().wake_by_ref();
        if polled > polls {
            return Poll::Ready(());
        }
        serving.as_mut().poll(cx)
    })
    .await;
    drop(serving);
    let nonce = format!("nonce{polls}");
    let mut next = stage.client(&format!("GET {nonce}\r\n")).await;
    expect(&mut next, &got(&nonce)).await;
}

#[test]
fn a_session_dropped_at_any_point_leaves_no_reply_to_the_next() {
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        fake::run(async {
            let stage = stage(mode, |_| {}, |_| {}).await;
            for polls in 0..120 {
                dropped_after(&stage, polls).await;
            }
        });
    }
}

#[test]
fn a_client_may_be_nobody_again_and_somebody_else() {
    fake::run(async {
        let stage = transaction().await;
        let mut client = stage.client("GET a\r\n").await;
        expect(&mut client, &got("a")).await;
        ask(
            &mut client,
            "RESET\r\nGET a\r\n",
            "+RESET\r\n-NOAUTH Authentication required.\r\n",
        )
        .await;
        ask(&mut client, AUTH, "+OK\r\n").await;
        ask(&mut client, "GET b\r\n", &got("b")).await;
        let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
        let said = format!("AUTH acme wrong\r\n{AUTH}HELLO 4\r\nGET c\r\nHELLO 3\r\n");
        let expected = format!(
            "{wrong}+OK\r\n-NOPROTO unsupported protocol version\r\n{}%7\r\n$6\r\nserver\r\n",
            got("c")
        );
        ask(&mut client, &said, &expected).await;
    });
}

#[test]
fn a_server_that_cannot_be_reached_is_told_of_and_the_session_goes_on() {
    fake::run(async {
        let away = |route: &mut wire::Route| route.server.addr = "127.0.0.1:1".to_owned();
        let stage = stage(PoolMode::Transaction, |_| {}, away).await;
        let mut client = stage.client("").await;
        let away = "-ERR the database server cannot be reached\r\n";
        ask(&mut client, "GET a\r\nGET b\r\n", &away.repeat(2)).await;
        let long = format!(
            "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n{}\r\n",
            "v".repeat(100_000)
        );
        ask(&mut client, &long, away).await;
        ask(&mut client, "GET b\r\n", away).await;
    });
}

/// The front of a request that is refused, and the rest of it, which looks like requests.
fn refused() -> (String, String) {
    let front = "*4\r\n$7\r\nRESTORE\r\n$1\r\nk\r\n$1\r\n0\r\n$100000\r\n".to_owned();
    let inner = "\r\nSET smuggled pwned\r\nGET smuggled\r\n";
    let rest = format!("{inner}{}\r\n", "v".repeat(99_000 - inner.len()));
    (front + &"v".repeat(1000), rest)
}

/// Sends the rest of it with another request, and reads both answers.
async fn end_refused(client: &mut TcpStream, rest: &str) {
    ask(
        client,
        &format!("{rest}GET y\r\n"),
        "-NOPERM the 'restore' command",
    )
    .await;
    while client.read_u8().await.unwrap() != b'\n' {}
    expect(client, &got("y")).await;
}

#[test]
fn a_request_that_is_dropped_is_dropped_to_its_end() {
    fake::run(async {
        let stage = transaction().await;
        let (front, rest) = refused();
        let mut client = stage.client(&format!("GET x\r\n{front}")).await;
        expect(&mut client, &got("x")).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        end_refused(&mut client, &rest).await;
        let heard = stage.server.heard_by(1);
        assert_eq!(heard[2..], ["GET acme:x", "GET acme:y"]);
    });
}

#[test]
fn a_server_that_goes_while_a_request_is_dropped_changes_nothing_of_that() {
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        fake::run(async {
            let stage = stage(mode, |_| {}, |_| {}).await;
            let (front, rest) = refused();
            let mut client = stage.client("GET a\r\n").await;
            expect(&mut client, &got("a")).await;
            stage.server.be(Mood::Leave);
            ask(&mut client, &format!("GET x\r\n{front}"), &got("x")).await;
            until(|| stage.server.open() == 0).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            stage.server.be(Mood::Good);
            end_refused(&mut client, &rest).await;
            let heard = stage.server.heard_by(2);
            assert_eq!(heard.last().map(String::as_str), Some("GET acme:y"));
            assert!(heard.iter().all(|said| !said.contains("smuggled")));
        });
    }
}

#[test]
fn a_line_without_an_end_is_no_request() {
    for bytes in [64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1] {
        fake::run(async {
            let stage = transaction().await;
            let mut client = stage.client("").await;
            client.write_all(&vec![b'a'; bytes]).await.unwrap();
            if bytes < 64 * 1024 {
                client.write_all(b"a").await.unwrap();
            }
            let wrong = "-ERR Protocol error: too big inline request\r\n";
            expect(&mut client, wrong).await;
        });
    }
}

#[test]
fn who_waits_with_too_much_behind_it_is_ended() {
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        fake::run(async {
            let stage = stage(mode, |_| {}, |_| {}).await;
            let mut client = stage.client("GET a\r\n").await;
            expect(&mut client, &got("a")).await;
            stage.server.be(Mood::Silent);
            let said = format!("BLPOP l 0\r\n{}", "DBSIZE\r\n".repeat(10_000));
            client.write_all(said.as_bytes()).await.unwrap();
            until(|| stage.server.heard_by(1).len() > 3).await;
            drop(client);
            until(|| stage.server.open() == 0).await;
        });
    }
}

#[test]
fn who_loses_what_it_watches_with_the_connection_is_ended() {
    fake::run(async {
        let stage = transaction().await;
        let mut client = stage.client("WATCH a\r\n").await;
        expect(&mut client, "+OK\r\n").await;
        stage.server.be(Mood::RefuseLogin("ERR no"));
        client.write_all(b"HELLO 3\r\n").await.unwrap();
        expect_end(&mut client).await;
    });
}

#[test]
fn clients_at_rest_leave_when_the_process_goes_down() {
    fake::run(async {
        let stage = transaction().await;
        let mut client = stage.client("GET a\r\n").await;
        expect(&mut client, &got("a")).await;
        let mut busy = stage.client("MULTI\r\n").await;
        expect(&mut busy, "+OK\r\n").await;
        stage.core.context.drain.begin();
        expect_end(&mut client).await;
        ask(&mut busy, "DISCARD\r\n", "+OK\r\n").await;
        expect_end(&mut busy).await;
    });
}
