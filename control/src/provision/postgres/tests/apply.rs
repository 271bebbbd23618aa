use std::sync::Arc;

use super::server::{Blueprint, Client, statement, versions};
use crate::blueprint::Version;

async fn applied(client: &mut Client) -> String {
    let sql = "SELECT string_agg(version, ' ' ORDER BY ordinal) FROM tenantsdb.version";
    client.value(sql).await
}

#[tokio::test]
async fn versions_that_are_there_are_passed_over() {
    let blueprint = Blueprint::new("once").await;
    let v = versions(&[
        "CREATE TABLE a (x int)",
        "CREATE TABLE b (x int)",
        "CREATE TABLE c (x int)",
    ]);
    let mut acme = blueprint.tenant("acme", &v[..1]).await;
    let first = blueprint.apply("acme", &v).await.unwrap();
    assert_eq!((first.from, first.to), (1, 3));
    let again = blueprint.apply("acme", &v).await.unwrap();
    assert_eq!((again.from, again.to), (3, 3));
    assert_eq!(applied(&mut acme).await, "1.0 1.1 1.2 1.3");
    acme.run("INSERT INTO c VALUES (1)").await;
    assert_eq!(
        acme.refused("ALTER TABLE c ADD COLUMN y int").await,
        "42501"
    );
}

#[tokio::test]
async fn a_version_that_fails_leaves_nothing_and_those_before_it_stay() {
    let blueprint = Blueprint::new("half").await;
    let mut acme = blueprint
        .tenant("acme", &versions(&["CREATE TABLE t (x int)"]))
        .await;
    acme.run("INSERT INTO t VALUES (1), (1)").await;
    let mut v = versions(&["CREATE TABLE t (x int)", "CREATE TABLE u (x int)"]);
    v.push(Version {
        ordinal: 3,
        statements: vec![
            statement("CREATE TABLE w (x int)"),
            statement("CREATE UNIQUE INDEX one ON t (x)"),
        ],
    });
    let failure = blueprint.apply("acme", &v).await.unwrap_err();
    assert_eq!((failure.from, failure.to), (Some(1), Some(2)));
    assert_eq!(failure.sqlstate.as_deref(), Some("23505"));
    assert_eq!(
        failure.message,
        "could not create unique index \"one\" (Key (x)=(1) is duplicated.)"
    );
    assert_eq!(
        failure.statement.as_deref(),
        Some("CREATE UNIQUE INDEX one ON t (x)")
    );
    assert_eq!(acme.value("SELECT to_regclass('w')::text").await, "");
    acme.run("DELETE FROM t").await;
    let mended = blueprint.apply("acme", &v).await.unwrap();
    assert_eq!((mended.from, mended.to), (2, 3));
}

#[tokio::test]
async fn workers_at_once_apply_each_version_once() {
    let blueprint = Arc::new(Blueprint::new("race").await);
    let mut acme = blueprint.tenant("acme", &[]).await;
    let v = versions(&[
        "CREATE TABLE a (x int)",
        "ALTER TABLE a ADD y int",
        "ALTER TABLE a ADD z int",
    ]);
    let mut workers = Vec::new();
    for _ in 0..4 {
        let (blueprint, v) = (Arc::clone(&blueprint), v.clone());
        workers.push(tokio::spawn(
            async move { blueprint.apply("acme", &v).await },
        ));
    }
    for worker in workers {
        assert_eq!(worker.await.unwrap().unwrap().to, 3);
    }
    assert_eq!(applied(&mut acme).await, "1.0 1.1 1.2 1.3");
}

#[tokio::test]
async fn a_lock_that_is_let_go_is_waited_for() {
    let blueprint = Arc::new(Blueprint::new("locked").await);
    let mut acme = blueprint
        .tenant("acme", &versions(&["CREATE TABLE t (x int)"]))
        .await;
    acme.run("BEGIN; INSERT INTO t VALUES (1)").await;
    let worker = {
        let blueprint = Arc::clone(&blueprint);
        let v = versions(&["CREATE TABLE t (x int)", "ALTER TABLE t ADD COLUMN y int"]);
        tokio::spawn(async move { blueprint.apply("acme", &v).await })
    };
    let mut admin = Client::admin("postgres").await;
    // Past the first timeout: it has been there, given up, and come again.
    let mut pids = Vec::new();
    while pids.len() < 2 {
        let sql = "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity \
                   WHERE datname = 'locked__acme' AND application_name = 'tdb-deploy-test'";
        let pid = admin.value(sql).await;
        if !pid.is_empty() && !pids.contains(&pid) {
            pids.push(pid);
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    acme.run("COMMIT").await;
    assert_eq!(worker.await.unwrap().unwrap().to, 2);
}

#[tokio::test]
async fn a_worker_that_is_killed_at_any_moment_applies_each_version_once() {
    let blueprint = Arc::new(Blueprint::new("killed").await);
    let mut acme = blueprint.tenant("acme", &[]).await;
    let texts: Vec<String> = (0..12)
        .map(|n| format!("CREATE TABLE t{n} (x int)"))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let v = versions(&texts);
    // The task is dropped after more and more of its time, at whatever it waits for.
    for micros in (0..200).map(|n| n * 500) {
        let limit = std::time::Duration::from_micros(micros);
        let _ = tokio::time::timeout(limit, blueprint.apply("acme", &v)).await;
    }
    // The server's side is cut in the middle too.
    let killer = tokio::spawn(async {
        let mut admin = Client::admin("postgres").await;
        for _ in 0..40 {
            admin
                .run(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE datname = 'killed__acme' AND usename LIKE 'killed_deploy%'",
                )
                .await;
        }
    });
    let _ = blueprint.apply("acme", &v).await;
    killer.await.unwrap();
    blueprint.apply("acme", &v).await.unwrap();
    let names: Vec<String> = (0..=12).map(|n| format!("1.{n}")).collect();
    assert_eq!(applied(&mut acme).await, names.join(" "));
    let tables = "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(acme.value(tables).await, "12");
}

#[tokio::test]
async fn a_gap_in_the_versions_is_refused() {
    let blueprint = Blueprint::new("gap").await;
    let _acme = blueprint.tenant("acme", &[]).await;
    let v = versions(&["CREATE TABLE a (x int)", "CREATE TABLE b (x int)"]);
    let failure = blueprint.apply("acme", &v[1..]).await.unwrap_err();
    assert!(
        failure.message.contains("1.2 is the next version given"),
        "{failure}"
    );
}

#[tokio::test]
async fn an_index_built_without_a_transaction_is_repaired_after_a_crash() {
    let blueprint = Blueprint::new("steps").await;
    let first = versions(&["CREATE TABLE t (x int)"]);
    let mut acme = blueprint.tenant("acme", &first).await;
    acme.run("INSERT INTO t VALUES (1), (1)").await;
    let v = versions(&[
        "CREATE TABLE t (x int)",
        "CREATE UNIQUE INDEX CONCURRENTLY one ON t (x)",
        "DROP INDEX CONCURRENTLY one",
        "CREATE INDEX CONCURRENTLY ON t (x)",
    ]);
    let failure = blueprint.apply("acme", &v[..2]).await.unwrap_err();
    assert_eq!(
        (failure.sqlstate.as_deref(), failure.to),
        (Some("23505"), Some(1))
    );
    let mut admin = Client::admin("steps__acme").await;
    let broken = "SELECT count(*)::text FROM pg_index WHERE NOT indisvalid";
    assert_eq!(admin.value(broken).await, "0");
    // A crash in the middle of the build.
    admin
        .run(
            "CREATE INDEX one ON t (x); SET allow_system_table_mods = on; \
             UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'one'::regclass; \
             ALTER INDEX one OWNER TO steps_owner",
        )
        .await;
    acme.run("DELETE FROM t").await;
    assert_eq!(blueprint.apply("acme", &v[..2]).await.unwrap().to, 2);
    let valid = "SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ',') FROM pg_index \
                 WHERE indrelid = 't'::regclass";
    assert_eq!(admin.value(valid).await, "one true");
    // Built, and not marked: the crash came in between.
    admin
        .run("DELETE FROM tenantsdb.version WHERE ordinal = 2")
        .await;
    assert_eq!(blueprint.apply("acme", &v[..2]).await.unwrap().to, 2);
    // Dropped, and not marked.
    blueprint.apply("acme", &v[..3]).await.unwrap();
    admin
        .run("DELETE FROM tenantsdb.version WHERE ordinal = 3")
        .await;
    assert_eq!(blueprint.apply("acme", &v[..3]).await.unwrap().to, 3);
    assert_eq!(admin.value(valid).await, "");
    // An index without a name of its own.
    blueprint.apply("acme", &v).await.unwrap();
    admin
        .run("DELETE FROM tenantsdb.version WHERE ordinal = 4")
        .await;
    assert_eq!(blueprint.apply("acme", &v).await.unwrap().to, 4);
    assert_eq!(admin.value(valid).await, "t_x_idx true");
}

#[tokio::test]
async fn an_index_of_the_tenants_own_is_left_alone_by_repairs() {
    let blueprint = Blueprint::new("theirs").await;
    let first = versions(&["CREATE TABLE t (x int)", "CREATE TABLE u (x int)"]);
    blueprint.template(&first).await.unwrap();
    blueprint.tenant_with("acme", 2, true).await.unwrap();
    let mut acme = blueprint.client("acme").await;
    acme.run("INSERT INTO t VALUES (1), (1)").await;
    let v = versions(&[
        "CREATE TABLE t (x int)",
        "CREATE TABLE u (x int)",
        "CREATE UNIQUE INDEX CONCURRENTLY one ON t (x)",
    ]);
    // A step that is begun, and behind it an index that is half built by the tenant.
    let mut admin = Client::admin("theirs__acme").await;
    admin
        .run("INSERT INTO tenantsdb.step (ordinal, step, state) VALUES (3, 0, 'intent')")
        .await;
    acme.run("CREATE INDEX mine ON t (x); CREATE INDEX other ON u (x)")
        .await;
    admin
        .run(
            "UPDATE pg_index SET indisvalid = false \
             WHERE indexrelid IN ('mine'::regclass, 'other'::regclass)",
        )
        .await;
    assert!(blueprint.apply("acme", &v).await.is_err());
    let left = "SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY 1) FROM pg_index \
                WHERE NOT indisvalid";
    assert_eq!(admin.value(left).await, "mine other");
}

#[tokio::test]
async fn a_version_of_transactions_and_steps_goes_on_where_it_stopped() {
    let blueprint = Blueprint::new("mixed").await;
    let mut acme = blueprint
        .tenant("acme", &versions(&["CREATE TABLE t (x int)"]))
        .await;
    acme.run("INSERT INTO t VALUES (1), (1)").await;
    let mut v = versions(&["CREATE TABLE t (x int)"]);
    v.push(Version {
        ordinal: 2,
        statements: [
            "CREATE TABLE a (x int)",
            "CREATE UNIQUE INDEX CONCURRENTLY one ON t (x)",
            "CREATE TABLE b (x int)",
        ]
        .map(statement)
        .to_vec(),
    });
    assert!(blueprint.apply("acme", &v).await.is_err());
    assert_eq!(acme.value("SELECT to_regclass('a')::text").await, "a");
    acme.run("DELETE FROM t").await;
    assert_eq!(blueprint.apply("acme", &v).await.unwrap().to, 2);
    assert_eq!(acme.value("SELECT to_regclass('b')::text").await, "b");
}
