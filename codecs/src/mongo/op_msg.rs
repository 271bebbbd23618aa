//! OP_MSG: what requests and replies are sent in.
//!
//! <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#op_msg>, and `OP_MSG` of
//! the driver specifications.
//!
//! ```text
//! header
//! uint32 flags
//! sections: 00, a document                            the body: the command or the reply
//!           01, int32 bytes, name 00, documents       a sequence: an array of the command
//! uint32 CRC-32C of all before it                     if the flags say so
//! ```
//!
//! [`Message`] is one that is there as a whole. [`Opening`] and [`Stream`] are for one that is
//! passed on while it comes: its body is first then, as all drivers and servers write it, and is
//! held; of the sequences nothing is. With [`Head`] and [`Passing`], for replies, of the body only
//! its outline is.

use super::Error;
use super::bson::Document;
use super::frame::{HEADER_LENGTH, Header, Opcode};
use crate::cursor::Cursor;

mod allowed;
mod passing;
mod section;
mod stream;

pub use allowed::check_namespaces;
pub use passing::Passing;
pub use section::{Documents, Section, Sections};
pub use stream::{Head, Sequence, Stream};

/// Bytes of the flags.
const FLAGS_BYTES: usize = 4;

/// Bytes of the checksum.
const CHECKSUM_BYTES: usize = 4;

/// Bytes before a body that is the first section.
const BEFORE_BODY: usize = HEADER_LENGTH + FLAGS_BYTES + 1;

const BODY: u8 = 0;
const SEQUENCE: u8 = 1;

/// What the flags say. The upper half of them is optional: what is unknown there is not looked at,
/// and not written again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The message ends with a checksum.
    pub checksum_present: bool,
    /// Another message of the same sender follows without an answer: a request with it gets no
    /// reply, a reply with it is followed by the next.
    pub more_to_come: bool,
    /// The request may be answered by many replies with `more_to_come`.
    pub exhaust_allowed: bool,
}

impl Flags {
    /// No flag.
    pub const NONE: Self = Self {
        checksum_present: false,
        more_to_come: false,
        exhaust_allowed: false,
    };

    const CHECKSUM_PRESENT: u32 = 1;
    const MORE_TO_COME: u32 = 1 << 1;
    const EXHAUST_ALLOWED: u32 = 1 << 16;
    /// Bits that whoever does not know them must refuse.
    const REQUIRED: u32 = 0xffff;

    /// Reads them.
    ///
    /// # Errors
    ///
    /// A bit that must be known and is not.
    pub const fn read(bits: u32) -> Result<Self, Error> {
        if bits & Self::REQUIRED & !(Self::CHECKSUM_PRESENT | Self::MORE_TO_COME) != 0 {
            return Err(Error::Unsupported("OP_MSG flag"));
        }
        Ok(Self {
            checksum_present: bits & Self::CHECKSUM_PRESENT != 0,
            more_to_come: bits & Self::MORE_TO_COME != 0,
            exhaust_allowed: bits & Self::EXHAUST_ALLOWED != 0,
        })
    }

    /// As they are written.
    #[must_use]
    pub const fn bits(self) -> u32 {
        let mut bits = 0;
        if self.checksum_present {
            bits |= Self::CHECKSUM_PRESENT;
        }
        if self.more_to_come {
            bits |= Self::MORE_TO_COME;
        }
        if self.exhaust_allowed {
            bits |= Self::EXHAUST_ALLOWED;
        }
        bits
    }

    const fn checksum_bytes(self) -> usize {
        if self.checksum_present {
            CHECKSUM_BYTES
        } else {
            0
        }
    }
}

/// CRC-32C (RFC 3720, appendix B.4), over parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crc32c(u32);

impl Crc32c {
    /// That of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Goes on over these bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0 = crc32c::crc32c_append(self.0, bytes);
    }

    /// The checksum of all so far.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }

    /// That of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut crc = Self::new();
        crc.update(bytes);
        crc
    }
}

/// A message that is there as a whole, its sections walked and its checksum compared.
#[derive(Clone, Copy, Debug)]
pub struct Message<'i> {
    /// Its header.
    pub header: Header,
    /// Its flags.
    pub flags: Flags,
    /// The command or the reply.
    pub body: Document<'i>,
    /// All sections, the body's among them.
    sections: &'i [u8],
}

impl<'i> Message<'i> {
    /// Reads a whole message. Sections may have any order; documents are walked no further than
    /// [`Document::read`] does.
    ///
    /// # Errors
    ///
    /// Not all of one OP_MSG, an unknown flag that must be known, a section that is broken or goes
    /// beyond the message, no body or a second one, too many sequences, another checksum.
    pub fn read(message: &'i [u8]) -> Result<Self, Error> {
        let header = Header::of_whole(message)?;
        let flags = check(header, message)?.ok_or(Error::Truncated("flags"))?;
        let end = message.len().checked_sub(flags.checksum_bytes());
        let end = end.ok_or(Error::Truncated("checksum"))?;
        let sections = message.get(HEADER_LENGTH + FLAGS_BYTES..end);
        let sections = sections.ok_or(Error::Truncated("checksum"))?;
        if flags.checksum_present {
            let (content, checksum) = message.split_at(end);
            let found = Cursor::new(checksum).u32_le();
            if found != Some(Crc32c::of(content).value()) {
                return Err(Error::Checksum);
            }
        }
        Ok(Self {
            header,
            flags,
            body: section::body(sections)?,
            sections,
        })
    }

    /// Its sections in their order.
    #[must_use]
    pub const fn sections(&self) -> Sections<'i> {
        Sections::new(self.sections)
    }

    /// Its sequences in their order: name and documents.
    pub fn sequences(&self) -> impl Iterator<Item = (&'i str, Documents<'i>)> + use<'i> {
        self.sections().filter_map(|section| match section {
            Ok(Section::Sequence { name, documents }) => Some((name, documents)),
            _ => None,
        })
    }
}

/// The front of a message, up to the end of its body, which is its first section.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'i> {
    /// Its header.
    pub header: Header,
    /// Its flags.
    pub flags: Flags,
    /// The command or the reply.
    pub body: Document<'i>,
    /// Bytes from the start of the message to the end of its body.
    pub bytes: usize,
}

impl<'i> Opening<'i> {
    /// Reads the front of a message; `None` if its body is not there as a whole. At most
    /// `length_max` bytes, and those of [`Document::length`], are waited for.
    ///
    /// # Errors
    ///
    /// Not an OP_MSG, more than `length_max` bytes, an unknown flag that must be known, a first
    /// section that is no body or goes beyond the message.
    pub fn read(input: &'i [u8], length_max: usize) -> Result<Option<Self>, Error> {
        let Some(header) = Header::read(input, length_max)? else {
            return Ok(None);
        };
        let Some(flags) = check(header, input)? else {
            return Ok(None);
        };
        let mut cursor = Cursor::new(input);
        cursor.take(HEADER_LENGTH + FLAGS_BYTES);
        match cursor.u8() {
            None => return Ok(None),
            Some(BODY) => {}
            Some(_) => return Err(Error::Invalid("first section")),
        }
        let Some(length) = Document::length(cursor.rest())? else {
            return Ok(None);
        };
        let bytes = BEFORE_BODY + length;
        if bytes + flags.checksum_bytes() > header.length {
            return Err(Error::Truncated("body"));
        }
        if input.len() < bytes {
            return Ok(None);
        }
        let (body, _) = Document::read(cursor.rest())?;
        Ok(Some(Self {
            header,
            flags,
            body,
            bytes,
        }))
    }
}

/// What both readers look at first; `None` if the flags are not there.
fn check(header: Header, input: &[u8]) -> Result<Option<Flags>, Error> {
    if header.opcode != Opcode::Msg {
        return Err(Error::Unsupported("opcode"));
    }
    if header.length < BEFORE_BODY + EMPTY_BODY_BYTES {
        return Err(Error::Truncated("body"));
    }
    let mut cursor = Cursor::new(input);
    cursor.take(HEADER_LENGTH);
    cursor.u32_le().map(Flags::read).transpose()
}

const EMPTY_BODY_BYTES: usize = 5;

/// Appends a message whose one section is `body`, a document's bytes. With a checksum if the flags
/// say so.
pub fn write(request_id: i32, response_to: i32, flags: Flags, body: &[u8], out: &mut Vec<u8>) {
    write_with(request_id, response_to, flags, body, &[], out);
}

/// A sequence to be written: its name, and the bytes of its documents.
pub type NamedDocuments<'a> = (&'a str, &'a [Vec<u8>]);

/// Appends a message with a body and these sequences. The body comes first.
pub fn write_with(
    request_id: i32,
    response_to: i32,
    flags: Flags,
    body: &[u8],
    sequences: &[NamedDocuments<'_>],
    out: &mut Vec<u8>,
) {
    let start = out.len();
    let header = Header {
        length: 0,
        request_id,
        response_to,
        opcode: Opcode::Msg,
    };
    header.write(out);
    out.extend_from_slice(&flags.bits().to_le_bytes());
    out.push(BODY);
    out.extend_from_slice(body);
    for (name, documents) in sequences {
        section::write(name, documents, out);
    }
    let length = out.len() - start + flags.checksum_bytes();
    let header = Header { length, ..header };
    if let Some(front) = out.get_mut(start..start + HEADER_LENGTH) {
        front.copy_from_slice(&header.bytes());
    }
    if flags.checksum_present {
        let crc = Crc32c::of(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.value().to_le_bytes());
    }
}

#[cfg(test)]
mod tests;
