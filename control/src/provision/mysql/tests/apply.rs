use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::server::{Blueprint, Client, Server, apply_of, on_both, statement, versions};
use crate::blueprint::{Probe, Version};
use crate::provision::mysql::names::deploy_account_name;

on_both!(
    versions_that_are_there_are_passed_over,
    a_gap_in_the_versions_is_refused,
    a_statement_that_fails_leaves_those_before_it_and_can_be_run_again,
    work_that_is_cut_off_at_any_place_is_done_once,
    threads_that_die_at_any_moment_leave_each_version_once,
    an_intent_that_nothing_explains_needs_attention,
    a_marker_that_control_cannot_believe_needs_attention,
    workers_at_once_apply_each_version_once,
    a_lock_that_is_let_go_is_waited_for_and_one_that_is_not_fails,
    a_statement_that_runs_too_long_is_ended,
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

async fn a_statement_that_fails_leaves_those_before_it_and_can_be_run_again(
    server: &'static Server,
) {
    let blueprint = Blueprint::new(server, "half").await;
    let mut acme = blueprint
        .tenant("acme", &mut versions(&["CREATE TABLE t (x int)"]))
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
    for with_probes in [false, true] {
        if with_probes {
            blueprint.template(&mut v).await.unwrap();
        }
        let failure = blueprint.apply("acme", &v).await.unwrap_err();
        assert_eq!(failure.to, Some(2));
        assert_eq!(failure.sqlstate.as_deref(), Some("23000"));
        assert!(failure.message.contains("(1062)"), "{failure}");
        assert!(!failure.needs_attention);
        assert_eq!(
            failure.statement.as_deref(),
            Some("CREATE UNIQUE INDEX one ON t (x)")
        );
    }
    assert_eq!(acme.value("SELECT count(*) FROM w").await, "0");
    acme.run("DELETE FROM t").await;
    let mended = blueprint.apply("acme", &v).await.unwrap();
    assert_eq!((mended.from, mended.to), (2, 3));
}

/// Statements of many kinds; each can run once only, or shows that it ran twice.
fn many() -> Vec<Version> {
    let texts = [
        "CREATE TABLE t (x int)",
        "ALTER TABLE t ADD y int",
        "ALTER TABLE t RENAME COLUMN y TO z",
        "CREATE INDEX i ON t (z)",
        "CREATE VIEW v AS SELECT z FROM t",
        "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.z = 1",
        "DROP INDEX i ON t",
        "RENAME TABLE t TO u",
        "DROP PROCEDURE p",
    ];
    versions(&texts)
}

async fn work_that_is_cut_off_at_any_place_is_done_once(server: &'static Server) {
    let blueprint = Blueprint::new(server, "cut").await;
    let mut v = many();
    let _acme = blueprint.tenant("acme", &mut []).await;
    blueprint.template(&mut v).await.unwrap();
    let mut cuts = 0;
    // Before the intent, behind it, behind the statement, behind its mark: of each statement.
    for passed in 0.. {
        let tenant = format!("t{passed}");
        blueprint
            .tenant_with(&tenant, 0, (false, false))
            .await
            .err();
        blueprint.template(&mut []).await.unwrap();
        blueprint
            .tenant_with(&tenant, 0, (false, false))
            .await
            .unwrap();
        blueprint.mysql().cut().after(Some(passed));
        tokio::select! {
            done = blueprint.apply(&tenant, &v) => {
                blueprint.mysql().cut().after(None);
                done.unwrap();
                break;
            }
            () = blueprint.mysql().cut().reached() => cuts += 1,
        }
        let known = passed / 4;
        let done = blueprint.apply_known(&tenant, &v, (known, known + 1)).await;
        let done = done.unwrap_or_else(|failure| panic!("cut {passed}: {failure:?}"));
        assert_eq!(done.to, 10);
        let made = blueprint
            .provisioner
            .fingerprint(&blueprint.database(&tenant))
            .await;
        let template = blueprint.provisioner.fingerprint("cut_template_1_10").await;
        assert_eq!(made.unwrap(), template.unwrap(), "cut {passed}");
    }
    assert_eq!(cuts, 40);
}

async fn threads_that_die_at_any_moment_leave_each_version_once(server: &'static Server) {
    let blueprint = Arc::new(Blueprint::new(server, "killed").await);
    let mut v = many();
    blueprint.tenant("acme", &mut []).await;
    blueprint.template(&mut v).await.unwrap();
    let user = deploy_account_name("killed__acme");
    let killer = {
        let user = user.clone();
        tokio::spawn(async move {
            let mut admin = server.admin().await;
            for _ in 0..60 {
                if let Some((thread, _)) = admin.threads(&user).await.last() {
                    let _ = admin.try_run(&format!("KILL {thread}")).await;
                }
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        })
    };
    // The task is dropped after more and more of its time, at whatever it waits for.
    for millis in (0..20).map(|n| n * 5) {
        let limit = Duration::from_millis(millis);
        let _ = tokio::time::timeout(limit, blueprint.apply("acme", &v)).await;
    }
    killer.await.unwrap();
    let done = blueprint.apply("acme", &v).await.unwrap();
    assert_eq!(done.to, 10);
    let made = blueprint
        .provisioner
        .fingerprint("killed__acme")
        .await
        .unwrap();
    let template = blueprint
        .provisioner
        .fingerprint("killed_template_1_10")
        .await;
    assert_eq!(made, template.unwrap());
    let mut admin = server.admin().await;
    assert!(admin.threads(&user).await.is_empty());
}

async fn an_intent_that_nothing_explains_needs_attention(server: &'static Server) {
    let blueprint = Blueprint::new(server, "intent").await;
    let mut v = versions(&["CREATE TABLE t (x int)", "ALTER TABLE t ADD y int"]);
    let mut acme = blueprint.tenant("acme", &mut v[..1]).await;
    blueprint.template(&mut v).await.unwrap();
    let intent = "INSERT INTO `_tenantsdb` (ordinal, step, state, digest, pre) VALUES (2, 1, \
                  'intent', SHA2('ALTER TABLE t ADD y int', 256), ";
    // Neither before nor after: another column came meanwhile.
    let mut admin = server.admin().await;
    admin.run("ALTER TABLE intent__acme.t ADD z int").await;
    acme.run(&format!("{intent} '{{}}')")).await;
    let failure = blueprint.apply("acme", &v).await.unwrap_err();
    assert!(failure.needs_attention);
    assert!(failure.message.contains("table t is neither"), "{failure}");
    assert_eq!(
        failure.statement.as_deref(),
        Some("ALTER TABLE t ADD y int")
    );
    // Again: it is never run.
    assert!(
        blueprint
            .apply("acme", &v)
            .await
            .unwrap_err()
            .needs_attention
    );
    let columns = "SELECT GROUP_CONCAT(COLUMN_NAME) FROM information_schema.COLUMNS \
                   WHERE TABLE_SCHEMA = 'intent__acme' AND TABLE_NAME = 't'";
    assert_eq!(acme.value(columns).await, "x,z");
    // As the statement leaves it: it counts.
    admin
        .run("ALTER TABLE intent__acme.t DROP z, ADD y int")
        .await;
    assert_eq!(blueprint.apply("acme", &v).await.unwrap().to, 2);
    assert_eq!(acme.value(columns).await, "x,y");
    // Without anything to tell by.
    v.extend(versions(&["", "", "ALTER TABLE t ADD w int"]).split_off(2));
    acme.run(
        "INSERT INTO `_tenantsdb` (ordinal, step, state, digest) VALUES (3, 1, 'intent', \
              SHA2('ALTER TABLE t ADD w int', 256))",
    )
    .await;
    let failure = blueprint.apply("acme", &v).await.unwrap_err();
    assert!(
        failure.needs_attention && failure.message.contains("nothing is known"),
        "{failure}"
    );
    // Of another statement.
    acme.run("UPDATE `_tenantsdb` SET digest = 'x' WHERE ordinal = 3")
        .await;
    assert!(
        blueprint
            .apply("acme", &v)
            .await
            .unwrap_err()
            .needs_attention
    );
}

async fn a_marker_that_control_cannot_believe_needs_attention(server: &'static Server) {
    let blueprint = Blueprint::new(server, "forged").await;
    let mut v = versions(&[
        "CREATE TABLE a (x int)",
        "CREATE TABLE b (x int)",
        "CREATE TABLE c (x int)",
    ]);
    blueprint.template(&mut v[..1]).await.unwrap();
    for (number, (forged, knows)) in [
        (
            "INSERT INTO `_tenantsdb` (ordinal, step, state) VALUES (2, 0, 'done')",
            (1, 1),
        ),
        (
            "INSERT INTO `_tenantsdb` (ordinal, step, state) VALUES (3, 0, 'done')",
            (1, 3),
        ),
        (
            "INSERT INTO `_tenantsdb` (ordinal, step, state) VALUES (2, 1, 'done')",
            (1, 1),
        ),
        (
            "INSERT INTO `_tenantsdb` (ordinal, step, state) VALUES (3, 1, 'done')",
            (1, 3),
        ),
        (
            "INSERT INTO `_tenantsdb` (ordinal, step, state) VALUES (2, 1, 'done')",
            (1, 3),
        ),
        (
            "INSERT INTO `_tenantsdb` (ordinal, step, state) VALUES (2, 0, 'nonsense')",
            (1, 3),
        ),
        (
            "INSERT INTO `_tenantsdb` (ordinal, step, state) \
             WITH RECURSIVE d (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM d WHERE n < 99) \
             SELECT a.n + 2, 100 * b.n + c.n + 1, 'done' FROM d a, d b, d c WHERE a.n < 11",
            (1, 3),
        ),
        ("UPDATE `_tenantsdb` SET ordinal = 0", (1, 3)),
        ("UPDATE `_tenantsdb` SET ordinal = -1", (1, 3)),
        ("DELETE FROM `_tenantsdb`", (1, 3)),
        ("DO 0", (2, 3)),
    ]
    .into_iter()
    .enumerate()
    {
        let tenant = format!("t{number}");
        blueprint
            .tenant_with(&tenant, 1, (false, false))
            .await
            .unwrap();
        let mut client = blueprint.client(&tenant).await;
        client.run(forged).await;
        let failure = blueprint.apply_known(&tenant, &v, knows).await.unwrap_err();
        assert!(failure.needs_attention, "{forged}: {failure}");
        let tables = format!(
            "SELECT GROUP_CONCAT(TABLE_NAME ORDER BY 1) FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = 'forged__{tenant}' AND TABLE_NAME <> '_tenantsdb'"
        );
        assert_eq!(client.value(&tables).await, "a", "{forged}");
    }
    // One who may change the schema makes it something that runs code.
    blueprint
        .tenant_with("ddl", 1, (true, false))
        .await
        .unwrap();
    let mut ddl = blueprint.client("ddl").await;
    ddl.run("DROP TABLE `_tenantsdb`").await;
    let failure = blueprint.apply_known("ddl", &v, (1, 3)).await.unwrap_err();
    assert!(
        failure.needs_attention && failure.message.contains("no table"),
        "{failure}"
    );
    ddl.run(
        "CREATE FUNCTION evil() RETURNS int SQL SECURITY INVOKER READS SQL DATA \
         RETURN (SELECT COUNT(*) FROM mysql.user)",
    )
    .await;
    ddl.run(
        "CREATE SQL SECURITY INVOKER VIEW `_tenantsdb` AS SELECT evil() AS ordinal, 0 AS step, \
         'done' AS state, '' AS digest, NULL AS pre",
    )
    .await;
    let failure = blueprint.apply_known("ddl", &v, (1, 3)).await.unwrap_err();
    assert!(
        failure.needs_attention && failure.message.contains("(1356)"),
        "{failure}"
    );
    // Control says both.
    let _ = blueprint.tenant_with("both", 1, (false, false)).await;
    let mut both = blueprint.client("both").await;
    both.run("UPDATE `_tenantsdb` SET ordinal = 9").await;
    let failure = blueprint.apply_known("both", &v, (1, 3)).await.unwrap_err();
    for text in ["says 1.9", "recorded 1.1", "nothing above 1.3"] {
        assert!(failure.message.contains(text), "{failure}");
    }
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

async fn a_lock_that_is_let_go_is_waited_for_and_one_that_is_not_fails(server: &'static Server) {
    let blueprint = Arc::new(Blueprint::new(server, "locked").await);
    let mut v = versions(&["CREATE TABLE t (x int)", "ALTER TABLE t ADD COLUMN y int"]);
    let mut acme = blueprint.tenant("acme", &mut v[..1]).await;
    acme.run("BEGIN; INSERT INTO t VALUES (1)").await;
    let worker = {
        let (blueprint, v) = (Arc::clone(&blueprint), v.clone());
        tokio::spawn(async move { blueprint.apply("acme", &v).await })
    };
    let mut admin = server.admin().await;
    let user = deploy_account_name("locked__acme");
    // Past the first timeout: it has been there, given up, and come again.
    let mut threads = Vec::new();
    while threads.len() < 2 {
        for (thread, state) in admin.threads(&user).await {
            let waits = state.starts_with("Waiting for table metadata lock");
            if waits && !threads.contains(&thread) {
                threads.push(thread);
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    acme.run("COMMIT").await;
    assert_eq!(worker.await.unwrap().unwrap().to, 2);
}

async fn a_statement_that_runs_too_long_is_ended(server: &'static Server) {
    let blueprint = Blueprint::new(server, "slow").await;
    let mut v = versions(&[
        "CREATE TABLE t (x int)",
        "CREATE TABLE u AS SELECT SLEEP(60) AS s",
    ]);
    let _acme = blueprint.tenant("acme", &mut v[..1]).await;
    let database = blueprint.database("acme");
    let apply = crate::provision::Apply {
        statement_timeout: Duration::from_millis(500),
        ..apply_of("slow", &database, &v)
    };
    let failure = blueprint.provisioner.apply(apply).await.unwrap_err();
    assert!(!failure.unreachable && failure.to == Some(1), "{failure:?}");
    let mut admin = server.admin().await;
    let user = deploy_account_name("slow__acme");
    assert!(admin.threads(&user).await.is_empty());
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
