//! Commands, and what they may change.

use super::*;

#[test]
fn effects_follow_from_the_command() {
    for (text, tag_of_it, effect_of_it) in CASES {
        assert_eq!(tag(text), *tag_of_it, "{text}");
        assert_eq!(effect(text, Mode::default()), *effect_of_it, "{text}");
        assert_eq!(
            effect_of_text(text, Mode::default()),
            *effect_of_it,
            "{text}"
        );
        let commented = format!("/* a; */ /*!40101 {text} */ -- b;");
        assert_eq!(tag(&commented), *tag_of_it, "{commented}");
    }
}

use Effect::{Opaque, Privilege, Reads, Schema};

const CASES: &[(&str, &str, Effect)] = &[
    // Data
    ("SELECT 1", "SELECT", Reads),
    ("select f(1) into @a", "SELECT", Reads),
    ("(SELECT 1) UNION (SELECT 2)", "SELECT", Reads),
    ("((TABLE a))", "SELECT", Reads),
    ("VALUES ROW(1)", "SELECT", Reads),
    ("WITH x AS (SELECT 1) DELETE FROM a", "WITH", Reads),
    ("INSERT INTO a SELECT * FROM b", "INSERT", Reads),
    ("REPLACE INTO a VALUES (1)", "REPLACE", Reads),
    ("UPDATE a SET b = 1", "UPDATE", Reads),
    ("DELETE FROM a", "DELETE", Reads),
    (
        "/*!40000 ALTER TABLE `a` DISABLE KEYS */",
        "ALTER TABLE",
        Reads,
    ),
    ("ALTER TABLE s.a ENABLE KEYS", "ALTER TABLE", Reads),
    (
        "ALTER TABLE a DISABLE KEYS, DROP COLUMN b",
        "ALTER TABLE",
        Schema,
    ),
    ("TRUNCATE TABLE a", "TRUNCATE TABLE", Reads),
    ("TRUNCATE a", "TRUNCATE TABLE", Reads),
    ("LOAD DATA LOCAL INFILE 'x' INTO TABLE a", "LOAD", Reads),
    ("HANDLER a OPEN", "HANDLER", Reads),
    ("DO RELEASE_LOCK('knex')", "DO", Reads),
    // Sessions and transactions
    ("BEGIN", "BEGIN", Reads),
    ("BEGIN WORK", "BEGIN", Reads),
    ("START TRANSACTION READ ONLY", "START TRANSACTION", Reads),
    ("COMMIT AND CHAIN", "COMMIT", Reads),
    ("ROLLBACK TO SAVEPOINT a", "ROLLBACK", Reads),
    ("SAVEPOINT a", "SAVEPOINT", Reads),
    ("RELEASE SAVEPOINT a", "RELEASE SAVEPOINT", Reads),
    ("XA START 'a'", "XA", Reads),
    ("SET NAMES utf8mb4", "SET", Reads),
    ("SET @a = 1, @@global.b = 2", "SET", Reads),
    ("SET TRANSACTION READ ONLY", "SET", Reads),
    ("SET ROLE a", "SET ROLE", Reads),
    ("USE a", "USE", Reads),
    ("LOCK TABLES a WRITE", "LOCK", Reads),
    ("UNLOCK TABLES", "UNLOCK", Reads),
    ("KILL 1", "KILL", Reads),
    ("PREPARE s FROM 'DROP TABLE a'", "PREPARE", Reads),
    ("DEALLOCATE PREPARE s", "DEALLOCATE PREPARE", Reads),
    ("DROP PREPARE s", "DROP PREPARE", Reads),
    ("GET DIAGNOSTICS @a = NUMBER", "GET DIAGNOSTICS", Reads),
    ("SIGNAL SQLSTATE '45000'", "SIGNAL", Reads),
    // Questions and maintenance
    ("SHOW CREATE TABLE a", "SHOW", Reads),
    ("EXPLAIN SELECT 1", "EXPLAIN", Reads),
    ("DESC a", "EXPLAIN", Reads),
    ("ANALYZE TABLE a", "ANALYZE", Reads),
    ("ANALYZE FORMAT=JSON SELECT 1", "ANALYZE", Reads),
    ("CHECK TABLE a", "CHECK TABLE", Reads),
    ("CHECKSUM TABLE a", "CHECKSUM TABLE", Reads),
    ("OPTIMIZE TABLE a", "OPTIMIZE TABLE", Reads),
    ("REPAIR TABLE a", "REPAIR TABLE", Reads),
    ("CACHE INDEX a IN b", "CACHE INDEX", Reads),
    ("FLUSH TABLES WITH READ LOCK", "FLUSH", Reads),
    ("HELP 'a'", "HELP", Reads),
    // Temporary tables
    (
        "CREATE TEMPORARY TABLE a (b INT)",
        "CREATE TEMPORARY TABLE",
        Reads,
    ),
    (
        "CREATE OR REPLACE TEMPORARY TABLE a SELECT 1",
        "CREATE TEMPORARY TABLE",
        Reads,
    ),
    (
        "DROP TEMPORARY TABLE IF EXISTS a",
        "DROP TEMPORARY TABLE",
        Reads,
    ),
    (
        "CREATE TEMPORARY SEQUENCE a",
        "CREATE TEMPORARY SEQUENCE",
        Reads,
    ),
    // The schema
    ("CREATE TABLE a (b INT)", "CREATE TABLE", Schema),
    (
        "create table if not exists `a` (b int)",
        "CREATE TABLE",
        Schema,
    ),
    ("CREATE OR REPLACE TABLE a LIKE b", "CREATE TABLE", Schema),
    ("CREATE TABLE a SELECT 1", "CREATE TABLE", Schema),
    ("ALTER TABLE a ADD b INT", "ALTER TABLE", Schema),
    (
        "ALTER ONLINE IGNORE TABLE a ADD b INT",
        "ALTER TABLE",
        Schema,
    ),
    ("DROP TABLE a", "DROP TABLE", Schema),
    ("DROP TABLES a, b", "DROP TABLE", Schema),
    ("RENAME TABLE a TO b", "RENAME TABLE", Schema),
    ("RENAME TABLES a TO b, c TO d", "RENAME TABLE", Schema),
    ("CREATE INDEX a ON b (c)", "CREATE INDEX", Schema),
    ("CREATE UNIQUE INDEX a ON b (c)", "CREATE INDEX", Schema),
    ("CREATE FULLTEXT INDEX a ON b (c)", "CREATE INDEX", Schema),
    ("CREATE SPATIAL INDEX a ON b (c)", "CREATE INDEX", Schema),
    ("CREATE VECTOR INDEX a ON b (c)", "CREATE INDEX", Schema),
    ("DROP INDEX a ON b", "DROP INDEX", Schema),
    ("CREATE VIEW a AS SELECT 1", "CREATE VIEW", Schema),
    (
        "CREATE OR REPLACE ALGORITHM=MERGE DEFINER='a'@'%' SQL SECURITY INVOKER VIEW a AS SELECT 1",
        "CREATE VIEW",
        Schema,
    ),
    (
        "ALTER ALGORITHM MERGE VIEW a AS SELECT 1",
        "ALTER VIEW",
        Schema,
    ),
    (
        "CREATE OR REPLACE JSON RELATIONAL DUALITY VIEW a AS SELECT 1",
        "CREATE VIEW",
        Schema,
    ),
    ("DROP VIEW a", "DROP VIEW", Schema),
    (
        "CREATE DEFINER=CURRENT_USER TRIGGER a BEFORE INSERT ON b FOR EACH ROW SET @a = 1",
        "CREATE TRIGGER",
        Schema,
    ),
    ("DROP TRIGGER IF EXISTS a", "DROP TRIGGER", Schema),
    (
        "CREATE DEFINER=a@localhost PROCEDURE a() SELECT 1",
        "CREATE PROCEDURE",
        Schema,
    ),
    (
        "CREATE DEFINER = table@'%' FUNCTION a() RETURNS INT RETURN 1",
        "CREATE FUNCTION",
        Schema,
    ),
    (
        "CREATE AGGREGATE FUNCTION a(b INT) RETURNS INT BEGIN RETURN 1; END",
        "CREATE FUNCTION",
        Schema,
    ),
    ("ALTER PROCEDURE a COMMENT 'b'", "ALTER PROCEDURE", Schema),
    ("DROP FUNCTION a", "DROP FUNCTION", Schema),
    (
        "CREATE DEFINER=`a`@`b` EVENT c ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        "CREATE EVENT",
        Schema,
    ),
    ("ALTER DEFINER=a EVENT b DISABLE", "ALTER EVENT", Schema),
    ("DROP EVENT a", "DROP EVENT", Schema),
    ("CREATE SEQUENCE a", "CREATE SEQUENCE", Schema),
    (
        "ALTER SEQUENCE IF EXISTS a RESTART",
        "ALTER SEQUENCE",
        Schema,
    ),
    ("CREATE PACKAGE a AS END", "CREATE PACKAGE", Schema),
    (
        "CREATE OR REPLACE PACKAGE BODY a AS END",
        "CREATE PACKAGE BODY",
        Schema,
    ),
    (
        "CREATE LIBRARY a LANGUAGE JAVASCRIPT AS $$ x $$",
        "CREATE LIBRARY",
        Schema,
    ),
    (
        "ALTER DATABASE a CHARACTER SET utf8mb4",
        "ALTER DATABASE",
        Schema,
    ),
    ("ALTER SCHEMA COLLATE utf8mb4_bin", "ALTER DATABASE", Schema),
    (
        "SET STATEMENT sql_mode = '' FOR CREATE TABLE a (b INT)",
        "CREATE TABLE",
        Schema,
    ),
    (
        "SET STATEMENT a = (SELECT 1 FOR UPDATE), b = 'for' FOR SET STATEMENT c = 1 \
         FOR DROP VIEW v",
        "DROP VIEW",
        Schema,
    ),
    // The server, accounts and privileges
    ("CREATE DATABASE a", "CREATE DATABASE", Privilege),
    ("DROP SCHEMA IF EXISTS a", "DROP DATABASE", Privilege),
    ("GRANT ALL ON *.* TO a", "GRANT", Privilege),
    ("REVOKE a FROM b", "REVOKE", Privilege),
    ("CREATE USER IF NOT EXISTS a", "CREATE USER", Privilege),
    ("ALTER USER a ACCOUNT LOCK", "ALTER USER", Privilege),
    ("RENAME USER a TO b", "RENAME USER", Privilege),
    ("DROP ROLE a", "DROP ROLE", Privilege),
    ("SET PASSWORD = 'a'", "SET PASSWORD", Privilege),
    ("SET @a = 1, PASSWORD = 'a'", "SET", Privilege),
    ("SET DEFAULT ROLE a TO b", "SET DEFAULT ROLE", Privilege),
    (
        "CREATE SERVER a FOREIGN DATA WRAPPER b OPTIONS (HOST 'c')",
        "CREATE SERVER",
        Privilege,
    ),
    (
        "CREATE UNDO TABLESPACE a ADD DATAFILE 'b'",
        "CREATE TABLESPACE",
        Privilege,
    ),
    (
        "ALTER INSTANCE ROTATE INNODB MASTER KEY",
        "ALTER INSTANCE",
        Privilege,
    ),
    (
        "CREATE LOGFILE GROUP a ADD UNDOFILE 'b'",
        "CREATE LOGFILE GROUP",
        Privilege,
    ),
    (
        "CREATE RESOURCE GROUP a TYPE = USER",
        "CREATE RESOURCE GROUP",
        Privilege,
    ),
    (
        "CREATE SPATIAL REFERENCE SYSTEM 1 NAME 'a'",
        "CREATE SPATIAL REFERENCE SYSTEM",
        Privilege,
    ),
    ("INSTALL SONAME 'a'", "INSTALL", Privilege),
    ("UNINSTALL PLUGIN a", "UNINSTALL", Privilege),
    (
        "CREATE FUNCTION a RETURNS STRING SONAME 'b.so'",
        "CREATE FUNCTION",
        Privilege,
    ),
    // What the text does not show
    ("CALL a()", "CALL", Opaque),
    ("EXECUTE s", "EXECUTE", Opaque),
    ("EXECUTE IMMEDIATE 'SELECT 1'", "EXECUTE IMMEDIATE", Opaque),
    ("SET STATEMENT a = 1 FOR EXECUTE s", "EXECUTE", Opaque),
    ("BEGIN NOT ATOMIC SELECT 1; END", "BEGIN NOT ATOMIC", Opaque),
    ("BEGIN SELECT 1; END", "", Opaque),
    ("IF 1 THEN SELECT 1; END IF", "", Opaque),
    ("BINLOG 'a'", "BINLOG", Opaque),
    ("IMPORT TABLE FROM 'a'", "IMPORT TABLE", Opaque),
    ("START REPLICA", "", Opaque),
    ("SET STATEMENT a = 1", "SET", Reads),
    ("CREATE SOMETHING a", "", Opaque),
    ("CREATE", "", Opaque),
    ("FROBNICATE a", "", Opaque),
    ("`SELECT` 1", "", Opaque),
    ("1", "", Opaque),
];

#[test]
fn the_strongest_effect_counts() {
    let of = |text| effect_of_text(text, Mode::default());
    assert_eq!(of(""), Reads);
    assert_eq!(of("-- a\n;"), Reads);
    assert_eq!(of("SELECT 1; GRANT a TO b; SELECT 2"), Privilege);
    assert_eq!(of("SELECT 1; GRANT a TO b; CREATE TABLE a (b INT)"), Schema);
    assert_eq!(of("CREATE TABLE a (b INT); CALL c(); SELECT 1"), Opaque);
    assert_eq!(of("INSERT INTO a VALUES ('; DROP TABLE a')"), Reads);
}

#[test]
fn what_the_server_may_read_otherwise_is_not_taken_for_reading() {
    let of = |text| effect_of_text(text, Mode::default());
    // MariaDB skips what is MySQL 8's, MySQL what is MariaDB's.
    assert_eq!(of("SELECT 1 /*!80000 ' */; DROP TABLE a /* ' */"), Schema);
    assert_eq!(of("SELECT 1 /*M! ' */; DROP TABLE a /* ' */"), Schema);
    assert_eq!(of("/*M! DROP TABLE a */"), Schema);
    assert_eq!(of("/*!80000 DROP TABLE a */"), Schema);
    assert_eq!(of("SELECT 1 /*! + ' */; DROP TABLE a /* ' */"), Reads);
    for text in [
        "SELECT 'a",
        "SELECT `a",
        "SELECT 1 /* a",
        "SELECT \"a; SELECT 1",
    ] {
        assert_eq!(of(text), Opaque, "{text}");
        assert_eq!(effect(text, Mode::default()), Opaque, "{text}");
    }
    assert_eq!(of("/*!999999 DROP TABLE a */"), Reads);
}

#[test]
fn the_mode_decides_what_is_a_string() {
    let text = r"SELECT '\'; DROP TABLE a; -- '";
    assert_eq!(effect_of_text(text, Mode::default()), Reads);
    assert_eq!(effect_of_text(text, NO_ESCAPES), Schema);
    let text = r#"SELECT "\"; DROP TABLE a; -- ""#;
    assert_eq!(effect_of_text(text, Mode::default()), Reads);
    assert_eq!(effect_of_text(text, ANSI), Schema);
}

/// What migration tools send around their DDL.
#[test]
fn migration_tools_read_but_for_their_ddl() {
    for (text, of_it) in [
        // Django
        ("SELECT @@SQL_AUTO_IS_NULL", Reads),
        (
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            Reads,
        ),
        ("SET foreign_key_checks=0", Reads),
        (
            "CREATE TABLE `django_content_type` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, \
             `name` varchar(100) NOT NULL, `app_label` varchar(100) NOT NULL)",
            Schema,
        ),
        (
            "ALTER TABLE `auth_permission` ADD CONSTRAINT \
             `auth_permission_content_type_id_codename_01ab375a_uniq` \
             UNIQUE (`content_type_id`, `codename`)",
            Schema,
        ),
        ("ALTER TABLE `a` MODIFY `name` varchar(100) NULL", Schema),
        ("CREATE INDEX `a_b_idx` ON `a` (`b`)", Schema),
        ("SHOW FULL TABLES", Reads),
        // knex
        (
            "create table `users` (`id` int unsigned not null auto_increment primary key)",
            Schema,
        ),
        (
            "alter table `users` add unique `users_email_unique`(`email`)",
            Schema,
        ),
        (
            "select * from information_schema.tables where table_schema = DATABASE()",
            Reads,
        ),
        ("BEGIN;", Reads),
        ("COMMIT;", Reads),
        // sequelize
        (
            "CREATE TABLE IF NOT EXISTS `Users` (`id` INTEGER auto_increment, PRIMARY KEY (`id`)) \
             ENGINE=InnoDB;",
            Schema,
        ),
        ("SHOW INDEX FROM `Users`", Reads),
        // Rails
        (
            "SET  @@SESSION.sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), @@x = 1",
            Reads,
        ),
        ("SELECT GET_LOCK('4165116015', 0)", Reads),
        // gh-ost, pt-online-schema-change
        ("RENAME TABLE `a` TO `_a_old`, `_a_new` TO `a`", Schema),
    ] {
        assert_eq!(effect_of_text(text, Mode::default()), of_it, "{text}");
    }
}
