//! What the proxy says of itself in a hello: what all servers behind it can do.
//!
//! A driver asks before it has logged in, so before anybody knows which server it will be given.

use std::time::{SystemTime, UNIX_EPOCH};

use tenantsdb_codecs::feed::route::Topology;
use tenantsdb_codecs::mongo::bson::Document;
use tenantsdb_codecs::mongo::report::report;
use tenantsdb_codecs::mongo::startup::{Hello, HelloReply};

use super::client::{Client, Introduction};
use crate::context::Context;

/// The reply to a hello, without what it says of a login.
///
/// A replica set and a sharded cluster are shown as a mongos: drivers then take every address for a
/// router, use sessions and retryable writes, and never learn the servers' own names.
///
/// `serviceId` is in every reply to a client that has asked for it once (specification "Load
/// Balancer Support"): it is the same for as long as the process runs.
pub(crate) fn reply(
    context: &Context,
    hello: &Hello<'_>,
    (connection_id, introduction): (i64, &Introduction),
) -> HelloReply {
    let offered = context.routes.mongo();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_millis();
    let load_balanced = hello.load_balanced || introduction.load_balanced;
    HelloReply {
        legacy: hello.legacy,
        hello_ok: hello.hello_ok,
        router: offered.topology != Topology::Standalone,
        local_time_ms: i64::try_from(now).unwrap_or(i64::MAX),
        session_timeout_minutes: offered.session_timeout_minutes.map(i64::from),
        connection_id,
        min_wire_version: offered.min_wire_version,
        max_wire_version: offered.max_wire_version,
        service_id: load_balanced.then_some(context.service_id),
        sasl_supported_mechs: hello.sasl_supported_mechs.is_some(),
        speculative: None,
    }
}

/// The reply to a hello of a client that is logged in.
pub(super) fn again<T>(context: &Context, client: &Client<T>, command: Document<'_>) -> Vec<u8> {
    let introduction = &client.introduction;
    match Hello::read(command) {
        Ok(hello) => match introduction.check(&hello) {
            Ok(()) => reply(context, &hello, (client.id, introduction)).write(),
            Err(refused) => refused.report(),
        },
        Err(error) => report(error.code(), &error.to_string(), &[]),
    }
}
