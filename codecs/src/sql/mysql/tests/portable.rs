//! Statements as they read in another database.

use super::*;

fn ported(text: &str) -> String {
    portable(text, "myapp_dev", "myapp__acme", Mode::default())
}

#[test]
fn definers_are_taken_out_of_heads() {
    for (text, wanted) in [
        (
            "CREATE DEFINER=`root`@`localhost` PROCEDURE p() SELECT 1",
            "CREATE PROCEDURE p() SELECT 1",
        ),
        (
            "CREATE OR REPLACE ALGORITHM=UNDEFINED DEFINER = 'a'@'%' SQL SECURITY DEFINER VIEW v \
             AS SELECT 1",
            "CREATE OR REPLACE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW v AS SELECT 1",
        ),
        (
            "create definer = a @b.example trigger t before insert on x for each row set @a = 1",
            "create trigger t before insert on x for each row set @a = 1",
        ),
        (
            "CREATE DEFINER=current_user() EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        ),
        (
            "CREATE DEFINER=CURRENT_USER FUNCTION f() RETURNS INT RETURN 1",
            "CREATE FUNCTION f() RETURNS INT RETURN 1",
        ),
        (
            "CREATE DEFINER=CURRENT_ROLE VIEW v AS SELECT 1",
            "CREATE VIEW v AS SELECT 1",
        ),
        (
            "CREATE DEFINER=some_role VIEW v AS SELECT 1",
            "CREATE VIEW v AS SELECT 1",
        ),
        (
            "ALTER DEFINER=`a`@`b` EVENT e DISABLE",
            "ALTER EVENT e DISABLE",
        ),
        (
            "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER t BEFORE \
             INSERT ON a FOR EACH ROW SET @definer = 1 */",
            "/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER t BEFORE \
             INSERT ON a FOR EACH ROW SET @definer = 1 */",
        ),
        (
            "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`a`@`%` SQL SECURITY \
             DEFINER */\n/*!50001 VIEW `v` AS select 1 AS `1` */",
            "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 SQL SECURITY \
             DEFINER */\n/*!50001 VIEW `v` AS select 1 AS `1` */",
        ),
        (
            "SET STATEMENT sql_mode = '' FOR CREATE DEFINER=a PROCEDURE p() SELECT 1",
            "SET STATEMENT sql_mode = '' FOR CREATE PROCEDURE p() SELECT 1",
        ),
    ] {
        assert_eq!(ported(text), wanted);
    }
    for text in [
        "CREATE TABLE t (definer INT, b INT COMMENT 'DEFINER=a@b')",
        "CREATE PROCEDURE p() SELECT definer=a FROM t",
        "CREATE VIEW v AS SELECT definer = `a` FROM t",
        "SELECT DEFINER=`a`@`b` FROM information_schema.views",
        "CREATE PROCEDURE p() SQL SECURITY DEFINER SELECT 1",
    ] {
        assert_eq!(ported(text), text);
    }
}

#[test]
fn the_workspace_is_taken_out_wherever_it_qualifies() {
    for (text, wanted) in [
        ("CREATE TABLE myapp_dev.a (b INT)", "CREATE TABLE a (b INT)"),
        (
            "CREATE TABLE `myapp_dev`.`a` (b INT)",
            "CREATE TABLE `a` (b INT)",
        ),
        (
            "CREATE TABLE MyApp_Dev . `a` (b INT)",
            "CREATE TABLE `a` (b INT)",
        ),
        (
            "CREATE TABLE myapp_dev /* x */ . a (b INT)",
            "CREATE TABLE /* x */ a (b INT)",
        ),
        (
            "ALTER TABLE myapp_dev.a ADD FOREIGN KEY (b) REFERENCES `myapp_dev`.c (d)",
            "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c (d)",
        ),
        (
            "CREATE VIEW myapp_dev.v AS SELECT `myapp_dev`.`t`.`a`, myapp_dev.f(b) \
             FROM myapp_dev.t",
            "CREATE VIEW v AS SELECT `t`.`a`, f(b) FROM t",
        ),
        (
            "CREATE TRIGGER myapp_dev.t BEFORE INSERT ON myapp_dev.a FOR EACH ROW BEGIN \
             INSERT INTO myapp_dev.log SELECT 'myapp_dev.a' /* myapp_dev.a */; END",
            "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN \
             INSERT INTO log SELECT 'myapp_dev.a' /* myapp_dev.a */; END",
        ),
        (
            "DROP TABLE myapp_dev.a, other.b, myapp_dev.c",
            "DROP TABLE a, other.b, c",
        ),
        (
            "RENAME TABLE myapp_dev.a TO myapp_dev.b",
            "RENAME TABLE a TO b",
        ),
        (
            "/*!50001 CREATE TABLE myapp_dev.*//*!50001 a (b INT)*/",
            "/*!50001 CREATE TABLE *//*!50001 a (b INT)*/",
        ),
        // Every word is a name behind a dot.
        (
            "CREATE TABLE myapp_dev.order (a INT)",
            "CREATE TABLE `order` (a INT)",
        ),
        (
            "CREATE TABLE myapp_dev.1e5 (a INT)",
            "CREATE TABLE `1e5` (a INT)",
        ),
        (
            "CREATE TABLE myapp_dev.7 (a INT)",
            "CREATE TABLE `7` (a INT)",
        ),
        (
            "CREATE TABLE myapp_dev.7a (a INT)",
            "CREATE TABLE 7a (a INT)",
        ),
        // Words do not grow together.
        ("SELECT 1 FROM`myapp_dev`.a", "SELECT 1 FROM a"),
        ("SELECT 1 FROM`myapp_dev`.`a`", "SELECT 1 FROM `a`"),
        ("DELETE myapp_dev.t.* FROM myapp_dev.t", "DELETE t.* FROM t"),
    ] {
        assert_eq!(ported(text), wanted);
    }
    for text in [
        "SELECT 'myapp_dev.a', \"myapp_dev.a\", N'myapp_dev.a'",
        "SELECT 1 -- myapp_dev.a\n/* `myapp_dev`.a */ # myapp_dev.a",
        "SELECT @myapp_dev.a, @@myapp_dev.key_buffer_size",
        "SELECT other.myapp_dev.a FROM other.myapp_dev",
        "SELECT myapp_dev, `myapp_dev` FROM myapp_dev1.a, `myapp_dev `.a",
        "GRANT SELECT ON myapp_dev.* TO a",
        "CREATE USER a@myapp_dev.example",
        "SELECT myapp_dev",
        "SELECT myapp_dev.",
        "/*!99999 myapp_dev.a */ SELECT 1",
    ] {
        assert_eq!(ported(text), text);
    }
    let ansi = |text| portable(text, "myapp_dev", "x", ANSI);
    assert_eq!(ansi(r#"DROP TABLE "myapp_dev"."a""#), r#"DROP TABLE "a""#);
    let odd = |text| portable(text, "odd`name", "x", Mode::default());
    assert_eq!(odd("DROP TABLE `odd``name`.a"), "DROP TABLE a");
}

#[test]
fn the_database_itself_is_named_anew() {
    for (text, wanted) in [
        (
            "ALTER DATABASE myapp_dev CHARACTER SET utf8mb4",
            "ALTER DATABASE myapp__acme CHARACTER SET utf8mb4",
        ),
        (
            "ALTER SCHEMA `myapp_dev` COLLATE utf8mb4_bin",
            "ALTER SCHEMA `myapp__acme` COLLATE utf8mb4_bin",
        ),
        (
            "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `myapp_dev` \
             /*!40100 CHARACTER SET utf8mb4 */",
            "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `myapp__acme` \
             /*!40100 CHARACTER SET utf8mb4 */",
        ),
        (
            "ALTER DATABASE CHARACTER SET utf8mb4",
            "ALTER DATABASE CHARACTER SET utf8mb4",
        ),
        (
            "ALTER DATABASE other COLLATE utf8mb4_bin",
            "ALTER DATABASE other COLLATE utf8mb4_bin",
        ),
    ] {
        assert_eq!(ported(text), wanted);
    }
    let text = "ALTER DATABASE myapp_dev COLLATE utf8mb4_bin";
    assert_eq!(
        portable(text, "myapp_dev", "a-b", Mode::default()),
        "ALTER DATABASE `a-b` COLLATE utf8mb4_bin"
    );
}
