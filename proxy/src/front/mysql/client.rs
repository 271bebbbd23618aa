//! A client before its relay: what it sent and was not used, what it is to be sent with the next
//! flush, and the number of the next packet.

use tenantsdb_codecs::mysql::Error as ProtocolError;
use tokio::io::{AsyncRead, AsyncWrite};

use super::refuse::Refusal;
use crate::front::send_out;
use crate::inbox::{self, Inbox};
use crate::stream::Stream;

/// A client between two packets of its login, or between two of its commands.
#[derive(Debug)]
pub(super) struct Client<T> {
    pub(super) stream: Stream<T>,
    pub(super) inbox: Inbox,
    /// To be sent. What belongs together goes out in one segment.
    pub(super) out: Vec<u8>,
    /// Of the next packet, in either direction.
    pub(super) sequence: u8,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    pub(super) fn new(stream: Stream<T>) -> Self {
        Self {
            stream,
            inbox: Inbox::default(),
            out: Vec::new(),
            sequence: 0,
        }
    }

    /// Waits for the body of the next packet. Cancel safe.
    pub(super) async fn packet(&mut self, body_bytes_max: usize) -> Result<Vec<u8>, Refusal> {
        let packet = self.inbox.packet(&mut self.stream, body_bytes_max).await?;
        if packet.sequence != self.sequence {
            return Err(Refusal::Protocol(ProtocolError::Sequence {
                expected: self.sequence,
                found: packet.sequence,
            }));
        }
        self.sequence = packet.sequence.wrapping_add(1);
        Ok(packet.body.to_vec())
    }

    /// Sends what is to be sent. Not cancel safe.
    pub(super) async fn send(&mut self) -> Result<(), Refusal> {
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
