//! The packets that open a connection: a length and no tag.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP> and the
//! server's `ProcessStartupPacket` in `src/backend/tcop/backend_startup.c`, whose bounds and
//! layout rules are kept, with one more: parameters must be UTF-8.

use nom::IResult;
use nom::bytes::streaming::take;
use nom::number::streaming::be_u32;

use super::Error;
use super::patch::Message;
use crate::cursor::Cursor;
use crate::limits::{CANCEL_SECRET_BYTES_MAX, CANCEL_SECRET_BYTES_MIN, STARTUP_BYTES_MAX};

/// Version of the protocol, or one of the codes that stand in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProtocolVersion {
    /// Major version: 3 in all that is in use.
    pub major: u16,
    /// Minor version.
    pub minor: u16,
}

impl ProtocolVersion {
    /// Since PostgreSQL 7.4.
    pub const V3_0: Self = Self::new(3, 0);
    /// Since PostgreSQL 18: cancel keys of up to 256 bytes.
    pub const V3_2: Self = Self::new(3, 2);

    // `src/include/libpq/pqcomm.h`
    const CANCEL: Self = Self::new(1234, 5678);
    const SSL: Self = Self::new(1234, 5679);
    const GSS_ENC: Self = Self::new(1234, 5680);

    const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    fn from_code(code: u32) -> Self {
        let [a, b, c, d] = code.to_be_bytes();
        Self::new(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
    }

    fn to_bytes(self) -> [u8; 4] {
        let ([a, b], [c, d]) = (self.major.to_be_bytes(), self.minor.to_be_bytes());
        [a, b, c, d]
    }
}

/// First packet of a connection, or of what follows a refused encryption request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartupPacket<'a> {
    /// The client asks for TLS; the answer is one byte, `S` or `N`.
    Ssl,
    /// The client asks for GSSAPI encryption; the answer is one byte.
    GssEnc,
    /// Cancel what another connection runs; there is no answer.
    Cancel {
        /// Process id, as BackendKeyData gave it.
        pid: i32,
        /// Secret, as BackendKeyData gave it: 4 to 256 bytes.
        secret: &'a [u8],
    },
    /// The client wants a session.
    Startup(Startup<'a>),
}

/// StartupMessage of a major version 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup<'a> {
    /// What the client asks for; a minor version that is not known is answered with
    /// NegotiateProtocolVersion, not refused.
    pub version: ProtocolVersion,
    /// `user`, `database`, settings.
    pub parameters: Parameters<'a>,
}

/// Names and values of a StartupMessage, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters<'a> {
    /// `name\0value\0name\0value`, or empty.
    text: &'a str,
}

impl<'a> Parameters<'a> {
    /// The value of that name; the last one if there are several, as in the server.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let values = self.iter().filter(|(other, _)| *other == name);
        values.last().map(|(_, value)| value)
    }

    /// All names and values in the client's order, repeated ones too.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut pieces = self.text.split('\0');
        // The first piece of an empty text is empty, as no name is.
        std::iter::from_fn(move || {
            let name = pieces.next().filter(|name| !name.is_empty())?;
            Some((name, pieces.next()?))
        })
    }

    /// `body` is what follows the version: names and values, each ended by a zero byte, then one
    /// more zero byte as the last of the packet.
    fn parse(body: &'a [u8]) -> Result<Self, Error> {
        const FIELD: &str = "startup parameters";
        let text = std::str::from_utf8(body).map_err(|_| Error::Utf8(FIELD))?;
        let list = text.strip_suffix('\0').ok_or(Error::Terminator(FIELD))?;
        if list.is_empty() {
            return Ok(Self { text: list });
        }
        let text = list.strip_suffix('\0').ok_or(Error::Terminator(FIELD))?;
        let mut pieces = text.split('\0');
        while let Some(name) = pieces.next() {
            if name.is_empty() {
                return Err(Error::Trailing(FIELD));
            }
            if pieces.next().is_none() {
                return Err(Error::Truncated(FIELD));
            }
        }
        Ok(Self { text })
    }
}

/// Reads the packet at the front of `buf` and says how many bytes it took; `None` if it is not all
/// there. What is behind it is not looked at.
///
/// # Errors
///
/// Not a packet of the startup family, longer than [`STARTUP_BYTES_MAX`] (found as soon as the
/// length is there), or of another major version than 3.
pub fn decode(buf: &[u8]) -> Result<Option<(StartupPacket<'_>, usize)>, Error> {
    match packet(buf) {
        Ok((rest, packet)) => Ok(Some((packet, buf.len() - rest.len()))),
        Err(nom::Err::Incomplete(_)) => Ok(None),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(error),
    }
}

fn packet(input: &[u8]) -> IResult<&[u8], StartupPacket<'_>, Error> {
    let (input, length) = be_u32(input)?;
    let body_bytes = body_bytes(length).map_err(nom::Err::Failure)?;
    let (input, body) = take(body_bytes)(input)?;
    let packet = packet_body(body).map_err(nom::Err::Failure)?;
    Ok((input, packet))
}

/// Length and version take four bytes each.
fn body_bytes(length: u32) -> Result<usize, Error> {
    if !(8..=0x7fff_ffff).contains(&length) {
        return Err(Error::Length(length));
    }
    match usize::try_from(length - 4) {
        Ok(bytes) if bytes <= STARTUP_BYTES_MAX => Ok(bytes),
        _ => Err(Error::TooLong {
            bytes: u64::from(length) - 4,
            max: STARTUP_BYTES_MAX as u64,
        }),
    }
}

fn packet_body(body: &[u8]) -> Result<StartupPacket<'_>, Error> {
    let mut cursor = Cursor::new(body);
    let code = cursor.u32().ok_or(Error::Truncated("protocol version"))?;
    match ProtocolVersion::from_code(code) {
        ProtocolVersion::SSL => empty(cursor, StartupPacket::Ssl),
        ProtocolVersion::GSS_ENC => empty(cursor, StartupPacket::GssEnc),
        ProtocolVersion::CANCEL => {
            let pid = cursor.i32().ok_or(Error::Truncated("process id"))?;
            let secret = cursor.rest();
            if !(CANCEL_SECRET_BYTES_MIN..=CANCEL_SECRET_BYTES_MAX).contains(&secret.len()) {
                return Err(Error::Invalid("cancel key length"));
            }
            Ok(StartupPacket::Cancel { pid, secret })
        }
        version if version.major == ProtocolVersion::V3_0.major => {
            let parameters = Parameters::parse(cursor.rest())?;
            Ok(StartupPacket::Startup(Startup {
                version,
                parameters,
            }))
        }
        ProtocolVersion { major, minor } => Err(Error::Version { major, minor }),
    }
}

fn empty<'a>(cursor: Cursor<'_>, packet: StartupPacket<'a>) -> Result<StartupPacket<'a>, Error> {
    if cursor.is_empty() {
        Ok(packet)
    } else {
        Err(Error::Trailing("encryption request"))
    }
}

/// Appends a StartupMessage.
///
/// # Errors
///
/// A name is empty, a name or value holds a zero byte, or the packet is longer than
/// [`STARTUP_BYTES_MAX`].
pub fn encode_startup<'a>(
    version: ProtocolVersion,
    parameters: impl Iterator<Item = (&'a str, &'a str)>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut message = Message::untagged(out);
    message.bytes(&version.to_bytes());
    for (name, value) in parameters {
        if name.is_empty() {
            return Err(Error::Invalid("startup parameter name"));
        }
        message.c_string(name, "startup parameter name")?;
        message.c_string(value, "startup parameter value")?;
    }
    message.u8(0);
    if message.body_bytes() > STARTUP_BYTES_MAX {
        return Err(Error::TooLong {
            bytes: message.body_bytes() as u64,
            max: STARTUP_BYTES_MAX as u64,
        });
    }
    message.finish()
}

/// Appends an SSLRequest.
pub fn encode_ssl_request(out: &mut Vec<u8>) {
    out.extend_from_slice(&8_u32.to_be_bytes());
    out.extend_from_slice(&ProtocolVersion::SSL.to_bytes());
}

/// Appends a CancelRequest.
///
/// # Errors
///
/// The secret is not 4 to 256 bytes long.
pub fn encode_cancel(pid: i32, secret: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    if !(CANCEL_SECRET_BYTES_MIN..=CANCEL_SECRET_BYTES_MAX).contains(&secret.len()) {
        return Err(Error::Invalid("cancel key length"));
    }
    let mut message = Message::untagged(out);
    message.bytes(&ProtocolVersion::CANCEL.to_bytes());
    message.i32(pid);
    message.bytes(secret);
    message.finish()
}

#[cfg(test)]
mod tests;
