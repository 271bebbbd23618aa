//! What commands of MongoDB do to collections and indexes, which are its schema.
//!
//! Structural commands say so themselves. Writes do not: a collection comes into being when
//! something is first written to it, and only a comparison of the names before and after tells.
//!
//! <https://www.mongodb.com/docs/manual/reference/command/>

mod transactions;

use tenantsdb_codecs::mongo::Error;
use tenantsdb_codecs::mongo::bson::{Document, Value};
use tenantsdb_codecs::mongo::json::Json;
use tenantsdb_codecs::mongo::op_msg::Documents;
use tenantsdb_codecs::mongo::report::{TRANSIENT_TRANSACTION, UNKNOWN_COMMIT};

pub(crate) use transactions::{Found, Key, Part, Transactions};

/// Longest statement in bytes that is recorded with its text. Of a longer one control finds what it
/// changed without its words.
const STATEMENT_BYTES_MAX: usize = 4 << 20;

/// Structural commands. What users may not run at all (sharding, `applyOps`) is not among them.
const STRUCTURAL: [&str; 13] = [
    "cloneCollectionAsCapped",
    "collMod",
    "convertToCapped",
    "create",
    "createIndexes",
    "createSearchIndexes",
    "deleteIndexes",
    "drop",
    "dropDatabase",
    "dropIndexes",
    "dropSearchIndex",
    "renameCollection",
    "updateSearchIndex",
];

/// Fields of a command that say how it is run and not what it does. Those that begin with `$` are
/// none of its own either.
const NOT_OF_THE_STATEMENT: [&str; 16] = [
    "apiDeprecationErrors",
    "apiStrict",
    "apiVersion",
    "autocommit",
    "comment",
    "commitQuorum",
    "lsid",
    "maxTimeMS",
    "mayBypassWriteBlocking",
    "readConcern",
    "serialization",
    "startTransaction",
    "stmtId",
    "stmtIds",
    "txnNumber",
    "writeConcern",
];

/// Sequences of a message: name and documents. They are arrays of the command.
pub(crate) type Sequences<'a, 'i> = &'a [(&'i str, Documents<'i>)];

/// What a command may do to the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// It is structural.
    Structural(Structural),
    /// The collection that it writes to may come into being.
    MayCreate(Implicit),
    /// It writes to several collections, whose names are not looked at.
    MayCreateAny,
}

/// A structural command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Structural {
    /// Canonical Extended JSON; empty where there is too much of it, or it is not text.
    pub(crate) text: String,
    /// The collection that it makes, if it is `create`.
    pub(crate) makes: Option<String>,
    /// A collection that it makes if there is none.
    pub(crate) may_create: Option<Implicit>,
}

/// A collection that a write makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Implicit {
    pub(crate) name: String,
    /// The command that would have made it.
    pub(crate) text: String,
}

impl Implicit {
    pub(crate) fn new(name: &str) -> Option<Self> {
        // These are the server's own; views are made by `create`.
        if name.is_empty() || name.starts_with("system.") {
            return None;
        }
        let mut json = Json::default();
        json.str("create", name);
        Some(Self {
            name: name.to_owned(),
            text: json.finish(),
        })
    }
}

/// Whether a command is to be held whole, with all its sequences, before [`effect`] is asked. Of
/// the others only the body is looked at, so that what they write may stream.
pub(crate) fn wants_whole(name: &str) -> bool {
    is_structural(name) || name == "aggregate"
}

/// Whether it changes collections or indexes by what it is.
pub(crate) fn is_structural(name: &str) -> bool {
    STRUCTURAL.contains(&name)
}

/// What a command may do.
///
/// # Errors
///
/// Its body, or a sequence of one that [`wants_whole`], is broken.
pub(crate) fn effect(body: Document<'_>, sequences: Sequences<'_, '_>) -> Result<Effect, Error> {
    let Some((name, target)) = body.first()? else {
        return Ok(Effect::None);
    };
    if is_structural(name) {
        return Ok(Effect::Structural(Structural {
            text: text(body, sequences).unwrap_or_default(),
            makes: match name {
                "create" => target.as_str().map(str::to_owned),
                _ => None,
            },
            may_create: match name {
                "createIndexes" => target.as_str().and_then(Implicit::new),
                _ => None,
            },
        }));
    }
    let made = match name {
        "insert" | "update" => target.as_str().and_then(Implicit::new),
        "findAndModify" | "findandmodify" => match body.get("upsert")? {
            Some(upsert) if upsert.truthy() => target.as_str().and_then(Implicit::new),
            _ => None,
        },
        "aggregate" => out_of_pipeline(body, sequences)?,
        "mapReduce" | "mapreduce" => out_of_map_reduce(body)?,
        "bulkWrite" => return Ok(Effect::MayCreateAny),
        _ => None,
    };
    Ok(made.map_or(Effect::None, Effect::MayCreate))
}

/// The command without what is not of the statement; sequences as the arrays that they are.
fn text(body: Document<'_>, sequences: Sequences<'_, '_>) -> Result<String, Error> {
    let mut json = Json::new(STATEMENT_BYTES_MAX);
    for element in body.elements() {
        let element = element?;
        let name = element.name()?;
        if !name.starts_with('$') && !NOT_OF_THE_STATEMENT.contains(&name) {
            json.element(element)?;
        }
    }
    for (name, documents) in sequences {
        json.documents(name, *documents)?;
    }
    Ok(json.finish())
}

/// The collection that the last stage of a pipeline writes to.
fn out_of_pipeline(
    body: Document<'_>,
    sequences: Sequences<'_, '_>,
) -> Result<Option<Implicit>, Error> {
    let mut last = None;
    if let Some(Value::Array(stages)) = body.get("pipeline")? {
        for element in stages.iter() {
            last = element?.1.as_document();
        }
    }
    for (name, documents) in sequences {
        if *name == "pipeline" {
            for document in *documents {
                last = Some(document?);
            }
        }
    }
    let Some(stage) = last else {
        return Ok(None);
    };
    match stage.first()? {
        Some(("$out", Value::String(name))) => Ok(Implicit::new(name)),
        Some(("$out", Value::Document(out))) => out_of_stage(out),
        Some(("$merge", Value::String(name))) => Ok(Implicit::new(name)),
        Some(("$merge", Value::Document(merge))) => match merge.get("into")? {
            Some(Value::String(name)) => Ok(Implicit::new(name)),
            Some(Value::Document(into)) => out_of_stage(into),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// `{db, coll, timeseries}`
fn out_of_stage(out: Document<'_>) -> Result<Option<Implicit>, Error> {
    let name = out.get("coll")?.and_then(|name| name.as_str());
    let Some(mut made) = name.and_then(Implicit::new) else {
        return Ok(None);
    };
    for element in out.elements() {
        let element = element?;
        if element.key == b"timeseries" {
            let mut json = Json::new(STATEMENT_BYTES_MAX);
            json.str("create", &made.name);
            json.element(element)?;
            made.text = json.finish();
        }
    }
    Ok(Some(made))
}

/// `out: "name"`, or `{replace | merge | reduce: "name", …}`
fn out_of_map_reduce(body: Document<'_>) -> Result<Option<Implicit>, Error> {
    match body.get("out")? {
        Some(Value::String(name)) => Ok(Implicit::new(name)),
        Some(Value::Document(out)) => {
            for action in ["replace", "merge", "reduce"] {
                if let Some(Value::String(name)) = out.get(action)? {
                    return Ok(Implicit::new(name));
                }
            }
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// What a reply says of a structural command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It took effect.
    Done,
    /// It changed nothing.
    Nothing,
    /// It may have taken effect, or will.
    Unknown,
}

/// Reads the reply to a structural command, or to the commit of some.
///
/// # Errors
///
/// It is broken.
pub(crate) fn verdict(reply: Document<'_>) -> Result<Verdict, Error> {
    if !reply.get("ok")?.is_some_and(|ok| ok.truthy()) {
        let code = reply.get("code")?.and_then(|code| code.as_i64());
        return Ok(match code {
            Some(code) if !INTERRUPTED.contains(&code) && !has_label(reply, UNKNOWN_COMMIT)? => {
                Verdict::Nothing
            }
            _ => Verdict::Unknown,
        });
    }
    // The primary has it; whether it stays is not known.
    if reply.get("writeConcernError")?.is_some() {
        return Ok(Verdict::Unknown);
    }
    // All the indexes were there already.
    let count = |key| Ok::<_, Error>(reply.get(key)?.and_then(|count| count.as_i64()));
    match (count("numIndexesBefore")?, count("numIndexesAfter")?) {
        (Some(before), Some(after)) if before == after => Ok(Verdict::Nothing),
        _ => Ok(Verdict::Done),
    }
}

/// Errors of a server that stopped in the middle: what it did may be there, or go on on another
/// (an index build does). The retryable ones of the specification "Retryable Writes", and limits
/// of time.
const INTERRUPTED: [i64; 16] = [
    6, 7, 50, 64, 89, 91, 100, 134, 189, 262, 9001, 10107, 11600, 11601, 11602, 13435,
];

/// Whether the reply says for sure that a transaction is no more.
///
/// # Errors
///
/// It is broken.
pub(crate) fn was_aborted(reply: Document<'_>) -> Result<bool, Error> {
    has_label(reply, TRANSIENT_TRANSACTION)
}

fn has_label(reply: Document<'_>, label: &str) -> Result<bool, Error> {
    let Some(Value::Array(labels)) = reply.get("errorLabels")? else {
        return Ok(false);
    };
    for element in labels.iter() {
        if element?.1.as_str() == Some(label) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
