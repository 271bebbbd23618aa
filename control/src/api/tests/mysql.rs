//! What is particular to MySQL and MariaDB: here without a server behind it.

mod crash;
mod deployments;
mod dev;
mod drift;
mod lifecycle;
mod recording;
mod sealing;

use reqwest::Method;
use serde_json::{Value, json};
use tenantsdb_codecs::feed::id::Engine;

use super::{Running, problem};
use crate::app::servers;
use crate::error::Code;
use crate::store::{blueprints, tests as rows};

const MARIADB: (Engine, &str) = (Engine::MySql, "10.11.14-MariaDB-0+deb12u2");
const MYSQL: (Engine, &str) = (Engine::MySql, "9.7.0");

#[tokio::test]
async fn what_only_mysql_has_is_refused_elsewhere_with_the_reason() {
    let control = Running::start().await;
    rows::server(&control.context.store, "pg", None).await;
    rows::blueprint(&control.context.store, "pg").await;
    for field in ["allow_truncate", "allow_local_infile"] {
        let mut body = json!({"name": "t", "blueprint": "a"});
        body[field] = json!(true);
        let answer = control.post("/v1/tenants", body).await;
        let detail = problem(answer, 400, "invalid_request").await;
        assert!(
            detail.contains(field) && detail.contains("MySQL"),
            "{detail}"
        );
    }
    let body = json!({"blueprint": "a", "all": true, "online": true});
    let answer = control.post("/v1/deployments", body).await;
    let detail = problem(answer, 400, "invalid_request").await;
    assert!(detail.contains("online is for MySQL"), "{detail}");
}

#[tokio::test]
async fn mariadb_is_no_engine_of_its_own_and_the_answer_says_so() {
    let control = Running::start().await;
    let body = json!({"name": "a", "engine": "MariaDB"});
    let answer = control.post("/v1/workspaces", body).await;
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["code"], "unsupported_engine");
    assert!(
        body["hint"].as_str().unwrap().contains("engine MySQL"),
        "{body}"
    );
}

#[tokio::test]
async fn a_workspace_says_which_flavour_where_there_are_both() {
    let control = Running::start().await;
    let store = &control.context.store;
    rows::server_of(store, "maria", None, MARIADB).await;
    let mut read = store.read().await.unwrap();
    let only = servers::place_workspace(&mut read, Engine::MySql, None).await;
    assert_eq!(only.unwrap().name, "maria");
    drop(read);
    rows::server_of(store, "oracle", None, MYSQL).await;
    let body = json!({"name": "a", "engine": "MySQL"});
    let answer = control.post("/v1/workspaces", body).await;
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["code"], "invalid_request");
    assert!(
        body["detail"].as_str().unwrap().contains("MariaDB"),
        "{body}"
    );
    assert!(
        body["hint"].as_str().unwrap().contains("--server"),
        "{body}"
    );
    let mut read = store.read().await.unwrap();
    let named = servers::place_workspace(&mut read, Engine::MySql, Some("oracle")).await;
    assert_eq!(named.unwrap().name, "oracle");
}

#[tokio::test]
async fn tenants_go_to_servers_of_the_flavour_of_their_workspace() {
    let control = Running::start().await;
    let store = &control.context.store;
    rows::server_of(store, "maria", Some(1), MARIADB).await;
    rows::server_of(store, "maria2", Some(1), MARIADB).await;
    rows::server_of(store, "oracle", None, MYSQL).await;
    rows::blueprint(store, "maria").await;
    let mut read = store.read().await.unwrap();
    let blueprint = blueprints::fetch(&mut read, "a").await.unwrap().unwrap();
    let chosen = servers::place(&mut read, &blueprint, None).await.unwrap();
    assert_eq!(chosen.name, "maria", "oracle has more room");
    let named = servers::place(&mut read, &blueprint, Some("maria2")).await;
    assert_eq!(named.unwrap().name, "maria2");
    let refused = servers::place(&mut read, &blueprint, Some("oracle")).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::NoServer);
    assert!(
        refused.detail().contains("workspace is on MariaDB"),
        "{refused}"
    );
    assert!(refused.hint_text().is_some());
    drop(read);
    for name in ["x", "y"] {
        let server = if name == "x" { "maria" } else { "maria2" };
        rows::tenant(store, name, server, 0).await;
    }
    let mut read = store.read().await.unwrap();
    let full = servers::place(&mut read, &blueprint, None)
        .await
        .unwrap_err();
    assert_eq!(full.detail(), "no MariaDB server has room");
}

#[tokio::test]
async fn connection_strings_show_the_door_of_the_flavour() {
    for (server, door) in [(MARIADB, "127.0.0.1:6306"), (MYSQL, "127.0.0.1:6307")] {
        let control = Running::start().await;
        let store = &control.context.store;
        rows::server_of(store, "s", None, server).await;
        rows::blueprint(store, "s").await;
        let answer = control
            .request(Method::GET, "/v1/workspaces/a")
            .send()
            .await;
        let workspace: Value = answer.unwrap().json().await.unwrap();
        let expected = format!("mysql://a_dev@{door}/a_dev");
        assert_eq!(workspace["connection_string"], expected);
        assert_eq!(
            (&workspace["engine"], &workspace["server"]),
            (&json!("MySQL"), &json!("s"))
        );
    }
}

#[tokio::test]
async fn the_diff_tells_what_is_not_crash_safe() {
    use crate::app::blueprints::is_crash_safe;
    use crate::blueprint::{Statement, mongo};
    use ::mongodb::bson::Document;
    use time::OffsetDateTime;
    for (text, safe) in [
        ("CREATE TABLE t (id int)", true),
        ("CREATE TABLE u SELECT * FROM t", false),
        ("DROP TABLE t, u", false),
    ] {
        let statement = Statement {
            ddl: text.to_owned(),
            ..mongo::statement(&Document::new(), OffsetDateTime::UNIX_EPOCH)
        };
        assert_eq!(is_crash_safe(Engine::MySql, &statement), safe, "{text}");
        assert!(is_crash_safe(Engine::Postgres, &statement), "{text}");
    }
}
