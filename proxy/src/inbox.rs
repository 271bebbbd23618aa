//! What a peer has sent and nobody has used yet, before and after the relay.
//!
//! During a login messages are read whole, and whatever comes in the same segment behind the last
//! of them must not be lost: it waits here and goes to the relay first.

use std::io;

use tenantsdb_codecs::mysql;
use tenantsdb_codecs::mysql::frame as packets;
use tenantsdb_codecs::postgres;
use tenantsdb_codecs::postgres::frame::{Frame, frame};
use tenantsdb_codecs::redis;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much is read at once. A login's messages have some hundreds of bytes.
const READ_BYTES: usize = 2048;

/// Why no message could be read. `E` is what the protocol finds wrong with its bytes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error<E = postgres::Error> {
    /// The peer is gone.
    #[error("the peer closed the connection")]
    Closed,
    /// Reading failed.
    #[error("read: {0}")]
    Io(#[from] io::Error),
    /// Not a message, or too long.
    #[error("{0}")]
    Protocol(E),
}

impl From<postgres::Error> for Error {
    fn from(error: postgres::Error) -> Self {
        Self::Protocol(error)
    }
}

impl From<mysql::Error> for Error<mysql::Error> {
    fn from(error: mysql::Error) -> Self {
        Self::Protocol(error)
    }
}

impl From<redis::Error> for Error<redis::Error> {
    fn from(error: redis::Error) -> Self {
        Self::Protocol(error)
    }
}

/// Bytes read from one peer. Holds at most the bytes of one message and of one read behind it.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    buf: Vec<u8>,
    start: usize,
}

impl Inbox {
    /// What has come and was not taken.
    pub(crate) fn unread(&self) -> &[u8] {
        self.buf.get(self.start..).unwrap_or_default()
    }

    /// Takes `bytes` bytes off the front.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.start = self.buf.len().min(self.start + bytes);
    }

    /// What somebody else has read.
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        Self {
            buf: bytes,
            start: 0,
        }
    }

    /// All that is left, for whoever reads on.
    pub(crate) fn into_unread(mut self) -> Vec<u8> {
        self.buf.split_off(self.start)
    }

    /// Bytes that it has memory for.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    /// Makes room for what comes up to `bytes` unread bytes, and not for twice as much. It becomes
    /// memory only as they come.
    pub(crate) fn expect(&mut self, bytes: usize) {
        let wanted = self.start + bytes + READ_BYTES;
        self.buf
            .reserve_exact(wanted.saturating_sub(self.buf.len()));
    }

    /// Waits for more bytes. Cancel safe.
    pub(crate) async fn fill<E>(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Result<(), Error<E>> {
        self.buf.drain(..self.start);
        self.start = 0;
        self.buf.reserve(READ_BYTES);
        match stream.read_buf(&mut self.buf).await? {
            0 => Err(Error::Closed),
            _ => Ok(()),
        }
    }

    /// Waits for one whole PostgreSQL message, whose body has at most `body_bytes_max` bytes, and
    /// takes it.
    /// Cancel safe.
    pub(crate) async fn message(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        body_bytes_max: usize,
    ) -> Result<Frame<'_>, Error> {
        while frame(self.unread(), body_bytes_max)?.is_none() {
            self.fill(stream).await?;
        }
        let from = self.buf.get(self.start..).unwrap_or_default();
        let found = frame(from, body_bytes_max)?.ok_or(Error::Closed)?;
        self.start += found.bytes;
        Ok(found)
    }

    /// Waits for one whole MySQL packet, whose body has at most `body_bytes_max` bytes, and takes
    /// it. Cancel safe.
    pub(crate) async fn packet(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        body_bytes_max: usize,
    ) -> Result<packets::Frame<'_>, Error<mysql::Error>> {
        while packets::frame(self.unread(), body_bytes_max)?.is_none() {
            self.fill(stream).await?;
        }
        let from = self.buf.get(self.start..).unwrap_or_default();
        let found = packets::frame(from, body_bytes_max)?.ok_or(Error::Closed)?;
        self.start += found.bytes;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn what_comes_behind_a_message_is_kept() {
        let (mut near, mut far) = tokio::io::duplex(64);
        far.write_all(b"p\0\0\0\x06abQ\0\0\0\x05\0X").await.unwrap();
        let mut inbox = Inbox::default();
        let message = inbox.message(&mut near, 10).await.unwrap();
        assert_eq!((message.tag, message.body), (b'p', &b"ab"[..]));
        assert_eq!(inbox.unread(), b"Q\0\0\0\x05\0X");
        assert_eq!(inbox.message(&mut near, 10).await.unwrap().tag, b'Q');
        assert_eq!(inbox.into_unread(), b"X");
    }

    #[tokio::test]
    async fn a_message_comes_byte_by_byte_too() {
        let (mut near, mut far) = tokio::io::duplex(1);
        let sending = tokio::spawn(async move { far.write_all(b"p\0\0\0\x06abQ").await });
        let mut inbox = Inbox::default();
        assert_eq!(inbox.message(&mut near, 10).await.unwrap().body, b"ab");
        sending.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_message_that_is_too_long_is_not_waited_for() {
        let (mut near, mut far) = tokio::io::duplex(64);
        far.write_all(b"p\0\x7f\0\0").await.unwrap();
        let refused = Inbox::default().message(&mut near, 4096).await.err();
        assert!(matches!(refused, Some(Error::Protocol(_))), "{refused:?}");
    }
}
