use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{Running, problem};

async fn post(control: &Running, path: &str, key: &str, body: Value) -> Response {
    let request = control
        .request(Method::POST, path)
        .header("Idempotency-Key", key);
    request.json(&body).send().await.unwrap()
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_answered_again_without_the_secret() {
    let control = Running::start().await;
    let first = post(&control, "/v1/api-keys", "k1", json!({"name": "ci"})).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    assert!(first.headers().get("idempotent-replayed").is_none());
    let first: Value = first.json().await.unwrap();
    assert!(first["key"].is_string());

    let again = post(&control, "/v1/api-keys", "k1", json!({"name": "ci"})).await;
    assert_eq!(again.status(), StatusCode::CREATED);
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    let again: Value = again.json().await.unwrap();
    assert_eq!(again["id"], first["id"]);
    assert!(again.get("key").is_none());
    assert!(again["note"].as_str().unwrap().contains("shown once"));

    let list: Value = control.get("/v1/api-keys").await.json().await.unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused() {
    let control = Running::start().await;
    post(&control, "/v1/api-keys", "k1", json!({"name": "ci"})).await;
    let other = post(&control, "/v1/api-keys", "k1", json!({"name": "cd"})).await;
    problem(other, 422, "idempotency_mismatch").await;
    let elsewhere = post(&control, "/v1/workspaces", "k1", json!({"name": "A"})).await;
    problem(elsewhere, 400, "invalid_request").await;
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let control = Running::start().await;
    let body = json!({"name": "a", "engine": "PostgreSQL"});
    let first = post(&control, "/v1/workspaces", "k1", body.clone()).await;
    problem(first, 409, "no_server").await;
    let again = post(&control, "/v1/workspaces", "k1", body).await;
    assert!(again.headers().get("idempotent-replayed").is_none());
    problem(again, 409, "no_server").await;
}

#[tokio::test]
async fn a_request_that_still_runs_is_not_run_again() {
    let control = Running::start().await;
    let keys: Value = control.get("/v1/api-keys").await.json().await.unwrap();
    let scope = crate::store::idempotency::Scope {
        api_key: keys["items"][0]["id"].as_str().unwrap().to_owned(),
        method: "POST".to_owned(),
        path: "/v1/api-keys".to_owned(),
        name: "k1".to_owned(),
    };
    let hash = crate::secret::hash("\n{\"name\":\"ci\"}");
    let mut write = control.context.store.write().await.unwrap();
    crate::store::idempotency::begin(&mut write, &scope, &hash)
        .await
        .unwrap();
    write.commit().await.unwrap();
    let answer = post(&control, "/v1/api-keys", "k1", json!({"name": "ci"})).await;
    assert_eq!(answer.headers()["retry-after"], "1");
    problem(answer, 409, "idempotency_in_progress").await;
}
