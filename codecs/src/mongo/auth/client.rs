//! The client's role: logs in to a server.

use super::{Payload, SaslContinue, SaslReply, SaslStart};
use crate::scram::{self, Credential};

/// Why a login came to nothing; what a server refuses with is read before
/// ([`Report`](crate::mongo::report::Report)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The exchange itself.
    #[error(transparent)]
    Scram(#[from] scram::Error),
    /// The server says that the client is in before it has shown that it knows the verifier, or
    /// goes on behind the end.
    #[error("sasl: exchange ends at the wrong place")]
    Order,
    /// The server's reply is of another conversation.
    #[error("sasl: mismatched conversation id")]
    Conversation,
}

/// Waits for the server's first message.
#[must_use]
#[derive(Debug)]
pub struct ExpectFirst {
    inner: scram::client::Exchange,
}

/// Begins a login as this user; answers the first message, the payload of [`start_of`].
///
/// `nonce` is that of [`scram::client::Exchange::new`].
pub fn start(user: &str, nonce: String) -> (ExpectFirst, Vec<u8>) {
    let (inner, payload) = scram::client::Exchange::for_user(user, nonce, None);
    (ExpectFirst { inner }, payload)
}

/// The saslStart with this first message, for a user of this database.
#[must_use]
pub const fn start_of<'a>(payload: &'a [u8], db: &'a str) -> SaslStart<'a> {
    SaslStart {
        mechanism: scram::SHA_256,
        payload: Payload::Binary(payload),
        db,
        skip_empty_exchange: true,
    }
}

impl ExpectFirst {
    /// Takes the reply to saslStart; answers the payload of the next message. What this takes with
    /// a password [`scram::client::Exchange::first`] says.
    ///
    /// # Errors
    ///
    /// Those of [`scram::client::Exchange::first`]; an exchange that is done already.
    pub fn first(
        self,
        reply: &SaslReply,
        credential: &Credential<'_>,
    ) -> Result<(ExpectFinal, Vec<u8>), Failure> {
        if reply.done {
            return Err(Failure::Order);
        }
        let (inner, payload) = self.inner.first(&reply.payload, credential)?;
        let expect = ExpectFinal {
            inner,
            conversation_id: reply.conversation_id,
        };
        Ok((expect, payload))
    }
}

/// Waits for the server's signature.
#[must_use]
#[derive(Debug)]
pub struct ExpectFinal {
    inner: scram::client::ExpectFinal,
    conversation_id: i32,
}

impl ExpectFinal {
    /// The saslContinue with this payload.
    #[must_use]
    pub const fn next<'a>(&self, payload: &'a [u8]) -> SaslContinue<'a> {
        SaslContinue {
            conversation_id: self.conversation_id,
            payload: Payload::Binary(payload),
        }
    }

    /// Takes the reply to the proof; `Some` if the server waits for the empty message, whose reply
    /// must be [done](ExpectDone::finish).
    ///
    /// # Errors
    ///
    /// [`scram::Error::ServerSignature`] if the server does not know the verifier.
    pub fn finish(self, reply: &SaslReply) -> Result<Option<ExpectDone>, Failure> {
        if reply.conversation_id != self.conversation_id {
            return Err(Failure::Conversation);
        }
        self.inner.finish(&reply.payload)?;
        let conversation_id = self.conversation_id;
        Ok((!reply.done).then_some(ExpectDone { conversation_id }))
    }
}

/// Waits for the end of an exchange whose server does not leave out the empty message.
#[must_use]
#[derive(Debug)]
pub struct ExpectDone {
    conversation_id: i32,
}

impl ExpectDone {
    /// The empty saslContinue.
    #[must_use]
    pub const fn next(&self) -> SaslContinue<'static> {
        SaslContinue {
            conversation_id: self.conversation_id,
            payload: Payload::Binary(&[]),
        }
    }

    /// Takes its reply.
    ///
    /// # Errors
    ///
    /// The server is not done, or in another conversation.
    pub const fn finish(self, reply: &SaslReply) -> Result<(), Failure> {
        if reply.conversation_id != self.conversation_id {
            return Err(Failure::Conversation);
        }
        if !reply.done {
            return Err(Failure::Order);
        }
        Ok(())
    }
}
