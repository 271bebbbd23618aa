//! A tenant can reach nothing that is not its own, and captured DDL gains nothing: through the
//! proxy and past it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use serde_json::json;
use tenantsdb_tests::{Database, Fleet, database::sqlstate};

/// The workspace's first table, and what every test here begins with.
fn fleet_with_workspace(test: &str) -> (Fleet, Database) {
    let fleet = Fleet::start(test, 1);
    let workspace = fleet.workspace("myapp");
    workspace.psql("CREATE TABLE users (id int)").ok();
    (fleet, workspace)
}

#[test]
fn no_other_database_can_be_entered() {
    let (fleet, _) = fleet_with_workspace("isolation_enter");
    let acme = fleet.tenant("myapp", "acme");
    let _ = fleet.tenant("myapp", "globex");
    let other = fleet.workspace("other");
    other.psql("CREATE TABLE a (id int)").ok();
    let _ = fleet.tenant("other", "acme");

    let mut admin = fleet.server.admin("postgres");
    let names = admin.query("SELECT datname FROM pg_database", &[]).unwrap();
    let names: Vec<String> = names.iter().map(|row| row.get(0)).collect();
    let kinds = [
        "template0",
        "template1",
        "myapp_template_1_1",
        "myapp_dev",
        "other__acme",
    ];
    for kind in kinds {
        assert!(names.iter().any(|name| name == kind), "{kind} of {names:?}");
    }
    for name in names.iter().filter(|name| *name != &acme.name) {
        // Through the proxy there is one answer, as for a database that does not exist.
        let entry = acme.in_database(name);
        assert_eq!(entry.refused().0, "28P01", "{name}");
        // At the server: no privilege to connect (42501), or nobody may (55000).
        let (state, text) = entry.at(&fleet.server.address()).refused();
        assert!(
            state == "42501" || state == "55000",
            "{name}: {state} {text}"
        );
    }
    acme.psql("SELECT 1").ok();
    acme.at(&fleet.server.address()).psql("SELECT 1").ok();
}

#[test]
fn a_tenant_that_is_being_created_cannot_be_entered() {
    let (fleet, _) = fleet_with_workspace("isolation_create");
    let acme = fleet.tenant("myapp", "acme");
    let direct = acme.at(&fleet.server.address());
    let (done, tries) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for n in 0..10 {
                        let entry = direct.in_database(&format!("myapp__new{n}"));
                        // Not there yet, no privilege, no connections allowed.
                        let (state, text) = entry.refused();
                        let fine = ["3D000", "42501", "55000"].contains(&state.as_str());
                        assert!(fine, "{}: {state} {text}", entry.name);
                        tries.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for n in 0..10 {
            let _ = fleet.tenant("myapp", &format!("new{n}"));
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{} attempts to enter", tries.load(Ordering::Relaxed));
}

#[test]
fn a_tenant_uses_its_data_and_not_its_schema() {
    let (fleet, _) = fleet_with_workspace("isolation_schema");
    let acme = fleet.tenant("myapp", "acme");
    acme.psql("INSERT INTO users VALUES (1); UPDATE users SET id = 2; DELETE FROM users")
        .ok();
    acme.psql("TRUNCATE users").ok();
    acme.psql("CREATE TEMP TABLE scratch (id int)").ok();
    // Somebody for it to try and end.
    let _admin = fleet.server.admin("postgres");
    for address in [&acme.address, &fleet.server.address()] {
        let mut client = acme.at(address).connect();
        for ddl in [
            "CREATE TABLE mine (id int)",
            "ALTER TABLE users ADD COLUMN x int",
            "DROP TABLE users",
            "CREATE SCHEMA mine",
            "SET ROLE myapp_owner",
            "SET ROLE myapp_deploy",
            "CREATE ROLE mine",
            "CREATE DATABASE mine",
            "INSERT INTO tenantsdb.version (ordinal, version) VALUES (9, '1.9')",
            "SELECT * FROM pg_authid",
            "COPY users FROM PROGRAM 'echo 1'",
            "SELECT pg_read_file('PG_VERSION')",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
        ] {
            assert_eq!(sqlstate(client.simple_query(ddl)), "42501", "{ddl}");
        }
    }
}

#[test]
fn allow_ddl_lifts_it_for_one_tenant_and_one_database() {
    let (fleet, _) = fleet_with_workspace("isolation_allow_ddl");
    let body = json!({"name": "acme", "blueprint": "myapp", "allow_ddl": true});
    let acme = fleet.tenant_with(&body);
    let globex = fleet.tenant("myapp", "globex");
    acme.psql("CREATE TABLE own (id int); ALTER TABLE users ADD COLUMN x int")
        .ok();
    // Again on a connection that was reset.
    acme.psql("INSERT INTO own VALUES (1); DROP TABLE own").ok();
    let address = fleet.server.address();
    let (state, _) = acme.at(&address).in_database(&globex.name).refused();
    assert_eq!(state, "42501");
    let refused = globex.psql("CREATE TABLE own (id int)").error();
    assert!(refused.contains("42501"), "{refused}");
}

/// What an attack would have changed, if any gained something.
#[track_caller]
fn nothing_was_gained(fleet: &Fleet) {
    let mut admin = fleet.server.admin("postgres");
    let sql = "SELECT rolname FROM pg_roles WHERE rolname <> 'postgres'
               AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication
                    OR rolname = 'gained')
               UNION ALL
               SELECT r.rolname || ' in ' || g.rolname
               FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
               JOIN pg_roles g ON g.oid = m.roleid
               WHERE g.rolname IN
                 ('pg_execute_server_program', 'pg_read_server_files', 'postgres')";
    let rows = admin.query(sql, &[]).unwrap();
    let gained: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(gained.is_empty(), "{gained:?}");
    let marker = marker();
    assert!(!marker.exists(), "a program was run on the server");
}

/// A file that a program would make which captured SQL managed to start.
fn marker() -> PathBuf {
    std::env::temp_dir().join(format!("tenantsdb-gained-{}", std::process::id()))
}

/// A function that tries every way up and hides that it failed, so that the statement which calls
/// it takes effect and is captured.
fn climbing_function(name: &str) -> String {
    let attempts = [
        "RESET ROLE",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "RESET SESSION AUTHORIZATION",
        "ALTER ROLE myapp_dev SUPERUSER",
        "ALTER ROLE myapp_owner SUPERUSER",
        "ALTER ROLE myapp_deploy SUPERUSER",
        "CREATE ROLE gained SUPERUSER LOGIN",
        "GRANT pg_execute_server_program TO myapp_dev",
        &format!("COPY (SELECT 1) TO PROGRAM 'touch {}'", marker().display()),
    ];
    let attempts: String = attempts
        .iter()
        .map(|sql| {
            let sql = sql.replace('\'', "''");
            format!("BEGIN EXECUTE '{sql}'; EXCEPTION WHEN OTHERS THEN NULL; END; ")
        })
        .collect();
    format!(
        "CREATE OR REPLACE FUNCTION {name}() RETURNS int LANGUAGE plpgsql AS $climb$
         BEGIN {attempts} RETURN 1; END $climb$"
    )
}

#[test]
fn captured_ddl_gains_nothing_where_it_is_replayed() {
    let (fleet, workspace) = fleet_with_workspace("isolation_replay");
    let existing = fleet.tenant("myapp", "existing");
    existing.psql("INSERT INTO users VALUES (1)").ok();
    for sql in [
        climbing_function("climb").as_str(),
        // Run for each row by whoever deploys.
        "ALTER TABLE users ADD COLUMN climbed int DEFAULT climb()",
        "CREATE INDEX ON users ((climb_for_index(id)))",
        "CREATE MATERIALIZED VIEW climbed AS SELECT climb()",
        "DO $$ BEGIN CREATE TABLE from_block (id int); PERFORM climb(); END $$",
        "RESET ROLE; CREATE TABLE after_reset (id int)",
    ] {
        let run = workspace.psql(sql);
        assert!(run.code == 0 || sql.contains("climb_for_index"), "{run}");
    }
    nothing_was_gained(&fleet);
    let end = fleet.deployed(&fleet.deploy("myapp"));
    assert_eq!(end["status"], "completed", "{end:#}");
    let _ = fleet.tenant("myapp", "fresh");
    nothing_was_gained(&fleet);
    existing.psql("SELECT climbed FROM users").ok();

    // What cannot be hidden fails, here already, and is not captured.
    let pending = fleet.pending("myapp");
    for sql in [
        &format!("COPY users FROM PROGRAM 'touch {}'", marker().display()),
        "SET SESSION AUTHORIZATION postgres; CREATE TABLE a (id int)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc', 'getpid'",
        "CREATE EXTENSION file_fdw",
    ] {
        let _ = workspace.psql(sql).error();
    }
    assert_eq!(fleet.pending("myapp"), pending);
    nothing_was_gained(&fleet);
}

#[test]
fn the_ledger_cannot_be_forged_or_silenced() {
    let (fleet, workspace) = fleet_with_workspace("isolation_ledger");
    let pending = fleet.pending("myapp");
    for address in [&workspace.address, &fleet.server.address()] {
        let mut client = workspace.at(address).connect();
        for sql in [
            "INSERT INTO tenantsdb.ledger (tag) VALUES ('CREATE TABLE')",
            "UPDATE tenantsdb.ledger SET query = 'CREATE TABLE forged (id int)'",
            "DELETE FROM tenantsdb.ledger",
            "TRUNCATE tenantsdb.ledger",
            "DROP TABLE tenantsdb.ledger",
            "DROP SCHEMA tenantsdb CASCADE",
            "CREATE TABLE tenantsdb.mine (id int)",
            "ALTER EVENT TRIGGER tenantsdb_ddl DISABLE",
            "DROP EVENT TRIGGER tenantsdb_drop",
            "SET session_replication_role = 'replica'",
            "SET event_triggers = off",
        ] {
            let refused = sqlstate(client.simple_query(sql));
            // 42704: a setting that this server does not know; 42703: a column of another name.
            assert!(
                ["42501", "42704", "42703"].contains(&refused.as_str()),
                "{sql}: {refused}"
            );
        }
    }
    assert_eq!(fleet.pending("myapp"), pending);
    workspace.psql("CREATE TABLE after (id int)").ok();
    assert_eq!(fleet.pending("myapp").len(), pending.len() + 1);
}

/// Statements that put functions and operators of the attacker's own in front of the server's: the
/// event triggers run as the superuser with the caller's search_path, and control's own sessions
/// look into this database too.
fn shadows() -> Vec<String> {
    let mut statements = vec![climbing_function("climb")];
    for (left, right) in [
        ("text", "text"),
        ("name", "name"),
        ("name", "text"),
        ("text", "varchar"),
        ("varchar", "varchar"),
        ("oid", "oid"),
        ("int4", "int4"),
        ("int8", "int8"),
        ("xid8", "xid8"),
        ("\"char\"", "\"char\""),
        ("bool", "bool"),
    ] {
        for (operator, name) in [("=", "eq"), ("<>", "ne")] {
            let function = format!("shadow_{name}_{left}_{right}").replace('"', "q");
            statements.push(format!(
                "CREATE FUNCTION {function}({left}, {right}) RETURNS bool LANGUAGE plpgsql AS
                 'BEGIN PERFORM public.climb(); RETURN true; END'"
            ));
            statements.push(format!(
                "CREATE OPERATOR public.{operator}
                 (FUNCTION = {function}, LEFTARG = {left}, RIGHTARG = {right})"
            ));
        }
    }
    for (name, argument) in [
        ("current_query", ""),
        ("pg_current_xact_id", ""),
        ("pg_backend_pid", ""),
        ("now", ""),
        ("current_setting", "text"),
        ("current_setting", "text, bool"),
        ("lower", "text"),
        ("upper", "varchar"),
        ("format", "text, text"),
        ("quote_ident", "text"),
        ("starts_with", "text, text"),
        ("pg_event_trigger_ddl_commands", ""),
        ("pg_event_trigger_dropped_objects", ""),
        ("string_agg", "text, text"),
        ("count", "\"any\""),
    ] {
        statements.push(format!(
            "CREATE FUNCTION public.{name}({argument}) RETURNS text LANGUAGE plpgsql AS
             'BEGIN PERFORM public.climb(); RETURN NULL; END'"
        ));
    }
    statements
}

#[test]
fn names_put_before_the_servers_own_gain_nothing() {
    let (fleet, workspace) = fleet_with_workspace("isolation_shadow");
    let body = json!({"name": "acme", "blueprint": "myapp", "allow_ddl": true});
    let acme = fleet.tenant_with(&body);
    for database in [&workspace, &acme] {
        let mut client = database.connect();
        for sql in shadows() {
            // Some cannot be made, "any" outside of C for one; the rest does the work.
            let _ = client.batch_execute(&sql);
        }
        client
            .batch_execute("SET search_path = public, pg_catalog")
            .unwrap();
        client.batch_execute("CREATE TABLE bait (id int)").unwrap();
        client
            .batch_execute("ALTER TABLE bait ADD COLUMN name text")
            .unwrap();
        client.batch_execute("DROP TABLE bait").unwrap();
    }
    let versions = fleet.pending("myapp");
    assert!(versions.len() > 20, "{versions:?}");
    let _ = fleet.api.get("/v1/blueprints/myapp").expect(200);
    let _ = fleet.deployed(&fleet.deploy("myapp"));
    let _ = fleet.tenant("myapp", "fresh");
    nothing_was_gained(&fleet);
}

#[test]
fn a_deployment_gives_one_tenant_no_way_into_another() {
    let (fleet, workspace) = fleet_with_workspace("isolation_deploy");
    // acme may change its own schema, and prepares a function that deployments will run there.
    workspace
        .psql("CREATE FUNCTION answer() RETURNS int LANGUAGE sql AS 'SELECT 42'")
        .ok();
    let body = json!({"name": "acme", "blueprint": "myapp", "allow_ddl": true});
    let acme = fleet.tenant_with(&body);
    let globex = fleet.tenant("myapp", "globex");
    acme.psql(
        "CREATE TABLE met (who text, session text);
         CREATE OR REPLACE FUNCTION answer() RETURNS int LANGUAGE plpgsql AS $$
         BEGIN
           RESET ROLE;
           EXECUTE format('ALTER ROLE %I PASSWORD ''stolen''', session_user);
           SET ROLE myapp_owner;
           INSERT INTO met VALUES (current_user, session_user);
           RETURN 43;
         EXCEPTION WHEN OTHERS THEN RETURN 44;
         END $$;
         INSERT INTO users VALUES (1)",
    )
    .ok();
    workspace
        .psql("ALTER TABLE users ADD COLUMN answer int DEFAULT answer()")
        .ok();
    let end = fleet.deployed(&fleet.deploy("myapp"));
    // It was run, it was noticed, and nothing of it was kept; the other tenant has the version.
    let results = end["results"].as_array().unwrap();
    let of = |tenant: &str| results.iter().find(|r| r["tenant"] == tenant).unwrap();
    assert_eq!(of("acme")["status"], "failed", "{end:#}");
    let error = of("acme")["error"].to_string();
    assert!(error.contains("changes roles"), "{error}");
    assert_eq!(of("globex")["status"], "completed", "{end:#}");
    assert_eq!(acme.psql("SELECT count(*) FROM met").out(), "0");

    // Whoever it met and whatever it changed: no login of the server takes that password elsewhere.
    let mut admin = fleet.server.admin("postgres");
    let roles = admin
        .query("SELECT rolname FROM pg_roles WHERE rolcanlogin", &[])
        .unwrap();
    for role in roles.iter().map(|row| row.get::<_, String>(0)) {
        let stolen = Database {
            user: role,
            password: "stolen".to_owned(),
            address: fleet.server.address(),
            name: globex.name.clone(),
        };
        let (state, text) = stolen.refused();
        assert!(
            ["28P01", "28000", "42501"].contains(&state.as_str()),
            "{state} {text}"
        );
    }
}
