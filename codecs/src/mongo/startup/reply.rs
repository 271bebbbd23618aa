//! Replies to a hello: the one that clients get, and what servers say.

use crate::mongo::Error;
use crate::mongo::auth::SaslReply;
use crate::mongo::bson::{Document, Value, Writer};
use crate::mongo::frame::MESSAGE_BYTES_MAX;
use crate::scram;

/// Longest document in bytes that a client may store: 16 MiB.
const BSON_OBJECT_BYTES_MAX: i32 = 16 * 1_048_576;

/// Most writes of one command.
const WRITE_BATCH_MAX: i32 = 100_000;

/// What a client is told. Never the names of servers: a driver would connect to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HelloReply {
    /// The client asked by the old name of the command.
    pub legacy: bool,
    /// The client asked whether it may use the new one.
    pub hello_ok: bool,
    /// `msg: "isdbgrid"`: the client takes it for a mongos, which hides a replica set.
    pub router: bool,
    /// Milliseconds since 1970 in UTC.
    pub local_time_ms: i64,
    /// Minutes that a session lives; `None` where the servers have none.
    pub session_timeout_minutes: Option<i64>,
    /// Number of the connection.
    pub connection_id: i64,
    /// Oldest version of the protocol.
    pub min_wire_version: i32,
    /// Newest version of the protocol.
    pub max_wire_version: i32,
    /// Which of many behind a load balancer this is, for a client that asked for it.
    pub service_id: Option<[u8; 12]>,
    /// Whether the client asked for a user's mechanisms. The answer is the same for every name.
    pub sasl_supported_mechs: bool,
    /// The answer to the first message of the client's login.
    pub speculative: Option<SaslReply>,
}

impl HelloReply {
    /// The reply.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let primary = if self.legacy {
            "ismaster"
        } else {
            "isWritablePrimary"
        };
        let message_bytes_max = i32::try_from(MESSAGE_BYTES_MAX).unwrap_or(i32::MAX);
        let mut reply = Writer::new();
        if self.hello_ok {
            reply.bool("helloOk", true);
        }
        reply.bool(primary, true);
        if self.router {
            reply.str("msg", "isdbgrid");
        }
        if let Some(id) = self.service_id {
            reply.object_id("serviceId", id);
        }
        reply
            .i32("maxBsonObjectSize", BSON_OBJECT_BYTES_MAX)
            .i32("maxMessageSizeBytes", message_bytes_max)
            .i32("maxWriteBatchSize", WRITE_BATCH_MAX)
            .date("localTime", self.local_time_ms);
        if let Some(minutes) = self.session_timeout_minutes {
            // A number of 32 bits wherever it fits, as in the server.
            match i32::try_from(minutes) {
                Ok(minutes) => reply.i32("logicalSessionTimeoutMinutes", minutes),
                Err(_) => reply.i64("logicalSessionTimeoutMinutes", minutes),
            };
        }
        match i32::try_from(self.connection_id) {
            Ok(id) => reply.i32("connectionId", id),
            Err(_) => reply.i64("connectionId", self.connection_id),
        };
        reply
            .i32("minWireVersion", self.min_wire_version)
            .i32("maxWireVersion", self.max_wire_version)
            .bool("readOnly", false);
        if self.sasl_supported_mechs {
            reply.array("saslSupportedMechs", |array| {
                array.str(scram::SHA_256);
            });
        }
        if let Some(answer) = &self.speculative {
            reply.document("speculativeAuthenticate", |inner| answer.fields(inner));
        }
        reply.f64("ok", 1.0);
        reply.finish()
    }
}

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// Whether it takes writes.
    pub writable: bool,
    /// Whether it is a mongos.
    pub router: bool,
    /// Name of its replica set; `None` if it is in none.
    pub replica_set: Option<String>,
    /// Oldest version of the protocol.
    pub min_wire_version: i32,
    /// Newest version of the protocol.
    pub max_wire_version: i32,
    /// Number that it knows the connection by; 0 if it does not say.
    pub connection_id: i64,
    /// Minutes that a session lives; `None` where it has none.
    pub session_timeout_minutes: Option<i64>,
    /// The answer to the first message of a login; `None` where it does not do that.
    pub speculative: Option<SaslReply>,
}

impl ServerHello {
    /// Reads a reply that is no error.
    ///
    /// # Errors
    ///
    /// An element is broken, or a version is no number.
    pub fn read(reply: Document<'_>) -> Result<Self, Error> {
        let mut hello = Self::default();
        for element in reply.elements() {
            let element = element?;
            match (element.key, element.value()) {
                (b"isWritablePrimary" | b"ismaster", value) => hello.writable = value.truthy(),
                (b"msg", value) => hello.router = value.as_str() == Some("isdbgrid"),
                (b"setName", Value::String(name)) => hello.replica_set = Some(name.to_owned()),
                (b"minWireVersion", value) => hello.min_wire_version = version(&value)?,
                (b"maxWireVersion", value) => hello.max_wire_version = version(&value)?,
                (b"connectionId", value) => {
                    hello.connection_id = value.as_i64().unwrap_or_default();
                }
                (b"logicalSessionTimeoutMinutes", value) => {
                    hello.session_timeout_minutes = value.as_i64();
                }
                (b"speculativeAuthenticate", Value::Document(answer)) => {
                    hello.speculative = Some(SaslReply::read(answer)?);
                }
                _ => {}
            }
        }
        Ok(hello)
    }
}

fn version(value: &Value<'_>) -> Result<i32, Error> {
    const FIELD: &str = "wire version";
    let number = value.as_i64().ok_or(Error::Type(FIELD))?;
    i32::try_from(number).map_err(|_| Error::Invalid(FIELD))
}
