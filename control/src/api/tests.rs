//! The service over real connections, without any database server behind it.

mod feed;
mod idempotency;
mod lifecycle;
mod mongo;
mod mysql;
mod redis;

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::config::Config;
use crate::context::Context;
use crate::daemon::Daemon;
use crate::error::Code;
use crate::init::{Initialised, init};
use crate::store::tests as rows;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A running control with a store of its own.
pub(crate) struct Running {
    pub(crate) context: Arc<Context>,
    pub(crate) issued: Initialised,
    url: String,
    client: Client,
    stop: DropGuard,
    run: tokio::task::JoinHandle<()>,
    dir: tempfile::TempDir,
}

impl Running {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let issued = init(&config(&dir)).await.unwrap();
        Self::of(dir, issued).await
    }

    /// Stops it, as a signal does, and starts another on the same data.
    pub(crate) async fn restart(self) -> Self {
        drop(self.stop);
        self.run.await.unwrap();
        Self::of(self.dir, self.issued).await
    }

    async fn of(dir: tempfile::TempDir, issued: Initialised) -> Self {
        let config = config(&dir);
        let daemon = started(&config).await;
        let url = format!("http://{}", daemon.address().unwrap());
        let context = Arc::clone(&daemon.context);
        let stop: CancellationToken = daemon.shutdown();
        let run = tokio::spawn(daemon.run());
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            context,
            issued,
            url,
            client: Client::new(),
            stop: stop.drop_guard(),
            run,
            dir,
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(self.issued.api_key.expose())
    }

    pub(crate) fn as_proxy(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(self.issued.proxy_token.expose())
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Response {
        self.request(Method::POST, path)
            .json(&body)
            .send()
            .await
            .unwrap()
    }
}

/// A process that another test is just starting has the files of this one for a moment, the lock of
/// a control that was stopped among them.
async fn started(config: &Config) -> Daemon {
    let mut attempts = 0;
    loop {
        match Daemon::start(config.clone()).await {
            Err(error) if error.code() == Code::Conflict && attempts < 100 => attempts += 1,
            other => return other.unwrap(),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn config(dir: &tempfile::TempDir) -> Config {
    let nowhere = ([127, 0, 0, 1], 0).into();
    let data = dir.path().join("data");
    Config::new(data, nowhere, "db.example:6432".to_owned(), None).unwrap()
}

/// Checks that an answer is a problem document with this status and code; gives its detail.
pub(crate) async fn problem(response: Response, status: u16, code: &str) -> String {
    assert_eq!(response.status().as_u16(), status, "{code}");
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status);
    assert_eq!(body["code"], code, "{body}");
    assert!(
        body["title"].is_string() && body["type"].is_string(),
        "{body}"
    );
    body["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_request_without_a_valid_key_is_refused() {
    let control = Running::start().await;
    let url = format!("{}/v1/servers", control.url);
    let bare = control.client.get(&url).send().await.unwrap();
    assert_eq!(bare.headers()["www-authenticate"], "Bearer");
    problem(bare, 401, "unauthorized").await;
    let wrong = format!("tdb_sk_{}_wrong", "0".repeat(16));
    for key in ["", "x", wrong.as_str(), control.issued.proxy_token.expose()] {
        let answer = control
            .client
            .get(&url)
            .bearer_auth(key)
            .send()
            .await
            .unwrap();
        problem(answer, 401, "unauthorized").await;
    }
    let key = control.issued.api_key.expose();
    let answer = control
        .client
        .get(&url)
        .header("X-API-Key", key)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn health_metrics_and_the_document_need_no_key() {
    let control = Running::start().await;
    for path in ["/healthz", "/readyz", "/metrics", "/v1/openapi.json"] {
        let answer = control
            .client
            .get(format!("{}{path}", control.url))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let control = Running::start().await;
    problem(control.get("/nowhere").await, 404, "not_found").await;
    problem(control.get("/v1/nowhere").await, 404, "not_found").await;
    let answer = control
        .request(Method::PUT, "/v1/servers")
        .send()
        .await
        .unwrap();
    problem(answer, 405, "method_not_allowed").await;
    for path in [
        "/v1/servers/x",
        "/v1/workspaces/x",
        "/v1/workspaces/x/diff",
        "/v1/blueprints/x",
        "/v1/blueprints/x/versions",
        "/v1/tenants/x",
    ] {
        problem(control.get(path).await, 404, "not_found").await;
    }
    for path in [
        "/v1/tenants/x/suspend",
        "/v1/credentials/a__x/rotate",
        "/v1/credentials/x/rotate",
    ] {
        problem(
            control.request(Method::POST, path).send().await.unwrap(),
            404,
            "not_found",
        )
        .await;
    }
    for path in [
        "/v1/tenants/x",
        "/v1/api-keys/x",
        "/v1/servers/x",
        "/v1/workspaces/x",
    ] {
        problem(
            control.request(Method::DELETE, path).send().await.unwrap(),
            404,
            "not_found",
        )
        .await;
    }
}

#[tokio::test]
async fn a_body_that_is_not_understood_is_refused_with_the_place() {
    let control = Running::start().await;
    let send = |kind: &'static str, body: &'static str| {
        let request = control.request(Method::POST, "/v1/api-keys");
        request.header("content-type", kind).body(body).send()
    };
    let answer = send("application/json", "{\"name\":\n  nope}")
        .await
        .unwrap();
    let detail = problem(answer, 400, "invalid_json").await;
    assert!(detail.contains("line 2 column"), "{detail}");
    let answer = send("application/json", "{\"name\":\"a\",\"nmae\":1}")
        .await
        .unwrap();
    let detail = problem(answer, 400, "invalid_request").await;
    assert!(detail.contains("nmae"), "{detail}");
    let answer = send("application/json", "{}").await.unwrap();
    problem(answer, 400, "invalid_request").await;
    let answer = send("application/json", "").await.unwrap();
    problem(answer, 400, "invalid_json").await;
    let answer = send("text/plain", "{\"name\":\"a\"}").await.unwrap();
    problem(answer, 415, "unsupported_media_type").await;
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(1024 * 1024));
    let request = control.request(Method::POST, "/v1/api-keys");
    let answer = request
        .header("content-type", "application/json")
        .body(long)
        .send();
    problem(answer.await.unwrap(), 413, "payload_too_large").await;
    problem(
        control.get("/v1/servers?limit=0").await,
        400,
        "invalid_request",
    )
    .await;
    problem(
        control.get("/v1/servers?limt=1").await,
        400,
        "invalid_request",
    )
    .await;
    problem(
        control.get("/v1/servers?cursor=zz").await,
        400,
        "invalid_request",
    )
    .await;
    problem(
        control.get("/v1/tenants?status=odd").await,
        400,
        "invalid_request",
    )
    .await;
}

/// What is in flight when the answer is given: more than the sockets between both ends hold.
#[tokio::test]
async fn who_sends_more_than_is_read_gets_the_answer_all_the_same() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let control = Running::start().await;
    let address = control.url.trim_start_matches("http://").to_owned();
    let key = control.issued.api_key.expose();
    for (key, status) in [(key.as_str(), "413"), ("wrong", "401")] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let body = vec![b'x'; 32 << 20];
        let head = format!(
            "POST /v1/api-keys HTTP/1.1\r\nhost: control\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
    }
}

#[tokio::test]
async fn names_engines_and_addresses_are_checked_before_anything_is_done() {
    let control = Running::start().await;
    let server = |address: &str, engine: &str| {
        json!({
            "engine": engine, "address": address, "user": "u", "password": "p",
        })
    };
    let answer = control
        .post("/v1/servers", server("nowhere", "PostgreSQL"))
        .await;
    problem(answer, 400, "invalid_request").await;
    let answer = control.post("/v1/servers", server("db:1", "Oracle")).await;
    problem(answer, 400, "unsupported_engine").await;
    let workspace = |name: &str| json!({"name": name, "database": "postgresql"});
    for name in [
        "",
        "A",
        "a__b",
        "a_",
        "a_dev",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let answer = control.post("/v1/workspaces", workspace(name)).await;
        problem(answer, 400, "invalid_name").await;
    }
    let answer = control.post("/v1/workspaces", workspace("a")).await;
    problem(answer, 409, "no_server").await;
    let answer = control
        .post("/v1/tenants", json!({"name": "A", "blueprint": "a"}))
        .await;
    problem(answer, 400, "invalid_name").await;
    let answer = control
        .post("/v1/tenants", json!({"name": "a", "blueprint": "a"}))
        .await;
    problem(answer, 404, "not_found").await;
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_not_registered() {
    let control = Running::start().await;
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let body = json!({
        "engine": "PostgreSQL", "address": format!("127.0.0.1:{port}"),
        "user": "postgres", "password": "hunter2",
    });
    let detail = problem(
        control.post("/v1/servers", body).await,
        503,
        "server_unreachable",
    )
    .await;
    assert!(!detail.contains("hunter2"));
    let list: Value = control.get("/v1/servers").await.json().await.unwrap();
    assert_eq!(list, json!({"items": [], "next": null}));
}

#[tokio::test]
async fn lists_are_given_in_pages() {
    let control = Running::start().await;
    for name in ["s1", "s2", "s3"] {
        rows::server(&control.context.store, name, None).await;
    }
    let mut path = "/v1/servers?limit=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let page: Value = control.get(&path).await.json().await.unwrap();
        for item in page["items"].as_array().unwrap() {
            seen.push(item["name"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/servers?limit=2&cursor={next}");
        problem(
            control.get(&format!("/v1/tenants?cursor={next}")).await,
            400,
            "invalid_request",
        )
        .await;
    }
    assert_eq!(seen, ["s1", "s2", "s3"]);
    let one: Value = control.get("/v1/servers/s2").await.json().await.unwrap();
    assert_eq!(one["address"], "s2:5432");
    assert!(one.get("password").is_none());
}

#[tokio::test]
async fn a_server_in_use_stays() {
    let control = Running::start().await;
    rows::server(&control.context.store, "s1", None).await;
    rows::server(&control.context.store, "s2", None).await;
    rows::blueprint(&control.context.store, "s1").await;
    let delete = |name: &str| {
        control
            .request(Method::DELETE, &format!("/v1/servers/{name}"))
            .send()
    };
    problem(delete("s1").await.unwrap(), 409, "conflict").await;
    assert_eq!(
        delete("srv_s2").await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    problem(control.get("/v1/servers/s2").await, 404, "not_found").await;
}

#[tokio::test]
async fn keys_are_shown_once_and_the_last_one_stays() {
    let control = Running::start().await;
    let made = control.post("/v1/api-keys", json!({"name": "ci"})).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let made: Value = made.json().await.unwrap();
    let key = made["key"].as_str().unwrap().to_owned();
    let by_key = |method: Method, path: &str| {
        control
            .client
            .request(method, format!("{}{path}", control.url))
            .bearer_auth(&key)
            .send()
    };
    let list: Value = by_key(Method::GET, "/v1/api-keys")
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains(&key));
    for item in list["items"].as_array().unwrap() {
        if item["id"] != made["id"] {
            let path = format!("/v1/api-keys/{}", item["id"].as_str().unwrap());
            let gone = by_key(Method::DELETE, &path).await.unwrap();
            assert_eq!(gone.status(), StatusCode::NO_CONTENT);
        }
    }
    problem(control.get("/v1/api-keys").await, 401, "unauthorized").await;
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    problem(
        by_key(Method::DELETE, &path).await.unwrap(),
        409,
        "conflict",
    )
    .await;
}

#[tokio::test]
async fn a_workspace_whose_server_is_away_has_no_diff() {
    let control = Running::start().await;
    let store = &control.context.store;
    rows::server(store, "s1", None).await;
    let sealed = control
        .context
        .master_key
        .seal(
            "srv_s1",
            &tenantsdb_codecs::secret::Secret::new("pw".to_owned()),
        )
        .unwrap();
    let mut write = store.write().await.unwrap();
    sqlx::query("UPDATE servers SET addr = '127.0.0.1:1', tls = '\"disable\"', password = $1")
        .bind(sealed)
        .execute(&mut *write)
        .await
        .unwrap();
    write.commit().await.unwrap();
    rows::blueprint(store, "s1").await;
    problem(
        control.get("/v1/workspaces/a/diff").await,
        503,
        "server_unreachable",
    )
    .await;
    let workspace: Value = control.get("/v1/workspaces/a").await.json().await.unwrap();
    assert_eq!(workspace["version"], "1.0");
    assert_eq!(
        workspace["connection_string"],
        "postgresql://a_dev@db.example:6432/a_dev"
    );
}
