//! Where statements end.

use super::*;

#[test]
fn semicolons_end_statements() {
    assert_eq!(pieces(""), [""; 0]);
    assert_eq!(pieces(" ;; \n;\t; "), [""; 0]);
    assert_eq!(pieces("-- only\n/* comments */ # x"), [""; 0]);
    assert_eq!(pieces("/*!50003 */;/*!99999 x; */"), [""; 0]);
    assert_eq!(pieces("SELECT 1"), ["SELECT 1"]);
    assert_eq!(pieces("SELECT 1;;SELECT 2; "), ["SELECT 1", "SELECT 2"]);
    assert_eq!(pieces("SELECT 1 -- done;\n"), ["SELECT 1"]);
    assert_eq!(
        pieces("/* a; */ SELECT /* b; */ 1 /* c; */; -- d\nSELECT 2 --"),
        ["SELECT /* b; */ 1", "SELECT 2"]
    );
}

/// Each is one statement to MariaDB 10.11 and MySQL 9.7, or to the one that knows such statements:
/// tried with CLIENT_MULTI_STATEMENTS and another one behind it.
const WHOLE: &[&str] = &[
    r#"SELECT ';', "it""s;", 'it''s;', '\';', "\";", `a;``b` FROM (SELECT 1 AS `a;``b`) t"#,
    r#"SELECT 1 /* ; /* ; */ + 1 # ;
       -- ;
       --	;
       --1"#,
    r#"SELECT N'\';', x'3b', b'1', _utf8mb4';' COLLATE utf8mb4_bin, 0x3b, .5, 1.e1, 1e1"#,
    r#"SELECT /*!40101 1 */ + /*!50001 2 ' */; ' */"#,
    r#"/*!40101 SET @a = ';' */"#,
    r#"/*M!100100 SET @a = ';' */"#,
    r#"SELECT 1 AS begin, 2 AS end, 3 `case`"#,
    r#"BEGIN"#,
    r#"BEGIN WORK"#,
    r#"CREATE PROCEDURE p() SELECT 1"#,
    r#"CREATE PROCEDURE p() BEGIN END"#,
    r#"CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END"#,
    r#"CREATE DEFINER=`root`@`localhost` PROCEDURE `p`(IN a INT, OUT `begin;` INT)
       COMMENT 'begin;' LANGUAGE SQL NOT DETERMINISTIC MODIFIES SQL DATA SQL SECURITY INVOKER
       BEGIN SET `begin;` = a; END"#,
    r#"CREATE DEFINER=CURRENT_USER() PROCEDURE p() outer_one: BEGIN
         inner_one: BEGIN SELECT 1; END inner_one;
       END outer_one"#,
    r#"create procedure p(a int)
       if a then select 1; elseif a = 2 then select 2; else select 3; end if"#,
    r#"CREATE PROCEDURE p(a INT) CASE a WHEN 1 THEN SELECT 1; WHEN 2 THEN BEGIN END;
       ELSE SELECT CASE WHEN a THEN 1 ELSE 2 END; SELECT 3; END CASE"#,
    r#"CREATE PROCEDURE p(a INT) CASE WHEN CASE a WHEN 1 THEN 2 END = 2 THEN SELECT 1;
       ELSE SELECT 2; END CASE"#,
    r#"CREATE PROCEDURE p() l: LOOP SELECT 1; LEAVE l; END LOOP l"#,
    r#"CREATE PROCEDURE p(a INT) WHILE a DO SET a = a - 1; DO IF(a, 1, 2); END WHILE"#,
    r#"CREATE PROCEDURE p(a INT) REPEAT SET a = a + 1; SELECT REPEAT('x', a);
       UNTIL a > CASE WHEN a THEN 1 END END REPEAT"#,
    r#"CREATE PROCEDURE p(a INT) BEGIN
         DECLARE done INT DEFAULT IF(a, 1, 2);
         DECLARE x CONDITION FOR SQLSTATE '42S02';
         DECLARE c CURSOR FOR SELECT CASE WHEN a THEN 1 END FROM t1;
         DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = IF(a, 1, 2);
         DECLARE EXIT HANDLER FOR SQLSTATE VALUE '42S01', 1062, SQLWARNING, x BEGIN
           GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT;
           ROLLBACK;
         END;
         DECLARE EXIT HANDLER FOR SQLEXCEPTION IF a THEN SELECT 1; END IF;
         OPEN c;
         r: LOOP
           FETCH c INTO done;
           IF done THEN LEAVE r; END IF;
           IF (a) THEN ITERATE r; ELSE IF a THEN SELECT 1; END IF; END IF;
         END LOOP;
         CLOSE c;
         DROP TEMPORARY TABLE IF EXISTS t9;
         CREATE TEMPORARY TABLE IF NOT EXISTS t9 (a INT);
         START TRANSACTION; COMMIT;
         INSERT INTO t1 (a) VALUES (IF(a, REPEAT('x', 2), REPLACE('x', 'y', 'z')));
         SELECT t.`end`, t.end, 1 AS end, 2 end FROM (SELECT 1 AS end) t;
         SELECT a INTO @end FROM t1 LIMIT 1;
         SET @case = 1, @if = 2;
       END"#,
    r#"CREATE FUNCTION f() RETURNS INT RETURN IF(1, 2, 3)"#,
    r#"CREATE FUNCTION f(a INT) RETURNS SET('a', 'b;') CHARSET utf8mb4 DETERMINISTIC
       IF a THEN RETURN 'a'; ELSE RETURN 'b;'; END IF"#,
    r#"CREATE FUNCTION f(a INT) RETURNS VARCHAR(9) CHARACTER SET utf8mb4 DETERMINISTIC
       CASE a WHEN 1 THEN RETURN 'a'; ELSE RETURN (SELECT CASE WHEN 1 THEN 2 END); END CASE"#,
    r#"CREATE FUNCTION `begin`() RETURNS INT DETERMINISTIC BEGIN RETURN 1; END"#,
    r#"CREATE TRIGGER t BEFORE INSERT ON t1 FOR EACH ROW SET NEW.a = IF(NEW.a, 1, 2)"#,
    r#"CREATE TRIGGER t BEFORE INSERT ON t1 FOR EACH ROW
       IF NEW.a THEN SET NEW.a = 1; END IF"#,
    r#"CREATE TRIGGER t AFTER UPDATE ON t1 FOR EACH ROW FOLLOWS t0 BEGIN
         INSERT INTO t1 VALUES (CASE WHEN OLD.a THEN 1 END); DELETE FROM t1; END"#,
    r#"/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER `t` BEFORE INSERT
       ON `t1` FOR EACH ROW BEGIN SET NEW.a = 1; /* it's ; */ SET @x = 2; END */"#,
    r#"/*!50106 CREATE*/ /*!50117 DEFINER=`root`@`localhost`*/ /*!50106 EVENT `e` ON SCHEDULE
       EVERY 1 DAY STARTS '2026-01-01 00:00:00' ON COMPLETION NOT PRESERVE ENABLE DO BEGIN
       DELETE FROM t1; DELETE FROM t1; END */"#,
    r#"CREATE EVENT e ON SCHEDULE EVERY 1 DAY COMMENT 'do begin;' DO DELETE FROM t1"#,
    r#"CREATE EVENT e ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL CASE WHEN 1 THEN 2 END DAY
       DO IF 1 THEN DELETE FROM t1; END IF"#,
    r#"ALTER EVENT e0 ON COMPLETION PRESERVE DO BEGIN SELECT 1; SELECT 2; END"#,
    r#"ALTER EVENT e0 RENAME TO e9"#,
    r#"CREATE VIEW v AS SELECT CASE WHEN 1 THEN 2 END AS `end`"#,
    // MariaDB
    r#"CREATE OR REPLACE PROCEDURE p() BEGIN NOT ATOMIC SELECT 1; END"#,
    r#"CREATE PROCEDURE IF NOT EXISTS p() FOR i IN 1..2 DO SELECT i; SELECT 2; END FOR"#,
    r#"CREATE PROCEDURE p() FOR r IN (SELECT a FROM t1) DO SELECT r.a; END FOR"#,
    r#"CREATE AGGREGATE FUNCTION f(x INT) RETURNS INT BEGIN
         DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN 1;
         LOOP FETCH GROUP NEXT ROW; END LOOP; END"#,
    r#"BEGIN NOT ATOMIC SET @a = 1; SET @b = 2; END"#,
    r#"IF @a THEN SET @a = 1; ELSE SET @a = 2; END IF"#,
    r#"WHILE @a < 0 DO SET @a = 1; END WHILE"#,
    r#"SET STATEMENT sql_mode = '' FOR CREATE PROCEDURE p() BEGIN SET @a = 1; END"#,
    r#"SET STATEMENT max_statement_time = (SELECT 1 FOR UPDATE) FOR BEGIN NOT ATOMIC
       SET @a = 1; END"#,
];

/// The same in MariaDB's Oracle mode.
const WHOLE_IN_ORACLE_MODE: &[&str] = &[
    r#"CREATE PROCEDURE p AS BEGIN SELECT 1; END"#,
    r#"CREATE PROCEDURE p(a INT) IS x INT; y INT DEFAULT 2; BEGIN
         x := IF(a, 1, 2);
         IF a = 1 THEN x := 3; ELSIF a = 2 THEN NULL; ELSE x := 4; END IF;
         <<again>> WHILE x < 9 LOOP x := x + 1; EXIT WHEN x > 8; END LOOP;
         FOR i IN 1..2 LOOP SELECT i; END LOOP;
         GOTO done;
         <<done>> SELECT 1;
       EXCEPTION WHEN OTHERS THEN SELECT 1; SELECT 2; END"#,
    r#"CREATE FUNCTION f(a INT) RETURN VARCHAR(9) DETERMINISTIC AS x INT; BEGIN RETURN a; END"#,
    r#"CREATE FUNCTION f RETURN INT IS BEGIN RETURN 1; END f"#,
    r#"CREATE TRIGGER t BEFORE INSERT ON t1 FOR EACH ROW DECLARE x INT; BEGIN :NEW.a := 1; END"#,
    r#"CREATE OR REPLACE PACKAGE pk AS PROCEDURE p1; FUNCTION f1(a INT) RETURN INT; END"#,
    r#"CREATE OR REPLACE PACKAGE BODY pk AS
         v INT := 1;
         PROCEDURE p0; 
         PROCEDURE p1 AS x INT; BEGIN x := 1; IF x THEN x := 2; END IF; END;
         FUNCTION f1(a INT) RETURN INT AS BEGIN RETURN CASE WHEN a THEN 1 END; END f1;
         PROCEDURE p0 AS BEGIN NULL; END;
       BEGIN v := 2; v := 3; END"#,
    r#"DECLARE x INT; BEGIN x := 1; x := 2; END"#,
    r#"BEGIN SET @a = 1; SET @b = 2; END"#,
];

#[test]
fn semicolons_inside_something_do_not() {
    let oracle = Mode::of_sql_mode("ORACLE");
    let cases = WHOLE.iter().map(|text| (text, Mode::default()));
    let of_oracle = WHOLE_IN_ORACLE_MODE.iter().map(|text| (text, oracle));
    for (statement, mode) in cases.chain(of_oracle) {
        assert_eq!(split(statement, mode), [*statement], "{statement}");
        let twice = format!("{statement}\n;{statement}\n; SELECT 3");
        assert_eq!(split(&twice, mode), [*statement, *statement, "SELECT 3"]);
    }
}

#[test]
fn javascript_is_one_piece() {
    let text = "CREATE FUNCTION f() RETURNS INT LANGUAGE JAVASCRIPT AS $js$ let a = `it's`; $js$";
    assert_eq!(pieces(&format!("{text}; SELECT 1")), [text, "SELECT 1"]);
    // MariaDB takes `$` for a letter.
    assert_eq!(
        pieces("SELECT 1 AS $$; CREATE TABLE a (b INT); SELECT 2 AS $$").len(),
        3
    );
}

#[test]
fn the_mode_says_what_quotes() {
    assert_eq!(split("SELECT \"`;\"", ANSI), ["SELECT \"`;\""]);
    assert_eq!(split(r#"SELECT "\"; SELECT 1"#, ANSI).len(), 2);
    assert_eq!(split(r#"SELECT "\"; SELECT 1"#, Mode::default()).len(), 1);
    assert_eq!(split(r"SELECT '\';'", NO_ESCAPES), [r"SELECT '\'", "'"]);
    assert_eq!(split(r"SELECT '\';'", Mode::default()), [r"SELECT '\';'"]);
}

#[test]
fn a_dump_is_split_as_the_client_does() {
    // What the `mysql` client sends of a dump: one statement at a time.
    let dump = "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n\
        /*M!100616 SET @OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY, NOTE_VERBOSITY=0 */;\n\
        /*M!999999\\- enable the sandbox mode */ \n\
        DROP TABLE IF EXISTS `a`;\n\
        /*!50001 CREATE ALGORITHM=UNDEFINED */\n\
        /*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */\n\
        /*!50001 VIEW `v` AS select 1 AS `1` */;\n";
    let pieces = pieces(dump);
    assert_eq!(pieces.len(), 4, "{pieces:#?}");
    assert_eq!(pieces[2], "DROP TABLE IF EXISTS `a`");
    assert!(pieces[3].starts_with("/*!50001 CREATE") && pieces[3].ends_with("`1` */"));
}

#[test]
fn what_is_unterminated_ends_with_the_text() {
    for statement in [
        "SELECT ';",
        "SELECT '\\",
        "SELECT \";",
        "SELECT `;",
        "SELECT @",
        "SELECT N'",
        "SELECT 0x",
        "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2;",
        "/*!50003 SELECT 1",
    ] {
        assert_eq!(pieces(statement), [statement]);
    }
    assert_eq!(pieces("SELECT 1; /* ;"), ["SELECT 1", "/* ;"]);
    assert_eq!(
        pieces("/*! SELECT 1; SELECT 2 */"),
        ["/*! SELECT 1", "SELECT 2 */"]
    );
}
