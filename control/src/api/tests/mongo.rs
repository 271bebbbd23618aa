//! Workspaces, tenants, captures and deployments on a real server, without a proxy.

mod crash;
mod life;

use std::time::Duration;

use mongodb::Database;
use mongodb::bson::doc;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use url::Url;

use super::Running;
use crate::provision::mongo_test_server::Server;

/// Longer than anything here takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

async fn expect(answer: Response, status: u16) -> Value {
    let got = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(got, status, "{body}");
    body
}

/// A control with one server registered, as `db`.
async fn with_server(server: &Server) -> Running {
    let control = Running::start().await;
    let login = server.admin_login();
    let body = json!({
        "name": "db", "engine": "mongodb", "address": login.addr,
        "user": login.user, "password": login.password.expose(),
    });
    expect(control.post("/v1/servers", body).await, 201).await;
    control
}

async fn workspace(control: &Running, name: &str) -> Value {
    let body = json!({"name": name, "engine": "MongoDB"});
    expect(control.post("/v1/workspaces", body).await, 201).await
}

/// Makes a tenant; gives its database of the blueprint.
async fn tenant(control: &Running, name: &str, blueprint: &str) -> Value {
    let body = json!({"name": name, "blueprint": blueprint});
    let made = expect(control.post("/v1/tenants", body).await, 201).await;
    made["databases"][0].clone()
}

/// The database of a connection string, straight at the server.
fn login(server: &Server, connection_string: &Value) -> Database {
    let url = Url::parse(connection_string.as_str().unwrap()).unwrap();
    let user = url.username();
    assert_eq!(
        (url.scheme(), url.path()),
        ("mongodb", &*format!("/{user}"))
    );
    assert_eq!(url.query(), Some(&*format!("authSource={user}")));
    server.login(user, url.password().expect("a password"))
}

/// Whether the login is let in.
async fn is_let_in(server: &Server, connection_string: &Value) -> bool {
    let database = login(server, connection_string);
    database.run_command(doc! {"ping": 1}).await.is_ok()
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

async fn get(control: &Running, path: &str) -> Value {
    let answer = control.request(Method::GET, path).send().await.unwrap();
    expect(answer, 200).await
}

/// Waits until it is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}"));
}
