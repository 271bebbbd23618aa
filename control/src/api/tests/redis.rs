//! Workspaces, tenants, settings and deployments on real Redis and Valkey servers, without a proxy.

mod accounts;
mod life;
mod settings;

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use url::Url;

use super::Running;
use crate::provision::redis_test_server::{Login, Server};

/// Longer than anything here takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

async fn expect(answer: Response, status: u16) -> Value {
    let got = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(got, status, "{body}");
    body
}

fn server_body(server: &Server, name: &str) -> Value {
    let login = server.admin_login();
    json!({
        "name": name, "engine": "redis", "address": login.addr,
        "user": login.user, "password": login.password.expose(),
    })
}

/// A control with one server registered, as `db`.
async fn with_server(server: &Server) -> Running {
    let control = Running::start().await;
    expect(
        control.post("/v1/servers", server_body(server, "db")).await,
        201,
    )
    .await;
    control
}

async fn workspace(control: &Running, name: &str) -> Value {
    let body = json!({"name": name, "engine": "Redis"});
    expect(control.post("/v1/workspaces", body).await, 201).await
}

/// Makes a tenant; gives its database of the blueprint.
async fn tenant(control: &Running, name: &str, blueprint: &str) -> Value {
    let body = json!({"name": name, "blueprint": blueprint});
    tenant_with(control, body).await
}

async fn tenant_with(control: &Running, body: Value) -> Value {
    let blueprint = body["blueprint"].clone();
    let made = expect(control.post("/v1/tenants", body).await, 201).await;
    let mut databases = made["databases"].as_array().unwrap().iter();
    databases
        .find(|database| database["blueprint"] == blueprint)
        .unwrap()
        .clone()
}

/// User and password of a connection string.
fn credentials(connection_string: &Value) -> (String, String) {
    let url = Url::parse(connection_string.as_str().unwrap()).unwrap();
    assert_eq!((url.scheme(), url.path()), ("redis", "/0"));
    let password = url.password().expect("a password");
    (url.username().to_owned(), password.to_owned())
}

/// A session straight at the server, with what a connection string says.
async fn login(server: &Server, connection_string: &Value) -> ::redis::RedisResult<Login> {
    let (user, password) = credentials(connection_string);
    server.login(&user, &password).await
}

/// The route that proxies are told, if there is one.
async fn route(control: &Running, database: &str) -> Option<Value> {
    let row: Option<String> =
        sqlx::query_scalar("SELECT body FROM routes WHERE database = $1 AND NOT dropped")
            .bind(database)
            .fetch_optional(&mut *control.context.store.read().await.unwrap())
            .await
            .unwrap();
    row.map(|row| serde_json::from_str(&row).unwrap())
}

async fn set(control: &Running, workspace: &str, settings: Value) -> Response {
    let path = format!("/v1/workspaces/{workspace}/settings");
    let request = control.request(Method::PUT, &path).json(&settings);
    request.send().await.unwrap()
}

/// Waits until it is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}"));
}
