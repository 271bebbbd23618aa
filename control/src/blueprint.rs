//! A blueprint's versions: what a workspace's DDL is turned into, and what deployments replay.
//!
//! - [`mod@compose`]: from the ledger's rows and the wire's statements to change sets. Pure.
//! - [`exclude`]: migration tools' own history tables, which are no part of a blueprint.
//! - [`mod@settle`]: from two snapshots and the wire's statements to versions. Pure.
//! - [`snapshot`]: all objects of a MySQL schema at one moment.
//! - [`settings`]: what a Redis blueprint consists of instead. Pure.
//! - [`mod@infer`]: from two snapshots to the DDL between them. Pure.
//! - [`mongo`]: the same two for MongoDB, whose statements are commands. Pure.

mod compose;
mod exclude;
mod infer;
pub(crate) mod mongo;
mod settings;
mod settle;
mod snapshot;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tenantsdb_codecs::feed::capture::Context;
use time::OffsetDateTime;

pub use self::compose::compose;
pub use self::exclude::{Excluded, HISTORY_TABLES};
pub use self::infer::{Inferred, Part, PartKind, TableText, infer};
pub use self::settings::Settings;
pub(crate) use self::settle::mixed;
pub use self::settle::{Patience, Settled, Settlement, Settling, is_open, settle};
pub use self::snapshot::Snapshot;

/// A version of a blueprint: `1.<ordinal>`. Ordinal 0 is the empty one that a workspace is born
/// with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// `n` of `1.n`.
    pub ordinal: u32,
    /// In the order in which they were executed.
    pub statements: Vec<Statement>,
}

/// One statement of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The text, without final semicolon.
    pub ddl: String,
    /// `CREATE TABLE`: what kind of statement it is.
    pub tag: String,
    /// The session's `search_path` at that moment, as the server shows it.
    pub search_path: String,
    /// False for what is recorded and never deployed: roles, owners, privileges.
    pub deploy: bool,
    /// Who knew the text.
    pub origin: Origin,
    /// When it was executed.
    pub captured_at: OffsetDateTime,
    /// Who was logged in.
    pub user: String,
    /// What the client called itself.
    pub application_name: String,
    /// The session's settings at that moment. MySQL only.
    pub context: Option<Context>,
    /// What it leaves, once it is known from the replay into a template. MySQL only.
    pub probe: Option<Probe>,
}

/// What a statement leaves: the objects that it makes, changes or drops, each with the digest of
/// its definition afterwards, `None` if it is gone then. Keys and digests are those of a
/// [`Snapshot`]. By this a deployment finds out whether a statement took effect whose confirmation
/// it did not get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Probe(pub BTreeMap<String, Option<String>>);

/// Where a statement's text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The proxy saw it and the ledger confirms it.
    Wire,
    /// Only the ledger knows it: a session past the proxy, or a capture that got lost.
    Ledger,
    /// The ledger says that something took effect, and no single statement explains it; the text is
    /// all of what the session sent.
    Inferred,
}

/// One row of a workspace's ledger: one object that one statement made, changed or dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// Ascending in the order of execution within a session, not of commit.
    pub id: i64,
    /// The transaction, as text: it is a 64-bit unsigned number.
    pub xid: String,
    /// The first row's id of the firing of the event trigger that made this row: rows with the same
    /// one are of one statement's execution.
    pub firing: i64,
    /// Whether the object was dropped.
    pub dropped: bool,
    /// The server process.
    pub pid: i32,
    /// The statement's command tag.
    pub tag: String,
    /// `table`, `index`, `table column`: as `pg_identify_object` says. Empty for GRANT and REVOKE
    /// on several.
    pub object_type: String,
    /// The object, quoted where needed: `public.users`. Empty where the server names none.
    pub identity: String,
    /// The session's `search_path`.
    pub search_path: String,
    /// The session's `role` setting: `none`, or a role.
    pub role: String,
    /// Who was logged in.
    pub user: String,
    /// What the client called itself.
    pub application_name: String,
    /// The whole text that the client sent, with what else stood in it.
    pub query: String,
    /// What called the statement if it was not the client itself: a DO block, a function.
    pub nested: Option<String>,
    /// When the client's message arrived; the same for all rows of one message.
    pub at: OffsetDateTime,
    /// Whether a version has this row. Such a row is read only with others of the same message.
    pub sealed: bool,
}

/// All that one transaction changed: it makes one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    /// The transaction.
    pub xid: String,
    /// Its rows in the ledger, to be marked as sealed.
    pub ledger_ids: Vec<i64>,
    /// In the order of execution. Empty if nothing of it is part of the blueprint: no version then.
    pub statements: Vec<Statement>,
}

// === impl Origin ===

impl Origin {
    /// The name in the store and the REST API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wire => "wire",
            Self::Ledger => "ledger",
            Self::Inferred => "inferred",
        }
    }
}

/// Not the name of an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown origin \"{0}\"")]
pub struct UnknownOrigin(pub String);

impl std::str::FromStr for Origin {
    type Err = UnknownOrigin;

    fn from_str(name: &str) -> Result<Self, UnknownOrigin> {
        [Self::Wire, Self::Ledger, Self::Inferred]
            .into_iter()
            .find(|origin| origin.as_str() == name)
            .ok_or_else(|| UnknownOrigin(name.to_owned()))
    }
}

/// A version's name: `1.<ordinal>`.
#[must_use]
pub fn version_name(ordinal: u32) -> String {
    format!("1.{ordinal}")
}

/// The ordinal of a version's name, if it is one.
#[must_use]
pub fn version_ordinal(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("1.")?;
    let canonical = digits == "0" || !digits.starts_with(['0', '+']);
    canonical.then(|| digits.parse().ok()).flatten()
}
