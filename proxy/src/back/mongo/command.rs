//! Commands of our own.

use tenantsdb_codecs::mongo::Error as ProtocolError;
use tenantsdb_codecs::mongo::bson::{Document, Writer};
use tenantsdb_codecs::mongo::frame::Header;
use tenantsdb_codecs::mongo::op_msg::{self, Flags, Message};
use tenantsdb_codecs::mongo::report::Report;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::{Connection, Error};
use crate::inbox::{self, Inbox};

/// Longest reply to a command of ours, in bytes: the largest are lists of collections.
pub(super) const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A reply, whole.
#[derive(Debug)]
pub(crate) struct Reply(Vec<u8>);

// === impl Reply ===

impl Reply {
    /// Its document, whatever it says.
    ///
    /// # Errors
    ///
    /// It is none.
    pub(crate) fn document(&self) -> Result<Document<'_>, Error> {
        Ok(Message::read(&self.0)?.body)
    }

    /// Its document, if it says that the command went well.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]; it is no document.
    pub(crate) fn ok(&self) -> Result<Document<'_>, Error> {
        let document = self.document()?;
        match Report::read(document)? {
            None => Ok(document),
            Some(report) => Err(Error::Refused {
                code: report.code,
                text: report.message.into(),
            }),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Sends a command, a document with its `$db`, and waits for its reply. Not cancel safe:
    /// dropped before it is done, the connection is of no use.
    pub(crate) async fn ask(&mut self, command: &[u8]) -> Result<Reply, Error> {
        let id = self.session.next();
        let mut out = Vec::with_capacity(command.len() + 32);
        op_msg::write(id, 0, Flags::NONE, command, &mut out);
        self.stream.write_all(&out).await?;
        self.stream.flush().await?;
        let mut inbox = Inbox::default();
        loop {
            if let Some(header) = Header::read(inbox.unread(), REPLY_BYTES_MAX)?
                && inbox.unread().len() >= header.length
            {
                if header.response_to != id {
                    return Err(Error::Stray(header.response_to));
                }
                let length = header.length;
                let message = inbox.into_unread();
                // Nothing is sent that was not asked for.
                if message.len() != length {
                    return Err(Error::Protocol(ProtocolError::Trailing("reply")));
                }
                return Ok(Reply(message));
            }
            let filled: Result<(), inbox::Error<ProtocolError>> =
                inbox.fill(&mut self.stream).await;
            filled?;
        }
    }

    /// Sends something and waits for its reply: everything before it has been answered then.
    pub(crate) async fn ping(&mut self) -> Result<(), Error> {
        let mut ping = Writer::new();
        ping.i32("ping", 1).str("$db", "admin");
        self.ask(&ping.finish()).await?.ok().map(|_| ())
    }
}
