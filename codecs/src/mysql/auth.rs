//! Authentication: what the server asks behind its greeting, and what both password methods
//! compute.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods.html>
//!
//! ```text
//! client  HandshakeResponse     plugin, proof by the greeting's nonce
//! server  AuthSwitchRequest     if it wants another plugin: its name and a new nonce
//! client  the proof again, without any head
//! server  AuthMoreData          caching_sha2_password: FAST_OK, or FULL: then the password follows
//! server  OK or ERR
//! ```

use std::fmt;
use std::str::FromStr;

use super::Error;
use super::error::text;
use super::frame::Packet;
use super::push_hex;
use super::report::{self, Report};
use super::server::{self, EOF, OK};
use super::startup::{NONCE_BYTES, Nonce};
use crate::cursor::Cursor;

mod crypt;
pub mod native;
pub mod sha2;

/// Plugin of the accounts on MariaDB: see [`native`].
pub const NATIVE_PASSWORD: &str = "mysql_native_password";

/// Plugin of the accounts on MySQL: see [`sha2`].
pub const CACHING_SHA2_PASSWORD: &str = "caching_sha2_password";

/// The password itself, ended by a zero byte.
pub const CLEAR_PASSWORD: &str = "mysql_clear_password";

/// MariaDB: a signature by Ed25519. It proves and yields nothing that logs in elsewhere.
pub const ED25519: &str = "client_ed25519";

/// First byte of an AuthMoreData.
const MORE_DATA: u8 = 0x01;

/// What a server says while a client logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Nothing more: the client is in.
    Ok(server::Ok),
    /// The client is not let in.
    Refused(Report<'a>),
    /// Begin again with another plugin.
    Switch(AuthSwitchRequest<'a>),
    /// Next message of the plugin.
    More(&'a [u8]),
}

/// Reads the body of a message that a server sends behind a response.
///
/// # Errors
///
/// Another layout, or a method that is not spoken here: the one before 4.1, or a second factor.
pub fn decode_request(body: &[u8]) -> Result<Request<'_>, Error> {
    match body.first() {
        Some(&OK) => server::Ok::decode(body).map(Request::Ok),
        Some(&report::HEADER) => Report::decode(body).map(Request::Refused),
        Some(&EOF) => AuthSwitchRequest::decode(body).map(Request::Switch),
        Some(&MORE_DATA) => decode_more_data(body).map(Request::More),
        Some(0x02) => Err(Error::Unsupported("second authentication factor")),
        Some(_) => Err(Error::Invalid("authentication request")),
        None => Err(Error::Truncated("authentication request")),
    }
}

/// The server wants another plugin than the one that the client chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthSwitchRequest<'a> {
    /// Name of the plugin.
    pub plugin: &'a str,
    /// What the plugin begins with, as it is on the wire.
    pub data: &'a [u8],
}

impl<'a> AuthSwitchRequest<'a> {
    /// Reads the body of the request.
    ///
    /// # Errors
    ///
    /// Another layout. One byte alone asks for the method before 4.1, which is not spoken here.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        if cursor.u8() != Some(EOF) {
            return Err(Error::Invalid("authentication switch header"));
        }
        if cursor.is_empty() {
            return Err(Error::Unsupported("password method before 4.1"));
        }
        Ok(Self {
            plugin: text(cursor.c_string(), "plugin name")?,
            data: cursor.rest(),
        })
    }

    /// The nonce that both password methods begin with: 20 bytes and a zero byte, which some
    /// servers leave out.
    #[must_use]
    pub fn nonce(&self) -> Option<Nonce> {
        let data = match self.data.split_last() {
            Some((0, front)) if self.data.len() == NONCE_BYTES + 1 => front,
            _ => self.data,
        };
        data.try_into().ok()
    }

    /// Appends the request.
    ///
    /// # Errors
    ///
    /// A zero byte in the name.
    pub fn encode(&self, sequence: &mut u8, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut packet = Packet::new(sequence, out);
        packet.u8(EOF);
        packet.c_string(self.plugin.as_bytes(), "plugin name")?;
        packet.bytes(self.data);
        packet.finish();
        Ok(())
    }

    /// Appends the request with a nonce, as both password methods begin.
    ///
    /// # Errors
    ///
    /// A zero byte in the name.
    pub fn encode_nonce(
        plugin: &str,
        nonce: &Nonce,
        sequence: &mut u8,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut data = [0; NONCE_BYTES + 1];
        for (place, byte) in data.iter_mut().zip(nonce) {
            *place = *byte;
        }
        let data = &data;
        AuthSwitchRequest { plugin, data }.encode(sequence, out)
    }
}

/// Reads the body of an AuthMoreData.
///
/// # Errors
///
/// Another first byte.
pub fn decode_more_data(body: &[u8]) -> Result<&[u8], Error> {
    match body.split_first() {
        Some((&MORE_DATA, data)) => Ok(data),
        _ => Err(Error::Invalid("authentication data header")),
    }
}

/// Appends an AuthMoreData.
pub fn encode_more_data(data: &[u8], sequence: &mut u8, out: &mut Vec<u8>) {
    let mut packet = Packet::new(sequence, out);
    packet.u8(MORE_DATA);
    packet.bytes(data);
    packet.finish();
}

/// Appends a client's message of its plugin, which has no head: all of it is the plugin's.
pub fn encode_response(data: &[u8], sequence: &mut u8, out: &mut Vec<u8>) {
    let mut packet = Packet::new(sequence, out);
    packet.bytes(data);
    packet.finish();
}

/// What a server stores of a password: enough to check a proof, and with a proof that was overheard
/// enough to make one. So it is not printed.
///
/// As text: the plugin's name, `$`, and the digest in hexadecimal digits, in upper case (as
/// MariaDB has it) for `mysql_native_password`, in lower case for `caching_sha2_password`.
#[derive(Clone)]
pub enum Verifier {
    /// `SHA1(SHA1(password))`
    Native([u8; 20]),
    /// `SHA256(SHA256(password))`
    Sha2([u8; 32]),
}

impl Verifier {
    /// The plugin whose proofs it checks.
    #[must_use]
    pub const fn plugin(&self) -> &'static str {
        match self {
            Self::Native(_) => NATIVE_PASSWORD,
            Self::Sha2(_) => CACHING_SHA2_PASSWORD,
        }
    }
}

impl FromStr for Verifier {
    type Err = Error;

    /// Reads the form that is described at the type.
    ///
    /// # Errors
    ///
    /// Another form, also one that says the same in other digits.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (plugin, digits) = text.split_once('$').ok_or(Error::Invalid(VERIFIER))?;
        match plugin {
            NATIVE_PASSWORD => digest(digits, UPPER).map(Self::Native),
            CACHING_SHA2_PASSWORD => digest(digits, LOWER).map(Self::Sha2),
            _ => Err(Error::Invalid(VERIFIER)),
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digest, digits) = match self {
            Self::Native(digest) => (&digest[..], UPPER),
            Self::Sha2(digest) => (&digest[..], LOWER),
        };
        let mut text = String::new();
        for byte in digest {
            push_hex(*byte, digits, &mut text);
        }
        write!(f, "{}${text}", self.plugin())
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({})", self.plugin())
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        match self {
            Self::Native(digest) => digest.zeroize(),
            Self::Sha2(digest) => digest.zeroize(),
        }
    }
}

const VERIFIER: &str = "verifier";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";

/// Exactly `N` bytes in these digits.
fn digest<const N: usize>(text: &str, digits: &[u8; 16]) -> Result<[u8; N], Error> {
    let value = |digit: u8| {
        let place = digits.iter().position(|other| *other == digit);
        place.and_then(|place| u8::try_from(place).ok())
    };
    let mut digest = [0; N];
    let mut text = text.bytes();
    for byte in &mut digest {
        let high = text
            .next()
            .and_then(value)
            .ok_or(Error::Invalid(VERIFIER))?;
        let low = text
            .next()
            .and_then(value)
            .ok_or(Error::Invalid(VERIFIER))?;
        *byte = high << 4 | low;
    }
    match text.next() {
        Some(_) => Err(Error::Invalid(VERIFIER)),
        None => Ok(digest),
    }
}

fn xor<const N: usize>(left: &[u8; N], right: &[u8; N]) -> [u8; N] {
    let mut out = *left;
    for (byte, other) in out.iter_mut().zip(right) {
        *byte ^= other;
    }
    out
}

#[cfg(test)]
mod tests;
