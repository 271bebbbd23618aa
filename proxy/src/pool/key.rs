//! What must be equal for a connection to serve another client.

use std::sync::Arc;

use tenantsdb_codecs::feed::route::Server;

/// Whose connection it is and what it was started with. Never two tenants', never two users'.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// A database that is moved to another server has new connections.
    pub(crate) server: Arc<Server>,
    pub(crate) database: Box<str>,
    pub(crate) user: Box<str>,
    /// After a rotation connections of the old password are not used.
    pub(crate) generation: u64,
    /// What the session was begun with, sorted: to these the reset goes back. PostgreSQL: the
    /// client's startup parameters but `application_name`. MySQL: the capabilities, which change
    /// the form of results, and the collation. A mode that gives connections back between
    /// transactions would add nothing here: what a session has set since is what pins it.
    pub(crate) settings: Box<[(String, String)]>,
}

impl Key {
    /// Whether both are connections of one login, and `self` of an older generation.
    pub(crate) fn is_outdated_by(&self, other: &Self) -> bool {
        self.user == other.user && self.generation < other.generation
    }
}
