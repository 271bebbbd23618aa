//! One MongoDB client, from its first byte to its last.
//!
//! ```text
//!  accepted
//!     │
//!  handshake  TLS or not; hello, ping, buildInfo: answered from ┐ 16 kB a message; no server is
//!     │        what the servers behind can do                   │ touched. Who has said hello and
//!     │        saslStart, saslContinue, speculativeAuthenticate │ nothing else is a driver's
//!  login       SCRAM-SHA-256 against the route's verifier, or a │ monitor, and may stay.
//!     │        stand-in                                         ┘
//!  admit      suspended? draining? too many?
//!     │
//!  answer: {done: true}
//!     │
//!  serve      request by request; a server connection is taken when it is needed
//!     │  one side ends, or the process drains
//!  release    back to the pool, or closed
//! ```

pub(crate) mod client;
mod gate;
pub(crate) mod group;
mod handshake;
pub(crate) mod login;
pub(crate) mod offer;
mod opener;
pub(crate) mod refuse;
mod release;
mod serve;
mod workspace;

use std::net::SocketAddr;
use std::rc::Rc;

use tenantsdb_codecs::feed::id::Engine;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tracing::{Instrument, Span, info};

use crate::context::Context;
use crate::core::Core;
use crate::front::FULL_TIMEOUT;
use crate::front::admit::{NoSeat, Shut, admit, seat};
use crate::limits::{DatabasePermit, Full, SourcePermit};
use crate::metrics::Login as LoginOutcome;
use crate::route::Route;
use crate::session::Session;
use client::Client;
use handshake::{Handshake, LoggedIn};
use login::Proved;
use refuse::Refusal;

/// A client that is logged in, and has been told so.
pub(crate) struct Opened {
    pub(crate) client: Client<TcpStream>,
    pub(crate) proved: Proved,
    _place: DatabasePermit,
}

/// Serves one client until it is gone. Dropped before, it closes both connections. `source` is its
/// place among those of its address that have not logged in.
pub async fn serve(core: Rc<Core>, stream: TcpStream, peer: SocketAddr, source: SourcePermit) {
    let session = Session::new();
    let span = session.span(Engine::MongoDb.name(), peer);
    let served = async {
        // Boxed, so that a session at rest is as large as what serves it and not as its handshake.
        if let Some(opened) = Box::pin(open(&core, stream, peer, source)).await {
            info!("session begins");
            serve::serve(&core, &session, opened).await;
        }
    };
    served.instrument(span).await;
}

/// Tells a client that there is no place for it.
pub async fn turn_away(core: Rc<Core>, stream: TcpStream, peer: SocketAddr, full: Full) {
    let span = Session::new().span(Engine::MongoDb.name(), peer);
    let refused = async {
        refuse::note(&core.context, &Refusal::Full(full));
        refuse_full(&core.context, stream, peer, full).await;
    };
    refused.instrument(span).await;
}

/// Answers the first request with the reason: whatever it is, the client takes it for the answer.
async fn refuse_full(context: &Context, stream: TcpStream, peer: SocketAddr, full: Full) {
    let acceptor = context.tls.acceptor();
    let refusing = async {
        let mut client = handshake::begin(stream, peer, 0, acceptor.as_deref()).await?;
        client.message(handshake::MESSAGE_BYTES_MAX).await?;
        Ok::<_, Refusal>(client)
    };
    if let Ok(Ok(client)) = timeout(FULL_TIMEOUT, refusing).await {
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
    let begun = tokio::time::timeout_at(deadline, begun).await;
    let mut client = match begun.unwrap_or(Err(Refusal::TooSlow)) {
        Ok(client) => client,
        Err(refusal) => {
            refuse::note(context, &refusal);
            return None;
        }
    };
    let mut handshake = Handshake::new(context, place, deadline);
    match handshake.run(&mut client).await {
        Ok(logged_in) => {
            client.introduction = std::mem::take(&mut handshake.introduction);
            drop(handshake);
            enter(context, client, logged_in).await
        }
        Err(refusal) => {
            refuse::note(context, &refusal);
            refuse::tell(client, &refusal).await;
            None
        }
    }
}

/// Admission, and the answer to the login.
async fn enter(
    context: &Context,
    mut client: Client<TcpStream>,
    logged_in: LoggedIn,
) -> Option<Box<Opened>> {
    let LoggedIn { proved, reply } = logged_in;
    Span::current()
        .record("database", &*proved.route.database)
        .record("user", proved.login().user.as_ref());
    let refusal = match admit(context, &proved.route, proved.login()) {
        Ok(place) => {
            client.reply(&reply.write());
            match timeout(context.config.handshake_timeout, client.send()).await {
                Ok(Ok(())) => {
                    context.metrics.logins.increment(LoginOutcome::Accepted);
                    return Some(Box::new(Opened {
                        client,
                        proved,
                        _place: place,
                    }));
                }
                Ok(Err(refusal)) => refusal,
                Err(_) => Refusal::TooSlow,
            }
        }
        Err(shut) => shut_out(&proved.route, shut),
    };
    refuse::note(context, &refusal);
    refuse::tell(client, &refusal).await;
    None
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

#[cfg(test)]
mod tests;
