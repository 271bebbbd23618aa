//! Versions reach tenants once, or it is said why not.

use serde_json::json;

use super::dev::{Dev, deploy, pending, tenant, with_server};
use crate::provision::mysql_test_server::{Server, on_both};

on_both!(
    tenants_get_a_version_once_and_those_that_failed_are_mended,
    a_marker_that_is_not_ours_needs_attention,
    online_refuses_what_would_lock,
);

async fn tenants_get_a_version_once_and_those_that_failed_are_mended(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mroll").await;
    dev.run("CREATE TABLE users (id int AUTO_INCREMENT PRIMARY KEY, name varchar(50))")
        .await;
    let mut acme = tenant(&control, server, "mroll", "acme").await;
    let mut bad = tenant(&control, server, "mroll", "bad").await;
    tenant(&control, server, "mroll", "globex").await;
    bad.run("INSERT INTO users (name) VALUES ('a'), ('a')")
        .await;
    dev.run("ALTER TABLE users ADD COLUMN phone varchar(20)")
        .await;
    dev.run("CREATE UNIQUE INDEX users_name ON users (name)")
        .await;
    assert_eq!(pending(&control, "mroll").await.len(), 2);
    let all = json!({"blueprint": "mroll", "all": true});
    let first = deploy(&control, all.clone()).await;
    assert_eq!(first["status"], "failed", "{first}");
    assert_eq!(
        (&first["completed"], &first["failed"]),
        (&json!(2), &json!(1))
    );
    let failed = &first["results"][1];
    assert_eq!(failed["tenant"], "bad");
    assert_eq!(
        (&failed["from_version"], &failed["to_version"]),
        (&json!("1.1"), &json!("1.2")),
        "{failed}"
    );
    assert_eq!(failed["sqlstate"], "23000");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("Duplicate entry"), "{error}");
    bad.run("DELETE FROM users WHERE id = 2").await;
    let second = deploy(&control, all).await;
    assert_eq!(second["status"], "completed", "{second}");
    assert_eq!(
        (&second["completed"], &second["skipped"]),
        (&json!(1), &json!(2))
    );
    acme.run("INSERT INTO users (name, phone) VALUES ('b', '1')")
        .await;
    assert!(pending(&control, "mroll").await.is_empty());
}

async fn a_marker_that_is_not_ours_needs_attention(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mmark").await;
    dev.run("CREATE TABLE t (id int)").await;
    tenant(&control, server, "mmark", "acme").await;
    tenant(&control, server, "mmark", "globex").await;
    dev.run("ALTER TABLE t ADD x int").await;
    let mut admin = server.admin().await;
    let forged = "INSERT INTO mmark__acme._tenantsdb (ordinal, step, state, digest, at) \
                  VALUES (9, 0, 'done', '', NOW())";
    admin.run(forged).await;
    let done = deploy(&control, json!({"blueprint": "mmark", "all": true})).await;
    assert_eq!(done["status"], "failed", "{done}");
    assert_eq!(
        (&done["completed"], &done["failed"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(done["results"][0]["status"], "needs_attention");
    assert_eq!(done["results"][1]["status"], "completed");
    let columns = "SELECT COUNT(*) FROM information_schema.columns \
                   WHERE table_schema = 'mmark__acme' AND table_name = 't'";
    assert_eq!(admin.value(columns).await, "1", "nothing was run there");
}

async fn online_refuses_what_would_lock(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "monline").await;
    dev.run("CREATE TABLE t (id int, name varchar(20))").await;
    tenant(&control, server, "monline", "acme").await;
    dev.run("ALTER TABLE t ADD x int").await;
    let online = json!({"blueprint": "monline", "all": true, "online": true});
    let done = deploy(&control, online.clone()).await;
    assert_eq!(
        (&done["status"], &done["online"]),
        (&json!("completed"), &json!(true))
    );
    // Another type of a column copies the table.
    dev.run("ALTER TABLE t MODIFY id varchar(40)").await;
    let refused = deploy(&control, online).await;
    assert_eq!(refused["results"][0]["status"], "failed", "{refused}");
    let plain = json!({"blueprint": "monline", "all": true});
    assert_eq!(deploy(&control, plain).await["status"], "completed");
}
