//! All parts together: a database server, control, and proxies, with the server registered.

mod mongo;
mod mysql;
mod redis;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::control::Control;
use crate::ports::Doors;
use crate::postgres::{self, Postgres};
use crate::proxy::Proxy;
use crate::{Api, Database, Tdb, paths};

/// A whole TenantsDB of one test's own, on a server of one engine. Fields are dropped in the order
/// of a real stop.
pub struct Fleet<S = Postgres> {
    /// In the order of their names, `proxy-1` first.
    pub proxies: Vec<Proxy>,
    /// The control plane.
    pub control: Control,
    /// The database server that holds workspaces and tenants.
    pub server: S,
    /// The command line with the fleet's API key.
    pub tdb: Tdb,
    /// The REST interface with the fleet's API key.
    pub api: Api,
    dir: Scratch,
}

/// A fleet on MariaDB or MySQL.
pub type MySqlFleet = Fleet<Arc<crate::mysql::Server>>;

/// A fleet on MongoDB.
pub type MongoFleet = Fleet<Arc<crate::mongo::Server>>;

/// A fleet on Redis or Valkey.
pub type RedisFleet = Fleet<Arc<crate::redis::Server>>;

/// Who registers a database server, and where control and the proxies find it.
struct Registration {
    engine: &'static str,
    address: String,
    user: &'static str,
    password: &'static str,
}

impl<S> Fleet<S> {
    fn assemble(dir: Scratch, proxies: usize, server: S, registration: &Registration) -> Self {
        let doors: Vec<Doors> = (0..proxies.max(1)).map(|_| Doors::free()).collect();
        let control = Control::start(dir.path(), doors[0]);
        let start =
            |(n, doors)| Proxy::start(dir.path(), &format!("proxy-{}", n + 1), doors, &control);
        let proxies = doors.into_iter().take(proxies).enumerate();
        let proxies = proxies.map(start).collect();
        let fleet = Self {
            proxies,
            tdb: Tdb::new(&control.url(), &control.api_key, &dir.path().join("home")),
            api: control.api(),
            control,
            server,
            dir,
        };
        fleet.register("main", registration);
        fleet
    }

    fn register(&self, name: &str, registration: &Registration) {
        self.register_with(name, registration, &json!({}));
    }

    fn register_with(&self, name: &str, registration: &Registration, more: &Value) {
        let mut server = json!({
            "name": name,
            "engine": registration.engine,
            "address": registration.address,
            "user": registration.user,
            "password": registration.password,
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            server[field] = value.clone();
        }
        let _ = self.api.post("/v1/servers", &server).expect(201);
    }

    /// The folder of logs and data; goes with the fleet unless its test failed.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Makes a workspace; its connection string.
    #[track_caller]
    fn make_workspace(&self, name: &str, engine: &str) -> Value {
        let body = json!({"name": name, "engine": engine});
        let made = self.api.post("/v1/workspaces", &body).expect(201);
        made["connection_string"].clone()
    }

    /// Makes a tenant; the connection string of its new database.
    #[track_caller]
    fn make_tenant(&self, body: &Value) -> Value {
        let made = self.api.post("/v1/tenants", body).expect(201);
        assert_eq!(made["routed"], true, "{made:#}");
        // A tenant may have databases of other blueprints already.
        let databases = made["databases"].as_array().expect("a list");
        let new = databases
            .iter()
            .find(|d| d["blueprint"] == body["blueprint"]);
        new.expect("the new database")["connection_string"].clone()
    }

    /// What the workspace has and some tenant lacks: `(version, statement)` in order.
    #[must_use]
    #[track_caller]
    pub fn pending(&self, workspace: &str) -> Vec<(String, String)> {
        let diff = self.api.get(&format!("/v1/workspaces/{workspace}/diff"));
        let diff = diff.expect(200);
        let pending = diff["pending"].as_array().expect("pending is a list");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        pending
            .iter()
            .map(|row| (text(&row["version"]), text(&row["ddl"])))
            .collect()
    }

    /// Starts a deployment of the newest version to all tenants; its id.
    #[must_use]
    #[track_caller]
    pub fn deploy(&self, blueprint: &str) -> String {
        let body = json!({"blueprint": blueprint, "all": true});
        let started = self.api.post("/v1/deployments", &body).expect(202);
        started["id"].as_str().expect("an id").to_owned()
    }

    /// A deployment as it stands.
    #[must_use]
    #[track_caller]
    pub fn deployment(&self, id: &str) -> Value {
        self.api.get(&format!("/v1/deployments/{id}")).expect(200)
    }

    /// Waits for the end of a deployment.
    #[must_use]
    #[track_caller]
    pub fn deployed(&self, id: &str) -> Value {
        crate::wait::until("the deployment to end", || {
            let now = self.deployment(id);
            let status = now["status"].as_str().unwrap_or_default();
            (status == "completed" || status == "failed").then_some(now)
        })
    }
}

impl Fleet {
    /// Starts everything on a PostgreSQL server. `test` names the folder of its logs.
    ///
    /// # Panics
    ///
    /// If a part does not start.
    #[must_use]
    pub fn start(test: &str, proxies: usize) -> Self {
        let dir = Scratch(paths::scratch(test));
        let server = Postgres::start(dir.path());
        let registration = Registration {
            engine: "PostgreSQL",
            address: server.address(),
            user: postgres::ADMIN,
            password: postgres::ADMIN_PASSWORD,
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
    pub fn workspace(&self, name: &str) -> Database {
        Database::issued(&self.make_workspace(name, "PostgreSQL"))
    }

    /// Makes a tenant.
    ///
    /// # Panics
    ///
    /// If control refuses, or if a proxy did not get the route in time.
    #[must_use]
    #[track_caller]
    pub fn tenant(&self, blueprint: &str, name: &str) -> Database {
        self.tenant_with(&json!({"name": name, "blueprint": blueprint}))
    }

    /// Makes a tenant with more than a name.
    ///
    /// # Panics
    ///
    /// As [`Self::tenant`].
    #[must_use]
    #[track_caller]
    pub fn tenant_with(&self, body: &Value) -> Database {
        Database::issued(&self.make_tenant(body))
    }
}

/// A folder that is removed unless the test failed.
struct Scratch(PathBuf);

impl Scratch {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("logs of the failed test: {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
