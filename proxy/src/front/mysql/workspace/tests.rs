use tenantsdb_codecs::mysql::flags::Status;

use super::*;

fn done(warnings: u16) -> Ending {
    let status = Status::AUTOCOMMIT;
    Ending::Ok { warnings, status }
}

fn reply(results: &[Ending]) -> Reply {
    Reply {
        results: results.to_vec(),
        ..Reply::default()
    }
}

/// Text and whether it is known to be done.
fn kept(text: &str, results: &[Ending]) -> Vec<(String, bool)> {
    let mode = Mode::default();
    settled(&sql::split(text, mode), mode, &reply(results))
        .into_iter()
        .map(|statement| (statement.text, statement.outcome == Outcome::Done))
        .collect()
}

const FAILED: Ending = Ending::Err {
    code: Code::TABLE_EXISTS,
};

fn known(text: &str) -> (String, bool) {
    (text.to_owned(), true)
}

fn something() -> (String, bool) {
    (String::new(), false)
}

#[test]
fn statements_before_an_error_took_effect_and_those_behind_it_did_not_run() {
    let text = "CREATE TABLE a (i int); INSERT INTO a VALUES (1); DROP TABLE b; DROP TABLE c";
    assert_eq!(
        kept(text, &[done(0), done(0), done(0), done(0)]),
        [
            known("CREATE TABLE a (i int)"),
            known("DROP TABLE b"),
            known("DROP TABLE c")
        ]
    );
    // What failed may have done half.
    assert_eq!(
        kept(text, &[done(0), done(0), FAILED]),
        [known("CREATE TABLE a (i int)"), something()]
    );
    assert_eq!(
        kept(text, &[done(0), FAILED]),
        [known("CREATE TABLE a (i int)")]
    );
}

#[test]
fn what_cannot_be_laid_over_its_results_is_left_to_the_schema() {
    assert_eq!(kept("CALL p(); DROP TABLE a", &[done(0); 3]), [something()]);
    assert_eq!(kept("EXECUTE s", &[FAILED]), [something()]);
    assert_eq!(kept("DROP TABLE a", &[done(0), done(0)]), [something()]);
    assert_eq!(kept("DROP TABLE a; DROP TABLE b", &[]), [something()]);
}

#[test]
fn warnings_are_kept() {
    let mode = Mode::default();
    let texts = ["CREATE TABLE IF NOT EXISTS a (i int)"];
    assert_eq!(settled(&texts, mode, &reply(&[done(1)]))[0].warnings, 1);
}

#[test]
fn reading_and_writing_rows_is_not_recorded_however_it_is_quoted() {
    for text in [
        "SELECT 1",
        "INSERT INTO t VALUES ('; DROP TABLE t')",
        "SET sql_mode = 'ANSI'",
        "CREATE TEMPORARY TABLE t (a int)",
    ] {
        assert!(!may_change(text), "{text}");
    }
    for text in [
        "CREATE TABLE t (a int)",
        "SELECT 1; DROP TABLE t",
        "/*!40101 CREATE TABLE t (a int) */",
        "CALL p()",
        // With NO_BACKSLASH_ESCAPES the string ends at the second quote.
        r"INSERT INTO t VALUES ('\'); DROP TABLE t -- '",
    ] {
        assert!(may_change(text), "{text}");
    }
}
