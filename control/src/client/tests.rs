use serde_json::json;

use super::fake::{Answer, Fake, problem};
use super::requests::TenantCreate;
use super::*;

const KEY: &str = "tdb_sk_0123456789abcdef_secret";

fn gateway() -> Answer {
    (503, json!("busy"))
}

fn tenant() -> TenantCreate {
    TenantCreate {
        name: "acme".into(),
        blueprint: "myapp".into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_post_is_tried_again_with_the_same_key() {
    let fake = Fake::start(|_, nth| match nth {
        0 | 1 => gateway(),
        _ => (201, json!({ "name": "acme" })),
    })
    .await;
    let client = Client::new(&fake.url, KEY).unwrap();
    let reply = client.tenant_create(&tenant()).await.unwrap();
    assert_eq!(reply.value.name, "acme");

    let asked = fake.asked();
    assert_eq!(asked.len(), 3);
    let key = asked[0].headers.get("idempotency-key").unwrap();
    assert_eq!(key.len(), 32);
    assert!(
        asked
            .iter()
            .all(|asked| asked.headers.get("idempotency-key") == Some(key))
    );
    assert_eq!(
        asked[0].headers.get("authorization").unwrap(),
        &format!("Bearer {KEY}")
    );
    assert_eq!(
        asked[0].body,
        json!({ "name": "acme", "blueprint": "myapp" })
    );

    client.tenant_create(&tenant()).await.unwrap();
    assert_ne!(fake.asked()[3].headers.get("idempotency-key"), Some(key));
}

#[tokio::test]
async fn retries_end() {
    let fake = Fake::start(|_, _| gateway()).await;
    let client = Client::new(&fake.url, KEY).unwrap();
    let error = client.tenant_fetch("acme").await.unwrap_err();
    assert!(
        matches!(error, Error::Status { status: 503, .. }),
        "{error}"
    );
    assert_eq!(fake.asked().len(), 4);
}

#[tokio::test]
async fn an_answer_of_the_service_itself_is_final() {
    let fake = Fake::start(|_, _| problem(503, "server_unreachable", "no route to host")).await;
    let client = Client::new(&fake.url, KEY).unwrap();
    let error = client.tenant_create(&tenant()).await.unwrap_err();
    assert_eq!(error.code(), Some("server_unreachable"));
    assert_eq!(error.to_string(), "no route to host");
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn a_first_try_that_still_runs_is_waited_for() {
    let fake = Fake::start(|_, nth| match nth {
        0 => gateway(),
        1 => problem(409, "idempotency_in_progress", "still at it"),
        _ => (201, json!({ "name": "acme" })),
    })
    .await;
    let client = Client::new(&fake.url, KEY).unwrap();
    client.tenant_create(&tenant()).await.unwrap();
    assert_eq!(fake.asked().len(), 3);
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    // Bound and dropped: the port was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::new(&url, KEY)
        .unwrap()
        .tenant_fetch("acme")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }));
    assert!(error.to_string().contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn lists_follow_their_cursors() {
    let fake = Fake::start(|line, _| match line.contains("cursor=b%26c") {
        false => (
            200,
            json!({ "items": [{ "name": "a" }, { "name": "b" }], "next": "b&c" }),
        ),
        true => (200, json!({ "items": [{ "name": "d" }], "next": null })),
    })
    .await;
    let client = Client::new(&fake.url, KEY).unwrap();
    let all = client
        .tenant_list(Some("myapp"), None, &Paging::default())
        .await
        .unwrap();
    let names: Vec<_> = all
        .value
        .iter()
        .map(|tenant| tenant.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "d"]);
    assert_eq!(all.body["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        fake.lines(),
        [
            "GET /v1/tenants?limit=1000&blueprint=myapp",
            "GET /v1/tenants?limit=1000&blueprint=myapp&cursor=b%26c"
        ]
    );
}

#[tokio::test]
async fn a_deployment_has_the_results_of_all_its_pages() {
    let fake = Fake::start(|line, _| match line.contains("cursor=2") {
        false => (
            200,
            json!({ "id": "dep_1", "results": [{ "tenant": "a" }], "next": "2" }),
        ),
        true => (
            200,
            json!({ "id": "dep_1", "results": [{ "tenant": "b" }] }),
        ),
    })
    .await;
    let client = Client::new(&fake.url, KEY).unwrap();
    let reply = client.deployment_fetch("dep_1").await.unwrap();
    let tenants: Vec<_> = reply
        .value
        .results
        .iter()
        .map(|r| r.tenant.as_str())
        .collect();
    assert_eq!(tenants, ["a", "b"]);
    let merged = json!({ "id": "dep_1", "results": [{ "tenant": "a" }, { "tenant": "b" }] });
    assert_eq!(reply.body, merged);
}

#[tokio::test]
async fn a_limited_list_says_where_it_ended() {
    let fake = Fake::start(|_, _| (200, json!({ "items": [{}, {}], "next": "c" }))).await;
    let client = Client::new(&fake.url, KEY).unwrap();
    let paging = Paging {
        limit: Some(2),
        cursor: Some("b".into()),
    };
    let part = client.tenant_list(None, None, &paging).await.unwrap();
    assert_eq!(part.value.len(), 2);
    assert_eq!(part.body["next"], "c");
    assert_eq!(fake.lines(), ["GET /v1/tenants?limit=2&cursor=b"]);
}

#[tokio::test]
async fn a_cursor_that_leads_nowhere_is_an_error_and_no_endless_loop() {
    let fake = Fake::start(|_, _| (200, json!({ "items": [], "next": "x" }))).await;
    let client = Client::new(&fake.url, KEY).unwrap();
    let error = client
        .tenant_list(None, None, &Paging::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Answer { .. }));
}

#[tokio::test]
async fn a_name_is_one_path_segment_whatever_it_holds() {
    let fake = Fake::start(|_, _| problem(404, "not_found", "no")).await;
    let client = Client::new(&format!("{}/behind/a/prefix/", fake.url), KEY).unwrap();
    client.tenant_fetch("../api-keys?x#y").await.unwrap_err();
    assert_eq!(
        fake.lines(),
        ["GET /behind/a/prefix/v1/tenants/..%2Fapi-keys%3Fx%23y"]
    );
}

#[tokio::test]
async fn a_name_that_a_url_would_drop_is_refused() {
    let fake = Fake::start(|_, _| (200, json!({}))).await;
    let client = Client::new(&fake.url, KEY).unwrap();
    for name in ["", ".", ".."] {
        let error = client.tenant_delete(name).await.unwrap_err();
        assert!(matches!(error, Error::Name { .. }), "{name}");
    }
    assert_eq!(fake.lines().len(), 0);
}

#[tokio::test]
async fn an_empty_answer_is_a_success() {
    let fake = Fake::start(|_, _| (204, Value::Null)).await;
    let client = Client::new(&fake.url, KEY).unwrap();
    assert_eq!(
        client.api_key_delete("key_1").await.unwrap().body,
        Value::Null
    );
}

#[tokio::test]
async fn what_is_no_problem_document_is_shown_in_part() {
    let fake = Fake::start(|_, _| (404, json!("x".repeat(1000)))).await;
    let client = Client::new(&fake.url, KEY).unwrap();
    let error = client.tenant_fetch("acme").await.unwrap_err();
    assert!(matches!(&error, Error::Status { status: 404, text } if text.chars().count() == 201));
}

#[test]
fn an_address_that_is_none_is_refused() {
    for url in ["", "localhost:6080", "ftp://host", "http//x"] {
        assert!(
            matches!(Client::new(url, KEY), Err(Error::Settings { .. })),
            "{url}"
        );
    }
    assert!(matches!(
        Client::new("http://h", "a\nb"),
        Err(Error::Settings { .. })
    ));
}

#[test]
fn the_key_is_not_printed() {
    let client = Client::new("http://h", KEY).unwrap();
    assert!(!format!("{client:?}").contains("secret"));
}
