//! What the body of a request says.
//!
//! <https://www.mongodb.com/docs/manual/reference/command/>; fields of sessions and transactions:
//! the specifications "Driver Sessions" and "Transactions".

use super::Error;
use super::bson::{Document, Value, Writer};
use super::op_msg::Documents;
use crate::limits::MONGO_FIELDS_MAX;

/// Fields of a command, about.
const FIELDS_EXPECTED: usize = 16;

const TWICE: Error = Error::Invalid("field, which is there twice");

/// Bytes of the identity of a session: a UUID.
const LSID_BYTES: usize = 16;

/// Fields of a command that say how it is run and not what it does. Those that begin with `$` are
/// none of its own either.
const PASSING: &[&str] = &[
    "apiDeprecationErrors",
    "apiStrict",
    "apiVersion",
    "autocommit",
    "comment",
    "commitQuorum",
    "lsid",
    "maxTimeMS",
    "readConcern",
    "startTransaction",
    "stmtId",
    "stmtIds",
    "txnNumber",
    "writeConcern",
];

/// The identity of a driver's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lsid(pub [u8; LSID_BYTES]);

impl Lsid {
    /// Reads `{id: UUID}`; `None` if that is not what it is. Servers refuse what is another.
    ///
    /// # Errors
    ///
    /// An element is broken.
    pub fn read(lsid: Document<'_>) -> Result<Option<Self>, Error> {
        Ok(match lsid.get("id")? {
            Some(Value::Binary { bytes, .. }) => bytes.try_into().ok().map(Self),
            _ => None,
        })
    }

    /// Appends it as a field of this name.
    pub fn write(&self, key: &str, out: &mut Writer) {
        out.document(key, |lsid| self.write_inside(lsid));
    }

    /// Appends what is inside of it.
    pub(super) fn write_inside(&self, out: &mut Writer) {
        out.binary("id", UUID, &self.0);
    }
}

/// Subtype of binary values that are UUIDs.
const UUID: u8 = 4;

/// The body of a request, read no deeper than its own fields.
#[derive(Clone, Copy, Debug)]
pub struct Request<'i> {
    /// The name of the command, which is its first field.
    pub name: &'i str,
    /// What stands there: of most commands the collection.
    pub target: Value<'i>,
    /// `$db`.
    pub db: &'i str,
    /// The session.
    pub lsid: Option<Lsid>,
    /// The transaction, or the retryable write.
    pub txn_number: Option<i64>,
    /// It is the first of its transaction.
    pub start_transaction: bool,
    /// False in a transaction, else missing.
    pub autocommit: Option<bool>,
    /// All of it.
    pub body: Document<'i>,
}

impl<'i> Request<'i> {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// Broken, without a command or `$db`, with more than [`MONGO_FIELDS_MAX`] fields, or with one
    /// of them twice, the command's name in any case: which of them counts is for the reader to
    /// say, and each would say another.
    pub fn read(body: Document<'i>) -> Result<Self, Error> {
        let (request, db) = Self::fields(body)?;
        let db = db.ok_or(Error::Missing("$db"))?;
        Ok(Self { db, ..request })
    }

    /// Reads the command that is what `explain` is called with: its database is that of the other,
    /// unless it names one.
    ///
    /// # Errors
    ///
    /// Those of [`Self::read`].
    pub fn explained(&self, body: Document<'i>) -> Result<Self, Error> {
        let (request, db) = Self::fields(body)?;
        let db = db.unwrap_or(self.db);
        Ok(Self { db, ..request })
    }

    /// All but `$db`, and that.
    fn fields(body: Document<'i>) -> Result<(Self, Option<&'i str>), Error> {
        let Some((name, target)) = body.first()? else {
            return Err(Error::Missing("command"));
        };
        let mut db = None;
        let mut request = Self {
            name,
            target,
            db: "",
            lsid: None,
            txn_number: None,
            start_transaction: false,
            autocommit: None,
            body,
        };
        let mut keys = Vec::with_capacity(FIELDS_EXPECTED);
        for element in body.elements().skip(1) {
            let element = element?;
            if keys.len() >= MONGO_FIELDS_MAX {
                return Err(Error::TooMany("fields"));
            }
            if element.key.eq_ignore_ascii_case(name.as_bytes()) {
                return Err(TWICE);
            }
            keys.push(element.key);
            let value = element.value();
            match element.key {
                b"$db" => db = Some(value.as_str().ok_or(Error::Type("$db"))?),
                b"lsid" => {
                    let lsid = value.as_document().ok_or(Error::Type("lsid"))?;
                    request.lsid = Lsid::read(lsid)?;
                }
                b"txnNumber" => request.txn_number = value.as_i64(),
                b"startTransaction" => request.start_transaction = value.truthy(),
                b"autocommit" => request.autocommit = Some(value.truthy()),
                _ => {}
            }
        }
        keys.sort_unstable();
        if keys.array_windows().any(|[one, next]| one == next) {
            return Err(TWICE);
        }
        Ok((request, db))
    }

    /// The collection that it names first. Commands of databases have a number there.
    #[must_use]
    pub const fn collection(&self) -> Option<&'i str> {
        self.target.as_str()
    }

    /// The transaction that it is part of. Retryable writes have a number too, and are none.
    #[must_use]
    pub fn transaction(&self) -> Option<(Lsid, i64)> {
        let of = self.lsid.zip(self.txn_number);
        of.filter(|_| self.autocommit == Some(false))
    }

    /// The numbers of an array field: cursors of `killCursors`.
    ///
    /// # Errors
    ///
    /// An element is broken.
    pub fn numbers(&self, key: &str, max: usize) -> Result<Vec<i64>, Error> {
        let Some(Value::Array(array)) = self.body.get(key)? else {
            return Ok(Vec::new());
        };
        let numbers = array.iter().take(max);
        let numbers: Result<Vec<_>, _> = numbers.map(|found| Ok(found?.1.as_i64())).collect();
        Ok(numbers?.into_iter().flatten().collect())
    }

    /// The sessions that are what the command is called with: `endSessions: [{id}, …]`.
    ///
    /// # Errors
    ///
    /// An element is broken.
    pub fn sessions(&self, max: usize) -> Result<Vec<Lsid>, Error> {
        let Value::Array(array) = self.target else {
            return Ok(Vec::new());
        };
        let mut sessions = Vec::new();
        for element in array.iter().take(max) {
            if let Value::Document(lsid) = element?.1 {
                sessions.extend(Lsid::read(lsid)?);
            }
        }
        Ok(sessions)
    }
}

/// The command without what says how it is run: what is kept of one that changes the schema.
/// Sequences become the arrays that they are.
///
/// # Errors
///
/// Broken, or with a key that is not UTF-8.
pub fn statement<'i>(
    body: Document<'i>,
    sequences: impl IntoIterator<Item = (&'i str, Documents<'i>)>,
) -> Result<Vec<u8>, Error> {
    let mut out = Writer::new();
    for element in body.elements() {
        let element = element?;
        let name = element.name()?;
        if !name.starts_with('$') && !PASSING.contains(&name) {
            out.raw(name, element.kind, element.bytes);
        }
    }
    for (name, documents) in sequences {
        let documents = documents.collect::<Result<Vec<_>, _>>()?;
        out.array(name, |array| {
            for document in &documents {
                array.value(&Value::Document(*document));
            }
        });
    }
    Ok(out.finish())
}

#[cfg(test)]
mod tests;
