//! What proxy and control say to each other: routes one way, acknowledgements and captured DDL the
//! other. Both sides depend on this module and not on each other.
//!
//! - [`id`]: blueprint, tenant and database names, and the rules they follow.
//! - [`route`]: where a database lives and who may log in to it.
//! - [`stream`]: the route feed, one JSON object a line: snapshot, then deltas, each with a
//!   revision.
//! - [`capture`]: statements that a workspace session ran, as the wire saw them.

pub mod capture;
pub mod id;
pub mod route;
pub mod stream;

/// Path of the route feed: `GET ?proxy=ID&epoch=E&rev=N`, Bearer proxy token, a chunked stream of
/// [`stream::Line`]s. `epoch` and `rev` are left out by a proxy that holds no table.
pub const FEED_PATH: &str = "/internal/v1/feed";
/// Path that takes [`stream::Ack`]s: `POST`, Bearer proxy token, answered 204.
pub const ACK_PATH: &str = "/internal/v1/feed/ack";
/// Path that takes [`capture::Capture`]s: `POST`, Bearer proxy token, answered 200 with a
/// [`capture::Sealed`] after what the capture announces has been sealed.
pub const CAPTURES_PATH: &str = "/internal/v1/captures";
