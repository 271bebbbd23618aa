//! Messages of MongoDB's wire protocol, written and read by hand.
//! <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>

use mongodb::bson::Document;

/// OP_REPLY, the answer to [`QUERY`].
pub const REPLY: i32 = 1;
/// OP_QUERY, for the first hello of old drivers.
pub const QUERY: i32 = 2004;
/// OP_COMPRESSED.
pub const COMPRESSED: i32 = 2012;
/// OP_MSG.
pub const MSG: i32 = 2013;

/// Flag of OP_MSG: CRC-32C stands behind the sections.
pub const CHECKSUM_PRESENT: u32 = 1;
/// Flag of OP_MSG: no reply is wanted, or more replies follow.
pub const MORE_TO_COME: u32 = 1 << 1;
/// Flag of OP_MSG: the client takes several replies.
pub const EXHAUST_ALLOWED: u32 = 1 << 16;

/// A document's bytes.
///
/// # Panics
///
/// If it cannot be written.
#[must_use]
pub fn bytes(document: &Document) -> Vec<u8> {
    mongodb::bson::serialize_to_vec(document).expect("documents of the tests can be written")
}

/// A whole message: header and body.
///
/// # Panics
///
/// If it is longer than a length can say.
#[must_use]
pub fn message(id: i32, opcode: i32, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(16 + body.len()).expect("a short message");
    let mut message = Vec::with_capacity(16 + body.len());
    for number in [length, id, 0, opcode] {
        message.extend(number.to_le_bytes());
    }
    message.extend(body);
    message
}

/// The body of an OP_MSG: flags and a section of kind 0.
#[must_use]
pub fn msg(flags: u32, document: &Document) -> Vec<u8> {
    let mut body = flags.to_le_bytes().to_vec();
    body.push(0);
    body.extend(bytes(document));
    body
}

/// A section of kind 1: a sequence of documents.
///
/// # Panics
///
/// If it is longer than a length can say.
#[must_use]
pub fn sequence(identifier: &str, documents: &[Document]) -> Vec<u8> {
    let documents: Vec<u8> = documents.iter().flat_map(bytes).collect();
    let length = 4 + identifier.len() + 1 + documents.len();
    let mut section = vec![1];
    section.extend(
        u32::try_from(length)
            .expect("a short section")
            .to_le_bytes(),
    );
    section.extend(identifier.as_bytes());
    section.push(0);
    section.extend(documents);
    section
}

/// The body of an OP_QUERY to a database's `$cmd`.
#[must_use]
pub fn query(database: &str, document: &Document) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(format!("{database}.$cmd\0").bytes());
    body.extend(0_i32.to_le_bytes());
    body.extend((-1_i32).to_le_bytes());
    body.extend(bytes(document));
    body
}

/// CRC-32C (Castagnoli) of bytes, bit by bit.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
