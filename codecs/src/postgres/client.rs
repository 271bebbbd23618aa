//! Messages of a client that capture looks into, and those that the proxy sends itself.
//!
//! Texts are read as UTF-8. A client with another `client_encoding` gets [`Error::Utf8`] for what
//! is not ASCII: its message can be forwarded and not captured from.

use super::Error;
use super::error::text;
use super::patch::Message;
use super::tag::ClientTag;
use crate::cursor::Cursor;

/// Simple query: any number of statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// Statements, with semicolons between them.
    pub text: &'a str,
}

impl<'a> Query<'a> {
    /// Reads the body of a Query.
    ///
    /// # Errors
    ///
    /// Not one text that its zero byte ends.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        let query = Self {
            text: text(cursor.c_string(), "query")?,
        };
        end(cursor, "query")?;
        Ok(query)
    }
}

/// Prepares one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parse<'a> {
    /// Name of the prepared statement; empty for the unnamed one.
    pub statement: &'a str,
    /// At most one statement.
    pub text: &'a str,
}

impl<'a> Parse<'a> {
    /// Reads the body of a Parse up to its parameter types, which are not looked at.
    ///
    /// # Errors
    ///
    /// A name or text without its zero byte.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        Ok(Self {
            statement: text(cursor.c_string(), "statement name")?,
            text: text(cursor.c_string(), "query")?,
        })
    }
}

/// Makes a portal from a prepared statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind<'a> {
    /// Name of the portal; empty for the unnamed one.
    pub portal: &'a str,
    /// Name of the prepared statement; empty for the unnamed one.
    pub statement: &'a str,
}

impl<'a> Bind<'a> {
    /// Reads the body of a Bind up to its parameters, which are not looked at.
    ///
    /// # Errors
    ///
    /// A name without its zero byte.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        Ok(Self {
            portal: text(cursor.c_string(), "portal name")?,
            statement: text(cursor.c_string(), "statement name")?,
        })
    }
}

/// What Describe and Close speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A prepared statement.
    Statement,
    /// A portal.
    Portal,
}

/// Asks for the columns of a prepared statement or portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Describe<'a> {
    /// What `name` is.
    pub kind: Kind,
    /// Its name; empty for the unnamed one.
    pub name: &'a str,
}

impl<'a> Describe<'a> {
    /// Reads the body of a Describe.
    ///
    /// # Errors
    ///
    /// Another layout.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let (kind, name) = kind_and_name(body)?;
        Ok(Self { kind, name })
    }
}

/// Forgets a prepared statement or portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// What `name` is.
    pub kind: Kind,
    /// Its name; empty for the unnamed one.
    pub name: &'a str,
}

impl<'a> Close<'a> {
    /// Reads the body of a Close.
    ///
    /// # Errors
    ///
    /// Another layout.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let (kind, name) = kind_and_name(body)?;
        Ok(Self { kind, name })
    }
}

/// Runs a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execute<'a> {
    /// Name of the portal; empty for the unnamed one.
    pub portal: &'a str,
    /// Rows to return before the portal is suspended; 0 for all.
    pub rows_max: i32,
}

impl<'a> Execute<'a> {
    /// Reads the body of an Execute.
    ///
    /// # Errors
    ///
    /// Another layout.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        let portal = text(cursor.c_string(), "portal name")?;
        let rows_max = cursor.i32().ok_or(Error::Truncated("row limit"))?;
        end(cursor, "row limit")?;
        Ok(Self { portal, rows_max })
    }
}

/// Appends a Query.
///
/// # Errors
///
/// The text holds a zero byte, or is longer than a message can be.
pub fn encode_query(text: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut message = Message::tagged(ClientTag::QUERY.0, out);
    message.c_string(text, "query")?;
    message.finish()
}

/// Appends a Sync.
pub fn encode_sync(out: &mut Vec<u8>) {
    encode_empty(ClientTag::SYNC, out);
}

/// Appends a Terminate.
pub fn encode_terminate(out: &mut Vec<u8>) {
    encode_empty(ClientTag::TERMINATE, out);
}

fn encode_empty(tag: ClientTag, out: &mut Vec<u8>) {
    out.push(tag.0);
    out.extend_from_slice(&4_u32.to_be_bytes());
}

fn kind_and_name(body: &[u8]) -> Result<(Kind, &str), Error> {
    let mut cursor = Cursor::new(body);
    let kind = match cursor.u8().ok_or(Error::Truncated("kind"))? {
        b'S' => Kind::Statement,
        b'P' => Kind::Portal,
        _ => return Err(Error::Invalid("kind")),
    };
    let name = text(cursor.c_string(), "name")?;
    end(cursor, "name")?;
    Ok((kind, name))
}

fn end(cursor: Cursor<'_>, field: &'static str) -> Result<(), Error> {
    if cursor.is_empty() {
        Ok(())
    } else {
        Err(Error::Trailing(field))
    }
}

#[cfg(test)]
mod tests;
