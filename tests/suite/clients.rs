//! The clients that people use work through the proxy unmodified: in plain TCP and over TLS with
//! the proxy's certificate verified.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use tenantsdb_tests::{Database, Fleet, Run, dump, paths, python, wait};

/// A tenant, and the two ways of connecting to it.
struct Tenant {
    fleet: Fleet,
    database: Database,
}

impl Tenant {
    fn start(test: &str) -> Self {
        let fleet = Fleet::start(test, 1);
        let workspace = fleet.workspace("myapp");
        workspace
            .psql("CREATE TABLE users (id int PRIMARY KEY, name text)")
            .ok();
        let database = fleet.tenant("myapp", "acme");
        Self { fleet, database }
    }

    /// Connection strings: plain, and TLS with host and certificate checked.
    fn urls(&self) -> [String; 2] {
        let plain = self.database.url();
        let ca = self.fleet.proxies[0].ca();
        [
            format!("{plain}?sslmode=disable"),
            format!("{plain}?sslmode=verify-full&sslrootcert={}", ca.display()),
        ]
    }
}

#[test]
fn psql_works_over_every_sslmode() {
    let tenant = Tenant::start("clients_sslmode");
    let plain = tenant.database.url();
    let ca = tenant.fleet.proxies[0].ca();
    let ca = ca.display();
    for (query, encrypted) in [
        ("sslmode=disable", false),
        ("sslmode=allow", false),
        ("sslmode=prefer", true),
        ("sslmode=require", true),
        ("sslmode=require&channel_binding=require", true),
        (&format!("sslmode=verify-ca&sslrootcert={ca}"), true),
        (&format!("sslmode=verify-full&sslrootcert={ca}"), true),
    ] {
        let shown = tenant
            .database
            .psql_with(&["-d", &format!("{plain}?{query}"), "-c", r"\conninfo"])
            .out();
        assert_eq!(
            shown.contains("SSL connection"),
            encrypted,
            "{query}: {shown}"
        );
    }
    // An authority that did not sign the proxy's certificate.
    let other = tenant.fleet.dir().join("other");
    let mut command = Command::new(paths::program("tenantsdb-proxy"));
    Run::of(command.arg("dev-certs").arg("--dir").arg(&other)).ok();
    let url = format!(
        "{plain}?sslmode=verify-ca&sslrootcert={}/ca.crt",
        other.display()
    );
    let refused = tenant.database.psql_with(&["-d", &url, "-c", "SELECT 1"]);
    let text = refused.error();
    assert!(text.contains("certificate verify failed"), "{text}");
}

#[test]
fn ctrl_c_in_psql_ends_the_query_and_not_the_session() {
    let tenant = Tenant::start("clients_ctrl_c");
    for url in tenant.urls() {
        // psql goes on after Ctrl-C only where it talks to a person: script(1) gives it a terminal.
        let psql = paths::postgres_bin().join("psql");
        let command = format!("{} -X -A -t -P pager=off -d '{url}'", psql.display());
        let mut child = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env("TERM", "dumb")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut keys = child.stdin.take().unwrap();
        let who = "SELECT 'backend ' || pg_backend_pid();\n";
        keys.write_all(who.as_bytes()).unwrap();
        keys.write_all(b"SELECT pg_sleep(600);\n").unwrap();
        wait_for_sleep(&tenant.fleet);
        keys.write_all(b"\x03").unwrap();
        keys.write_all(who.as_bytes()).unwrap();
        keys.write_all(b"\\q\n").unwrap();
        let shown = outcome(child);
        let cancelled = "ERROR:  canceling statement due to user request";
        assert!(shown.contains(cancelled), "{shown}");
        let backends: Vec<&str> = shown
            .lines()
            .filter_map(|line| line.trim_end().strip_prefix("backend "))
            .collect();
        assert_eq!(backends.len(), 2, "{shown}");
        assert_eq!(backends[0], backends[1], "{shown}");
    }
}

/// Waits until the tenant's `pg_sleep` is running on the server.
fn wait_for_sleep(fleet: &Fleet) {
    let mut admin = fleet.server.admin("postgres");
    let sql = "SELECT 1 FROM pg_stat_activity
               WHERE usename = 'myapp__acme' AND state = 'active' AND query LIKE '%pg_sleep%'";
    wait::until("the query to run", || admin.query_opt(sql, &[]).unwrap());
}

/// What a program printed until its end.
fn outcome(mut child: Child) -> String {
    let mut shown = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut shown).unwrap();
    child.wait().unwrap();
    shown
}

#[test]
fn a_cancel_key_ends_nobody_elses_query() {
    let tenant = Tenant::start("clients_cancel");
    let mut sleeper = tenant.database.connect();
    let stranger = tenant.database.connect();
    let other_session = stranger.cancel_token();
    std::thread::scope(|scope| {
        let own = sleeper.cancel_token();
        let running = scope.spawn(move || sleeper.simple_query("SELECT pg_sleep(600)").err());
        wait_for_sleep(&tenant.fleet);
        other_session.cancel_query(postgres::NoTls).unwrap();
        // A fact about nothing happening: the query is seen running behind the other's cancel.
        std::thread::sleep(std::time::Duration::from_millis(300));
        wait_for_sleep(&tenant.fleet);
        own.cancel_query(postgres::NoTls).unwrap();
        let error = running.join().unwrap().unwrap();
        assert_eq!(error.code().unwrap().code(), "57014");
    });
}

#[test]
fn pgbench_runs_in_every_query_mode() {
    let tenant = Tenant::start("clients_pgbench");
    // Its tables are made in the workspace, as a schema of an application is.
    let workspace = tenant.fleet.workspace("bench");
    pgbench(&workspace.url(), &["-i", "-I", "dtpf", "-q", "-s", "1"]);
    let database = tenant.fleet.tenant("bench", "acme");
    pgbench(&database.url(), &["-i", "-I", "g", "-q", "-s", "1"]);
    let ca = tenant.fleet.proxies[0].ca();
    let tls = format!(
        "{}?sslmode=verify-full&sslrootcert={}",
        database.url(),
        ca.display()
    );
    for url in [database.url(), tls] {
        for mode in ["simple", "extended", "prepared"] {
            pgbench(&url, &["-n", "-M", mode, "-c", "4", "-j", "2", "-t", "100"]);
        }
    }
    pgbench(
        &database.url(),
        &["-n", "-C", "-S", "-c", "4", "-j", "2", "-t", "25"],
    );
}

fn pgbench(url: &str, args: &[&str]) {
    let mut command = Command::new(paths::postgres_bin().join("pgbench"));
    let run = Run::of(command.args(args).arg(url));
    run.ok();
    // A run in which some client was disconnected succeeds all the same.
    assert!(
        !run.stderr.contains("abort") && !run.stderr.contains("error"),
        "{run}"
    );
}

#[test]
fn python_drivers_work() {
    let tenant = Tenant::start("clients_python");
    for url in tenant.urls() {
        for script in ["psycopg_sync", "psycopg_async", "psycopg2_sync"] {
            assert_eq!(python::run(script, &[&url]).out(), "ok", "{script} {url}");
        }
    }
}

#[test]
fn asyncpg_works() {
    let tenant = Tenant::start("clients_asyncpg");
    let url = tenant.database.url();
    let ca = tenant.fleet.proxies[0].ca();
    assert_eq!(python::run("asyncpg_pool", &[&url]).out(), "ok");
    let ca = ca.to_str().unwrap();
    assert_eq!(python::run("asyncpg_pool", &[&url, ca]).out(), "ok");
}

#[test]
fn a_tenants_own_dump_holds_schema_and_data() {
    let tenant = Tenant::start("clients_dump");
    tenant
        .database
        .psql("INSERT INTO users SELECT n, repeat('x', 100) FROM generate_series(1, 5000) n")
        .ok();
    for url in tenant.urls() {
        let dumped = Run::of(Command::new(dump::pg_dump()).arg("-d").arg(url)).out();
        assert!(
            dumped.contains("CREATE TABLE public.users"),
            "{dumped:.500}"
        );
        assert_eq!(dumped.matches("xxxx\n").count(), 5000);
    }
    // What the tenant dumps of its schema is what the admin dumps.
    let admin = tenant.fleet.server.admin_url(&tenant.database.name);
    assert_eq!(dump::schema(&tenant.database.url()), dump::schema(&admin));
}

#[test]
fn large_values_pass_in_both_directions() {
    let tenant = Tenant::start("clients_large");
    let mut client = tenant.database.connect();
    let value = "0123456789abcdef".repeat(1 << 20);
    let row = client
        .query_one("SELECT $1::text, md5($1::text)", &[&value])
        .unwrap();
    assert!(row.get::<_, String>(0) == value, "16 MiB came back changed");
}
