//! OP_QUERY and OP_REPLY: removed in 5.1 but for a first hello.
//!
//! <https://www.mongodb.com/docs/manual/legacy-opcodes/>
//!
//! ```text
//! OP_QUERY  header, int32 flags, collection 00, int32 skip, int32 limit, query[, fields]
//! OP_REPLY  header, int32 flags, int64 cursor, int32 start, int32 count, documents
//! ```

use crate::cursor::Cursor;
use crate::mongo::Error;
use crate::mongo::bson::{Document, Value};
use crate::mongo::frame::{HEADER_LENGTH, Header, Opcode};

/// Longest name in bytes of a database and a collection (`NamespaceString::MaxNsLen` is 255).
const COLLECTION_BYTES_MAX: usize = 255;

/// Flag of an OP_REPLY: the one document in it is an error.
pub const REPLY_QUERY_FAILURE: i32 = 1 << 1;

/// Flag of an OP_REPLY that servers always set.
pub const REPLY_AWAIT_CAPABLE: i32 = 1 << 3;

/// What a client asks by OP_QUERY.
#[derive(Clone, Copy, Debug)]
pub struct Query<'i> {
    /// Its header.
    pub header: Header,
    /// `database.collection`; that of a command is `database.$cmd`.
    pub collection: &'i str,
    /// What is asked for.
    pub query: Document<'i>,
}

impl<'i> Query<'i> {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// Not all of one OP_QUERY, or another layout.
    pub fn read(message: &'i [u8]) -> Result<Self, Error> {
        let header = Header::of_whole(message)?;
        if header.opcode != Opcode::Query {
            return Err(Error::Unsupported("opcode"));
        }
        let mut cursor = Cursor::new(message);
        cursor.take(HEADER_LENGTH);
        cursor.i32_le().ok_or(Error::Truncated("query flags"))?;
        let collection = cursor.c_string();
        let collection = collection.ok_or(Error::Terminator("collection name"))?;
        if collection.len() > COLLECTION_BYTES_MAX {
            return Err(Error::TooLong {
                field: "collection name",
                bytes: collection.len() as u64,
                max: COLLECTION_BYTES_MAX as u64,
            });
        }
        let collection = std::str::from_utf8(collection);
        let collection = collection.map_err(|_| Error::Utf8("collection name"))?;
        cursor.take(8).ok_or(Error::Truncated("query limits"))?;
        let (query, bytes) = Document::read(cursor.rest())?;
        cursor.take(bytes);
        if !cursor.is_empty() {
            // Which fields to answer with; no command has it.
            Document::whole(cursor.rest())?;
        }
        Ok(Self {
            header,
            collection,
            query,
        })
    }

    /// The database of a command, and the command; `None` if it is none but a query of a
    /// collection. Drivers that send a read preference along wrap the command in `$query`.
    ///
    /// # Errors
    ///
    /// The first element is broken.
    pub fn command(&self) -> Result<Option<(&'i str, Document<'i>)>, Error> {
        let Some(db) = self.collection.strip_suffix(".$cmd") else {
            return Ok(None);
        };
        let command = match self.query.first()? {
            Some(("$query" | "query", Value::Document(command))) => command,
            _ => self.query,
        };
        Ok(Some((db, command)))
    }

    /// Appends a query of one document: what a driver that does not know the server begins with.
    pub fn write(request_id: i32, collection: &str, query: &[u8], out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(query.len() + collection.len() + 13);
        body.extend_from_slice(&0_i32.to_le_bytes());
        let collection = collection.split('\0').next().unwrap_or_default();
        body.extend_from_slice(collection.as_bytes());
        body.push(0);
        body.extend_from_slice(&0_i32.to_le_bytes());
        body.extend_from_slice(&(-1_i32).to_le_bytes());
        body.extend_from_slice(query);
        let header = Header {
            length: HEADER_LENGTH + body.len(),
            request_id,
            response_to: 0,
            opcode: Opcode::Query,
        };
        header.write(out);
        out.extend_from_slice(&body);
    }
}

/// Bytes of an OP_REPLY between header and documents.
const REPLY_HEAD_BYTES: usize = 20;

/// Appends an OP_REPLY with one document, the reply to a command. An error is one too: its flag is
/// not [`REPLY_QUERY_FAILURE`], which is for queries of collections.
pub fn write_reply(
    request_id: i32,
    response_to: i32,
    flags: i32,
    document: &[u8],
    out: &mut Vec<u8>,
) {
    let header = Header {
        length: HEADER_LENGTH + REPLY_HEAD_BYTES + document.len(),
        request_id,
        response_to,
        opcode: Opcode::Reply,
    };
    header.write(out);
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&0_i64.to_le_bytes());
    out.extend_from_slice(&0_i32.to_le_bytes());
    out.extend_from_slice(&1_i32.to_le_bytes());
    out.extend_from_slice(document);
}

/// What a server answers to OP_QUERY.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'i> {
    /// Its header.
    pub header: Header,
    /// [`REPLY_QUERY_FAILURE`] and others.
    pub flags: i32,
    /// The one document of a command's reply.
    pub document: Document<'i>,
}

impl<'i> Reply<'i> {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// Not all of one OP_REPLY, another layout, or not one document.
    pub fn read(message: &'i [u8]) -> Result<Self, Error> {
        let header = Header::of_whole(message)?;
        if header.opcode != Opcode::Reply {
            return Err(Error::Unsupported("opcode"));
        }
        let mut cursor = Cursor::new(message);
        cursor.take(HEADER_LENGTH);
        let flags = cursor.i32_le().ok_or(Error::Truncated("reply flags"))?;
        cursor.take(12).ok_or(Error::Truncated("reply cursor"))?;
        if cursor.i32_le().ok_or(Error::Truncated("reply count"))? != 1 {
            return Err(Error::Invalid("reply count"));
        }
        Ok(Self {
            header,
            flags,
            document: Document::whole(cursor.rest())?,
        })
    }
}
