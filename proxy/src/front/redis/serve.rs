//! A client of a database whose keys have a prefix.
//!
//! ```text
//!          a request needs the server              nothing is owed, nothing holds it
//!  alone ────────────────────────────► with a server connection ──────────► alone
//!    │                                        │
//!    └──────── ask: a request that is the session's own business, all before it answered
//! ```

mod ask;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use tenantsdb_codecs::feed::route::PoolMode;
use tenantsdb_codecs::redis::command::Rules;
use tenantsdb_codecs::redis::server::Protocol;
use tenantsdb_codecs::redis::table::Table;
use tokio::net::TcpStream;

use super::client::Client;
use super::farewell::farewell;
use super::handshake::Login;
use super::local::refresh::over_limit;
use super::login::Proved;
use super::opener::Opener;
use super::refuse::{CheckoutError, Refusal, checkout_text};
use super::registry::{Entrance, Member};
use super::state::State;
use super::{After, Opened, release};
use crate::back::redis::Connection;
use crate::back::redis::command::Open;
use crate::context::Context;
use crate::core::Core;
use crate::fault::Fault as _;
use crate::front::{gone, report};
use crate::inbox::Inbox;
use crate::metrics::Direction;
use crate::pool::{self, Pooled};
use crate::relay::redis::pump::{Broken, Desk, Pump, Turn};
use crate::relay::redis::wires::Wires;
use crate::relay::{End, Ended, LINGER};
use crate::session::Session;
use crate::stream::Stream;

/// A session.
pub(super) struct Live<'a> {
    core: &'a Rc<Core>,
    client: Client<TcpStream>,
    proved: Proved,
    member: Member,
    rules: Rules,
    /// Of the server connection that it had last.
    table: Option<Arc<Table>>,
    pooled: Option<Pooled<Connection>>,
    state: State,
    wires: Wires,
}

/// How a session was left.
pub(super) enum Left {
    /// Nothing comes after.
    Over,
    /// RESET.
    Reset,
    /// It has proved to be somebody else.
    Again(Login, Proved),
}

/// Serves a client that is logged in, until whatever comes after.
pub(super) async fn serve(core: &Rc<Core>, _session: &Session, opened: Box<Opened>) -> After {
    let Opened {
        client,
        proved,
        member,
        _place,
        ..
    } = *opened;
    let Some(member) = member else {
        return After::Over; // who shares a server has one
    };
    let mut live = begin(core, client, proved, member);
    let left = live.run().await;
    let Live {
        mut client,
        mut wires,
        state,
        member,
        ..
    } = *live;
    client.protocol = state.protocol;
    let rest = wires.to_client.take_rest();
    if matches!(left, Left::Over) {
        if !wires.is_cut {
            farewell(client.stream, &rest).await;
        }
        return After::Over;
    }
    let relayed = &core.context.metrics.relayed_bytes;
    relayed.add(Direction::ClientToServer, wires.to_server.bytes());
    relayed.add(Direction::ServerToClient, wires.to_client.bytes());
    client.out = rest;
    client.inbox = Inbox::of(
        wires
            .input
            .take()
            .map(|input| input.to_vec())
            .unwrap_or_default(),
    );
    match left {
        Left::Again(login, proved) => {
            let name = member.client().names().name;
            client.name = (!name.is_empty()).then_some(name);
            After::Again(client, login, proved)
        }
        _ => {
            client.protocol = Protocol::Resp2;
            After::Reset(client)
        }
    }
}

/// Gives a client its place among those of its database.
pub(super) fn register(
    context: &Context,
    client: &mut Client<TcpStream>,
    proved: &Proved,
) -> Result<Member, Refusal> {
    let entrance = Entrance {
        id: client.id,
        database: proved.route.database.clone(),
        user: proved.login().user.clone(),
        peer: client.peer,
        local: client.stream.transport().local_addr()?,
    };
    let member = context.redis_clients.enter(entrance);
    if let Some(name) = client.name.take() {
        member.client().rename(|names| names.name = name);
    }
    member.client().seen.set_protocol(number(client.protocol));
    Ok(member)
}

/// A session that begins.
fn begin(
    core: &Rc<Core>,
    mut client: Client<TcpStream>,
    proved: Proved,
    member: Member,
) -> Box<Live<'_>> {
    let redis = proved.route.redis.as_deref();
    let rules = redis.map_or(&[][..], |redis| &redis.commands);
    // Rules that cannot be read allow nothing.
    let rules = Rules::read(rules)
        .or_else(|_| Rules::read(&["-@all".to_owned()]))
        .expect("it is a rule");
    let early = std::mem::take(&mut client.inbox).into_unread();
    Box::new(Live {
        core,
        state: State::new(client.protocol),
        table: core.context.tables.known(&proved.route.server.id),
        rules,
        client,
        proved,
        member,
        pooled: None,
        wires: Wires::starting_with(early),
    })
}

/// Completes when a client that waits is gone; with the error, if there was one. One that has only
/// ended its own side is owed its answers, and is given some time for them. Cancel safe.
async fn left(client: &Stream<TcpStream>) -> Option<io::Error> {
    let error = gone(client.transport()).await;
    if error.is_none() {
        tokio::time::sleep(LINGER).await;
    }
    error
}

/// Whether the server does not let in who was logged in here before.
fn is_shut_out(error: &CheckoutError) -> bool {
    matches!(error, pool::Error::Server(error) if error.is_login_refused())
}

const fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Resp2 => 2,
        Protocol::Resp3 => 3,
    }
}

// === impl Live ===

impl Live<'_> {
    async fn run(&mut self) -> Left {
        let context = Arc::clone(&self.core.context);
        let client = Arc::clone(self.member.client());
        let mut ends = pin!(async {
            tokio::join!(
                context.drain.draining(),
                context.drain.stopping(),
                client.killed()
            )
        });
        // Once is enough to be woken: the task's waker stays the same.
        poll_fn(|cx| {
            let _ = ends.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
        loop {
            match self.pump().await {
                Turn::Server => {
                    if let Err(end) = Box::pin(self.check_out()).await {
                        return self.end(end).await;
                    }
                }
                Turn::Idle => self.give_back().await,
                Turn::Lost => self.let_go(),
                Turn::Ask => {
                    if let Some(left) = Box::pin(self.ask()).await {
                        return left;
                    }
                }
                Turn::End(end) => return self.end(end).await,
            }
        }
    }

    /// Moves bytes until there is something else to do. Not cancel safe.
    async fn pump(&mut self) -> Turn {
        self.with_pump(async |pump| poll_fn(|cx| pump.poll(cx)).await)
            .await
    }

    async fn with_pump<R>(
        &mut self,
        work: impl AsyncFnOnce(&mut Pump<'_, Stream<TcpStream>, Stream<TcpStream>>) -> R,
    ) -> R {
        let (core, proved, tenant) = (self.core, &self.proved, self.member.tenant());
        let over = || over_limit(core, proved, tenant).map(|limit| limit.to_string());
        let redis = proved.route.redis.as_deref();
        let desk = Desk {
            table: self.table.as_deref(),
            rules: &self.rules,
            prefix: proved.prefix().unwrap_or_default().as_bytes(),
            member: &self.member,
            value_bytes_max: redis.and_then(|redis| redis.value_bytes_max),
            over_limit: &over,
            drain: &core.context.drain,
            metrics: &core.context.metrics,
            releases: proved.route.pool_mode == PoolMode::Transaction,
        };
        let server = self
            .pooled
            .as_mut()
            .map(|pooled| &mut pooled.connection.stream);
        let mut pump = Pump::new(
            &mut self.client.stream,
            server,
            &desk,
            &mut self.wires,
            &mut self.state,
        );
        work(&mut pump).await
    }

    /// A server connection for the next request, or the answer to it that there is none.
    async fn check_out(&mut self) -> Result<(), End<Broken>> {
        let context = &self.core.context;
        let opener = Opener::session(context, &self.proved, self.state.protocol);
        let found = tokio::select! {
            biased;
            found = opener.checkout(self.core) => found,
            gone = left(&self.client.stream) => return Err(End::ClientGone(gone)),
            () = context.drain.stopping() => return Err(End::Drained),
        };
        match found {
            Ok(pooled) => {
                let table = &pooled.connection.session.table;
                if self
                    .table
                    .as_ref()
                    .is_none_or(|known| !Arc::ptr_eq(known, table))
                {
                    self.table = Some(Arc::clone(table));
                }
                self.pooled = Some(pooled);
            }
            Err(error) => {
                let kind = error.kind();
                context.metrics.faults.increment(kind);
                tracing::warn!(fault = %kind, reason = %error, "no server connection");
                let text = checkout_text(&self.proved.route.database, &error);
                let mut words = Vec::new();
                super::answer::error(&mut words, &text);
                if is_shut_out(&error) {
                    // Suspended, rotated or deleted meanwhile: no later command would fare better.
                    self.wires.to_client.push(&words);
                    return Err(End::ServerGone(None));
                }
                self.wires.refusal = Some(words);
            }
        }
        Ok(())
    }

    /// Nothing is owed on the server connection, and nothing holds it.
    async fn give_back(&mut self) {
        let Some(pooled) = self.pooled.take() else {
            return;
        };
        let doubtful = std::mem::take(&mut self.wires.doubtful);
        if std::mem::take(&mut self.wires.tainted) || self.core.context.drain.is_draining() {
            drop(pooled);
        } else if doubtful {
            release::release(self.core, pooled, Open::default()).await;
        } else {
            self.core.redis.put_back(pooled);
        }
    }

    /// Closes the server connection.
    fn let_go(&mut self) {
        self.pooled = None;
        self.wires.doubtful = false;
        self.wires.tainted = false;
    }

    /// Whether the server connection stands between two commands.
    fn is_settled(&self) -> bool {
        self.wires.is_quiet() && !self.wires.tainted
    }

    /// Gives the server connection back at the end of the session, if all that is on it can be
    /// undone.
    async fn part(&mut self) {
        let open = Open {
            multi: self.state.multi.is_some(),
            watch: self.state.watch,
        };
        match self.pooled.take() {
            Some(pooled) if self.is_settled() => release::release(self.core, pooled, open).await,
            _ => {}
        }
        self.let_go();
        self.state = State::new(self.state.protocol);
    }

    async fn end(&mut self, end: End<Broken>) -> Left {
        let settled = self.is_settled();
        let ended = Ended {
            settled,
            busy: !settled,
            client_at_boundary: self.wires.is_at_boundary(),
            server_explained: false,
            bytes: (self.wires.to_server.bytes(), self.wires.to_client.bytes()),
            end,
        };
        report(&self.core.context, &ended);
        match ended.end {
            End::ServerBroken(_) | End::ServerGone(_) => self.let_go(),
            _ => self.part().await,
        }
        self.wires.is_cut = matches!(ended.end, End::ClientGone(_));
        Left::Over
    }
}

#[cfg(test)]
mod tests;
