//! What the proxy answers in a server's place about the connection itself.

use tenantsdb_codecs::redis::server::{self as wire, Protocol};
use tenantsdb_codecs::redis::startup::Welcome;

use crate::route::Route;

/// Of a server whose version control has not told: the oldest that it registers.
const VERSION: &str = "7.0.0";

/// Puts `+OK`.
pub(crate) fn ok(out: &mut Vec<u8>) {
    wire::simple("OK", out);
}

/// Puts the answer to RESET, which is the last in the old protocol's way: both are alike.
pub(crate) fn reset(out: &mut Vec<u8>) {
    wire::simple("RESET", out);
}

/// Puts an error, whose first word is its code. A line end in it becomes a blank.
pub(crate) fn error(out: &mut Vec<u8>, text: &str) {
    out.push(b'-');
    let line = |byte: u8| {
        if matches!(byte, b'\r' | b'\n') {
            b' '
        } else {
            byte
        }
    };
    out.extend(text.bytes().map(line));
    out.extend_from_slice(b"\r\n");
}

/// Puts the answer to HELLO.
pub(crate) fn hello(protocol: Protocol, route: &Route, id: i64, out: &mut Vec<u8>) {
    let (server, version) = server_and_version(route);
    Welcome {
        server,
        version,
        id,
    }
    .encode(protocol, out);
}

/// What a route's server is: `redis` and its version, or `valkey` and its.
pub(crate) fn server_and_version(route: &Route) -> (&str, &str) {
    let version = route.server.version.as_deref().unwrap_or(VERSION);
    version.split_once(' ').unwrap_or(("redis", version))
}
