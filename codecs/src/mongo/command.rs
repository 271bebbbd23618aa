//! What becomes of a command: it goes on to the server, is answered here, or is refused.
//!
//! The server's own users and roles are the wall between tenants. This is a second one in front of
//! it, with the few things that no role can say. So what is not known here, and is sent to the
//! session's own database, goes on: the server knows whether the user may.

use super::Error;
use super::bson::{Document, Value};
use super::client::Request;
use super::escape::{self, Escape};
use super::op_msg::check_namespaces;

mod creates;
mod refusal;
mod structure;
mod table;

pub use creates::Creates;
pub use refusal::{Reason, Refusal};
pub use structure::reaches_engine;
use table::Course;

/// The database that commands about the whole server are sent to.
const ADMIN: &str = "admin";

/// The collection that says which version of its blueprint a tenant's database has.
pub const MARKER: &str = "_tenantsdb";

/// What is done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'i> {
    /// The server answers.
    Forward(Effect<'i>),
    /// It is answered here.
    Answer(Local),
    /// It is answered with an error.
    Refuse(Refusal),
}

/// What a command that goes on may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect<'i> {
    /// It changes collections, views or indexes by what it is.
    pub structural: bool,
    /// Which collection may come into being.
    pub creates: Creates<'i>,
    /// What it does to what the server keeps for the user.
    pub kept: Kept,
    /// What it writes may come behind its body, in sequences of any length, which nothing here
    /// depends on.
    pub streams: bool,
}

/// What a command does to cursors, sessions and transactions, which outlive a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    /// What its reply says.
    #[default]
    None,
    /// A cursor goes on: `getMore`.
    GetMore,
    /// Cursors end.
    KillCursors,
    /// A transaction ends with what it did.
    Commit,
    /// A transaction ends without.
    Abort,
    /// Sessions end.
    EndSessions,
}

/// Commands that are answered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// `hello` and `isMaster`.
    Hello,
    /// `ping`.
    Ping,
    /// `buildInfo`.
    BuildInfo,
    /// `listDatabases`: there is one.
    ListDatabases,
    /// `whatsmyuri`: the client's own address; the server sees ours.
    WhatsMyUri,
}

/// Says what becomes of a request of a session whose database is `own`. With `allow_ddl` it may
/// change the schema: workspaces, and tenants that were allowed to.
///
/// # Errors
///
/// What is looked at is broken, or nested too deep.
pub fn decide<'i>(request: &Request<'i>, own: &str, allow_ddl: bool) -> Result<Verdict<'i>, Error> {
    let course = table::course(request.name);
    let refuse = |reason| Ok(Verdict::Refuse(Refusal::of(request, reason)));
    match course {
        Course::Local(local) => return Ok(Verdict::Answer(local)),
        Course::Refuse(reason) => return refuse(reason),
        Course::SetsProfile if sets_profile(request)? => return refuse(Reason::WholeServer),
        _ if request.db == own => {}
        _ if request.db == ADMIN && table::is_for_admin(request.name) => {}
        _ => return refuse(Reason::Database),
    }
    if let Some(reason) = leaves(request, course, own)? {
        return refuse(reason);
    }
    let structural = course == Course::Structural;
    if structural && !allow_ddl {
        return refuse(Reason::Structure);
    }
    if let Some(reason) = structure::refused(request.body, course)? {
        return refuse(reason);
    }
    // What is explained may be run for it: it is judged as if it were.
    let explained = match (course, request.target) {
        (Course::Explain, Value::Document(inner)) => Some(request.explained(inner)?),
        _ => None,
    };
    if let Some(inner) = &explained {
        if inner.db != own {
            return refuse(Reason::Escape);
        }
        if !table::is_explained(inner.name) {
            return refuse(Reason::Explain);
        }
        if let Some(reason) = leaves(inner, table::course(inner.name), own)? {
            return refuse(reason);
        }
    }
    let run = explained.as_ref().unwrap_or(request);
    if writes_marker(run)? {
        return refuse(Reason::Marker);
    }
    Ok(Verdict::Forward(Effect {
        structural,
        creates: creates::of(run)?,
        kept: match course {
            Course::Keeps(kept) => kept,
            _ => Kept::None,
        },
        streams: matches!(course, Course::Write | Course::BulkWrite),
    }))
}

/// Whether a `profile` sets anything. With level -1 it does not, but for the limits that it has
/// for the whole server.
fn sets_profile(request: &Request<'_>) -> Result<bool, Error> {
    for element in request.body.elements() {
        if let b"slowms" | b"sampleRate" | b"filter" = element?.key {
            return Ok(true);
        }
    }
    Ok(request.target.as_i64() != Some(-1))
}

/// Whether a command may change the collection that TenantsDB keeps. What a `bulkWrite` writes to
/// is looked at where its namespaces are.
fn writes_marker(request: &Request<'_>) -> Result<bool, Error> {
    let reads = table::course(request.name).reads();
    Ok(!reads && is_marker(request) || creates::writes(request, MARKER)?)
}

/// Whether the collection that a command names first is the one that TenantsDB keeps.
fn is_marker(request: &Request<'_>) -> bool {
    let name = request.collection().unwrap_or_default();
    let name = match request.name {
        "renameCollection" => name.split_once('.').map_or(name, |(_, name)| name),
        _ => name,
    };
    name == MARKER
}

/// Why a command may not go on for what it names: another database than its own, or all of them.
fn leaves(request: &Request<'_>, course: Course, own: &str) -> Result<Option<Reason>, Error> {
    let body = request.body;
    let escape = match (course, request.name) {
        // Documents, filters and updates have no stage that reads or writes elsewhere.
        (Course::Write | Course::Read | Course::Keeps(_), _) => None,
        (Course::BulkWrite, _) => return namespaces(body, own),
        (_, "renameCollection") => {
            let to = body.get("to")?;
            let to = to.and_then(|to| escape::in_namespace(to, own));
            escape::in_namespace(request.target, own).or(to)
        }
        (_, "dataSize" | "datasize") => escape::in_namespace(request.target, own),
        (_, "mapReduce" | "mapreduce") => match body.get("out")? {
            Some(Value::Document(out)) => escape::in_fields(out, own)?,
            _ => None,
        },
        _ => escape::find(body, own)?,
    };
    Ok(escape.map(|escape| match escape {
        Escape::Database(_) | Escape::Namespace => Reason::Escape,
        Escape::Stage(_) => Reason::WholeServer,
    }))
}

/// Of the namespaces of a `bulkWrite` that has them in its body. Those in a sequence are held to
/// the same while they pass.
fn namespaces(body: Document<'_>, own: &str) -> Result<Option<Reason>, Error> {
    let Some(Value::Array(namespaces)) = body.get("nsInfo")? else {
        return Ok(None);
    };
    match check_namespaces(namespaces, own) {
        Err(Error::Namespace) => Ok(Some(Reason::Escape)),
        Err(Error::Marker) => Ok(Some(Reason::Marker)),
        checked => checked.map(|()| None),
    }
}

#[cfg(test)]
mod tests;
