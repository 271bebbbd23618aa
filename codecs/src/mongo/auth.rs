//! SASL messages, both roles. The SCRAM messages inside are [`crate::scram`]'s.
//!
//! Specification "Authentication" of the drivers, section "MongoDB Handshake" and "SCRAM-SHA-256".
//!
//! ```text
//! client  saslStart      mechanism, client-first; or in hello as speculativeAuthenticate
//! server  {conversationId, done: false, payload: server-first}
//! client  saslContinue   client-final
//! server  {conversationId, done, payload: server-final}   done with skipEmptyExchange
//! client  saslContinue   nothing                          otherwise
//! server  {conversationId, done: true, payload: nothing}
//! ```

use std::fmt;

use super::Error;
use super::bson::{Document, Value, Writer};

pub mod client;
mod payload;
pub mod server;

pub use payload::Payload;

/// The number that a server gives to the one conversation of a connection.
pub const CONVERSATION_ID: i32 = 1;

/// Mechanism that is refused: its verifiers are made of MD5, and the password's bytes cannot be
/// had from ours.
pub const SHA_1: &str = "SCRAM-SHA-1";

/// saslStart, or what stands for it in a hello.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SaslStart<'i> {
    /// Name of the mechanism.
    pub mechanism: &'i str,
    /// First message.
    pub payload: Payload<'i>,
    /// The database that the user is in: `$db` of a command, `db` in a hello.
    pub db: &'i str,
    /// Whether the last exchange, which is empty, may be left out.
    pub skip_empty_exchange: bool,
}

impl<'i> SaslStart<'i> {
    /// Reads the command. Its database is `$db`, or `db` if it is from a hello.
    ///
    /// # Errors
    ///
    /// An element is broken, `mechanism` or `payload` is missing or has another type.
    pub fn read(command: Document<'i>) -> Result<Self, Error> {
        let mut mechanism = None;
        let mut payload = None;
        let mut db = None;
        let mut skip_empty_exchange = false;
        for element in command.elements() {
            let element = element?;
            match (element.key, element.value()) {
                (b"mechanism", Value::String(text)) => mechanism = Some(text),
                (b"mechanism", _) => return Err(Error::Type("mechanism")),
                (b"payload", value) => payload = Some(Payload::read(&value)?),
                (b"$db", Value::String(text)) => db = Some(text),
                (b"db", Value::String(text)) => db = db.or(Some(text)),
                (b"$db" | b"db", _) => return Err(Error::Type("$db")),
                (b"options", Value::Document(options)) => {
                    let skip = options.get("skipEmptyExchange")?;
                    skip_empty_exchange = skip.is_some_and(|skip| skip.truthy());
                }
                _ => {}
            }
        }
        Ok(Self {
            mechanism: mechanism.ok_or(Error::Missing("mechanism"))?,
            payload: payload.ok_or(Error::Missing("payload"))?,
            db: db.unwrap_or_default(),
            skip_empty_exchange,
        })
    }

    /// The command with its `$db`.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut command = Writer::new();
        self.fields(&mut command);
        command.str("$db", self.db);
        command.finish()
    }

    /// Appends what is `speculativeAuthenticate` in a hello.
    pub(super) fn write_speculative(&self, command: &mut Writer) {
        command.document("speculativeAuthenticate", |start| {
            self.fields(start);
            start.str("db", self.db);
        });
    }

    fn fields(&self, command: &mut Writer) {
        command.i32("saslStart", 1).str("mechanism", self.mechanism);
        self.payload.write(command);
        if self.skip_empty_exchange {
            command.document("options", |options| {
                options.bool("skipEmptyExchange", true);
            });
        }
    }
}

/// With PLAIN, which is refused, the payload is the password, so it is not printed.
impl fmt::Debug for SaslStart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaslStart")
            .field("mechanism", &self.mechanism)
            .field("db", &self.db)
            .field("skip_empty_exchange", &self.skip_empty_exchange)
            .finish_non_exhaustive()
    }
}

/// saslContinue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaslContinue<'i> {
    /// The number that the server gave.
    pub conversation_id: i32,
    /// Next message.
    pub payload: Payload<'i>,
}

impl<'i> SaslContinue<'i> {
    /// Reads the command.
    ///
    /// # Errors
    ///
    /// An element is broken, missing, or has another type.
    pub fn read(command: Document<'i>) -> Result<Self, Error> {
        let (conversation_id, payload) = conversation(command)?;
        Ok(Self {
            conversation_id,
            payload,
        })
    }

    /// The command for this database.
    #[must_use]
    pub fn write(&self, db: &str) -> Vec<u8> {
        let mut command = Writer::new();
        command
            .i32("saslContinue", 1)
            .i32("conversationId", self.conversation_id);
        self.payload.write(&mut command);
        command.str("$db", db);
        command.finish()
    }
}

/// The reply to either, also inside the reply to a hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaslReply {
    /// Number of the conversation.
    pub conversation_id: i32,
    /// Whether the client is in.
    pub done: bool,
    /// The server's message.
    pub payload: Vec<u8>,
    /// Whether it is written as text, for a client that writes its own so.
    pub base64: bool,
}

impl SaslReply {
    /// Reads a reply that is no error.
    ///
    /// # Errors
    ///
    /// An element is broken, missing, or has another type.
    pub fn read(reply: Document<'_>) -> Result<Self, Error> {
        let (conversation_id, payload) = conversation(reply)?;
        let done = reply.get("done")?.ok_or(Error::Missing("done"))?;
        Ok(Self {
            conversation_id,
            done: done.truthy(),
            payload: payload.bytes().into_owned(),
            base64: payload.is_base64(),
        })
    }

    /// The reply.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut reply = Writer::new();
        self.fields(&mut reply);
        reply.f64("ok", 1.0);
        reply.finish()
    }

    /// Appends its fields without `ok`, as they are in the reply to a hello.
    pub(super) fn fields(&self, reply: &mut Writer) {
        reply
            .i32("conversationId", self.conversation_id)
            .bool("done", self.done);
        if self.base64 {
            reply.str("payload", &payload::encode(&self.payload));
        } else {
            Payload::Binary(&self.payload).write(reply);
        }
    }
}

fn conversation(document: Document<'_>) -> Result<(i32, Payload<'_>), Error> {
    const ID: &str = "conversationId";
    let id = document.get(ID)?.ok_or(Error::Missing(ID))?;
    let id = id.as_i64().ok_or(Error::Type(ID))?;
    let id = i32::try_from(id).map_err(|_| Error::Invalid(ID))?;
    let payload = document.get("payload")?;
    let payload = Payload::read(&payload.ok_or(Error::Missing("payload"))?)?;
    Ok((id, payload))
}

#[cfg(test)]
mod tests;
