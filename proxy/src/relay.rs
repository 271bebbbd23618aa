//! Moves the bytes of one session until it ends, and says how it ended.
//!
//! - [`lane`]: one direction.
//! - [`gate`]: what a protocol has to say about the bytes.
//! - [`mysql`], [`postgres`], [`redis`]: what each does say: what is learnt from messages, what is
//!   held.
//! - [`scratch`]: the core's buffers.
//!
//! Both lanes are polled by one task with one waker and neither waits for the other, so that a
//! client that sends while the server sends cannot block both.

pub(crate) mod gate;
pub(crate) mod lane;
pub(crate) mod mongo;
pub(crate) mod mysql;
pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod scratch;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use crate::ddl::Captures;
use crate::drain::Drain;
use crate::fault::FaultKind;
use gate::{FromClient, FromServer, Traffic};
use lane::{Close, Fail, Lane};

/// How long a client that has said goodbye may be waited for: its last batch is finished, as the
/// server itself would.
pub(crate) const LINGER: Duration = Duration::from_secs(10);

/// How a session ended.
#[derive(Debug)]
pub(crate) enum End<E> {
    /// The client said goodbye.
    Goodbye,
    /// The client closed its connection, or it broke.
    ClientGone(Option<io::Error>),
    /// The server closed its connection, or it broke.
    ServerGone(Option<io::Error>),
    /// The client does not speak the protocol.
    ClientBroken(E),
    /// The server does not speak the protocol.
    ServerBroken(E),
    /// The process is going down.
    Drained,
    /// It goes on: the client's next message is not for the relay ([`Relay::take_unwritten`]).
    Asked,
}

impl<E> End<E> {
    /// Who is to blame, if it was no ordinary end.
    pub(crate) fn fault(&self) -> Option<FaultKind> {
        match self {
            Self::Goodbye | Self::Drained | Self::Asked => None,
            Self::ClientGone(_) => Some(FaultKind::ClientGone),
            Self::ServerGone(_) => Some(FaultKind::ServerGone),
            Self::ClientBroken(_) => Some(FaultKind::Client),
            Self::ServerBroken(_) => Some(FaultKind::Server),
        }
    }
}

impl<E: fmt::Display> fmt::Display for End<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Goodbye => f.write_str("client said goodbye"),
            Self::ClientGone(None) => f.write_str("client closed the connection"),
            Self::ClientGone(Some(error)) => write!(f, "client connection: {error}"),
            Self::ServerGone(None) => f.write_str("server closed the connection"),
            Self::ServerGone(Some(error)) => write!(f, "server connection: {error}"),
            Self::ClientBroken(error) => write!(f, "client protocol: {error}"),
            Self::ServerBroken(error) => write!(f, "server protocol: {error}"),
            Self::Drained => f.write_str("the process is going down"),
            Self::Asked => f.write_str("the client's next message is not for the relay"),
        }
    }
}

/// The two peers of a session, and what is between them.
#[derive(Debug)]
pub(crate) struct Relay<'a, C, S, T> {
    client: &'a mut C,
    server: &'a mut S,
    captures: &'a Captures,
    to_server: Lane,
    to_client: Lane,
    traffic: &'a mut T,
    /// `Some` from the client's goodbye on.
    linger: Option<Pin<Box<Sleep>>>,
    /// The server does not take bytes any more; what it has to say comes first.
    server_deaf: Option<io::Error>,
}

type Sending<'a> = Option<Pin<Box<dyn Future<Output = ()> + 'a>>>;

/// What is known at the end of a session.
#[derive(Debug)]
pub(crate) struct Ended<E> {
    /// How it ended.
    pub(crate) end: End<E>,
    /// The server is between two batches, nothing is under way in either direction, and all that it
    /// has said of its settings is known.
    pub(crate) settled: bool,
    /// The server still works on something.
    pub(crate) busy: bool,
    /// The last that the client was sent ends with a whole message, so that it can be sent another.
    pub(crate) client_at_boundary: bool,
    /// The server's last message was an error: it has said itself why it went.
    pub(crate) server_explained: bool,
    /// Bytes forwarded to the server and to the client.
    pub(crate) bytes: (u64, u64),
}

// === impl Relay ===

impl<'a, C, S, T> Relay<'a, C, S, T>
where
    T: Traffic,
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// A session that begins. `early` is what the client has sent already.
    pub(crate) fn new(
        client: &'a mut C,
        server: &'a mut S,
        early: Vec<u8>,
        traffic: &'a mut T,
        captures: &'a Captures,
    ) -> Self {
        Self {
            client,
            server,
            captures,
            to_server: Lane::starting_with(early),
            to_client: Lane::default(),
            traffic,
            linger: None,
            server_deaf: None,
        }
    }

    /// Relays until one side ends or the process is going down. Not cancel safe: the server
    /// connection is in the middle of something and must be closed.
    pub(crate) async fn run(&mut self, drain: &Drain) -> Ended<T::Error> {
        let mut draining = pin!(drain.draining());
        let mut stopping = pin!(drain.stopping());
        let mut sending: Sending<'a> = None;
        let mut watched = false;
        let end = poll_fn(|cx| {
            if !watched {
                // Once is enough to be woken: the task's waker stays the same. Polling them each
                // time would take a lock of the whole process for each message.
                let _ = draining.as_mut().poll(cx);
                let _ = stopping.as_mut().poll(cx);
                watched = true;
            }
            if let Poll::Ready(end) = self.poll(cx, &mut sending) {
                return Poll::Ready(end);
            }
            if self.is_asked() {
                return Poll::Ready(End::Asked);
            }
            let leave = drain.is_draining() && sending.is_none() && self.is_idle();
            if leave || drain.is_stopping() {
                return Poll::Ready(End::Drained);
            }
            Poll::Pending
        })
        .await;
        drop(sending);
        self.ended(end)
    }

    /// What the client has sent and the server was not: after [`End::Asked`], from the first byte
    /// of the message that is not for the relay.
    pub(crate) fn take_unwritten(&mut self) -> Vec<u8> {
        self.to_server.take_unwritten()
    }

    /// Whether the client waits for something that is not for the relay, and everything before it
    /// is answered.
    fn is_asked(&self) -> bool {
        self.traffic.is_asked()
            && self.to_server.is_held()
            && !self.traffic.is_owed()
            && self.traffic.server_at_boundary()
            && self.to_client.is_empty()
    }

    fn poll(&mut self, cx: &mut Context<'_>, sending: &mut Sending<'a>) -> Poll<End<T::Error>> {
        loop {
            if let Some(capture) = sending
                && capture.as_mut().poll(cx).is_ready()
            {
                *sending = None;
                self.to_client.lift();
            }
            if let Poll::Ready(end) = self.poll_to_server(cx) {
                return Poll::Ready(end);
            }
            if let Poll::Ready(end) = self.poll_linger(cx) {
                return Poll::Ready(end);
            }
            if let Poll::Ready(end) = self.poll_to_client(cx) {
                return Poll::Ready(end);
            }
            let Some(capture) = self.traffic.capture() else {
                break;
            };
            let captures = self.captures;
            *sending = Some(Box::pin(async move {
                // Whether control has taken it is its own business: the ledger has it.
                let _ = captures.send(capture).await;
            }));
        }
        self.poll_linger(cx)
    }

    fn poll_to_server(&mut self, cx: &mut Context<'_>) -> Poll<End<T::Error>> {
        if self.linger.is_some() || self.server_deaf.is_some() {
            return Poll::Pending;
        }
        let mut gate = FromClient(&mut *self.traffic);
        let Poll::Ready(close) = self.to_server.poll(cx, self.client, self.server, &mut gate)
        else {
            return Poll::Pending;
        };
        match close {
            Ok(Close::Goodbye) => {
                self.linger = Some(Box::pin(tokio::time::sleep(LINGER)));
                Poll::Pending
            }
            // It may have left a word of farewell; the other lane reads it, then meets the end.
            Err(Fail::Write(error)) => {
                self.server_deaf = Some(error);
                Poll::Pending
            }
            Ok(Close::Eof) => Poll::Ready(End::ClientGone(None)),
            Err(Fail::Read(error)) => Poll::Ready(End::ClientGone(Some(error))),
            Err(Fail::Protocol(error)) => Poll::Ready(End::ClientBroken(error)),
        }
    }

    fn poll_to_client(&mut self, cx: &mut Context<'_>) -> Poll<End<T::Error>> {
        if self.linger.is_some() {
            // Who has said goodbye need not listen, and what it asked for is done all the same.
            self.to_client.ignore_writer();
        }
        let mut gate = FromServer(&mut *self.traffic);
        self.to_client
            .poll(cx, self.server, self.client, &mut gate)
            .map(|close| match close {
                Ok(_) => End::ServerGone(self.server_deaf.take()),
                Err(Fail::Read(error)) => End::ServerGone(Some(error)),
                Err(Fail::Write(error)) => End::ClientGone(Some(error)),
                Err(Fail::Protocol(error)) => End::ServerBroken(error),
            })
    }

    /// After the client's goodbye the session is over as soon as its last batch is.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<End<T::Error>> {
        let Some(linger) = &mut self.linger else {
            return Poll::Pending;
        };
        let late = linger.as_mut().poll(cx).is_ready();
        let answered = !self.traffic.is_owed() && self.to_client.is_empty();
        if late || answered {
            return Poll::Ready(End::Goodbye);
        }
        Poll::Pending
    }

    /// Whether the server waits for the client, and all that either has said has been passed on.
    fn is_idle(&self) -> bool {
        self.is_settled() && self.traffic.is_between_transactions() && self.to_client.is_empty()
    }

    /// Whether the server waits for the client. What the client has not taken yet does not matter.
    fn is_settled(&self) -> bool {
        self.traffic.is_settled() && self.to_server.is_empty()
    }

    fn ended(&self, end: End<T::Error>) -> Ended<T::Error> {
        Ended {
            settled: self.is_settled() && self.traffic.is_recorded(),
            busy: self.traffic.may_be_at_work(),
            client_at_boundary: self.traffic.server_at_boundary() && self.to_client.is_empty(),
            server_explained: self.traffic.server_explained(),
            bytes: (self.to_server.bytes(), self.to_client.bytes()),
            end,
        }
    }
}
