//! Which collections a command may bring into being.

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

/// What a command may bring into being, by its body.
pub(super) fn of<'i>(request: &Request<'i>) -> Result<Creates<'i>, Error> {
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
        "aggregate" => of_pipeline(body)?.last().copied(),
        "mapReduce" | "mapreduce" => of_map_reduce(body)?.first().copied(),
        "bulkWrite" => return Ok(Creates::Any),
        _ => None,
    };
    Ok(named.map_or(Creates::Nothing, Creates::Named))
}

/// Whether a command may write to this collection by what its body says beside its target. Of names
/// that are there twice both count.
pub(super) fn writes(request: &Request<'_>, name: &str) -> Result<bool, Error> {
    let names = match request.name {
        "aggregate" => of_pipeline(request.body)?,
        "mapReduce" | "mapreduce" => of_map_reduce(request.body)?,
        _ => return Ok(matches!(of(request)?, Creates::Named(named) if named == name)),
    };
    Ok(names.contains(&name))
}

/// What its stages write to. A server takes one that does as the last alone.
fn of_pipeline(body: Document<'_>) -> Result<Vec<&str>, Error> {
    let mut names = Vec::new();
    let Some(Value::Array(stages)) = body.get("pipeline")? else {
        return Ok(names);
    };
    for stage in stages.elements() {
        let Value::Document(stage) = stage?.value() else {
            continue;
        };
        for element in stage.elements() {
            let element = element?;
            match (element.key, element.value()) {
                (b"$out", value) => of_name(value, &mut names)?,
                (b"$merge", Value::Document(merge)) => {
                    for element in merge.elements() {
                        let element = element?;
                        if element.key == b"into" {
                            of_name(element.value(), &mut names)?;
                        }
                    }
                }
                (b"$merge", value) => names.extend(value.as_str()),
                _ => {}
            }
        }
    }
    Ok(names)
}

/// `"name"` or `{coll: "name"}`.
fn of_name<'i>(value: Value<'i>, names: &mut Vec<&'i str>) -> Result<(), Error> {
    let Value::Document(fields) = value else {
        names.extend(value.as_str());
        return Ok(());
    };
    for element in fields.elements() {
        let element = element?;
        if element.key == b"coll" {
            names.extend(element.value().as_str());
        }
    }
    Ok(())
}

/// `out: "name"`, or `{replace | merge | reduce: "name"}`.
fn of_map_reduce(body: Document<'_>) -> Result<Vec<&str>, Error> {
    let mut names = Vec::new();
    match body.get("out")? {
        Some(Value::Document(out)) => {
            for element in out.elements() {
                let element = element?;
                if let b"replace" | b"merge" | b"reduce" = element.key {
                    names.extend(element.value().as_str());
                }
            }
        }
        Some(name) => names.extend(name.as_str()),
        None => {}
    }
    Ok(names)
}
