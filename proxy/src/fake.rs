//! Peers for tests: a PostgreSQL server that does as it is told, and a client.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::{self as wire, Kind, PoolMode, ServerTls, Status};
use tenantsdb_codecs::postgres::auth::{self, Request};
use tenantsdb_codecs::postgres::client::encode_query;
use tenantsdb_codecs::postgres::frame::frame;
use tenantsdb_codecs::postgres::report::{Fields, Report, Severity};
use tenantsdb_codecs::postgres::server::{
    BackendKeyData, CommandComplete, ParameterStatus, ReadyForQuery, TransactionStatus,
};
use tenantsdb_codecs::postgres::sqlstate::SqlState;
use tenantsdb_codecs::postgres::startup::{self, ProtocolVersion, StartupPacket};
use tenantsdb_codecs::scram::{self, Credential, Verifier};
use tenantsdb_codecs::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};

use crate::config::{Config, Control};
use crate::context::Context;
use crate::core::Core;
use crate::inbox::{Error, Inbox};
use crate::nonce::nonce;
use crate::route::Route;
use crate::route::entry::Interner;
use crate::tls::Tls;

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
        server_connections_max: 1,
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
    Context::new(config, tls, captures)
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
        },
        logins: vec![wire::Login {
            user: DATABASE.to_owned(),
            verifier: verifier().to_string(),
            generation: 1,
        }],
        limits: wire::Limits::default(),
        pool_mode: PoolMode::Session,
    }
}

// === The server ===

/// What a fake server does at the points where servers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Good,
    /// The login is refused with this code.
    RefuseLogin(&'static str),
    /// Closes instead of answering the startup packet.
    HangUp,
    /// Answers the reset with the tag of something else.
    WrongTag,
    /// Sends something behind the confirmation of the reset.
    Babble,
}

/// A server on a port of its own, for as long as the test's tasks run.
#[derive(Clone, Default)]
pub(crate) struct Server(Rc<State>);

#[derive(Default)]
struct State {
    mood: Cell<Mood>,
    /// Statements by the process id of the connection, in order; startup parameters come first.
    heard: RefCell<Vec<(i32, String)>>,
    running: RefCell<HashMap<i32, Rc<Notify>>>,
    hanging_up: RefCell<HashMap<i32, Rc<Notify>>>,
    last_pid: Cell<i32>,
    cancels: Cell<u32>,
    open: Cell<u32>,
}

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
                    let hang_up = Rc::new(Notify::new());
                    tokio::select! {
                        // A client that goes in the middle is no concern of the server.
                        _ = server.serve(stream, &hang_up) => {}
                        () = hang_up.notified() => {}
                    }
                    server.0.open.set(server.0.open.get() - 1);
                });
            }
        });
        (server, addr)
    }

    pub(crate) fn be(&self, mood: Mood) {
        self.0.mood.set(mood);
    }

    /// What the connection has heard.
    pub(crate) fn heard_by(&self, pid: i32) -> Vec<String> {
        let heard = self.0.heard.borrow();
        let own = heard.iter().filter(|(other, _)| *other == pid);
        own.map(|(_, text)| text.clone()).collect()
    }

    pub(crate) fn cancels(&self) -> u32 {
        self.0.cancels.get()
    }

    /// Closes a connection.
    pub(crate) fn hang_up(&self, pid: i32) {
        self.0.hanging_up.borrow()[&pid].notify_one();
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> u32 {
        self.0.open.get()
    }

    async fn serve(&self, mut stream: TcpStream, hang_up: &Rc<Notify>) -> Result<(), Error> {
        let mut inbox = Inbox::default();
        while startup::decode(inbox.unread())?.is_none() {
            inbox.fill(&mut stream).await?;
        }
        let Some((packet, bytes)) = startup::decode(inbox.unread())? else {
            return Ok(());
        };
        let mood = self.0.mood.get();
        let pid = self.0.last_pid.get() + 1;
        match packet {
            StartupPacket::Cancel { pid, .. } => {
                self.cancel(pid);
                return Ok(());
            }
            StartupPacket::Startup(startup) => {
                let all: Vec<_> = startup.parameters.iter().collect();
                self.0.heard.borrow_mut().push((pid, format!("{all:?}")));
                self.0
                    .hanging_up
                    .borrow_mut()
                    .insert(pid, Rc::clone(hang_up));
                self.0.last_pid.set(pid);
            }
            other => panic!("{other:?}"),
        }
        inbox.take(bytes);
        let mut out = Vec::new();
        match mood {
            Mood::HangUp => return Ok(()),
            Mood::RefuseLogin(code) => {
                fail(SqlState::parse(code).unwrap(), Severity::Fatal, &mut out);
                stream.write_all(&out).await?;
                return Ok(());
            }
            _ => {}
        }
        authenticate(&mut stream, &mut inbox).await?;
        let status = |name, value, out: &mut Vec<u8>| {
            ParameterStatus { name, value }.encode(out).unwrap();
        };
        auth::encode_ok(&mut out);
        status("server_version", "15.0", &mut out);
        status("application_name", "", &mut out);
        BackendKeyData {
            pid,
            secret: b"\0\0\0\x07",
        }
        .encode(&mut out)
        .unwrap();
        ready(TransactionStatus::Idle, &mut out);
        stream.write_all(&out).await?;
        loop {
            let body = inbox.message(&mut stream, 1 << 20).await?.body.to_vec();
            let text = String::from_utf8_lossy(&body[..body.len().saturating_sub(1)]).into_owned();
            self.0.heard.borrow_mut().push((pid, text.clone()));
            let answer = self.answer(pid, &text).await;
            stream.write_all(&answer).await?;
        }
    }

    fn cancel(&self, pid: i32) {
        self.0.cancels.set(self.0.cancels.get() + 1);
        if let Some(running) = self.0.running.borrow().get(&pid) {
            running.notify_one();
        }
    }

    async fn answer(&self, pid: i32, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let done = |tag, status, out: &mut Vec<u8>| {
            CommandComplete { tag }.encode(out).unwrap();
            ready(status, out);
        };
        let idle = TransactionStatus::Idle;
        match (text, self.0.mood.get()) {
            ("DISCARD ALL", Mood::WrongTag) => done("DISCARD TEMP", idle, &mut out),
            ("DISCARD ALL", mood) => {
                done("DISCARD ALL", idle, &mut out);
                if mood == Mood::Babble {
                    done("SELECT 1", idle, &mut out);
                }
            }
            ("BEGIN", _) => done("BEGIN", TransactionStatus::InTransaction, &mut out),
            ("sleep", _) => {
                let running = Rc::new(Notify::new());
                self.0.running.borrow_mut().insert(pid, Rc::clone(&running));
                running.notified().await;
                fail(SqlState::QUERY_CANCELED, Severity::Error, &mut out);
                ready(idle, &mut out);
            }
            ("die", _) => fail(SqlState::ADMIN_SHUTDOWN, Severity::Fatal, &mut out),
            (set, _) if set.starts_with("SET ") => done("SET", idle, &mut out),
            _ => done("SELECT 1", idle, &mut out),
        }
        out
    }
}

pub(crate) fn ready(status: TransactionStatus, out: &mut Vec<u8>) {
    ReadyForQuery { status }.encode(out);
}

pub(crate) fn fail(sqlstate: SqlState, severity: Severity, out: &mut Vec<u8>) {
    let message = "as the test wants it";
    let report = Report {
        severity,
        sqlstate,
        message,
        detail: None,
        hint: None,
    };
    report.encode_error(out);
}

async fn authenticate(stream: &mut TcpStream, inbox: &mut Inbox) -> Result<(), Error> {
    let mut out = Vec::new();
    auth::encode_sasl(&[scram::SHA_256], &mut out)?;
    stream.write_all(&out).await?;
    let exchange = scram::server::Exchange::new(verifier(), true, nonce(), None);
    let message = inbox.message(stream, 4096).await?;
    let initial = auth::decode_sasl_initial(message.body)?;
    let (exchange, data) = exchange.first(initial.mechanism, initial.data).unwrap();
    out.clear();
    auth::encode_sasl_continue(&data, &mut out)?;
    stream.write_all(&out).await?;
    let message = inbox.message(stream, 4096).await?;
    let (_, data) = exchange.finish(message.body).unwrap();
    out.clear();
    auth::encode_sasl_final(&data, &mut out)?;
    stream.write_all(&out).await?;
    Ok(())
}

// === The proxy ===

/// A core that serves whoever connects to the address.
pub(crate) async fn proxy(core: &Rc<Core>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let core = Rc::clone(core);
    spawn_local(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            spawn_local(crate::front::postgres::serve(
                Rc::clone(&core),
                stream,
                peer,
            ));
        }
    });
    addr
}

/// Puts a route in force.
pub(crate) fn put(context: &Context, route: wire::Route) {
    let route = Route::read(route, &mut Interner::default()).unwrap();
    context.routes.put(Arc::new(route));
}

// === The client ===

/// A client whose session has begun.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) inbox: Inbox,
    pub(crate) key: (i32, Vec<u8>),
    /// Tags of the messages between AuthenticationOk and the first ReadyForQuery, that included.
    pub(crate) greeting: String,
}

/// What an ErrorResponse says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) sqlstate: String,
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl Failed {
    fn read(body: &[u8]) -> Self {
        let fields = Fields::new(body);
        fields.check().unwrap();
        let text = |code| fields.get(code).unwrap_or_default().to_owned();
        Self {
            sqlstate: text(b'C'),
            message: text(b'M'),
            hint: text(b'H'),
        }
    }
}

/// Logs in as the tenant, with more parameters.
pub(crate) async fn connect(
    addr: SocketAddr,
    parameters: &[(&str, &str)],
) -> Result<Client, Failed> {
    let names = [("user", DATABASE), ("database", DATABASE)];
    let all: Vec<_> = names.iter().chain(parameters).copied().collect();
    connect_as(addr, &all, PASSWORD, b"").await
}

/// Logs in and sends `early` in the same segment as the last message of the login.
pub(crate) async fn connect_as(
    addr: SocketAddr,
    parameters: &[(&str, &str)],
    password: &[u8],
    early: &[u8],
) -> Result<Client, Failed> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut out = Vec::new();
    startup::encode_startup(ProtocolVersion::V3_0, parameters.iter().copied(), &mut out).unwrap();
    stream.write_all(&out).await.unwrap();
    let mut client = Client {
        stream,
        inbox: Inbox::default(),
        key: (0, Vec::new()),
        greeting: String::new(),
    };
    let (exchange, first) = scram::client::Exchange::new(nonce(), None);
    client.expect(b'R').await?;
    out.clear();
    auth::encode_sasl_initial(exchange.mechanism(), &first, &mut out).unwrap();
    client.stream.write_all(&out).await.unwrap();
    let body = client.expect(b'R').await?;
    let Request::SaslContinue(data) = auth::decode_request(&body).unwrap() else {
        panic!("{body:?}");
    };
    let (exchange, last) = exchange
        .first(data, &Credential::Password(password))
        .unwrap();
    out.clear();
    auth::encode_sasl_response(&last, &mut out).unwrap();
    out.extend_from_slice(early);
    client.stream.write_all(&out).await.unwrap();
    let body = client.expect(b'R').await?;
    let Request::SaslFinal(data) = auth::decode_request(&body).unwrap() else {
        panic!("{body:?}");
    };
    exchange.finish(data).unwrap();
    client.expect(b'R').await?;
    loop {
        let (tag, body) = client.message().await.expect("the greeting goes on");
        client.greeting.push(char::from(tag));
        match tag {
            b'K' => {
                let key = BackendKeyData::decode(&body).unwrap();
                client.key = (key.pid, key.secret.to_vec());
            }
            b'E' => return Err(Failed::read(&body)),
            b'Z' => return Ok(client),
            _ => {}
        }
    }
}

impl Client {
    /// The next message; `None` at the end.
    pub(crate) async fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        match self.inbox.message(&mut self.stream, 1 << 20).await {
            Ok(message) => Some((message.tag, message.body.to_vec())),
            Err(_) => None,
        }
    }

    async fn expect(&mut self, tag: u8) -> Result<Vec<u8>, Failed> {
        match self.message().await.expect("there is an answer") {
            (other, body) if other == tag => Ok(body),
            (b'E', body) => Err(Failed::read(&body)),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn send_query(&mut self, text: &str) {
        let mut out = Vec::new();
        encode_query(text, &mut out).unwrap();
        self.stream.write_all(&out).await.unwrap();
    }

    /// Runs a statement; answers the command tag.
    pub(crate) async fn query(&mut self, text: &str) -> Result<String, Failed> {
        self.send_query(text).await;
        self.answer().await
    }

    /// The answer to one statement, up to ReadyForQuery or the end.
    pub(crate) async fn answer(&mut self) -> Result<String, Failed> {
        let mut answer = Err(Failed {
            sqlstate: "closed".to_owned(),
            message: String::new(),
            hint: String::new(),
        });
        while let Some((tag, body)) = self.message().await {
            match tag {
                b'C' => answer = Ok(CommandComplete::decode(&body).unwrap().tag.to_owned()),
                b'E' => answer = Err(Failed::read(&body)),
                b'Z' => break,
                _ => {}
            }
        }
        answer
    }

    /// Says goodbye and waits until the proxy has closed.
    pub(crate) async fn leave(mut self) {
        self.stream.write_all(b"X\0\0\0\x04").await.unwrap();
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
        assert!(frame(&rest, 1 << 20).unwrap().is_none(), "{rest:?}");
    }
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
