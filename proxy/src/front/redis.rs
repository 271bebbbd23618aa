//! One Redis client, from its first byte to its last.
//!
//! ```text
//!  accepted
//!     │
//!  handshake ◄──────────────────────────────────────────┐ ┐
//!     │  TLS or not; HELLO, AUTH, RESET, QUIT           │ │ handshake deadline, 10 arguments,
//!  login ◄────────────────────────────────────────────┐ │ │ 16 kB; no server is touched yet
//!     │  SHA-256 against the route's verifier, or a   │ │ ┘
//!     │  stand-in                                     │ │
//!  admit                                              │ │
//!     │  suspended? draining? too many?               │ │
//!     ├─ a server of its own: checkout, answer,       │ │
//!     │  splice ─► closed, both                       │ │
//!  answer: +OK, or HELLO's map                        │ │
//!     │                                               │ │
//!  serve  a server connection is taken when it is     │ │
//!     │   needed, and given back when it is not       │ │
//!     ├─ AUTH as another ─────────────────────────────┘ │
//!     ├─ RESET ─────────────────────────────────────────┘
//!     │  one side ends, or the process drains
//!  farewell ─► release: reset and back to the pool, or closed
//! ```
//!
//! A client may send its whole pipeline with its login: what comes behind it stays in the inbox.

pub(crate) mod answer;
pub(crate) mod client;
mod farewell;
mod handshake;
mod ids;
pub(crate) mod info;
pub(crate) mod local;
pub(crate) mod login;
pub(crate) mod opener;
pub(crate) mod refuse;
pub(crate) mod registry;
mod release;
mod serve;
mod splice;
pub(crate) mod state;

use std::net::SocketAddr;
use std::rc::Rc;

use tenantsdb_codecs::feed::id::Engine;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{Instrument, Span, info};

use crate::back::redis::Connection;
use crate::context::Context;
use crate::core::Core;
use crate::front::admit::{NoSeat, Shut, admit, seat};
use crate::front::{FULL_TIMEOUT, gone};
use crate::limits::{DatabasePermit, Full, HandshakePermit, SourcePermit};
use crate::metrics::Login as LoginOutcome;
use crate::pool::Pooled;
use crate::route::Route;
use crate::session::Session;
use client::Client;
use handshake::{Asked, Login};
pub use ids::ClientIds;
use login::Proved;
use opener::Opener;
use refuse::Refusal;
use registry::Member;

/// A client that is logged in, and has been told so.
pub(crate) struct Opened {
    pub(crate) client: Client<TcpStream>,
    pub(crate) proved: Proved,
    /// What a database that has its server to itself is served with.
    dedicated: Option<Pooled<Connection>>,
    /// Its place among the clients of its database, if that shares its server.
    member: Option<Member>,
    _place: DatabasePermit,
}

/// What comes after a client was served.
pub(crate) enum After {
    /// Nothing: both sides have been seen off.
    Over,
    /// RESET: it is nobody again, and has been told so.
    Reset(Client<TcpStream>),
    /// It has proved to be somebody, again or else, and is owed the answer.
    Again(Client<TcpStream>, Login, Proved),
}

/// Serves one client until it is gone. Dropped before, it closes both connections. `source` is its
/// place among those of its address that have not logged in.
pub async fn serve(core: Rc<Core>, stream: TcpStream, peer: SocketAddr, source: SourcePermit) {
    let session = Session::new();
    let span = session.span(Engine::Redis.name(), peer);
    let served = async {
        // Boxed, so that a session at rest is as large as what serves it and not as its handshake.
        let mut opened = Box::pin(open(&core, stream, peer, source)).await;
        while let Some(client) = opened.take() {
            opened = match run(&core, &session, client).await {
                After::Over => None,
                After::Reset(client) => Box::pin(reopen(&core, client)).await,
                After::Again(client, login, proved) => {
                    Box::pin(enter(&core, client, login, proved)).await
                }
            };
        }
    };
    served.instrument(span).await;
}

/// Tells a client that there is no place for it.
pub async fn turn_away(core: Rc<Core>, stream: TcpStream, peer: SocketAddr, full: Full) {
    let span = Session::new().span(Engine::Redis.name(), peer);
    let refused = async {
        refuse::note(&core.context, &Refusal::Full(full));
        refuse_full(&core.context, stream, peer, full).await;
    };
    refused.instrument(span).await;
}

async fn refuse_full(context: &Context, stream: TcpStream, peer: SocketAddr, full: Full) {
    let acceptor = context.tls.acceptor();
    let begun = handshake::begin(stream, peer, 0, acceptor.as_deref());
    if let Ok(Ok(client)) = timeout(FULL_TIMEOUT, begun).await {
        refuse::tell(client, &Refusal::Full(full)).await;
    }
}

/// All up to the answer to the login. `None` if there is no session; the client knows why.
async fn open(
    core: &Core,
    stream: TcpStream,
    peer: SocketAddr,
    source: SourcePermit,
) -> Option<Box<Opened>> {
    let context = &core.context;
    let deadline = Instant::now() + context.config.handshake_timeout;
    let place = match seat(context, &stream, source).await {
        Ok(place) => place,
        Err(NoSeat::Silent) => {
            refuse::note(context, &Refusal::TooSlow);
            return None;
        }
        Err(NoSeat::Full) => {
            refuse::note(context, &Refusal::Full(Full::Handshakes));
            refuse_full(context, stream, peer, Full::Handshakes).await;
            return None;
        }
    };
    let acceptor = context.tls.acceptor();
    let id = context.client_ids.next();
    let begun = handshake::begin(stream, peer, id, acceptor.as_deref());
    let client = timeout_at(deadline, begun).await;
    match client.unwrap_or(Err(Refusal::TooSlow)) {
        Ok(client) => log_in(core, client, deadline, place).await,
        Err(refusal) => {
            refuse::note(context, &refusal);
            None
        }
    }
}

/// A client that is nobody again logs in as one that has just come, but for its TLS.
async fn reopen(core: &Core, client: Client<TcpStream>) -> Option<Box<Opened>> {
    let context = &core.context;
    let deadline = Instant::now() + context.config.handshake_timeout;
    let source = context.limits.source(client.peer.ip());
    let place = source.and_then(|source| context.limits.handshake(source).ok());
    match place {
        Some(place) => log_in(core, client, deadline, place).await,
        None => refuse(context, client, &Refusal::Full(Full::Handshakes)).await,
    }
}

/// Lets a client say who it is until it is somebody, or the deadline has come.
async fn log_in(
    core: &Core,
    mut client: Client<TcpStream>,
    deadline: Instant,
    place: HandshakePermit,
) -> Option<Box<Opened>> {
    let context = &core.context;
    let proved = timeout_at(deadline, prove(context, &mut client)).await;
    match proved.unwrap_or(Err(Refusal::TooSlow)) {
        Ok((login, proved)) => {
            drop(place);
            enter(core, client, login, proved).await
        }
        Err(refusal) => refuse(context, client, &refusal).await,
    }
}

async fn prove(
    context: &Context,
    client: &mut Client<TcpStream>,
) -> Result<(Login, Proved), Refusal> {
    loop {
        let login = match handshake::ask(client).await? {
            Asked::Login(login) => login,
            Asked::Quit => return Err(Refusal::Quit),
        };
        match login::check(context, &login) {
            Some(proved) => return Ok((login, proved)),
            // As with Redis it may try again; its deadline goes on.
            None => {
                refuse::note(context, &Refusal::Denied);
                answer::error(&mut client.out, refuse::WRONGPASS);
            }
        }
    }
}

/// Admission, a server connection where that is needed at once, and the answer to the login.
async fn enter(
    core: &Core,
    mut client: Client<TcpStream>,
    login: Login,
    proved: Proved,
) -> Option<Box<Opened>> {
    let context = &core.context;
    Span::current()
        .record("database", &*proved.route.database)
        .record("user", proved.login().user.as_ref());
    match welcome(core, &mut client, login, &proved).await {
        Ok(welcomed) => Some(Box::new(Opened {
            client,
            proved,
            dedicated: welcomed.dedicated,
            member: welcomed.member,
            _place: welcomed.place,
        })),
        Err(refusal) => refuse(context, client, &refusal).await,
    }
}

/// What a client has that was let in.
struct Welcomed {
    dedicated: Option<Pooled<Connection>>,
    member: Option<Member>,
    place: DatabasePermit,
}

async fn welcome(
    core: &Core,
    client: &mut Client<TcpStream>,
    login: Login,
    proved: &Proved,
) -> Result<Welcomed, Refusal> {
    let context = &core.context;
    let place = admit(context, &proved.route, proved.login())
        .map_err(|shut| shut_out(&proved.route, shut))?;
    let asked_by_hello = login.hello.is_some();
    if let Some(hello) = login.hello {
        client.greet(hello);
    }
    let mut dedicated = None;
    if proved.is_dedicated() {
        let opener = Opener::session(context, proved, client.protocol);
        let pooled = tokio::select! {
            biased;
            found = opener.dedicated(core, client.name.as_deref()) => found,
            gone = gone(client.stream.transport()) => return Err(Refusal::Gone(gone)),
        };
        let pooled = pooled.map_err(|error| Refusal::checkout(proved, error))?;
        client.id = pooled.connection.session.id;
        dedicated = Some(pooled);
    }
    // Before it is told: whoever looks for it then finds it.
    let member = match dedicated {
        Some(_) => None,
        None => Some(serve::register(context, client, proved)?),
    };
    if asked_by_hello {
        answer::hello(client.protocol, &proved.route, client.id, &mut client.out);
    } else {
        answer::ok(&mut client.out);
    }
    timeout(context.config.handshake_timeout, client.send())
        .await
        .map_err(|_| Refusal::TooSlow)??;
    context.metrics.logins.increment(LoginOutcome::Accepted);
    Ok(Welcomed {
        dedicated,
        member,
        place,
    })
}

/// Why a client that has proved who it is does not come in.
fn shut_out(route: &Route, shut: Shut) -> Refusal {
    let database = route.database.clone();
    match shut {
        Shut::Draining => Refusal::Draining,
        Shut::Revoked => Refusal::Denied,
        Shut::Suspended => Refusal::Suspended { database },
        Shut::Full => Refusal::DatabaseFull { database },
    }
}

/// Notes and tells why there is no session.
async fn refuse(
    context: &Context,
    client: Client<TcpStream>,
    refusal: &Refusal,
) -> Option<Box<Opened>> {
    refuse::note(context, refusal);
    refuse::tell(client, refusal).await;
    None
}

/// From the answer to the login to whatever comes after.
async fn run(core: &Rc<Core>, session: &Session, mut opened: Box<Opened>) -> After {
    info!("session begins");
    match opened.dedicated.take() {
        Some(pooled) => {
            splice::splice(core, opened.client, pooled).await;
            After::Over
        }
        None => serve::serve(core, session, opened).await,
    }
}

#[cfg(test)]
mod tests;
