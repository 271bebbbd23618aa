//! Which collections a command may bring into being.

use super::table::Course;
use crate::mongo::Error;
use crate::mongo::bson::{Document, Value};
use crate::mongo::client::Request;

/// What may come into being. Whether it does is seen in the list of collections before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Creates<'i> {
    /// Nothing.
    #[default]
    Nothing,
    /// This collection, or view.
    Named(&'i str),
    /// Any: the names are not looked at.
    Any,
}

impl Creates<'_> {
    /// Whether it is this one for sure.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Self::Named(named) if *named == name)
    }
}

/// What a command may bring into being, by its body.
pub(super) fn of<'i>(request: &Request<'i>, course: Course) -> Result<Creates<'i>, Error> {
    let body = request.body;
    let named = match request.name {
        // An update that inserts says so in its sequence, which is not looked at.
        "create" | "createIndexes" | "createSearchIndexes" | "insert" | "update" => {
            request.collection()
        }
        "findAndModify" | "findandmodify" => match body.get("upsert")? {
            Some(upsert) if upsert.truthy() => request.collection(),
            _ => None,
        },
        "cloneCollectionAsCapped" => body.get("toCollection")?.and_then(|name| name.as_str()),
        "renameCollection" => {
            let to = body.get("to")?.and_then(|name| name.as_str());
            to.and_then(|to| Some(to.split_once('.')?.1))
        }
        "aggregate" => of_pipeline(body)?,
        "mapReduce" | "mapreduce" => of_map_reduce(body)?,
        _ if course == Course::BulkWrite => return Ok(Creates::Any),
        _ => None,
    };
    Ok(named.map_or(Creates::Nothing, Creates::Named))
}

/// What the last stage writes to.
fn of_pipeline(body: Document<'_>) -> Result<Option<&str>, Error> {
    let Some(Value::Array(stages)) = body.get("pipeline")? else {
        return Ok(None);
    };
    let mut last = None;
    for stage in stages.elements() {
        last = Some(stage?);
    }
    let stage = last.and_then(|stage| stage.value().as_document());
    let Some((name, value)) = stage.map(|stage| stage.first()).transpose()?.flatten() else {
        return Ok(None);
    };
    match name {
        "$out" => of_name(value),
        "$merge" => match value {
            Value::Document(merge) => merge.get("into")?.map_or(Ok(None), of_name),
            name => Ok(name.as_str()),
        },
        _ => Ok(None),
    }
}

/// `"name"` or `{coll: "name"}`.
fn of_name(value: Value<'_>) -> Result<Option<&str>, Error> {
    match value {
        Value::Document(names) => Ok(names.get("coll")?.and_then(|name| name.as_str())),
        name => Ok(name.as_str()),
    }
}

/// `out: "name"`, or `{replace | merge | reduce: "name"}`.
fn of_map_reduce(body: Document<'_>) -> Result<Option<&str>, Error> {
    let Some(Value::Document(out)) = body.get("out")? else {
        return Ok(body.get("out")?.and_then(|name| name.as_str()));
    };
    for element in out.elements() {
        let element = element?;
        if let (b"replace" | b"merge" | b"reduce", Value::String(name)) =
            (element.key, element.value())
        {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
