//! Length and sequence number of packets, and the messages that they make up.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>
//!
//! A body of 16 MB or more is sent in several packets: as many as it fills, and one that is not
//! full, which ends it and may be empty.
//!
//! [`frame`] and [`message`] are for what is read whole, [`Walk`] for the rest: it says where
//! messages begin and end, and what with, in a stream that is forwarded in whatever chunks it
//! comes.

use std::borrow::Cow;

use super::Error;
pub use super::patch::Packet;
use crate::cursor::Cursor;

/// Bytes of a header: three of length and the sequence number.
pub const HEADER_BYTES: usize = 4;

/// Most bytes of one packet behind its header. A packet with as many is followed by another one of
/// the same message.
pub const PACKET_BYTES_MAX: u32 = 0xff_ffff;

/// Bytes of a body that [`Walk`] looks at: all of an OK, EOF or prepare reply, a column count, the
/// number of an error, the head of a command.
pub const START_BYTES_MAX: usize = START_MAX as usize;

const START_MAX: u32 = 40;

#[derive(Clone, Copy)]
struct Header {
    packet_bytes: u32,
    sequence: u8,
}

impl Header {
    const fn parse(bytes: [u8; HEADER_BYTES]) -> Self {
        let [low, middle, high, sequence] = bytes;
        Self {
            packet_bytes: u32::from_le_bytes([low, middle, high, 0]),
            sequence,
        }
    }

    /// Whether another packet of the same message follows.
    const fn continues(self) -> bool {
        self.packet_bytes == PACKET_BYTES_MAX
    }

    /// Bytes of the packet that [`Walk`] looks at if it begins a message.
    const fn start_bytes(self) -> u32 {
        if self.packet_bytes < START_MAX {
            self.packet_bytes
        } else {
            START_MAX
        }
    }
}

/// One whole message of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Number of the packet in its exchange.
    pub sequence: u8,
    /// All behind the header.
    pub body: &'a [u8],
    /// Bytes of the whole message, to be taken off the buffer.
    pub bytes: usize,
}

/// Reads the message at the front of `input`; `None` if it is not all there. For handshakes, whose
/// messages are short.
///
/// # Errors
///
/// The body is longer than `body_bytes_max`, or does not fit one packet. Both are found as soon as
/// the header is there: a message that is too long is never waited for.
pub fn frame(input: &[u8], body_bytes_max: usize) -> Result<Option<Frame<'_>>, Error> {
    let mut cursor = Cursor::new(input);
    let Some(header) = cursor.array().map(Header::parse) else {
        return Ok(None);
    };
    let body_bytes = header.packet_bytes as usize;
    if body_bytes > body_bytes_max || header.continues() {
        return Err(Error::TooLong {
            bytes: header.packet_bytes.into(),
            max: (body_bytes_max as u64).min(u64::from(PACKET_BYTES_MAX) - 1),
        });
    }
    Ok(cursor.take(body_bytes).map(|body| Frame {
        sequence: header.sequence,
        body,
        bytes: HEADER_BYTES + body_bytes,
    }))
}

/// One whole message of one or more packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Number of the first packet in its exchange.
    pub sequence: u8,
    /// Number that the next packet of the exchange has, whoever sends it.
    pub next_sequence: u8,
    /// All of the packets' bodies.
    pub body: Cow<'a, [u8]>,
    /// Bytes of the whole message with all its headers, to be taken off the buffer.
    pub bytes: usize,
}

/// Reads the message at the front of `input`, put together from its packets; `None` if it is not
/// all there. Copies nothing before it is, and nothing if it is one packet.
///
/// # Errors
///
/// The body is longer than `body_bytes_max`, found as soon as a header says so, or the packets are
/// not numbered one after the other.
pub fn message(input: &[u8], body_bytes_max: usize) -> Result<Option<Message<'_>>, Error> {
    let mut cursor = Cursor::new(input);
    let mut first: Option<(u8, &[u8])> = None;
    let mut body_bytes = 0_usize;
    let mut next_sequence = 0;
    loop {
        let Some(header) = cursor.array().map(Header::parse) else {
            return Ok(None);
        };
        if first.is_some() {
            check_sequence(next_sequence, header.sequence)?;
        }
        next_sequence = header.sequence.wrapping_add(1);
        body_bytes = body_bytes.saturating_add(header.packet_bytes as usize);
        if body_bytes > body_bytes_max {
            return Err(Error::TooLong {
                bytes: body_bytes as u64,
                max: body_bytes_max as u64,
            });
        }
        let Some(piece) = cursor.take(header.packet_bytes as usize) else {
            return Ok(None);
        };
        let (sequence, first_piece) = *first.get_or_insert((header.sequence, piece));
        if header.continues() {
            continue;
        }
        let bytes = input.len() - cursor.rest().len();
        let body = if first_piece.len() == body_bytes {
            Cow::Borrowed(first_piece)
        } else {
            Cow::Owned(join(input, body_bytes))
        };
        return Ok(Some(Message {
            sequence,
            next_sequence,
            body,
            bytes,
        }));
    }
}

/// The bodies of the packets at the front of `input`, which are all there.
fn join(input: &[u8], body_bytes: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(body_bytes);
    let mut cursor = Cursor::new(input);
    while let Some(header) = cursor.array().map(Header::parse) {
        let piece = cursor.take(header.packet_bytes as usize);
        body.extend_from_slice(piece.unwrap_or_default());
        if !header.continues() {
            break;
        }
    }
    body
}

const fn check_sequence(expected: u8, found: u8) -> Result<(), Error> {
    if expected == found {
        Ok(())
    } else {
        Err(Error::Sequence { expected, found })
    }
}

/// The beginning of a message in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start<'a> {
    /// Number of its first packet in the exchange.
    pub sequence: u8,
    /// Bytes of its first packet behind the header.
    pub packet_bytes: u32,
    /// The first bytes of its body: all of them, or [`START_BYTES_MAX`].
    pub body: &'a [u8],
    /// Whether more packets of the same message follow.
    pub continues: bool,
}

/// Follows a stream of messages, wherever its chunks are cut. Holds no bytes but those of a start
/// that is not all there.
///
/// ```text
///          start read, more body             packet read
///   start ───────────────────────► skipping ─────────────────────► start
///      └── start read, no more ─► start   └── full packet read ─► next header ──► skipping
/// ```
#[derive(Clone, Debug)]
pub struct Walk {
    /// Header, and the first bytes of the body, of a start that is not all there.
    held: [u8; HEADER_BYTES + START_BYTES_MAX],
    held_bytes: usize,
    /// Bytes to come of the packet under way.
    packet_left: u32,
    /// The packet under way, or read last, is followed by another of the same message, with this
    /// number.
    continued_by: Option<u8>,
}

impl Walk {
    /// Starts where a message begins.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            held: [0; HEADER_BYTES + START_BYTES_MAX],
            held_bytes: 0,
            packet_left: 0,
            continued_by: None,
        }
    }

    /// Whether the next byte is the first of a message.
    #[must_use]
    pub const fn at_boundary(&self) -> bool {
        self.held_bytes == 0 && self.packet_left == 0 && self.continued_by.is_none()
    }

    /// Bytes that are still to come of the packet under way, once its start is known.
    #[must_use]
    pub const fn packet_left(&self) -> u32 {
        self.packet_left
    }

    /// Goes on to where the start of the next message is known (its header and the first
    /// [`START_BYTES_MAX`] bytes of its body, or all of a shorter one), or to the end of the packet
    /// under way, or to the end of `input`, whichever comes first. Answers how many bytes that
    /// took, and the start if one was completed. With input left, call it again with the rest.
    ///
    /// The message began `HEADER_BYTES + start.body.len()` bytes before the place that is reached.
    ///
    /// # Errors
    ///
    /// The packets of a message are not numbered one after the other: no later byte can be
    /// understood, and every further call gives the same error.
    pub fn step<'a>(&'a mut self, input: &'a [u8]) -> Result<(usize, Option<Start<'a>>), Error> {
        if self.packet_left > 0 {
            let input_bytes = u32::try_from(input.len()).unwrap_or(u32::MAX);
            let skipped = self.packet_left.min(input_bytes);
            self.packet_left -= skipped;
            return Ok((skipped as usize, None));
        }
        if self.held_bytes == 0
            && self.continued_by.is_none()
            && let Some((header, rest)) = input.split_first_chunk()
        {
            let header = Header::parse(*header);
            if let Some(body) = rest.get(..header.start_bytes() as usize) {
                self.enter(header, header.start_bytes());
                return Ok((HEADER_BYTES + body.len(), Some(start(header, body))));
            }
        }
        self.step_held(input)
    }

    /// A start that came in pieces, or the header of a packet that continues a message.
    #[cold]
    fn step_held<'a>(&'a mut self, input: &'a [u8]) -> Result<(usize, Option<Start<'a>>), Error> {
        let taken = self.hold(input, HEADER_BYTES);
        if self.held_bytes < HEADER_BYTES {
            return Ok((taken, None));
        }
        let [a, b, c, sequence, ..] = self.held;
        let header = Header::parse([a, b, c, sequence]);
        if let Some(expected) = self.continued_by {
            // An error leaves the header in place: the next call meets it again.
            check_sequence(expected, sequence)?;
            self.enter(header, 0);
            return Ok((taken, None));
        }
        let start_bytes = header.start_bytes() as usize;
        let rest = input.get(taken..).unwrap_or_default();
        let taken = taken + self.hold(rest, HEADER_BYTES + start_bytes);
        if self.held_bytes < HEADER_BYTES + start_bytes {
            return Ok((taken, None));
        }
        self.enter(header, header.start_bytes());
        let body = self.held.get(HEADER_BYTES..).unwrap_or_default();
        let body = body.get(..start_bytes).unwrap_or_default();
        Ok((taken, Some(start(header, body))))
    }

    /// Fills up to `bytes` of what is held; answers how many that took.
    fn hold(&mut self, input: &[u8], bytes: usize) -> usize {
        let places = self.held.iter_mut().take(bytes).skip(self.held_bytes);
        let mut taken = 0;
        for (place, byte) in places.zip(input) {
            *place = *byte;
            taken += 1;
        }
        self.held_bytes += taken;
        taken
    }

    /// The header and `start_bytes` of the packet's body have been read.
    const fn enter(&mut self, header: Header, start_bytes: u32) {
        self.held_bytes = 0;
        self.packet_left = header.packet_bytes.saturating_sub(start_bytes);
        self.continued_by = if header.continues() {
            Some(header.sequence.wrapping_add(1))
        } else {
            None
        };
    }
}

impl Default for Walk {
    fn default() -> Self {
        Self::new()
    }
}

const fn start(header: Header, body: &[u8]) -> Start<'_> {
    Start {
        sequence: header.sequence,
        packet_bytes: header.packet_bytes,
        body,
        continues: header.continues(),
    }
}

#[cfg(test)]
mod tests;
