//! A MariaDB server that does as it is told, and a client. Both know `mysql_native_password`.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route as wire;
use tenantsdb_codecs::mysql::auth::{self, native};
use tenantsdb_codecs::mysql::client::{Command, encode_command};
use tenantsdb_codecs::mysql::code::Code;
use tenantsdb_codecs::mysql::flags::{Capabilities, Status};
use tenantsdb_codecs::mysql::frame::Packet;
use tenantsdb_codecs::mysql::report::Report;
use tenantsdb_codecs::mysql::server::{LocalInfile, Ok as OkPacket};
use tenantsdb_codecs::mysql::startup::{Attributes, Greeting, HandshakeResponse};
use tenantsdb_codecs::mysql::{Error as ProtocolError, Flavour};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use super::{DATABASE, PASSWORD};
use crate::core::Core;
use crate::inbox::{Error, Inbox};

/// What the server does where servers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Good,
    /// Refuses the login.
    RefuseLogin(Code),
    /// Lacks a capability that it should have.
    Lack(Capabilities),
    /// Refuses COM_RESET_CONNECTION.
    RefuseReset,
    /// Sends another OK behind the confirmation of the reset.
    Babble,
    /// Confirms another reset.
    ConfirmAnother,
    /// Asks for a file in answer to any query.
    AskForFile,
    /// Closes in the middle of the answer to a query.
    HangUp,
}

/// A server on a port of its own, for as long as the test's tasks run.
#[derive(Clone, Default)]
pub(crate) struct Server(Rc<State>);

#[derive(Default)]
struct State {
    mood: Cell<Mood>,
    /// Commands of sessions, with the id of each.
    heard: RefCell<Vec<(u32, String)>>,
    last_id: Cell<u32>,
    open: Cell<u32>,
}

type Io<T> = Result<T, Error<ProtocolError>>;

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

    /// What this session has heard.
    pub(crate) fn heard_by(&self, id: u32) -> Vec<String> {
        let heard = self.0.heard.borrow();
        let own = heard.iter().filter(|(other, _)| *other == id);
        own.map(|(_, text)| text.clone()).collect()
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> u32 {
        self.0.open.get()
    }

    async fn serve(&self, mut stream: TcpStream) -> Io<()> {
        let id = self.0.last_id.get() + 1;
        self.0.last_id.set(id);
        let mood = self.0.mood.get();
        let lacks = match mood {
            Mood::Lack(lacks) => lacks,
            _ => Capabilities::NONE,
        };
        let mut out = Vec::new();
        let greeting = Greeting {
            version: "5.5.5-10.11.0-MariaDB",
            thread_id: id,
            nonce: *b"12345678901234567890",
            capabilities: crate::front::mysql::offer::offer(Flavour::MariaDb, "10.11.0", false)
                .difference(lacks),
            collation: 45,
            status: Status::AUTOCOMMIT,
            plugin: auth::NATIVE_PASSWORD,
        };
        greeting.encode(&mut 0, &mut out)?;
        stream.write_all(&out).await?;
        let mut inbox = Inbox::default();
        inbox.packet(&mut stream, 4096).await?;
        if let Mood::RefuseLogin(code) = mood {
            return send(&mut stream, |out| {
                Report::new(code, "no").encode(&mut 2, out)
            })
            .await;
        }
        send(&mut stream, |out| ok(2, out)).await?;
        loop {
            let body = inbox.packet(&mut stream, 4096).await?.body.to_vec();
            self.answer(&mut stream, id, &body).await?;
        }
    }

    async fn answer(&self, stream: &mut TcpStream, id: u32, body: &[u8]) -> Io<()> {
        let mood = self.0.mood.get();
        let text = String::from_utf8_lossy(body.get(1..).unwrap_or_default()).into_owned();
        let command = Command::of(body).unwrap();
        if text.starts_with("SELECT @@") {
            let values = ["utf8mb4", "utf8mb4", "utf8mb4_general_ci"];
            return send(stream, |out| row(&values, out)).await;
        }
        // By which a reset is confirmed.
        if let Some(number) = text.strip_prefix("SELECT CAST('")
            && let Some((number, _)) = number.split_once('\'')
        {
            let number = match mood {
                Mood::ConfirmAnother => "another",
                _ => number,
            };
            return send(stream, |out| row(&[number], out)).await;
        }
        let name = match command {
            Command::QUERY => text,
            Command::RESET_CONNECTION => "RESET".to_owned(),
            Command::INIT_DB => format!("USE {text}"),
            other => format!("{other:?}"),
        };
        self.0.heard.borrow_mut().push((id, name));
        match (mood, command) {
            (Mood::RefuseReset, Command::RESET_CONNECTION) => {
                send(stream, |out| {
                    Report::new(Code::UNKNOWN, "no").encode(&mut 1, out)
                })
                .await
            }
            (Mood::Babble, Command::RESET_CONNECTION) => {
                send(stream, |out| {
                    ok(1, out);
                    ok(1, out);
                })
                .await
            }
            (Mood::AskForFile, Command::QUERY) => {
                let file = b"/etc/passwd";
                send(stream, |out| LocalInfile { file }.encode(&mut 1, out)).await
            }
            (Mood::HangUp, Command::QUERY) => {
                stream.write_all(&[7, 0, 0, 1, 0]).await?;
                Err(Error::Closed)
            }
            _ => send(stream, |out| ok(1, out)).await,
        }
    }
}

async fn send(stream: &mut TcpStream, write: impl FnOnce(&mut Vec<u8>)) -> Io<()> {
    let mut out = Vec::new();
    write(&mut out);
    Ok(stream.write_all(&out).await?)
}

fn ok(mut sequence: u8, out: &mut Vec<u8>) {
    let status = Status::AUTOCOMMIT;
    let ok = OkPacket {
        status,
        ..OkPacket::default()
    };
    ok.encode(&mut sequence, out);
}

/// A result set of one row.
fn row(values: &[&str], out: &mut Vec<u8>) {
    let mut sequence = 1;
    let mut body = |bytes: &[u8]| {
        let mut packet = Packet::new(&mut sequence, out);
        packet.bytes(bytes);
        packet.finish();
    };
    body(&[u8::try_from(values.len()).unwrap()]);
    for _ in values {
        body(b"\x03def");
    }
    let mut text = Vec::new();
    for value in values {
        text.push(u8::try_from(value.len()).unwrap());
        text.extend_from_slice(value.as_bytes());
    }
    body(&text);
    OkPacket::default().encode_end_of_rows(&mut sequence, out);
}

/// A route to [`DATABASE`] on the server at `addr`.
pub(crate) fn route(addr: SocketAddr) -> wire::Route {
    let mut route = super::route(addr);
    route.engine = Engine::MySql;
    route.server.version = Some("10.11.0-MariaDB".to_owned());
    for login in &mut route.logins {
        login.verifier = native::verifier(PASSWORD).to_string();
    }
    route
}

/// A core that serves MariaDB clients at the address.
pub(crate) async fn proxy(core: &Rc<Core>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let core = Rc::clone(core);
    spawn_local(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let source = core.context.limits.source(peer.ip()).unwrap();
            let core = Rc::clone(&core);
            let served = crate::front::mysql::serve(core, stream, peer, source, Flavour::MariaDb);
            spawn_local(served);
        }
    });
    addr
}

/// A client that is logged in.
pub(crate) struct Client {
    stream: TcpStream,
    inbox: Inbox,
    pub(crate) id: u32,
}

/// How a client is not let in, or a command not answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// With this error.
    Error(u16, String),
    /// Without a word.
    Closed,
}

impl From<Error<ProtocolError>> for Refused {
    fn from(_: Error<ProtocolError>) -> Self {
        Self::Closed
    }
}

impl From<std::io::Error> for Refused {
    fn from(_: std::io::Error) -> Self {
        Self::Closed
    }
}

/// Logs in, with `early` in the same segment.
pub(crate) async fn connect(
    addr: SocketAddr,
    user: &str,
    password: &[u8],
    early: &[u8],
) -> Result<Client, Refused> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut inbox = Inbox::default();
    let body = inbox.packet(&mut stream, 4096).await?.body.to_vec();
    if Report::is(&body) {
        return Err(error(&body));
    }
    let greeting = Greeting::decode(&body).unwrap();
    let proof = native::prove(&native::key(password), &greeting.nonce);
    let response = HandshakeResponse {
        capabilities: greeting.capabilities,
        packet_bytes_max: 1 << 24,
        collation: 45,
        user,
        auth: &proof,
        database: Some(DATABASE),
        plugin: Some(auth::NATIVE_PASSWORD),
        attributes: Attributes::default(),
        zstd_level: None,
    };
    let mut out = Vec::new();
    response.encode(&mut 1, &mut out).unwrap();
    out.extend_from_slice(early);
    stream.write_all(&out).await?;
    let id = greeting.thread_id;
    let mut client = Client { stream, inbox, id };
    client.answer().await.map(|()| client)
}

fn error(body: &[u8]) -> Refused {
    let report = Report::decode(body).unwrap();
    Refused::Error(report.code.0, report.text().into_owned())
}

impl Client {
    /// Runs a query that has no rows.
    pub(crate) async fn query(&mut self, text: &str) -> Result<(), Refused> {
        self.send(&query(text)).await;
        self.answer().await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await; // what comes back tells
    }

    /// Waits for an OK.
    pub(crate) async fn answer(&mut self) -> Result<(), Refused> {
        let body = self.inbox.packet(&mut self.stream, 4096).await?.body;
        match Report::is(body) {
            true => Err(error(body)),
            false => Ok(()),
        }
    }

    /// Says goodbye and waits for the end.
    pub(crate) async fn leave(mut self) {
        let mut out = Vec::new();
        encode_command(Command::QUIT, b"", &mut out);
        self.send(&out).await;
        while self.inbox.fill::<()>(&mut self.stream).await.is_ok() {}
    }
}

/// COM_QUERY.
pub(crate) fn query(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode_command(Command::QUERY, text.as_bytes(), &mut out);
    out
}
