//! What becomes of statements that a proxy, or nobody, told of.

use serde_json::json;

use super::dev::{Dev, expect, pending, tenant, with_server};
use crate::provision::mysql_test_server::{Server, on_both};
use crate::store::captures;

on_both!(
    a_capture_gives_the_text_and_counts_once,
    what_no_statement_explains_is_made_from_the_difference,
    an_end_that_nobody_saw_is_looked_for,
);

async fn a_capture_gives_the_text_and_counts_once(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mwire").await;
    let script = "CREATE TABLE a (id int); INSERT INTO a VALUES (1); CREATE TABLE b (id int)";
    dev.client.run(script).await;
    let statements = json!([
        {"text": "CREATE TABLE a (id int)", "tag": ""},
        {"text": "INSERT INTO a VALUES (1)", "tag": ""},
        {"text": "CREATE TABLE b (id int)", "tag": ""},
    ]);
    assert_eq!(dev.tell(statements).await, "1.1");
    let again = json!({
        "id": "mwire_dev:1", "database": "mwire_dev", "pid": 1, "user": "mwire_dev",
        "statements": [{"text": "CREATE TABLE a (id int)", "tag": ""}],
    });
    assert_eq!(dev.send(&again).await, "1.1");
    let wire = |text: &str| (text.to_owned(), "wire".to_owned());
    assert_eq!(
        pending(&control, "mwire").await,
        [
            wire("CREATE TABLE a (id int)"),
            wire("CREATE TABLE b (id int)")
        ]
    );
    // Nothing that changes nothing.
    for text in [
        "CREATE TEMPORARY TABLE tmp (id int)",
        "CREATE TABLE IF NOT EXISTS a (id int)",
        "DROP TABLE IF EXISTS gone",
        "CREATE TABLE knex_migrations (id int)",
        "INSERT INTO a VALUES (2)",
    ] {
        dev.client.run(text).await;
        let told = json!([{"text": text, "tag": "", "warnings": 1}]);
        assert_eq!(dev.tell(told).await, "1.1", "{text}");
    }
    let shown = expect(control.get("/v1/blueprints/mwire").await, 200).await;
    let tables = shown["tables"].as_array().unwrap().iter();
    let names: Vec<&str> = tables
        .map(|table| table["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"a") && names.contains(&"b"), "{names:?}");
    let waiting = captures::waiting(&mut control.context.store.read().await.unwrap()).await;
    assert_eq!(waiting.unwrap(), 0);
}

async fn what_no_statement_explains_is_made_from_the_difference(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "minfer").await;
    dev.run("CREATE PROCEDURE migrate() CREATE TABLE made (id int)")
        .await;
    assert_eq!(dev.run("CALL migrate()").await, "1.2");
    // A session past the proxies.
    dev.client.run("ALTER TABLE made ADD COLUMN x int").await;
    let pending = pending(&control, "minfer").await;
    assert_eq!(pending.len(), 3, "{pending:?}");
    assert_eq!(pending[0].1, "wire");
    for (ddl, origin) in &pending[1..] {
        assert_eq!(origin, "inferred");
        assert!(ddl.contains("made"), "{ddl}");
    }
    let mut acme = tenant(&control, server, "minfer", "acme").await;
    acme.run("INSERT INTO made (id, x) VALUES (1, 2)").await;
}

async fn an_end_that_nobody_saw_is_looked_for(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mopen").await;
    let unknown = |text: &str| json!([{"text": text, "tag": "", "outcome": "unknown"}]);
    dev.client.run("CREATE TABLE t (id int)").await;
    assert_eq!(dev.tell(unknown("CREATE TABLE t (id int)")).await, "1.1");
    let inferred = ("CREATE TABLE t (id int)".to_owned(), "inferred".to_owned());
    let seen = pending(&control, "mopen").await;
    assert_eq!(seen, std::slice::from_ref(&inferred));
    // Its thread is alive: it may come yet.
    assert_eq!(dev.tell(unknown("ALTER TABLE t ADD x int")).await, "1.1");
    let store = &control.context.store;
    let waiting = captures::waiting(&mut store.read().await.unwrap()).await;
    assert_eq!(waiting.unwrap(), 1);
    dev.client.run("ALTER TABLE t ADD x int").await;
    let second = ("ALTER TABLE t ADD x int".to_owned(), "inferred".to_owned());
    assert_eq!(pending(&control, "mopen").await, [inferred, second]);
    // A thread that is gone did not get to it.
    dev.pid = 4_000_000_000;
    assert_eq!(dev.tell(unknown("ALTER TABLE t ADD y int")).await, "1.2");
    let waiting = captures::waiting(&mut store.read().await.unwrap()).await;
    assert_eq!(waiting.unwrap(), 0);
}
