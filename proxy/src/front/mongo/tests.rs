//! What a client says and hears, word for word. The cases are those of the drivers' specifications
//! "MongoDB Handshake", "Authentication", "Load Balancer Support" and "OP_MSG", as a server sees
//! them, with the client as a script. <https://github.com/mongodb/specifications>

mod auth;
mod dropped;
mod groups;
mod handshake;
mod load_balancer;
mod lost;
mod malformed;
mod places;
mod session;

use std::time::Duration;

use tenantsdb_codecs::feed::route as wire;
use tenantsdb_codecs::mongo::auth::client::{self, ExpectFinal, ExpectFirst};
use tenantsdb_codecs::mongo::auth::{SaslReply, SaslStart};
use tenantsdb_codecs::mongo::bson::{Document, Value, Writer};
use tenantsdb_codecs::mongo::frame::{HEADER_LENGTH, Header, MESSAGE_BYTES_MAX, Opcode};
use tenantsdb_codecs::mongo::op_msg::{self, Flags, Message};
use tenantsdb_codecs::mongo::startup::{self, Query};
use tenantsdb_codecs::scram::Credential;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::config::Config;
use crate::fake::mongo::Server;
use crate::fake::{self, PASSWORD};
use crate::listener::Door;
use crate::nonce::nonce;

/// The database of the one tenant, and its user.
const DATABASE: &str = "app__acme";

/// A proxy in front of a server.
struct Stage {
    server: Server,
    /// Of the server.
    server_addr: SocketAddr,
    core: Rc<Core>,
    /// Of the proxy.
    addr: SocketAddr,
}

impl Stage {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (server, server_addr) = Server::start().await;
        let mut config = fake::config();
        change(&mut config);
        let core = Core::new(fake::context(config));
        fake::put(&core.context, route(server_addr));
        let addr = fake::listen_at(&core, Door::Mongo);
        Self {
            server,
            server_addr,
            core,
            addr,
        }
    }

    async fn client(&self) -> Script {
        Script {
            stream: TcpStream::connect(self.addr).await.unwrap(),
            last: 0,
        }
    }

    /// A client that is logged in.
    async fn logged_in(&self) -> Script {
        let mut client = self.client().await;
        let (login, first) = Login::start(&mut client, DATABASE, true).await;
        let proven = login.prove(&mut client, &first).await;
        assert!(proven.is("done", true));
        client
    }
}

/// A client that says what it is told to.
struct Script {
    stream: TcpStream,
    last: i32,
}

/// A reply.
struct Answer {
    header: Header,
    /// Those of OP_MSG, or those of OP_REPLY.
    flags: i32,
    document: Vec<u8>,
}

impl Script {
    /// Sends a document as OP_MSG, and gives the answer to it.
    async fn ask(&mut self, document: &[u8]) -> Answer {
        self.ask_with(Flags::NONE, document).await
    }

    async fn ask_with(&mut self, flags: Flags, document: &[u8]) -> Answer {
        self.tell(flags, document).await;
        let answer = self.answer().await;
        assert_eq!(answer.header.opcode, Opcode::Msg);
        answer
    }

    /// The same by OP_QUERY, as old drivers do.
    async fn query(&mut self, collection: &str, document: &[u8]) -> Answer {
        self.last += 1;
        let mut out = Vec::new();
        Query::write(self.last, collection, document, &mut out);
        self.send(&out).await;
        let answer = self.answer().await;
        assert_eq!(answer.header.opcode, Opcode::Reply);
        assert_eq!(answer.flags, startup::REPLY_AWAIT_CAPABLE);
        answer
    }

    async fn tell(&mut self, flags: Flags, document: &[u8]) {
        self.last += 1;
        let mut out = Vec::new();
        op_msg::write(self.last, 0, flags, document, &mut out);
        self.send(&out).await;
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The answer to the last request.
    async fn answer(&mut self) -> Answer {
        let answer = self.next().await.expect("an answer");
        assert_eq!(answer.header.response_to, self.last);
        answer
    }

    /// The next message; `None` at the end.
    async fn next(&mut self) -> Option<Answer> {
        let mut message = vec![0; HEADER_LENGTH];
        self.stream.read_exact(&mut message).await.ok()?;
        let header = Header::read(&message, MESSAGE_BYTES_MAX).unwrap().unwrap();
        message.resize(header.length, 0);
        let rest = &mut message[HEADER_LENGTH..];
        self.stream.read_exact(rest).await.unwrap();
        let (flags, document) = match header.opcode {
            Opcode::Reply => {
                let reply = startup::Reply::read(&message).unwrap();
                (reply.flags, reply.document)
            }
            _ => {
                let message = Message::read(&message).unwrap();
                (message.flags.bits().cast_signed(), message.body)
            }
        };
        let document = document.bytes().to_vec();
        Some(Answer {
            header,
            flags,
            document,
        })
    }

    /// The last answer, behind which the connection is closed.
    async fn last_answer(&mut self) -> Answer {
        let answer = self.next().await.expect("an answer");
        assert!(self.next().await.is_none(), "it is the last");
        answer
    }
}

impl Answer {
    fn get(&self, key: &str) -> Option<Value<'_>> {
        Document::whole(&self.document).unwrap().get(key).unwrap()
    }

    /// Where it says of the mechanism's own answer.
    fn inner(&self, key: &str) -> Option<Document<'_>> {
        self.get(key).and_then(|value| value.as_document())
    }

    fn is(&self, key: &str, expected: bool) -> bool {
        self.get(key) == Some(Value::Bool(expected))
    }

    fn ok(&self) -> bool {
        self.get("ok") == Some(Value::Double(1.0))
    }

    /// That of an error, else 0.
    fn code(&self) -> i64 {
        assert_ne!(self.ok(), self.get("code").is_some());
        self.get("code").and_then(|c| c.as_i64()).unwrap_or(0)
    }

    fn text(&self) -> &str {
        self.get("errmsg").and_then(|text| text.as_str()).unwrap()
    }

    fn sasl(&self) -> SaslReply {
        assert!(self.ok(), "{}", self.text());
        SaslReply::read(Document::whole(&self.document).unwrap()).unwrap()
    }

    fn speculative(&self) -> SaslReply {
        SaslReply::read(self.inner("speculativeAuthenticate").unwrap()).unwrap()
    }
}

/// A login by SCRAM-SHA-256, as a driver's.
struct Login {
    first: ExpectFirst,
    payload: Vec<u8>,
}

impl Login {
    fn of(user: &str) -> Self {
        let (first, payload) = client::start(user, nonce());
        Self { first, payload }
    }

    /// Its first message.
    fn first(&self, skip_empty_exchange: bool) -> SaslStart<'_> {
        SaslStart {
            skip_empty_exchange,
            ..client::start_of(&self.payload, DATABASE)
        }
    }

    /// By saslStart; also the answer to it.
    async fn start(script: &mut Script, user: &str, skip: bool) -> (Self, SaslReply) {
        let login = Self::of(user);
        let answer = script.ask(&login.first(skip).write()).await;
        let reply = answer.sasl();
        (login, reply)
    }

    /// Sends the proof, and gives the answer.
    async fn prove(self, script: &mut Script, reply: &SaslReply) -> Answer {
        self.prove_with(script, reply, PASSWORD).await.1
    }

    async fn prove_with(
        self,
        script: &mut Script,
        reply: &SaslReply,
        password: &[u8],
    ) -> (ExpectFinal, Answer) {
        let password = Credential::Password(password);
        let (expect, payload) = self.first.first(reply, &password).unwrap();
        let next = expect.next(&payload).write(DATABASE);
        let answer = script.ask(&next).await;
        (expect, answer)
    }
}

/// A route to it, in transaction mode.
fn route(server: SocketAddr) -> wire::Route {
    let mut route = fake::mongo::route(server, "app");
    route.kind = wire::Kind::Tenant;
    route.tenant = Some("acme".to_owned());
    route.database = DATABASE.to_owned();
    route.logins[0].user = DATABASE.to_owned();
    route.pool_mode = wire::PoolMode::Transaction;
    route
}

fn command(name: &str) -> Writer {
    let mut command = Writer::new();
    command.i32(name, 1);
    command
}

/// For `admin`.
fn of_admin(mut command: Writer) -> Vec<u8> {
    command.str("$db", "admin");
    command.finish()
}

fn simple(name: &str) -> Vec<u8> {
    of_admin(command(name))
}

fn find() -> Vec<u8> {
    let mut find = Writer::new();
    find.str("find", "users").str("$db", DATABASE);
    find.finish()
}
