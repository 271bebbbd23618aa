//! The server's role: ends a client's login.

use super::{CONVERSATION_ID, Payload, SaslContinue, SaslReply, SaslStart};
use crate::scram::{self, ClientKey};

/// Why a login came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The exchange itself: [`scram::Error::Proof`] is a wrong password, all others a client that
    /// breaks the protocol.
    #[error(transparent)]
    Scram(#[from] scram::Error),
    /// The client goes on with a conversation that it did not begin.
    #[error("sasl: Mismatched conversation id")]
    Conversation,
    /// The last exchange is not empty.
    #[error("sasl: unexpected payload behind the exchange")]
    Payload,
}

/// Waits for the client's proof.
#[must_use]
#[derive(Debug)]
pub struct ExpectFinal {
    inner: scram::server::ExpectFinal,
    skip_empty_exchange: bool,
}

/// Begins with a client's first message, which came with saslStart or with a hello. The user's name
/// is in it: [`scram::user_name`].
///
/// # Errors
///
/// Those of [`scram::server::Exchange::first`].
pub fn start(
    start: &SaslStart<'_>,
    exchange: scram::server::Exchange,
) -> Result<(ExpectFinal, SaslReply), Failure> {
    let (inner, payload) = exchange.first(start.mechanism, &start.payload.bytes())?;
    let expect = ExpectFinal {
        inner,
        skip_empty_exchange: start.skip_empty_exchange,
    };
    Ok((expect, reply(false, payload, start.payload)))
}

impl ExpectFinal {
    /// Takes the client's proof; answers its key, the reply to send, and what is still missing.
    ///
    /// # Errors
    ///
    /// [`scram::Error::Proof`] if the client does not know the password.
    pub fn proof(self, next: &SaslContinue<'_>) -> Result<Proven, Failure> {
        check(next)?;
        let (key, payload) = self.inner.finish(&next.payload.bytes())?;
        let done = self.skip_empty_exchange;
        Ok(Proven {
            key,
            reply: reply(done, payload, next.payload),
            then: (!done).then_some(ExpectEmpty(())),
        })
    }
}

/// A client that has proved who it is.
#[must_use]
#[derive(Debug)]
pub struct Proven {
    /// What its proof reveals: logs in where the same verifier is.
    pub key: ClientKey,
    /// What it must be told.
    pub reply: SaslReply,
    /// The exchange that it did not ask to leave out.
    pub then: Option<ExpectEmpty>,
}

/// Waits for the empty message that ends the exchange.
#[must_use]
#[derive(Debug)]
pub struct ExpectEmpty(());

impl ExpectEmpty {
    /// Takes the empty message; answers the last reply.
    ///
    /// # Errors
    ///
    /// It is not empty, or of another conversation.
    pub fn finish(self, next: &SaslContinue<'_>) -> Result<SaslReply, Failure> {
        check(next)?;
        if !next.payload.bytes().is_empty() {
            return Err(Failure::Payload);
        }
        Ok(reply(true, Vec::new(), next.payload))
    }
}

const fn check(next: &SaslContinue<'_>) -> Result<(), Failure> {
    if next.conversation_id == CONVERSATION_ID {
        Ok(())
    } else {
        Err(Failure::Conversation)
    }
}

/// In the form that the client's message has.
const fn reply(done: bool, payload: Vec<u8>, to: Payload<'_>) -> SaslReply {
    SaslReply {
        conversation_id: CONVERSATION_ID,
        done,
        payload,
        base64: to.is_base64(),
    }
}
