//! One statement of our own on a connection that is at rest, and its confirmation.

use tenantsdb_codecs::limits::LOGIN_BODY_BYTES_MAX;
use tenantsdb_codecs::postgres::client::encode_query;
use tenantsdb_codecs::postgres::server::{
    CommandComplete, ParameterStatus, ReadyForQuery, TransactionStatus,
};
use tenantsdb_codecs::postgres::tag::ServerTag;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::login::refused;
use super::{Connection, Error};
use crate::inbox::Inbox;

/// Undoes all that a session can leave behind: settings, temporary objects, prepared statements,
/// cursors, notifications, advisory locks, the role. To be sent alone: in a batch with anything
/// else it would run inside an implicit transaction and be refused.
const RESET: &str = "DISCARD ALL";

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Makes the connection as it was after its login. On an error it must be closed. Not cancel
    /// safe; the deadline is the caller's.
    pub(crate) async fn reset(&mut self) -> Result<(), Error> {
        self.command(RESET, RESET).await
    }

    /// Sets `application_name`. On an error the connection must be closed. Not cancel safe; the
    /// deadline is the caller's.
    pub(crate) async fn set_application_name(&mut self, name: &str) -> Result<(), Error> {
        let statement = format!("SET application_name TO {}", ascii_literal(name));
        self.command(&statement, "SET").await
    }

    /// Runs one statement that returns no rows and must be confirmed by `expected`, with the server
    /// idle afterwards and nothing behind it.
    async fn command(&mut self, statement: &str, expected: &str) -> Result<(), Error> {
        let mut out = Vec::new();
        encode_query(statement, &mut out)?;
        self.stream.write_all(&out).await?;
        self.stream.flush().await?;

        let mut inbox = Inbox::default();
        let mut confirmed = false;
        loop {
            let message = inbox
                .message(&mut self.stream, LOGIN_BODY_BYTES_MAX)
                .await?;
            let unexpected = Error::Unexpected(message.tag);
            match ServerTag(message.tag) {
                ServerTag::COMMAND_COMPLETE if !confirmed => {
                    confirmed = CommandComplete::decode(message.body)?.tag == expected;
                    if !confirmed {
                        return Err(unexpected);
                    }
                }
                ServerTag::READY_FOR_QUERY => {
                    let idle = ReadyForQuery::decode(message.body)?.status;
                    let idle = idle == TransactionStatus::Idle;
                    let done = confirmed && idle && inbox.unread().is_empty();
                    return if done { Ok(()) } else { Err(unexpected) };
                }
                ServerTag::PARAMETER_STATUS => {
                    self.parameters.set(&ParameterStatus::decode(message.body)?);
                }
                // For the client that has gone, or about settings of the one to come.
                ServerTag::NOTICE_RESPONSE | ServerTag::NOTIFICATION_RESPONSE => {}
                ServerTag::ERROR_RESPONSE => return Err(refused(message.body)),
                _ => return Err(unexpected),
            }
        }
    }
}

/// A string literal that means the same under every setting: only printable ASCII, which is ASCII
/// in every client encoding, and the form with escapes, which `standard_conforming_strings` does
/// not change. The server itself makes the rest of an `application_name` question marks.
fn ascii_literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 4);
    literal.push_str("E'");
    for byte in text.bytes() {
        match byte {
            b'\'' | b'\\' => literal.extend([char::from(byte); 2]),
            b' '..=b'~' => literal.push(char::from(byte)),
            _ => literal.push('?'),
        }
    }
    literal.push('\'');
    literal
}

#[cfg(test)]
mod tests;
