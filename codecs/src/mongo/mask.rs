//! The servers' own names, which clients never see: a driver would connect to them, and they are
//! nobody's business.
//!
//! Few stages and replies say what a server is called. Of a pipeline with such a [stage](STAGES)
//! each is followed by one more, which puts [`HOST`] in the name's place, so that batches may go by
//! as they come, and no later stage has the name either. What [explain](is_named_in_reply) says is
//! one document, which is [written again](reply).
//!
//! <https://www.mongodb.com/docs/manual/reference/explain-results/#serverinfo>, and `$collStats`,
//! `$indexStats` and `$planCacheStats` there.

use super::Error;
use super::bson::{DEPTH_MAX, Document, Elements, Value, Writer, kind};
use super::client::Request;

/// What a server is called.
pub const HOST: &str = "tenantsdb";

/// The port that goes with it.
const PORT: i32 = 27_017;

/// Stages whose documents have the server's name as `host`. Each can only be the first of its
/// pipeline.
const STAGES: &[&str] = &["$collStats", "$indexStats", "$planCacheStats"];

/// Fields of an explanation that show a part of what was asked, in which any name is the client's
/// own.
const SHOWN_AGAIN: &[&str] = &["command", "filter", "parsedQuery", "stages"];

/// Whether the reply to a request says what the server is called.
///
/// # Errors
///
/// An element is broken.
pub fn is_named_in_reply(request: &Request<'_>) -> Result<bool, Error> {
    Ok(match request.name {
        "explain" => true,
        "aggregate" => {
            let explain = request.body.get("explain")?;
            explain.is_some_and(|explain| explain.truthy())
        }
        _ => false,
    })
}

/// The body of a request, with what hides the server's name behind each stage that shows it;
/// `None` if there is none.
///
/// # Errors
///
/// An element is broken, a key is not UTF-8, or documents are more than [`DEPTH_MAX`] inside one
/// another.
pub fn request(request: &Request<'_>) -> Result<Option<Vec<u8>>, Error> {
    if request.name != "aggregate" || !names_stage(request.body.bytes()) {
        return Ok(None);
    }
    let behind = |open: &[Open<'_>]| {
        let [.., pipeline, stage] = open else {
            return None;
        };
        let is_first = pipeline.kind == kind::ARRAY && pipeline.count == 0;
        let shows = stage.first.is_some_and(|key| STAGES.contains(&key));
        (is_first && shows).then(|| {
            let mut set = Writer::new();
            set.document("$set", |set| _ = set.str("host", HOST));
            set.finish()
        })
    };
    write_again(request.body, |_, _| None, behind).map(Some)
}

/// Whether it can have such a stage; bytes are looked at, and no structure.
fn names_stage(body: &[u8]) -> bool {
    let names = body.split(|byte| *byte == b'$').skip(1);
    // Without the `$`.
    let mut stages = STAGES.iter().filter_map(|stage| stage.as_bytes().get(1..));
    let stages: [&[u8]; STAGES.len()] = std::array::from_fn(|_| stages.next().unwrap_or_default());
    names
        .into_iter()
        .any(|name| stages.iter().any(|stage| name.starts_with(stage)))
}

/// The body of a reply to which [`is_named_in_reply`], with [`HOST`] for the server's name and
/// those of others that it asked.
///
/// # Errors
///
/// Those of [`request`].
pub fn reply(body: Document<'_>) -> Result<Vec<u8>, Error> {
    let value = |open: &[Open<'_>], key: &str| {
        if open.iter().any(|open| SHOWN_AGAIN.contains(&open.key)) {
            return None;
        }
        let [.., outer, inner] = open else {
            return None;
        };
        match (outer.key, inner.key, key) {
            (_, "serverInfo", "host") | ("shards", _, "host" | "connectionString") => {
                Some(Value::String(HOST))
            }
            (_, "serverInfo", "port") => Some(Value::Int32(PORT)),
            _ => None,
        }
    };
    write_again(body, value, |_| None)
}

/// A document or an array that is being written again.
struct Open<'i> {
    key: &'i str,
    kind: u8,
    rest: Elements<'i>,
    /// Its first key.
    first: Option<&'i str>,
    /// Elements that were written.
    count: usize,
    out: Writer,
}

impl<'i> Open<'i> {
    fn new(key: &'i str, kind: u8, document: Document<'i>) -> Self {
        Self {
            key,
            kind,
            rest: document.elements(),
            first: None,
            count: 0,
            out: Writer::new(),
        }
    }

    fn put(&mut self, key: &str, kind: u8, bytes: &[u8]) {
        match self.kind {
            kind::ARRAY => self.out.raw(&self.count.to_string(), kind, bytes),
            _ => self.out.raw(key, kind, bytes),
        };
        self.count += 1;
    }
}

/// Writes a document again. `value` gives another value for one that is no document, by its key and
/// what is open around it, the outermost first. `behind` is asked whenever a document is over, the
/// last of those that are open, and gives one to follow it in an array.
fn write_again<'i>(
    document: Document<'i>,
    value: impl Fn(&[Open<'i>], &str) -> Option<Value<'static>>,
    behind: impl Fn(&[Open<'i>]) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, Error> {
    let mut open = vec![Open::new("", kind::DOCUMENT, document)];
    while let Some(top) = open.last_mut() {
        let Some(element) = top.rest.next() else {
            let more = behind(&open);
            let Some(done) = open.pop() else {
                break;
            };
            let bytes = done.out.finish();
            let Some(around) = open.last_mut() else {
                return Ok(bytes);
            };
            around.put(done.key, done.kind, &bytes);
            if let Some(more) = more {
                around.put("", kind::DOCUMENT, &more);
            }
            continue;
        };
        let element = element?;
        let key = element.name()?;
        top.first = top.first.or(Some(key));
        if let Value::Document(inner) | Value::Array(inner) = element.value() {
            if open.len() >= DEPTH_MAX {
                return Err(Error::Depth(DEPTH_MAX));
            }
            open.push(Open::new(key, element.kind, inner));
            continue;
        }
        let other = value(&open, key);
        if let Some(top) = open.last_mut() {
            match other {
                Some(other) => _ = top.out.value(key, &other),
                None => top.put(key, element.kind, element.bytes),
            }
        }
    }
    Err(Error::Truncated("document"))
}

#[cfg(test)]
mod tests;
