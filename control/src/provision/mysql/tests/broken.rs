//! Work that is cut off, or whose threads die, is gone on with.

use std::sync::Arc;
use std::time::Duration;

use super::server::{Blueprint, Server, on_both, statement, versions};
use crate::blueprint::Version;
use crate::provision::mysql::names::deploy_account_name;

on_both!(
    a_statement_that_fails_leaves_those_before_it_and_can_be_run_again,
    work_that_is_cut_off_at_any_place_is_done_once,
    threads_that_die_at_any_moment_leave_each_version_once,
);

/// Statements of many kinds; each can run once only, or shows that it ran twice.
pub(super) fn many() -> Vec<Version> {
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
