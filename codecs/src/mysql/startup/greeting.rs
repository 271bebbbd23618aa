//! What a server says first.

use super::super::Error;
use super::super::error::text;
use super::super::flags::{Capabilities, Status};
use super::super::frame::Packet;
use super::{NONCE_BYTES, Nonce, capabilities, extended_bytes};
use crate::cursor::Cursor;

/// Bytes of a nonce that stand before the capabilities, for the sake of clients before 4.1.
const NONCE_FRONT_BYTES: usize = 8;

const PROTOCOL_VERSION: u8 = 10;

/// HandshakeV10: what a server says first, if it does not refuse with an ERR packet
/// ([`crate::mysql::report::Report::is`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting<'a> {
    /// Version of the server. MariaDB puts `5.5.5-` in front of its own, so that old replicas
    /// take it for MySQL.
    pub version: &'a str,
    /// Id of the session, for KILL.
    pub thread_id: u32,
    /// Challenge of the plugin.
    pub nonce: Nonce,
    /// What the server can.
    pub capabilities: Capabilities,
    /// Default collation, by its number.
    pub collation: u8,
    /// Where the session stands.
    pub status: Status,
    /// Plugin that the nonce is for; empty without `CLIENT_PLUGIN_AUTH`.
    pub plugin: &'a str,
}

impl<'a> Greeting<'a> {
    /// Reads the body of a greeting. What is behind its last field is not looked at.
    ///
    /// # Errors
    ///
    /// Another layout, another protocol version than 10, or a server older than 4.1.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        match cursor.u8().ok_or(Error::Truncated("protocol version"))? {
            PROTOCOL_VERSION => {}
            9 => return Err(Error::Unsupported("protocol before 4.1")),
            _ => return Err(Error::Invalid("protocol version")),
        }
        let version = text(cursor.c_string(), "server version")?;
        let thread_id = cursor.u32_le().ok_or(Error::Truncated("thread id"))?;
        let front: [u8; NONCE_FRONT_BYTES] = cursor.array().ok_or(Error::Truncated("nonce"))?;
        cursor.u8().ok_or(Error::Truncated("filler"))?;
        let low = cursor.u16_le().ok_or(Error::Truncated("capabilities"))?;
        let collation = cursor.u8().ok_or(Error::Truncated("collation"))?;
        let status = Status(cursor.u16_le().ok_or(Error::Truncated("status"))?);
        let high = cursor.u16_le().ok_or(Error::Truncated("capabilities"))?;
        let nonce_bytes = cursor.u8().ok_or(Error::Truncated("nonce length"))?;
        cursor.take(6).ok_or(Error::Truncated("filler"))?;
        let extended = cursor.u32_le().ok_or(Error::Truncated("filler"))?;
        let capabilities = capabilities(u32::from(high) << 16 | u32::from(low), extended);
        let needed = Capabilities::PROTOCOL_41.union(Capabilities::SECURE_CONNECTION);
        if !capabilities.contains(needed) {
            return Err(Error::Unsupported("protocol before 4.1"));
        }
        let nonce = nonce(front, nonce_bytes, &mut cursor)?;
        let plugin = if capabilities.contains(Capabilities::PLUGIN_AUTH) {
            text(cursor.c_string(), "plugin name")?
        } else {
            ""
        };
        Ok(Self {
            version,
            thread_id,
            nonce,
            capabilities,
            collation,
            status,
            plugin,
        })
    }

    /// Appends it. `CLIENT_PROTOCOL_41` and `CLIENT_SECURE_CONNECTION` must be among the
    /// capabilities.
    ///
    /// # Errors
    ///
    /// Capabilities without these two, or a zero byte in version or plugin name.
    pub fn encode(&self, sequence: &mut u8, out: &mut Vec<u8>) -> Result<(), Error> {
        let needed = Capabilities::PROTOCOL_41.union(Capabilities::SECURE_CONNECTION);
        if !self.capabilities.contains(needed) {
            return Err(Error::Invalid("capabilities"));
        }
        let (front, back) = self.nonce.split_at(NONCE_FRONT_BYTES);
        let [low_a, low_b, high_a, high_b, extended @ ..] = self.capabilities.0.to_le_bytes();
        let mut packet = Packet::new(sequence, out);
        packet.u8(PROTOCOL_VERSION);
        packet.c_string(self.version.as_bytes(), "server version")?;
        packet.u32(self.thread_id);
        packet.bytes(front);
        packet.u8(0);
        packet.bytes(&[low_a, low_b]);
        packet.u8(self.collation);
        packet.u16(self.status.0);
        packet.bytes(&[high_a, high_b]);
        packet.u8(if self.capabilities.contains(Capabilities::PLUGIN_AUTH) {
            // The zero byte behind the nonce counts.
            21
        } else {
            0
        });
        packet.bytes(&[0; 6]);
        packet.bytes(&extended_bytes(self.capabilities, extended));
        packet.bytes(back);
        packet.u8(0);
        if self.capabilities.contains(Capabilities::PLUGIN_AUTH) {
            packet.c_string(self.plugin.as_bytes(), "plugin name")?;
        }
        packet.finish();
        Ok(())
    }
}

/// The nonce from its two places. The second is as long as the length says, at least 13 bytes, and
/// ends with a zero byte that is none of the nonce's.
fn nonce(
    front: [u8; NONCE_FRONT_BYTES],
    nonce_bytes: u8,
    cursor: &mut Cursor<'_>,
) -> Result<Nonce, Error> {
    const BACK_BYTES: usize = NONCE_BYTES - NONCE_FRONT_BYTES;
    let back: [u8; BACK_BYTES] = cursor.array().ok_or(Error::Truncated("nonce"))?;
    let behind = usize::from(nonce_bytes).saturating_sub(NONCE_BYTES).max(1);
    cursor.take(behind).ok_or(Error::Truncated("nonce"))?;
    let mut nonce = [0; NONCE_BYTES];
    for (place, byte) in nonce.iter_mut().zip(front.iter().chain(&back)) {
        *place = *byte;
    }
    Ok(nonce)
}
