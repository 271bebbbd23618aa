//! Captured text that tries to get further than the schema of its own blueprint's databases.

use super::server::{Blueprint, Client, PASSWORD, statement, versions};
use crate::blueprint::{Origin, Version};
use crate::provision::Failure;

/// One tenant, and the failure of a version of these statements.
async fn refused(blueprint: &Blueprint, texts: &[&str]) -> Failure {
    let v = [Version {
        ordinal: 1,
        statements: texts.iter().map(|text| statement(text)).collect(),
    }];
    let failure = blueprint.apply("acme", &v).await.expect_err(texts[0]);
    let mut acme = blueprint.client("acme").await;
    let marker = "SELECT max(version) FROM tenantsdb.version";
    assert_eq!(acme.value(marker).await, "1.0", "{texts:?}");
    failure
}

#[tokio::test]
async fn text_runs_as_no_administrator_whatever_role_it_takes() {
    let blueprint = Blueprint::new("who").await;
    let _acme = blueprint.tenant("acme", &[]).await;
    for text in [
        "DO $$ BEGIN RESET ROLE; CREATE ROLE who_boss SUPERUSER; END $$",
        "DO $$ BEGIN SET SESSION AUTHORIZATION postgres; END $$",
        "DO $$ BEGIN SET ROLE postgres; END $$",
        "COPY (SELECT 1) TO PROGRAM 'touch /tmp/owned'",
        "DO $$ BEGIN COPY (SELECT 1) TO '/tmp/owned'; END $$",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "CREATE DATABASE who_mine",
        "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc', 'system'",
        "ALTER DATABASE who__acme SET search_path = evil",
        "DO $$ BEGIN RESET ROLE; DROP SCHEMA tenantsdb CASCADE; END $$",
        "DROP DATABASE who__acme",
    ] {
        let failure = refused(&blueprint, &[text]).await;
        let code = failure.sqlstate.clone().unwrap_or_default();
        assert_eq!(code, "42501", "{text}: {failure:?}");
    }
    let v = versions(&[
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RESET ROLE; \
         CREATE TEMP TABLE seen AS SELECT current_user AS who, session_user AS login; \
         RETURN 1; END $$",
        "CREATE TABLE t (who text DEFAULT current_user); INSERT INTO t DEFAULT VALUES",
    ]);
    let failure = blueprint.apply("acme", &v).await.unwrap_err();
    // Two statements in one text are not taken.
    assert_eq!(
        (failure.to, failure.sqlstate.as_deref()),
        (Some(1), Some("42601"))
    );
    let v = versions(&[
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RESET ROLE; \
         CREATE TEMP TABLE seen AS SELECT 1; RETURN 1; END $$",
        "CREATE TABLE t AS SELECT f() AS x, current_user::text AS who, session_user::text AS login",
    ]);
    let failure = blueprint.apply("acme", &v).await.unwrap_err();
    // The deploy login by itself may not even make a temporary table.
    assert_eq!(failure.sqlstate.as_deref(), Some("42501"));
}

#[tokio::test]
async fn text_cannot_end_its_transaction() {
    let blueprint = Blueprint::new("end").await;
    let _acme = blueprint.tenant("acme", &[]).await;
    for text in [
        "COMMIT",
        "ROLLBACK",
        "/* */ END",
        "ABORT",
        "COMMIT AND CHAIN",
        "PREPARE TRANSACTION 'x'",
        "SAVEPOINT s",
    ] {
        let failure = refused(&blueprint, &["CREATE TABLE t (x int)", text]).await;
        assert!(
            failure.message.contains("its statements cannot end it"),
            "{failure:?}"
        );
    }
    for text in [
        "CREATE TABLE u (x int); COMMIT",
        "DO $$ BEGIN CREATE TABLE u (x int); COMMIT; END $$",
        "DO $$ BEGIN EXECUTE 'ROLLBACK'; END $$",
    ] {
        refused(&blueprint, &["CREATE TABLE t (x int)", text]).await;
        let mut acme = blueprint.client("acme").await;
        assert_eq!(
            acme.value("SELECT to_regclass('t')::text").await,
            "",
            "{text}"
        );
    }
}

#[tokio::test]
async fn the_deploy_login_cannot_be_kept() {
    let blueprint = Blueprint::new("keep").await;
    let _acme = blueprint.tenant("acme", &[]).await;
    let _globex = blueprint.tenant("globex", &[]).await;
    for text in [
        "DO $$ BEGIN RESET ROLE; ALTER ROLE keep_deploy PASSWORD 'mine'; END $$",
        "DO $$ BEGIN RESET ROLE; ALTER ROLE keep_deploy SET search_path = evil; END $$",
        "DO $$ BEGIN RESET ROLE; GRANT keep_deploy TO keep__acme; END $$",
    ] {
        let failure = refused(&blueprint, &[text]).await;
        // Newer servers refuse the GRANT themselves.
        let refused = failure.sqlstate.as_deref() == Some("42501");
        assert!(
            refused || failure.message.contains("changes roles"),
            "{text}: {failure:?}"
        );
    }
    // Put off to COMMIT by a deferred trigger and by a cursor.
    let failure = refused(
        &blueprint,
        &[
            "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 RESET ROLE; ALTER ROLE keep_deploy PASSWORD 'mine'; RETURN NULL; END $$",
            "CREATE TABLE t (x int)",
            "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED \
                 FOR EACH ROW EXECUTE FUNCTION late()",
            "DO $$ BEGIN INSERT INTO t VALUES (1); END $$",
        ],
    )
    .await;
    assert!(failure.message.contains("changes roles"), "{failure:?}");
    let v = [Version {
        ordinal: 1,
        statements: [
            "CREATE FUNCTION late() RETURNS int LANGUAGE plpgsql AS $$ BEGIN \
                 RESET ROLE; ALTER ROLE keep_deploy PASSWORD 'mine'; RETURN 1; END $$",
            "DO $$ BEGIN EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT late()'; END $$",
        ]
        .map(statement)
        .to_vec(),
    }];
    // The cursor is closed before it is read.
    blueprint.apply("acme", &v).await.unwrap();
    assert!(
        Client::login("keep__globex", "keep_deploy", "mine")
            .await
            .is_err()
    );
    assert!(
        Client::login("keep__globex", "keep__acme", PASSWORD)
            .await
            .is_err()
    );
    let password = blueprint.deploy_password.expose();
    assert!(
        Client::login("keep__globex", "keep_deploy", password)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn what_was_done_to_the_deploy_login_is_taken_back_before_its_use() {
    let blueprint = Blueprint::new("taken").await;
    let mut admin = Client::admin("postgres").await;
    admin
        .run(
            "ALTER ROLE taken_deploy PASSWORD 'mine' CREATEDB; \
              ALTER ROLE taken_deploy SET search_path = evil; \
              ALTER ROLE taken_deploy VALID UNTIL '2001-01-01'",
        )
        .await;
    admin.run("ALTER ROLE taken_deploy NOCREATEDB").await;
    let roles = blueprint
        .provisioner
        .ensure_blueprint("taken", &blueprint.deploy_password);
    roles.await.unwrap();
    let state = "SELECT concat_ws(' ', rolconfig::text, rolvaliduntil, rolcreatedb) FROM pg_roles \
                 WHERE rolname = 'taken_deploy'";
    assert_eq!(admin.value(state).await, "infinity f");
}

#[tokio::test]
async fn the_marker_cannot_be_forged() {
    let blueprint = Blueprint::new("forge").await;
    let _acme = blueprint.tenant("acme", &[]).await;
    let text = "DO $$ BEGIN RESET ROLE; \
                INSERT INTO tenantsdb.version (ordinal, version) VALUES (7, '1.7'); END $$";
    let failure = refused(&blueprint, &[text]).await;
    assert!(failure.message.contains("version marker"), "{failure:?}");
}

#[tokio::test]
async fn text_that_nothing_explains_is_run_without_its_transaction_control() {
    let blueprint = Blueprint::new("blind").await;
    let mut acme = blueprint.tenant("acme", &[]).await;
    let mut inferred = statement("BEGIN; CREATE TABLE a (x int); CREATE TABLE b (x int); COMMIT");
    inferred.origin = Origin::Inferred;
    let v = [Version {
        ordinal: 1,
        statements: vec![inferred],
    }];
    assert_eq!(blueprint.apply("acme", &v).await.unwrap().to, 1);
    assert_eq!(acme.value("SELECT to_regclass('b')::text").await, "b");
}

#[tokio::test]
async fn settings_of_one_version_do_not_reach_the_next() {
    let blueprint = Blueprint::new("settings").await;
    let v = versions(&[
        "DO $$ BEGIN SET work_mem = '64kB'; SET search_path = nowhere; \
             CREATE TABLE public.t (x int); END $$",
        "CREATE TABLE u AS SELECT current_setting('work_mem') AS x",
    ]);
    let mut acme = blueprint.tenant("acme", &v).await;
    assert_eq!(acme.value("SELECT x FROM public.u").await, "4MB");
}
