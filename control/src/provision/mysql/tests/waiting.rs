//! Locks and statements that take too long.

use std::sync::Arc;
use std::time::Duration;

use super::server::{Blueprint, Server, apply_of, on_both, versions};
use crate::provision::mysql::names::deploy_account_name;

on_both!(
    a_lock_that_is_let_go_is_waited_for_and_one_that_is_not_fails,
    a_statement_that_runs_too_long_is_ended,
);

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
