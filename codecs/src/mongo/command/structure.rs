//! What a command that changes collections, views or indexes may not say.

use super::table::Course;
use super::{Reason, escape};
use crate::mongo::Error;
use crate::mongo::bson::{DEPTH_MAX, Document, Value};

/// Options whose fields have names of the user's choice.
const FREE: &[&[u8]] = &[
    b"comment",
    b"key",
    b"partialFilterExpression",
    b"pipeline",
    b"validator",
    b"weights",
    b"wildcardProjection",
];

/// Why a command is not sent on, if it is not. What is not known here may be such a command too.
pub(super) fn refused(body: Document<'_>, course: Course) -> Result<Option<Reason>, Error> {
    if matches!(course, Course::Structural | Course::Other) && reaches_engine(body)? {
        return Ok(Some(Reason::Engine));
    }
    // No database is called so: any name is another.
    if course == Course::Structural && escape::find(body, "")?.is_some() {
        return Ok(Some(Reason::NamedDatabase));
    }
    Ok(None)
}

/// Whether a command hands options to the server's storage engine: `storageEngine` of a collection
/// or index, wherever it is said. In them is a text that WiredTiger takes as it is, and that may
/// name a file of any database.
///
/// # Errors
///
/// Broken, or nested deeper than [`DEPTH_MAX`].
pub fn reaches_engine(body: Document<'_>) -> Result<bool, Error> {
    let mut open = vec![body.elements()];
    while let Some(elements) = open.last_mut() {
        let Some(element) = elements.next() else {
            open.pop();
            continue;
        };
        let element = element?;
        if element.key == b"storageEngine" {
            return Ok(true);
        }
        if let Value::Document(inner) | Value::Array(inner) = element.value()
            && !FREE.contains(&element.key)
        {
            if open.len() >= DEPTH_MAX {
                return Err(Error::Depth(DEPTH_MAX));
            }
            open.push(inner.elements());
        }
    }
    Ok(false)
}
