//! The whole way through the REST API, against a real server: workspace, tenants, deployments.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::tests::{Running, problem};
use crate::provision::test_server::{Client, admin_login};

async fn post(control: &Running, path: &str, body: Value) -> Value {
    let answer = control
        .request(Method::POST, path)
        .json(&body)
        .send()
        .await
        .unwrap();
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert!(status.is_success(), "{path}: {status} {body}");
    body
}

async fn get(control: &Running, path: &str) -> Value {
    let answer = control.request(Method::GET, path).send().await.unwrap();
    answer.json().await.unwrap()
}

/// A control with the test server registered and a workspace; gives a session in it.
async fn with_workspace(blueprint: &str) -> (Running, Client) {
    let control = Running::start().await;
    let login = admin_login();
    let server = json!({
        "engine": "PostgreSQL", "address": login.addr, "user": login.user,
        "password": login.password.expose(), "tls": "disable",
    });
    post(&control, "/v1/servers", server).await;
    let workspace = json!({"name": blueprint, "engine": "postgresql"});
    let made = post(&control, "/v1/workspaces", workspace).await;
    let dev = client(&made["connection_string"]).await;
    (control, dev)
}

/// A session straight at the server, with what a connection string says.
async fn client(connection_string: &Value) -> Client {
    let url = url::Url::parse(connection_string.as_str().unwrap()).unwrap();
    let database = url.path().trim_start_matches('/');
    Client::login(database, url.username(), url.password().unwrap())
        .await
        .unwrap()
}

async fn tenant(control: &Running, blueprint: &str, name: &str) -> Client {
    let made = post(
        control,
        "/v1/tenants",
        json!({"name": name, "blueprint": blueprint}),
    )
    .await;
    client(&made["databases"][0]["connection_string"]).await
}

/// Starts a deployment and waits for its end.
async fn deploy(control: &Running, body: Value) -> Value {
    let made = post(control, "/v1/deployments", body).await;
    let path = format!("/v1/deployments/{}", made["id"].as_str().unwrap());
    for _ in 0..600 {
        let now = get(control, &path).await;
        if now["finished_at"].is_string() {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} does not end");
}

fn counts(deployment: &Value) -> [u64; 4] {
    ["total", "completed", "failed", "skipped"].map(|key| deployment[key].as_u64().unwrap())
}

#[tokio::test]
async fn tenants_get_a_version_once_and_those_that_failed_are_mended() {
    let (control, mut dev) = with_workspace("roll").await;
    dev.run("CREATE TABLE users (id serial PRIMARY KEY, name text)")
        .await;
    let mut acme = tenant(&control, "roll", "acme").await;
    let mut bad = tenant(&control, "roll", "bad").await;
    tenant(&control, "roll", "globex").await;
    bad.run("INSERT INTO users (name) VALUES ('a'), ('a')")
        .await;
    dev.run("ALTER TABLE users ADD COLUMN phone text").await;
    dev.run("CREATE UNIQUE INDEX users_name ON users (name)")
        .await;
    let pending = get(&control, "/v1/workspaces/roll/diff").await;
    assert_eq!(pending["pending"].as_array().unwrap().len(), 2, "{pending}");
    let all = json!({"blueprint": "roll", "all": true});
    let first = deploy(&control, all.clone()).await;
    assert_eq!(first["status"], "failed", "{first}");
    assert_eq!(first["version"], "1.3");
    assert_eq!(counts(&first), [3, 2, 1, 0]);
    let failed = &first["results"][1];
    assert_eq!(failed["tenant"], "bad");
    assert_eq!(
        (&failed["from_version"], &failed["to_version"]),
        (&json!("1.1"), &json!("1.2"))
    );
    assert_eq!(failed["sqlstate"], "23505");
    assert!(
        failed["error"]
            .as_str()
            .unwrap()
            .contains("could not create unique index")
    );
    bad.run("DELETE FROM users WHERE id = 2").await;
    let second = deploy(&control, all).await;
    assert_eq!(second["status"], "completed", "{second}");
    assert_eq!(counts(&second), [3, 1, 0, 2]);
    let marker = "SELECT string_agg(version, ' ' ORDER BY ordinal) FROM tenantsdb.version";
    assert_eq!(acme.value(marker).await, "1.0 1.1 1.2 1.3");
    assert_eq!(bad.value(marker).await, "1.0 1.1 1.2 1.3");
    acme.run("INSERT INTO users (name, phone) VALUES ('b', '1')")
        .await;
    let mut late = tenant(&control, "roll", "late").await;
    late.run("SELECT phone FROM users").await;
    let pending = get(&control, "/v1/workspaces/roll/diff").await;
    assert_eq!(pending["pending"], json!([]));
    let listed = get(&control, "/v1/deployments?blueprint=roll&limit=1").await;
    assert_eq!(listed["items"][0]["id"], second["id"]);
    assert!(listed["next"].is_string());
}

#[tokio::test]
async fn some_tenants_to_an_older_version() {
    let (control, mut dev) = with_workspace("older").await;
    let mut acme = tenant(&control, "older", "acme").await;
    tenant(&control, "older", "globex").await;
    dev.run("CREATE TABLE a (x int)").await;
    dev.run("CREATE TABLE b (x int)").await;
    let body = json!({"blueprint": "older", "version": "1.1", "tenants": ["acme", "acme"]});
    let done = deploy(&control, body).await;
    assert_eq!(counts(&done), [1, 1, 0, 0], "{done}");
    assert_eq!(
        acme.value("SELECT to_regclass('a') || ' ' || coalesce(to_regclass('b')::text, '')")
            .await,
        "a "
    );
    let blueprint = get(&control, "/v1/tenants/globex").await;
    assert_eq!(blueprint["databases"][0]["version"], "1.0");
}

#[tokio::test]
async fn a_version_that_is_not_what_the_workspace_has_is_deployed_to_nobody() {
    let (control, mut dev) = with_workspace("sneaky").await;
    let mut acme = tenant(&control, "sneaky", "acme").await;
    dev.run("CREATE TABLE a (x int)").await;
    let mut admin = Client::admin("sneaky_dev").await;
    admin
        .run("SET session_replication_role = replica; CREATE TABLE sneaked (x int)")
        .await;
    let done = deploy(&control, json!({"blueprint": "sneaky", "all": true})).await;
    assert_eq!(done["status"], "failed", "{done}");
    assert!(
        done["error"].as_str().unwrap().contains("public.sneaked"),
        "{done}"
    );
    assert_eq!(counts(&done), [1, 0, 1, 0]);
    assert_eq!(acme.value("SELECT to_regclass('a')::text").await, "");
}

#[tokio::test]
async fn a_deployment_that_makes_no_sense_is_refused() {
    let (control, _dev) = with_workspace("nonsense").await;
    let send = |body: Value| {
        control
            .request(Method::POST, "/v1/deployments")
            .json(&body)
            .send()
    };
    for (body, status, code) in [
        (json!({"blueprint": "nonsense"}), 400, "invalid_request"),
        (
            json!({"blueprint": "nonsense", "all": true, "tenants": ["a"]}),
            400,
            "invalid_request",
        ),
        (
            json!({"blueprint": "nobody", "all": true}),
            404,
            "not_found",
        ),
        (
            json!({"blueprint": "nonsense", "tenants": ["a"]}),
            404,
            "not_found",
        ),
        (
            json!({"blueprint": "nonsense", "all": true, "version": "1.1"}),
            404,
            "unknown_version",
        ),
        (
            json!({"blueprint": "nonsense", "all": true, "version": "2"}),
            404,
            "unknown_version",
        ),
    ] {
        let answer = send(body.clone()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{body}");
        problem(answer, status, code).await;
    }
    let answer = control
        .request(Method::GET, "/v1/deployments/dep_x")
        .send()
        .await
        .unwrap();
    problem(answer, 404, "not_found").await;
    let done = deploy(&control, json!({"blueprint": "nonsense", "all": true})).await;
    assert_eq!(
        (done["status"].as_str(), counts(&done)),
        (Some("completed"), [0; 4])
    );
}
