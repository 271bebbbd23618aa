use proptest::prelude::*;

use super::*;

#[test]
fn semicolons_end_statements() {
    assert_eq!(split(""), [""; 0]);
    assert_eq!(split(" ;; \n;\t; "), [""; 0]);
    assert_eq!(split("-- only\n/* comments */ ;"), [""; 0]);
    assert_eq!(split("SELECT 1"), ["SELECT 1"]);
    assert_eq!(split("SELECT 1;;SELECT 2; "), ["SELECT 1", "SELECT 2"]);
    assert_eq!(split("SELECT 1 -- done;\n"), ["SELECT 1"]);
    assert_eq!(
        split("/* a; */ SELECT /* b; */ 1 /* c; */; -- d\nSELECT 2 --"),
        ["SELECT /* b; */ 1", "SELECT 2"]
    );
}

/// Each is one statement to the server: PostgreSQL 15 takes it in a Parse, which takes no more
/// than one, up to names that it does not know.
const WHOLE: &[&str] = &[
    "SELECT ';', 'it''s;', ''';'",
    r"SELECT '\', ';'",
    r"SELECT E'\';\\', ';'",
    r"SELECT e'a\'' 
      -- not the end: '
      ';b\';'",
    "SELECT 'a'\n';b'",
    r"SELECT B'01', X'ff', N'\', ';', nchar ';'",
    r#"SELECT U&'\0061;''' AS U&"d;""\0061", U&'\'';' UESCAPE '!'"#,
    "SELECT 1 AS \"a;\"\"b;\"",
    "SELECT $$;$$, $a$;$$;$b$;$a$, $_é1$;$_é1$",
    "SELECT $1, a$b$;",
    "SELECT 1 /* ; /* ; */ ; */",
    "SELECT 1 +/* ; */ 2 --;\n",
    "SELECT é FROM ñ",
    "CREATE RULE r AS ON INSERT TO a DO ALSO (INSERT INTO b VALUES (1); DELETE FROM c;)",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
    "create or replace procedure p() begin /* ; */ atomic end",
    "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC
       SELECT CASE WHEN a = 1 THEN CASE a WHEN 2 THEN 3 END ELSE (CASE WHEN true THEN 4 END) END;
       SELECT t.end, 1 AS end, 2 AS case, t.case, 3 end FROM t;
     END",
    "CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $f$ BEGIN; RETURN $$;$$; END; $f$",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1; SELECT 2;'",
    "SELECT 1 AS atomic, begin FROM (SELECT 2 AS begin) t",
    "SELECT begin atomic FROM (SELECT 2 AS begin) t",
    "SELECT f(1, (2), (';'))",
];

#[test]
fn semicolons_inside_something_do_not() {
    for statement in WHOLE {
        let trimmed = statement.trim_end_matches("--;\n").trim_end();
        let trimmed = trimmed.trim_end_matches(" /* ; /* ; */ ; */");
        let trimmed = trimmed.strip_suffix(';').unwrap_or(trimmed);
        assert_eq!(split(statement), [trimmed]);
        let twice = format!("{statement}\n;{statement}\n; SELECT 3");
        assert_eq!(split(&twice), [trimmed, trimmed, "SELECT 3"]);
    }
}

#[test]
fn begin_outside_of_a_routine_is_a_transaction() {
    assert_eq!(
        split("BEGIN; CREATE TABLE atomic (a int); END; SELECT 1"),
        ["BEGIN", "CREATE TABLE atomic (a int)", "END", "SELECT 1"]
    );
    assert_eq!(
        split("CREATE FUNCTION f() RETURNS int RETURN 1; BEGIN; END"),
        ["CREATE FUNCTION f() RETURNS int RETURN 1", "BEGIN", "END"]
    );
}

#[test]
fn what_is_unterminated_ends_with_the_text() {
    for statement in [
        "SELECT ';",
        "SELECT E';\\",
        "SELECT \";",
        "SELECT $a$;$a",
        "SELECT (;",
        "SELECT $",
        "SELECT U&",
        "SELECT U&'",
        "SELECT 'a'\n",
        "SELECT e'a'\n--",
    ] {
        assert_eq!(
            split(statement),
            [statement.trim_end_matches("--").trim_end()]
        );
    }
    assert_eq!(split("SELECT 1 /* ; /* */"), ["SELECT 1"]);
    assert_eq!(split(")); SELECT 1"), ["))", "SELECT 1"]);
}

#[test]
fn tags_are_those_of_the_server() {
    for (statement, tag) in [
        ("create table a (b int)", "CREATE TABLE"),
        (
            "CREATE UNLOGGED TABLE IF NOT EXISTS a (b int)",
            "CREATE TABLE",
        ),
        (
            "CREATE TEMP TABLE a (b int GENERATED ALWAYS AS (1) STORED)",
            "CREATE TABLE",
        ),
        ("CREATE TABLE a AS SELECT 1", "CREATE TABLE AS"),
        ("CREATE TABLE a (b) AS VALUES (1)", "CREATE TABLE AS"),
        ("SELECT 1 INTO a", "SELECT INTO"),
        ("WITH x AS (SELECT 1) SELECT * INTO a FROM x", "SELECT INTO"),
        ("SELECT 1 AS into, t.into FROM t", "SELECT"),
        (
            "WITH x AS (SELECT 1) INSERT INTO a SELECT * FROM x",
            "INSERT",
        ),
        (
            "WITH RECURSIVE x AS (SELECT 1) UPDATE a SET b = 1",
            "UPDATE",
        ),
        ("(SELECT 1) UNION SELECT 2", "SELECT"),
        ("VALUES (1)", "SELECT"),
        ("TABLE a", "SELECT"),
        (
            "CREATE UNIQUE INDEX CONCURRENTLY i ON a (b)",
            "CREATE INDEX",
        ),
        (
            "CREATE OR REPLACE FUNCTION f() RETURNS int RETURN 1",
            "CREATE FUNCTION",
        ),
        (
            "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC END",
            "CREATE PROCEDURE",
        ),
        ("DROP ROUTINE f", "DROP ROUTINE"),
        (
            "CREATE MATERIALIZED VIEW v AS SELECT 1",
            "CREATE MATERIALIZED VIEW",
        ),
        (
            "CREATE OR REPLACE RECURSIVE VIEW v (a) AS SELECT 1",
            "CREATE VIEW",
        ),
        (
            "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f()",
            "CREATE TRIGGER",
        ),
        (
            "CREATE EVENT TRIGGER t ON sql_drop EXECUTE FUNCTION f()",
            "CREATE EVENT TRIGGER",
        ),
        (
            "CREATE DEFAULT CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM f",
            "CREATE CONVERSION",
        ),
        (
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO a",
            "ALTER DEFAULT PRIVILEGES",
        ),
        (
            "CREATE OPERATOR CLASS c FOR TYPE int USING btree AS STORAGE int",
            "CREATE OPERATOR CLASS",
        ),
        ("CREATE OPERATOR === (leftarg = int)", "CREATE OPERATOR"),
        (
            "ALTER TEXT SEARCH CONFIGURATION c ADD MAPPING FOR word WITH d",
            "ALTER TEXT SEARCH CONFIGURATION",
        ),
        ("CREATE TRUSTED PROCEDURAL LANGUAGE l", "CREATE LANGUAGE"),
        ("DROP PROCEDURAL LANGUAGE l", "DROP LANGUAGE"),
        ("ALTER PROCEDURAL LANGUAGE l RENAME TO m", "ALTER LANGUAGE"),
        ("CREATE USER a", "CREATE ROLE"),
        ("DROP GROUP a", "DROP ROLE"),
        ("CREATE USER MAPPING FOR a SERVER s", "CREATE USER MAPPING"),
        ("CREATE TABLESPACE t LOCATION '/x'", "CREATE TABLESPACE"),
        ("COMMENT ON TABLE a IS 'x'", "COMMENT"),
        ("GRANT SELECT ON a TO b", "GRANT"),
        ("GRANT a TO b", "GRANT ROLE"),
        ("REVOKE a FROM b", "REVOKE ROLE"),
        ("TRUNCATE a", "TRUNCATE TABLE"),
        ("END", "COMMIT"),
        ("ABORT", "ROLLBACK"),
        ("START TRANSACTION READ ONLY", "START TRANSACTION"),
        ("SET CONSTRAINTS ALL DEFERRED", "SET CONSTRAINTS"),
        ("SET LOCAL search_path TO a", "SET"),
        ("DEALLOCATE PREPARE ALL", "DEALLOCATE ALL"),
        ("DECLARE c CURSOR FOR SELECT 1", "DECLARE CURSOR"),
        ("DO $$ BEGIN END $$", "DO"),
        ("/* x */ CREATE /* y */ TABLE a (b int)", "CREATE TABLE"),
        ("", ""),
        ("FROB a", ""),
        ("CREATE", ""),
        ("CREATE FROB a", ""),
        ("\"CREATE\" TABLE", ""),
    ] {
        assert_eq!(command_tag(statement), tag, "{statement}");
    }
}

#[test]
fn effects_are_told_apart() {
    use Control::*;
    for (statement, effect_expected) in [
        ("", Effect::Reads),
        ("SELECT f()", Effect::Reads),
        ("INSERT INTO a SELECT 1", Effect::Reads),
        ("COPY a FROM STDIN", Effect::Reads),
        ("TRUNCATE a", Effect::Reads),
        ("SET search_path TO a", Effect::Reads),
        ("PREPARE p AS SELECT 1", Effect::Reads),
        ("SELECT 1 INTO a", Effect::Schema),
        ("CREATE TABLE a AS EXECUTE p", Effect::Schema),
        ("ALTER TABLE a ADD COLUMN b int", Effect::Schema),
        ("ALTER TABLE a RENAME owner TO b", Effect::Schema),
        ("ALTER TABLE a RENAME COLUMN owner TO b", Effect::Schema),
        ("ALTER TABLE a ADD COLUMN c int, OWNER TO b", Effect::Schema),
        ("COMMENT ON TABLE a IS 'b'", Effect::Schema),
        ("REFRESH MATERIALIZED VIEW v", Effect::Schema),
        ("CREATE SCHEMA s AUTHORIZATION b", Effect::Schema),
        ("DROP OWNED BY a", Effect::Opaque),
        ("ALTER TABLE a OWNER TO b", Effect::Privilege),
        (
            "ALTER FUNCTION f(int, text) OWNER TO CURRENT_USER",
            Effect::Privilege,
        ),
        ("REASSIGN OWNED BY a TO b", Effect::Privilege),
        ("GRANT ALL ON a TO b", Effect::Privilege),
        (
            "ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM a",
            Effect::Privilege,
        ),
        ("ALTER USER a PASSWORD 'b'", Effect::Privilege),
        ("DO $$ BEGIN END $$", Effect::Opaque),
        ("CALL p()", Effect::Opaque),
        ("EXPLAIN ANALYZE CREATE TABLE a AS SELECT 1", Effect::Opaque),
        ("EXECUTE p", Effect::Opaque),
        ("COMMIT PREPARED 'x'", Effect::Opaque),
        ("FROB", Effect::Opaque),
        (
            "BEGIN ISOLATION LEVEL SERIALIZABLE",
            Effect::Transaction(Begin),
        ),
        ("START TRANSACTION", Effect::Transaction(Begin)),
        ("COMMIT AND CHAIN", Effect::Transaction(Commit)),
        ("END WORK", Effect::Transaction(Commit)),
        ("ROLLBACK", Effect::Transaction(Rollback)),
        (
            "ROLLBACK TRANSACTION AND NO CHAIN",
            Effect::Transaction(Rollback),
        ),
        ("PREPARE TRANSACTION 'x'", Effect::Transaction(Prepare)),
        ("SAVEPOINT Sp", Effect::Transaction(Savepoint("sp".into()))),
        (
            "SAVEPOINT \"S\"\"p\"",
            Effect::Transaction(Savepoint("S\"p".into())),
        ),
        (
            "ROLLBACK TO sp",
            Effect::Transaction(RollbackTo("sp".into())),
        ),
        (
            "ROLLBACK WORK TO SAVEPOINT sp",
            Effect::Transaction(RollbackTo("sp".into())),
        ),
        (
            "ROLLBACK TO savepoint",
            Effect::Transaction(RollbackTo("savepoint".into())),
        ),
        ("RELEASE sp", Effect::Transaction(Release("sp".into()))),
        (
            "RELEASE SAVEPOINT SAVEPOINT",
            Effect::Transaction(Release("savepoint".into())),
        ),
    ] {
        assert_eq!(effect(statement), effect_expected, "{statement}");
    }
}

#[test]
fn what_cannot_be_in_a_transaction_runs_alone() {
    for statement in [
        "CREATE INDEX CONCURRENTLY ON a (b)",
        "create unique index concurrently i on a (b)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY a",
        "REINDEX (VERBOSE, CONCURRENTLY) TABLE a",
        "REINDEX (CONCURRENTLY true) INDEX i",
        "REINDEX SCHEMA s",
        "REINDEX (VERBOSE) DATABASE d",
        "VACUUM FULL a",
        "CLUSTER",
        "CLUSTER VERBOSE",
        "ALTER TABLE a DETACH PARTITION b CONCURRENTLY",
        "alter table if exists only s.\"A\" detach partition p.b concurrently -- now",
        "CREATE DATABASE d",
        "ALTER DATABASE d SET TABLESPACE t",
        "ALTER SYSTEM SET work_mem = 1",
        "DISCARD ALL",
    ] {
        assert!(runs_alone(statement), "{statement}");
    }
    for statement in [
        "CREATE INDEX i ON a (b)",
        "CREATE INDEX \"concurrently\" ON a (b)",
        "DROP INDEX i",
        "REINDEX TABLE a",
        "REINDEX (CONCURRENTLY false) TABLE a",
        "CLUSTER a USING i",
        "CLUSTER a",
        "ALTER TABLE a DETACH PARTITION b",
        "ALTER TABLE a DETACH PARTITION b FINALIZE",
        "ALTER TABLE a ADD COLUMN detach partition DEFAULT f(), ADD COLUMN y concurrently",
        "ALTER TABLE detach DETACH PARTITION b, ADD COLUMN y concurrently",
        "ALTER TABLE a ADD x int, DETACH PARTITION b CONCURRENTLY",
        "ALTER TABLE a DETACH PARTITION b.",
        "CREATE INDEX i ON a (index concurrently)",
        "ALTER TYPE t ADD VALUE 'x'",
        "ALTER DATABASE d SET work_mem = 1",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
        "ANALYZE",
    ] {
        assert!(!runs_alone(statement), "{statement}");
    }
}

#[test]
fn an_index_has_the_name_that_its_statement_gives() {
    for (statement, name) in [
        ("CREATE INDEX One ON a (b)", Some("one")),
        (
            "create unique index concurrently if not exists \"On\" on a (b)",
            Some("On"),
        ),
        ("CREATE INDEX CONCURRENTLY ON a (b)", None),
        ("CREATE INDEX ON a (b)", None),
        ("DROP INDEX one", None),
        ("CREATE INDEX", None),
    ] {
        assert_eq!(index_name(statement).as_deref(), name, "{statement}");
    }
}

#[test]
fn names_are_found_as_identifiers() {
    let statement =
        "ALTER TABLE Public.Users ADD COLUMN \"Phone\"\"No\" text DEFAULT 'orders' -- accounts";
    for name in ["users", "public", "Phone\"No", "text"] {
        assert!(mentions(statement, name), "{name}");
    }
    for name in ["Users", "phone\"no", "orders", "accounts", "user", ""] {
        assert!(!mentions(statement, name), "{name}");
    }
    let long = "x".repeat(70);
    assert!(mentions(&format!("DROP TABLE {long}"), &"x".repeat(63)));
    assert!(mentions(
        &format!("DROP TABLE \"{}é\"", "x".repeat(62)),
        &"x".repeat(62)
    ));
}

fn survivors_of(statements: &[(&str, &str)]) -> Vec<usize> {
    survivors(statements)
}

#[test]
fn a_transaction_survives_by_its_commit() {
    let begin = ("BEGIN", "BEGIN");
    let a = ("CREATE TABLE a ()", "CREATE TABLE");
    let b = ("CREATE TABLE b ()", "CREATE TABLE");
    assert_eq!(survivors_of(&[a, b]), [0, 1]);
    assert_eq!(survivors_of(&[begin, a, b, ("COMMIT", "COMMIT")]), [1, 2]);
    assert_eq!(survivors_of(&[begin, a, ("ROLLBACK", "ROLLBACK"), b]), [3]);
    // A failed transaction cannot commit, whatever the client says.
    assert_eq!(survivors_of(&[begin, a, ("COMMIT", "ROLLBACK")]), [0; 0]);
    assert_eq!(
        survivors_of(&[begin, a, ("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION")]),
        [0; 0]
    );
    // Without BEGIN, statements of one Query are one transaction all the same.
    assert_eq!(survivors_of(&[a, ("ROLLBACK", "ROLLBACK"), b]), [2]);
    assert_eq!(
        survivors_of(&[a, begin, b, ("ROLLBACK", "ROLLBACK")]),
        [0; 0]
    );
    assert_eq!(
        survivors_of(&[
            begin,
            a,
            ("COMMIT AND CHAIN", "COMMIT"),
            b,
            ("ROLLBACK", "ROLLBACK")
        ]),
        [1]
    );
}

#[test]
fn savepoints_take_back_what_is_behind_them() {
    let begin = ("BEGIN", "BEGIN");
    let commit = ("COMMIT", "COMMIT");
    let ddl = ("CREATE TABLE a ()", "CREATE TABLE");
    let s = ("SAVEPOINT s", "SAVEPOINT");
    let t = ("SAVEPOINT t", "SAVEPOINT");
    let to_s = ("ROLLBACK TO S", "ROLLBACK");
    let to_t = ("ROLLBACK TO t", "ROLLBACK");
    let release = ("RELEASE s", "RELEASE");
    assert_eq!(
        survivors_of(&[begin, ddl, s, ddl, to_s, ddl, commit]),
        [1, 5]
    );
    assert_eq!(survivors_of(&[begin, s, ddl, release, ddl, commit]), [2, 4]);
    assert_eq!(
        survivors_of(&[begin, s, ddl, t, ddl, to_s, ddl, to_s, commit]),
        [0; 0]
    );
    assert_eq!(survivors_of(&[begin, s, ddl, t, ddl, to_t, commit]), [2]);
    // The inner one of two with the same name hides the outer.
    assert_eq!(survivors_of(&[begin, s, ddl, s, ddl, to_s, commit]), [2]);
    assert_eq!(
        survivors_of(&[begin, s, ddl, s, ddl, release, to_s, commit]),
        [0; 0]
    );
}

proptest! {
    #[test]
    fn split_pieces_stand_in_the_text_in_order_and_split_to_themselves(
        text in "([a-z;'\"$(){}\\\\ \n*/é-]|BEGIN ATOMIC|CREATE FUNCTION |END|CASE|\
                 e'|U&\"|\\$a\\$|--|/\\*|\\*/){0,40}",
    ) {
        let mut rest = text.as_str();
        for piece in split(&text) {
            let at = rest.find(piece).expect("a piece of the text");
            rest = &rest[at + piece.len()..];
            prop_assert!(!piece.is_empty());
            prop_assert_eq!(piece.trim_start(), piece);
            prop_assert_eq!(split(piece), [piece]);
        }
    }

    #[test]
    fn statements_that_are_joined_are_split_again(
        picks in proptest::collection::vec(0..WHOLE.len(), 0..8),
    ) {
        let whole: Vec<&str> = picks.iter().map(|pick| split(WHOLE[*pick])[0]).collect();
        let text = whole.iter().map(|piece| format!("{piece}\n;")).collect::<String>();
        prop_assert_eq!(split(&text), whole);
    }

    #[test]
    fn no_text_makes_a_classifier_panic(text in ".{0,200}") {
        let _ = (effect(&text), runs_alone(&text), command_tag(&text), mentions(&text, "a"));
        let _ = survivors(&[(text.as_str(), "COMMIT"), ("ROLLBACK TO a", "ROLLBACK")]);
    }
}
