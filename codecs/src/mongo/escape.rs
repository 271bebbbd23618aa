//! What a command says about other databases than the one it is sent to.
//!
//! Pipelines may read and write elsewhere: `$lookup`, `$graphLookup`, `$unionWith`, `$merge` and
//! `$out` take a `db`; some stages are about the whole server. They stand in `aggregate`, in views
//! (`create`, `collMod`), in `explain`, and inside one another (`$facet`, `$lookup.pipeline`, …).
//! So [`find`] looks for them everywhere in a document, at any depth, whatever is around them. Only
//! what `$literal` holds is not looked at: it is data, and evaluated by nobody.
//!
//! <https://www.mongodb.com/docs/manual/reference/operator/aggregation-pipeline/>

use super::Error;
use super::bson::{DEPTH_MAX, Document, Element, Value};

/// Stages that may name a database.
const NAMING: &[&str] = &[
    "$graphLookup",
    "$lookup",
    "$merge",
    "$out",
    "$unionWith",
    // Of mongos and of index builds; not for clients, and not all servers say so.
    "$_internalAllCollectionStats",
    "$_internalConvertBucketIndexStats",
];

/// Stages that tell of, or do something to, the whole server.
const SERVER_WIDE: &[&str] = &[
    "$backupCursor",
    "$backupCursorExtend",
    "$currentOp",
    "$listCachedAndActiveUsers",
    "$listClusterCatalog",
    "$listLocalSessions",
    "$listSessions",
    "$operationMetrics",
    "$queryStats",
    "$shardedDataDistribution",
];

/// Where a command leaves its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape<'i> {
    /// It names another one.
    Database(&'i str),
    /// It names a collection of another one.
    Namespace,
    /// A stage is about all of them.
    Stage(&'static str),
}

/// Looks through a whole document for stages that leave the database `own`.
///
/// # Errors
///
/// Broken, or nested deeper than [`DEPTH_MAX`].
pub fn find<'i>(document: Document<'i>, own: &str) -> Result<Option<Escape<'i>>, Error> {
    let mut open = vec![document.elements()];
    while let Some(elements) = open.last_mut() {
        let Some(element) = elements.next() else {
            open.pop();
            continue;
        };
        let element = element?;
        if element.key == b"$literal" {
            continue;
        }
        let inner = match element.value() {
            Value::Document(inner) | Value::Array(inner) => Some(inner),
            _ => None,
        };
        if element.key.first() == Some(&b'$')
            && let Some(escape) = of_stage(element, inner, own)?
        {
            return Ok(Some(escape));
        }
        if let Some(inner) = inner {
            if open.len() >= DEPTH_MAX {
                return Err(Error::Depth(DEPTH_MAX));
            }
            open.push(inner.elements());
        }
    }
    Ok(None)
}

/// Of `database.collection`. What is no string is for the server to refuse.
#[must_use]
pub fn in_namespace<'i>(namespace: Value<'i>, own: &str) -> Option<Escape<'i>> {
    let namespace = namespace.as_str()?;
    let db = namespace.split_once('.').map_or(namespace, |(db, _)| db);
    (db != own).then_some(Escape::Database(db))
}

/// Of any field `db` of a document, and of the documents in the fields that name a collection.
///
/// # Errors
///
/// An element is broken.
pub fn in_fields<'i>(document: Document<'i>, own: &str) -> Result<Option<Escape<'i>>, Error> {
    for element in document.elements() {
        let element = element?;
        let found = match (element.key, element.value()) {
            (b"db", Value::String(db)) => (db != own).then_some(Escape::Database(db)),
            (b"from" | b"into" | b"coll", Value::Document(names)) => in_db(names, own)?,
            _ => None,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Of the field `db` alone, however often it is there.
fn in_db<'i>(names: Document<'i>, own: &str) -> Result<Option<Escape<'i>>, Error> {
    for element in names.elements() {
        let element = element?;
        if let (b"db", Value::String(db)) = (element.key, element.value())
            && db != own
        {
            return Ok(Some(Escape::Database(db)));
        }
    }
    Ok(None)
}

fn of_stage<'i>(
    element: Element<'i>,
    inner: Option<Document<'i>>,
    own: &str,
) -> Result<Option<Escape<'i>>, Error> {
    let is = |stage: &&&str| stage.as_bytes() == element.key;
    if let Some(stage) = SERVER_WIDE.iter().find(is) {
        return Ok(Some(Escape::Stage(stage)));
    }
    match inner {
        Some(inner) if NAMING.iter().any(|stage| is(&stage)) => in_fields(inner, own),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
