//! Nothing that one client did reaches the next one on the same server connection.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use tenantsdb_tests::mysql::packet::{self, capability};
use tenantsdb_tests::mysql::tap::{Plan, Tap};
use tenantsdb_tests::mysql::{Database, Failed, Flavour, Login, Refused, Reply, Server, Session};
use tenantsdb_tests::{MySqlFleet, api, wait};

use super::Blueprint;

on_both!(
    what_a_session_leaves_behind_does_not_reach_the_next,
    what_a_session_was_begun_with_holds_for_the_next_of_its_kind,
    an_open_transaction_and_locks_end_with_their_client,
    half_a_message_and_half_a_result_end_the_connection,
    commands_that_end_too_early_shift_no_answers,
    rows_carry_the_nonce_of_who_asked,
    a_broken_login_is_refused_and_hurts_nobody,
    no_server_gets_a_file_that_was_not_offered,
    another_user_or_database_is_refused_inside_a_session,
    lengths_that_lie_end_their_own_connection,
    a_client_that_leaves_at_any_byte_leaves_no_answer_behind,
    bytes_that_come_with_the_login_are_not_lost,
    every_session_variable_is_back_for_the_next_client,
);

const SCHEMA: &str = "CREATE TABLE items (id INT PRIMARY KEY, body LONGTEXT);
    CREATE TABLE numbers (n INT PRIMARY KEY)";

fn blueprint(test: &str, flavour: Flavour) -> (Blueprint, Database) {
    let blueprint = Blueprint::start(test, flavour);
    blueprint.workspace.run(SCHEMA);
    let tenant = blueprint.tenant("acme");
    (blueprint, tenant)
}

/// Ends a session as a client does that is done: COM_QUIT, and waits for the end.
fn quit(mut session: Session) {
    session.command(1, b"").unwrap();
    let _ = session.receive();
}

/// The server's own number of a session's thread: no proxy rewrites results.
fn server_thread(session: &mut Session) -> String {
    session.one("SELECT CONNECTION_ID()")
}

/// Sessions that are held while a connection is looked for: each core of the proxy gives out first
/// what it got back last.
const HELD_MAX: usize = 6;

/// A new session on the server connection that `thread` is; proves that it was given back.
#[track_caller]
fn next_on(tenant: &Database, thread: &str) -> Session {
    wait::until("the connection to be given back", || {
        let mut held = Vec::new();
        let mut found = None;
        while found.is_none() && held.len() < HELD_MAX {
            let mut session = tenant.session();
            if server_thread(&mut session) == thread {
                found = Some(session);
            } else {
                held.push(session);
            }
        }
        held.into_iter().for_each(quit);
        found
    })
}

/// What a client may do, and how the next one sees that it is gone: SQL, and the value that a fresh
/// session has.
const LEFT_BEHIND: &[(&str, &str, &str)] = &[
    ("SET @secret = 'of acme'", "SELECT @secret", "NULL"),
    (
        "SET SESSION sql_mode = 'ANSI_QUOTES'",
        "SELECT @@sql_mode LIKE '%ANSI_QUOTES%'",
        "0",
    ),
    (
        "SET SESSION sql_safe_updates = 1",
        "SELECT @@sql_safe_updates",
        "0",
    ),
    (
        "SET SESSION time_zone = '+07:00'",
        "SELECT @@time_zone",
        "SYSTEM",
    ),
    (
        "SET SESSION foreign_key_checks = 0",
        "SELECT @@foreign_key_checks",
        "1",
    ),
    ("SET autocommit = 0", "SELECT @@autocommit", "1"),
    (
        "SET NAMES latin1",
        "SELECT @@character_set_client",
        "utf8mb4",
    ),
    (
        "SET collation_connection = latin1_bin",
        "SELECT @@collation_connection",
        "utf8mb4_general_ci",
    ),
    (
        "SET SESSION TRANSACTION READ ONLY",
        "SELECT @@tx_read_only",
        "0",
    ),
    (
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SELECT @@tx_isolation",
        "REPEATABLE-READ",
    ),
    ("SELECT LAST_INSERT_ID(77)", "SELECT LAST_INSERT_ID()", "0"),
    (
        "SELECT SQL_CALC_FOUND_ROWS 1 UNION SELECT 2 UNION SELECT 3 LIMIT 1",
        "SELECT FOUND_ROWS()",
        "1",
    ),
    (
        "SELECT GET_LOCK('door', 5)",
        "SELECT IS_USED_LOCK('door')",
        "NULL",
    ),
    (
        "LOCK TABLES items WRITE",
        "SELECT COUNT(*) FROM numbers",
        "0",
    ),
    (
        "USE information_schema",
        "SELECT DATABASE() LIKE 'b%', DATABASE()",
        "1",
    ),
    (
        "CREATE TEMPORARY TABLE items (x INT)",
        "SELECT COUNT(id) FROM items",
        "0",
    ),
    (
        "SET @@rand_seed1 = 1, @@rand_seed2 = 1",
        "SELECT RAND() = RAND()",
        "0",
    ),
    ("SET timestamp = 1", "SELECT NOW() > '2020-01-01'", "1"),
    (
        "SET SESSION group_concat_max_len = 7",
        "SELECT @@group_concat_max_len > 7",
        "1",
    ),
];

fn what_a_session_leaves_behind_does_not_reach_the_next(flavour: Flavour) {
    let (_blueprint, tenant) = blueprint("mysql_pool_left", flavour);
    let mut session = tenant.session();
    // The first client of a pool makes the connection.
    let thread = {
        let id = server_thread(&mut session);
        quit(session);
        id
    };
    for (leave, look, fresh) in LEFT_BEHIND {
        // MySQL has only the longer name, MariaDB 10 only the shorter.
        let look = &match flavour {
            Flavour::MariaDb => (*look).to_owned(),
            Flavour::MySql => look.replace("@@tx_", "@@transaction_"),
        };
        let mut session = next_on(&tenant, &thread);
        assert_eq!(session.rows(look)[0][0], *fresh, "before {leave}");
        session.query(leave);
        quit(session);
        let mut session = next_on(&tenant, &thread);
        assert_eq!(session.rows(look)[0][0], *fresh, "after {leave}");
        quit(session);
    }
    // Prepared statements, by number and by name.
    let mut session = next_on(&tenant, &thread);
    let statement = session.prepare("SELECT 'of acme'").unwrap();
    session.query("PREPARE named FROM 'SELECT 1'");
    session.execute(statement).unwrap();
    session.drain().unwrap();
    quit(session);
    let mut session = next_on(&tenant, &thread);
    session.execute(statement).unwrap();
    let error = session.result().unwrap_err().failed();
    assert_eq!(error.number, 1243, "{error}");
    assert_eq!(session.fails("EXECUTE named").number, 1243);
    // A lock of LOCK TABLES would be in the way of others.
    let mut other = tenant.session();
    other.query("INSERT INTO items VALUES (1, 'x')");
}

fn what_a_session_was_begun_with_holds_for_the_next_of_its_kind(flavour: Flavour) {
    let (_blueprint, tenant) = blueprint("mysql_pool_begun", flavour);
    let begin = |collation: u8, more: u32| {
        let mut login = tenant.login();
        login.collation = collation;
        login.capabilities |= more;
        login.connect(&tenant.address).unwrap()
    };
    // latin1_swedish_ci, utf8mb4_bin.
    for (collation, name) in [
        (8, "latin1_swedish_ci"),
        (46, "utf8mb4_bin"),
        (8, "latin1_swedish_ci"),
    ] {
        for _ in 0..2 {
            let mut session = begin(collation, 0);
            assert_eq!(session.one("SELECT @@collation_connection"), name);
            session.query("SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci");
            quit(session);
        }
    }
    // Capabilities change the form of results: a connection of others would be read wrongly.
    const FOUND_ROWS: u32 = 1 << 1;
    tenant.run("INSERT INTO items VALUES (1, 'same')");
    for _ in 0..3 {
        for (more, affected) in [(0, 0), (FOUND_ROWS, 1), (capability::DEPRECATE_EOF, 0)] {
            let mut session = begin(45, more);
            let replies = session.query("UPDATE items SET body = 'same' WHERE id = 1");
            let Reply::Done { affected: seen, .. } = replies[0] else {
                panic!("{replies:?}");
            };
            assert_eq!(seen, affected, "{more:#x}");
            assert_eq!(session.one("SELECT COUNT(*) FROM items"), "1");
            quit(session);
        }
    }
    // One that asked for no several statements gets none.
    let mut login = tenant.login();
    login.capabilities &= !capability::MULTI_STATEMENTS;
    let mut single = login.connect(&tenant.address).unwrap();
    assert_eq!(single.fails("SELECT 1; SELECT 2").number, 1064);
}

fn an_open_transaction_and_locks_end_with_their_client(flavour: Flavour) {
    let (blueprint, tenant) = blueprint("mysql_pool_open", flavour);
    let endings = [
        "BEGIN; INSERT INTO items VALUES (1, 'x')",
        "SET autocommit = 0; INSERT INTO items VALUES (2, 'x')",
        "START TRANSACTION; SAVEPOINT a; INSERT INTO items VALUES (3, 'x')",
        "BEGIN; SELECT * FROM items FOR UPDATE",
        "LOCK TABLES items WRITE, numbers READ",
        "XA START 'half'; INSERT INTO items VALUES (4, 'x')",
    ];
    for ending in endings {
        for says_goodbye in [true, false] {
            let mut session = tenant.session();
            session.query(ending);
            if says_goodbye {
                quit(session);
            } else {
                drop(session);
            }
            let mut next = tenant.session();
            next.query("SET lock_wait_timeout = 60, innodb_lock_wait_timeout = 60");
            next.query("INSERT INTO items VALUES (100, 'next'); DELETE FROM items WHERE id = 100");
            assert_eq!(
                next.one("SELECT COUNT(*) FROM items"),
                "0",
                "after {ending}"
            );
            quit(next);
        }
    }
    // A query that runs when its client is killed is ended, not left to run on.
    let mut session = tenant.session();
    session.ask("SELECT SLEEP(600)").unwrap();
    let mut admin = blueprint.fleet.server.admin();
    let mut running = || admin.running(&tenant.name, "SELECT SLEEP");
    wait::until("the query to run", || (running() == 1).then_some(()));
    drop(session);
    wait::until("the query to end", || (running() == 0).then_some(()));
    assert_eq!(tenant.one("SELECT 1"), "1");
}

/// MySQL answers a COM_STMT_CLOSE that names no statement by an error, though the command has no
/// answer: whoever counts answers is off by one for each.
fn commands_that_end_too_early_shift_no_answers(flavour: Flavour) {
    const COM_STMT_CLOSE: u8 = 0x19;
    const COM_QUIT: u8 = 0x01;
    let (_blueprint, tenant) = blueprint("mysql_pool_early", flavour);
    const COM_QUERY: &[u8] = &[0x03];
    let mut bytes = packet::packet(0, &[COM_STMT_CLOSE]).repeat(6);
    for sql in [
        "DO SLEEP(1)",
        "DO 0",
        "DO 0",
        "DO SLEEP(1)",
        "SELECT SLEEP(1), 'stray'",
        "DO SLEEP(2)",
    ] {
        bytes.extend(packet::packet(0, &[COM_QUERY, sql.as_bytes()].concat()));
    }
    bytes.extend(packet::packet(0, &[COM_QUIT]));
    let mut session = tenant.session();
    session.raw(&bytes).unwrap();
    session.shut();
    // While these are at work, and after.
    for _ in 0..60 {
        let mut next = tenant.session();
        for _ in 0..3 {
            assert_eq!(next.one("SELECT 'mine'"), "mine");
        }
        quit(next);
        thread::sleep(std::time::Duration::from_millis(50));
    }
}

fn half_a_message_and_half_a_result_end_the_connection(flavour: Flavour) {
    let (_blueprint, tenant) = blueprint("mysql_pool_half", flavour);
    let mut session = tenant.session();
    fill_numbers(&mut session);
    let half: &[&dyn Fn(&mut Session)] = &[
        // Half a header; a header alone; half a statement; the first of two packets.
        &|session| session.raw(&[9, 0]).unwrap(),
        &|session| session.raw(&[9, 0, 0, 0]).unwrap(),
        &|session| session.raw(&[9, 0, 0, 0, 3, b'S', b'E']).unwrap(),
        &|session| {
            let first = vec![b' '; packet::PAYLOAD_BYTES_MAX];
            session.raw(&packet::packet(0, &first)).unwrap();
        },
        // A result of which a few rows were read; two results of which one was.
        &|session| {
            session.ask("SELECT n FROM numbers ORDER BY n").unwrap();
            for _ in 0..5 {
                session.receive().unwrap();
            }
        },
        &|session| {
            session
                .ask("SELECT 'first'; SELECT SLEEP(0.2); SELECT 'third'")
                .unwrap();
            session.result().unwrap();
        },
        // Long data for a statement that is never executed; half of it.
        &|session| {
            let statement = session.prepare("SELECT ?").unwrap();
            let body = [&statement.to_le_bytes()[..], &[0, 0], b"of the first"].concat();
            session.command(0x18, &body).unwrap();
        },
    ];
    for (n, leave) in half.iter().enumerate() {
        let mut session = tenant.session();
        leave(&mut session);
        drop(session);
        for nonce in 0..4 {
            let mut next = tenant.session();
            let expected = format!("{n}-{nonce}");
            assert_eq!(next.one(&format!("SELECT '{expected}'")), expected);
            assert_eq!(next.one("SELECT COUNT(*) FROM numbers"), "1000");
            quit(next);
        }
    }
}

fn fill_numbers(session: &mut Session) {
    let rows: Vec<String> = (0..1000).map(|n| format!("({n})")).collect();
    session.query(&format!("INSERT INTO numbers VALUES {}", rows.join(",")));
}

const ROWS: usize = 100_000;
const CLIENTS: usize = 8;
/// Rows of one query: few enough that many sessions begin and end meanwhile.
const ROWS_EACH: usize = 50;

/// Many short sessions of two tenants at once, some of which go away in the middle of an answer,
/// and whose queries are killed: each row says who asked for it.
fn rows_carry_the_nonce_of_who_asked(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_pool_nonce", flavour);
    blueprint.workspace.run(SCHEMA);
    let tenants = ["acme", "globex"].map(|name| blueprint.tenant(name));
    for tenant in &tenants {
        fill_numbers(&mut tenant.session());
    }
    let seen = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let ids: std::sync::Mutex<Vec<u32>> = std::sync::Mutex::default();
    let kills = AtomicUsize::new(0);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let tenant = &tenants[client % tenants.len()];
                let (seen, ids, tenants) = (&seen, &ids, &tenants);
                scope.spawn(move || {
                    let mut round = 0_usize;
                    while seen.load(Ordering::Relaxed) < ROWS {
                        round += 1;
                        let mut session = tenant.session();
                        if client % tenants.len() == 0 {
                            ids.lock().unwrap().push(session.id());
                        }
                        seen.fetch_add(
                            ask_with_nonce(&mut session, tenant, client, round),
                            Ordering::Relaxed,
                        );
                        if !round.is_multiple_of(3) {
                            quit(session);
                        }
                    }
                })
            })
            .collect();
        // Kills by a session of the first tenant, at moments that nobody chose.
        let killer = scope.spawn(|| {
            let mut session = tenants[0].session();
            while !stop.load(Ordering::Relaxed) {
                let Some(id) = ids.lock().unwrap().pop() else {
                    thread::yield_now();
                    continue;
                };
                let word = if id % 2 == 0 { "KILL QUERY" } else { "KILL" };
                match session.try_query(&format!("{word} {id}")) {
                    Ok(_) => {
                        kills.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => assert_eq!(error.failed().number, 1094),
                }
            }
        });
        for client in clients {
            client.join().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        killer.join().unwrap();
    });
    let (seen, kills) = (seen.into_inner(), kills.into_inner());
    println!("{seen} rows, {kills} kills that hit");
    assert!(kills > 0, "no kill hit: nothing was shown");
}

/// The rows that came, each of them checked; fewer than asked for if the query was killed.
fn ask_with_nonce(session: &mut Session, tenant: &Database, client: usize, round: usize) -> usize {
    let mut checked = 0;
    for n in 0..4 {
        let nonce = format!("{}/{client}/{round}/{n}", tenant.name);
        let sql =
            format!("SELECT '{nonce}', DATABASE(), n FROM numbers ORDER BY n LIMIT {ROWS_EACH}");
        let rows = match session.try_query(&sql) {
            Ok(replies) => replies,
            Err(Refused::Error(Failed {
                number: 1317 | 1927,
                ..
            })) => continue,
            Err(Refused::Io(_)) => return checked,
            Err(other) => panic!("{nonce}: {other:?}"),
        };
        let Reply::Rows(rows) = &rows[0] else {
            panic!("{nonce}: {rows:?}");
        };
        assert_eq!(rows.len(), ROWS_EACH, "{nonce}");
        for (n, row) in rows.iter().enumerate() {
            let expected = [nonce.as_str(), &tenant.name, &n.to_string()];
            let row: Vec<_> = row
                .iter()
                .flatten()
                .map(|v| String::from_utf8_lossy(v))
                .collect();
            assert_eq!(row, expected);
        }
        checked += rows.len();
    }
    checked
}

/// T9: handshakes that are cut, lie about lengths, or leave things out.
fn a_broken_login_is_refused_and_hurts_nobody(flavour: Flavour) {
    let (_blueprint, tenant) = blueprint("mysql_pool_broken", flavour);
    let mut steady = tenant.session();
    let address = &tenant.address;
    let greeting = || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(wait::DEADLINE)).unwrap();
        let (first, _) = packet::read(&mut stream).unwrap();
        (
            stream,
            tenantsdb_tests::mysql::login::Greeting::parse(&first).unwrap(),
        )
    };
    let try_payload = |payload: &[u8]| {
        use std::io::Write as _;
        let (mut stream, _) = greeting();
        stream.write_all(&packet::packet(1, payload)).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
        // An answer, if any, is an ERR, or asks for a proof; never OK.
        if let Some(kind) = answer.get(4) {
            assert!([0xff, 0xfe, 1].contains(kind), "{answer:?} to {payload:?}");
        }
        // Nothing of this or another connection's memory: text alone.
        if answer.get(4) == Some(&0xff) {
            let failed = Failed::parse(&answer[4..]);
            assert!(!failed.text.contains('\u{fffd}'), "{failed}");
        }
    };
    let (_, greeted) = greeting();
    let whole = tenant.login().handshake_response(&greeted);
    for length in 0..whole.len() {
        try_payload(&whole[..length]);
    }
    // Each byte of the head and of the lengths replaced by the extremes.
    for at in 0..whole.len().min(120) {
        for value in [0, 0x7f, 0xfb, 0xfc, 0xfd, 0xfe, 0xff] {
            let mut payload = whole.clone();
            payload[at] = value;
            // The same login with other flags or another character set is no broken one.
            if at >= 32 {
                try_payload(&payload);
            }
        }
    }
    let without_nul = whole
        .iter()
        .map(|byte| if *byte == 0 { b'x' } else { *byte });
    try_payload(&without_nul.collect::<Vec<_>>());
    try_payload(&[0xff; 64 * 1024]);
    try_payload(
        &whole
            .iter()
            .copied()
            .chain([b'a'; 70_000])
            .collect::<Vec<_>>(),
    );

    // No password, no database, no such method.
    let empty = tenant.with_password("").refused();
    assert_eq!(empty.number, 1045, "{empty}");
    assert!(empty.text.contains("using password: NO"), "{empty}");
    let mut no_database = tenant.login();
    no_database.database = None;
    // The user name alone is enough where it is unique.
    let mut session = no_database.connect(address).unwrap();
    assert_eq!(session.one("SELECT DATABASE()"), tenant.name);
    assert_eq!(steady.one("SELECT 'still here'"), "still here");
}

/// T10: a server that asks for a file of a client that did not offer any gets none, neither the
/// client's nor the proxy's.
fn no_server_gets_a_file_that_was_not_offered(flavour: Flavour) {
    let server = Server::shared(flavour);
    let tap = Tap::start(&server.address());
    let fleet = MySqlFleet::through("mysql_pool_rogue", server, 1, tap.address());
    let blueprint = Blueprint::of(fleet);
    blueprint.workspace.run(SCHEMA);
    let tenant = blueprint.tenant("acme");
    let request = packet::packet(1, b"\xfb/etc/passwd");
    tap.plan(Plan::Answer("SELECT 'rogue'".to_owned(), request));

    for offers in [0, capability::LOCAL_FILES] {
        let mut login = tenant.login();
        login.capabilities |= offers;
        let mut session = login.connect(&tenant.address).unwrap();
        session.ask("SELECT 'rogue'").unwrap();
        // Not passed on: an error, or the end.
        if let Ok((answer, _)) = session.receive() {
            assert_eq!(answer[0], 0xff, "{answer:?}");
        }
        drop(session);
    }
    assert_eq!(tap.met(), 2);
    let caught = String::from_utf8_lossy(&tap.caught()).into_owned();
    assert!(!caught.contains("root:"), "{caught}");
    tap.release();
    assert_eq!(tenant.one("SELECT 1"), "1");
}

/// T11: who somebody is, and where, changes inside a session only as the server's grants allow.
fn another_user_or_database_is_refused_inside_a_session(flavour: Flavour) {
    let (blueprint, tenant) = blueprint("mysql_pool_change", flavour);
    let globex = blueprint.tenant("globex");
    let mut session = tenant.session();
    for (sql, number) in [
        (format!("USE {}", globex.name), 1044),
        (format!("SELECT * FROM {}.items", globex.name), 1142),
        (
            format!("INSERT INTO {}.items VALUES (1, 'x')", globex.name),
            1142,
        ),
        ("USE mysql".to_owned(), 1044),
        ("SELECT * FROM mysql.user".to_owned(), 1142),
    ] {
        assert_eq!(session.fails(&sql).number, number, "{sql}");
    }
    let error = session.init_db(&globex.name).unwrap_err().failed();
    assert_eq!((error.number, error.state.as_str()), (1044, "42000"));

    // The same login again: the session begins anew.
    session.query("SET @kept = 1; CREATE TEMPORARY TABLE kept (id INT)");
    session
        .change_user(&tenant.user, &tenant.password, &tenant.name)
        .unwrap();
    assert_eq!(session.one("SELECT @kept"), "NULL");
    assert_eq!(session.fails("SELECT * FROM kept").number, 1146);
    assert_eq!(session.one("SELECT DATABASE()"), tenant.name);
    session
        .change_user(&tenant.user, &tenant.password, "")
        .unwrap();
    assert_eq!(session.one("SELECT 1"), "1");

    // Another: refused like a wrong password, and nobody is logged in then.
    for (user, password, database) in [
        (&globex.user, &globex.password, &globex.name),
        (&tenant.user, &globex.password, &tenant.name),
        (&tenant.user, &tenant.password, &globex.name),
        (&globex.user, &globex.password, &tenant.name),
    ] {
        let mut session = tenant.session();
        let error = session
            .change_user(user, password, database)
            .unwrap_err()
            .failed();
        assert_eq!(
            (error.number, error.state.as_str()),
            (1045, "28000"),
            "{error}"
        );
        assert!(session.try_query("SELECT 1").is_err());
    }
    assert_eq!(globex.one("SELECT DATABASE()"), globex.name);
}

/// T15: a length that a message says is never more than what is taken as that message.
fn lengths_that_lie_end_their_own_connection(flavour: Flavour) {
    let (_blueprint, tenant) = blueprint("mysql_pool_lengths", flavour);
    let mut steady = tenant.session();
    // Full packets whose sum is more than the server takes, with a statement where a reader whose
    // length has wrapped would look for the next one.
    let mut session = tenant.session();
    let mut smuggled = packet::packet(0, b"\x03DELETE FROM items");
    smuggled.resize(packet::PAYLOAD_BYTES_MAX, b' ');
    steady.query("INSERT INTO items VALUES (1, 'kept')");
    for sequence in 0..=5 {
        let mut full = smuggled.clone();
        if sequence == 0 {
            full[..9].copy_from_slice(b"\x03SELECT '");
        }
        if session.raw(&packet::packet(sequence, &full)).is_err() {
            break;
        }
    }
    if let Ok((answer, _)) = session.receive() {
        assert_eq!(Failed::parse(&answer).number, 1153);
    }
    drop(session);
    // Sequence numbers that do not follow, and lengths inside of messages.
    let mut session = tenant.session();
    session.raw(&packet::packet(7, b"\x03SELECT 1")).unwrap();
    if let Ok((answer, _)) = session.receive() {
        assert_eq!(Failed::parse(&answer).number, 1156);
    }
    let mut session = tenant.session();
    let statement = session.prepare("SELECT ?").unwrap();
    let mut body = statement.to_le_bytes().to_vec();
    // Flags, once, no NULLs, types follow: a string that is 4 GB and 5 bytes long by its own word.
    body.extend_from_slice(&[0, 1, 0, 0, 0, 0, 1, 0xfd, 0, 0xfe]);
    body.extend_from_slice(&(u64::from(u32::MAX) + 6).to_le_bytes());
    body.extend_from_slice(b"hello");
    session.command(0x17, &body).unwrap();
    // Whatever the server makes of it.
    let _ = session.receive();
    drop(session);
    assert_eq!(steady.one("SELECT body FROM items"), "kept");
    assert_eq!(tenant.one("SELECT 2"), "2");
}

/// T16: a client that asks and goes away, after each byte of what it sends.
fn a_client_that_leaves_at_any_byte_leaves_no_answer_behind(flavour: Flavour) {
    let (_blueprint, tenant) = blueprint("mysql_pool_leaves", flavour);
    let secret = packet::packet(0, b"\x03SELECT 'of the one that left'");
    let two = [secret.clone(), secret.clone()].concat();
    for length in 1..=two.len() {
        let mut session = tenant.session();
        session.raw(&two[..length]).unwrap();
        drop(session);
        let nonce = format!("nonce {length}");
        let mut next = tenant.session();
        assert_eq!(next.one(&format!("SELECT '{nonce}'")), nonce);
        quit(next);
    }
    // And after each message of the answer.
    for messages in 0..6 {
        let mut session = tenant.session();
        session.raw(&two).unwrap();
        for _ in 0..messages {
            session.receive().unwrap();
        }
        drop(session);
        let nonce = format!("behind {messages}");
        assert_eq!(tenant.one(&format!("SELECT '{nonce}'")), nonce);
    }
}

/// C17: a login byte by byte, and a login with the first commands in the same segment.
fn bytes_that_come_with_the_login_are_not_lost(flavour: Flavour) {
    use std::io::Write as _;
    use std::net::TcpStream;

    let (_blueprint, tenant) = blueprint("mysql_pool_early", flavour);
    // So that the server remembers the password, and the login is one message.
    quit(tenant.session());
    let first = packet::packet(0, b"\x03SELECT 'first'");
    let second = packet::packet(0, b"\x03SELECT 'second'");
    for byte_by_byte in [true, false] {
        let mut stream = TcpStream::connect(&tenant.address).unwrap();
        stream.set_read_timeout(Some(wait::DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let (greeting, sequence) = packet::read(&mut stream).unwrap();
        let greeting = tenantsdb_tests::mysql::login::Greeting::parse(&greeting).unwrap();
        let login: Login = tenant.login();
        let login = packet::packet(sequence, &login.handshake_response(&greeting));
        let all = [login, first.clone(), second.clone()].concat();
        if byte_by_byte {
            for byte in &all {
                stream.write_all(std::slice::from_ref(byte)).unwrap();
            }
        } else {
            stream.write_all(&all).unwrap();
        }
        let mut seen = Vec::new();
        let mut logged_in = false;
        while seen.len() < 2 {
            let (message, _) = packet::read(&mut stream).unwrap();
            match message.as_slice() {
                [1, 3] if !logged_in => {}
                [0, ..] if !logged_in => logged_in = true,
                // A row of one short text.
                [length, text @ ..] if logged_in && usize::from(*length) == text.len() => {
                    seen.push(String::from_utf8_lossy(text).into_owned());
                }
                [0xff, ..] => panic!("{}", Failed::parse(&message)),
                _ => assert!(logged_in, "{message:?}"),
            }
        }
        assert_eq!(seen, ["first", "second"]);
    }
}

/// C19: each variable of a session that a tenant can set is set to something else; the next client
/// sees what a client of a new connection sees.
fn every_session_variable_is_back_for_the_next_client(flavour: Flavour) {
    let (blueprint, tenant) = blueprint("mysql_pool_variables", flavour);
    let variables = |session: &mut Session| session.rows("SHOW SESSION VARIABLES");
    let mut session = tenant.session();
    let fresh = variables(&mut session);
    let thread = server_thread(&mut session);
    let mut set = HashSet::new();
    for row in &fresh {
        let [name, value] = [&row[0], &row[1]];
        // Each is given a value that it does not have, where one of these fits.
        for other in ["ON", "OFF", "1", "7777", "latin1", "'+03:00'", "'x'"] {
            if other == value || name == "autocommit" && other == "'x'" {
                continue;
            }
            if session
                .try_query(&format!("SET SESSION {name} = {other}"))
                .is_ok()
            {
                set.insert(name.clone());
                break;
            }
        }
    }
    println!("{} variables were set", set.len());
    assert!(set.len() > 60, "only {set:?}");
    quit(session);

    let mut next = next_on(&tenant, &thread);
    let now = variables(&mut next);
    // What tells one moment, connection or query from another.
    let passing = [
        "timestamp",
        "pseudo_thread_id",
        "rand_seed1",
        "rand_seed2",
        "last_insert_id",
        "statement_id",
        "gtid_executed",
    ];
    let changed: Vec<_> = fresh
        .iter()
        .filter(|row| !passing.contains(&row[0].as_str()))
        .filter(|row| !now.contains(row))
        .collect();
    assert!(changed.is_empty(), "{changed:?}");
    let metrics = api::Api::new(&blueprint.fleet.proxies[0].admin_url("/metrics"), "");
    assert_eq!(metrics.get("").status, 200);
}
