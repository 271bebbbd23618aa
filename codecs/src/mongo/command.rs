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
mod table;

pub use creates::Creates;
pub use refusal::{Reason, Refusal};
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
        Course::SetsProfile if request.target.as_i64() != Some(-1) => {
            return refuse(Reason::WholeServer);
        }
        _ if request.db == own => {}
        _ if request.db == ADMIN && table::is_for_admin(request.name) => {}
        _ => return refuse(Reason::Database),
    }
    if let Some(escape) = leaves(request, course, own)? {
        return refuse(match escape {
            Escape::Database(_) | Escape::Namespace => Reason::Escape,
            Escape::Stage(_) => Reason::WholeServer,
        });
    }
    let structural = course == Course::Structural;
    if structural && !allow_ddl {
        return refuse(Reason::Structure);
    }
    let creates = creates::of(request, course)?;
    if creates.is(MARKER) || !course.reads() && is_marker(request) {
        return refuse(Reason::Marker);
    }
    Ok(Verdict::Forward(Effect {
        structural,
        creates,
        kept: match course {
            Course::Keeps(kept) => kept,
            _ => Kept::None,
        },
        streams: matches!(course, Course::Write | Course::BulkWrite),
    }))
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

/// Whether a command names another database than its own, or is about all of them.
fn leaves<'i>(
    request: &Request<'i>,
    course: Course,
    own: &str,
) -> Result<Option<Escape<'i>>, Error> {
    let body = request.body;
    match (course, request.name) {
        // Documents, filters and updates have no stage that reads or writes elsewhere.
        (Course::Write | Course::Read | Course::Keeps(_), _) => Ok(None),
        (Course::BulkWrite, _) => namespaces(body, own),
        (_, "renameCollection") => {
            let mut escape = escape::in_namespace(request.target, own);
            for element in body.elements() {
                let element = element?;
                if element.key == b"to" {
                    escape = escape.or(escape::in_namespace(element.value(), own));
                }
            }
            Ok(escape)
        }
        (_, "dataSize" | "datasize") => Ok(escape::in_namespace(request.target, own)),
        (_, "mapReduce" | "mapreduce") => {
            for element in body.elements() {
                let element = element?;
                if let (b"out", Value::Document(out)) = (element.key, element.value())
                    && let Some(escape) = escape::in_fields(out, own)?
                {
                    return Ok(Some(escape));
                }
            }
            Ok(None)
        }
        (Course::Explain, _) => {
            let Value::Document(inner) = request.target else {
                return Ok(None);
            };
            for element in inner.elements() {
                let element = element?;
                if let (b"$db", Value::String(db)) = (element.key, element.value())
                    && db != own
                {
                    return Ok(Some(Escape::Database(db)));
                }
            }
            escape::find(body, own)
        }
        _ => escape::find(body, own),
    }
}

/// Of the namespaces of a `bulkWrite` that has them in its body. Those in a sequence are held to
/// the same while they pass.
fn namespaces<'i>(body: Document<'i>, own: &str) -> Result<Option<Escape<'i>>, Error> {
    for element in body.elements() {
        let element = element?;
        let (b"nsInfo", Value::Array(namespaces)) = (element.key, element.value()) else {
            continue;
        };
        match check_namespaces(namespaces, own) {
            Err(Error::Namespace) => return Ok(Some(Escape::Namespace)),
            checked => checked?,
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
