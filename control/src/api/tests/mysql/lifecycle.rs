//! Workspaces, tenants, credentials and deployments on real servers of both flavours, without a
//! proxy: the tests send the captures. Each test has blueprints of its own: the servers are shared.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tenantsdb_codecs::feed::CAPTURES_PATH;
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::mysql::account_name;
use url::Url;

use super::super::{Running, problem};
use crate::app::{password, recover};
use crate::name::flavour;
use crate::provision::mysql_test_server::{Client, Server, on_both};
use crate::store::blueprints::{self, Stage};
use crate::store::tenants::TenantStatus;
use crate::store::{captures, databases, logins, routes, servers, tenants};

/// Longer than anything here takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(120);

on_both!(
    a_tenant_lives_from_its_creation_to_its_deletion,
    a_capture_gives_the_text_and_counts_once,
    what_no_statement_explains_is_made_from_the_difference,
    an_end_that_nobody_saw_is_looked_for,
    tenants_get_a_version_once_and_those_that_failed_are_mended,
    a_marker_that_is_not_ours_needs_attention,
    online_refuses_what_would_lock,
    what_a_crash_left_half_done_is_finished,
    a_tenant_that_a_deployment_passed_by_is_brought_up_to_it,
    the_longest_names_work,
    truncate_and_local_files_are_for_those_who_may,
);

/// A control with one server registered, as `db`.
pub(super) async fn with_server(server: &Server) -> Running {
    let control = Running::start().await;
    let login = server.admin_login();
    let body = json!({
        "name": "db", "engine": "mysql", "address": login.addr,
        "user": login.user, "password": login.password.expose(),
    });
    expect(control.post("/v1/servers", body).await, 201).await;
    control
}

pub(super) async fn expect(answer: Response, status: u16) -> Value {
    let got = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(got, status, "{body}");
    body
}

/// A session straight at the server, with what a connection string says.
pub(super) async fn login(
    server: &Server,
    connection_string: &Value,
) -> Result<Client, sqlx::Error> {
    let url = Url::parse(connection_string.as_str().unwrap()).unwrap();
    let database = url.path().trim_start_matches('/');
    let password = url.password().expect("a password");
    server.try_login(url.username(), password, database).await
}

/// A workspace session whose statements are captured.
pub(super) struct Dev<'a> {
    control: &'a Running,
    context: Value,
    pub(super) database: String,
    pub(super) pid: i64,
    pub(super) client: Client,
    sent: u32,
    /// What the ids of its captures begin with.
    name: String,
}

impl<'a> Dev<'a> {
    pub(super) async fn new(control: &'a Running, server: &Server, blueprint: &str) -> Self {
        let body = json!({"name": blueprint, "database": "MySQL"});
        let made = expect(control.post("/v1/workspaces", body).await, 201).await;
        assert_eq!(made["version"], "1.0");
        let client = login(server, &made["connection_string"]).await.unwrap();
        let database = made["database"].as_str().unwrap();
        Self::of(control, client, database, database).await
    }

    /// A session of a workspace that is there; its captures have ids of this name.
    pub(super) async fn of(
        control: &'a Running,
        mut client: Client,
        database: &str,
        name: &str,
    ) -> Self {
        let pid = client.value("SELECT CONNECTION_ID()").await;
        let context = context(&mut client).await;
        Self {
            control,
            context,
            database: database.to_owned(),
            pid: pid.parse().unwrap(),
            client,
            sent: 0,
            name: name.to_owned(),
        }
    }

    /// Runs a statement and tells control as a proxy does; gives the version.
    pub(super) async fn run(&mut self, text: &str) -> String {
        self.client.run(text).await;
        self.tell(json!([{"text": text, "tag": ""}])).await
    }

    pub(super) async fn tell(&mut self, statements: Value) -> String {
        self.sent += 1;
        let capture = json!({
            "id": format!("{}:{}", self.name, self.sent), "database": self.database,
            "pid": self.pid, "user": self.database, "statements": statements,
            "context": self.context,
        });
        self.send(&capture).await
    }

    async fn send(&self, capture: &Value) -> String {
        let sent = self.control.as_proxy(Method::POST, CAPTURES_PATH);
        let sealed = expect(sent.json(capture).send().await.unwrap(), 200).await;
        sealed["version"].as_str().unwrap().to_owned()
    }
}

/// What the proxy tells of a session's settings.
async fn context(client: &mut Client) -> Value {
    let mut context = json!({});
    for name in [
        "sql_mode",
        "character_set_client",
        "collation_connection",
        "default_storage_engine",
    ] {
        context[name] = json!(client.value(&format!("SELECT @@{name}")).await);
    }
    for name in ["foreign_key_checks", "explicit_defaults_for_timestamp"] {
        let value = client.value(&format!("SELECT @@{name}")).await;
        context[name] = json!(value == "1");
    }
    context
}

pub(super) async fn tenant(
    control: &Running,
    server: &Server,
    blueprint: &str,
    name: &str,
) -> Client {
    let body = json!({"name": name, "blueprint": blueprint});
    let made = expect(control.post("/v1/tenants", body).await, 201).await;
    login(server, &made["databases"][0]["connection_string"])
        .await
        .unwrap()
}

async fn act(control: &Running, path: &str) -> Value {
    let answer = control.request(Method::POST, path).send().await.unwrap();
    expect(answer, 200).await
}

/// Texts and origins of what some tenant lacks.
pub(super) async fn pending(control: &Running, workspace: &str) -> Vec<(String, String)> {
    let path = format!("/v1/workspaces/{workspace}/diff");
    let diff = expect(control.get(&path).await, 200).await;
    let items = diff["pending"].as_array().unwrap().iter();
    let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
    items
        .map(|item| (text(item, "ddl"), text(item, "origin")))
        .collect()
}

async fn gone(control: &Running, path: &str) {
    let wait = async {
        while control.get(path).await.status() != StatusCode::NOT_FOUND {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("it is still there");
}

/// Starts a deployment and waits for its end.
async fn deploy(control: &Running, body: Value) -> Value {
    let made = expect(control.post("/v1/deployments", body).await, 202).await;
    let path = format!("/v1/deployments/{}", made["id"].as_str().unwrap());
    let wait = async {
        loop {
            let now = expect(control.get(&path).await, 200).await;
            if now["finished_at"].is_string() {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it ends")
}

async fn a_tenant_lives_from_its_creation_to_its_deletion(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mlife").await;
    dev.run("CREATE TABLE users (id int PRIMARY KEY)").await;
    assert_eq!(
        dev.run("CREATE VIEW v AS SELECT id FROM users").await,
        "1.2"
    );
    assert_eq!(pending(&control, "mlife").await.len(), 2);

    let body = json!({"name": "acme", "blueprint": "mlife"});
    let made = expect(control.post("/v1/tenants", body.clone()).await, 201).await;
    let database = &made["databases"][0];
    assert_eq!(
        (&database["version"], &database["server"]),
        (&json!("1.2"), &json!("db"))
    );
    let first = &database["connection_string"];
    let mut session = login(server, first).await.unwrap();
    session.run("INSERT INTO users VALUES (1)").await;
    assert_eq!(session.value("SELECT id FROM v").await, "1");
    assert!(session.try_run("CREATE TABLE mine (id int)").await.is_err());
    assert!(pending(&control, "mlife").await.is_empty());
    problem(control.post("/v1/tenants", body).await, 409, "conflict").await;

    let suspended = act(&control, "/v1/tenants/acme/suspend").await;
    assert_eq!(suspended["status"], "suspended");
    assert!(session.try_run("SELECT 1").await.is_err());
    assert!(login(server, first).await.is_err());
    act(&control, "/v1/tenants/acme/resume").await;
    login(server, first).await.unwrap();

    let rotated = act(&control, "/v1/credentials/mlife__acme/rotate").await;
    assert!(rotated["generation"].as_u64() > Some(1), "{rotated}");
    assert!(login(server, first).await.is_err());
    login(server, &rotated["connection_string"]).await.unwrap();

    let delete = |path: &'static str| control.request(Method::DELETE, path).send();
    expect(delete("/v1/tenants/acme").await.unwrap(), 202).await;
    gone(&control, "/v1/tenants/acme").await;
    expect(delete("/v1/workspaces/mlife").await.unwrap(), 202).await;
    gone(&control, "/v1/workspaces/mlife").await;
    let mut admin = server.admin().await;
    let schemas = "SELECT COUNT(*) FROM information_schema.schemata \
                   WHERE schema_name LIKE '%mlife%'";
    assert_eq!(admin.value(schemas).await, "0");
    let accounts = "SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'mlife%'";
    assert_eq!(admin.value(accounts).await, "0");
    let status = delete("/v1/servers/db").await.unwrap().status();
    assert_eq!(status, StatusCode::NO_CONTENT);
}

async fn a_capture_gives_the_text_and_counts_once(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mwire").await;
    let script = "CREATE TABLE a (id int); INSERT INTO a VALUES (1); CREATE TABLE b (id int)";
    dev.client.run(script).await;
    let statements = json!([
        {"text": "CREATE TABLE a (id int)", "tag": ""},
        {"text": "INSERT INTO a VALUES (1)", "tag": ""},
        {"text": "CREATE TABLE b (id int)", "tag": ""},
    ]);
    assert_eq!(dev.tell(statements).await, "1.1");
    let again = json!({
        "id": "mwire_dev:1", "database": "mwire_dev", "pid": 1, "user": "mwire_dev",
        "statements": [{"text": "CREATE TABLE a (id int)", "tag": ""}],
    });
    assert_eq!(dev.send(&again).await, "1.1");
    let wire = |text: &str| (text.to_owned(), "wire".to_owned());
    assert_eq!(
        pending(&control, "mwire").await,
        [
            wire("CREATE TABLE a (id int)"),
            wire("CREATE TABLE b (id int)")
        ]
    );
    // Nothing that changes nothing.
    for text in [
        "CREATE TEMPORARY TABLE tmp (id int)",
        "CREATE TABLE IF NOT EXISTS a (id int)",
        "DROP TABLE IF EXISTS gone",
        "CREATE TABLE knex_migrations (id int)",
        "INSERT INTO a VALUES (2)",
    ] {
        dev.client.run(text).await;
        let told = json!([{"text": text, "tag": "", "warnings": 1}]);
        assert_eq!(dev.tell(told).await, "1.1", "{text}");
    }
    let shown = expect(control.get("/v1/blueprints/mwire").await, 200).await;
    let tables = shown["tables"].as_array().unwrap().iter();
    let names: Vec<&str> = tables
        .map(|table| table["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"a") && names.contains(&"b"), "{names:?}");
    let waiting = captures::waiting(&mut control.context.store.read().await.unwrap()).await;
    assert_eq!(waiting.unwrap(), 0);
}

async fn what_no_statement_explains_is_made_from_the_difference(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "minfer").await;
    dev.run("CREATE PROCEDURE migrate() CREATE TABLE made (id int)")
        .await;
    assert_eq!(dev.run("CALL migrate()").await, "1.2");
    // A session past the proxies.
    dev.client.run("ALTER TABLE made ADD COLUMN x int").await;
    let pending = pending(&control, "minfer").await;
    assert_eq!(pending.len(), 3, "{pending:?}");
    assert_eq!(pending[0].1, "wire");
    for (ddl, origin) in &pending[1..] {
        assert_eq!(origin, "inferred");
        assert!(ddl.contains("made"), "{ddl}");
    }
    let mut acme = tenant(&control, server, "minfer", "acme").await;
    acme.run("INSERT INTO made (id, x) VALUES (1, 2)").await;
}

async fn an_end_that_nobody_saw_is_looked_for(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mopen").await;
    let unknown = |text: &str| json!([{"text": text, "tag": "", "outcome": "unknown"}]);
    dev.client.run("CREATE TABLE t (id int)").await;
    assert_eq!(dev.tell(unknown("CREATE TABLE t (id int)")).await, "1.1");
    let inferred = ("CREATE TABLE t (id int)".to_owned(), "inferred".to_owned());
    let seen = pending(&control, "mopen").await;
    assert_eq!(seen, std::slice::from_ref(&inferred));
    // Its thread is alive: it may come yet.
    assert_eq!(dev.tell(unknown("ALTER TABLE t ADD x int")).await, "1.1");
    let store = &control.context.store;
    let waiting = captures::waiting(&mut store.read().await.unwrap()).await;
    assert_eq!(waiting.unwrap(), 1);
    dev.client.run("ALTER TABLE t ADD x int").await;
    let second = ("ALTER TABLE t ADD x int".to_owned(), "inferred".to_owned());
    assert_eq!(pending(&control, "mopen").await, [inferred, second]);
    // A thread that is gone did not get to it.
    dev.pid = 4_000_000_000;
    assert_eq!(dev.tell(unknown("ALTER TABLE t ADD y int")).await, "1.2");
    let waiting = captures::waiting(&mut store.read().await.unwrap()).await;
    assert_eq!(waiting.unwrap(), 0);
}

async fn tenants_get_a_version_once_and_those_that_failed_are_mended(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mroll").await;
    dev.run("CREATE TABLE users (id int AUTO_INCREMENT PRIMARY KEY, name varchar(50))")
        .await;
    let mut acme = tenant(&control, server, "mroll", "acme").await;
    let mut bad = tenant(&control, server, "mroll", "bad").await;
    tenant(&control, server, "mroll", "globex").await;
    bad.run("INSERT INTO users (name) VALUES ('a'), ('a')")
        .await;
    dev.run("ALTER TABLE users ADD COLUMN phone varchar(20)")
        .await;
    dev.run("CREATE UNIQUE INDEX users_name ON users (name)")
        .await;
    assert_eq!(pending(&control, "mroll").await.len(), 2);
    let all = json!({"blueprint": "mroll", "all": true});
    let first = deploy(&control, all.clone()).await;
    assert_eq!(first["status"], "failed", "{first}");
    assert_eq!(
        (&first["completed"], &first["failed"]),
        (&json!(2), &json!(1))
    );
    let failed = &first["results"][1];
    assert_eq!(failed["tenant"], "bad");
    assert_eq!(
        (&failed["from_version"], &failed["to_version"]),
        (&json!("1.1"), &json!("1.2")),
        "{failed}"
    );
    assert_eq!(failed["sqlstate"], "23000");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("Duplicate entry"), "{error}");
    bad.run("DELETE FROM users WHERE id = 2").await;
    let second = deploy(&control, all).await;
    assert_eq!(second["status"], "completed", "{second}");
    assert_eq!(
        (&second["completed"], &second["skipped"]),
        (&json!(1), &json!(2))
    );
    acme.run("INSERT INTO users (name, phone) VALUES ('b', '1')")
        .await;
    assert!(pending(&control, "mroll").await.is_empty());
}

async fn a_marker_that_is_not_ours_needs_attention(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mmark").await;
    dev.run("CREATE TABLE t (id int)").await;
    tenant(&control, server, "mmark", "acme").await;
    tenant(&control, server, "mmark", "globex").await;
    dev.run("ALTER TABLE t ADD x int").await;
    let mut admin = server.admin().await;
    let forged = "INSERT INTO mmark__acme._tenantsdb (ordinal, step, state, digest, at) \
                  VALUES (9, 0, 'done', '', NOW())";
    admin.run(forged).await;
    let done = deploy(&control, json!({"blueprint": "mmark", "all": true})).await;
    assert_eq!(done["status"], "failed", "{done}");
    assert_eq!(
        (&done["completed"], &done["failed"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(done["results"][0]["status"], "needs_attention");
    assert_eq!(done["results"][1]["status"], "completed");
    let columns = "SELECT COUNT(*) FROM information_schema.columns \
                   WHERE table_schema = 'mmark__acme' AND table_name = 't'";
    assert_eq!(admin.value(columns).await, "1", "nothing was run there");
}

async fn online_refuses_what_would_lock(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "monline").await;
    dev.run("CREATE TABLE t (id int, name varchar(20))").await;
    tenant(&control, server, "monline", "acme").await;
    dev.run("ALTER TABLE t ADD x int").await;
    let online = json!({"blueprint": "monline", "all": true, "online": true});
    let done = deploy(&control, online.clone()).await;
    assert_eq!(
        (&done["status"], &done["online"]),
        (&json!("completed"), &json!(true))
    );
    // Another type of a column copies the table.
    dev.run("ALTER TABLE t MODIFY id varchar(40)").await;
    let refused = deploy(&control, online).await;
    assert_eq!(refused["results"][0]["status"], "failed", "{refused}");
    let plain = json!({"blueprint": "monline", "all": true});
    assert_eq!(deploy(&control, plain).await["status"], "completed");
}

async fn what_a_crash_left_half_done_is_finished(server: &'static Server) {
    let control = with_server(server).await;
    let context = &control.context;
    let store = &context.store;
    Dev::new(&control, server, "mcrash").await;
    for name in ["kept", "rotated", "dropped"] {
        tenant(&control, server, "mcrash", name).await;
    }
    let mut write = store.write().await.unwrap();
    let row = servers::fetch(&mut write, "db").await.unwrap().unwrap();
    let fresh = password::new(Engine::MySql, flavour(row.engine, &row.version)).unwrap();
    let engine = Engine::MySql;
    // A workspace and a tenant whose rows were committed, and nothing more.
    blueprints::insert(&mut write, "mcrash2", engine, &row.id)
        .await
        .unwrap();
    logins::insert(&mut write, engine, "mcrash2_dev", &fresh.verifier)
        .await
        .unwrap();
    let kept = databases::fetch(&mut write, "mcrash__kept").await.unwrap();
    let begun = databases::Database {
        name: "mcrash__begun".to_owned(),
        tenant: "begun".to_owned(),
        stage: Stage::Creating,
        ..kept.unwrap()
    };
    let row = tenants::fetch(&mut write, "kept").await.unwrap().unwrap();
    let row = tenants::Tenant {
        name: "begun".to_owned(),
        id: "ten_begun".to_owned(),
        status: TenantStatus::Creating,
        ..row
    };
    tenants::insert(&mut write, &row).await.unwrap();
    databases::insert(&mut write, &begun).await.unwrap();
    logins::insert(&mut write, engine, &begun.name, &fresh.verifier)
        .await
        .unwrap();
    // A rotation that the server has not heard of, and a deletion that was only noted.
    logins::rotate(&mut write, engine, "mcrash__rotated", &fresh.verifier)
        .await
        .unwrap();
    let deleting = TenantStatus::Deleting;
    tenants::status_set(&mut write, "dropped", deleting, "")
        .await
        .unwrap();
    write.commit().await.unwrap();

    recover::pass(context).await.unwrap();
    let text = fresh.password.expose();
    for database in ["mcrash2_dev", "mcrash__begun", "mcrash__rotated"] {
        server.login(database, text, database).await;
    }
    let begun = expect(control.get("/v1/tenants/begun").await, 200).await;
    assert_eq!(begun["status"], "active");
    problem(control.get("/v1/tenants/dropped").await, 404, "not_found").await;
    let mut read = store.read().await.unwrap();
    assert!(logins::unapplied(&mut read).await.unwrap().is_empty());
}

async fn a_tenant_that_a_deployment_passed_by_is_brought_up_to_it(server: &'static Server) {
    let control = with_server(server).await;
    let store = &control.context.store;
    let mut dev = Dev::new(&control, server, "mlate").await;
    tenant(&control, server, "mlate", "first").await;
    dev.run("CREATE TABLE t (id int)").await;
    // Its row was made before the version, and the deployment did not see it.
    let mut write = store.write().await.unwrap();
    let first = databases::fetch(&mut write, "mlate__first")
        .await
        .unwrap()
        .unwrap();
    let fresh = password::new(Engine::MySql, flavour(first.engine, &first.server_version)).unwrap();
    let row = tenants::fetch(&mut write, "first").await.unwrap().unwrap();
    let second = databases::Database {
        name: "mlate__second".to_owned(),
        tenant: "second".to_owned(),
        stage: Stage::Creating,
        ..first
    };
    let row = tenants::Tenant {
        name: "second".to_owned(),
        id: "ten_second".to_owned(),
        status: TenantStatus::Creating,
        ..row
    };
    tenants::insert(&mut write, &row).await.unwrap();
    databases::insert(&mut write, &second).await.unwrap();
    logins::insert(&mut write, second.engine, &second.name, &fresh.verifier)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO deployments (id, blueprint, ordinal, status, created_at, finished_at)
         VALUES ('dep_1', 'mlate', 1, 'completed', $1, $1)",
    )
    .bind(crate::store::now())
    .execute(&mut *write)
    .await
    .unwrap();
    write.commit().await.unwrap();
    recover::pass(&control.context).await.unwrap();
    let shown = expect(control.get("/v1/tenants/second").await, 200).await;
    assert_eq!(shown["databases"][0]["version"], "1.1");
    let text = fresh.password.expose();
    let mut session = server.login("mlate__second", text, "mlate__second").await;
    session.run("INSERT INTO t VALUES (1)").await;
}

async fn the_longest_names_work(server: &'static Server) {
    let control = with_server(server).await;
    let blueprint = "m".repeat(26);
    let name = "t".repeat(31);
    let mut dev = Dev::new(&control, server, &blueprint).await;
    dev.run("CREATE TABLE t (id int)").await;
    let mut session = tenant(&control, server, &blueprint, &name).await;
    session.run("INSERT INTO t VALUES (1)").await;
    let database = format!("{blueprint}__{name}");
    let mut read = control.context.store.read().await.unwrap();
    let changes = routes::since(&mut read, 0, 10).await.unwrap();
    let route = changes.iter().find(|change| change.database == database);
    let route: Value = serde_json::from_str(&route.unwrap().body).unwrap();
    let login = &route["logins"][0];
    assert_eq!(login["user"], database);
    assert_eq!(login["server_user"], account_name(&database).as_ref());
    assert!(route["server"]["version"].is_string());
    assert_eq!(login["verifier"].as_str().unwrap().matches('$').count(), 1);
}

async fn truncate_and_local_files_are_for_those_who_may(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mallow").await;
    dev.run("CREATE TABLE t (id int)").await;
    let mut plain = tenant(&control, server, "mallow", "plain").await;
    assert!(plain.try_run("TRUNCATE TABLE t").await.is_err());
    let body = json!({
        "name": "free", "blueprint": "mallow",
        "allow_truncate": true, "allow_local_infile": true,
    });
    let made = expect(control.post("/v1/tenants", body).await, 201).await;
    let database = &made["databases"][0];
    assert_eq!(database["allow_truncate"], true);
    let mut free = login(server, &database["connection_string"]).await.unwrap();
    free.run("TRUNCATE TABLE t").await;
    let mut read = control.context.store.read().await.unwrap();
    for change in routes::since(&mut read, 0, 10).await.unwrap() {
        let route: Value = serde_json::from_str(&change.body).unwrap();
        let allowed = change.database == "mallow__free";
        assert_eq!(
            route["local_infile"] == true,
            allowed,
            "{}",
            change.database
        );
    }
}
