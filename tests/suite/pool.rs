//! A server connection carries nothing from one client to the next.

use std::collections::HashSet;

use tenantsdb_tests::{Database, Fleet, database::sqlstate};

fn tenant_of(fleet: &Fleet) -> Database {
    let workspace = fleet.workspace("myapp");
    workspace.psql("CREATE TABLE users (id int)").ok();
    fleet.tenant("myapp", "acme")
}

/// Process id of the server's backend: says whether a connection was used again.
const BACKEND: &str = "SELECT pg_backend_pid()";

/// What a session may leave behind, and how the next one would see it: the query has to print the
/// same as in a new connection.
const TRACES: &[(&str, &str)] = &[
    ("SET search_path = pg_catalog", "SHOW search_path"),
    ("SET TimeZone = 'Asia/Tokyo'", "SHOW TimeZone"),
    ("SET application_name = 'trace'", "SHOW application_name"),
    ("SET statement_timeout = '1h'", "SHOW statement_timeout"),
    (
        "SET my.own = 'left'",
        "SELECT current_setting('my.own', true)",
    ),
    (
        "CREATE TEMP TABLE trace (id int)",
        "SELECT to_regclass('pg_temp.trace')",
    ),
    (
        "PREPARE trace AS SELECT 1",
        "SELECT count(*) FROM pg_prepared_statements",
    ),
    (
        "BEGIN; DECLARE trace CURSOR WITH HOLD FOR SELECT 1; COMMIT",
        "SELECT count(*) FROM pg_cursors WHERE name = 'trace'",
    ),
    (
        "SELECT pg_advisory_lock(42)",
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    ),
    (
        "LISTEN trace",
        "SELECT count(*) FROM pg_listening_channels()",
    ),
    ("SET ROLE myapp_rw", "SELECT current_user"),
    (
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SHOW transaction_read_only",
    ),
    (
        "SET session_replication_role = 'replica'",
        "SHOW session_replication_role",
    ),
];

#[test]
fn nothing_of_a_session_is_seen_by_the_next() {
    let fleet = Fleet::start("pool_traces", 1);
    let tenant = tenant_of(&fleet);
    let mut backends = HashSet::new();
    for (trace, look) in TRACES {
        let seen = |database: &Database| database.psql(look).stdout;
        let expected = seen(&tenant.at(&fleet.server.address()));
        // Some traces are refused to a tenant, and then there is nothing to leave.
        let _ = tenant.psql(trace);
        for _ in 0..3 {
            assert_eq!(seen(&tenant), expected, "after {trace}");
            backends.insert(tenant.psql(BACKEND).out());
        }
    }
    // It proves something only if connections were used again at all.
    let sessions = TRACES.len() * 7;
    assert!(backends.len() * 3 < sessions, "{} backends", backends.len());
}

#[test]
fn a_session_left_in_the_middle_leaves_nothing_open() {
    let fleet = Fleet::start("pool_middle", 1);
    let tenant = tenant_of(&fleet);
    let endings: &[&str] = &[
        "BEGIN; INSERT INTO users VALUES (1)",
        "BEGIN; LOCK TABLE users IN SHARE MODE",
        "BEGIN; SAVEPOINT a; INSERT INTO users VALUES (2)",
    ];
    for ending in endings {
        let mut client = tenant.connect();
        client.batch_execute(ending).unwrap();
        drop(client);
        let mut next = tenant.connect();
        let count = next.query_one("SELECT count(*) FROM users", &[]).unwrap();
        assert_eq!(count.get::<_, i64>(0), 0, "after {ending}");
        next.batch_execute("BEGIN; ROLLBACK").unwrap();
    }
    // In the middle of COPY, and with a query still running.
    let mut client = tenant.connect();
    let mut copy = client.copy_in("COPY users FROM STDIN").unwrap();
    std::io::Write::write_all(&mut copy, b"3\n").unwrap();
    drop(copy);
    drop(client);
    let running = tenant.psql_command();
    abandon_running_query(running);
    assert_eq!(tenant.psql("SELECT count(*) FROM users").out(), "0");
    let mut admin = fleet.server.admin("postgres");
    tenantsdb_tests::wait::until("the abandoned query to end", || {
        let sql = "SELECT count(*) FROM pg_stat_activity
                   WHERE usename = 'myapp__acme' AND state <> 'idle'";
        let left: i64 = admin.query_one(sql, &[]).unwrap().get(0);
        (left == 0).then_some(())
    });
}

/// Starts psql with a query that runs for minutes, and kills it.
fn abandon_running_query(mut psql: std::process::Command) {
    let mut child = psql
        .args([
            "-c",
            "SELECT 'under way' AS started",
            "-c",
            "SELECT pg_sleep(600)",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 9];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn prepared_names_of_two_clients_do_not_meet() {
    let fleet = Fleet::start("pool_prepared", 1);
    let tenant = tenant_of(&fleet);
    for n in 0..5 {
        let mut client = tenant.connect();
        client
            .batch_execute(&format!("PREPARE same AS SELECT {n}"))
            .unwrap();
        let row = client.query_one("EXECUTE same", &[]).unwrap();
        assert_eq!(row.get::<_, i32>(0), n);
    }
    let mut client = tenant.connect();
    assert_eq!(sqlstate(client.batch_execute("EXECUTE same")), "26000");
}

#[test]
fn startup_parameters_of_one_client_do_not_reach_another() {
    let fleet = Fleet::start("pool_startup", 1);
    let tenant = tenant_of(&fleet);
    let with = |options: &str| {
        let url = format!("{}?options={options}", tenant.url());
        postgres::Client::connect(&url, postgres::NoTls).unwrap()
    };
    let show = |client: &mut postgres::Client, name: &str| {
        let row = client.query_one(&format!("SHOW {name}"), &[]).unwrap();
        row.get::<_, String>(0)
    };
    for _ in 0..3 {
        let mut plain = tenant.connect();
        assert_eq!(show(&mut plain, "statement_timeout"), "0");
        let mut special = with("-c%20statement_timeout%3D123s");
        assert_eq!(show(&mut special, "statement_timeout"), "123s");
        special
            .batch_execute("SET statement_timeout = '7s'")
            .unwrap();
    }
}
