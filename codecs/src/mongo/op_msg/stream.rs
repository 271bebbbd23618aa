//! A message that is passed on while it comes.

use super::allowed::Allowed;
use super::section::{self, NAME, SECTION};
use super::{BEFORE_BODY, BODY, CHECKSUM_BYTES, Crc32c, Flags, Opening, SEQUENCE};
use crate::cursor::Cursor;
use crate::limits::{MONGO_SEQUENCE_NAME_BYTES_MAX, MONGO_SEQUENCES_MAX};
use crate::mongo::Error;
use crate::mongo::bson::Document;
use crate::mongo::frame::{HEADER_LENGTH, Header};

/// A sequence that went by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Its field's name.
    pub name: String,
    /// Documents of it so far.
    pub documents: u64,
}

/// What is next in the sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Kind,
    /// The length of a body whose kind was read.
    BodyLength,
    Length,
    Name,
    /// A document's length, unless the sequence is over.
    DocumentLength,
    /// All but the last byte of a document.
    Document(usize),
    DocumentEnd,
}

/// What comes behind the [`Opening`] of a message: checks the layout of its sections and its
/// checksum, and makes the checksum that belongs to the new numbers in its header.
#[derive(Clone, Debug)]
pub struct Stream {
    incoming: Crc32c,
    outgoing: Crc32c,
    /// Bytes of the message that have not come, the checksum not counted.
    content_left: usize,
    /// Bytes of the checksum that have not come.
    checksum_left: usize,
    /// Whether all bytes of the checksum that came were the right ones.
    matches: bool,
    next: Next,
    /// Bytes of the sequence that have not come.
    section_left: usize,
    /// The length or name that is being read.
    part: Vec<u8>,
    sequences: Vec<Sequence>,
    /// What the sequences are held to, if to anything.
    allowed: Option<Allowed>,
    pub(super) failed: Option<Error>,
}

impl Stream {
    /// Begins behind the opening of a message, and gives it new numbers. `front` are the bytes that
    /// the opening was read from; what belongs to the opening may be sent on then.
    pub fn start(front: &mut [u8], opening: Head, request_id: i32, response_to: i32) -> Self {
        let mut stream = Self {
            incoming: Crc32c::new(),
            outgoing: Crc32c::new(),
            content_left: 0,
            checksum_left: 0,
            matches: true,
            next: opening.next(),
            section_left: 0,
            part: Vec::new(),
            sequences: Vec::new(),
            allowed: None,
            failed: None,
        };
        if opening.flags.checksum_present {
            stream.checksum_left = CHECKSUM_BYTES;
        }
        let content = opening.header.length.saturating_sub(stream.checksum_left);
        stream.content_left = content.saturating_sub(opening.bytes);
        let Some(front) = front.get_mut(..opening.bytes) else {
            stream.failed = Some(Error::Truncated("opening"));
            return stream;
        };
        if opening.flags.checksum_present {
            stream.incoming.update(front);
        }
        let header = Header {
            request_id,
            response_to,
            ..opening.header
        };
        if let Some(old) = front.get_mut(..HEADER_LENGTH) {
            old.copy_from_slice(&header.bytes());
        }
        if opening.flags.checksum_present {
            stream.outgoing.update(front);
        }
        stream
    }

    /// The same for a command, whose opening was read with its body: only the sequences that such
    /// a command has pass, with valid documents, and those of a bulkWrite name collections of this
    /// database alone.
    pub fn start_command(front: &mut [u8], opening: Head, request_id: i32, db: &str) -> Self {
        let mut stream = Self::start(front, opening, request_id, 0);
        match Allowed::of(front.get(BEFORE_BODY..).unwrap_or_default(), db) {
            Ok(allowed) => stream.allowed = Some(allowed),
            Err(error) => stream.failed = stream.failed.or(Some(error)),
        }
        stream
    }

    /// Bytes of the message that have not come.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.content_left + self.checksum_left
    }

    /// The sequences so far, the one that is not over among them.
    #[must_use]
    pub fn sequences(&self) -> &[Sequence] {
        &self.sequences
    }

    /// Takes what came next; answers how many bytes of it are the message's. They may be sent on:
    /// the checksum among them is the new one.
    ///
    /// # Errors
    ///
    /// The sections are broken, or the checksum is another. The same again from then on. The last
    /// byte of the message is never answered for then, so whoever gets the rest has no message.
    pub fn step(&mut self, chunk: &mut [u8]) -> Result<usize, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.advance(chunk).inspect_err(|error| {
            self.failed = Some(*error);
        })
    }

    fn advance(&mut self, chunk: &mut [u8]) -> Result<usize, Error> {
        let content = self.content_left.min(chunk.len());
        let (content, behind) = chunk.split_at_mut(content);
        if self.checksum_left > 0 {
            self.incoming.update(content);
            self.outgoing.update(content);
        }
        self.walk(content)?;
        self.content_left -= content.len();
        if self.content_left > 0 {
            return Ok(content.len());
        }
        if !matches!(self.next, Next::Kind) {
            return Err(Error::Truncated(SECTION));
        }
        let checksum = self.checksum_left.min(behind.len());
        let old = self.incoming.value().to_le_bytes();
        let new = self.outgoing.value().to_le_bytes();
        let place = CHECKSUM_BYTES - self.checksum_left;
        let pairs = old.iter().zip(new).skip(place);
        for (byte, (old, new)) in behind.iter_mut().take(checksum).zip(pairs) {
            self.matches &= *byte == *old;
            *byte = new;
        }
        self.checksum_left -= checksum;
        if self.checksum_left == 0 && !self.matches {
            return Err(Error::Checksum);
        }
        Ok(content.len() + checksum)
    }

    fn walk(&mut self, content: &[u8]) -> Result<(), Error> {
        let mut input = Cursor::new(content);
        loop {
            // The sequence ends only where a document could begin.
            if self.next == Next::DocumentLength && self.section_left == 0 {
                self.next = Next::Kind;
            }
            if input.is_empty() {
                return Ok(());
            }
            match self.next {
                Next::Kind => self.kind(&mut input)?,
                Next::BodyLength => {
                    if let Some(length) = self.number(&mut input) {
                        self.document(length)?;
                    }
                }
                Next::Length => {
                    if let Some(length) = self.number(&mut input) {
                        self.section_left = section::length(length)? - 4;
                        self.next = Next::Name;
                    }
                }
                Next::Name => self.name(&mut input)?,
                Next::DocumentLength => {
                    if let Some(length) = self.number(&mut input) {
                        self.element(length)?;
                    }
                }
                Next::Document(left) => {
                    let taken = input.take(left.min(input.rest().len()));
                    let taken = taken.unwrap_or_default();
                    if let Some(allowed) = &mut self.allowed {
                        allowed.take(taken)?;
                    }
                    self.next = match left - taken.len() {
                        0 => Next::DocumentEnd,
                        left => Next::Document(left),
                    };
                }
                Next::DocumentEnd => {
                    if input.u8() != Some(0) {
                        return Err(Error::Terminator("document"));
                    }
                    if let Some(allowed) = &mut self.allowed {
                        allowed.take(&[0])?;
                        allowed.end()?;
                    }
                    self.next = Next::DocumentLength;
                }
            }
        }
    }

    fn kind(&mut self, input: &mut Cursor<'_>) -> Result<(), Error> {
        match input.u8() {
            Some(SEQUENCE) if self.sequences.len() < MONGO_SEQUENCES_MAX => {
                self.next = Next::Length;
                Ok(())
            }
            Some(SEQUENCE) => Err(Error::TooMany("sequences")),
            Some(BODY) => Err(Error::TooMany("bodies")),
            _ => Err(Error::Invalid("section kind")),
        }
    }

    fn name(&mut self, input: &mut Cursor<'_>) -> Result<(), Error> {
        let byte = input.u8().filter(|_| self.section_left > 0);
        let byte = byte.ok_or(Error::Terminator(NAME))?;
        self.section_left -= 1;
        if byte != 0 {
            self.part.push(byte);
            // Refused by the first byte too many, so that no more than that is held.
            if self.part.len() > MONGO_SEQUENCE_NAME_BYTES_MAX {
                section::name(&self.part)?;
            }
            return Ok(());
        }
        let name = section::name(&self.part)?;
        if let Some(allowed) = &self.allowed {
            allowed.check_name(name)?;
        }
        if self.sequences.iter().any(|earlier| earlier.name == name) {
            return Err(Error::TooMany("sequences of one name"));
        }
        self.sequences.push(Sequence {
            name: name.to_owned(),
            documents: 0,
        });
        self.part.clear();
        self.next = Next::DocumentLength;
        Ok(())
    }

    /// A document of a sequence.
    fn element(&mut self, length: i32) -> Result<(), Error> {
        let length = self.document(length)?;
        let left = self.section_left.checked_sub(length);
        self.section_left = left.ok_or(Error::Truncated("document"))?;
        if let Some(sequence) = self.sequences.last_mut() {
            sequence.documents += 1;
            if let Some(allowed) = &mut self.allowed {
                allowed.begin(&sequence.name, length)?;
            }
        }
        Ok(())
    }

    /// Any document.
    fn document(&mut self, length: i32) -> Result<usize, Error> {
        let length = Document::length(&length.to_le_bytes())?;
        let length = length.ok_or(Error::Truncated("document length"))?;
        // Less its length and its last byte; it has five bytes at least.
        self.next = match length - 5 {
            0 => Next::DocumentEnd,
            left => Next::Document(left),
        };
        Ok(length)
    }

    /// Takes four bytes, or what there is of them.
    fn number(&mut self, input: &mut Cursor<'_>) -> Option<i32> {
        let missing = 4 - self.part.len().min(4);
        let taken = input.take(missing.min(input.rest().len()))?;
        self.part.extend_from_slice(taken);
        let number = Cursor::new(&self.part).i32_le()?;
        self.part.clear();
        Some(number)
    }
}

/// What of an [`Opening`] is not in its buffer, so that the buffer may be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its header.
    pub header: Header,
    /// Its flags.
    pub flags: Flags,
    /// Bytes from the start of the message to the end of its body, or to its start: what
    /// [`Stream::start`] wants to have.
    pub bytes: usize,
}

impl Head {
    /// Reads what is before the body, for a message whose body is not held either; `None` if that
    /// is not there yet.
    ///
    /// # Errors
    ///
    /// Not an OP_MSG, more than `length_max` bytes, an unknown flag that must be known, a first
    /// section that is no body.
    pub fn read(input: &[u8], length_max: usize) -> Result<Option<Self>, Error> {
        let Some(header) = Header::read(input, length_max)? else {
            return Ok(None);
        };
        let Some(flags) = super::check(header, input)? else {
            return Ok(None);
        };
        match input.get(BEFORE_BODY - 1) {
            None => Ok(None),
            Some(&BODY) => Ok(Some(Self {
                header,
                flags,
                bytes: BEFORE_BODY,
            })),
            Some(_) => Err(Error::Invalid("first section")),
        }
    }

    const fn next(&self) -> Next {
        if self.bytes == BEFORE_BODY {
            Next::BodyLength
        } else {
            Next::Kind
        }
    }
}

impl From<&Opening<'_>> for Head {
    fn from(opening: &Opening<'_>) -> Self {
        Self {
            header: opening.header,
            flags: opening.flags,
            bytes: opening.bytes,
        }
    }
}
