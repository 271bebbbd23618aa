//! From the first byte to who the client says it is.
//!
//! ```text
//!   16 03 01 … ─► TLS ─┐ (the length of a message that begins so is beyond any bound)
//!   any other ─────────┴► hello, isMaster     ─► what the servers behind can do
//!                        ping, buildInfo, …  ─► answered here
//!                        saslStart           ─► login
//!                        anything else       ─► 13 Unauthorized
//! ```
//!
//! Drivers have a connection to each server that says hello every few seconds and never logs in
//! (Server Discovery and Monitoring, <https://github.com/mongodb/specifications>). The deadline of
//! a login is not theirs: a connection that has said hello may be silent for [`MONITOR_IDLE_MAX`].

use std::io;
use std::net::SocketAddr;

use rustix::net::{RecvFlags, recv};
use tenantsdb_codecs::mongo::auth::server::Failure;
use tenantsdb_codecs::mongo::auth::{SaslContinue, SaslReply, SaslStart};
use tenantsdb_codecs::mongo::bson::{DEPTH_MAX, Document, Writer, validate};
use tenantsdb_codecs::mongo::code::Code;
use tenantsdb_codecs::mongo::frame::Opcode;
use tenantsdb_codecs::mongo::op_msg::Message;
use tenantsdb_codecs::mongo::report::{self, report};
use tenantsdb_codecs::mongo::startup::{Hello, Query};
use tenantsdb_codecs::mongo::{Error as ProtocolError, auth};
use tenantsdb_codecs::scram;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, timeout_at};
use tracing::debug;

use super::client::{Client, Introduction};
use super::login::{self, Conversation, Proved, Step};
use super::offer;
use super::refuse::{self, Refusal};
use crate::context::Context;
use crate::limits::{Full, HandshakePermit, MonitorPermit};
use crate::stream::Stream;
use crate::tls::accept::Acceptor;

/// Longest message of a client that has not logged in, in bytes. A hello has some hundred, 512 of
/// which are what the driver says of itself.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// How long a monitor may be silent. Drivers come every 10 s unless they are told otherwise
/// (`heartbeatFrequencyMS`).
const MONITOR_IDLE_MAX: Duration = Duration::from_secs(120);
/// Logins of one connection that may come to nothing before it is closed. Drivers try once.
const FAILURES_MAX: u32 = 5;
/// A record of the TLS handshake (RFC 8446, section 5.1), before the lower half of its version,
/// which is never 0. As the length of a message the three bytes are more than
/// [`MESSAGE_BYTES_MAX`]; with a 0 they are 790, and a hello may be as long as that.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];

/// A client that has proved who it is, and what it is to be told.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) proved: Proved,
    pub(super) reply: SaslReply,
}

/// Up to the login.
pub(super) struct Handshake<'a> {
    /// What the client has said of itself.
    pub(super) introduction: Introduction,
    context: &'a Context,
    place: Place,
    conversation: Option<Conversation>,
    /// Logins that came to nothing.
    failures: u32,
}

/// What a client is that has not logged in.
enum Place {
    /// One that logs in; until then.
    LogsIn(HandshakePermit, Instant),
    /// Somebody's monitor, until it proves to be more.
    Monitor(MonitorPermit),
    /// Between the two.
    None,
}

/// What comes of one request.
enum Turn {
    /// This document is the reply.
    Reply(Vec<u8>),
    LoggedIn(Box<LoggedIn>),
}

/// Takes a client in, over TLS if it begins so. Not cancel safe: drop the client with it. The
/// deadline is the caller's. `acceptor` is `None` where TLS is not offered.
pub(super) async fn begin(
    stream: TcpStream,
    peer: SocketAddr,
    id: i64,
    acceptor: Option<&Acceptor>,
) -> Result<Client<TcpStream>, Refusal> {
    let is_tls = begins_with_tls(&stream).await?;
    let stream = match (is_tls, acceptor) {
        (true, Some(acceptor)) => {
            let tls = acceptor.nameless(stream).await.map_err(Refusal::Tls)?;
            Stream::Tls(Box::new(tls.into()))
        }
        (true, None) => return Err(Refusal::UnexpectedTls),
        (false, _) => Stream::Plain(stream),
    };
    Ok(Client::new(stream, peer, id))
}

/// Looks at the first three bytes, and leaves them where they are. Less than that may say nothing
/// yet: the next is waited for then, unless the client has closed. Cancel safe.
async fn begins_with_tls(stream: &TcpStream) -> io::Result<bool> {
    loop {
        let ready = stream.ready(Interest::READABLE).await?;
        let looked = stream.try_io(Interest::READABLE, || {
            let mut first = [0; 3];
            let (_, bytes) = recv(stream, &mut first, RecvFlags::PEEK)?;
            let come = first.get(..bytes).unwrap_or_default();
            let is_part = (1..=2).contains(&bytes) && TLS_HANDSHAKE.starts_with(come);
            match is_part && !ready.is_read_closed() {
                // As if nothing had come: what comes next wakes.
                true => Err(io::ErrorKind::WouldBlock.into()),
                false => {
                    Ok(come.starts_with(&TLS_HANDSHAKE) && come.last() != Some(&0) && bytes == 3)
                }
            }
        });
        match looked {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            looked => return looked,
        }
    }
}

// === impl Place ===

impl Place {
    /// Completes when another monitor has been given its place.
    async fn lost(&self) {
        match self {
            Self::Monitor(place) => place.lost().await,
            _ => std::future::pending().await,
        }
    }
}

// === impl Handshake ===

impl<'a> Handshake<'a> {
    pub(super) fn new(context: &'a Context, place: HandshakePermit, deadline: Instant) -> Self {
        Self {
            introduction: Introduction::default(),
            context,
            place: Place::LogsIn(place, deadline),
            conversation: None,
            failures: 0,
        }
    }

    /// Answers a client until it has proved who it is. Not cancel safe.
    pub(super) async fn run<T>(&mut self, client: &mut Client<T>) -> Result<LoggedIn, Refusal>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            let bytes = self.message(client).await?;
            let message = client.inbox.unread().get(..bytes).unwrap_or_default();
            let (turn, is_answered) = self.turn(client.id, message)?;
            client.inbox.take(bytes);
            match turn {
                Turn::Reply(document) if is_answered => client.reply(&document),
                Turn::Reply(_) => client.unanswered(),
                Turn::LoggedIn(logged_in) => return Ok(*logged_in),
            }
        }
    }

    /// Waits for the next message: until the deadline of who logs in; of a monitor for longer, but
    /// not for the rest of a message that has begun.
    async fn message<T>(&self, client: &mut Client<T>) -> Result<usize, Refusal>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let deadline = match &self.place {
            Place::LogsIn(_, deadline) => *deadline,
            _ => {
                let idle = Instant::now() + MONITOR_IDLE_MAX;
                tokio::select! {
                    biased;
                    () = self.context.drain.draining() => return Err(Refusal::Draining),
                    () = self.place.lost() => return Err(Refusal::Full(Full::Handshakes)),
                    begun = timeout_at(idle, client.begin()) => match begun {
                        // Its application ends: nothing is wrong.
                        Ok(Err(Refusal::Gone(None))) => return Err(Refusal::Goodbye),
                        Ok(begun) => begun?,
                        Err(_) => return Err(Refusal::TooSlow),
                    },
                }
                Instant::now() + self.context.config.handshake_timeout
            }
        };
        let message = timeout_at(deadline, client.message(MESSAGE_BYTES_MAX)).await;
        message.unwrap_or(Err(Refusal::TooSlow))
    }

    /// Answers one request; also whether it wants an answer.
    fn turn(&mut self, id: i64, message: &[u8]) -> Result<(Turn, bool), Refusal> {
        let header = tenantsdb_codecs::mongo::frame::Header::read(message, MESSAGE_BYTES_MAX)?;
        let opcode = header.map(|header| header.opcode);
        match opcode {
            Some(Opcode::Msg) => {
                let message = Message::read(message)?;
                validate(message.body.bytes(), DEPTH_MAX)?;
                let turn = self.command(id, message.body)?;
                Ok((turn, !message.flags.more_to_come))
            }
            Some(Opcode::Query) => {
                let query = Query::read(message)?;
                validate(query.query.bytes(), DEPTH_MAX)?;
                let turn = match query.command()? {
                    Some((_, command)) if is_hello(command)? => self.hello(id, command)?,
                    _ => Turn::Reply(report(Code::UnsupportedOpQueryCommand, OLD_COMMAND, &[])),
                };
                Ok((turn, true))
            }
            Some(Opcode::Compressed) => Err(Refusal::Compressed),
            _ => Err(Refusal::Protocol(ProtocolError::Unsupported("opcode"))),
        }
    }

    fn command(&mut self, id: i64, command: Document<'_>) -> Result<Turn, Refusal> {
        let name = command.first()?.map_or("", |(name, _)| name);
        Ok(match name {
            _ if Hello::is(name) => self.hello(id, command)?,
            "saslStart" => self.sasl_start(command)?,
            "saslContinue" => self.sasl_continue(command)?,
            // What X.509 has instead.
            "authenticate" => {
                let mechanism = command.get("mechanism")?;
                let mechanism = mechanism.and_then(|mechanism| mechanism.as_str());
                Turn::Reply(mechanism_refused(mechanism.unwrap_or_default()))
            }
            "ping" | "logout" => Turn::Reply(report::ok()),
            "buildInfo" | "buildinfo" => Turn::Reply(build_info(self.context)),
            _ => {
                let text = format!("Command {name} requires authentication");
                Turn::Reply(report(Code::Unauthorized, &text, &[]))
            }
        })
    }

    fn hello(&mut self, id: i64, command: Document<'_>) -> Result<Turn, Refusal> {
        let hello = match Hello::read(command) {
            Ok(hello) => hello,
            Err(error) => {
                let text = error.to_string();
                return Ok(Turn::Reply(report(error.code(), &text, &[])));
            }
        };
        if self.context.drain.is_draining() {
            return Err(Refusal::Draining);
        }
        if let Err(refused) = self.introduction.take(&hello) {
            return Ok(Turn::Reply(refused.report()));
        }
        if let Some(client) = &hello.client {
            debug!(
                application = client.application,
                driver = client.driver,
                version = client.driver_version,
                "hello"
            );
        }
        let mut reply = offer::reply(self.context, &hello, (id, &self.introduction));
        match hello.speculative {
            // What cannot be begun so is begun again, and refused then with the reason.
            Some(start) => {
                if let Ok((conversation, answer)) = login::start(self.context, &start) {
                    self.conversation = Some(conversation);
                    reply.speculative = Some(answer);
                }
            }
            None if hello.sasl_supported_mechs.is_none() => self.is_monitor()?,
            None => {}
        }
        Ok(Turn::Reply(reply.write()))
    }

    /// Gives up the place of who logs in.
    fn is_monitor(&mut self) -> Result<(), Refusal> {
        if let Place::LogsIn(..) = self.place
            && let Place::LogsIn(place, _) = std::mem::replace(&mut self.place, Place::None)
        {
            let monitor = self.context.limits.monitor(place);
            self.place = Place::Monitor(monitor.ok_or(Refusal::Full(Full::Handshakes))?);
        }
        Ok(())
    }

    fn sasl_start(&mut self, command: Document<'_>) -> Result<Turn, Refusal> {
        let start = SaslStart::read(command)?;
        if start.mechanism != scram::SHA_256 {
            return Ok(Turn::Reply(mechanism_refused(start.mechanism)));
        }
        Ok(match login::start(self.context, &start) {
            Ok((conversation, reply)) => {
                self.conversation = Some(conversation);
                Turn::Reply(reply.write())
            }
            Err(failure) => Turn::Reply(self.failed(&failure)?),
        })
    }

    fn sasl_continue(&mut self, command: Document<'_>) -> Result<Turn, Refusal> {
        let next = SaslContinue::read(command)?;
        let Some(conversation) = self.conversation.take() else {
            let text = "No SASL session state found";
            return Ok(Turn::Reply(report(Code::ProtocolError, text, &[])));
        };
        Ok(match conversation.next(&next) {
            Ok(Step::On(conversation, reply)) => {
                self.conversation = Some(conversation);
                Turn::Reply(reply.write())
            }
            Ok(Step::Done(proved, reply)) => Turn::LoggedIn(Box::new(LoggedIn {
                proved: *proved,
                reply,
            })),
            Err(failure) => Turn::Reply(self.failed(&failure)?),
        })
    }

    /// As with mongod it may try again, but not for ever: a monitor has no deadline.
    fn failed(&mut self, failure: &Failure) -> Result<Vec<u8>, Refusal> {
        self.conversation = None;
        self.failures += 1;
        if self.failures >= FAILURES_MAX {
            return Err(Refusal::Denied);
        }
        Ok(match failure {
            Failure::Scram(scram::Error::Proof) => {
                refuse::note(self.context, &Refusal::Denied);
                report(Code::AuthenticationFailed, refuse::DENIED, &[])
            }
            // The server has one code for all of them.
            Failure::Scram(error) => {
                let text = format!("Authentication failed: {error}");
                report(Code::AuthenticationFailed, &text, &[])
            }
            other => report(Code::ProtocolError, &other.to_string(), &[]),
        })
    }
}

pub(super) const OLD_COMMAND: &str = "Unsupported OP_QUERY command. The client driver may \
     require an upgrade: only hello and isMaster are taken so";

pub(super) fn is_hello(command: Document<'_>) -> Result<bool, ProtocolError> {
    Ok(command.first()?.is_some_and(|(name, _)| Hello::is(name)))
}

fn mechanism_refused(mechanism: &str) -> Vec<u8> {
    let reason = match mechanism {
        auth::SHA_1 => "its keys are made of MD5, and the proxy has none",
        "PLAIN" => "it would show the password to the proxy",
        "MONGODB-X509" => "the proxy asks for no certificate",
        _ => "the proxy does not know it",
    };
    let text = format!(
        "Received authentication for mechanism {mechanism} which is not enabled: {reason}; use \
         authMechanism=SCRAM-SHA-256"
    );
    report(Code::MechanismUnavailable, &text, &[])
}

/// What mongosh and monitors look at: the version that all servers have at least.
pub(super) fn build_info(context: &Context) -> Vec<u8> {
    let version = context.routes.mongo_version();
    let mut parts = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|digits| digits.parse().unwrap_or(0));
    let parts: [i32; 3] = std::array::from_fn(|_| parts.next().unwrap_or(0));
    let mut reply = Writer::new();
    reply
        .str("version", &version)
        .str("gitVersion", "tenantsdb")
        .array("modules", |_| {})
        .str("sysInfo", "deprecated")
        .array("versionArray", |array| {
            for part in parts.into_iter().chain([0]) {
                array.i32(part);
            }
        })
        .i32("bits", 64)
        .bool("debug", false)
        .i32("maxBsonObjectSize", 16 * 1024 * 1024)
        .f64("ok", 1.0);
    reply.finish()
}
