//! A MongoDB server that has collections, and nothing in them; and a client.
//!
//! A `find` gets its own `comment` back, and with `batchSize: 1` a cursor that is open. Any command
//! with `exhausts: n` is answered by so many replies.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route as wire;
use tenantsdb_codecs::mongo::Error as ProtocolError;
use tenantsdb_codecs::mongo::auth::{SaslContinue, SaslReply, SaslStart, client, server};
use tenantsdb_codecs::mongo::bson::{Document, Writer};
use tenantsdb_codecs::mongo::code::Code;
use tenantsdb_codecs::mongo::frame::{Header, MESSAGE_BYTES_MAX};
use tenantsdb_codecs::mongo::op_msg::{self, Flags, Message};
use tenantsdb_codecs::mongo::report::{ok, report};
use tenantsdb_codecs::scram::Credential;
use tenantsdb_codecs::scram::server::Exchange;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use super::{PASSWORD, verifier};
use crate::back::mongo::{Connection, ServerSession};
use crate::inbox::{self, Inbox};
use crate::nonce::nonce;
use crate::stream::Stream;

/// What the server does where servers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Good,
    /// Does nothing, and says so.
    Refuse,
    /// Does what it is asked, and never says so.
    Silent,
    /// Does what it is asked, and closes.
    HangUp,
    /// Takes a moment, and never the same.
    Slow,
}

/// A server on a port of its own, for as long as the test's tasks run.
#[derive(Clone, Default)]
pub(crate) struct Server(Rc<State>);

#[derive(Default)]
struct State {
    mood: Cell<Mood>,
    collections: RefCell<BTreeSet<String>>,
    /// Commands, but for those of a login, each with its connection.
    heard: RefCell<Vec<(i32, Vec<u8>)>>,
    connections: Cell<i32>,
    open: Cell<usize>,
    cursors: Cell<i64>,
}

/// A login that is under way on a connection.
#[derive(Default)]
struct Login(Option<server::ExpectFinal>);

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

    /// From the next command that is not a listing on.
    pub(crate) fn be(&self, mood: Mood) {
        self.0.mood.set(mood);
    }

    /// Names of commands, but for those of a login.
    pub(crate) fn heard(&self) -> Vec<String> {
        let heard = self.0.heard.borrow();
        let name = |command: &[u8]| {
            Document::whole(command)
                .unwrap()
                .first()
                .unwrap()
                .unwrap()
                .0
                .to_owned()
        };
        heard.iter().map(|(_, command)| name(command)).collect()
    }

    /// The commands, each with the number of its connection.
    pub(crate) fn commands(&self) -> Vec<(i32, Vec<u8>)> {
        self.0.heard.borrow().clone()
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.0.open.get()
    }

    async fn serve(&self, mut stream: TcpStream) -> Result<(), inbox::Error<ProtocolError>> {
        let id = self.0.connections.get() + 1;
        self.0.connections.set(id);
        let (mut inbox, mut login) = (Inbox::default(), Login::default());
        loop {
            let header = Header::read(inbox.unread(), MESSAGE_BYTES_MAX).unwrap();
            let Some(header) = header.filter(|h| inbox.unread().len() >= h.length) else {
                inbox.fill(&mut stream).await?;
                continue;
            };
            let bytes = inbox.unread()[..header.length].to_vec();
            inbox.take(header.length);
            let message = Message::read(&bytes).unwrap();
            let is_answered = !message.flags.more_to_come;
            let Some(reply) = self.answer(id, &mut login, message.body) else {
                return Ok(());
            };
            if self.0.mood.get() == Mood::Slow {
                let moment = u64::from(header.request_id.unsigned_abs()) % 4;
                tokio::time::sleep(Duration::from_millis(moment)).await;
            }
            if is_answered && !reply.is_empty() {
                stream.write_all(&replies(&message, &reply)).await?;
            }
        }
    }

    /// `None`: the end.
    fn answer(&self, id: i32, login: &mut Login, command: Document<'_>) -> Option<Vec<u8>> {
        let (name, target) = command.first().unwrap().unwrap();
        match name {
            "hello" => {
                let start = command.get("speculativeAuthenticate").unwrap().unwrap();
                let start = SaslStart::read(start.as_document().unwrap()).unwrap();
                let exchange = Exchange::new(verifier(), true, nonce(), None);
                let (expect, reply) = server::start(&start, exchange).unwrap();
                login.0 = Some(expect);
                let mut hello = Writer::new();
                hello
                    .bool("isWritablePrimary", true)
                    .i32("connectionId", id);
                hello.i32("minWireVersion", 0).i32("maxWireVersion", 17);
                let reply = reply.write();
                let reply = Document::whole(&reply).unwrap();
                hello.document("speculativeAuthenticate", |w| _ = w.extend(reply));
                hello.f64("ok", 1.0);
                return Some(hello.finish());
            }
            "saslContinue" => {
                let proof = SaslContinue::read(command).unwrap();
                let proven = login.0.take().unwrap().proof(&proof).unwrap();
                return Some(proven.reply.write());
            }
            _ => {
                let command = (id, command.bytes().to_vec());
                self.0.heard.borrow_mut().push(command);
            }
        }
        if name == "listCollections" {
            return Some(self.listed(command));
        }
        let mut collections = self.0.collections.borrow_mut();
        let mood = self.0.mood.get();
        if mood == Mood::Refuse {
            return Some(report(Code::NamespaceExists, "no", &[]));
        }
        match (name, target.as_str()) {
            ("create" | "insert" | "createIndexes", Some(target)) => {
                collections.insert(target.to_owned());
            }
            ("drop", Some(target)) => _ = collections.remove(target),
            _ => {}
        }
        match mood {
            Mood::Silent => Some(Vec::new()),
            Mood::HangUp => None,
            _ if name == "find" => Some(self.found(command)),
            _ if name == "explain" => Some(explained(command)),
            Mood::Good | Mood::Refuse | Mood::Slow => Some(ok()),
        }
    }

    fn listed(&self, command: Document<'_>) -> Vec<u8> {
        let collections = self.0.collections.borrow();
        let filter = command
            .get("filter")
            .unwrap()
            .unwrap()
            .as_document()
            .unwrap();
        let only = filter.get("name").unwrap().and_then(|name| name.as_str());
        let mut reply = Writer::new();
        reply.document("cursor", |cursor| {
            cursor.i64("id", 0).array("firstBatch", |batch| {
                for collection in &*collections {
                    if only.is_none_or(|only| only == collection) {
                        batch.document(|w| _ = w.str("name", collection));
                    }
                }
            });
        });
        reply.f64("ok", 1.0);
        reply.finish()
    }

    fn found(&self, find: Document<'_>) -> Vec<u8> {
        let get = |key| find.get(key).unwrap();
        let database = get("$db").unwrap().as_str().unwrap();
        let collection = get("find").unwrap().as_str().unwrap();
        let is_open = get("batchSize").is_some_and(|size| size.as_i64() == Some(1));
        let cursor = match is_open {
            true => self.0.cursors.get() + 1,
            false => 0,
        };
        self.0.cursors.set(self.0.cursors.get().max(cursor));
        let mut reply = Writer::new();
        reply.document("cursor", |out| {
            out.array("firstBatch", |_| {})
                .i64("id", cursor)
                .str("ns", &format!("{database}.{collection}"));
        });
        if let Some(comment) = get("comment") {
            reply.value("comment", &comment);
        }
        reply.f64("ok", 1.0);
        reply.finish()
    }
}

/// With what was asked, and who was asked.
fn explained(command: Document<'_>) -> Vec<u8> {
    let mut reply = Writer::new();
    let inner = command.get("explain").unwrap().unwrap();
    reply.value("command", &inner);
    reply.document("serverInfo", |info| {
        info.str("host", "secret.example").i32("port", 27_099);
    });
    reply.f64("ok", 1.0);
    reply.finish()
}

/// The replies to a request, each to the one before it.
fn replies(request: &Message<'_>, reply: &[u8]) -> Vec<u8> {
    let exhausts = request.body.get("exhausts").unwrap();
    let count = exhausts.and_then(|count| count.as_i64()).unwrap_or(1);
    let (mut out, mut to) = (Vec::new(), request.header.request_id);
    for left in (0..count).rev() {
        let id = to.wrapping_add(1_000_000);
        let flags = Flags {
            more_to_come: left > 0,
            ..Flags::NONE
        };
        op_msg::write(id, to, flags, reply, &mut out);
        to = id;
    }
    out
}

/// A route to the workspace of a blueprint on the server at `addr`.
pub(crate) fn route(addr: SocketAddr, blueprint: &str) -> wire::Route {
    let database = format!("{blueprint}_dev");
    let mut route = super::route(addr);
    route.engine = Engine::MongoDb;
    route.kind = wire::Kind::Workspace;
    blueprint.clone_into(&mut route.blueprint);
    route.logins[0].user.clone_from(&database);
    route.database = database;
    route.tenant = None;
    route.server.version = Some("7.0.14".to_owned());
    route.server.mongo = Some(wire::Mongo {
        min_wire_version: 0,
        max_wire_version: 17,
        topology: wire::Topology::Standalone,
        session_timeout_minutes: Some(30),
    });
    route
}

/// A client that is logged in.
pub(crate) async fn connect(addr: SocketAddr, database: &str) -> Connection {
    let mut connection = Connection {
        stream: Stream::Plain(TcpStream::connect(addr).await.unwrap()),
        session: ServerSession::default(),
    };
    let (first, payload) = client::start(database, nonce());
    let start = client::start_of(&payload, database).write();
    let reply = connection.ask(&start).await.unwrap();
    let reply = SaslReply::read(reply.ok().unwrap()).unwrap();
    let (last, payload) = first
        .first(&reply, &Credential::Password(PASSWORD))
        .unwrap();
    let next = last.next(&payload).write(database);
    let reply = connection.ask(&next).await.unwrap();
    let reply = SaslReply::read(reply.ok().unwrap()).unwrap();
    if let Some(empty) = last.finish(&reply).unwrap() {
        let next = empty.next().write(database);
        let reply = connection.ask(&next).await.unwrap();
        empty
            .finish(&SaslReply::read(reply.ok().unwrap()).unwrap())
            .unwrap();
    }
    connection
}
