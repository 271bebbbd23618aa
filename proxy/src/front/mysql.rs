//! One MySQL or MariaDB client, from our greeting to its last byte.
//!
//! ```text
//!  accepted
//!     │
//!  handshake                                              ┐
//!     │  greeting, TLS or not, HandshakeResponse          │ handshake deadline, bounded bytes;
//!  login                                                  │ no server is touched yet
//!     │  proof against the route's verifier, or a mock    ┘
//!  admit
//!     │  suspended? draining? too many?
//!  checkout
//!     │  idle connection of the same key, or a new one, logged in with what the proof revealed;
//!     │  where the server wants the password itself, the client is asked for it meanwhile
//!  OK
//!     │
//!  serve ◄──── relay, but for the commands that are the proxy's business
//!     │  one side ends, or the process drains
//!  farewell ─► release: reset and back to the pool, or closed
//! ```
//!
//! A listener has one flavour, MySQL or MariaDB, because it greets before it knows the client: its
//! greeting is what all servers of that flavour can do, and its plugin is theirs.

mod change_user;
mod client;
mod exchange;
mod farewell;
mod handshake;
mod kill;
mod login;
pub(crate) mod offer;
mod opener;
mod refuse;
mod release;
mod serve;
mod workspace;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::mysql::Flavour;
use tenantsdb_codecs::mysql::auth::{encode_more_data, sha2};
use tenantsdb_codecs::mysql::code::Code;
use tenantsdb_codecs::mysql::flags::Status as ServerStatus;
use tenantsdb_codecs::mysql::report::Report;
use tenantsdb_codecs::mysql::server::Ok as OkPacket;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{Instrument, Span, info};

use crate::back::mysql::Connection;
use crate::cancel::mysql::{ConnectionIds, Registration};
use crate::context::Context;
use crate::core::Core;
use crate::front::admit::{NoSeat, Shut, admit, seat};
use crate::front::{FULL_TIMEOUT, close_with, gone, report};
use crate::limits::{DatabasePermit, Full, HandshakePermit, SourcePermit};
use crate::metrics::Login as LoginOutcome;
use crate::pool::{self, Pooled, Reserved, reserve};
use crate::relay::mysql::Error as RelayError;
use crate::route::Route;
use crate::session::Session;
use client::Client;
use handshake::{Door, Greeted, Startup, greet};
use login::Proved;
use opener::{OpenError, Opener, is_fast};
use refuse::Refusal;

/// How a session ended.
type Ended = crate::relay::Ended<RelayError>;
/// Why.
type End = crate::relay::End<RelayError>;

/// A session that has begun: its client has been told so.
struct Opened {
    client: Client<TcpStream>,
    startup: Startup,
    flavour: Flavour,
    peer: SocketAddr,
    pooled: Pooled<Connection>,
    registration: Registration,
    route: Arc<Route>,
    _place: DatabasePermit,
}

/// Serves one client until it is gone. Dropped before, it closes both connections. `source` is its
/// place among those of its address that have not logged in.
pub async fn serve(
    core: Rc<Core>,
    stream: TcpStream,
    peer: SocketAddr,
    source: SourcePermit,
    flavour: Flavour,
) {
    let session = Session::new();
    let span = session.span(Engine::MySql.name(), peer);
    let served = async {
        // Boxed, so that a session at rest is as large as the relay and not as its handshake.
        if let Some(opened) = Box::pin(open(&core, stream, peer, source, flavour)).await {
            run(&core, &session, opened).await;
        }
    };
    served.instrument(span).await;
}

/// Tells a client that there is no place for it, instead of greeting it.
pub async fn turn_away(core: Rc<Core>, stream: TcpStream, peer: SocketAddr, full: Full) {
    let span = Session::new().span(Engine::MySql.name(), peer);
    let refused = async {
        let refusal = Refusal::Full(full);
        refuse::note(&core.context, &refusal);
        let code = Code::TOO_MANY_CONNECTIONS;
        let mut last = Vec::new();
        Report::new(code, &refusal.to_string()).encode_before_greeting(&mut last);
        let told = close_with(crate::stream::Stream::Plain(stream), &last);
        let _ = timeout(FULL_TIMEOUT, told).await;
    };
    refused.instrument(span).await;
}

/// All up to the OK. `None` if there is no session; the client knows why.
async fn open(
    core: &Core,
    stream: TcpStream,
    peer: SocketAddr,
    source: SourcePermit,
    flavour: Flavour,
) -> Option<Box<Opened>> {
    let context = &core.context;
    let deadline = Instant::now() + context.config.handshake_timeout;
    let registration = ConnectionIds::register(context);
    let acceptor = context.tls.acceptor();
    let version = context.routes.mysql_version(flavour);
    let door = Door {
        flavour,
        version: &version,
        id: registration.id(),
        acceptor: acceptor.as_deref(),
    };
    let greeted = match timeout_at(deadline, greet(stream, &door)).await {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(refusal)) => {
            refuse::note(context, &refusal);
            return None;
        }
        Err(_) => {
            refuse::note(context, &Refusal::TooSlow);
            return None;
        }
    };
    let (greeted, place) = enter(context, greeted, source, (flavour, peer)).await?;
    let startup = timeout_at(deadline, greeted.startup(acceptor.as_deref())).await;
    let (mut client, mut startup) = match startup {
        Ok(Ok(begun)) => begun,
        Ok(Err(stray)) => {
            refuse::note(context, &stray.refusal);
            if let Some(client) = stray.client {
                refuse::tell(*client, &stray.refusal, flavour, peer.ip()).await;
            }
            return None;
        }
        Err(_) => {
            refuse::note(context, &Refusal::TooSlow);
            return None;
        }
    };
    Span::current()
        .record("database", &startup.database)
        .record("user", &startup.user);
    let begun = begin(core, &mut client, &mut startup, (flavour, deadline, place));
    match begun.await {
        Ok((route, pooled, place)) => {
            registration.attach(pooled.key(), pooled.connection.session.thread);
            Some(Box::new(Opened {
                client,
                startup,
                flavour,
                peer,
                pooled,
                registration,
                route,
                _place: place,
            }))
        }
        Err(refusal) => {
            refuse::note(context, &refusal);
            refuse::tell(client, &refusal, flavour, peer.ip()).await;
            None
        }
    }
}

/// A place among those that log in, once the client has begun to answer. `None` if it does not, or
/// there is none; the client knows why.
async fn enter(
    context: &Context,
    greeted: Greeted<TcpStream>,
    source: SourcePermit,
    (flavour, peer): (Flavour, SocketAddr),
) -> Option<(Greeted<TcpStream>, HandshakePermit)> {
    match seat(context, greeted.transport(), source).await {
        Ok(place) => Some((greeted, place)),
        Err(NoSeat::Silent) => {
            refuse::note(context, &Refusal::TooSlow);
            None
        }
        Err(NoSeat::Full) => {
            let refusal = Refusal::Full(Full::Handshakes);
            refuse::note(context, &refusal);
            let mut client = greeted.into_client();
            client.sequence = 2; // behind its response, which nobody reads
            refuse::tell(client, &refusal, flavour, peer.ip()).await;
            None
        }
    }
}

/// Login, admission, checkout, OK.
async fn begin(
    core: &Core,
    client: &mut Client<TcpStream>,
    startup: &mut Startup,
    (flavour, deadline, place): (Flavour, Instant, HandshakePermit),
) -> Result<(Arc<Route>, Pooled<Connection>, DatabasePermit), Refusal> {
    let context = &core.context;
    let proved = timeout_at(deadline, login::login(client, startup, flavour, context)).await;
    let proved = proved.map_err(|_| Refusal::TooSlow)??;
    drop(place);
    // COM_CHANGE_USER may be proved with it again.
    startup.nonce = proved.nonce;
    let shut = |shut| shut_out(&proved.route, startup, shut);
    let place = admit(context, &proved.route, proved.login()).map_err(shut)?;
    let (pooled, asked) = checkout(core, client, &proved, startup).await?;
    if is_fast(&proved.proof, asked) {
        encode_more_data(&[sha2::FAST_OK], &mut client.sequence, &mut client.out);
    }
    push_ok(client);
    timeout(context.config.handshake_timeout, client.send())
        .await
        .map_err(|_| Refusal::TooSlow)??;
    context.metrics.logins.increment(LoginOutcome::Accepted);
    Ok((proved.route, pooled, place))
}

/// A server connection, and whether the client was asked for its password on the way.
async fn checkout(
    core: &Core,
    client: &mut Client<TcpStream>,
    proved: &Proved,
    startup: &Startup,
) -> Result<(Pooled<Connection>, bool), Refusal> {
    let context = &core.context;
    let refused = |error| Refusal::Checkout {
        database: startup.database.clone(),
        error,
    };
    let deadline = Instant::now() + context.config.handshake_timeout;
    let mut opener = Opener::new(context, client, proved, startup, deadline);
    let reserving = reserve(context, &core.mysql, opener.request());
    let reserved = tokio::select! {
        biased;
        reserved = reserving => reserved.map_err(|none| refused(pool::Error::NoPlace(none)))?,
        gone = gone(opener.transport()) => return Err(Refusal::Gone(gone)),
    };
    let place = match reserved {
        Reserved::Connection(pooled) => return Ok((pooled, false)),
        Reserved::Place(place) => place,
    };
    match place.fill(context, &core.mysql, &mut opener).await {
        Ok(pooled) => Ok((pooled, opener.asked)),
        Err(OpenError::Client(refusal)) => Err(refusal),
        Err(OpenError::Server(error)) => Err(refused(pool::Error::Server(error))),
    }
}

/// Why a client that has proved who it is does not come in.
fn shut_out(route: &Route, startup: &Startup, shut: Shut) -> Refusal {
    let database = route.database.clone();
    match shut {
        Shut::Draining => Refusal::Draining,
        Shut::Revoked => Refusal::Denied {
            user: startup.user.clone(),
            password: true,
        },
        Shut::Suspended => Refusal::Suspended {
            user: startup.user.clone(),
            database,
        },
        Shut::Full => Refusal::DatabaseFull { database },
    }
}

/// From the OK to the end of both connections, or of one.
async fn run(core: &Core, session: &Session, mut opened: Box<Opened>) {
    info!("session begins");
    let ended = serve::serve(core, session, &mut opened).await;
    report(&core.context, &ended);
    // Boxed, for a session at rest need not have room for its end.
    Box::pin(finish(core, *opened, ended)).await;
}

/// Lets go of both connections; the server's does not wait for a client that is slow to go.
async fn finish(core: &Core, opened: Opened, ended: Ended) {
    let Opened {
        client,
        pooled,
        registration,
        route,
        _place,
        ..
    } = opened;
    tokio::join!(
        release::release(core, &route, pooled, registration, &ended),
        farewell::farewell(client.stream, &ended),
    );
}

/// Puts an OK without anything special to what is to be sent.
fn push_ok<T>(client: &mut Client<T>) {
    let ok = OkPacket {
        status: ServerStatus::AUTOCOMMIT,
        ..OkPacket::default()
    };
    ok.encode(&mut client.sequence, &mut client.out);
}

#[cfg(test)]
mod tests;
