//! Settings are versions, and get to tenants by deployments.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::super::problem;
use super::{expect, login, route, set, tenant, until, with_server, workspace};
use crate::provision::redis_test_server::{Server, on_redis_and_valkey};
use crate::store::tests as rows;

on_redis_and_valkey!(
    settings_are_versions_that_are_deployed,
    a_deployment_goes_on_where_control_was_stopped,
);

async fn settings_are_versions_that_are_deployed(server: Server) {
    let control = with_server(&server).await;
    let made = workspace(&control, "app").await;
    let mut dev = login(&server, &made["connection_string"]).await.unwrap();
    let old = tenant(&control, "old", "app").await;
    let mut old = login(&server, &old["connection_string"]).await.unwrap();
    let body: Value = control
        .get("/v1/workspaces/app/settings")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(body["version"], "1.0");
    assert_eq!(body["pool_mode"], "session");

    let settings = json!({"keys_max": 100, "commands": ["-eval"], "pool_mode": "transaction"});
    let body = expect(set(&control, "app", settings.clone()).await, 200).await;
    assert_eq!(
        (&body["version"], &body["routed"]),
        (&json!("1.1"), &json!(true))
    );
    // The same again makes nothing.
    let body = expect(set(&control, "app", settings).await, 200).await;
    assert_eq!(body["version"], "1.1");
    assert!(
        dev.refused(&["EVAL", "return 1", "0"])
            .await
            .starts_with("NOPERM")
    );
    let told = route(&control, "app_dev").await.unwrap();
    let limits = json!({"prefix": "dev:", "keys_max": 100, "commands": ["-eval"]});
    assert_eq!(
        (&told["redis"], &told["pool_mode"]),
        (&limits, &json!("transaction"))
    );
    // Who is there has what there was; who comes has what there is.
    let _: i64 = old.ask("EVAL return(1) 0").await.unwrap();
    let new = tenant(&control, "new", "app").await;
    assert_eq!(new["version"], "1.1");
    let mut new = login(&server, &new["connection_string"]).await.unwrap();
    assert!(
        new.refused(&["EVAL", "return 1", "0"])
            .await
            .starts_with("NOPERM")
    );

    let diff: Value = control
        .get("/v1/workspaces/app/diff")
        .await
        .json()
        .await
        .unwrap();
    let pending = diff["pending"].as_array().unwrap().iter();
    let pending: Vec<&str> = pending.map(|one| one["ddl"].as_str().unwrap()).collect();
    assert_eq!(
        pending,
        [
            "SET keys_max 100",
            "SET commands -eval",
            "SET pool_mode transaction"
        ]
    );
    let done = deploy(&control).await;
    assert_eq!(
        (&done["completed"], &done["skipped"]),
        (&json!(1), &json!(1))
    );
    let results = done["results"].as_array().unwrap();
    let one = results.iter().find(|one| one["tenant"] == "old").unwrap();
    assert_eq!(
        (&one["from_version"], &one["to_version"], &one["status"]),
        (&json!("1.0"), &json!("1.1"), &json!("completed"))
    );
    assert!(
        old.refused(&["EVAL", "return 1", "0"])
            .await
            .starts_with("NOPERM")
    );
    assert_eq!(
        route(&control, "app__old").await.unwrap()["redis"]["keys_max"],
        100
    );
    let diff: Value = control
        .get("/v1/workspaces/app/diff")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(diff["pending"], json!([]));
    let blueprint: Value = control
        .get("/v1/blueprints/app")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(blueprint["tables"], json!([]));
    assert_eq!(
        blueprint["versions"][1]["statements"][0]["ddl"],
        "SET keys_max 100"
    );

    for (wrong, code) in [
        (json!({"commands": ["-nosuch"]}), "invalid_request"),
        (json!({"commands": ["~*"]}), "invalid_request"),
        (json!({"keys_max": 0}), "invalid_request"),
        (json!({"nosuch": 1}), "invalid_request"),
        (json!({"pool_mode": "none"}), "invalid_request"),
    ] {
        problem(set(&control, "app", wrong).await, 400, code).await;
    }
    rows::server(&control.context.store, "pg", None).await;
    rows::blueprint(&control.context.store, "pg").await;
    let detail = problem(set(&control, "a", json!({})).await, 400, "invalid_request").await;
    assert!(detail.contains("settings are for Redis"), "{detail}");
}

async fn a_deployment_goes_on_where_control_was_stopped(mut server: Server) {
    let control = with_server(&server).await;
    workspace(&control, "app").await;
    for number in 0..20 {
        tenant(&control, &format!("t{number}"), "app").await;
    }
    let settings = json!({"commands": ["-eval"]});
    expect(set(&control, "app", settings).await, 200).await;
    let body = json!({"blueprint": "app", "all": true});
    let made = expect(control.post("/v1/deployments", body).await, 202).await;
    let control = control.restart().await;
    let path = format!("/v1/deployments/{}", made["id"].as_str().unwrap());
    until("the deployment is over", async || {
        let now: Value = control.get(&path).await.json().await.unwrap();
        now["status"] == "completed"
    })
    .await;
    let done: Value = control.get(&path).await.json().await.unwrap();
    assert_eq!(done["completed"], 20, "{done}");
    let mut admin = server.admin().await;
    for number in 0..20 {
        let user = format!("app__t{number}");
        let words = ["ACL", "DRYRUN", &user, "EVAL", "x", "0"];
        let answer: String = admin.words(&words).await.unwrap();
        assert_ne!(answer, "OK", "{user}");
    }

    // A server that is away fails its tenants, with the reason, and they are done again.
    let settings = json!({"commands": ["-evalsha"]});
    expect(set(&control, "app", settings).await, 200).await;
    server.stop();
    let failed = deploy(&control).await;
    assert_eq!(
        (&failed["status"], &failed["failed"]),
        (&json!("failed"), &json!(20))
    );
    let error = failed["results"][0]["error"].as_str().unwrap();
    assert!(error.contains("cannot be reached"), "{error}");
    server.begin();
    let done = deploy(&control).await;
    assert_eq!(done["completed"], 20, "{done}");
}

async fn deploy(control: &super::Running) -> Value {
    let body = json!({"blueprint": "app", "all": true});
    let answer = control.post("/v1/deployments", body).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let made: Value = answer.json().await.unwrap();
    let path = format!("/v1/deployments/{}", made["id"].as_str().unwrap());
    until("the deployment is over", async || {
        let now: Value = control.get(&path).await.json().await.unwrap();
        matches!(now["status"].as_str(), Some("completed" | "failed"))
    })
    .await;
    control.get(&path).await.json().await.unwrap()
}
