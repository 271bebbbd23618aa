//! What a tenant's database has that no version put there.

use super::dev::{Dev, expect, tenant, with_server};
use super::*;
use crate::provision::mysql_test_server::{Server, on_both};

on_both!(what_differs_from_the_version_is_named);

async fn what_differs_from_the_version_is_named(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mdrift").await;
    dev.run("CREATE TABLE users (id INT, name TEXT)").await;
    dev.run("CREATE VIEW names AS SELECT name FROM users").await;
    tenant(&control, server, "mdrift", "acme").await;
    // Two versions behind: its template is made again.
    for number in 0..3 {
        dev.run(&format!("CREATE TABLE more{number} (id INT)"))
            .await;
        tenant(&control, server, "mdrift", &format!("later{number}")).await;
    }
    let drift = async || {
        let body = expect(control.get("/v1/tenants/acme/drift").await, 200).await;
        assert_eq!(body["databases"][0]["version"], "1.2");
        body["databases"][0]["drift"].clone()
    };
    assert_eq!(drift().await, json!([]));
    let mut admin = server.admin().await;
    for sql in [
        "CREATE TABLE mdrift__acme.strays (id INT)",
        "ALTER TABLE mdrift__acme.users ADD COLUMN stray INT",
        "DROP VIEW mdrift__acme.names",
    ] {
        admin.run(sql).await;
    }
    let expected = json!([
        {"object": "table strays", "how": "extra"},
        {"object": "table users", "how": "different"},
        {"object": "view names", "how": "missing"},
    ]);
    assert_eq!(drift().await, expected);
}
