//! Authentication: what the server asks, what the client answers. The SCRAM messages inside are
//! [`crate::scram`]'s.
//!
//! <https://www.postgresql.org/docs/current/sasl-authentication.html>
//!
//! ```text
//! server  AuthenticationSASL           mechanisms
//! client  SASLInitialResponse          mechanism, client-first
//! server  AuthenticationSASLContinue   server-first
//! client  SASLResponse                 client-final
//! server  AuthenticationSASLFinal      server-final
//! server  AuthenticationOk
//! ```

use super::Error;
use super::error::text;
use super::patch::Message;
use super::tag::{ClientTag, ServerTag};
use crate::cursor::Cursor;

// Codes of the Authentication messages: `src/include/libpq/protocol.h`.
const OK: i32 = 0;
const CLEARTEXT_PASSWORD: i32 = 3;
const MD5_PASSWORD: i32 = 5;
const SASL: i32 = 10;
const SASL_CONTINUE: i32 = 11;
const SASL_FINAL: i32 = 12;

/// What a server asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Nothing more: the client is in.
    Ok,
    /// The password itself.
    CleartextPassword,
    /// The password hashed by MD5.
    Md5Password {
        /// Salt of this exchange.
        salt: [u8; 4],
    },
    /// SASL with one of these mechanisms.
    Sasl(Mechanisms<'a>),
    /// Next message of the mechanism.
    SaslContinue(&'a [u8]),
    /// Last message of the mechanism.
    SaslFinal(&'a [u8]),
    /// A method that is not spoken here (Kerberos, GSSAPI, SSPI …), by its code.
    Unsupported(i32),
}

/// SASL mechanisms that a server offers, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mechanisms<'a> {
    /// `name\0name`, not empty.
    text: &'a str,
}

impl<'a> Mechanisms<'a> {
    /// The names in the server's order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.text.split('\0')
    }

    /// Whether the server offers this one.
    #[must_use]
    pub fn contains(&self, mechanism: &str) -> bool {
        self.iter().any(|name| name == mechanism)
    }

    fn parse(body: &'a [u8]) -> Result<Self, Error> {
        const FIELD: &str = "SASL mechanisms";
        let text = std::str::from_utf8(body).map_err(|_| Error::Utf8(FIELD))?;
        let text = text.strip_suffix("\0\0").ok_or(Error::Terminator(FIELD))?;
        if text.split('\0').any(str::is_empty) {
            return Err(Error::Invalid(FIELD));
        }
        Ok(Self { text })
    }
}

/// Reads the body of an Authentication message.
///
/// # Errors
///
/// A known method with another layout than its own.
pub fn decode_request(body: &[u8]) -> Result<Request<'_>, Error> {
    let mut cursor = Cursor::new(body);
    let code = cursor
        .i32()
        .ok_or(Error::Truncated("authentication code"))?;
    let request = match code {
        OK => Request::Ok,
        CLEARTEXT_PASSWORD => Request::CleartextPassword,
        MD5_PASSWORD => Request::Md5Password {
            salt: cursor.array().ok_or(Error::Truncated("MD5 salt"))?,
        },
        SASL => return Mechanisms::parse(cursor.rest()).map(Request::Sasl),
        SASL_CONTINUE => return Ok(Request::SaslContinue(cursor.rest())),
        SASL_FINAL => return Ok(Request::SaslFinal(cursor.rest())),
        other => return Ok(Request::Unsupported(other)),
    };
    if !cursor.is_empty() {
        return Err(Error::Trailing("authentication request"));
    }
    Ok(request)
}

/// Appends AuthenticationOk.
pub fn encode_ok(out: &mut Vec<u8>) {
    out.push(ServerTag::AUTHENTICATION.0);
    out.extend_from_slice(&8_u32.to_be_bytes());
    out.extend_from_slice(&OK.to_be_bytes());
}

/// Appends AuthenticationSASL with these mechanisms, best first.
///
/// # Errors
///
/// No mechanism, or a name that is empty or holds a zero byte.
pub fn encode_sasl(mechanisms: &[&str], out: &mut Vec<u8>) -> Result<(), Error> {
    if mechanisms.is_empty() || mechanisms.contains(&"") {
        return Err(Error::Invalid("SASL mechanisms"));
    }
    let mut message = authentication(SASL, out);
    for mechanism in mechanisms {
        message.c_string(mechanism, "SASL mechanisms")?;
    }
    message.u8(0);
    message.finish()
}

/// Appends AuthenticationSASLContinue.
///
/// # Errors
///
/// `data` is longer than a message can be.
pub fn encode_sasl_continue(data: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let mut message = authentication(SASL_CONTINUE, out);
    message.bytes(data);
    message.finish()
}

/// Appends AuthenticationSASLFinal.
///
/// # Errors
///
/// `data` is longer than a message can be.
pub fn encode_sasl_final(data: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let mut message = authentication(SASL_FINAL, out);
    message.bytes(data);
    message.finish()
}

fn authentication(code: i32, out: &mut Vec<u8>) -> Message<'_> {
    let mut message = Message::tagged(ServerTag::AUTHENTICATION.0, out);
    message.i32(code);
    message
}

/// SASLInitialResponse: the mechanism that the client chose, and its first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaslInitial<'a> {
    /// Name of the mechanism.
    pub mechanism: &'a str,
    /// First message. SCRAM always has one.
    pub data: &'a [u8],
}

/// Reads the body of a `p` message that answers AuthenticationSASL.
///
/// # Errors
///
/// Another layout; also the length -1, which says that there is no first message.
pub fn decode_sasl_initial(body: &[u8]) -> Result<SaslInitial<'_>, Error> {
    let mut cursor = Cursor::new(body);
    let mechanism = text(cursor.c_string(), "SASL mechanism")?;
    let length = cursor
        .i32()
        .ok_or(Error::Truncated("SASL response length"))?;
    let length = usize::try_from(length).map_err(|_| Error::Invalid("SASL response length"))?;
    let data = cursor
        .take(length)
        .ok_or(Error::Truncated("SASL response"))?;
    if !cursor.is_empty() {
        return Err(Error::Trailing("SASL response"));
    }
    Ok(SaslInitial { mechanism, data })
}

/// Reads the body of a `p` message that answers AuthenticationSASLContinue: all of it is the
/// mechanism's.
#[must_use]
pub const fn decode_sasl_response(body: &[u8]) -> &[u8] {
    body
}

/// Appends SASLInitialResponse.
///
/// # Errors
///
/// The name holds a zero byte, or `data` is longer than a message can be.
pub fn encode_sasl_initial(mechanism: &str, data: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let mut message = Message::tagged(ClientTag::PASSWORD.0, out);
    message.c_string(mechanism, "SASL mechanism")?;
    message.count(data.len(), "SASL response length")?;
    message.bytes(data);
    message.finish()
}

/// Appends SASLResponse.
///
/// # Errors
///
/// `data` is longer than a message can be.
pub fn encode_sasl_response(data: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let mut message = Message::tagged(ClientTag::PASSWORD.0, out);
    message.bytes(data);
    message.finish()
}

#[cfg(test)]
mod tests;
