//! A Redis server that does as it is told. The client is a socket: what Redis says is short enough
//! to be written down in tests.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route as wire;
use tenantsdb_codecs::redis::Error as ProtocolError;
use tenantsdb_codecs::redis::client::{Bounds, Scan, Scanned};
use tenantsdb_codecs::redis::server::{self as replies, Protocol};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use super::{DATABASE, PASSWORD};
use crate::auth::redis::Verifier;
use crate::inbox::{Error, Inbox};

/// What the server does where servers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Good,
    /// Refuses the login with these words.
    RefuseLogin(&'static str),
    /// Refuses whatever proves that it is at rest.
    RefuseReset,
    /// Proves it with another's number.
    ConfirmAnother,
    /// Sends another reply behind the proof.
    Babble,
    /// Never answers again.
    Silent,
    /// Closes in the middle of an answer.
    HangUp,
    /// Closes behind an answer.
    Leave,
}

/// A server on a port of its own, for as long as the test's tasks run.
#[derive(Clone, Default)]
pub(crate) struct Server(Rc<State>);

#[derive(Default)]
struct State {
    mood: Cell<Mood>,
    /// Commands, with the id of the connection.
    heard: RefCell<Vec<(i64, String)>>,
    last_id: Cell<i64>,
    open: Cell<u32>,
}

/// What Redis 7.0 answers to COMMAND.
pub(crate) const TABLE: &[u8] =
    include_bytes!("../../../codecs/testdata/redis/command/redis-7.0.resp2");

impl Server {
    pub(crate) async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = Self::default();
        let serving = server.clone();
        spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = serving.clone();
                spawn_local(async move {
                    server.0.open.set(server.0.open.get() + 1);
                    let _ = server.serve(stream).await; // a client may go in the middle
                    server.0.open.set(server.0.open.get() - 1);
                });
            }
        });
        (server, addr)
    }

    pub(crate) fn be(&self, mood: Mood) {
        self.0.mood.set(mood);
    }

    /// What this connection has heard; they are numbered from 1.
    pub(crate) fn heard_by(&self, id: i64) -> Vec<String> {
        let heard = self.0.heard.borrow();
        let own = heard.iter().filter(|(other, _)| *other == id);
        own.map(|(_, text)| text.clone()).collect()
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> u32 {
        self.0.open.get()
    }

    async fn serve(&self, mut stream: TcpStream) -> Result<(), Error<ProtocolError>> {
        let id = self.0.last_id.get() + 1;
        self.0.last_id.set(id);
        let (mut inbox, mut scan) = (Inbox::default(), Scan::default());
        loop {
            let Scanned::Whole { bytes } = scan.resume(inbox.unread(), &Bounds::AFTER_AUTH)? else {
                inbox.fill(&mut stream).await?;
                continue;
            };
            let input = inbox.unread();
            let arguments = (0..scan.len()).filter_map(|n| scan.arg(input, n));
            let arguments: Vec<String> = arguments
                .map(|argument| String::from_utf8_lossy(argument).into_owned())
                .collect();
            scan.reset();
            inbox.take(bytes);
            self.0.heard.borrow_mut().push((id, arguments.join(" ")));
            let Some(answer) = self.answer(id, &arguments) else {
                return Ok(());
            };
            stream.write_all(&answer).await?;
            if matches!(self.0.mood.get(), Mood::HangUp | Mood::Leave) {
                return Ok(());
            }
        }
    }

    /// `None` ends the connection.
    fn answer(&self, id: i64, arguments: &[String]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match (words.as_slice(), self.0.mood.get()) {
            (_, Mood::Silent) => {}
            (["HELLO", ..], Mood::RefuseLogin(error)) => fail(error, &mut out),
            (["HELLO", protocol, ..], _) => hello(protocol, id, &mut out),
            (["COMMAND"], _) => out.extend_from_slice(TABLE),
            (["QUIT"], _) => return None,
            (["PING", _], Mood::RefuseReset) => fail("NOPERM no", &mut out),
            (["PING", _], Mood::ConfirmAnother) => replies::bulk(b"another", &mut out),
            (["PING", nonce], mood) => {
                replies::bulk(nonce.as_bytes(), &mut out);
                if mood == Mood::Babble {
                    replies::simple("OK", &mut out);
                }
            }
            (["GET", _], Mood::HangUp) => out.extend_from_slice(b"$100\r\nhalf"),
            (["GET", key], _) => replies::bulk(key.as_bytes(), &mut out),
            _ => replies::simple("OK", &mut out),
        }
        Some(out)
    }
}

fn fail(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("-{text}\r\n").as_bytes());
}

fn hello(protocol: &str, id: i64, out: &mut Vec<u8>) {
    let (protocol, number) = match protocol {
        "3" => (Protocol::Resp3, 3),
        _ => (Protocol::Resp2, 2),
    };
    replies::map(4, protocol, out);
    for (name, value) in [("server", "redis"), ("version", "7.0.15")] {
        replies::bulk(name.as_bytes(), out);
        replies::bulk(value.as_bytes(), out);
    }
    for (name, value) in [("proto", number), ("id", id)] {
        replies::bulk(name.as_bytes(), out);
        replies::integer(value, out);
    }
}

/// A route to [`DATABASE`] on the server at `addr`, whose keys begin with `prefix`.
pub(crate) fn route(addr: SocketAddr, prefix: Option<&str>) -> wire::Route {
    let mut route = super::route(addr);
    route.engine = Engine::Redis;
    route.server.version = Some("7.0.15".to_owned());
    route.logins[0].user = DATABASE.to_owned();
    route.logins[0].verifier = Verifier::of_password(PASSWORD).to_string();
    route.redis = Some(wire::Redis {
        prefix: prefix.map(str::to_owned),
        ..wire::Redis::default()
    });
    route
}

/// Reads exactly `expected`.
pub(crate) async fn expect(stream: &mut (impl AsyncRead + Unpin), expected: &str) {
    let mut read = vec![0; expected.len()];
    let mut got = 0;
    while got < read.len() {
        let reading = stream.read(&mut read[got..]);
        match tokio::time::timeout(Duration::from_secs(10), reading).await {
            Ok(Ok(bytes @ 1..)) => got += bytes,
            other => {
                let read = String::from_utf8_lossy(&read[..got]);
                panic!("{other:?} behind {read:?}, not {expected:?}");
            }
        }
        let read = &read[..got];
        assert!(
            expected.as_bytes().starts_with(read),
            "{:?}, not {expected:?}",
            String::from_utf8_lossy(read)
        );
    }
}

/// Waits for the end, before which there is nothing.
pub(crate) async fn expect_end(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    let reading = stream.read_to_end(&mut rest);
    let read = tokio::time::timeout(Duration::from_secs(10), reading).await;
    assert!(read.is_ok(), "it is not closed");
    assert_eq!(String::from_utf8_lossy(&rest), "");
}
