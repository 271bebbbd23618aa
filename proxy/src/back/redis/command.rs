//! Commands of our own on a connection that is at rest, each with its confirmation.

use tenantsdb_codecs::redis::server::{Protocol, command};
use tenantsdb_codecs::redis::value::{Value, value};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::login::number;
use super::{Connection, Error, refused};
use crate::inbox::Inbox;
use crate::nonce::random_hex;
use crate::stream::Stream;

/// Longest reply to what is asked while a session begins or ends, in bytes.
pub(super) const SHORT_BYTES_MAX: usize = 16 * 1024;

/// What a session has left open on its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Open {
    /// MULTI without EXEC or DISCARD.
    pub(crate) multi: bool,
    /// WATCH without EXEC, DISCARD or UNWATCH.
    pub(crate) watch: bool,
}

/// One whole reply, and nothing behind it.
#[derive(Debug)]
pub(super) struct Reply {
    inbox: Inbox,
    bytes: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Undoes what a session has left open, and makes sure that the connection stands between two
    /// commands: a number that nobody could know before must come back as the very next. On an
    /// error it must be closed. Not cancel safe; the deadline is the caller's.
    ///
    /// A session that has subscribed, or has turned tracking on, leaves a connection that must be
    /// closed instead.
    pub(crate) async fn reset(&mut self, open: Open) -> Result<(), Error> {
        if open.multi {
            self.confirm(&[b"DISCARD"], "DISCARD", b"OK").await?;
        }
        if open.watch {
            self.confirm(&[b"UNWATCH"], "UNWATCH", b"OK").await?;
        }
        let nonce = random_hex::<16>();
        // Not ECHO: those who only look for names may PING, and no more.
        self.confirm(&[b"PING", nonce.as_bytes()], "PING", nonce.as_bytes())
            .await
    }

    /// Has replies come in another protocol, if they do not already. On an error the connection
    /// must be closed. Not cancel safe; the deadline is the caller's.
    pub(crate) async fn hello(&mut self, protocol: Protocol) -> Result<(), Error> {
        if self.session.protocol == protocol {
            return Ok(());
        }
        let reply = ask(&mut self.stream, &[b"HELLO", number(protocol)], "HELLO").await?;
        reply.with(|value| match value {
            Value::Error(text) => Err(refused(text)),
            Value::Map(_) | Value::Array(_) => Ok(()),
            _ => Err(Error::Unexpected("HELLO")),
        })?;
        self.session.protocol = protocol;
        Ok(())
    }

    /// Sets the connection's name. On an error it must be closed. Not cancel safe; the deadline is
    /// the caller's.
    pub(crate) async fn set_name(&mut self, name: &[u8]) -> Result<(), Error> {
        self.confirm(&[b"CLIENT", b"SETNAME", name], "CLIENT SETNAME", b"OK")
            .await
    }

    async fn confirm(
        &mut self,
        arguments: &[&[u8]],
        name: &'static str,
        expected: &[u8],
    ) -> Result<(), Error> {
        let reply = ask(&mut self.stream, arguments, name).await?;
        reply.with(|value| match value {
            Value::Error(text) => Err(refused(text)),
            value if value.bytes() == Some(expected) => Ok(()),
            _ => Err(Error::Unexpected(name)),
        })
    }
}

/// Sends one command and reads its reply.
async fn ask<T>(
    stream: &mut Stream<T>,
    arguments: &[&[u8]],
    name: &'static str,
) -> Result<Reply, Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut out = Vec::new();
    command(arguments, &mut out);
    stream.write_all(&out).await?;
    stream.flush().await?;
    reply(stream, name, SHORT_BYTES_MAX).await
}

/// Reads one reply of at most `bytes_max` bytes, or little more, behind which nothing has come.
pub(super) async fn reply<T>(
    stream: &mut Stream<T>,
    name: &'static str,
    bytes_max: usize,
) -> Result<Reply, Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut inbox = Inbox::default();
    loop {
        inbox.fill(stream).await?;
        if let Some((_, bytes)) = value(inbox.unread())? {
            return if bytes == inbox.unread().len() {
                Ok(Reply { inbox, bytes })
            } else {
                Err(Error::Unexpected(name))
            };
        }
        if inbox.unread().len() > bytes_max {
            return Err(Error::TooLong);
        }
    }
}

// === impl Reply ===

impl Reply {
    /// What it says.
    pub(super) fn with<R>(
        &self,
        read: impl FnOnce(&Value<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        match value(self.bytes())? {
            Some((value, _)) => read(&value),
            None => Err(Error::Closed), // it was whole
        }
    }

    /// As it came.
    pub(super) fn bytes(&self) -> &[u8] {
        self.inbox.unread().get(..self.bytes).unwrap_or_default()
    }
}
