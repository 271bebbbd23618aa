//! Sections of a message that is there as a whole.

use super::{BODY, SEQUENCE};
use crate::cursor::Cursor;
use crate::limits::{MONGO_SEQUENCE_NAME_BYTES_MAX, MONGO_SEQUENCES_MAX};
use crate::mongo::Error;
use crate::mongo::bson::Document;

/// One section.
#[derive(Clone, Copy, Debug)]
pub enum Section<'i> {
    /// The command or the reply.
    Body(Document<'i>),
    /// An array of the command.
    Sequence {
        /// Its field's name.
        name: &'i str,
        /// Its elements.
        documents: Documents<'i>,
    },
}

/// The sections of a message. Ends behind the first that is broken.
#[derive(Clone, Debug)]
pub struct Sections<'i> {
    rest: Cursor<'i>,
}

impl<'i> Sections<'i> {
    pub(super) const fn new(sections: &'i [u8]) -> Self {
        Self {
            rest: Cursor::new(sections),
        }
    }
}

impl<'i> Iterator for Sections<'i> {
    type Item = Result<Section<'i>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let section = take(&mut self.rest);
        if section.is_err() {
            self.rest = Cursor::new(&[]);
        }
        Some(section)
    }
}

fn take<'i>(rest: &mut Cursor<'i>) -> Result<Section<'i>, Error> {
    match rest.u8() {
        Some(BODY) => {
            let (body, bytes) = Document::read(rest.rest())?;
            rest.take(bytes).ok_or(Error::Truncated("body"))?;
            Ok(Section::Body(body))
        }
        Some(SEQUENCE) => {
            let length = length(rest.i32_le().ok_or(Error::Truncated(SECTION))?)?;
            let section = rest.take(length - 4).ok_or(Error::Truncated(SECTION))?;
            let mut cursor = Cursor::new(section);
            let name = cursor.c_string().ok_or(Error::Terminator(NAME))?;
            let documents = Documents {
                rest: cursor.rest(),
            };
            documents.clone().try_for_each(|next| next.map(drop))?;
            Ok(Section::Sequence {
                name: self::name(name)?,
                documents,
            })
        }
        _ => Err(Error::Invalid("section kind")),
    }
}

pub(super) const SECTION: &str = "section";
pub(super) const NAME: &str = "sequence name";

/// The length of a sequence, itself counted: it has at least a name's zero byte behind it.
pub(super) fn length(length: i32) -> Result<usize, Error> {
    let length = usize::try_from(length).map_err(|_| Error::Invalid("section length"))?;
    if length < 4 + 1 {
        return Err(Error::Invalid("section length"));
    }
    Ok(length)
}

pub(super) fn name(name: &[u8]) -> Result<&str, Error> {
    if name.len() > MONGO_SEQUENCE_NAME_BYTES_MAX {
        return Err(Error::TooLong {
            field: NAME,
            bytes: name.len() as u64,
            max: MONGO_SEQUENCE_NAME_BYTES_MAX as u64,
        });
    }
    std::str::from_utf8(name).map_err(|_| Error::Utf8(NAME))
}

/// Walks all sections; answers the body.
pub(super) fn body(sections: &[u8]) -> Result<Document<'_>, Error> {
    let mut body = None;
    let mut names = Vec::new();
    for section in Sections::new(sections) {
        match section? {
            Section::Body(_) if body.is_some() => return Err(Error::TooMany("bodies")),
            Section::Body(document) => body = Some(document),
            Section::Sequence { name, .. } if names.contains(&name) => {
                return Err(Error::TooMany("sequences of one name"));
            }
            Section::Sequence { name, .. } => names.push(name),
        }
        if names.len() > MONGO_SEQUENCES_MAX {
            return Err(Error::TooMany("sequences"));
        }
    }
    body.ok_or(Error::Missing("body"))
}

/// The documents of a sequence. Ends behind the first that is broken.
#[derive(Clone, Debug, Copy)]
pub struct Documents<'i> {
    rest: &'i [u8],
}

impl<'i> Iterator for Documents<'i> {
    type Item = Result<Document<'i>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let document = Document::read(self.rest);
        let bytes = document
            .as_ref()
            .map_or(self.rest.len(), |(_, bytes)| *bytes);
        self.rest = self.rest.get(bytes..).unwrap_or_default();
        Some(document.map(|(document, _)| document))
    }
}

/// Appends a sequence. Its name ends at its first zero byte, if it has one.
pub(super) fn write(name: &str, documents: &[Vec<u8>], out: &mut Vec<u8>) {
    let name = name.split('\0').next().unwrap_or_default();
    let bytes: usize = documents.iter().map(Vec::len).sum();
    let length = i32::try_from(4 + name.len() + 1 + bytes).unwrap_or(i32::MAX);
    out.push(SEQUENCE);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    for document in documents {
        out.extend_from_slice(document);
    }
}
