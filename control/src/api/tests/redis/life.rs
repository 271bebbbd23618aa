//! From registration to deletion.

use reqwest::Method;
use serde_json::json;

use super::super::{Running, problem};
use super::{
    expect, login, route, server_body, tenant, tenant_with, until, with_server, workspace,
};
use crate::provision::redis_test_server::{Server, on_redis_and_valkey};

/// Any.
type Answer = ::redis::Value;

on_redis_and_valkey!(
    a_tenant_lives_from_its_creation_to_its_deletion,
    a_server_is_registered_once_under_whatever_address,
    a_prefix_is_one_databases,
    a_dedicated_server_is_one_tenants_whole,
);

async fn a_tenant_lives_from_its_creation_to_its_deletion(server: Server) {
    let control = with_server(&server).await;
    let made = workspace(&control, "myapp").await;
    assert_eq!(
        (&made["prefix"], &made["version"]),
        (&json!("dev:"), &json!("1.0"))
    );
    let mut dev = login(&server, &made["connection_string"]).await.unwrap();
    let _: Answer = dev.ask("SET dev:x 1").await.unwrap();
    let made = tenant(&control, "acme", "myapp").await;
    assert_eq!(made["prefix"], "acme:");
    let first = made["connection_string"].clone();
    assert!(
        first.as_str().unwrap().ends_with("@127.0.0.1:6380/0"),
        "{first}"
    );
    let mut acme = login(&server, &first).await.unwrap();
    let _: Answer = acme.ask("SET acme:user:1 x").await.unwrap();
    let told = route(&control, "myapp__acme").await.unwrap();
    assert_eq!(told["redis"], json!({"prefix": "acme:"}));
    assert_eq!(told["pool_mode"], "session");
    let verifier = told["logins"][0]["verifier"].as_str().unwrap();
    assert!(
        verifier.starts_with("sha256$") && verifier.len() == 71,
        "{verifier}"
    );

    // Suspended: no session is left, nobody gets in.
    let path = "/v1/tenants/acme/suspend";
    expect(control.post(path, json!({})).await, 200).await;
    assert!(acme.ask::<Answer>("PING").await.is_err());
    assert!(login(&server, &first).await.is_err());
    assert_eq!(
        route(&control, "myapp__acme").await.unwrap()["status"],
        "suspended"
    );
    let path = "/v1/tenants/acme/resume";
    expect(control.post(path, json!({})).await, 200).await;
    let mut acme = login(&server, &first).await.unwrap();

    // Another password: sessions of the old one end, also those of the walker.
    let path = "/v1/credentials/myapp__acme/rotate";
    let rotated = expect(control.post(path, json!({})).await, 200).await;
    assert!(rotated["generation"].as_u64() > Some(1), "{rotated}");
    assert!(acme.ask::<Answer>("PING").await.is_err());
    assert!(login(&server, &first).await.is_err());
    let second = rotated["connection_string"].clone();
    let (user, password) = super::credentials(&second);
    let walk = format!("{user}:walk");
    let mut walker = server.login(&walk, &password).await.unwrap();
    let _: Answer = walker.ask("PING").await.unwrap();
    let mut acme = login(&server, &second).await.unwrap();

    // More keys than a step of the walk takes, beside another tenant's.
    for number in 0..2500 {
        let key = format!("acme:{number}");
        let _: Answer = acme.words(&["SET", &key, "x"]).await.unwrap();
    }
    let gone = control
        .request(Method::DELETE, "/v1/tenants/acme")
        .send()
        .await;
    expect(gone.unwrap(), 202).await;
    until("the tenant is removed", async || {
        control.get("/v1/tenants/acme").await.status() == 404
    })
    .await;
    let mut admin = server.admin().await;
    let left: Vec<String> = admin.ask("KEYS *").await.unwrap();
    assert_eq!(left, ["dev:x"]);
    let users: Vec<String> = admin.ask("ACL USERS").await.unwrap();
    assert!(users.iter().all(|user| !user.contains("acme")), "{users:?}");
    assert_eq!(route(&control, "myapp__acme").await, None);
    assert_eq!(tenant(&control, "acme", "myapp").await["prefix"], "acme:");
    let gone = control
        .request(Method::DELETE, "/v1/tenants/acme")
        .send()
        .await;
    expect(gone.unwrap(), 202).await;
    until("the tenant is removed", async || {
        control.get("/v1/tenants/acme").await.status() == 404
    })
    .await;
    let gone = control
        .request(Method::DELETE, "/v1/workspaces/myapp")
        .send()
        .await;
    expect(gone.unwrap(), 202).await;
    until("the workspace is removed", async || {
        control.get("/v1/workspaces/myapp").await.status() == 404
    })
    .await;
    let left: u64 = admin.ask("DBSIZE").await.unwrap();
    assert_eq!(left, 0);
    let gone = control
        .request(Method::DELETE, "/v1/servers/db")
        .send()
        .await;
    assert_eq!(gone.unwrap().status(), 204);
    let users: Vec<String> = admin.ask("ACL USERS").await.unwrap();
    assert_eq!(users, ["default"]);
}

async fn a_server_is_registered_once_under_whatever_address(server: Server) {
    let control = with_server(&server).await;
    let mut body = server_body(&server, "again");
    let address = body["address"]
        .as_str()
        .unwrap()
        .replace("127.0.0.1", "localhost");
    body["address"] = json!(address);
    let detail = problem(
        control.post("/v1/servers", body.clone()).await,
        409,
        "conflict",
    )
    .await;
    assert!(detail.contains("already, as \"db\""), "{detail}");
    let other = Running::start().await;
    let detail = problem(
        other.post("/v1/servers", body.clone()).await,
        409,
        "conflict",
    )
    .await;
    assert!(detail.contains("another control"), "{detail}");

    let mut admin = server.admin().await;
    let _: Answer = admin.ask("ACL DELUSER tenantsdb:canary").await.unwrap();
    let limited = "ACL SETUSER limited on >pw ~* +@all -acl|setuser";
    let _: Answer = admin.ask(limited).await.unwrap();
    body["user"] = json!("limited");
    body["password"] = json!("pw");
    let detail = problem(other.post("/v1/servers", body).await, 502, "server_refused").await;
    assert!(detail.contains("~* &* +@all"), "{detail}");
}

async fn a_prefix_is_one_databases(server: Server) {
    let control = with_server(&server).await;
    workspace(&control, "one").await;
    assert_eq!(tenant(&control, "acme", "one").await["prefix"], "acme:");
    let two = workspace(&control, "two").await;
    assert_eq!(two["prefix"], "two_dev:");
    let second = tenant(&control, "acme", "two").await;
    assert_eq!(second["prefix"], "two__acme:");
    let mut second = login(&server, &second["connection_string"]).await.unwrap();
    let _: Answer = second.ask("SET two__acme:x 1").await.unwrap();
    assert!(
        second
            .refused(&["GET", "acme:x"])
            .await
            .starts_with("NOPERM")
    );
    // A tenant whose name looks like another's workspace.
    assert_eq!(
        tenant(&control, "two_dev", "one").await["prefix"],
        "one__two_dev:"
    );
    let detail = control.post("/v1/tenants", json!({"name": "dev", "blueprint": "one"}));
    let detail = problem(detail.await, 400, "invalid_name").await;
    assert!(detail.contains("not called \"dev\""), "{detail}");

    // Where another server has it free, it goes there.
    let another = Server::redis(&[]);
    let body = server_body(&another, "db2");
    expect(control.post("/v1/servers", body).await, 201).await;
    let three = workspace(&control, "three").await;
    assert_eq!(
        (&three["prefix"], &three["server"]),
        (&json!("dev:"), &json!("db2"))
    );
    let third = tenant(&control, "acme", "three").await;
    assert_eq!(
        (&third["prefix"], &third["server"]),
        (&json!("acme:"), &json!("db2"))
    );
    let body = json!({"name": "globex", "blueprint": "three", "server": "db"});
    assert_eq!(tenant_with(&control, body).await["prefix"], "globex:");
    let body = json!({"name": "t", "blueprint": "three", "allow_ddl": true});
    problem(
        control.post("/v1/tenants", body).await,
        400,
        "invalid_request",
    )
    .await;
}

async fn a_dedicated_server_is_one_tenants_whole(server: Server) {
    let control = with_server(&server).await;
    workspace(&control, "app").await;
    let body = json!({"name": "big", "blueprint": "app", "dedicated": true});
    let detail = problem(
        control.post("/v1/tenants", body.clone()).await,
        409,
        "no_server",
    )
    .await;
    assert!(detail.contains("no dedicated Redis server"), "{detail}");

    let own = Server::redis(&[]);
    let mut registered = server_body(&own, "own");
    registered["mode"] = json!("dedicated");
    let registered = expect(control.post("/v1/servers", registered).await, 201).await;
    assert_eq!(registered["mode"], "dedicated");
    // Nobody else is placed there.
    assert_eq!(tenant(&control, "small", "app").await["server"], "db");
    let named = json!({"name": "small2", "blueprint": "app", "server": "own"});
    problem(control.post("/v1/tenants", named).await, 409, "no_server").await;

    // What is not empty is somebody's.
    let mut admin = own.admin().await;
    let _: Answer = admin.ask("SET somebody x").await.unwrap();
    let detail = problem(
        control.post("/v1/tenants", body.clone()).await,
        502,
        "server_refused",
    );
    assert!(detail.await.contains("somebody else's"));
    let kept: u64 = admin.ask("DBSIZE").await.unwrap();
    assert_eq!(kept, 1);
    let _: Answer = admin.ask("DEL somebody").await.unwrap();

    let made = tenant_with(&control, body).await;
    assert_eq!(made["server"], "own");
    assert!(made.get("prefix").is_none());
    let told = route(&control, "app__big").await.unwrap();
    assert_eq!(told["redis"], json!({}));
    let mut big = login(&own, &made["connection_string"]).await.unwrap();
    let _: Answer = big.ask("SET anything 1").await.unwrap();
    let _: Answer = big.ask("SELECT 3").await.unwrap();
    let _: Answer = big.ask("SET anything 1").await.unwrap();
    let taken = json!({"name": "big2", "blueprint": "app", "dedicated": true, "server": "own"});
    problem(
        control.post("/v1/tenants", taken.clone()).await,
        409,
        "no_server",
    )
    .await;

    let gone = control
        .request(Method::DELETE, "/v1/tenants/big")
        .send()
        .await;
    expect(gone.unwrap(), 202).await;
    until("the tenant is removed", async || {
        control.get("/v1/tenants/big").await.status() == 404
    })
    .await;
    let info: String = admin.ask("INFO keyspace").await.unwrap();
    assert!(!info.contains("db0") && !info.contains("db3"), "{info}");
    assert_eq!(tenant_with(&control, taken).await["server"], "own");
}
