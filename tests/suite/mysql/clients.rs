//! The clients that people use work through the proxy unmodified: in plain TCP and over TLS with
//! the proxy's certificate verified.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tenantsdb_tests::mysql::{self, Cli, Database, Flavour, Server};
use tenantsdb_tests::{Run, node, paths, python, wait};

use super::Blueprint;

on_both!(
    the_scripts_pass_at_the_server_itself,
    drivers_work,
    sqlx_works,
    both_command_lines_work,
    several_statements_and_results_come_in_order,
    messages_of_many_packets_pass,
    ctrl_c_ends_the_query_and_not_the_session,
    kill_ends_ones_own_and_nobody_elses,
    files_of_clients_are_refused,
);

/// Scripts of `tests/clients/mysql`.
const PYTHON: &[&str] = &[
    "pymysql_sync",
    "mysqlclient_sync",
    "connector",
    "aiomysql_pool",
    "sqlalchemy_orm",
    "django_orm",
];
/// Scripts of `tests/clients/node`.
const NODE: &[&str] = &["mysql2", "knex", "sequelize"];

fn schema() -> String {
    let file = paths::repository().join("tests/clients/mysql/clients.sql");
    std::fs::read_to_string(file).unwrap()
}

/// A tenant with the clients' tables, and the two ways of connecting to it.
struct Tenant {
    blueprint: Blueprint,
    database: Database,
}

impl Tenant {
    fn start(test: &str, flavour: Flavour) -> Self {
        let blueprint = Blueprint::start(test, flavour);
        Cli(flavour).import(&blueprint.workspace, &schema()).ok();
        let database = blueprint.tenant("acme");
        database.run("CALL fill_numbers()");
        Self {
            blueprint,
            database,
        }
    }

    fn ca(&self) -> PathBuf {
        self.blueprint.fleet.proxies[0].ca()
    }
}

/// Runs every script against a database, and tells all that fail.
fn run_drivers(database: &Database, ca: &Path) {
    let (_, port) = database.host_port();
    let Database {
        user,
        password,
        name,
        ..
    } = database;
    let mut failed = Vec::new();
    for authority in ["", ca.to_str().unwrap()] {
        // By number: the C library takes `localhost` for a socket in the file system.
        let arguments = ["127.0.0.1", port, user, password, name, authority];
        let python = PYTHON.iter().map(|script| {
            let script = format!("mysql/{script}");
            python::run(&script, &arguments)
        });
        let node = NODE.iter().map(|script| node::run(script, &arguments));
        failed.extend(python.chain(node).filter(|run| run.stdout != "ok"));
    }
    let texts: Vec<String> = failed.iter().map(Run::to_string).collect();
    assert!(texts.is_empty(), "{}", texts.join("\n\n"));
}

/// What the scripts expect is what the servers do, or it would say nothing about the proxy.
fn the_scripts_pass_at_the_server_itself(flavour: Flavour) {
    let server = Server::shared(flavour);
    let database = server.database(&mysql::blueprint());
    Cli(flavour).import(&database, &schema()).ok();
    database.run("CALL fill_numbers()");
    run_drivers(&database, &server.ca());
}

fn drivers_work(flavour: Flavour) {
    let tenant = Tenant::start("mysql_drivers", flavour);
    run_drivers(&tenant.database, &tenant.ca());
}

fn sqlx_works(flavour: Flavour) {
    let tenant = Tenant::start("mysql_sqlx", flavour);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.unwrap();
    let ca = tenant.ca();
    let url = tenant.database.url().replace("127.0.0.1", "localhost");
    for query in [
        "ssl-mode=DISABLED".to_owned(),
        format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={}", ca.display()),
    ] {
        runtime.block_on(sqlx_session(&format!("{url}?{query}")));
    }
}

async fn sqlx_session(url: &str) {
    use sqlx::{Connection as _, Row as _};
    let mut db = sqlx::MySqlConnection::connect(url).await.unwrap();
    sqlx::query("DELETE FROM items")
        .execute(&mut db)
        .await
        .unwrap();
    let body = "ü🦀".repeat(1000);
    for n in 0..100 {
        let insert = sqlx::query("INSERT INTO items (id, body, raw) VALUES (?, ?, ?)");
        let insert = insert.bind(n).bind(&body).bind(&b"\0\xff"[..]);
        assert_eq!(insert.execute(&mut db).await.unwrap().rows_affected(), 1);
    }
    let mut transaction = db.begin().await.unwrap();
    sqlx::query("DELETE FROM items")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    let rows = sqlx::query("SELECT body, raw FROM items WHERE id < ?").bind(100);
    let rows = rows.fetch_all(&mut db).await.unwrap();
    assert_eq!(rows.len(), 100);
    assert!(rows.iter().all(|row| row.get::<String, _>(0) == body));
    assert!(rows.iter().all(|row| row.get::<Vec<u8>, _>(1) == b"\0\xff"));
    let error = sqlx::query("SELECT * FROM nowhere").execute(&mut db).await;
    let error = error.unwrap_err().into_database_error().unwrap();
    assert_eq!(error.code().unwrap(), "42S02");
    let text = sqlx::raw_sql("SELECT 1; SELECT 2").fetch_all(&mut db).await;
    assert_eq!(text.unwrap().len(), 2);
    db.ping().await.unwrap();
    db.close().await.unwrap();
}

/// The command line clients that can be had here.
fn command_lines() -> impl Iterator<Item = Cli> {
    let all = [Flavour::MariaDb, Flavour::MySql];
    all.into_iter()
        .filter(|flavour| {
            *flavour == Flavour::MariaDb || mysql::programs::mysql_unavailable().is_none()
        })
        .map(Cli)
}

fn both_command_lines_work(flavour: Flavour) {
    let tenant = Tenant::start("mysql_cli", flavour);
    let ca = tenant.ca();
    let local = Database {
        address: tenant.database.address.replace("127.0.0.1", "localhost"),
        ..tenant.database.clone()
    };
    for cli in command_lines() {
        for mut command in [cli.plain(&local), cli.tls(&local, &ca)] {
            let script = "DELETE FROM items;
                INSERT INTO items (id, body) VALUES (1, 'ü🦀');
                BEGIN; DELETE FROM items; ROLLBACK;
                SELECT id, body FROM items;
                USE mysql_no_such;";
            let run = Run::with_input(&mut command, script);
            assert_eq!(run.stdout, "1\tü🦀", "{run}");
            assert!(run.stderr.contains("ERROR 1044 (42000)"), "{run}");
        }
        // Whether the client believes to be on TLS, by its own word.
        let status = |mut command: Command| {
            if cli.0 == Flavour::MySql {
                command.arg("--commands");
            }
            Run::with_input(&mut command, "\\s\n").out()
        };
        let shown = status(cli.tls(&local, &ca));
        assert!(shown.contains("Cipher in use"), "{shown}");
        let shown = status(cli.plain(&local));
        assert!(!shown.contains("Cipher in use"), "{shown}");
        // An authority that did not sign the proxy's certificate.
        let stranger = tenant.blueprint.fleet.server.ca();
        let refused = Run::of(cli.tls(&local, &stranger).args(["-e", "SELECT 1"]));
        let text = refused.error();
        assert!(
            text.contains("certificate") || text.contains("SSL"),
            "{text}"
        );
    }
}

fn several_statements_and_results_come_in_order(flavour: Flavour) {
    let tenant = Tenant::start("mysql_results", flavour);
    for cli in command_lines() {
        let sql = "SELECT 1; CALL two_results(7); SELECT 'end'";
        assert_eq!(cli.run(&tenant.database, sql).out(), "1\n7\n8\n9\nend");
    }
    let mut session = tenant.database.session();
    let error = session.fails("SELECT 1; SELECT * FROM nowhere; SELECT 2");
    assert_eq!((error.number, error.state.as_str()), (1146, "42S02"));
    assert_eq!(session.one("SELECT 3"), "3");
    // An empty statement behind the last one is no statement.
    assert_eq!(session.query("SELECT 1;").len(), 1);
    assert_eq!(session.fails("").number, 1065);
}

fn messages_of_many_packets_pass(flavour: Flavour) {
    let tenant = Tenant::start("mysql_big", flavour);
    let mut session = tenant.database.session();
    session.query("DELETE FROM items");
    // Around the length at which a message is cut in two, and well above it.
    let head = "INSERT INTO items (id, body) VALUES (1, '')".len() + 1;
    let full = mysql::packet::PAYLOAD_BYTES_MAX;
    for length in [full - head - 1, full - head, full - head + 1, 40 << 20] {
        session.query("DELETE FROM items");
        let body = "y".repeat(length);
        session.query(&format!(
            "INSERT INTO items (id, body) VALUES (1, '{body}')"
        ));
        let sql = "SELECT body FROM items";
        assert!(session.one(sql) == body, "{length} bytes came back changed");
        assert_eq!(
            session.one("SELECT LENGTH(body) FROM items"),
            length.to_string()
        );
    }
    // The server's own answer to what is too long for it.
    let body = "z".repeat(70 << 20);
    session.ask(&format!("SELECT LENGTH('{body}')")).ok();
    if let Err(error) = session.results() {
        if let mysql::Refused::Error(failed) = error {
            assert_eq!(failed.number, 1153, "{failed}");
        }
    } else {
        panic!("70 MB were taken where 64 are allowed");
    }
    assert_eq!(tenant.database.one("SELECT 1"), "1");
}

/// Waits until so many of the tenant's `SLEEP` are running on the server.
fn wait_for_sleep(server: &Server, database: &Database, count: usize) {
    let mut admin = server.admin();
    wait::until("the query to run, or to end", || {
        (admin.running(&database.name, "SELECT SLEEP") == count).then_some(())
    });
}

fn ctrl_c_ends_the_query_and_not_the_session(flavour: Flavour) {
    let tenant = Tenant::start("mysql_ctrl_c", flavour);
    let local = Database {
        address: tenant.database.address.replace("127.0.0.1", "localhost"),
        ..tenant.database.clone()
    };
    let ca = tenant.ca();
    for cli in command_lines() {
        for command in [cli.plain(&local), cli.tls(&local, &ca)] {
            // Ctrl-C is handled where the client talks to a person: script(1) gives it a terminal.
            let mut command = Cli::interactive(&command);
            command.args(["--silent", "--raw"]);
            let words: Vec<String> = std::iter::once(command.get_program())
                .chain(command.get_args())
                .map(|word| format!("'{}'", word.to_str().unwrap()))
                .collect();
            let mut child = Command::new("script")
                .args(["-qec", &words.join(" "), "/dev/null"])
                .env("MYSQL_PWD", &local.password)
                .env("TERM", "dumb")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut keys = child.stdin.take().unwrap();
            let who = "SELECT CONCAT('back', 'end ', CONNECTION_ID());\n";
            keys.write_all(who.as_bytes()).unwrap();
            keys.write_all(b"SELECT SLEEP(600);\n").unwrap();
            wait_for_sleep(&tenant.blueprint.fleet.server, &local, 1);
            keys.write_all(b"\x03").unwrap();
            wait_for_sleep(&tenant.blueprint.fleet.server, &local, 0);
            keys.write_all(who.as_bytes()).unwrap();
            keys.write_all(b"\\q\n").unwrap();
            let mut shown = String::new();
            child
                .stdout
                .take()
                .unwrap()
                .read_to_string(&mut shown)
                .unwrap();
            child.wait().unwrap();
            let backends: Vec<&str> = shown
                .lines()
                .filter_map(|line| line.trim().strip_prefix("backend "))
                .collect();
            assert_eq!(backends.len(), 2, "{shown}");
            assert_eq!(backends[0], backends[1], "{shown}");
        }
    }
}

fn kill_ends_ones_own_and_nobody_elses(flavour: Flavour) {
    let tenant = Tenant::start("mysql_kill", flavour);
    let server = &tenant.blueprint.fleet.server;
    let mut sleeper = tenant.database.session();
    let mut killer = tenant.database.session();
    // The id of the greeting is the one that SQL knows.
    let id = sleeper.id();
    assert_ne!(id, killer.id());

    sleeper.ask("SELECT SLEEP(600)").unwrap();
    wait_for_sleep(server, &tenant.database, 1);
    killer.query(&format!("KILL QUERY {id}"));
    let _ = sleeper.results();
    assert_eq!(sleeper.one("SELECT 1"), "1");

    // Where statements are looked at for DDL, too.
    let workspace = &tenant.blueprint.workspace;
    let mut developer = workspace.session();
    developer.ask("SELECT SLEEP(600)").unwrap();
    wait_for_sleep(server, workspace, 1);
    let id_there = developer.id();
    workspace.session().query(&format!("KILL QUERY {id_there}"));
    let _ = developer.results();
    assert_eq!(developer.one("SELECT 1"), "1");

    // Another tenant's session cannot be named: there is no such thread.
    let globex = tenant.blueprint.tenant("globex");
    let mut stranger = globex.session();
    sleeper.ask("SELECT SLEEP(600)").unwrap();
    wait_for_sleep(server, &tenant.database, 1);
    for sql in [
        format!("KILL QUERY {id}"),
        format!("KILL {id}"),
        format!("KILL CONNECTION {id}"),
    ] {
        let error = stranger.fails(&sql);
        assert_eq!(
            (error.number, error.state.as_str()),
            (1094, "HY000"),
            "{sql}"
        );
    }
    wait_for_sleep(server, &tenant.database, 1);

    killer.query(&format!("KILL {id}"));
    wait_for_sleep(server, &tenant.database, 0);
    let gone = loop {
        // The query's own error may come before the end.
        match sleeper.results() {
            Ok(_) => {}
            Err(mysql::Refused::Io(_)) => break true,
            Err(mysql::Refused::Error(failed)) if failed.number == 1317 => {}
            Err(mysql::Refused::Error(failed)) => break failed.number == 1927,
        }
    };
    assert!(gone);
    assert_eq!(killer.fails("KILL 4294967294").number, 1094);
}

/// `LOAD DATA LOCAL` sends a file of the client's. It is off: the client, though it offers it, is
/// never asked for a file, nor is a file of the proxy's read.
fn files_of_clients_are_refused(flavour: Flavour) {
    let tenant = Tenant::start("mysql_infile", flavour);
    let file = tenant.blueprint.fleet.dir().join("rows.txt");
    std::fs::write(&file, "1\tfrom a file\n").unwrap();
    let sql = format!(
        "LOAD DATA LOCAL INFILE '{}' INTO TABLE items (id, body)",
        file.display()
    );
    for cli in command_lines() {
        let mut command = cli.plain(&tenant.database);
        let refused = Run::of(command.args(["--local-infile=1", "-e", &sql])).error();
        assert!(refused.contains("ERROR "), "{refused}");
    }
    let mut login = tenant.database.login();
    login.capabilities |= mysql::packet::capability::LOCAL_FILES;
    let mut session = login.connect(&tenant.database.address).unwrap();
    // `fails` would panic on a request for the file.
    let error = session.fails(&sql);
    assert!([1148, 3948, 4166].contains(&error.number), "{error}");
    assert_eq!(session.one("SELECT COUNT(*) FROM items"), "0");
}
