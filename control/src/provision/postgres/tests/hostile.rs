//! Captured text that tries to get further than the schema of its own blueprint's databases.

use super::server::{Blueprint, Client, statement, versions};
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
    let mut acme = blueprint.tenant("acme", &[]).await;
    let _globex = blueprint.tenant("globex", &[]).await;
    for text in [
        "DO $$ BEGIN RESET ROLE; EXECUTE format('ALTER ROLE %I PASSWORD %L', session_user, 'x'); \
             END $$",
        "DO $$ BEGIN RESET ROLE; \
             EXECUTE format('ALTER ROLE %I SET search_path = e', session_user); END $$",
        "DO $$ BEGIN RESET ROLE; EXECUTE format('GRANT %I TO keep__acme', session_user); END $$",
        // A table in front of the one that is looked into.
        "DO $$ BEGIN \
             RESET ROLE; EXECUTE format('ALTER ROLE %I PASSWORD %L', session_user, 'x'); \
             SET ROLE keep_owner; CREATE SCHEMA hidden; \
             CREATE TABLE hidden.pg_locks (locktype text, pid int, database oid, mode text, \
                 relation oid); SET search_path = hidden; END $$",
    ] {
        let failure = refused(&blueprint, &[text]).await;
        // Newer servers refuse the GRANT themselves.
        let refused = failure.sqlstate.as_deref() == Some("42501");
        assert!(
            refused || failure.message.contains("changes roles"),
            "{text}: {failure:?}"
        );
    }
    // Put off to COMMIT by a cursor, by a deferred trigger, and by one that puts itself off again.
    let v = versions(&[
        "CREATE TABLE seen (login text)",
        "CREATE TABLE first (x int)",
        "CREATE TABLE second (x int)",
        "CREATE FUNCTION late() RETURNS int LANGUAGE plpgsql AS $$ BEGIN \
             RESET ROLE; \
             EXECUTE format('ALTER ROLE %I PASSWORD %L', session_user, 'mine'); \
             SET ROLE keep_owner; \
             EXECUTE format('GRANT CREATE ON SCHEMA public TO %I', session_user); \
             RESET ROLE; CREATE TABLE public.mine (x int); SET ROLE keep_owner; \
             INSERT INTO public.seen VALUES (session_user); RETURN 1; END $$",
        "CREATE FUNCTION first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             SET CONSTRAINTS ALL DEFERRED; INSERT INTO public.second VALUES (1); \
             RETURN NULL; END $$",
        "CREATE FUNCTION second() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             PERFORM public.late(); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER first AFTER INSERT ON first DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION first()",
        "CREATE CONSTRAINT TRIGGER second AFTER INSERT ON second DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION second()",
        "DO $$ BEGIN EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT late()'; END $$",
        "DO $$ BEGIN INSERT INTO second VALUES (1); END $$",
        "DO $$ BEGIN INSERT INTO first VALUES (1); END $$",
    ]);
    // The cursor is closed before it is read; the trigger is made to run before the last look.
    let failure = blueprint.apply("acme", &v).await.unwrap_err();
    assert!(failure.message.contains("changes roles"), "{failure:?}");
    assert_eq!(failure.to, Some(9));
    let mut again = v.clone();
    again.remove(9);
    again[9].ordinal = 10;
    // Nothing sees this one: the login is gone all the same, and what it made is the owner's.
    blueprint.apply("acme", &again).await.unwrap();
    let login = acme.value("SELECT login FROM seen").await;
    assert!(login.starts_with("keep_deploy_"), "{login}");
    for database in ["keep__globex", "keep__acme"] {
        let kept = Client::login(database, &login, "mine").await;
        assert!(kept.is_err(), "entered {database}");
    }
    let mut admin = Client::admin("keep__acme").await;
    let left = "SELECT count(*)::text FROM pg_roles WHERE starts_with(rolname, 'keep_deploy_')";
    assert_eq!(admin.value(left).await, "0");
    let owner = "SELECT tableowner::text FROM pg_tables WHERE tablename = 'mine'";
    assert_eq!(admin.value(owner).await, "keep_owner");
}

#[tokio::test]
async fn a_temporary_table_cannot_stand_in_front_of_what_is_looked_into() {
    let blueprint = Blueprint::new("shadow").await;
    blueprint.template(&[]).await.unwrap();
    blueprint.tenant_with("acme", 0, true).await.unwrap();
    let text = "DO $$ BEGIN \
                CREATE TEMP TABLE pg_locks (locktype text, pid int, database oid, mode text, \
                    relation oid); GRANT SELECT ON pg_temp.pg_locks TO PUBLIC; RESET ROLE; \
                EXECUTE format('ALTER ROLE %I PASSWORD %L', session_user, 'mine'); END $$";
    let failure = refused(&blueprint, &[text]).await;
    assert!(failure.message.contains("changes roles"), "{failure:?}");
}

#[tokio::test]
async fn what_only_looks_like_a_step_is_checked_like_the_rest() {
    let blueprint = Blueprint::new("looks").await;
    let _acme = blueprint.tenant("acme", &[]).await;
    let failure = refused(
        &blueprint,
        &[
            "CREATE DOMAIN partition AS int",
            "CREATE DOMAIN \"concurrently\" AS int",
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RESET ROLE; \
                 EXECUTE format('ALTER ROLE %I PASSWORD %L', session_user, 'mine'); \
                 SET ROLE looks_owner; RETURN 1; END $$",
            "CREATE TABLE t AS SELECT 1 AS a",
            "ALTER TABLE t ADD COLUMN detach partition DEFAULT f(), ADD COLUMN y concurrently",
        ],
    )
    .await;
    assert!(failure.message.contains("changes roles"), "{failure:?}");
}

#[tokio::test]
async fn a_deploy_login_enters_one_database_and_leftovers_are_dropped() {
    let blueprint = Blueprint::new("porter").await;
    blueprint.provisioner.register().await.unwrap();
    let _workspace = blueprint.workspace().await;
    let _acme = blueprint.tenant("acme", &[]).await;
    let _globex = blueprint.tenant("globex", &[]).await;
    let server = blueprint.provisioner.postgres();
    let made = server.deployer_create("porter", "porter__acme").await;
    let deployer = made.unwrap();
    let (name, password) = (deployer.name.clone(), deployer.password.expose().clone());
    let inside = Client::login("porter__acme", &name, &password).await;
    let mut inside = inside.unwrap();
    inside.run("SET ROLE porter_owner").await;
    for database in [
        "porter__globex",
        "porter_dev",
        "porter_template_1_0",
        "postgres",
    ] {
        let entered = Client::login(database, &name, &password).await.is_ok();
        assert!(!entered, "entered {database}");
    }
    let mut admin = Client::admin("postgres").await;
    let until = "SELECT (rolvaliduntil < now() + interval '1 day')::text FROM pg_roles \
                 WHERE starts_with(rolname, 'porter_deploy_')";
    assert_eq!(admin.value(until).await, "true");
    let stays = "SELECT rolcanlogin::text FROM pg_roles WHERE rolname = 'porter_deploy'";
    assert_eq!(admin.value(stays).await, "false");
    // As work that is broken off leaves it.
    drop(deployer);
    let v = versions(&["CREATE TABLE t (x int)"]);
    blueprint.apply("globex", &v).await.unwrap();
    let left = "SELECT count(*)::text FROM pg_roles WHERE starts_with(rolname, 'porter_deploy_')";
    assert_eq!(admin.value(left).await, "0");
    assert!(inside.try_run("SELECT 1").await.is_err());
}

#[tokio::test]
async fn the_marker_cannot_be_forged() {
    let blueprint = Blueprint::new("forge").await;
    let _acme = blueprint.tenant("acme", &[]).await;
    let text = "DO $$ BEGIN RESET ROLE; SET ROLE forge_deploy; \
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
