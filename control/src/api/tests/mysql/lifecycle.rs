//! Tenants from their creation to their deletion, and what they may do.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tenantsdb_codecs::mysql::account_name;

use super::super::problem;
use super::dev::{Dev, act, expect, gone, login, pending, tenant, with_server};
use crate::provision::mysql_test_server::{Server, on_both};
use crate::store::routes;

on_both!(
    a_tenant_lives_from_its_creation_to_its_deletion,
    the_longest_names_work,
    truncate_and_local_files_are_for_those_who_may,
);

async fn a_tenant_lives_from_its_creation_to_its_deletion(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mlife").await;
    dev.run("CREATE TABLE users (id int PRIMARY KEY)").await;
    assert_eq!(
        dev.run("CREATE VIEW v AS SELECT id FROM users").await,
        "1.2"
    );
    assert_eq!(pending(&control, "mlife").await.len(), 2);

    let body = json!({"name": "acme", "blueprint": "mlife"});
    let made = expect(control.post("/v1/tenants", body.clone()).await, 201).await;
    let database = &made["databases"][0];
    assert_eq!(
        (&database["version"], &database["server"]),
        (&json!("1.2"), &json!("db"))
    );
    let first = &database["connection_string"];
    let mut session = login(server, first).await.unwrap();
    session.run("INSERT INTO users VALUES (1)").await;
    assert_eq!(session.value("SELECT id FROM v").await, "1");
    assert!(session.try_run("CREATE TABLE mine (id int)").await.is_err());
    assert!(pending(&control, "mlife").await.is_empty());
    problem(control.post("/v1/tenants", body).await, 409, "conflict").await;

    let suspended = act(&control, "/v1/tenants/acme/suspend").await;
    assert_eq!(suspended["status"], "suspended");
    assert!(session.try_run("SELECT 1").await.is_err());
    assert!(login(server, first).await.is_err());
    act(&control, "/v1/tenants/acme/resume").await;
    login(server, first).await.unwrap();

    let rotated = act(&control, "/v1/credentials/mlife__acme/rotate").await;
    assert!(rotated["generation"].as_u64() > Some(1), "{rotated}");
    assert!(login(server, first).await.is_err());
    login(server, &rotated["connection_string"]).await.unwrap();

    let delete = |path: &'static str| control.request(Method::DELETE, path).send();
    expect(delete("/v1/tenants/acme").await.unwrap(), 202).await;
    gone(&control, "/v1/tenants/acme").await;
    expect(delete("/v1/workspaces/mlife").await.unwrap(), 202).await;
    gone(&control, "/v1/workspaces/mlife").await;
    let mut admin = server.admin().await;
    let schemas = "SELECT COUNT(*) FROM information_schema.schemata \
                   WHERE schema_name LIKE '%mlife%'";
    assert_eq!(admin.value(schemas).await, "0");
    let accounts = "SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'mlife%'";
    assert_eq!(admin.value(accounts).await, "0");
    let status = delete("/v1/servers/db").await.unwrap().status();
    assert_eq!(status, StatusCode::NO_CONTENT);
}

async fn the_longest_names_work(server: &'static Server) {
    let control = with_server(server).await;
    let blueprint = "m".repeat(26);
    let name = "t".repeat(31);
    let mut dev = Dev::new(&control, server, &blueprint).await;
    dev.run("CREATE TABLE t (id int)").await;
    let mut session = tenant(&control, server, &blueprint, &name).await;
    session.run("INSERT INTO t VALUES (1)").await;
    let database = format!("{blueprint}__{name}");
    let mut read = control.context.store.read().await.unwrap();
    let changes = routes::since(&mut read, 0, 10).await.unwrap();
    let route = changes.iter().find(|change| change.database == database);
    let route: Value = serde_json::from_str(&route.unwrap().body).unwrap();
    let login = &route["logins"][0];
    assert_eq!(login["user"], database);
    assert_eq!(login["server_user"], account_name(&database).as_ref());
    assert!(route["server"]["version"].is_string());
    assert_eq!(login["verifier"].as_str().unwrap().matches('$').count(), 1);
}

async fn truncate_and_local_files_are_for_those_who_may(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mallow").await;
    dev.run("CREATE TABLE t (id int)").await;
    let mut plain = tenant(&control, server, "mallow", "plain").await;
    assert!(plain.try_run("TRUNCATE TABLE t").await.is_err());
    let body = json!({
        "name": "free", "blueprint": "mallow",
        "allow_truncate": true, "allow_local_infile": true,
    });
    let made = expect(control.post("/v1/tenants", body).await, 201).await;
    let database = &made["databases"][0];
    assert_eq!(database["allow_truncate"], true);
    let mut free = login(server, &database["connection_string"]).await.unwrap();
    free.run("TRUNCATE TABLE t").await;
    let mut read = control.context.store.read().await.unwrap();
    for change in routes::since(&mut read, 0, 10).await.unwrap() {
        let route: Value = serde_json::from_str(&change.body).unwrap();
        let allowed = change.database == "mallow__free";
        assert_eq!(
            route["local_infile"] == true,
            allowed,
            "{}",
            change.database
        );
    }
}
