//! What commands of MongoDB do to collections and indexes, which are its schema.
//!
//! Structural commands say so themselves. Writes do not: a collection comes into being when
//! something is first written to it, and only a comparison of the names before and after tells.
//!
//! <https://www.mongodb.com/docs/manual/reference/command/>

mod transactions;

use tenantsdb_codecs::mongo::Error;
use tenantsdb_codecs::mongo::bson::{Document, Value};
use tenantsdb_codecs::mongo::client::{Request, statement};
use tenantsdb_codecs::mongo::command::{Creates, Effect as Facts};
use tenantsdb_codecs::mongo::json::Json;
use tenantsdb_codecs::mongo::op_msg::Documents;
use tenantsdb_codecs::mongo::report::{TRANSIENT_TRANSACTION, UNKNOWN_COMMIT};

pub(crate) use transactions::{Found, Key, Part, Transactions};

/// Longest statement in bytes that is recorded with its text. Of a longer one control finds what it
/// changed without its words.
const STATEMENT_BYTES_MAX: usize = 4 << 20;

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
    /// The collection or view that it makes or names anew.
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

/// What a command may do that goes on: `facts` are those of its body, `sequences` all that its
/// message has, if it does not stream.
///
/// # Errors
///
/// Its body is broken.
pub(crate) fn effect(
    request: &Request<'_>,
    facts: &Facts<'_>,
    sequences: Sequences<'_, '_>,
) -> Result<Effect, Error> {
    let named = match facts.creates {
        Creates::Nothing => None,
        Creates::Named(name) => Some(name),
        Creates::Any => return Ok(Effect::MayCreateAny),
    };
    if facts.structural {
        let (makes, may_create) = match request.name {
            "createIndexes" | "createSearchIndexes" => (None, named.and_then(Implicit::new)),
            _ => (named.map(str::to_owned), None),
        };
        return Ok(Effect::Structural(Structural {
            text: text(request, sequences).unwrap_or_default(),
            makes,
            may_create,
        }));
    }
    // A pipeline is an array, which may come as a sequence.
    if request.name == "aggregate" && sequences.iter().any(|(name, _)| *name == "pipeline") {
        return Ok(Effect::MayCreateAny);
    }
    let Some(mut implicit) = named.and_then(Implicit::new) else {
        return Ok(Effect::None);
    };
    if request.name == "aggregate"
        && let Some(text) = time_series(request.body, &implicit.name)?
    {
        implicit.text = text;
    }
    Ok(Effect::MayCreate(implicit))
}

/// The command without what says how it is run, as text.
fn text(request: &Request<'_>, sequences: Sequences<'_, '_>) -> Result<String, Error> {
    let bytes = statement(request.body, sequences.iter().copied())?;
    let mut json = Json::new(STATEMENT_BYTES_MAX);
    for element in Document::whole(&bytes)?.elements() {
        json.element(element?)?;
    }
    Ok(json.finish())
}

/// What makes the collection of `{$out: {coll, timeseries}}`, the last stage of a pipeline.
fn time_series(body: Document<'_>, name: &str) -> Result<Option<String>, Error> {
    let Some(Value::Array(stages)) = body.get("pipeline")? else {
        return Ok(None);
    };
    let Some(stage) = stages.iter().last().transpose()? else {
        return Ok(None);
    };
    let out = stage.1.as_document().map(|stage| stage.get("$out"));
    let Some(Value::Document(out)) = out.transpose()?.flatten() else {
        return Ok(None);
    };
    for element in out.elements() {
        let element = element?;
        if element.key == b"timeseries" {
            let mut json = Json::new(STATEMENT_BYTES_MAX);
            json.str("create", name);
            json.element(element)?;
            return Ok(Some(json.finish()));
        }
    }
    Ok(None)
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
