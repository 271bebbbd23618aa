mod effect;
mod portable;
mod properties;
mod safety;
mod split;

use super::*;

pub(super) const ANSI: Mode = Mode {
    ansi_quotes: true,
    no_backslash_escapes: false,
};
pub(super) const NO_ESCAPES: Mode = Mode {
    ansi_quotes: false,
    no_backslash_escapes: true,
};

fn pieces(text: &str) -> Vec<&str> {
    split(text, Mode::default())
}

#[test]
fn modes_are_read_from_the_variable() {
    assert_eq!(Mode::of_sql_mode(""), Mode::default());
    assert_eq!(
        Mode::of_sql_mode("STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION"),
        Mode::default()
    );
    assert_eq!(Mode::of_sql_mode("no_zero_date, ansi_quotes"), ANSI);
    assert_eq!(Mode::of_sql_mode("ORACLE"), ANSI);
    assert_eq!(Mode::of_sql_mode("NO_BACKSLASH_ESCAPES"), NO_ESCAPES);
}

#[test]
fn names_are_found_wherever_they_stand() {
    let mode = Mode::default();
    for text in [
        "SELECT * FROM Users",
        "DROP TABLE a.`users`",
        "DROP TABLE users.a",
        "CREATE TRIGGER t BEFORE INSERT ON `USERS` FOR EACH ROW SET @x = 1",
        "/*!50001 CREATE VIEW v AS SELECT 1 FROM users*/",
        "CREATE PROCEDURE p() BEGIN DELETE FROM a.users; END",
        "SELECT 1 -- '\nFROM users",
    ] {
        assert!(mentions(text, "users", mode), "{text}");
        assert!(names(text, mode).contains(&"users".to_owned()), "{text}");
    }
    for text in [
        "SELECT 'users', \"users\", @users, @@users.x, N'users'",
        "SELECT 1 -- users\n/* users */ # users",
        "SELECT users1, `users `",
        "/*!99999 users */",
    ] {
        assert!(!mentions(text, "users", mode), "{text}");
        assert!(!names(text, mode).contains(&"users".to_owned()), "{text}");
    }
    assert!(mentions("DROP TABLE \"users\"", "users", ANSI));
    assert!(mentions("DROP TABLE `a``b`", "a`b", mode));
    assert!(mentions("SELECT a.1e5, b.12", "1E5", mode));
    assert!(!mentions("SELECT a+1e5", "1e5", mode));
    assert_eq!(
        names("CREATE TABLE `A B` (a INT, b INT, É INT)", mode),
        ["create", "table", "a b", "a", "int", "b", "É"]
    );
}

#[test]
fn a_kill_names_one_connection() {
    for (text, id) in [
        ("KILL 7", 7),
        ("kill connection 7;", 7),
        (
            "/* x */ KILL /*!50000 QUERY */ 18446744073709551615 -- y",
            u64::MAX,
        ),
        ("KILL HARD QUERY 12 ; ", 12),
        ("KILL SOFT CONNECTION 0012", 12),
        ("KILL SOFT 12#", 12),
    ] {
        let found = kill(text).expect(text);
        assert_eq!(found.id, id, "{text}");
        assert_eq!(text[found.digits].parse(), Ok(id));
    }
    for text in [
        "",
        "KILL",
        "KILL QUERY",
        "KILL 7; KILL 8",
        "KILL 7 8",
        "KILL 7;;",
        "KILL 1 + 1",
        "KILL (7)",
        "KILL @id",
        "KILL '7'",
        "KILL 7.0",
        "KILL 0x7",
        "KILL -7",
        "KILL 7a",
        "KILL CONNECTION_ID()",
        "KILL QUERY ID 7",
        "KILL USER root",
        "KILL HARD SOFT 7",
        "KILL QUERY CONNECTION 7",
        "KILL 18446744073709551616",
        "SELECT 7",
        "`KILL` 7",
        "KILL 7 /*",
    ] {
        assert_eq!(kill(text), None, "{text}");
    }
}
