//! What sealing makes of what really happens in a workspace, on servers of both flavours. That
//! replaying it gives the workspace's schema is seen by making a tenant.

use serde_json::json;

use super::dev::{Dev, expect, login, pending, tenant, with_server};
use crate::provision::mysql_test_server::{Server, on_both};

on_both!(
    each_kind_of_statement_is_recorded_in_its_own_words,
    what_is_hidden_in_calls_texts_and_events_is_found,
    sessions_side_by_side_lose_nothing,
    a_script_that_fails_in_its_middle_leaves_what_came_before,
    what_was_recorded_in_another_order_is_corrected,
    captures_that_a_proxy_had_to_keep_come_in_their_own_words,
);

async fn each_kind_of_statement_is_recorded_in_its_own_words(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mkinds").await;
    let statements = [
        "CREATE TABLE users (id int AUTO_INCREMENT PRIMARY KEY, name varchar(50) NOT NULL)",
        "CREATE TABLE `event` (id int PRIMARY KEY, at datetime) COMMENT='a; b'",
        "CREATE TABLE posts (id int PRIMARY KEY, user_id int, \
         CONSTRAINT by_user FOREIGN KEY (user_id) REFERENCES users (id))",
        "CREATE UNIQUE INDEX by_name ON users (name)",
        "ALTER TABLE users ADD COLUMN mail varchar(100) GENERATED ALWAYS AS (CONCAT(name, '@x'))",
        "CREATE TABLE copy SELECT id, name FROM users",
        "CREATE TABLE alike LIKE users",
        "CREATE TRIGGER t1 BEFORE INSERT ON posts FOR EACH ROW SET @a = 1",
        "CREATE TRIGGER t2 BEFORE INSERT ON posts FOR EACH ROW FOLLOWS t1 SET @a = 2",
        "CREATE PROCEDURE p(a int) BEGIN SELECT a; SELECT 1; END",
        "CREATE FUNCTION f(a int) RETURNS int DETERMINISTIC RETURN a + 1",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM copy",
        "ALTER EVENT e RENAME TO e2",
        "RENAME TABLE users TO people",
        "ALTER TABLE posts RENAME TO articles",
        "ALTER TABLE people CHANGE COLUMN id number int AUTO_INCREMENT",
        "CREATE DEFINER = CURRENT_USER VIEW everyone AS SELECT name FROM mkinds_dev.people",
        "CREATE OR REPLACE VIEW everyone AS SELECT number FROM people",
        "DROP INDEX by_name ON people",
        "DROP TRIGGER t1",
        "ALTER DATABASE mkinds_dev CHARACTER SET ascii",
        "CREATE TABLE parts (id int) PARTITION BY HASH (id) PARTITIONS 2",
        "DROP TABLE copy, alike",
        "DROP PROCEDURE IF EXISTS p",
        "/*!40101 ALTER TABLE parts ADD COLUMN x int */",
    ];
    let mut expected = Vec::new();
    for (ordinal, text) in (1..).zip(statements) {
        assert_eq!(dev.run(text).await, format!("1.{ordinal}"), "{text}");
        expected.push((text.to_owned(), "wire".to_owned()));
    }
    assert_eq!(pending(&control, "mkinds").await, expected);
    let mut acme = tenant(&control, server, "mkinds", "acme").await;
    acme.run("INSERT INTO articles (id) VALUES (1)").await;
    assert_eq!(acme.value("SELECT f(1)").await, "2");
}

async fn what_is_hidden_in_calls_texts_and_events_is_found(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mhidden").await;
    dev.run("CREATE TABLE t (id int)").await;
    dev.run(
        "CREATE PROCEDURE up() BEGIN CREATE TABLE made (id int); \
         ALTER TABLE t ADD COLUMN x int; SIGNAL SQLSTATE '45000'; END",
    )
    .await;
    // It committed, and failed then.
    assert!(dev.client.try_run("CALL up()").await.is_err());
    let call = json!([{"text": "CALL up()", "tag": "", "outcome": "unknown"}]);
    assert_eq!(dev.tell(call).await, "1.3");
    dev.client
        .run("PREPARE s FROM 'CREATE TABLE prepared (id int)'")
        .await;
    assert_eq!(dev.run("EXECUTE s").await, "1.4");
    // What it was made of is nowhere else.
    dev.run("CREATE TEMPORARY TABLE tmp (id int, z int)").await;
    dev.run("CREATE TABLE of_tmp LIKE tmp").await;
    let origins: Vec<String> = pending(&control, "mhidden")
        .await
        .into_iter()
        .map(|(_, origin)| origin)
        .collect();
    assert_eq!(
        origins,
        [
            "wire", "wire", "inferred", "inferred", "inferred", "inferred"
        ]
    );
    let mut acme = tenant(&control, server, "mhidden", "acme").await;
    acme.run("INSERT INTO t (id, x) VALUES (1, 1)").await;
    acme.run("INSERT INTO made VALUES (1)").await;
    acme.run("INSERT INTO prepared VALUES (1)").await;
    acme.run("INSERT INTO of_tmp (z) VALUES (1)").await;
}

async fn sessions_side_by_side_lose_nothing(server: &'static Server) {
    const EACH: u32 = 5;
    let control = with_server(server).await;
    let mut first = Dev::new(&control, server, "mside").await;
    first.run("CREATE TABLE t (id int)").await;
    let user = &first.database;
    // Another session of the same login needs its password.
    let rotated = control
        .request(reqwest::Method::POST, "/v1/credentials/mside_dev/rotate")
        .send();
    let rotated = expect(rotated.await.unwrap(), 200).await;
    let again = async || login(server, &rotated["connection_string"]).await.unwrap();
    let mut sessions = [
        Dev::of(&control, again().await, user, "one").await,
        Dev::of(&control, again().await, user, "two").await,
    ];
    let [one, two] = &mut sessions;
    let work = async |dev: &mut Dev<'_>, name: &str| {
        for n in 0..EACH {
            dev.run(&format!("ALTER TABLE t ADD COLUMN {name}{n} int"))
                .await;
            dev.run(&format!("CREATE TABLE {name}_{n} (id int)")).await;
        }
    };
    tokio::join!(work(one, "a"), work(two, "b"));
    let pending = pending(&control, "mside").await;
    assert_eq!(pending.len(), 1 + 4 * EACH as usize, "{pending:?}");
    assert!(pending.iter().all(|(_, origin)| origin == "wire"));
    let mut acme = tenant(&control, server, "mside", "acme").await;
    acme.run("INSERT INTO t (a0, b4) VALUES (1, 1)").await;
}

async fn a_script_that_fails_in_its_middle_leaves_what_came_before(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mscript").await;
    let script = "CREATE TABLE a (id int); CREATE TABLE a (id int); CREATE TABLE b (id int)";
    assert!(dev.client.try_run(script).await.is_err());
    let told = json!([{"text": "CREATE TABLE a (id int)", "tag": ""}]);
    assert_eq!(dev.tell(told).await, "1.1");
    let wire = ("CREATE TABLE a (id int)".to_owned(), "wire".to_owned());
    assert_eq!(pending(&control, "mscript").await, [wire]);
    tenant(&control, server, "mscript", "acme").await;
}

async fn what_was_recorded_in_another_order_is_corrected(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "morder").await;
    dev.run("CREATE TABLE t (id int)").await;
    dev.client.run("ALTER TABLE t ADD COLUMN a int").await;
    dev.client.run("ALTER TABLE t ADD COLUMN b int").await;
    // Of two sessions the later one may be heard first.
    let told = json!([
        {"text": "ALTER TABLE t ADD COLUMN b int", "tag": ""},
        {"text": "ALTER TABLE t ADD COLUMN a int", "tag": ""},
    ]);
    assert_eq!(dev.tell(told).await, "1.2");
    let mut acme = tenant(&control, server, "morder", "acme").await;
    let columns = "SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position) \
                   FROM information_schema.columns \
                   WHERE table_schema = 'morder__acme' AND table_name = 't'";
    assert_eq!(acme.value(columns).await, "id,a,b");
    let shown = expect(control.get("/v1/blueprints/morder").await, 200).await;
    assert_eq!(shown["version"], "1.3");
    let correction = &shown["versions"][3]["statements"][0];
    assert_eq!(correction["origin"], "inferred");
    assert_eq!(correction["application_name"], "tenantsdb-control");
}

async fn captures_that_a_proxy_had_to_keep_come_in_their_own_words(server: &'static Server) {
    let control = with_server(server).await;
    let mut dev = Dev::new(&control, server, "mkept").await;
    let texts = [
        "CREATE TABLE users (id int PRIMARY KEY)",
        "CREATE TABLE posts (id int, user_id int, FOREIGN KEY (user_id) REFERENCES users (id))",
        "ALTER TABLE users ADD COLUMN name varchar(20)",
        "CREATE VIEW v AS SELECT name FROM users",
        "CREATE UNIQUE INDEX by_name ON users (name)",
        "CREATE TABLE other (id int)",
        "DROP TABLE other",
    ];
    for text in texts {
        dev.client.run(text).await;
    }
    for text in texts {
        dev.tell(json!([{"text": text, "tag": ""}])).await;
    }
    let wire = |text: &str| (text.to_owned(), "wire".to_owned());
    let expected: Vec<_> = texts[..5].iter().map(|text| wire(text)).collect();
    assert_eq!(pending(&control, "mkept").await, expected);
    let mut acme = tenant(&control, server, "mkept", "acme").await;
    acme.run("INSERT INTO users (id, name) VALUES (1, 'a')")
        .await;
}
