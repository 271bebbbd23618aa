//! Whether a session's login is good still.

use std::sync::Arc;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::Status;
use tenantsdb_codecs::mongo::code::Code;
use tenantsdb_codecs::mongo::report::report;

use crate::front::mongo::login::Proved;
use crate::front::mongo::refuse::Refusal;
use crate::route::{Route, Routes};

/// The table of routes as it was when the login was last seen to be good; `None` before the first
/// request, for what a login was let in by may be older than the session.
#[derive(Debug, Default)]
pub(super) struct Standing(Option<u64>);

impl Standing {
    /// A tenant that is suspended, or whose password was changed, is out with its next request;
    /// what else has changed of its route holds from then on.
    ///
    /// # Errors
    ///
    /// The login is good no more: what its client is told.
    pub(super) fn check(&mut self, routes: &Routes, proved: &mut Proved) -> Result<(), Vec<u8>> {
        let changes = routes.changes();
        if self.0 == Some(changes) {
            return Ok(());
        }
        let route = routes.get(Engine::MongoDb, &proved.route.database);
        match route {
            Some(route) if is_good(&route, proved) => {
                self.0 = Some(changes);
                proved.now(Arc::clone(&route));
                Ok(())
            }
            Some(route) if route.status == Status::Suspended => {
                let database = proved.route.database.clone();
                Err(Refusal::Suspended { database }
                    .document()
                    .unwrap_or_default())
            }
            _ => {
                let text = "the login is no longer valid: its password or its place was changed";
                Err(report(Code::Unauthorized, text, &[]))
            }
        }
    }

    /// The same between two replies to one request, where there is nobody to be told.
    pub(super) fn is_good(&self, routes: &Routes, proved: &Proved) -> bool {
        self.0 == Some(routes.changes())
            || routes
                .get(Engine::MongoDb, &proved.route.database)
                .is_some_and(|route| is_good(&route, proved))
    }
}

fn is_good(route: &Route, proved: &Proved) -> bool {
    route.status == Status::Active
        && route.server == proved.route.server
        && route.has_still(proved.login())
}
