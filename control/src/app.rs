//! The rules: what may be asked, in which order things happen, and what is left when something
//! fails half way. Knows nothing of HTTP.
//!
//! Whatever is done on a database server is first written down in the store (a row `creating`,
//! `deleting`, or a login that is not applied), so that [`recover`] can go on after a crash.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod blueprints;
pub(crate) mod credentials;
pub(crate) mod drift;
pub(crate) mod housekeeping;
pub(crate) mod password;
pub(crate) mod pending;
pub(crate) mod placement;
pub(crate) mod proxies;
pub(crate) mod recover;
pub(crate) mod routes;
pub(crate) mod seal;
pub(crate) mod servers;
pub(crate) mod settings;
pub(crate) mod template;
pub(crate) mod tenants;
pub(crate) mod workspaces;
