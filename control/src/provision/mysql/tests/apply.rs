//! Versions into tenants: those that are missing, in their order, each once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::broken::many;
use super::server::{Blueprint, Client, Server, apply_of, on_both, statement, versions};
use crate::blueprint::{Probe, Version};

on_both!(
    versions_that_are_there_are_passed_over,
    a_gap_in_the_versions_is_refused,
    workers_at_once_apply_each_version_once,
    online_is_demanded_where_asked_for,
    the_settings_of_the_capture_hold,
    a_version_of_several_statements_goes_on_where_it_stopped,
);

async fn marker(client: &mut Client) -> String {
    let sql = "SELECT GROUP_CONCAT(ordinal ORDER BY ordinal) FROM `_tenantsdb` \
               WHERE step = 0 AND state = 'done'";
    client.value(sql).await
}

async fn versions_that_are_there_are_passed_over(server: &'static Server) {
    let blueprint = Blueprint::new(server, "once").await;
    let mut v = versions(&[
        "CREATE TABLE a (x int)",
        "CREATE TABLE b (x int)",
        "CREATE TABLE c (x int)",
    ]);
    let mut acme = blueprint.tenant("acme", &mut v[..1]).await;
    blueprint.template(&mut v).await.unwrap();
    let first = blueprint.apply("acme", &v).await.unwrap();
    assert_eq!((first.from, first.to), (1, 3));
    let again = blueprint.apply("acme", &v).await.unwrap();
    assert_eq!((again.from, again.to), (3, 3));
    assert_eq!(marker(&mut acme).await, "1,2,3");
    acme.run("INSERT INTO c VALUES (1)").await;
    assert_eq!(acme.refused("ALTER TABLE c ADD COLUMN y int").await, 1142);
}

async fn a_gap_in_the_versions_is_refused(server: &'static Server) {
    let blueprint = Blueprint::new(server, "gap").await;
    let _acme = blueprint.tenant("acme", &mut []).await;
    let v = versions(&["CREATE TABLE a (x int)", "CREATE TABLE b (x int)"]);
    let failure = blueprint.apply("acme", &v[1..]).await.unwrap_err();
    assert!(
        failure.message.contains("1.2 is the next version given"),
        "{failure}"
    );
}

async fn workers_at_once_apply_each_version_once(server: &'static Server) {
    let blueprint = Arc::new(Blueprint::new(server, "race").await);
    let mut v = many();
    blueprint.tenant("acme", &mut []).await;
    blueprint.template(&mut v).await.unwrap();
    let mut workers = Vec::new();
    for _ in 0..4 {
        let (blueprint, v) = (Arc::clone(&blueprint), v.clone());
        workers.push(tokio::spawn(
            async move { blueprint.apply("acme", &v).await },
        ));
    }
    for worker in workers {
        assert_eq!(worker.await.unwrap().unwrap().to, 10);
    }
}

async fn online_is_demanded_where_asked_for(server: &'static Server) {
    let blueprint = Blueprint::new(server, "online").await;
    let mut v = versions(&["CREATE TABLE t (id int PRIMARY KEY, x int, y int)"]);
    let mut acme = blueprint.tenant("acme", &mut v).await;
    let database = blueprint.database("acme");
    for (ordinal, text, possible) in [
        (2, "ALTER TABLE t ADD COLUMN z int", true),
        (3, "ALTER TABLE t ADD KEY k (x)", true),
        (4, "CREATE INDEX l ON t (y)", true),
        (5, "CREATE VIEW v AS SELECT 1", true),
        (6, "ALTER TABLE t MODIFY x char(30)", false),
    ] {
        v.push(Version {
            ordinal,
            statements: vec![statement(text)],
        });
        let apply = crate::provision::Apply {
            online: true,
            ..apply_of("online", &database, &v)
        };
        let applied = blueprint.provisioner.apply(apply).await;
        assert_eq!(applied.is_ok(), possible, "{text}: {applied:?}");
        if let Err(failure) = applied {
            let number = ["(1845)", "(1846)"];
            assert!(
                number.iter().any(|n| failure.message.contains(n)),
                "{failure}"
            );
        }
    }
    // Without the demand it runs.
    assert_eq!(blueprint.apply("acme", &v).await.unwrap().to, 6);
    acme.run("INSERT INTO t (id, x) VALUES (1, 'a')").await;
}

async fn the_settings_of_the_capture_hold(server: &'static Server) {
    let blueprint = Blueprint::new(server, "settings").await;
    let mut acme = blueprint.tenant("acme", &mut []).await;
    let with = |ddl: &str, sql_mode: &str| {
        let mut statement = statement(ddl);
        statement.context = Some(tenantsdb_codecs::feed::capture::Context {
            sql_mode: sql_mode.to_owned(),
            character_set_client: "latin1".to_owned(),
            collation_connection: "latin1_german1_ci".to_owned(),
            foreign_key_checks: false,
            default_storage_engine: "MyISAM".to_owned(),
            explicit_defaults_for_timestamp: true,
        });
        statement
    };
    let v = vec![Version {
        ordinal: 1,
        statements: vec![
            with(
                "CREATE TABLE \"t\" (x int, FOREIGN KEY (x) REFERENCES u (x))",
                "ANSI_QUOTES",
            ),
            with(
                "CREATE PROCEDURE p() SELECT \"x\", 'a\\'",
                "NO_BACKSLASH_ESCAPES",
            ),
        ],
    }];
    blueprint.apply("acme", &v).await.unwrap();
    let engine = "SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() \
                  AND TABLE_NAME = 't'";
    assert_eq!(acme.value(engine).await, "MyISAM");
    let mode = "SELECT CONCAT(SQL_MODE, ' ', COLLATION_CONNECTION) FROM \
                information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()";
    assert_eq!(
        acme.value(mode).await,
        "NO_BACKSLASH_ESCAPES latin1_german1_ci"
    );
    let snapshot = blueprint
        .provisioner
        .snapshot("settings__acme")
        .await
        .unwrap();
    let procedure = snapshot.0.get("procedure p").unwrap();
    assert!(
        procedure.starts_with("sql_mode=NO_BACKSLASH_ESCAPES\n"),
        "{procedure}"
    );
}

async fn a_version_of_several_statements_goes_on_where_it_stopped(server: &'static Server) {
    let blueprint = Blueprint::new(server, "several").await;
    let mut v = versions(&["CREATE TABLE t (x int)"]);
    let mut acme = blueprint.tenant("acme", &mut v).await;
    acme.run("INSERT INTO t VALUES (1), (1)").await;
    let mut private = statement("GRANT SELECT ON t TO somebody");
    private.deploy = false;
    v.push(Version {
        ordinal: 2,
        statements: vec![
            statement("CREATE TABLE a (x int)"),
            private,
            statement("ALTER TABLE t ADD UNIQUE KEY one (x)"),
            statement("CREATE TABLE b (x int)"),
        ],
    });
    let found = blueprint.template(&mut v).await.unwrap();
    let places: Vec<(u32, u32)> = found.iter().map(|(o, p, _)| (*o, *p)).collect();
    assert_eq!(places, [(2, 1), (2, 3), (2, 4)]);
    let key = BTreeMap::from([("table a".to_owned(), found[0].2.0["table a"].clone())]);
    assert_eq!(found[0].2, Probe(key));
    assert!(blueprint.apply("acme", &v).await.is_err());
    acme.run("INSERT INTO a VALUES (7); DELETE FROM t").await;
    assert_eq!(blueprint.apply("acme", &v).await.unwrap().to, 2);
    assert_eq!(acme.value("SELECT x FROM a").await, "7");
    assert_eq!(acme.value("SELECT COUNT(*) FROM b").await, "0");
}
