//! Which requests pass, which are answered here, and which are refused.
//!
//! The walls between tenants are the server's own users and roles; this is the second one, and the
//! place where what concerns the whole server is answered.

use tenantsdb_codecs::mongo::Error as ProtocolError;
use tenantsdb_codecs::mongo::bson::{Document, Writer};
use tenantsdb_codecs::mongo::code::Code;
use tenantsdb_codecs::mongo::op_msg::Flags;
use tenantsdb_codecs::mongo::report::report;
use tenantsdb_codecs::mongo::startup::Hello;

use super::handshake::build_info;
use super::offer;
use crate::context::Context;
use crate::route::Route;

/// What is done with a request.
#[derive(Debug)]
pub(super) enum Decision {
    /// It goes to the server.
    Forward,
    /// This is the reply.
    Answer(Vec<u8>),
}

/// Commands about sessions and transactions, which drivers send to `admin`: the server holds them
/// to the user's own.
const ADMIN_FORWARDED: &[&str] = &[
    "abortTransaction",
    "commitTransaction",
    "connectionStatus",
    "endSessions",
    "refreshSessions",
    "startSession",
];

/// Looks at one request of a client that is logged in.
pub(super) fn decide(
    context: &Context,
    route: &Route,
    id: i64,
    body: Document<'_>,
    _flags: Flags,
) -> Result<Decision, ProtocolError> {
    let name = body.first()?.map_or("", |(name, _)| name);
    let db = body.get("$db")?.and_then(|value| value.as_str());
    let db = db.ok_or(ProtocolError::Missing("$db"))?;
    if Hello::is(name) {
        let hello = Hello::read(body)?;
        return Ok(Decision::Answer(offer::reply(context, &hello, id).write()));
    }
    Ok(match name {
        "ping" => Decision::Answer(tenantsdb_codecs::mongo::report::ok()),
        "buildInfo" | "buildinfo" => Decision::Answer(build_info(context)),
        "listDatabases" => Decision::Answer(list_databases(&route.database)),
        "saslStart" | "saslContinue" | "logout" | "authenticate" => {
            let text = "a connection stays with the user that it has logged in as";
            Decision::Answer(report(Code::IllegalOperation, text, &[]))
        }
        _ if db == &*route.database => Decision::Forward,
        _ if db == "admin" && ADMIN_FORWARDED.contains(&name) => Decision::Forward,
        _ => Decision::Answer(unauthorized(db, name)),
    })
}

/// As the server says it, which is asked nothing.
fn unauthorized(db: &str, name: &str) -> Vec<u8> {
    let text = format!("not authorized on {db} to execute command {{ {name}: ... }}");
    report(Code::Unauthorized, &text, &[])
}

/// The one database that there is for this user.
fn list_databases(database: &str) -> Vec<u8> {
    let mut reply = Writer::new();
    reply
        .array("databases", |databases| {
            databases.document(|entry| {
                entry.str("name", database);
            });
        })
        .f64("ok", 1.0);
    reply.finish()
}
