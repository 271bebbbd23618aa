//! Which requests pass, which are answered here, and which are refused.
//!
//! The walls between tenants are the server's own users and roles; [`command::decide`] is the
//! second one. Here is what the proxy knows itself.

use tenantsdb_codecs::feed::route::Kind;
use tenantsdb_codecs::mongo::Error as ProtocolError;
use tenantsdb_codecs::mongo::bson::{DEPTH_MAX, Document, Writer, validate};
use tenantsdb_codecs::mongo::client::Request;
use tenantsdb_codecs::mongo::code::Code;
use tenantsdb_codecs::mongo::command::{self, Kept, Local, Verdict};
use tenantsdb_codecs::mongo::mask;
use tenantsdb_codecs::mongo::op_msg::Opening;
use tenantsdb_codecs::mongo::pipeline::Asked;
use tenantsdb_codecs::mongo::report;

use super::client::Client;
use super::handshake::build_info;
use super::offer;
use crate::context::Context;
use crate::route::Route;

/// What is done with a request.
#[derive(Debug)]
pub(super) enum Decision {
    /// It goes to the server.
    Forward(Box<Forward>),
    /// This is the reply.
    Answer(Vec<u8>),
}

/// What is known of a request that goes to the server.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) asked: Asked,
    /// A write that the server knows again when it comes twice (specification "Retryable Writes").
    pub(super) retryable: bool,
    /// What goes to the server for its body: the same, but that the reply will not say what the
    /// server is called.
    pub(super) masked: Option<Vec<u8>>,
}

/// Looks at one request of a client that is logged in.
pub(super) fn decide<T>(
    context: &Context,
    route: &Route,
    client: &Client<T>,
    opening: &Opening<'_>,
) -> Result<Decision, ProtocolError> {
    let (body, is_answered) = (opening.body, !opening.flags.more_to_come);
    // All of it, whoever answers: a server that walks by recursion falls of what is nested deep,
    // and it is everybody's.
    validate(body.bytes(), DEPTH_MAX)?;
    let request = Request::read(body)?;
    let may_change_schema = route.kind == Kind::Workspace || route.allow_ddl;
    Ok(
        match command::decide(&request, &route.database, may_change_schema)? {
            // What a command is judged by must not come behind its body.
            Verdict::Forward(effect) if !effect.streams && has_sequences(opening) => {
                let text = format!("{} takes no document sequences", request.name);
                Decision::Answer(report::report(Code::IllegalOperation, &text, &[]))
            }
            Verdict::Forward(effect) => {
                let asked = Asked::of(&request, &effect, is_answered)?;
                let retryable = request.txn_number.is_some() && asked.transaction.is_none()
                    || matches!(asked.kept, Kept::Commit | Kept::Abort);
                Decision::Forward(Box::new(Forward {
                    asked,
                    retryable,
                    masked: mask::request(&request)?,
                }))
            }
            Verdict::Answer(local) => Decision::Answer(answer(context, route, client, local, body)),
            Verdict::Refuse(refusal) => Decision::Answer(refusal.report()),
        },
    )
}

fn has_sequences(opening: &Opening<'_>) -> bool {
    const CHECKSUM_BYTES: usize = 4;
    let checksum = match opening.flags.checksum_present {
        true => CHECKSUM_BYTES,
        false => 0,
    };
    opening.header.length > opening.bytes + checksum
}

fn answer<T>(
    context: &Context,
    route: &Route,
    client: &Client<T>,
    local: Local,
    body: Document<'_>,
) -> Vec<u8> {
    match local {
        Local::Hello => offer::again(context, client, body),
        Local::Ping => report::ok(),
        Local::BuildInfo => build_info(context),
        Local::ListDatabases => list_databases(&route.database),
        Local::WhatsMyUri => {
            let mut reply = Writer::new();
            reply.str("you", &client.peer.to_string()).f64("ok", 1.0);
            reply.finish()
        }
    }
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
