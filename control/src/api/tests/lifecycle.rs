//! Workspaces, tenants and credentials on a real database server, without a proxy. Each test has
//! blueprints of its own: the server is shared.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tenantsdb_codecs::feed::CAPTURES_PATH;
use tenantsdb_codecs::feed::id::Engine;
use url::Url;

use super::{Running, problem};
use crate::app::{password, recover};
use crate::provision::test_server::{Client, admin_login};
use crate::store::blueprints::{self, Stage};
use crate::store::tenants::TenantStatus;
use crate::store::{databases, logins, tenants, tests as rows};

/// Longer than anything here takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

async fn with_server() -> Running {
    let control = Running::start().await;
    let login = admin_login();
    let body = json!({
        "name": "pg", "engine": "postgresql", "address": login.addr,
        "user": login.user, "password": login.password.expose(),
    });
    expect(control.post("/v1/servers", body).await, 201).await;
    control
}

async fn expect(answer: Response, status: u16) -> Value {
    let got = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(got, status, "{body}");
    body
}

async fn workspace(control: &Running, name: &str) -> Value {
    let body = json!({"name": name, "database": "PostgreSQL"});
    expect(control.post("/v1/workspaces", body).await, 201).await
}

async fn tenant(control: &Running, name: &str, blueprint: &str) -> Value {
    let body = json!({"name": name, "blueprint": blueprint});
    expect(control.post("/v1/tenants", body).await, 201).await
}

async fn act(control: &Running, path: &str) -> Value {
    let answer = control.request(Method::POST, path).send().await.unwrap();
    expect(answer, 200).await
}

/// Logs in at the server itself with what a connection string says.
async fn login(connection_string: &Value) -> Result<Client, sqlx::Error> {
    let url = Url::parse(connection_string.as_str().unwrap()).unwrap();
    let database = url.path().trim_start_matches('/');
    Client::login(
        database,
        url.username(),
        url.password().expect("a password"),
    )
    .await
}

async fn pending(control: &Running, workspace: &str) -> Vec<String> {
    let diff = control
        .get(&format!("/v1/workspaces/{workspace}/diff"))
        .await;
    let diff = expect(diff, 200).await;
    let texts = diff["pending"].as_array().unwrap().iter();
    texts
        .map(|item| item["ddl"].as_str().unwrap().to_owned())
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

#[tokio::test]
async fn a_tenant_lives_from_its_creation_to_its_deletion() {
    let control = with_server().await;
    let made = workspace(&control, "life").await;
    assert_eq!(made["version"], "1.0");
    let mut dev = login(&made["connection_string"]).await.unwrap();
    dev.run("CREATE TABLE users (id int)").await;
    dev.run("BEGIN; CREATE TABLE a (); CREATE TABLE b (); COMMIT")
        .await;
    assert_eq!(pending(&control, "life").await.len(), 3);

    let made = tenant(&control, "acme", "life").await;
    assert_eq!(
        (&made["routed"], &made["status"]),
        (&json!(true), &json!("active"))
    );
    let database = &made["databases"][0];
    assert_eq!(
        (&database["version"], &database["server"]),
        (&json!("1.2"), &json!("pg"))
    );
    let first = &database["connection_string"];
    let mut session = login(first).await.unwrap();
    session.run("INSERT INTO users VALUES (1)").await;
    assert!(pending(&control, "life").await.is_empty());
    let shown = expect(control.get("/v1/tenants/acme").await, 200).await;
    let shown = shown["databases"][0]["connection_string"].as_str().unwrap();
    assert_eq!(shown, "postgresql://life__acme@db.example:6432/life__acme");
    let again = control
        .post("/v1/tenants", json!({"name": "acme", "blueprint": "life"}))
        .await;
    problem(again, 409, "conflict").await;

    let suspended = act(&control, "/v1/tenants/acme/suspend").await;
    assert_eq!(suspended["status"], "suspended");
    assert!(
        session.try_run("SELECT 1").await.is_err(),
        "its sessions are ended"
    );
    assert!(login(first).await.is_err());
    act(&control, "/v1/tenants/acme/resume").await;
    login(first).await.unwrap();

    let rotated = act(&control, "/v1/credentials/life__acme/rotate").await;
    assert!(rotated["generation"].as_u64() > Some(1), "{rotated}");
    assert!(login(first).await.is_err());
    login(&rotated["connection_string"]).await.unwrap();

    let delete = |path: &'static str| control.request(Method::DELETE, path).send();
    problem(
        delete("/v1/workspaces/life").await.unwrap(),
        409,
        "conflict",
    )
    .await;
    expect(delete("/v1/tenants/acme").await.unwrap(), 202).await;
    gone(&control, "/v1/tenants/acme").await;
    let mut admin = Client::admin("postgres").await;
    let left = "SELECT count(*)::text FROM pg_roles WHERE rolname LIKE 'life%'";
    assert_ne!(admin.value(left).await, "0");
    expect(delete("/v1/workspaces/life").await.unwrap(), 202).await;
    gone(&control, "/v1/workspaces/life").await;
    assert_eq!(admin.value(left).await, "0");
    assert_eq!(
        delete("/v1/servers/pg").await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn a_tenant_has_a_database_of_each_blueprint() {
    let control = with_server().await;
    workspace(&control, "two_a").await;
    workspace(&control, "two_b").await;
    tenant(&control, "acme", "two_a").await;
    let second = tenant(&control, "acme", "two_b").await;
    let strings: Vec<&str> = second["databases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|database| database["connection_string"].as_str().unwrap())
        .collect();
    assert_eq!(
        strings[0],
        "postgresql://two_a__acme@db.example:6432/two_a__acme"
    );
    assert!(
        strings[1].starts_with("postgresql://two_b__acme:"),
        "a password for the new one"
    );
    let of_b = expect(control.get("/v1/tenants?blueprint=two_b").await, 200).await;
    assert_eq!(of_b["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_database_that_is_not_ours_is_left_alone() {
    let control = with_server().await;
    workspace(&control, "mine").await;
    let mut admin = Client::admin("postgres").await;
    admin.run("CREATE DATABASE mine__acme").await;
    let refused = control
        .post("/v1/tenants", json!({"name": "acme", "blueprint": "mine"}))
        .await;
    problem(refused, 502, "server_refused").await;
    problem(control.get("/v1/tenants/acme").await, 404, "not_found").await;
    let there = "SELECT count(*)::text FROM pg_database WHERE datname = 'mine__acme'";
    assert_eq!(admin.value(there).await, "1");
}

#[tokio::test]
async fn a_capture_gives_the_text_and_counts_once() {
    let control = with_server().await;
    let made = workspace(&control, "wire").await;
    let mut dev = login(&made["connection_string"]).await.unwrap();
    let pid: i32 = dev
        .value("SELECT pg_backend_pid()::text")
        .await
        .parse()
        .unwrap();
    dev.run("CREATE TABLE a (); CREATE TABLE b ()").await;
    let capture = json!({
        "id": "s:1", "database": "wire_dev", "pid": pid, "user": "wire_dev",
        "statements": [
            {"text": "CREATE TABLE a ()", "tag": "CREATE TABLE"},
            {"text": "CREATE TABLE b ()", "tag": "CREATE TABLE"},
        ],
    });
    for _ in 0..2 {
        let sent = control.as_proxy(Method::POST, CAPTURES_PATH).json(&capture);
        let sealed = expect(sent.send().await.unwrap(), 200).await;
        assert_eq!(sealed, json!({"version": "1.1"}));
    }
    let diff = expect(control.get("/v1/workspaces/wire/diff").await, 200).await;
    let first = &diff["pending"][0];
    assert_eq!(first["ddl"], "CREATE TABLE a ()");
    assert_eq!(
        (&first["origin"], &first["id"]),
        (&json!("wire"), &json!("wire:1.1:1"))
    );
    let blueprint = expect(control.get("/v1/blueprints/wire").await, 200).await;
    assert_eq!(blueprint["tables"].as_array().unwrap().len(), 2);
    assert_eq!(
        blueprint["versions"][1]["statements"][1]["ddl"],
        "CREATE TABLE b ()"
    );
}

#[tokio::test]
async fn what_a_crash_left_half_done_is_finished() {
    let control = with_server().await;
    let context = &control.context;
    let store = &context.store;
    workspace(&control, "crash").await;
    for name in ["kept", "rotated", "dropped"] {
        tenant(&control, name, "crash").await;
    }
    let fresh = password::new(Engine::Postgres, None).unwrap();
    let mut write = store.write().await.unwrap();
    let server = crate::store::servers::fetch(&mut write, "pg")
        .await
        .unwrap()
        .unwrap();
    // A workspace and a tenant whose rows were committed, and nothing more.
    blueprints::insert(&mut write, "crash2", Engine::Postgres, &server.id)
        .await
        .unwrap();
    logins::insert(&mut write, Engine::Postgres, "crash2_dev", &fresh.verifier)
        .await
        .unwrap();
    let kept = databases::fetch(&mut write, "crash__kept")
        .await
        .unwrap()
        .unwrap();
    let begun = databases::Database {
        name: "crash__begun".to_owned(),
        tenant: "begun".to_owned(),
        stage: Stage::Creating,
        ..kept
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
    logins::insert(&mut write, begun.engine, &begun.name, &fresh.verifier)
        .await
        .unwrap();
    // A rotation that the server has not heard of, and a deletion that was only noted.
    logins::rotate(
        &mut write,
        Engine::Postgres,
        "crash__rotated",
        &fresh.verifier,
    )
    .await
    .unwrap();
    let deleting = TenantStatus::Deleting;
    tenants::status_set(&mut write, "dropped", deleting, "")
        .await
        .unwrap();
    write.commit().await.unwrap();

    recover::pass(context).await.unwrap();
    let text = fresh.password.expose();
    for database in ["crash2_dev", "crash__begun", "crash__rotated"] {
        Client::login(database, database, text).await.unwrap();
    }
    let begun = expect(control.get("/v1/tenants/begun").await, 200).await;
    assert_eq!(begun["status"], "active");
    problem(control.get("/v1/tenants/dropped").await, 404, "not_found").await;
    let mut read = store.read().await.unwrap();
    assert!(logins::unapplied(&mut read).await.unwrap().is_empty());
    let workspace = blueprints::fetch(&mut read, "crash2")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(workspace.stage, Stage::Active);
}

#[tokio::test]
async fn a_tenant_that_a_deployment_passed_by_is_brought_up_to_it() {
    let control = with_server().await;
    let store = &control.context.store;
    let made = workspace(&control, "late").await;
    tenant(&control, "first", "late").await;
    let mut dev = login(&made["connection_string"]).await.unwrap();
    dev.run("CREATE TABLE t (id int)").await;
    assert_eq!(pending(&control, "late").await, ["CREATE TABLE t (id int)"]);
    // Its row was made before the version, and the deployment did not see it.
    let fresh = password::new(Engine::Postgres, None).unwrap();
    let mut write = store.write().await.unwrap();
    let first = databases::fetch(&mut write, "late__first")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.ordinal, 0);
    let row = tenants::fetch(&mut write, "first").await.unwrap().unwrap();
    let second = databases::Database {
        name: "late__second".to_owned(),
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
         VALUES ('dep_1', 'late', 1, 'completed', $1, $1)",
    )
    .bind(crate::store::now())
    .execute(&mut *write)
    .await
    .unwrap();
    write.commit().await.unwrap();
    recover::pass(&control.context).await.unwrap();
    let shown = expect(control.get("/v1/tenants/second").await, 200).await;
    assert_eq!(shown["databases"][0]["version"], "1.1");
    let login = Client::login("late__second", "late__second", fresh.password.expose()).await;
    login.unwrap().run("INSERT INTO t VALUES (1)").await;
}

#[tokio::test]
async fn a_database_whose_drop_was_cut_off_is_dropped() {
    let control = with_server().await;
    workspace(&control, "cut").await;
    tenant(&control, "acme", "cut").await;
    let mut admin = Client::admin("postgres").await;
    admin
        .run("UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'cut__acme'")
        .await;
    let path = "/v1/tenants/acme";
    let deleted = control.request(Method::DELETE, path).send().await.unwrap();
    expect(deleted, 202).await;
    gone(&control, path).await;
}

#[tokio::test]
async fn a_full_server_takes_no_more() {
    let control = with_server().await;
    workspace(&control, "full").await;
    let mut write = control.context.store.write().await.unwrap();
    sqlx::query("UPDATE servers SET capacity = 0")
        .execute(&mut *write)
        .await
        .unwrap();
    write.commit().await.unwrap();
    let refused = control
        .post("/v1/tenants", json!({"name": "a", "blueprint": "full"}))
        .await;
    problem(refused, 409, "no_server").await;
    rows::server(&control.context.store, "other", Some(0)).await;
    let body = json!({"name": "a", "blueprint": "full", "server": "other"});
    problem(control.post("/v1/tenants", body).await, 409, "no_server").await;
    let body = json!({"name": "a", "blueprint": "full", "server": "nowhere"});
    problem(control.post("/v1/tenants", body).await, 404, "not_found").await;
}
