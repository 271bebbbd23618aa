use tenantsdb_codecs::feed::capture::CapturedStatement;

use super::*;

/// A row of a statement that the client itself ran.
fn row(id: i64, xid: &str, tag: &str, identity: &str, query: &str) -> LedgerRow {
    LedgerRow {
        id,
        xid: xid.to_owned(),
        firing: id,
        dropped: tag.starts_with("DROP"),
        pid: 7,
        tag: tag.to_owned(),
        object_type: "table".to_owned(),
        identity: identity.to_owned(),
        search_path: "\"$user\", public".to_owned(),
        role: "a_owner".to_owned(),
        user: "a_dev".to_owned(),
        application_name: String::new(),
        query: query.to_owned(),
        nested: None,
        at: OffsetDateTime::UNIX_EPOCH,
        sealed: false,
    }
}

fn later(row: LedgerRow, seconds: i64) -> LedgerRow {
    LedgerRow {
        at: row.at + time::Duration::seconds(seconds),
        ..row
    }
}

fn nested(row: LedgerRow, context: &str) -> LedgerRow {
    LedgerRow {
        nested: Some(context.to_owned()),
        ..row
    }
}

fn capture(statements: &[(&str, &str)]) -> Capture {
    Capture {
        id: "s:1".to_owned(),
        database: "a_dev".to_owned(),
        pid: 7,
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

fn composed(rows: &[LedgerRow], captures: &[Capture]) -> Vec<Vec<(String, Origin)>> {
    compose(rows, captures, &Excluded::default())
        .into_iter()
        .map(|set| {
            set.statements
                .into_iter()
                .map(|s| (s.ddl, s.origin))
                .collect()
        })
        .collect()
}

fn texts(rows: &[LedgerRow], captures: &[Capture]) -> Vec<Vec<String>> {
    composed(rows, captures)
        .into_iter()
        .map(|set| set.into_iter().map(|(ddl, _)| ddl).collect())
        .collect()
}

#[test]
fn transactions_come_in_the_order_of_their_last_rows() {
    let rows = [
        row(
            1,
            "10",
            "CREATE TABLE",
            "public.a",
            "CREATE TABLE a (x int)",
        ),
        later(
            row(
                2,
                "11",
                "CREATE TABLE",
                "public.b",
                "CREATE TABLE b (x int)",
            ),
            1,
        ),
        later(
            row(
                3,
                "10",
                "CREATE TABLE",
                "public.c",
                "CREATE TABLE c (x int)",
            ),
            2,
        ),
    ];
    let sets = compose(&rows, &[], &Excluded::default());
    assert_eq!(sets[0].xid, "11");
    assert_eq!(sets[1].ledger_ids, [1, 3]);
    assert_eq!(
        texts(&rows, &[])[1],
        ["CREATE TABLE a (x int)", "CREATE TABLE c (x int)"]
    );
}

#[test]
fn confirmed_statements_that_were_rolled_back_are_not_taken_for_those_that_were_not() {
    let query = "BEGIN; SAVEPOINT s; CREATE TABLE a (x int); ROLLBACK TO s; \
                 CREATE TABLE a (y int); COMMIT";
    let capture = capture(&[
        ("BEGIN", "BEGIN"),
        ("SAVEPOINT s", "SAVEPOINT"),
        ("CREATE TABLE a (x int)", "CREATE TABLE"),
        ("ROLLBACK TO s", "ROLLBACK"),
        ("CREATE TABLE a (y int)", "CREATE TABLE"),
        ("COMMIT", "COMMIT"),
    ]);
    let rows = [row(1, "10", "CREATE TABLE", "public.a", query)];
    let expected = "CREATE TABLE a (y int)".to_owned();
    assert_eq!(
        composed(&rows, &[capture]),
        [[(expected.clone(), Origin::Wire)]]
    );
    assert_eq!(composed(&rows, &[]), [[(expected, Origin::Ledger)]]);
}

#[test]
fn a_savepoint_of_an_earlier_message_is_known_by_the_rollback_to_it() {
    let query = "CREATE TABLE a (x int); ROLLBACK TO s; CREATE TABLE a (y int)";
    let rows = [row(1, "10", "CREATE TABLE", "public.a", query)];
    assert_eq!(texts(&rows, &[]), [["CREATE TABLE a (y int)"]]);
}

#[test]
fn statements_that_did_nothing_are_left_out() {
    let statements = [
        ("CREATE TABLE IF NOT EXISTS a (x int)", "CREATE TABLE"),
        ("CREATE TABLE IF NOT EXISTS b (x int)", "CREATE TABLE"),
        ("CREATE INDEX IF NOT EXISTS i ON a (x)", "CREATE INDEX"),
        ("CREATE INDEX ON b (x)", "CREATE INDEX"),
    ];
    let query = statements.map(|(text, _)| text).join("; ");
    let rows = [
        row(1, "10", "CREATE TABLE", "public.b", &query),
        row(2, "10", "CREATE INDEX", "public.b_x_idx", &query),
    ];
    let expected = [[
        "CREATE TABLE IF NOT EXISTS b (x int)",
        "CREATE INDEX ON b (x)",
    ]];
    assert_eq!(texts(&rows, &[capture(&statements)]), expected);
    assert_eq!(texts(&rows, &[]), expected);
}

#[test]
fn each_execution_has_a_statement_of_its_own() {
    let query = "ALTER TABLE a ADD x int; ALTER TABLE a ADD y int; ALTER TABLE a DROP x";
    let dropped = LedgerRow {
        dropped: true,
        ..row(3, "10", "ALTER TABLE", "public.a.x", query)
    };
    let rows = [
        row(1, "10", "ALTER TABLE", "public.a", query),
        row(2, "10", "ALTER TABLE", "public.a", query),
        // What it dropped, and what it altered: one execution.
        dropped,
        row(4, "10", "ALTER TABLE", "public.a", query),
    ];
    assert_eq!(
        texts(&rows, &[]),
        [[
            "ALTER TABLE a ADD x int",
            "ALTER TABLE a ADD y int",
            "ALTER TABLE a DROP x"
        ]]
    );
}

#[test]
fn what_was_done_inside_is_told_by_its_caller_once() {
    let block = "DO $$ BEGIN CREATE TABLE a (x int); CREATE TABLE b (x int); END $$";
    let query = format!("CREATE TABLE c (x int); {block}; SELECT make(1)");
    let inner = "SQL statement \"CREATE TABLE a (x int)\"\n\
                 PL/pgSQL function inline_code_block line 1 at SQL statement";
    let rows = [
        row(1, "10", "CREATE TABLE", "public.c", &query),
        nested(row(2, "10", "CREATE TABLE", "public.a", &query), inner),
        nested(row(3, "10", "CREATE TABLE", "public.b", &query), inner),
        nested(
            row(4, "10", "CREATE TABLE", "public.d", &query),
            "SQL function \"make\" statement 1",
        ),
    ];
    assert_eq!(
        texts(&rows, &[]),
        [["CREATE TABLE c (x int)", block, "SELECT make(1)"]]
    );
}

#[test]
fn a_statement_that_calls_a_function_is_there_once_with_what_the_function_did() {
    let query = "ALTER TABLE a ADD y int DEFAULT make()";
    let rows = [
        nested(
            row(1, "10", "CREATE TABLE", "public.b", query),
            "SQL function \"make\" statement 1",
        ),
        row(2, "10", "ALTER TABLE", "public.a", query),
    ];
    assert_eq!(texts(&rows, &[]), [[query]]);
}

#[test]
fn the_same_call_twice_is_there_twice() {
    let query = "SELECT again(); SELECT again()";
    let context = "PL/pgSQL function again() line 1 at SQL statement";
    let rows = [
        nested(row(1, "10", "DROP TABLE", "public.a", query), context),
        nested(row(2, "10", "CREATE TABLE", "public.a", query), context),
        nested(row(3, "10", "DROP TABLE", "public.a", query), context),
        nested(row(4, "10", "CREATE TABLE", "public.a", query), context),
    ];
    assert_eq!(texts(&rows, &[]), [["SELECT again()", "SELECT again()"]]);
}

#[test]
fn a_transaction_that_is_sealed_keeps_its_part_of_the_message() {
    let query = "BEGIN; ALTER TABLE a ADD x int; COMMIT; BEGIN; ALTER TABLE a ADD y int; COMMIT";
    let sealed = LedgerRow {
        sealed: true,
        ..row(1, "10", "ALTER TABLE", "public.a", query)
    };
    let rows = [sealed, row(2, "11", "ALTER TABLE", "public.a", query)];
    assert_eq!(texts(&rows, &[]), [["ALTER TABLE a ADD y int"]]);
}

#[test]
fn a_capture_is_used_once_and_only_for_what_it_explains() {
    let text = "CREATE TABLE a (x int)";
    let rows = [
        row(1, "10", "CREATE TABLE", "public.a", text),
        later(row(2, "11", "DROP TABLE", "public.a", "DROP TABLE a"), 1),
        later(row(3, "12", "CREATE TABLE", "public.a", text), 2),
    ];
    let captures = [
        capture(&[(text, "CREATE TABLE")]),
        capture(&[(text, "CREATE TABLE")]),
    ];
    let origins: Vec<Origin> = composed(&rows, &captures)
        .into_iter()
        .map(|set| set[0].1)
        .collect();
    assert_eq!(origins, [Origin::Wire, Origin::Ledger, Origin::Wire]);
    let set = &compose(&rows, &captures, &Excluded::default())[0];
    assert_eq!(set.statements[0].user, "ann");
    assert_eq!(set.statements[0].application_name, "psql");
}

#[test]
fn what_nothing_explains_is_kept_whole() {
    let rows = [row(
        1,
        "10",
        "CREATE TABLE",
        "public.a",
        "EXECUTE made_elsewhere; ",
    )];
    assert_eq!(
        composed(&rows, &[]),
        [[("EXECUTE made_elsewhere".to_owned(), Origin::Inferred)]]
    );
}

#[test]
fn sql_that_makes_a_relation_of_a_query_is_found_by_its_text() {
    let statements = [
        ("CREATE MATERIALIZED VIEW a AS SELECT 1", "SELECT 1"),
        ("CREATE TABLE b AS SELECT 1", "SELECT 1"),
        ("SELECT 1 AS x INTO c", "SELECT 1"),
    ];
    let tags = ["CREATE MATERIALIZED VIEW", "CREATE TABLE AS", "SELECT INTO"];
    for ((text, tag), (name, ledger_tag)) in statements
        .into_iter()
        .zip(["public.a", "public.b", "public.c"].into_iter().zip(tags))
    {
        let rows = [row(1, "10", ledger_tag, name, text)];
        let composed = composed(&rows, &[capture(&[(text, tag)])]);
        assert_eq!(composed, [[(text.to_owned(), Origin::Wire)]]);
    }
}

#[test]
fn statements_about_privileges_are_recorded_and_not_deployed() {
    let rows = [row(1, "10", "GRANT", "", "GRANT SELECT ON a TO PUBLIC")];
    let sets = compose(&rows, &[], &Excluded::default());
    assert!(!sets[0].statements[0].deploy);
}

#[test]
fn a_statement_whose_text_the_wire_could_not_read_keeps_the_text_of_the_ledger() {
    let text = "CREATE TABLE t (\"prénom\" text)";
    let rows = [row(1, "5", "CREATE TABLE", "public.t", text)];
    let composed = composed(&rows, &[capture(&[("", "CREATE TABLE")])]);
    assert_eq!(composed, [[(text.to_owned(), Origin::Ledger)]]);
}
