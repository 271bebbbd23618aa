use tenantsdb_codecs::mongo::Error as ProtocolError;
use tenantsdb_codecs::mongo::auth::client::Failure;
use tenantsdb_codecs::mongo::auth::{SaslContinue, server};
use tenantsdb_codecs::mongo::bson::{Document, Writer};
use tenantsdb_codecs::mongo::code::Code;
use tenantsdb_codecs::mongo::frame::{Header, MESSAGE_BYTES_MAX};
use tenantsdb_codecs::mongo::op_msg::{self, Flags, Message};
use tenantsdb_codecs::mongo::report::report;
use tenantsdb_codecs::scram;
use tenantsdb_codecs::scram::server::Exchange;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::fake::{PASSWORD, verifier};
use crate::inbox::Inbox;

const NAME: &str = "app__acme";

/// The key that a client's proof reveals.
fn client_key() -> ClientKey {
    let exchange = Exchange::new(verifier(), true, nonce(), None);
    let (client, payload) = client::start(NAME, nonce());
    let (expect, first) = server::start(&client::start_of(&payload, NAME), exchange).unwrap();
    let (client, payload) = client
        .first(&first, &Credential::Password(PASSWORD))
        .unwrap();
    expect.proof(&client.next(&payload)).unwrap().key
}

/// What the proxy comes to with a server that does as `script` says, and closes.
async fn with(script: impl AsyncFnOnce(&mut Server)) -> Result<ServerSession, Error> {
    let (near, far) = duplex(64 * 1024);
    let (key, verifier) = (client_key(), verifier());
    let identity = Identity {
        user: NAME,
        database: NAME,
        client_key: &key,
        verifier: &verifier,
    };
    let mut connection = Connection {
        stream: Stream::Plain(near),
        session: ServerSession::default(),
    };
    let mut server = Server {
        stream: far,
        inbox: Inbox::default(),
        asked: 0,
    };
    let proxy = async move {
        log_in(&mut connection, identity).await?;
        Ok(connection.session)
    };
    let server = async move { script(&mut server).await };
    tokio::join!(proxy, server).0
}

async fn error(script: impl AsyncFnOnce(&mut Server)) -> Error {
    with(script).await.unwrap_err()
}

struct Server {
    stream: DuplexStream,
    inbox: Inbox,
    /// Number of the last request.
    asked: i32,
}

impl Server {
    /// The next request; `None` if the proxy has had enough.
    async fn request(&mut self) -> Option<Vec<u8>> {
        loop {
            let header = Header::read(self.inbox.unread(), MESSAGE_BYTES_MAX).unwrap();
            if let Some(header) = header
                && self.inbox.unread().len() >= header.length
            {
                let bytes = &self.inbox.unread()[..header.length];
                let body = Message::read(bytes).unwrap().body.bytes().to_vec();
                self.inbox.take(header.length);
                self.asked = header.request_id;
                return Some(body);
            }
            self.inbox
                .fill::<ProtocolError>(&mut self.stream)
                .await
                .ok()?;
        }
    }

    async fn reply(&mut self, document: &[u8]) {
        self.reply_to(self.asked, document).await;
    }

    async fn reply_to(&mut self, id: i32, document: &[u8]) {
        let mut out = Vec::new();
        op_msg::write(1, id, Flags::NONE, document, &mut out);
        let _ = self.stream.write_all(&out).await; // the proxy may have closed
    }

    /// Answers hello with what `change` makes of the answer to its login.
    async fn hello(&mut self, change: impl FnOnce(&mut SaslReply)) -> server::ExpectFinal {
        let hello = self.request().await.unwrap();
        let hello = Document::whole(&hello).unwrap();
        assert_eq!(hello.first().unwrap().unwrap().0, "hello");
        let start = hello.get("speculativeAuthenticate").unwrap().unwrap();
        let start = SaslStart::read(start.as_document().unwrap()).unwrap();
        assert_eq!((start.db, start.mechanism), (NAME, scram::SHA_256));
        assert!(start.skip_empty_exchange);
        let (expect, mut reply) = begin(&start);
        change(&mut reply);
        self.reply(&greeting(Some(&reply))).await;
        expect
    }

    /// Takes the proof, and answers with what `change` makes of the answer.
    async fn proof(&mut self, expect: server::ExpectFinal, change: impl FnOnce(&mut SaslReply)) {
        let Some(next) = self.request().await else {
            return;
        };
        let next = SaslContinue::read(Document::whole(&next).unwrap()).unwrap();
        let mut reply = expect.proof(&next).unwrap().reply;
        change(&mut reply);
        self.reply(&reply.write()).await;
    }

    /// There is no other request.
    async fn nothing_more(&mut self) {
        assert_eq!(self.request().await, None);
    }
}

fn begin(start: &SaslStart<'_>) -> (server::ExpectFinal, SaslReply) {
    let exchange = Exchange::new(verifier(), true, nonce(), None);
    server::start(start, exchange).unwrap()
}

fn greeting(login: Option<&SaslReply>) -> Vec<u8> {
    let mut hello = Writer::new();
    hello
        .bool("isWritablePrimary", true)
        .i32("maxWireVersion", 21)
        .i32("connectionId", 77);
    if let Some(login) = login {
        let login = login.write();
        hello.value(
            "speculativeAuthenticate",
            &tenantsdb_codecs::mongo::bson::Value::Document(Document::whole(&login).unwrap()),
        );
    }
    hello.f64("ok", 1.0);
    hello.finish()
}

/// The reply with another server-first-message.
fn rewritten(reply: &mut SaslReply, change: impl FnOnce(String) -> String) {
    let text = String::from_utf8(std::mem::take(&mut reply.payload)).unwrap();
    reply.payload = change(text).into_bytes();
}

#[tokio::test]
async fn the_clients_key_logs_in_with_two_round_trips() {
    let done = with(async |server| {
        let expect = server.hello(|_| {}).await;
        server.proof(expect, |reply| assert!(reply.done)).await;
        assert_eq!(server.asked, 2);
    })
    .await;
    assert_eq!(done.unwrap().connection_id, 77);
}

#[tokio::test]
async fn a_server_that_looks_over_the_login_in_the_hello_is_asked_again() {
    let done = with(async |server| {
        let _ = server.request().await;
        server.reply(&greeting(None)).await;
        let start = server.request().await.unwrap();
        let start = SaslStart::read(Document::whole(&start).unwrap()).unwrap();
        assert_eq!(start.db, NAME);
        let (expect, reply) = begin(&start);
        server.reply(&reply.write()).await;
        server.proof(expect, |_| {}).await;
    })
    .await;
    let _ = done.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_skip_the_empty_exchange_gets_it() {
    for (done_then, is_in) in [(true, true), (false, false)] {
        let done = with(async |server| {
            let expect = server.hello(|_| {}).await;
            server.proof(expect, |reply| reply.done = false).await;
            let empty = server.request().await.unwrap();
            let empty = SaslContinue::read(Document::whole(&empty).unwrap()).unwrap();
            assert!(empty.payload.bytes().is_empty());
            let last = SaslReply {
                conversation_id: 1,
                done: done_then,
                payload: Vec::new(),
                base64: false,
            };
            server.reply(&last.write()).await;
            server.nothing_more().await;
        })
        .await;
        match done {
            Ok(_) => assert!(is_in),
            Err(error) => {
                assert!(!is_in);
                assert!(matches!(error, Error::Sasl(Failure::Order)), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_wants_too_little_work_gets_no_proof() {
    for (from, to) in [
        ("i=4096", "i=4095"),
        ("i=4096", "i=1"),
        ("i=4096", "i=9999999"),
    ] {
        let error = error(async |server| {
            let change = |reply: &mut SaslReply| rewritten(reply, |text| text.replace(from, to));
            let _ = server.hello(change).await;
            server.nothing_more().await;
        })
        .await;
        let bounds = Failure::Scram(scram::Error::Bounds("iteration count"));
        assert!(
            matches!(error, Error::Sasl(found) if found == bounds),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_server_with_another_salt_gets_no_proof() {
    let error = error(async |server| {
        let change = |reply: &mut SaslReply| rewritten(reply, |text| text.replace("s=M", "s=N"));
        let _ = server.hello(change).await;
        server.nothing_more().await;
    })
    .await;
    let changed = Failure::Scram(scram::Error::SaltChanged);
    assert!(
        matches!(error, Error::Sasl(found) if found == changed),
        "{error}"
    );
    assert!(error.is_login_refused());
}

#[tokio::test]
async fn a_server_whose_nonce_does_not_begin_with_ours_gets_no_proof() {
    let another: fn(String) -> String = |text| text.replacen("r=", "r=x", 1);
    // Ours alone: it adds nothing of its own.
    let ours: fn(String) -> String = |text| {
        let (nonce, rest) = text.split_once(',').unwrap();
        format!("{},{rest}", &nonce[..nonce.len() / 2 + 1])
    };
    for change in [another, ours] {
        let error = error(async |server| {
            let _ = server.hello(|reply| rewritten(reply, change)).await;
            server.nothing_more().await;
        })
        .await;
        let nonce = Failure::Scram(scram::Error::Nonce);
        assert!(
            matches!(error, Error::Sasl(found) if found == nonce),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_know_the_verifier_is_found_out() {
    let other = Verifier::derive(b"another", b"0123456789abcdef", 4096);
    let exchange = Exchange::new(other.clone(), true, nonce(), None);
    let (client, payload) = client::start(NAME, nonce());
    let (expect, first) = server::start(&client::start_of(&payload, NAME), exchange).unwrap();
    let (client, payload) = client
        .first(&first, &Credential::Password(b"another"))
        .unwrap();
    let signature = expect.proof(&client.next(&payload)).unwrap().reply.payload;
    let error = error(async |server| {
        let expect = server.hello(|_| {}).await;
        server
            .proof(expect, |reply| reply.payload = signature)
            .await;
        server.nothing_more().await;
    })
    .await;
    let wrong = Failure::Scram(scram::Error::ServerSignature);
    assert!(
        matches!(error, Error::Sasl(found) if found == wrong),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_is_done_before_it_has_proved_itself_is_not_believed() {
    let early = error(async |server| {
        let _ = server.hello(|reply| reply.done = true).await;
        server.nothing_more().await;
    })
    .await;
    assert!(matches!(early, Error::Sasl(Failure::Order)), "{early}");
    let unsigned = error(async |server| {
        let expect = server.hello(|_| {}).await;
        server.proof(expect, |reply| reply.payload.clear()).await;
        server.nothing_more().await;
    })
    .await;
    assert!(
        matches!(unsigned, Error::Sasl(Failure::Scram(_))),
        "{unsigned}"
    );
}

#[tokio::test]
async fn a_server_that_goes_on_with_another_conversation_is_refused() {
    let error = error(async |server| {
        let expect = server.hello(|_| {}).await;
        server
            .proof(expect, |reply| reply.conversation_id = 2)
            .await;
        server.nothing_more().await;
    })
    .await;
    assert!(
        matches!(error, Error::Sasl(Failure::Conversation)),
        "{error}"
    );
}

#[tokio::test]
async fn a_reply_to_something_else_is_not_taken() {
    for off in [-1, 1] {
        let error = error(async |server| {
            let _ = server.request().await;
            server.reply_to(server.asked + off, &greeting(None)).await;
            server.nothing_more().await;
        })
        .await;
        assert!(
            matches!(error, Error::Stray(id) if id == 1 + off),
            "{error}"
        );
    }
}

#[tokio::test]
async fn more_than_was_asked_for_is_not_taken() {
    let error = error(async |server| {
        let _ = server.request().await;
        let mut out = Vec::new();
        for to in [server.asked, 0] {
            op_msg::write(1, to, Flags::NONE, &greeting(None), &mut out);
        }
        server.stream.write_all(&out).await.unwrap();
        server.nothing_more().await;
    })
    .await;
    let trailing = matches!(error, Error::Protocol(ProtocolError::Trailing(_)));
    assert!(trailing, "{error}");
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_none() {
    let error = error(async |server| {
        let _ = server.request().await;
        let mut hello = Writer::new();
        hello.bool("isWritablePrimary", false).f64("ok", 1.0);
        server.reply(&hello.finish()).await;
        server.nothing_more().await;
    })
    .await;
    assert!(matches!(error, Error::NotWritable), "{error}");
}

#[tokio::test]
async fn a_server_that_refuses_is_told_from_one_that_is_full() {
    for (code, refused, full) in [
        (Code::AuthenticationFailed, true, false),
        (Code::UserNotFound, true, false),
        (Code::ResourceExhausted, false, true),
        (Code::InternalError, false, false),
    ] {
        let error = error(async |server| {
            let _ = server.hello(|_| {}).await;
            let _ = server.request().await;
            server.reply(&report(code, "no", &[])).await;
            server.nothing_more().await;
        })
        .await;
        assert!(
            matches!(error, Error::Refused { code: found, .. } if found == i64::from(code.number()))
        );
        assert_eq!(error.is_login_refused(), refused, "{code}");
        assert_eq!(error.is_server_full(), full, "{code}");
    }
}

#[tokio::test]
async fn a_server_that_closes_is_gone() {
    let at_once = error(async |_| {}).await;
    assert!(matches!(at_once, Error::Closed), "{at_once}");
    let within = error(async |server| {
        let _ = server.hello(|_| {}).await;
        let _ = server.request().await;
        server
            .stream
            .write_all(&100_i32.to_le_bytes())
            .await
            .unwrap();
    })
    .await;
    assert!(matches!(within, Error::Closed), "{within}");
}
