//! A control with a server of either flavour, and workspace sessions whose statements are told to
//! it as a proxy does. Each test has blueprints of its own: the servers are shared.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tenantsdb_codecs::feed::CAPTURES_PATH;
use url::Url;

use super::super::Running;
use crate::provision::mysql_test_server::{Client, Server};

/// Longer than anything here takes; a test that waits for it has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

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

    pub(super) async fn send(&self, capture: &Value) -> String {
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

pub(super) async fn act(control: &Running, path: &str) -> Value {
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

pub(super) async fn gone(control: &Running, path: &str) {
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
pub(super) async fn deploy(control: &Running, body: Value) -> Value {
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
