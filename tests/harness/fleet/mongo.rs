//! A fleet on MongoDB.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{MongoFleet, Registration, Scratch};
use crate::{mongo, paths};

impl MongoFleet {
    /// Starts control and proxies on the server that the tests of this process share. Names of
    /// blueprints have to differ between tests: [`mongo::blueprint`].
    ///
    /// # Panics
    ///
    /// If a part does not start.
    #[must_use]
    pub fn shared(test: &str, proxies: usize) -> Self {
        Self::on(test, mongo::Server::shared(), proxies)
    }

    /// Starts everything, with a server of this test's own.
    ///
    /// # Panics
    ///
    /// If a part does not start.
    #[must_use]
    pub fn own(test: &str, proxies: usize) -> Self {
        let dir = paths::scratch(&format!("{test}-server"));
        Self::on(test, mongo::Server::start(&dir), proxies)
    }

    /// Starts control and proxies on a server.
    ///
    /// # Panics
    ///
    /// If a part does not start.
    #[must_use]
    pub fn on(test: &str, server: Arc<mongo::Server>, proxies: usize) -> Self {
        let registration = Registration {
            engine: "MongoDB",
            address: server.address(),
            user: mongo::server::ADMIN,
            password: mongo::server::ADMIN_PASSWORD,
        };
        Self::assemble(
            Scratch(paths::scratch(test)),
            proxies,
            server,
            &registration,
        )
    }

    /// Makes a workspace.
    ///
    /// # Panics
    ///
    /// If control refuses.
    #[must_use]
    #[track_caller]
    pub fn workspace(&self, name: &str) -> mongo::Database {
        mongo::Database::issued(&self.make_workspace(name, "MongoDB"))
    }

    /// Makes a tenant.
    ///
    /// # Panics
    ///
    /// If control refuses, or if a proxy did not get the route in time.
    #[must_use]
    #[track_caller]
    pub fn tenant(&self, blueprint: &str, name: &str) -> mongo::Database {
        self.tenant_with(&json!({"name": name, "blueprint": blueprint}))
    }

    /// Makes a tenant with more than a name.
    ///
    /// # Panics
    ///
    /// As [`Self::tenant`].
    #[must_use]
    #[track_caller]
    pub fn tenant_with(&self, body: &Value) -> mongo::Database {
        mongo::Database::issued(&self.make_tenant(body))
    }
}
