//! Servers that lost their accounts, that are away, and deletions that were broken off.

use reqwest::Method;
use serde_json::json;

use super::super::{Running, problem};
use super::{expect, login, server_body, set, tenant, until, with_server, workspace};
use crate::provision::redis_test_server::{Server, on_redis_and_valkey};

on_redis_and_valkey!(
    a_server_that_lost_its_accounts_gets_them_again,
    a_deletion_goes_on_where_control_was_stopped,
);

async fn a_server_that_lost_its_accounts_gets_them_again(mut server: Server) {
    let control = with_server(&server).await;
    let dev = workspace(&control, "app").await["connection_string"].clone();
    let mut tenants = Vec::new();
    for name in ["acme", "globex", "initech"] {
        let made = tenant(&control, name, "app").await;
        tenants.push(made["connection_string"].clone());
    }
    expect(
        set(&control, "app", json!({"commands": ["-eval"]})).await,
        200,
    )
    .await;
    let path = "/v1/tenants/globex/suspend";
    expect(control.post(path, json!({})).await, 200).await;
    server.restart();
    until("the accounts are there again", async || {
        login(&server, &tenants[0]).await.is_ok() && login(&server, &tenants[2]).await.is_ok()
    })
    .await;
    until("the mark is there again", async || {
        let mut admin = server.admin().await;
        let users: Vec<String> = admin.ask("ACL USERS").await.unwrap();
        users.iter().any(|user| user == "tenantsdb:canary")
    })
    .await;
    // As they were: the suspended one shut, each at its own version.
    assert!(login(&server, &tenants[1]).await.is_err());
    let mut acme = login(&server, &tenants[0]).await.unwrap();
    let one: i64 = acme.ask("EVAL return(1) 0").await.unwrap();
    assert_eq!(one, 1);
    assert!(
        acme.refused(&["GET", "globex:x"])
            .await
            .starts_with("NOPERM")
    );
    let mut dev = login(&server, &dev).await.unwrap();
    assert!(
        dev.refused(&["EVAL", "return 1", "0"])
            .await
            .starts_with("NOPERM")
    );
    let path = "/v1/tenants/globex/resume";
    expect(control.post(path, json!({})).await, 200).await;
    login(&server, &tenants[1]).await.unwrap();
}

async fn a_deletion_goes_on_where_control_was_stopped(mut server: Server) {
    let control = with_server(&server).await;
    workspace(&control, "app").await;
    let made = tenant(&control, "acme", "app").await;
    let mut acme = login(&server, &made["connection_string"]).await.unwrap();
    let fill = "for i = 1, 200000 do redis.call('SET', 'acme:' .. i, 'x') end";
    let _: ::redis::Value = acme.words(&["EVAL", fill, "0"]).await.unwrap();
    let gone = control
        .request(Method::DELETE, "/v1/tenants/acme")
        .send()
        .await;
    expect(gone.unwrap(), 202).await;
    // The prefix is nobody else's while there are keys.
    let other = workspace(&control, "other").await;
    assert_eq!(other["prefix"], "other_dev:");
    let again = control.post("/v1/tenants", json!({"name": "acme", "blueprint": "other"}));
    let control = {
        let (again, ()) = tokio::join!(again, async {});
        // Either it was refused, or it came when all was gone.
        if again.status() != 201 {
            problem(again, 409, "conflict").await;
        }
        control.restart().await
    };
    until("the keys are gone", async || {
        let mut admin = server.admin().await;
        let left: u64 = admin.ask("DBSIZE").await.unwrap();
        left == 0
    })
    .await;
    until("the rows are gone", async || {
        let mut read = control.context.store.read().await.unwrap();
        let left = crate::store::namespaces::fetch(&mut read, "app__acme").await;
        left.unwrap().is_none()
    })
    .await;
    server.restart();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_cannot_be_used_are_refused_with_the_reason() {
    let control = Running::start().await;
    for (options, reason) in [
        (&["--requirepass", ""][..], "has no password"),
        (&["--cluster-enabled", "yes"], "runs as cluster"),
        (&["--replicaof", "127.0.0.1", "1"], "is a replica"),
    ] {
        let server = Server::redis(options);
        let answer = control
            .post("/v1/servers", server_body(&server, "db"))
            .await;
        let detail = problem(answer, 502, "server_refused").await;
        assert!(detail.contains(reason), "{detail}");
    }
    let server = Server::redis(&[]);
    let mut body = server_body(&server, "db");
    body["password"] = json!("wrong");
    let answer = control.post("/v1/servers", body).await;
    let detail = problem(answer, 502, "server_refused").await;
    assert!(!detail.contains("wrong\""), "{detail}");
    let mut body = server_body(&server, "db");
    body["engine"] = json!("PostgreSQL");
    body["mode"] = json!("dedicated");
    let answer = control.post("/v1/servers", body).await;
    let detail = problem(answer, 400, "invalid_request").await;
    assert!(
        detail.contains("dedicated servers are for Redis"),
        "{detail}"
    );
}

/// An ACL file brings back what was when it was written: old passwords, and accounts of databases
/// that are gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acl_file_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users.acl");
    // The file instead of requirepass: that is the password of the tests' administrator.
    let default = format!("user default on >{} ~* &* +@all\n", server_password());
    std::fs::write(&file, default).unwrap();
    let mut server = Server::redis(&["--aclfile", file.to_str().unwrap()]);
    let control = with_server(&server).await;
    workspace(&control, "app").await;
    let old = tenant(&control, "acme", "app").await["connection_string"].clone();
    let gone = tenant(&control, "gone", "app").await["connection_string"].clone();
    let mut admin = server.admin().await;
    let _: ::redis::Value = admin.ask("ACL SAVE").await.unwrap();
    let path = "/v1/credentials/app__acme/rotate";
    let new = expect(control.post(path, json!({})).await, 200).await;
    let deleted = control.request(Method::DELETE, "/v1/tenants/gone");
    expect(deleted.send().await.unwrap(), 202).await;
    until("the tenant is removed", async || {
        control.get("/v1/tenants/gone").await.status() == 404
    })
    .await;
    server.restart();
    until("the new password works", async || {
        login(&server, &new["connection_string"]).await.is_ok()
    })
    .await;
    assert!(login(&server, &old).await.is_err());
    until("the account of nobody is gone", async || {
        login(&server, &gone).await.is_err()
    })
    .await;
}

fn server_password() -> &'static str {
    crate::provision::redis_test_server::ADMIN_PASSWORD
}
