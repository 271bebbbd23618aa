//! What confirmations say, what a probe can find out, and the demand for an online change.

use super::*;

#[test]
fn conditions_are_seen_where_the_grammar_has_them() {
    for text in [
        "CREATE TABLE IF NOT EXISTS a (b INT)",
        "CREATE OR REPLACE VIEW a AS SELECT 1",
        "CREATE OR REPLACE DEFINER=a@b PROCEDURE IF NOT EXISTS p() SELECT 1",
        "DROP TABLE IF EXISTS a",
        "/*!50003 DROP PROCEDURE IF EXISTS `p` */",
        "DROP INDEX IF EXISTS a ON b",
        "CREATE DATABASE IF NOT EXISTS a",
        "ALTER TABLE IF EXISTS a ADD b INT",
        "ALTER TABLE a ADD COLUMN IF NOT EXISTS b INT",
        "ALTER TABLE a ADD c INT, DROP FOREIGN KEY IF EXISTS b",
        "RENAME TABLE IF EXISTS a TO b",
        "CREATE USER IF NOT EXISTS a",
        "SET STATEMENT a = 1 FOR DROP TABLE IF EXISTS b",
    ] {
        assert!(is_conditional(text), "{text}");
    }
    for text in [
        "CREATE TABLE a (b INT)",
        "CREATE TABLE `IF` (b INT DEFAULT (IF(EXISTS(SELECT 1), 1, 2)))",
        "CREATE PROCEDURE p() DROP TABLE IF EXISTS a",
        "CREATE VIEW a AS SELECT IF(1, 2, 3)",
        "ALTER TABLE a ADD b INT COMMENT 'if not exists'",
        "ALTER TABLE a ADD b INT DEFAULT (IF(NOT EXISTS(SELECT 1), 1, 2))",
        "INSERT INTO a SELECT IF(EXISTS(SELECT 1), 1, 2)",
    ] {
        assert!(!is_conditional(text), "{text}");
    }
}

#[test]
fn a_probe_tells_of_one_object_without_rows() {
    for text in [
        "CREATE TABLE a (b INT, c INT DEFAULT 1)",
        "CREATE TABLE a LIKE b",
        "CREATE TABLE a (b INT) PARTITION BY RANGE (b) (PARTITION p VALUES LESS THAN (1))",
        "CREATE TABLE a (`select` INT, b INT GENERATED ALWAYS AS (`select` + 1))",
        "ALTER TABLE a ADD b INT, DROP c",
        "ALTER TABLE a RENAME TO b",
        "ALTER TABLE a DROP PARTITION p",
        "DROP TABLE IF EXISTS a",
        "DROP TABLE `a,b`",
        "RENAME TABLE a TO b",
        "CREATE INDEX a ON b (c, d)",
        "CREATE VIEW v AS SELECT a, b FROM c",
        "CREATE PROCEDURE p() BEGIN INSERT INTO a SELECT * FROM b; END",
        "/*!50003 CREATE*/ /*!50020 DEFINER=`a`@`b`*/ /*!50003 FUNCTION f() RETURNS INT \
         RETURN 1 */",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET @a = 1, @b = 2",
        "ALTER DATABASE a CHARACTER SET utf8mb4",
        "CREATE SEQUENCE s",
        "SET STATEMENT a = 1, b = 2 FOR DROP TABLE a",
    ] {
        assert!(is_crash_safe(text), "{text}");
    }
    for text in [
        "CREATE TABLE a SELECT 1",
        "CREATE TABLE a AS WITH x AS (SELECT 1) SELECT * FROM x",
        "CREATE TABLE a (b INT) (SELECT 1 AS b)",
        "CREATE TABLE a (b INT) IGNORE AS SELECT 1",
        "CREATE TABLE a TABLE b",
        "CREATE TABLE a VALUES ROW(1)",
        "DROP TABLE a, b",
        "DROP VIEW a, b",
        "RENAME TABLE a TO b, c TO d",
        "ALTER TABLE a EXCHANGE PARTITION p WITH TABLE b",
        "ALTER TABLE a TRUNCATE PARTITION p",
        "ALTER TABLE a DISCARD TABLESPACE",
        "ALTER TABLE a CONVERT PARTITION p TO TABLE b",
        "ALTER TABLE a FORCE",
        "ALTER SEQUENCE s RESTART 5",
        "CREATE TEMPORARY TABLE a (b INT)",
        "INSERT INTO a VALUES (1)",
        "TRUNCATE TABLE a",
        "CALL p()",
        "CREATE USER a",
        "CREATE DATABASE a",
        "BEGIN NOT ATOMIC DROP TABLE a; END",
        "",
    ] {
        assert!(!is_crash_safe(text), "{text}");
    }
}

#[test]
fn demands_stand_where_the_grammar_takes_them() {
    for (text, instant, inplace) in [
        (
            "ALTER TABLE a ADD b INT",
            Some("ALTER TABLE a ADD b INT, ALGORITHM=INSTANT"),
            Some("ALTER TABLE a ADD b INT, ALGORITHM=INPLACE, LOCK=NONE"),
        ),
        (
            "/*!50001 ALTER TABLE a ADD `partition` INT -- x\n */;",
            Some("/*!50001 ALTER TABLE a ADD `partition` INT, ALGORITHM=INSTANT -- x\n */;"),
            Some(
                "/*!50001 ALTER TABLE a ADD `partition` INT, ALGORITHM=INPLACE, LOCK=NONE \
                 -- x\n */;",
            ),
        ),
        (
            "ALTER TABLE a ADD algorithm INT, ENGINE=InnoDB COMMENT='algorithm=copy'",
            Some(
                "ALTER TABLE a ADD algorithm INT, ENGINE=InnoDB COMMENT='algorithm=copy', \
                 ALGORITHM=INSTANT",
            ),
            Some(
                "ALTER TABLE a ADD algorithm INT, ENGINE=InnoDB COMMENT='algorithm=copy', \
                 ALGORITHM=INPLACE, LOCK=NONE",
            ),
        ),
        (
            "CREATE INDEX i ON a (b)",
            None,
            Some("CREATE INDEX i ON a (b) ALGORITHM=INPLACE LOCK=NONE"),
        ),
        (
            "CREATE UNIQUE INDEX i ON a (b) COMMENT 'x' # y",
            None,
            Some("CREATE UNIQUE INDEX i ON a (b) COMMENT 'x' ALGORITHM=INPLACE LOCK=NONE # y"),
        ),
        (
            "DROP INDEX i ON a;",
            None,
            Some("ALTER TABLE a DROP INDEX i, ALGORITHM=INPLACE, LOCK=NONE;"),
        ),
        (
            "/* x */ drop index IF EXISTS `i` on a . `b` -- y",
            None,
            Some(
                "/* x */ ALTER TABLE a . `b` drop index IF EXISTS `i`, \
                 ALGORITHM=INPLACE, LOCK=NONE -- y",
            ),
        ),
    ] {
        assert_eq!(with_online(text, Online::Instant).as_deref(), instant);
        assert_eq!(with_online(text, Online::Inplace).as_deref(), inplace);
    }
    for text in [
        "ALTER TABLE a",
        "ALTER TABLE a ADD b INT, ALGORITHM=COPY",
        "ALTER TABLE a ADD b INT, ALGORITHM DEFAULT",
        "ALTER TABLE a ADD b INT, LOCK = SHARED",
        "ALTER TABLE a LOCK=NONE, ADD b INT",
        "ALTER ONLINE TABLE a ADD b INT",
        "ALTER TABLE a ADD PARTITION (PARTITION p VALUES LESS THAN (1))",
        "ALTER TABLE a PARTITION BY HASH (b) PARTITIONS 4",
        "ALTER TABLE a REMOVE PARTITIONING",
        "ALTER TABLE a ADD b INT PARTITION BY KEY (b)",
        "ALTER TABLE a ORDER BY b",
        "ALTER TABLE a DISCARD TABLESPACE",
        "CREATE INDEX i ON a (b) LOCK=NONE",
        "DROP INDEX i ON a ALGORITHM=COPY",
        "DROP INDEX i ON a WAIT 1",
        "/*!50001 DROP INDEX i ON a */",
        "SET STATEMENT a = 1 FOR DROP INDEX i ON a",
        "ALTER TABLE a ADD b INT; DROP TABLE a",
        "CREATE TABLE a (b INT)",
        "DROP TABLE a",
        "SELECT 1",
        "",
    ] {
        assert_eq!(with_online(text, Online::Instant), None, "{text}");
        assert_eq!(with_online(text, Online::Inplace), None, "{text}");
    }
}
