//! MySQL's packets: <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>.

use std::io::Read;

/// A payload of this length is continued in the next packet.
pub const PAYLOAD_BYTES_MAX: usize = 0xff_ffff;

/// Capability flags, as the server's `include/mysql_com.h` names them.
pub mod capability {
    /// The connection starts in the handshake's database.
    pub const CONNECT_WITH_DB: u32 = 1 << 3;
    /// The client answers requests for its files.
    pub const LOCAL_FILES: u32 = 1 << 7;
    /// The protocol since 4.1; always.
    pub const PROTOCOL_41: u32 = 1 << 9;
    /// TLS follows.
    pub const SSL: u32 = 1 << 11;
    /// Status flags in OK.
    pub const TRANSACTIONS: u32 = 1 << 13;
    /// Authentication as since 4.1; always.
    pub const SECURE_CONNECTION: u32 = 1 << 15;
    /// Several statements in one COM_QUERY.
    pub const MULTI_STATEMENTS: u32 = 1 << 16;
    /// Several results for one COM_QUERY.
    pub const MULTI_RESULTS: u32 = 1 << 17;
    /// The client names its authentication method.
    pub const PLUGIN_AUTH: u32 = 1 << 19;
    /// Connection attributes.
    pub const CONNECT_ATTRS: u32 = 1 << 20;
    /// The authentication response may be longer than 255 bytes.
    pub const PLUGIN_AUTH_LENENC: u32 = 1 << 21;
    /// Result sets end with an OK packet.
    pub const DEPRECATE_EOF: u32 = 1 << 24;

    /// What [`super::super::Session`] asks for unless told otherwise.
    pub const USUAL: u32 = PROTOCOL_41
        | TRANSACTIONS
        | SECURE_CONNECTION
        | MULTI_STATEMENTS
        | MULTI_RESULTS
        | PLUGIN_AUTH
        | PLUGIN_AUTH_LENENC;
}

/// One packet: header and payload, at most [`PAYLOAD_BYTES_MAX`] of it.
///
/// # Panics
///
/// If the payload is longer.
#[must_use]
pub fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() <= PAYLOAD_BYTES_MAX);
    let length = u32::try_from(payload.len()).expect("below 16 MB");
    let mut bytes = length.to_le_bytes()[..3].to_vec();
    bytes.push(sequence);
    bytes.extend_from_slice(payload);
    bytes
}

/// A message of any length as the packets that carry it.
#[must_use]
pub fn packets(mut sequence: u8, mut payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let (first, rest) = payload.split_at(payload.len().min(PAYLOAD_BYTES_MAX));
        bytes.extend_from_slice(&packet(sequence, first));
        sequence = sequence.wrapping_add(1);
        payload = rest;
        // A full packet is never the last one.
        if first.len() < PAYLOAD_BYTES_MAX {
            return bytes;
        }
    }
}

/// Reads one message, and says which sequence number comes next.
///
/// # Errors
///
/// The end of the connection, or its failure.
pub fn read(stream: &mut impl Read) -> std::io::Result<(Vec<u8>, u8)> {
    let mut message = Vec::new();
    loop {
        let mut header = [0; 4];
        stream.read_exact(&mut header)?;
        let [a, b, c, sequence] = header;
        let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        let start = message.len();
        message.resize(start + length, 0);
        stream.read_exact(&mut message[start..])?;
        if length < PAYLOAD_BYTES_MAX {
            return Ok((message, sequence.wrapping_add(1)));
        }
    }
}

/// A length-encoded integer.
#[must_use]
pub fn lenenc(value: usize) -> Vec<u8> {
    let bytes = u64::try_from(value).expect("64 bits").to_le_bytes();
    match value {
        0..=250 => bytes[..1].to_vec(),
        251..=0xffff => [&[0xfc], &bytes[..2]].concat(),
        0x1_0000..=0xff_ffff => [&[0xfd], &bytes[..3]].concat(),
        _ => [&[0xfe], &bytes[..]].concat(),
    }
}

/// What is left of a payload.
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    /// The next bytes.
    ///
    /// # Panics
    ///
    /// If the payload is shorter; so do the others.
    pub fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(bytes);
        self.0 = rest;
        taken
    }

    /// A little-endian number of so many bytes.
    pub fn number(&mut self, bytes: usize) -> u64 {
        let digits = self.take(bytes).iter().rev();
        digits.fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// A length-encoded integer; `None` is NULL.
    pub fn lenenc(&mut self) -> Option<u64> {
        match self.take(1)[0] {
            0xfb => None,
            0xfc => Some(self.number(2)),
            0xfd => Some(self.number(3)),
            0xfe => Some(self.number(8)),
            small => Some(u64::from(small)),
        }
    }

    /// A string with its length before it; `None` is NULL.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.lenenc()?;
        Some(self.take(usize::try_from(length).expect("a length")))
    }

    /// A string with a NUL behind it, or all that is left.
    pub fn terminated(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let text = self.take(end.unwrap_or(self.0.len()));
        self.0 = self.0.get(1..).unwrap_or_default();
        text
    }
}
