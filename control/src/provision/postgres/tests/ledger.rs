use tenantsdb_codecs::feed::capture::{Capture, CapturedStatement};

use super::server::{Blueprint, Client};
use crate::blueprint::Origin;

/// `insufficient_privilege`.
const DENIED: &str = "42501";

fn capture(pid: i32, statements: &[(&str, &str)]) -> Capture {
    Capture {
        id: format!("{pid}:1"),
        database: "x_dev".to_owned(),
        pid: pid.into(),
        user: "ann".to_owned(),
        application_name: "psql".to_owned(),
        statements: statements
            .iter()
            .map(|(text, tag)| CapturedStatement {
                text: (*text).to_owned(),
                tag: (*tag).to_owned(),
                ..CapturedStatement::default()
            })
            .collect(),
        context: None,
    }
}

#[tokio::test]
async fn what_failed_or_was_rolled_back_is_not_there() {
    let blueprint = Blueprint::new("undone").await;
    let mut dev = blueprint.workspace().await;
    assert_eq!(dev.refused("CREATE TABLE a (x nonsense)").await, "42704");
    dev.run("BEGIN").await;
    dev.run("CREATE TABLE b (x int)").await;
    dev.run("ROLLBACK").await;
    dev.run("BEGIN; CREATE TABLE c (x int)").await;
    dev.run("SAVEPOINT s").await;
    dev.run("CREATE TABLE d (x int)").await;
    dev.run("ROLLBACK TO s").await;
    dev.run("CREATE TABLE d (y int)").await;
    dev.run("COMMIT").await;
    assert_eq!(
        blueprint.sealed(&[]).await,
        [["CREATE TABLE c (x int)", "CREATE TABLE d (y int)"]]
    );
    assert!(blueprint.sealed(&[]).await.is_empty());
}

#[tokio::test]
async fn statements_of_one_query_are_told_apart() {
    let blueprint = Blueprint::new("several").await;
    let mut dev = blueprint.workspace().await;
    dev.run("CREATE TABLE a (x int); CREATE TABLE b (x int); INSERT INTO a VALUES (1);")
        .await;
    dev.run("ALTER TABLE a ADD COLUMN y int; ALTER TABLE a ADD COLUMN z int")
        .await;
    dev.run("BEGIN; CREATE TABLE c (x int); COMMIT; CREATE TABLE d (x int)")
        .await;
    dev.run("BEGIN; ALTER TABLE d ADD e int; COMMIT; BEGIN; ALTER TABLE d ADD f int; COMMIT")
        .await;
    dev.run(
        "BEGIN; SAVEPOINT s; CREATE TABLE e (x int); ROLLBACK TO s; CREATE TABLE e (y int); COMMIT",
    )
    .await;
    assert_eq!(
        blueprint.sealed(&[]).await,
        vec![
            vec!["CREATE TABLE a (x int)", "CREATE TABLE b (x int)"],
            vec![
                "ALTER TABLE a ADD COLUMN y int",
                "ALTER TABLE a ADD COLUMN z int"
            ],
            vec!["CREATE TABLE c (x int)"],
            vec!["CREATE TABLE d (x int)"],
            vec!["ALTER TABLE d ADD e int"],
            vec!["ALTER TABLE d ADD f int"],
            vec!["CREATE TABLE e (y int)"],
        ]
    );
}

#[tokio::test]
async fn every_way_to_run_ddl_is_seen() {
    let blueprint = Blueprint::new("ways").await;
    let mut dev = blueprint.workspace().await;
    dev.run_extended("CREATE TABLE a (id serial PRIMARY KEY, x int UNIQUE)")
        .await;
    dev.run("DO $$ BEGIN CREATE TABLE b (x int); CREATE INDEX ON b (x); END $$")
        .await;
    dev.run("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'CREATE TABLE g (x int)'")
        .await;
    dev.run("SELECT f()").await;
    dev.run("CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN CREATE TABLE h (x int); END'")
        .await;
    dev.run("CALL p()").await;
    dev.run("CREATE TABLE i AS SELECT 1 AS x").await;
    dev.run("SELECT x INTO j FROM i").await;
    dev.run("CREATE MATERIALIZED VIEW k AS SELECT * FROM i")
        .await;
    dev.run("CREATE INDEX CONCURRENTLY l ON b (x)").await;
    dev.run("DROP INDEX CONCURRENTLY l").await;
    dev.run("CREATE SCHEMA m CREATE TABLE n (x int) CREATE VIEW o AS SELECT x FROM n")
        .await;
    dev.run("CREATE EXTENSION citext").await;
    dev.run("COMMENT ON TABLE a IS 'it''s'").await;
    dev.run("ALTER TABLE a DROP COLUMN x").await;
    dev.run("DROP TABLE h, g").await;
    let sets = blueprint.seal(&[]).await;
    assert!(
        sets.iter().all(|set| set.statements.len() == 1),
        "{sets:#?}"
    );
    let texts: Vec<&str> = sets
        .iter()
        .map(|set| set.statements[0].ddl.as_str())
        .collect();
    assert_eq!(
        texts,
        [
            "CREATE TABLE a (id serial PRIMARY KEY, x int UNIQUE)",
            "DO $$ BEGIN CREATE TABLE b (x int); CREATE INDEX ON b (x); END $$",
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'CREATE TABLE g (x int)'",
            "SELECT f()",
            "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN CREATE TABLE h (x int); END'",
            "CALL p()",
            "CREATE TABLE i AS SELECT 1 AS x",
            "SELECT x INTO j FROM i",
            "CREATE MATERIALIZED VIEW k AS SELECT * FROM i",
            "CREATE INDEX CONCURRENTLY l ON b (x)",
            "DROP INDEX CONCURRENTLY l",
            "CREATE SCHEMA m CREATE TABLE n (x int) CREATE VIEW o AS SELECT x FROM n",
            "CREATE EXTENSION citext",
            "COMMENT ON TABLE a IS 'it''s'",
            "ALTER TABLE a DROP COLUMN x",
            "DROP TABLE h, g",
        ]
    );
}

#[tokio::test]
async fn no_name_makes_ddl_pass_for_temporary() {
    let blueprint = Blueprint::new("names").await;
    let mut dev = blueprint.workspace().await;
    let texts = [
        "CREATE TABLE \"a on pg_temp\" (x int)",
        "CREATE TRIGGER \"x on pg_temp\" AFTER INSERT ON \"a on pg_temp\" FOR EACH ROW \
             EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "DROP TRIGGER \"x on pg_temp\" ON \"a on pg_temp\"",
        "CREATE RULE r AS ON DELETE TO \"a on pg_temp\" DO INSTEAD NOTHING",
        "DROP TABLE \"a on pg_temp\"",
    ];
    for text in texts {
        dev.run(text).await;
    }
    let sets = blueprint.sealed(&[]).await;
    assert_eq!(sets.concat(), texts);
    dev.run("CREATE TEMP TABLE t (x int)").await;
    for text in [
        "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW \
             EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "DROP TRIGGER g ON t",
        "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING",
        "DROP RULE r ON t",
        "CREATE POLICY p ON t",
        "DROP POLICY p ON t",
    ] {
        dev.run(text).await;
    }
    assert!(blueprint.sealed(&[]).await.is_empty());
}

#[tokio::test]
async fn what_is_no_schema_change_leaves_no_row() {
    let blueprint = Blueprint::new("nothing").await;
    let mut dev = blueprint.workspace().await;
    dev.run("CREATE TABLE a (x int)").await;
    blueprint.sealed(&[]).await;
    for sql in [
        "CREATE TABLE IF NOT EXISTS a (x int)",
        "DROP TABLE IF EXISTS nothing",
        "CREATE TEMP TABLE t (id serial PRIMARY KEY, x int)",
        "CREATE INDEX ON t (x)",
        "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW \
         EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "COMMENT ON COLUMN t.x IS 'x'",
        "CREATE TEMP VIEW v AS SELECT x FROM t",
        "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP TRIGGER g ON t",
        "DROP TABLE t CASCADE",
        "INSERT INTO a VALUES (1)",
        "TRUNCATE a",
        "ANALYZE a",
    ] {
        dev.run(sql).await;
    }
    let left = blueprint.sealed(&[]).await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn the_wire_gives_words_and_attribution() {
    let blueprint = Blueprint::new("words").await;
    let mut dev = blueprint.workspace().await;
    let pid = dev.pid().await;
    dev.run("CREATE SCHEMA audit; SET search_path = audit, public")
        .await;
    dev.run("CREATE TABLE IF NOT EXISTS log (x int); CREATE TABLE log2 AS SELECT 1 AS y")
        .await;
    let captures = [
        capture(
            pid,
            &[
                ("CREATE SCHEMA audit", "CREATE SCHEMA"),
                ("SET search_path = audit, public", "SET"),
            ],
        ),
        capture(
            pid,
            &[
                ("CREATE TABLE IF NOT EXISTS log (x int)", "CREATE TABLE"),
                ("CREATE TABLE log2 AS SELECT 1 AS y", "SELECT 1"),
            ],
        ),
    ];
    let sets = blueprint.seal(&captures).await;
    assert_eq!(sets.len(), 2, "{sets:#?}");
    let second = &sets[1].statements;
    assert_eq!(second[0].ddl, "CREATE TABLE IF NOT EXISTS log (x int)");
    assert_eq!(second[1].ddl, "CREATE TABLE log2 AS SELECT 1 AS y");
    for statement in second {
        assert_eq!(statement.search_path, "audit, public");
        assert_eq!(statement.origin, Origin::Wire);
        assert_eq!(
            (statement.user.as_str(), statement.application_name.as_str()),
            ("ann", "psql")
        );
    }
}

#[tokio::test]
async fn two_sessions_commit_in_their_own_order() {
    let blueprint = Blueprint::new("order").await;
    let mut first = blueprint.workspace().await;
    let mut second = Client::login("order_dev", "order_dev", super::server::PASSWORD)
        .await
        .unwrap();
    first.run("BEGIN; CREATE TABLE early (x int)").await;
    second.run("CREATE TABLE quick (x int)").await;
    // Not committed, so not there; and not lost because later ids were seen.
    assert_eq!(
        blueprint.sealed(&[]).await,
        [["CREATE TABLE quick (x int)"]]
    );
    first.run("CREATE TABLE late (x int); COMMIT").await;
    assert_eq!(
        blueprint.sealed(&[]).await,
        [["CREATE TABLE early (x int)", "CREATE TABLE late (x int)"]]
    );
}

#[tokio::test]
async fn history_tables_and_privileges_are_kept_out_of_deployments() {
    let blueprint = Blueprint::new("apart").await;
    let mut dev = blueprint.workspace().await;
    dev.run("CREATE TABLE schema_migrations (version serial PRIMARY KEY)")
        .await;
    dev.run("CREATE INDEX ON schema_migrations (version)").await;
    dev.run("ALTER TABLE schema_migrations ADD COLUMN at timestamptz")
        .await;
    dev.run("BEGIN; CREATE TABLE a (x int); COMMENT ON TABLE schema_migrations IS 'x'; COMMIT")
        .await;
    dev.run("GRANT SELECT ON a TO PUBLIC").await;
    let sets = blueprint.seal(&[]).await;
    let kept: Vec<Vec<(&str, bool)>> = sets
        .iter()
        .map(|set| {
            set.statements
                .iter()
                .map(|s| (s.ddl.as_str(), s.deploy))
                .collect()
        })
        .collect();
    assert_eq!(
        kept,
        [
            vec![],
            vec![],
            vec![],
            vec![("CREATE TABLE a (x int)", true)],
            vec![("GRANT SELECT ON a TO PUBLIC", false)],
        ]
    );
}

#[tokio::test]
async fn the_ledger_cannot_be_written_turned_off_or_called() {
    let blueprint = Blueprint::new("safe").await;
    let mut dev = blueprint.workspace().await;
    dev.run("CREATE TABLE t (x int)").await;
    for sql in [
        "INSERT INTO tenantsdb.ledger (xid, firing, dropped, pid, tag, object_type, identity, \
            search_path, role, login, application_name, at) \
            VALUES (pg_current_xact_id(), 1, false, 1, '', '', '', '', '', '', '', now())",
        "UPDATE tenantsdb.ledger SET sealed = true",
        "DELETE FROM tenantsdb.ledger",
        "TRUNCATE tenantsdb.ledger",
        "DO $$ BEGIN LOCK TABLE tenantsdb.ledger IN ROW EXCLUSIVE MODE; END $$",
        "SELECT * FROM tenantsdb.ledger FOR UPDATE",
        "ALTER TABLE tenantsdb.ledger DISABLE TRIGGER ALL",
        "DROP TABLE tenantsdb.ledger",
        "SELECT nextval('tenantsdb.firing')",
        "SELECT tenantsdb.record(1, false, 'x', 'x', 'x', 'x')",
        "SET session_replication_role = replica",
        "DROP FUNCTION tenantsdb.on_ddl()",
        "CREATE TABLE tenantsdb.mine (x int)",
        "CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION tenantsdb.on_ddl()",
        "ALTER EVENT TRIGGER tenantsdb_ddl DISABLE",
        "DROP EVENT TRIGGER tenantsdb_ddl",
    ] {
        for role in ["safe_owner", "none"] {
            dev.run(&format!("SET ROLE {role}")).await;
            let code = dev.refused(sql).await;
            // ALTER and DROP EVENT TRIGGER hide behind ownership, which is the same code.
            assert_eq!(code, DENIED, "{sql} as {role}");
        }
    }
    for sql in ["SELECT tenantsdb.on_ddl()", "SELECT tenantsdb.on_drop()"] {
        assert!(
            ["0A000", DENIED].contains(&dev.refused(sql).await.as_str()),
            "{sql}"
        );
    }
    assert_eq!(blueprint.sealed(&[]).await, [["CREATE TABLE t (x int)"]]);
}

#[tokio::test]
async fn a_callers_own_operators_and_settings_do_not_run_as_the_administrator() {
    let blueprint = Blueprint::new("trap").await;
    let mut dev = blueprint.workspace().await;
    dev.run("CREATE SCHEMA evil; CREATE TABLE evil.seen (who text)")
        .await;
    dev.run(
        "CREATE FUNCTION evil.spy(text, text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO evil.seen VALUES (current_user); RETURN true; END $$; \
         CREATE FUNCTION evil.spy(int, int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO evil.seen VALUES (current_user); RETURN true; END $$; \
         CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.spy); \
         CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.spy); \
         CREATE OPERATOR evil.> (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.spy); \
         CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.spy); \
         CREATE FUNCTION evil.current_query() RETURNS text LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO evil.seen VALUES (current_user); RETURN 'forged'; END $$; \
         CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO evil.seen VALUES (current_user); RETURN 'forged'; END $$",
    )
    .await;
    blueprint.sealed(&[]).await;
    dev.run("SET search_path = evil, pg_catalog, public").await;
    dev.run("SET quote_all_identifiers = on; SET standard_conforming_strings = off")
        .await;
    dev.run("CREATE TABLE public.after (x int)").await;
    dev.run("DROP TABLE public.after").await;
    assert_eq!(
        dev.value("SELECT pg_catalog.count(*)::pg_catalog.text FROM evil.seen")
            .await,
        "0"
    );
    assert_eq!(
        blueprint.sealed(&[]).await,
        [
            ["CREATE TABLE public.after (x int)"],
            ["DROP TABLE public.after"]
        ]
    );
}

#[tokio::test]
async fn a_long_message_is_stored_once() {
    let blueprint = Blueprint::new("long").await;
    let mut dev = blueprint.workspace().await;
    let many: Vec<String> = (0..50)
        .map(|n| format!("CREATE TABLE t{n} (id serial PRIMARY KEY)"))
        .collect();
    dev.run(&many.join("; ")).await;
    let mut admin = Client::admin("long_dev").await;
    let stored = "SELECT count(query)::text FROM tenantsdb.ledger";
    assert_eq!(admin.value(stored).await, "1");
    let sets = blueprint.sealed(&[]).await;
    assert_eq!(sets, [many]);
}
