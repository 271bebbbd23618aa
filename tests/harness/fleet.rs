//! All parts together: a database server, control, and proxies, with the server registered.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::control::Control;
use crate::postgres::{ADMIN, ADMIN_PASSWORD, Postgres};
use crate::proxy::Proxy;
use crate::{Api, Database, Tdb, paths, ports};

/// A whole TenantsDB of one test's own. Fields are dropped in the order of a real stop.
pub struct Fleet {
    /// In the order of their names, `proxy-1` first.
    pub proxies: Vec<Proxy>,
    /// The control plane.
    pub control: Control,
    /// The database server that holds workspaces and tenants.
    pub postgres: Postgres,
    /// The command line with the fleet's API key.
    pub tdb: Tdb,
    /// The REST interface with the fleet's API key.
    pub api: Api,
    dir: Scratch,
}

impl Fleet {
    /// Starts everything. `test` names the folder of its logs.
    ///
    /// # Panics
    ///
    /// If a part does not start.
    #[must_use]
    pub fn start(test: &str, proxies: usize) -> Self {
        let dir = Scratch(paths::scratch(test));
        let postgres = Postgres::start(dir.path());
        let proxy_ports: Vec<u16> = (0..proxies.max(1)).map(|_| ports::free()).collect();
        let first = format!("127.0.0.1:{}", proxy_ports[0]);
        let control = Control::start(dir.path(), &first);
        let start =
            |(n, port)| Proxy::start(dir.path(), &format!("proxy-{}", n + 1), port, &control);
        let proxies = proxy_ports.into_iter().take(proxies).enumerate();
        let proxies = proxies.map(start).collect();
        let api = control.api();
        let server = json!({
            "name": "main",
            "engine": "PostgreSQL",
            "address": postgres.address(),
            "user": ADMIN,
            "password": ADMIN_PASSWORD,
        });
        let _ = api.post("/v1/servers", &server).expect(201);
        Self {
            proxies,
            tdb: Tdb::new(&control.url(), &control.api_key, &dir.path().join("home")),
            api,
            control,
            postgres,
            dir,
        }
    }

    /// The folder of logs and data; goes with the fleet unless its test failed.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Makes a workspace.
    ///
    /// # Panics
    ///
    /// If control refuses.
    #[must_use]
    #[track_caller]
    pub fn workspace(&self, name: &str) -> Database {
        let body = json!({"name": name, "engine": "PostgreSQL"});
        let made = self.api.post("/v1/workspaces", &body).expect(201);
        Database::issued(&made["connection_string"])
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
        let made = self.api.post("/v1/tenants", body).expect(201);
        assert_eq!(made["routed"], true, "{made:#}");
        // A tenant may have databases of other blueprints already.
        let databases = made["databases"].as_array().expect("a list");
        let new = databases
            .iter()
            .find(|d| d["blueprint"] == body["blueprint"]);
        Database::issued(&new.expect("the new database")["connection_string"])
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
