//! The diff is exactly what took effect in the workspace, in commit order, one version for each
//! transaction.

use tenantsdb_tests::{Database, Fleet};

/// A fleet with a workspace, and what to ask of it.
struct Capture {
    fleet: Fleet,
    workspace: Database,
}

impl Capture {
    fn start(test: &str) -> Self {
        let fleet = Fleet::start(test, 1);
        let workspace = fleet.workspace("myapp");
        Self { fleet, workspace }
    }

    /// Holds that these versions are pending, each with its statements in order.
    #[track_caller]
    fn expect(&self, versions: &[&[&str]]) {
        let pending = self.fleet.pending("myapp");
        let expected: Vec<(String, String)> = versions
            .iter()
            .enumerate()
            .flat_map(|(n, statements)| {
                let version = format!("1.{}", n + 1);
                statements
                    .iter()
                    .map(move |text| (version.clone(), (*text).to_owned()))
            })
            .collect();
        assert_eq!(pending, expected);
    }
}

#[test]
fn failed_and_rolled_back_statements_are_not_in_the_diff() {
    let capture = Capture::start("capture_rollback");
    let psql = |sql: &str| capture.workspace.psql(sql);

    let _ = psql("CREATE TABLE broken (id int, id int)").error();
    let _ = psql("CREATE TABLE first (id int); CREATE TABLE first (id int)").error();
    psql("BEGIN; CREATE TABLE rolled_back (id int); ROLLBACK").ok();
    let mut client = capture.workspace.connect();
    client.batch_execute("BEGIN").unwrap();
    client.batch_execute("CREATE TABLE kept (id int)").unwrap();
    client.batch_execute("SAVEPOINT a").unwrap();
    client
        .batch_execute("CREATE TABLE undone (id int)")
        .unwrap();
    client.batch_execute("ROLLBACK TO a").unwrap();
    client
        .batch_execute("ALTER TABLE kept ADD COLUMN note text")
        .unwrap();
    client.batch_execute("COMMIT").unwrap();
    // A transaction that a failure ended: COMMIT answers ROLLBACK.
    client.batch_execute("BEGIN").unwrap();
    client.batch_execute("CREATE TABLE lost (id int)").unwrap();
    client.batch_execute("SELECT 1/0").unwrap_err();
    client.batch_execute("COMMIT").unwrap();
    // A client that leaves without COMMIT.
    client.batch_execute("BEGIN").unwrap();
    client
        .batch_execute("CREATE TABLE abandoned (id int)")
        .unwrap();
    drop(client);

    capture.expect(&[&[
        "CREATE TABLE kept (id int)",
        "ALTER TABLE kept ADD COLUMN note text",
    ]]);
}

#[test]
fn one_query_of_two_statements_is_one_version() {
    let capture = Capture::start("capture_two");
    let psql = |sql: &str| capture.workspace.psql(sql);
    psql("CREATE TABLE a (id int); CREATE TABLE b (t text DEFAULT ';') ;").ok();
    psql("INSERT INTO a VALUES (1)").ok();
    psql("/* why */ COMMENT ON TABLE a IS 'semi; colon' -- end").ok();

    let pending = capture.fleet.pending("myapp");
    assert_eq!(pending.len(), 3, "{pending:?}");
    let row = |version: &str, text: &str| (version.to_owned(), text.to_owned());
    assert_eq!(pending[0], row("1.1", "CREATE TABLE a (id int)"));
    assert_eq!(
        pending[1],
        row("1.1", "CREATE TABLE b (t text DEFAULT ';')")
    );
    assert_eq!(pending[2].0, "1.2");
    let text = "COMMENT ON TABLE a IS 'semi; colon'";
    assert!(pending[2].1.contains(text), "{pending:?}");
}

#[test]
fn the_extended_protocol_is_captured_like_the_simple_one() {
    let capture = Capture::start("capture_extended");
    let mut client = capture.workspace.connect();
    client.execute("CREATE TABLE a (id int)", &[]).unwrap();
    let named = client.prepare("ALTER TABLE a ADD COLUMN b int").unwrap();
    client.execute(&named, &[]).unwrap();
    client.execute(&named, &[]).unwrap_err();
    let mut transaction = client.transaction().unwrap();
    transaction.execute("CREATE TABLE c (id int)", &[]).unwrap();
    transaction.execute("CREATE INDEX ON c (id)", &[]).unwrap();
    transaction.commit().unwrap();

    capture.expect(&[
        &["CREATE TABLE a (id int)"],
        &["ALTER TABLE a ADD COLUMN b int"],
        &["CREATE TABLE c (id int)", "CREATE INDEX ON c (id)"],
    ]);
}

#[test]
fn ddl_inside_a_do_block_reaches_tenants() {
    let capture = Capture::start("capture_do");
    let block = "DO $do$ BEGIN EXECUTE 'CREATE TABLE made_inside (id int)'; END $do$";
    capture.workspace.psql(block).ok();
    capture.workspace.psql("DO $$ BEGIN PERFORM 1; END $$").ok();

    // Only the block that changed the schema, and replaying what stands there makes the table.
    let pending = capture.fleet.pending("myapp");
    assert_eq!(pending.len(), 1, "{pending:?}");
    assert!(
        pending[0].1.contains("CREATE TABLE made_inside"),
        "{pending:?}"
    );
    let acme = capture.fleet.tenant("myapp", "acme");
    assert_eq!(acme.psql("SELECT count(*) FROM made_inside").out(), "0");
}

#[test]
fn names_are_resolved_as_they_were_in_the_session() {
    let capture = Capture::start("capture_search_path");
    let mut client = capture.workspace.connect();
    for sql in [
        "CREATE SCHEMA billing",
        "SET search_path = billing, public",
        "CREATE TABLE invoices (id int)",
        "RESET search_path",
        "CREATE TABLE plain (id int)",
    ] {
        client.batch_execute(sql).unwrap();
    }
    capture.expect(&[
        &["CREATE SCHEMA billing"],
        &["CREATE TABLE invoices (id int)"],
        &["CREATE TABLE plain (id int)"],
    ]);
    let acme = capture.fleet.tenant("myapp", "acme");
    let sql = "SELECT count(*) FROM billing.invoices, public.plain";
    assert_eq!(acme.psql(sql).out(), "0");
}

#[test]
fn temporary_objects_are_not_in_the_diff() {
    let capture = Capture::start("capture_temporary");
    let mut client = capture.workspace.connect();
    for sql in [
        "CREATE TEMP TABLE t1 (id int)",
        "CREATE TABLE pg_temp.t2 (id int)",
        "CREATE INDEX ON t1 (id)",
        "ALTER TABLE t1 ADD COLUMN x int",
        "CREATE TEMP VIEW v AS SELECT * FROM t1",
        "SET search_path = pg_temp, public",
        "CREATE TABLE t3 (id int)",
        "DROP TABLE t3",
        "RESET search_path",
        "DROP TABLE t1 CASCADE",
        "CREATE TABLE real (id int)",
    ] {
        client.batch_execute(sql).unwrap();
    }
    capture.expect(&[&["CREATE TABLE real (id int)"]]);
}

#[test]
fn versions_come_in_the_order_of_commits() {
    let capture = Capture::start("capture_order");
    let mut early = capture.workspace.connect();
    let mut late = capture.workspace.connect();
    early.batch_execute("BEGIN").unwrap();
    early
        .batch_execute("CREATE TABLE begun_first (id int)")
        .unwrap();
    late.batch_execute("CREATE TABLE committed_first (id int)")
        .unwrap();
    capture.expect(&[&["CREATE TABLE committed_first (id int)"]]);
    early.batch_execute("COMMIT").unwrap();
    capture.expect(&[
        &["CREATE TABLE committed_first (id int)"],
        &["CREATE TABLE begun_first (id int)"],
    ]);
}

#[test]
fn ddl_made_while_control_is_away_is_in_the_diff_afterwards() {
    let mut capture = Capture::start("capture_away");
    capture.fleet.control.kill();
    capture.workspace.psql("CREATE TABLE a (id int)").ok();
    capture.workspace.psql("DROP TABLE a").ok();
    capture
        .workspace
        .psql("BEGIN; CREATE TABLE undone (id int); ROLLBACK; CREATE TABLE b (id int)")
        .ok();
    capture.fleet.control.resume();
    let pending = capture.fleet.pending("myapp");
    let versions: Vec<&str> = pending.iter().map(|row| row.0.as_str()).collect();
    assert_eq!(versions, ["1.1", "1.2", "1.3"], "{pending:?}");
    // A ledger row holds its whole Query; nothing that was rolled back may come with it.
    assert!(!format!("{pending:?}").contains("undone"), "{pending:?}");
    let acme = capture.fleet.tenant("myapp", "acme");
    assert_eq!(acme.psql("SELECT count(*) FROM b").out(), "0");
}

#[test]
fn roles_and_privileges_are_recorded_and_never_deployed() {
    let capture = Capture::start("capture_privileges");
    let psql = |sql: &str| capture.workspace.psql(sql);
    psql("CREATE TABLE a (id int)").ok();
    psql("GRANT SELECT ON a TO PUBLIC").ok();
    let acme = capture.fleet.tenant("myapp", "acme");
    let sql = "SELECT relacl::text LIKE '%{=r%' OR relacl::text LIKE '%,=r%' FROM pg_class \
               WHERE relname = 'a'";
    assert_eq!(acme.psql(sql).out(), "f");
}

#[test]
fn dropped_objects_and_statements_that_stand_alone_are_captured() {
    let capture = Capture::start("capture_alone");
    let mut client = capture.workspace.connect();
    let statements = [
        "CREATE TABLE a (id int)",
        "CREATE INDEX CONCURRENTLY a_id ON a (id)",
        "DROP INDEX a_id",
        "CREATE TYPE mood AS ENUM ('sad')",
        "ALTER TYPE mood ADD VALUE 'happy'",
        "CREATE TABLE b (m mood DEFAULT 'happy')",
    ];
    for sql in statements {
        client.batch_execute(sql).unwrap();
    }
    let versions: Vec<&[&str]> = statements.iter().map(std::slice::from_ref).collect();
    capture.expect(&versions);
    let acme = capture.fleet.tenant("myapp", "acme");
    acme.psql("INSERT INTO b DEFAULT VALUES").ok();
}
