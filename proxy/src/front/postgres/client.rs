//! A client before its relay: what it sent and was not used, what it is to be sent with the next
//! flush.

use tenantsdb_codecs::postgres::frame::Frame;
use tenantsdb_codecs::scram::channel::ChannelBinding;
use tokio::io::{AsyncRead, AsyncWrite};

use super::refuse::Refusal;
use crate::front::send_out;
use crate::inbox::{self, Inbox};
use crate::stream::Stream;

/// A client between its first byte and its first ReadyForQuery.
#[derive(Debug)]
pub(super) struct Client<T> {
    pub(super) stream: Stream<T>,
    pub(super) inbox: Inbox,
    /// To be sent. What belongs together goes out in one segment.
    pub(super) out: Vec<u8>,
    /// What binds a login to the TLS connection, if there is one.
    pub(super) binding: Option<ChannelBinding>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    pub(super) fn new(stream: Stream<T>) -> Self {
        Self {
            stream,
            inbox: Inbox::default(),
            out: Vec::new(),
            binding: None,
        }
    }

    /// Waits for more bytes. Cancel safe.
    pub(super) async fn fill(&mut self) -> Result<(), Refusal> {
        Ok(self.inbox.fill(&mut self.stream).await?)
    }

    /// Waits for one whole message. Cancel safe.
    pub(super) async fn message(&mut self, body_bytes_max: usize) -> Result<Frame<'_>, Refusal> {
        Ok(self.inbox.message(&mut self.stream, body_bytes_max).await?)
    }

    /// Sends what is to be sent. Not cancel safe.
    pub(super) async fn send(&mut self) -> Result<(), Refusal> {
        Ok(send_out(&mut self.stream, &mut self.out).await?)
    }
}

impl From<inbox::Error> for Refusal {
    fn from(error: inbox::Error) -> Self {
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
