//! A client, as far as it is known without a server: what it sent and was not used, what it is to
//! be sent with the next flush, and what it has said about itself.

use std::net::SocketAddr;

use tenantsdb_codecs::redis::Error as ProtocolError;
use tenantsdb_codecs::redis::client::{Bounds, Scan, Scanned};
use tenantsdb_codecs::redis::server::Protocol;
use tokio::io::{AsyncRead, AsyncWrite};

use super::handshake::Hello;
use super::refuse::Refusal;
use crate::front::send_out;
use crate::inbox::{self, Inbox};
use crate::stream::Stream;

/// A client between two of its commands.
#[derive(Debug)]
pub(crate) struct Client<T> {
    pub(crate) stream: Stream<T>,
    pub(crate) inbox: Inbox,
    /// To be sent. What belongs together goes out in one segment.
    pub(crate) out: Vec<u8>,
    /// What it is answered in.
    pub(crate) protocol: Protocol,
    /// CLIENT SETNAME, or HELLO's.
    pub(crate) name: Option<Box<[u8]>>,
    /// CLIENT ID.
    pub(crate) id: i64,
    pub(crate) peer: SocketAddr,
    /// Of the request at the front of the inbox.
    scan: Scan,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    pub(super) fn new(stream: Stream<T>, peer: SocketAddr, id: i64) -> Self {
        Self {
            stream,
            inbox: Inbox::default(),
            out: Vec::new(),
            protocol: Protocol::Resp2,
            name: None,
            id,
            peer,
            scan: Scan::default(),
        }
    }

    /// Waits for one whole request and lets `read` look at its arguments, of which there is at
    /// least one: an empty request is passed over, as Redis does. What the client is owed is sent
    /// before it is waited for. Not cancel safe.
    pub(super) async fn request<R>(
        &mut self,
        bounds: &Bounds,
        read: impl FnOnce(&[&[u8]]) -> R,
    ) -> Result<R, Refusal> {
        loop {
            let Scanned::Whole { bytes } = self.scan.resume(self.inbox.unread(), bounds)? else {
                self.send().await?;
                self.inbox.fill(&mut self.stream).await?;
                continue;
            };
            let input = self.inbox.unread();
            let arguments = (0..self.scan.len()).filter_map(|n| self.scan.arg(input, n));
            let arguments: Vec<&[u8]> = arguments.collect();
            if arguments.is_empty() {
                self.pass(bytes);
                continue;
            }
            let answer = read(&arguments);
            self.pass(bytes);
            return Ok(answer);
        }
    }

    /// Goes on to the next request.
    fn pass(&mut self, bytes: usize) {
        self.scan.reset();
        self.inbox.take(bytes);
    }

    /// Takes what HELLO says.
    pub(super) fn greet(&mut self, hello: Hello) {
        if let Some(protocol) = hello.protocol {
            self.protocol = protocol;
        }
        if let Some(name) = hello.name {
            self.name = (!name.is_empty()).then_some(name);
        }
    }

    /// Sends what is to be sent. Not cancel safe.
    pub(crate) async fn send(&mut self) -> Result<(), Refusal> {
        if self.out.is_empty() {
            return Ok(());
        }
        Ok(send_out(&mut self.stream, &mut self.out).await?)
    }
}

impl From<inbox::Error<ProtocolError>> for Refusal {
    fn from(error: inbox::Error<ProtocolError>) -> Self {
        match error {
            inbox::Error::Closed => Self::Gone(None),
            inbox::Error::Io(error) => Self::Gone(Some(error)),
            inbox::Error::Protocol(error) => Self::Protocol(error),
        }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::Gone(Some(error))
    }
}
