//! A PostgreSQL server that does as it is told.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use tenantsdb_codecs::postgres::auth;
use tenantsdb_codecs::postgres::report::{Report, Severity};
use tenantsdb_codecs::postgres::server::{
    BackendKeyData, CommandComplete, ParameterStatus, ReadyForQuery, TransactionStatus,
};
use tenantsdb_codecs::postgres::sqlstate::SqlState;
use tenantsdb_codecs::postgres::startup::{self, StartupPacket};
use tenantsdb_codecs::scram;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::spawn_local;

use super::verifier;
use crate::inbox::{Error, Inbox};
use crate::nonce::nonce;

/// What a fake server does at the points where servers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Good,
    /// The login is refused with this code.
    RefuseLogin(&'static str),
    /// Has room for so many connections.
    Room(u32),
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
            Mood::Room(connections) if self.open() > connections => {
                fail(SqlState::TOO_MANY_CONNECTIONS, Severity::Fatal, &mut out);
                stream.write_all(&out).await?;
                return Ok(());
            }
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
