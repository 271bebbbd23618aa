//! A session: request by request, each with a reply before the next is looked at.

mod labels;
mod masked;
mod next;
mod pinned;
mod recorded;
mod room;
mod standing;

use std::rc::Rc;

use tenantsdb_codecs::feed::route::{Kind, PoolMode, Topology};
use tenantsdb_codecs::mongo::Error as ProtocolError;
use tenantsdb_codecs::mongo::bson::Document;
use tenantsdb_codecs::mongo::code::Code;
use tenantsdb_codecs::mongo::op_msg::Head;
use tenantsdb_codecs::mongo::pipeline::{Asked, Exchange, Pin, Reply};
use tenantsdb_codecs::mongo::report::report;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::{debug, info};

use self::labels::labels;
use self::pinned::Pinned;
use self::standing::Standing;
use super::client::Client;
use super::gate::{Decision, Forward};
use super::group::Member;
use super::login::Proved;
use super::refuse::{self, Refusal};
use super::workspace::{Author, Recorder};
use super::{Opened, opener, release};
use crate::back::mongo::Connection;
use crate::core::Core;
use crate::fault::{Fault, FaultKind};
use crate::front::{close_with, gone};
use crate::inbox::Inbox;
use crate::limits::bodies::BodyPermit;
use crate::metrics::Direction;
use crate::pool::Pooled;
use crate::relay::mongo::{self as relay, Broken, Moved};
use crate::session::Session;

/// How long the rest of a message may take once it has begun to come.
const STALLED_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// How a session ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("client closed the connection")]
    Goodbye,
    #[error("the proxy is shutting down")]
    Drained,
    #[error("its login is no longer valid")]
    Revoked(Vec<u8>),
    #[error("{0}")]
    Client(Refusal),
    #[error("{0}")]
    Broken(#[from] Broken),
}

/// A session that goes on.
struct Live<'a> {
    core: &'a Rc<Core>,
    client: Client<TcpStream>,
    proved: Proved,
    /// There while a request is under way; in session mode from the first on.
    server: Option<Pooled<Connection>>,
    /// The request that is to be sent.
    asked: Option<Asked>,
    /// What the connection is in the middle of.
    exchange: Exchange,
    /// Its place among the connections of its application.
    member: Member,
    /// Why the server connection stays with this client between two requests.
    pinned: Pinned,
    /// Something was sent on the server connection that is not answered.
    unconfirmed: bool,
    standing: Standing,
    moved: Moved,
    /// Memory that the request is held in, if it is long.
    body: Option<BodyPermit>,
    /// Of what changes a workspace.
    recorder: Option<Recorder>,
}

/// Serves a client that has been told that it is in, until one side ends.
pub(super) async fn serve(core: &Rc<Core>, session: &Session, opened: Box<Opened>) {
    let Opened {
        client,
        proved,
        _place,
    } = *opened;
    let recorder = (proved.route.kind == Kind::Workspace).then(|| {
        Recorder::new(Author {
            session: session.to_string(),
            database: proved.route.database.to_string(),
            user: proved.login().user.to_string(),
            application_name: client.introduction.application.clone(),
        })
    });
    let member = core.context.mongo_groups.join(&proved, client.peer.ip());
    let mut live = Live {
        core,
        client,
        proved,
        server: None,
        asked: None,
        exchange: Exchange::default(),
        member,
        pinned: Pinned::default(),
        unconfirmed: false,
        standing: Standing::default(),
        moved: Moved::default(),
        body: None,
        recorder,
    };
    let Err(end) = live.run().await;
    live.end(end).await;
}

// === impl Live ===

impl Live<'_> {
    async fn run(&mut self) -> Result<std::convert::Infallible, End> {
        loop {
            let (head, decision) = self.next().await?;
            let is_answered = !head.flags.more_to_come;
            match decision {
                Decision::Answer(document) => {
                    self.pass_over(head).await?;
                    self.answer(is_answered, &document).await?;
                }
                Decision::Forward(forward) => self.forward(head, *forward).await?,
            }
        }
    }

    /// Answers a request itself, if it is owed an answer.
    async fn answer(&mut self, is_answered: bool, document: &[u8]) -> Result<(), End> {
        if !is_answered {
            self.client.unanswered();
            return Ok(());
        }
        self.client.reply(document);
        self.client.send().await.map_err(End::Client)
    }

    /// Passes a request on, and its reply back.
    async fn forward(&mut self, head: Head, forward: Forward) -> Result<(), End> {
        let routes = &self.core.context.routes;
        let checked = self.standing.check(routes, &mut self.proved);
        checked.map_err(End::Revoked)?;
        let Forward {
            asked, retryable, ..
        } = forward;
        let is_answered = asked.is_answered;
        let labels = labels(&asked, retryable);
        if self.server.is_none() {
            let taken = tokio::select! {
                biased;
                taken = opener::take(self.core, &self.proved) => taken,
                gone = gone(self.client.stream.transport()) => {
                    return Err(End::Client(Refusal::Gone(gone)));
                }
            };
            match taken {
                Ok(pooled) => self.server = Some(pooled),
                Err(error) => {
                    let (code, text) = refuse::checkout_text(&self.proved.route.database, &error);
                    let refusal = Refusal::checkout(&self.proved, error);
                    refuse::note(&self.core.context, &refusal);
                    self.pass_over(head).await?;
                    let document = report(code, &text, labels);
                    return self.answer(is_answered, &document).await;
                }
            }
        }
        self.asked = Some(asked);
        let exchanged = match &self.recorder {
            // Boxed, for most sessions are tenants'.
            Some(_) => Box::pin(self.recorded(head, is_answered)).await,
            None => self.exchange(head, is_answered).await,
        };
        match exchanged {
            Ok(()) => {
                self.end_outgrown_sessions().await;
                if self.proved.route.pool_mode == PoolMode::Transaction {
                    let pin = self.pin();
                    let metrics = &self.core.context.metrics;
                    self.pinned.note(metrics, &self.proved, pin);
                    if pin.is_none() {
                        self.release().await;
                    }
                }
                Ok(())
            }
            Err(Broken::Server {
                error,
                begun: false,
            }) => {
                // What it owes is never read: the connection goes.
                self.server = None;
                self.exchange = Exchange::default();
                self.core.context.metrics.faults.increment(error.kind());
                info!(%error, "server connection lost");
                let text = "the database server closed the connection before it replied";
                let document = report(Code::HostUnreachable, text, labels);
                self.answer(is_answered, &document).await
            }
            Err(broken) => Err(End::Broken(broken)),
        }
    }

    async fn exchange(&mut self, head: Head, is_answered: bool) -> Result<(), Broken> {
        let names_server = self.asked.as_ref().is_some_and(|asked| asked.names_server);
        self.sending()?;
        let Some(pooled) = &mut self.server else {
            return Ok(());
        };
        let server = &mut pooled.connection;
        let (client, moved) = (&mut self.client, &mut self.moved);
        let (from, inbox) = (&mut client.stream, &mut client.inbox);
        let what = (head, &*self.proved.route.database);
        let sent = relay::request(from, inbox, server, what, moved);
        let id = timeout(STALLED_MAX, sent).await;
        self.body = None;
        let id = id.unwrap_or(Err(Broken::ClientGone(None)))?;
        if !is_answered {
            client.unanswered();
            self.unconfirmed = true;
            return Ok(());
        }
        if names_server {
            return self.masked(head, id).await;
        }
        let mut inbox = Inbox::default();
        // Each reply of an exhaust cursor is to the one before it, or to the request.
        let asked = (id, head.header.request_id);
        let mut numbers = [asked, asked];
        loop {
            // A client that leaves while the server works has that stopped: its connection goes.
            tokio::select! {
                biased;
                came = relay::come(server, &mut inbox) => came.map(|_| ())?,
                gone = gone(client.stream.transport()) => return Err(Broken::ClientGone(gone)),
            }
            let replied = relay::reply(&mut client.stream, server, &mut inbox, &numbers, moved);
            let replied = replied.await?;
            if let Some(outline) = replied.outline() {
                let books = (&mut self.exchange, &self.member);
                note_reply(books, outline, replied.more_to_come)?;
            }
            if !replied.more_to_come {
                break;
            }
            let context = &self.core.context;
            self.pinned
                .note(&context.metrics, &self.proved, Some(Pin::Exhaust));
            // Such a cursor may never end.
            if context.drain.is_draining() {
                return Err(Broken::Withdrawn("the proxy is shutting down"));
            }
            if !self.standing.is_good(&context.routes, &self.proved) {
                return Err(Broken::Withdrawn("its login is no longer valid"));
            }
            numbers = [asked, (replied.request_id, replied.request_id)];
        }
        client.unanswered();
        self.unconfirmed = false;
        if !inbox.unread().is_empty() {
            let error = ProtocolError::Invalid("bytes behind the last reply").into();
            return Err(Broken::Server { error, begun: true });
        }
        Ok(())
    }

    /// Ends sessions of the application that had to make room in the books. What a server does not
    /// take costs the connection, and the session times out.
    async fn end_outgrown_sessions(&mut self) {
        let command = self.member.open().overflow();
        let (Some(command), Some(pooled)) = (command, &mut self.server) else {
            return;
        };
        let asked = pooled.connection.ask(&command);
        match timeout(self.core.context.config.checkout_timeout, asked).await {
            Ok(Ok(_)) => self.unconfirmed = false,
            _ => self.server = None,
        }
    }

    /// Takes note of the request that is sent now.
    fn sending(&mut self) -> Result<(), Broken> {
        if let Some(asked) = self.asked.take() {
            self.member.open().request(&asked);
            self.exchange.request(asked).map_err(Broken::Client)?;
        }
        Ok(())
    }

    /// Why the server connection stays with this client between two of its requests.
    fn pin(&mut self) -> Option<Pin> {
        let sharded = self.proved.route.server.mongo.map(|mongo| mongo.topology);
        let open = self.member.open();
        self.exchange
            .pin(sharded == Some(Topology::Sharded), |lsid, number| {
                open.is_open(lsid, number)
            })
    }

    /// Gives the server connection back.
    async fn release(&mut self) {
        if let Some(pooled) = self.server.take() {
            release::release(self.core, pooled, self.unconfirmed).await;
            self.unconfirmed = false;
        }
    }

    async fn end(mut self, end: End) {
        let context = &self.core.context;
        let relayed = &context.metrics.relayed_bytes;
        relayed.add(Direction::ClientToServer, self.moved.to_server);
        relayed.add(Direction::ServerToClient, self.moved.to_client);
        match &end {
            End::Goodbye | End::Drained | End::Revoked(_) | End::Client(_) => {
                self.release().await;
            }
            // In the middle of something.
            End::Broken(_) => self.server = None,
        }
        let fault = match &end {
            End::Goodbye | End::Drained => None,
            End::Revoked(_) => Some(FaultKind::Policy),
            End::Client(refusal) => Some(refusal.kind()),
            End::Broken(Broken::ClientGone(_)) => Some(FaultKind::ClientGone),
            End::Broken(Broken::Client(_)) => Some(FaultKind::Client),
            End::Broken(Broken::Withdrawn(_)) => Some(FaultKind::Policy),
            End::Broken(Broken::Server { error, .. }) => Some(error.kind()),
        };
        match fault {
            Some(kind) => {
                context.metrics.faults.increment(kind);
                info!(%end, fault = %kind, "session ended");
            }
            None => debug!(%end, "session ended"),
        }
        let last = match end {
            End::Client(refusal) => refusal.document(),
            End::Broken(Broken::Client(error)) => {
                Some(report(error.code(), &error.to_string(), &[]))
            }
            End::Revoked(document) => Some(document),
            _ => None,
        };
        if let Some(document) = last {
            self.client.reply(&document);
        }
        let Client { stream, out, .. } = self.client;
        if !out.is_empty() {
            close_with(stream, &out).await;
        }
        self.member.farewell(self.core, &self.proved);
    }
}

/// Takes note of what a reply says, whole or in outline.
fn note_reply(
    (exchange, member): (&mut Exchange, &Member),
    reply: Document<'_>,
    more_to_come: bool,
) -> Result<(), Broken> {
    let broken = |error: ProtocolError| Broken::Server {
        error: error.into(),
        begun: true,
    };
    let reply = Reply::read(reply).map_err(broken)?;
    if let Some(asked) = exchange.reply(&reply, more_to_come).map_err(broken)? {
        member.open().reply(&asked, &reply);
    }
    Ok(())
}

fn protocol(error: ProtocolError) -> End {
    End::Client(Refusal::Protocol(error))
}
