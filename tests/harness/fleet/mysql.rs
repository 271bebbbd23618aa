//! A fleet on MariaDB or MySQL.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{MySqlFleet, Registration, Scratch};
use crate::mysql::{self, Flavour};
use crate::paths;

impl MySqlFleet {
    /// Starts control and proxies on the server that the tests of this process share. Names of
    /// blueprints have to differ between tests: [`mysql::blueprint`].
    ///
    /// # Panics
    ///
    /// If a part does not start.
    #[must_use]
    pub fn shared(test: &str, flavour: Flavour, proxies: usize) -> Self {
        Self::on(test, mysql::Server::shared(flavour), proxies)
    }

    /// Starts everything, with a server of this test's own.
    ///
    /// # Panics
    ///
    /// If a part does not start.
    #[must_use]
    pub fn own(test: &str, flavour: Flavour, proxies: usize) -> Self {
        let dir = paths::scratch(&format!("{test}-{}-server", flavour.name()));
        Self::on(test, mysql::Server::start(flavour, &dir), proxies)
    }

    /// Starts control and proxies on a server.
    ///
    /// # Panics
    ///
    /// If a part does not start.
    #[must_use]
    pub fn on(test: &str, server: Arc<mysql::Server>, proxies: usize) -> Self {
        let address = server.address();
        Self::through(test, server, proxies, address)
    }

    /// Starts control and proxies that reach the server at another address than its own.
    ///
    /// # Panics
    ///
    /// If a part does not start.
    #[must_use]
    pub fn through(
        test: &str,
        server: Arc<mysql::Server>,
        proxies: usize,
        address: String,
    ) -> Self {
        let dir = Scratch(paths::scratch(&format!("{test}-{}", server.flavour.name())));
        let registration = Registration {
            engine: "MySQL",
            address,
            user: mysql::server::ADMIN,
            password: mysql::server::ADMIN_PASSWORD,
        };
        Self::assemble(dir, proxies, server, &registration)
    }

    /// Makes a workspace.
    ///
    /// # Panics
    ///
    /// If control refuses.
    #[must_use]
    #[track_caller]
    pub fn workspace(&self, name: &str) -> mysql::Database {
        mysql::Database::issued(&self.make_workspace(name, "MySQL"))
    }

    /// Makes a tenant.
    ///
    /// # Panics
    ///
    /// If control refuses, or if a proxy did not get the route in time.
    #[must_use]
    #[track_caller]
    pub fn tenant(&self, blueprint: &str, name: &str) -> mysql::Database {
        self.tenant_with(&json!({"name": name, "blueprint": blueprint}))
    }

    /// Makes a tenant with more than a name.
    ///
    /// # Panics
    ///
    /// As [`Self::tenant`].
    #[must_use]
    #[track_caller]
    pub fn tenant_with(&self, body: &Value) -> mysql::Database {
        mysql::Database::issued(&self.make_tenant(body))
    }
}
