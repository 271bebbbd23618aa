//! Tag and length of the messages behind the startup packet; bodies pass unread.
//!
//! [`frame`] is for messages that are read whole, [`Walk`] for the rest: it says where messages
//! begin and end in a stream that is forwarded in whatever chunks it comes.

use super::Error;
use crate::cursor::Cursor;

/// Bytes of a header: the tag and the length.
pub const HEADER_BYTES: usize = 5;

/// Bytes of the length field, which counts itself.
const LENGTH_BYTES: u32 = 4;

/// The largest length: the field is signed. The server itself stops at 1 GiB.
const LENGTH_MAX: u32 = 0x7fff_ffff;

/// Head of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the message is, in the alphabet of its direction: see [`super::tag`].
    pub tag: u8,
    /// The length field as it stands on the wire: itself and the body, 4 to 2^31 - 1.
    pub len: u32,
}

impl Header {
    /// Bytes behind the header.
    #[must_use]
    pub const fn body_bytes(self) -> u32 {
        self.len.saturating_sub(LENGTH_BYTES)
    }

    /// Bytes of the whole message with its tag.
    #[must_use]
    pub fn message_bytes(self) -> u64 {
        u64::from(self.len) + 1
    }

    fn parse(bytes: [u8; HEADER_BYTES]) -> Result<Self, Error> {
        let [tag, length @ ..] = bytes;
        let len = u32::from_be_bytes(length);
        if !(LENGTH_BYTES..=LENGTH_MAX).contains(&len) {
            return Err(Error::Length(len));
        }
        Ok(Self { tag, len })
    }
}

/// Reads the header at the front of `buf`; `None` if it is not all there.
///
/// # Errors
///
/// The length is below 4 or negative.
pub fn header(buf: &[u8]) -> Result<Option<Header>, Error> {
    Cursor::new(buf).array().map(Header::parse).transpose()
}

/// One whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the message is, in the alphabet of its direction.
    pub tag: u8,
    /// All behind the header.
    pub body: &'a [u8],
    /// Bytes of the whole message, to be taken off the buffer.
    pub bytes: usize,
}

/// Reads the message at the front of `buf`; `None` if it is not all there.
///
/// # Errors
///
/// The length is below 4 or negative, or the body longer than `body_bytes_max`. Both are found as
/// soon as the header is there: a message that is too long is never waited for.
pub fn frame(buf: &[u8], body_bytes_max: usize) -> Result<Option<Frame<'_>>, Error> {
    let mut cursor = Cursor::new(buf);
    let Some(header) = cursor.array().map(Header::parse).transpose()? else {
        return Ok(None);
    };
    let too_long = Error::TooLong {
        bytes: header.body_bytes().into(),
        max: body_bytes_max as u64,
    };
    let body_bytes = usize::try_from(header.body_bytes()).map_err(|_| too_long)?;
    if body_bytes > body_bytes_max {
        return Err(too_long);
    }
    Ok(cursor.take(body_bytes).map(|body| Frame {
        tag: header.tag,
        body,
        bytes: HEADER_BYTES + body_bytes,
    }))
}

/// Follows a stream of messages header by header, wherever its chunks are cut. Holds no bytes but
/// those of a header that has begun.
///
/// ```text
///            5 bytes read, body            body read
///   header ─────────────────────► body ─────────────────► header
///      └── 5 bytes read, no body ─► header
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    head: [u8; HEADER_BYTES],
    head_bytes: usize,
    body_left: u32,
}

impl Walk {
    /// Starts where a message begins.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the next byte is the first of a message.
    #[must_use]
    pub const fn at_boundary(&self) -> bool {
        self.head_bytes == 0 && self.body_left == 0
    }

    /// Bytes that are still to come of the message whose header was read last.
    #[must_use]
    pub const fn body_left(&self) -> u32 {
        self.body_left
    }

    /// Goes on to the end of the next header, or to the end of the body under way, or to the end of
    /// `input`, whichever comes first. Answers how many bytes that took, and the header if one was
    /// completed. With input left, call it again with the rest.
    ///
    /// # Errors
    ///
    /// A length below 4 or negative: no later byte can be understood, and every further call gives
    /// the same error.
    pub fn step(&mut self, input: &[u8]) -> Result<(usize, Option<Header>), Error> {
        if self.body_left > 0 {
            let input_bytes = u32::try_from(input.len()).unwrap_or(u32::MAX);
            let skipped = self.body_left.min(input_bytes);
            self.body_left -= skipped;
            // Not more than `input.len()`, so it fits.
            return Ok((usize::try_from(skipped).unwrap_or(input.len()), None));
        }
        let mut taken = 0;
        let places = self.head.iter_mut().skip(self.head_bytes);
        for (place, byte) in places.zip(input) {
            *place = *byte;
            taken += 1;
        }
        self.head_bytes += taken;
        if self.head_bytes < HEADER_BYTES {
            return Ok((taken, None));
        }
        // An error leaves the header in place: the next call meets it again.
        let header = Header::parse(self.head)?;
        self.head_bytes = 0;
        self.body_left = header.body_bytes();
        Ok((taken, Some(header)))
    }
}

#[cfg(test)]
mod tests;
