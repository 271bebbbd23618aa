//! The messages that open a connection: the server greets, the client answers.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>,
//! <https://mariadb.com/kb/en/connection/>
//!
//! ```text
//! server  Greeting             version, nonce, capabilities (or an ERR packet)
//! client  SslRequest           if TLS is wanted; the ClientHello comes right behind it
//! client  HandshakeResponse    user, proof, database, attributes
//! ```
//!
//! The first two bytes of capabilities say whether the rest has the layout of 4.1; older ones are
//! refused.

use std::fmt;

use super::Error;
use super::error::text;
use super::flags::Capabilities;
use super::frame::Packet;
use super::lenenc;
use crate::cursor::Cursor;
use crate::limits::MYSQL_LOGIN_BYTES_MAX;

mod attributes;
mod greeting;

pub use attributes::Attributes;
pub use greeting::Greeting;

/// Bytes of a nonce: what both password methods are salted with.
pub const NONCE_BYTES: usize = 20;

/// What a server challenges a client with. Random, without a zero byte and without `$`.
pub type Nonce = [u8; NONCE_BYTES];

/// Makes a nonce of random bytes as the server does (`generate_user_salt` in
/// `mysys/crypt_genhash_impl.cc`): 7-bit characters, none of them a zero byte or `$`.
#[must_use]
pub fn nonce(random: [u8; NONCE_BYTES]) -> Nonce {
    random.map(|byte| match byte & 0x7f {
        byte @ (0 | b'$') => byte + 1,
        byte => byte,
    })
}

/// Bytes of an [`SslRequest`], which is how it is told from a response.
const SSL_REQUEST_BYTES: usize = 32;

/// The lower half is MySQL's; the filler is MariaDB's where the lowest bit is clear.
fn capabilities(lower: u32, filler: u32) -> Capabilities {
    let lower = Capabilities(lower.into());
    if lower.contains(Capabilities::LONG_PASSWORD) {
        lower
    } else {
        lower.union(Capabilities(u64::from(filler) << 32))
    }
}

/// What stands in the filler: nothing where the lowest bit says that it is MySQL's.
fn extended_bytes(capabilities: Capabilities, extended: [u8; 4]) -> [u8; 4] {
    if capabilities.contains(Capabilities::LONG_PASSWORD) {
        [0; 4]
    } else {
        extended
    }
}

/// First message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientStart<'a> {
    /// It wants TLS. What is behind this message is the ClientHello, and a response comes again
    /// inside.
    Ssl(SslRequest),
    /// It wants a session.
    Response(HandshakeResponse<'a>),
}

/// Reads the body of a client's first message. Inside TLS an [`SslRequest`] is a mistake.
///
/// # Errors
///
/// Those of [`HandshakeResponse::decode`].
pub fn decode_client_start(body: &[u8]) -> Result<ClientStart<'_>, Error> {
    if body.len() == SSL_REQUEST_BYTES {
        let head = SslRequest::decode(&mut Cursor::new(body))?;
        if head.capabilities.contains(Capabilities::SSL) {
            return Ok(ClientStart::Ssl(head));
        }
    }
    HandshakeResponse::decode(body).map(ClientStart::Response)
}

/// A request for TLS: a response that ends before the user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SslRequest {
    /// What the client can, `CLIENT_SSL` among it.
    pub capabilities: Capabilities,
    /// Longest message in bytes that the client takes.
    pub packet_bytes_max: u32,
    /// Collation of the session, by its number.
    pub collation: u8,
}

impl SslRequest {
    /// Appends it; `CLIENT_SSL` and `CLIENT_PROTOCOL_41` are set whatever the capabilities say.
    pub fn encode(&self, sequence: &mut u8, out: &mut Vec<u8>) {
        let needed = Capabilities::SSL.union(Capabilities::PROTOCOL_41);
        let mut packet = Packet::new(sequence, out);
        self.write(self.capabilities.union(needed), &mut packet);
        packet.finish();
    }

    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        const FIELD: &str = "capabilities";
        let old = Cursor::new(cursor.rest()).u16_le();
        let old = Capabilities(old.ok_or(Error::Truncated(FIELD))?.into());
        if !old.contains(Capabilities::PROTOCOL_41) {
            return Err(Error::Unsupported("protocol before 4.1"));
        }
        let lower = cursor.u32_le().ok_or(Error::Truncated(FIELD))?;
        let packet_bytes_max = cursor.u32_le().ok_or(Error::Truncated("packet limit"))?;
        let collation = cursor.u8().ok_or(Error::Truncated("collation"))?;
        cursor.take(19).ok_or(Error::Truncated("filler"))?;
        let extended = cursor.u32_le().ok_or(Error::Truncated("filler"))?;
        Ok(Self {
            capabilities: capabilities(lower, extended),
            packet_bytes_max,
            collation,
        })
    }

    fn write(&self, capabilities: Capabilities, packet: &mut Packet<'_>) {
        let [a, b, c, d, extended @ ..] = capabilities.0.to_le_bytes();
        packet.bytes(&[a, b, c, d]);
        packet.u32(self.packet_bytes_max);
        packet.u8(self.collation);
        packet.bytes(&[0; 19]);
        packet.bytes(&extended_bytes(capabilities, extended));
    }
}

/// HandshakeResponse41: who the client is and what it wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HandshakeResponse<'a> {
    /// What the client can, and what it wants of what the server can.
    pub capabilities: Capabilities,
    /// Longest message in bytes that the client takes.
    pub packet_bytes_max: u32,
    /// Collation of the session, by its number.
    pub collation: u8,
    /// Name of the account.
    pub user: &'a str,
    /// First message of the plugin: a proof, or nothing.
    pub auth: &'a [u8],
    /// Default database: `None` without `CLIENT_CONNECT_WITH_DB`. Clients also send an empty one,
    /// which means none.
    pub database: Option<&'a str>,
    /// Plugin that `auth` is of: `None` without `CLIENT_PLUGIN_AUTH`, or if the message ends
    /// before it.
    pub plugin: Option<&'a str>,
    /// What the client says of itself; empty without `CLIENT_CONNECT_ATTRS`.
    pub attributes: Attributes<'a>,
    /// Level of zstd compression: `None` without `CLIENT_ZSTD_COMPRESSION_ALGORITHM`.
    pub zstd_level: Option<u8>,
}

impl<'a> HandshakeResponse<'a> {
    /// Reads the body of a response. What is behind its last field is not looked at, as in the
    /// server.
    ///
    /// # Errors
    ///
    /// Another layout, the one before 4.1, user or database that are not UTF-8, or more than
    /// [`MYSQL_LOGIN_BYTES_MAX`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        check_bytes(body.len(), MYSQL_LOGIN_BYTES_MAX)?;
        let mut cursor = Cursor::new(body);
        let head = SslRequest::decode(&mut cursor)?;
        let can = |flag| head.capabilities.contains(flag);
        let user = text(cursor.c_string(), "user name")?;
        let auth = if can(Capabilities::PLUGIN_AUTH_LENENC_DATA) {
            lenenc::take_string(&mut cursor, AUTH)?
        } else {
            take_auth(head.capabilities, &mut cursor)?
        };
        let database = if can(Capabilities::CONNECT_WITH_DB) {
            Some(text(cursor.c_string(), "database name")?)
        } else {
            None
        };
        let plugin = take_plugin(head.capabilities, &mut cursor)?;
        let attributes = if can(Capabilities::CONNECT_ATTRS) {
            Attributes::take(&mut cursor)?
        } else {
            Attributes::default()
        };
        let zstd_level = if can(Capabilities::ZSTD_COMPRESSION) {
            Some(cursor.u8().ok_or(Error::Truncated("compression level"))?)
        } else {
            None
        };
        Ok(Self {
            capabilities: head.capabilities,
            packet_bytes_max: head.packet_bytes_max,
            collation: head.collation,
            user,
            auth,
            database,
            plugin,
            attributes,
            zstd_level,
        })
    }

    /// Appends it. Which fields are written the capabilities say: a database or plugin without its
    /// flag is left out, and a flag without its field gets an empty one.
    ///
    /// # Errors
    ///
    /// `CLIENT_PROTOCOL_41` is missing, a zero byte in user, database or plugin (without flags of
    /// the response's length, in `auth` too), more bytes in `auth` than the flags allow, or more
    /// than [`MYSQL_LOGIN_BYTES_MAX`].
    pub fn encode(&self, sequence: &mut u8, out: &mut Vec<u8>) -> Result<(), Error> {
        let can = |flag| self.capabilities.contains(flag);
        if !can(Capabilities::PROTOCOL_41) {
            return Err(Error::Invalid("capabilities"));
        }
        let head = SslRequest {
            capabilities: self.capabilities,
            packet_bytes_max: self.packet_bytes_max,
            collation: self.collation,
        };
        let mut packet = Packet::new(sequence, out);
        head.write(self.capabilities, &mut packet);
        packet.c_string(self.user.as_bytes(), "user name")?;
        if can(Capabilities::PLUGIN_AUTH_LENENC_DATA) {
            packet.string(self.auth);
        } else {
            write_auth(self.capabilities, self.auth, &mut packet)?;
        }
        if can(Capabilities::CONNECT_WITH_DB) {
            let database = self.database.unwrap_or_default();
            packet.c_string(database.as_bytes(), "database name")?;
        }
        if can(Capabilities::PLUGIN_AUTH) {
            let plugin = self.plugin.unwrap_or_default();
            packet.c_string(plugin.as_bytes(), "plugin name")?;
        }
        if can(Capabilities::CONNECT_ATTRS) {
            packet.string(self.attributes.as_bytes());
        }
        if can(Capabilities::ZSTD_COMPRESSION) {
            packet.u8(self.zstd_level.unwrap_or_default());
        }
        check_bytes(packet.body_bytes(), MYSQL_LOGIN_BYTES_MAX)?;
        packet.finish();
        Ok(())
    }
}

/// With `mysql_clear_password` it is the password, so `auth` is not printed.
impl fmt::Debug for HandshakeResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandshakeResponse")
            .field("capabilities", &self.capabilities)
            .field("packet_bytes_max", &self.packet_bytes_max)
            .field("collation", &self.collation)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("plugin", &self.plugin)
            .field("attributes", &self.attributes)
            .field("zstd_level", &self.zstd_level)
            .finish_non_exhaustive()
    }
}

pub(super) const AUTH: &str = "authentication response";

/// The response with one byte of length in front, or ended by a zero byte.
pub(super) fn take_auth<'a>(
    capabilities: Capabilities,
    cursor: &mut Cursor<'a>,
) -> Result<&'a [u8], Error> {
    if capabilities.contains(Capabilities::SECURE_CONNECTION) {
        let bytes = cursor.u8().ok_or(Error::Truncated(AUTH))?;
        cursor.take(bytes.into()).ok_or(Error::Truncated(AUTH))
    } else {
        cursor.c_string().ok_or(Error::Terminator(AUTH))
    }
}

pub(super) fn write_auth(
    capabilities: Capabilities,
    auth: &[u8],
    packet: &mut Packet<'_>,
) -> Result<(), Error> {
    if capabilities.contains(Capabilities::SECURE_CONNECTION) {
        packet.u8(u8::try_from(auth.len()).map_err(|_| Error::Invalid(AUTH))?);
        packet.bytes(auth);
        Ok(())
    } else {
        packet.c_string(auth, AUTH)
    }
}

/// Clients that name no plugin may end their message here, as the server allows.
pub(super) fn take_plugin<'a>(
    capabilities: Capabilities,
    cursor: &mut Cursor<'a>,
) -> Result<Option<&'a str>, Error> {
    if !capabilities.contains(Capabilities::PLUGIN_AUTH) || cursor.is_empty() {
        return Ok(None);
    }
    text(cursor.c_string(), "plugin name").map(Some)
}

fn check_bytes(bytes: usize, max: usize) -> Result<(), Error> {
    if bytes > max {
        return Err(Error::TooLong {
            bytes: bytes as u64,
            max: max as u64,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
