//! A fleet on Redis or Valkey.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{RedisFleet, Registration, Scratch};
use crate::{paths, redis};

impl RedisFleet {
    /// Sets all settings of a workspace, which makes a version of its blueprint. Tenants that are
    /// made later have it from birth.
    ///
    /// # Panics
    ///
    /// If control refuses, or if a proxy did not get the route in time.
    #[track_caller]
    pub fn settings(&self, workspace: &str, settings: &Value) {
        let path = format!("/v1/workspaces/{workspace}/settings");
        let set = self
            .api
            .send("PUT", &path, Some(&settings.to_string()))
            .expect(200);
        assert_eq!(set["routed"], true, "{set:#}");
    }

    /// Starts everything, with a server of this test's own.
    ///
    /// # Panics
    ///
    /// If a part does not start.
    #[must_use]
    pub fn own(test: &str, flavour: redis::Flavour, proxies: usize) -> Self {
        Self::own_with(test, flavour, proxies, &[])
    }

    /// The same with more arguments for the server.
    ///
    /// # Panics
    ///
    /// If a part does not start.
    #[must_use]
    pub fn own_with(
        test: &str,
        flavour: redis::Flavour,
        proxies: usize,
        arguments: &[&str],
    ) -> Self {
        let dir = Scratch(paths::scratch(&format!("{test}-{}", flavour.name())));
        let server = redis::Server::start_with(flavour, dir.path(), arguments);
        let registration = Self::registration(&server);
        Self::assemble(dir, proxies, server, &registration)
    }

    fn registration(server: &redis::Server) -> Registration {
        Registration {
            engine: "Redis",
            address: server.address(),
            user: redis::server::ADMIN,
            password: redis::server::ADMIN_PASSWORD,
        }
    }

    /// Starts one more server and registers it under this name, for one tenant alone if
    /// `dedicated`.
    ///
    /// # Panics
    ///
    /// If it does not start, or control refuses.
    #[must_use]
    pub fn add_server(&self, name: &str, dedicated: bool) -> Arc<redis::Server> {
        let server = redis::Server::start(self.server.flavour, self.dir());
        let registration = Self::registration(&server);
        let mode = if dedicated { "dedicated" } else { "shared" };
        self.register_with(name, &registration, &json!({"mode": mode}));
        server
    }

    /// Makes a workspace.
    ///
    /// # Panics
    ///
    /// If control refuses.
    #[must_use]
    #[track_caller]
    pub fn workspace(&self, name: &str) -> redis::Login {
        redis::Login::issued(&self.make_workspace(name, "Redis"))
    }

    /// Makes a tenant.
    ///
    /// # Panics
    ///
    /// If control refuses, or if a proxy did not get the route in time.
    #[must_use]
    #[track_caller]
    pub fn tenant(&self, blueprint: &str, name: &str) -> redis::Login {
        self.tenant_with(&json!({"name": name, "blueprint": blueprint}))
    }

    /// Makes a tenant with more than a name.
    ///
    /// # Panics
    ///
    /// As [`Self::tenant`].
    #[must_use]
    #[track_caller]
    pub fn tenant_with(&self, body: &Value) -> redis::Login {
        redis::Login::issued(&self.make_tenant(body))
    }
}
