//! One PostgreSQL client, from its first byte to its last.
//!
//! ```text
//!  accepted
//!     │
//!  handshake ── CancelRequest ─► cancel ─► closed
//!     │  TLS or not, StartupMessage                       ┐
//!  login                                                  │ handshake deadline, bounded bytes;
//!     │  SCRAM against the route's verifier, or a mock    ┘ no server is touched yet
//!  admit
//!     │  suspended? draining? too many?
//!  checkout
//!     │  idle connection of the same key, or a new one, logged in with the client's own key
//!  answer
//!     │  AuthenticationOk, the server's parameters, a cancel key of ours, ReadyForQuery
//!  relay ◄──── most of its life is spent here, without a buffer
//!     │  one side ends, or the process drains
//!  farewell ─► release: reset and back to the pool, or closed
//! ```
//!
//! Whatever goes wrong on the way to the relay is a [`refuse::Refusal`], told to the client in its
//! own protocol where it can still hear.

mod answer;
mod client;
mod farewell;
mod handshake;
mod login;
mod opener;
mod refuse;
mod release;
mod startup;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::Kind;
use tenantsdb_codecs::postgres;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{Instrument, Span, info};

use crate::back::postgres::Connection;
use crate::cancel::CancelKeys;
use crate::cancel::postgres::Registration;
use crate::context::Context;
use crate::core::Core;
use crate::ddl::session::{Author, Inspect};
use crate::front::admit::{NoSeat, Shut, admit, seat};
use crate::front::{FULL_TIMEOUT, gone, report};
use crate::limits::{DatabasePermit, Full, HandshakePermit, SourcePermit};
use crate::metrics::Login as LoginOutcome;
use crate::pool::{self, Pooled};
use crate::relay::Relay;
use crate::relay::postgres::Traffic;
use crate::route::Route;
use crate::session::Session;
use crate::stream::Stream;
use client::Client;
use handshake::Handshake;
use login::Proved;
use opener::Opener;
use refuse::Refusal;
use startup::Startup;

/// How a session ended.
type Ended = crate::relay::Ended<postgres::Error>;

/// A session that has begun: its client has been told so.
struct Opened {
    stream: Stream<TcpStream>,
    /// What the client has sent already.
    early: Vec<u8>,
    pooled: Pooled<Connection>,
    key: Registration,
    route: Arc<Route>,
    user: Box<str>,
    _place: DatabasePermit,
}

/// Serves one client until it is gone. Dropped before, it closes both connections. `source` is its
/// place among those of its address that have not logged in.
pub async fn serve(core: Rc<Core>, stream: TcpStream, peer: SocketAddr, source: SourcePermit) {
    let session = Session::new();
    let span = session.span(Engine::Postgres.name(), peer);
    let served = async {
        // Boxed, so that a session at rest is as large as the relay and not as its handshake.
        if let Some(opened) = Box::pin(open(&core, stream, source)).await {
            run(&core, &session, opened).await;
        }
    };
    served.instrument(span).await;
}

/// Tells a client that there is no place for it. What it wants cancelled is cancelled all the same:
/// that may be what makes room.
pub async fn turn_away(core: Rc<Core>, stream: TcpStream, peer: SocketAddr, full: Full) {
    let span = Session::new().span(Engine::Postgres.name(), peer);
    let refused = async { refuse_full(&core.context, stream, full).await };
    refused.instrument(span).await;
}

async fn refuse_full(context: &Context, stream: TcpStream, full: Full) {
    let refusal = Refusal::Full(full);
    let acceptor = context.tls.acceptor();
    let handshake = handshake::handshake(stream, acceptor.as_deref());
    match timeout(FULL_TIMEOUT, handshake).await {
        Ok(Ok(Handshake::Cancel { pid, secret })) => {
            CancelKeys::cancel(context, pid, &secret).await;
        }
        Ok(Ok(Handshake::Startup(client, _))) => {
            refuse::note(context, &refusal);
            refuse::tell(client, &refusal).await;
        }
        Ok(Err(_)) | Err(_) => refuse::note(context, &refusal),
    }
}

/// A place among those that log in, once the client has begun to talk. `None` if it does not, or
/// there is none; the client knows why.
async fn place(
    context: &Context,
    stream: TcpStream,
    source: SourcePermit,
) -> Option<(TcpStream, HandshakePermit)> {
    match seat(context, &stream, source).await {
        Ok(place) => Some((stream, place)),
        Err(NoSeat::Silent) => {
            refuse::note(context, &Refusal::TooSlow);
            None
        }
        Err(NoSeat::Full) => {
            refuse_full(context, stream, Full::Handshakes).await;
            None
        }
    }
}

/// All up to the first ReadyForQuery. `None` if there is no session; the client knows why.
async fn open(core: &Core, stream: TcpStream, source: SourcePermit) -> Option<Box<Opened>> {
    let context = &core.context;
    let deadline = Instant::now() + context.config.handshake_timeout;
    let (stream, place) = place(context, stream, source).await?;
    let acceptor = context.tls.acceptor();
    let handshake = handshake::handshake(stream, acceptor.as_deref());
    let (mut client, startup) = match timeout_at(deadline, handshake).await {
        Ok(Ok(Handshake::Startup(client, startup))) => (client, startup),
        Ok(Ok(Handshake::Cancel { pid, secret })) => {
            drop(place);
            CancelKeys::cancel(context, pid, &secret).await;
            return None;
        }
        Ok(Err(stray)) => {
            refuse::note(context, &stray.refusal);
            if let Some(client) = stray.client {
                refuse::tell(*client, &stray.refusal).await;
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
    match begin(core, &mut client, &startup, deadline, place).await {
        Ok((proved, pooled, key, place)) => Some(Box::new(Opened {
            stream: client.stream,
            early: client.inbox.into_unread(),
            pooled,
            key,
            user: proved.login().user.clone(),
            route: proved.route,
            _place: place,
        })),
        Err(refusal) => {
            refuse::note(context, &refusal);
            refuse::tell(client, &refusal).await;
            None
        }
    }
}

/// Login, admission, checkout, answer.
async fn begin(
    core: &Core,
    client: &mut Client<TcpStream>,
    startup: &Startup,
    deadline: Instant,
    place: HandshakePermit,
) -> Result<(Proved, Pooled<Connection>, Registration, DatabasePermit), Refusal> {
    let context = &core.context;
    let login = login::login(client, startup, context);
    let proved = timeout_at(deadline, login)
        .await
        .map_err(|_| Refusal::TooSlow)??;
    drop(place);
    let shut = |shut| shut_out(&proved.route, &startup.user, shut);
    let place = admit(context, &proved.route, proved.login()).map_err(shut)?;
    let opener = Opener::new(context, &proved, startup);
    let refused = |error| Refusal::Checkout {
        database: startup.database.clone(),
        error,
    };
    let mut pooled = tokio::select! {
        biased;
        found = opener.checkout(core) => found.map_err(refused)?,
        gone = gone(client.stream.transport()) => return Err(Refusal::Gone(gone)),
    };
    let connection = &mut pooled.connection;
    if !startup.application_name.is_empty() {
        let set = connection.set_application_name(&startup.application_name);
        let set = timeout(context.config.connect_timeout, set).await;
        let set = set.unwrap_or(Err(crate::back::postgres::Error::TimedOut));
        set.map_err(|error| refused(pool::Error::Server(error)))?;
    }
    let key = CancelKeys::register(
        context,
        startup.version,
        &proved.route.server,
        &pooled.connection.key,
    );
    let time = context.config.handshake_timeout;
    let parameters = &pooled.connection.parameters;
    answer::answer(client, parameters, key.key(), time).await?;
    context.metrics.logins.increment(LoginOutcome::Accepted);
    Ok((proved, pooled, key, place))
}

/// Why a client that has proved who it is does not come in.
fn shut_out(route: &Route, user: &str, shut: Shut) -> Refusal {
    let database = route.database.clone();
    let user = user.to_owned();
    match shut {
        Shut::Draining => Refusal::Draining,
        Shut::Revoked => Refusal::Denied { user },
        Shut::Suspended => Refusal::Suspended { database },
        Shut::Full => Refusal::DatabaseFull { database },
    }
}

/// From the first ReadyForQuery to the end of both connections, or of one.
async fn run(core: &Core, session: &Session, mut opened: Box<Opened>) {
    info!("session begins");
    let context = &core.context;
    let inspect = opened.inspect(session);
    let connection = &mut opened.pooled.connection;
    let mut traffic = Traffic::new(&mut connection.parameters, inspect);
    let mut relay = Relay::new(
        &mut opened.stream,
        &mut connection.stream,
        std::mem::take(&mut opened.early),
        &mut traffic,
        &context.captures,
    );
    let ended = relay.run(&context.drain).await;
    report(context, &ended);
    // Boxed, for a session at rest need not have room for its end.
    Box::pin(finish(core, *opened, ended)).await;
}

/// Lets go of both connections; the server's does not wait for a client that is slow to go.
async fn finish(core: &Core, opened: Opened, ended: Ended) {
    let Opened {
        stream,
        pooled,
        key,
        route,
        _place,
        ..
    } = opened;
    tokio::join!(
        release::release(core, &route, pooled, key, &ended),
        farewell::farewell(stream, &ended),
    );
}

impl Opened {
    /// What looks on in a workspace.
    fn inspect(&self, session: &Session) -> Option<Box<Inspect>> {
        if self.route.kind != Kind::Workspace {
            return None;
        }
        Some(Box::new(Inspect::new(Author {
            session: session.to_string(),
            database: self.route.database.to_string(),
            user: self.user.to_string(),
            pid: self.pooled.connection.key.pid,
        })))
    }
}

#[cfg(test)]
mod tests;
