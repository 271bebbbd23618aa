//! Each thing that can go wrong has its own clear error, and a client that breaks the rules costs
//! its own connection.

use serde_json::json;
use tenantsdb_tests::wire::{End, SSL_REQUEST, Wire, sqlstate_in, startup};
use tenantsdb_tests::{Api, Database, Fleet};

fn fleet_with_tenant(test: &str) -> (Fleet, Database) {
    let fleet = Fleet::start(test, 1);
    let workspace = fleet.workspace("myapp");
    workspace.psql("CREATE TABLE users (id int)").ok();
    let tenant = fleet.tenant("myapp", "acme");
    (fleet, tenant)
}

#[test]
fn logins_that_fail_say_why_and_no_more() {
    let (mut fleet, acme) = fleet_with_tenant("errors_login");
    let wrong_password = Database {
        password: "wrong".to_owned(),
        ..acme.clone()
    };
    let unknown_user = Database {
        user: "myapp__nobody".to_owned(),
        ..acme.clone()
    };
    let unknown_database = acme.in_database("myapp__nowhere");
    let not_a_tenant = acme.in_database("postgres");
    for attempt in [wrong_password, unknown_user, unknown_database, not_a_tenant] {
        let (state, text) = attempt.refused();
        let expected = format!(
            "password authentication failed for user \"{}\"",
            attempt.user
        );
        assert_eq!((state.as_str(), text), ("28P01", expected));
    }

    let _ = fleet
        .api
        .post("/v1/tenants/acme/suspend", &json!({}))
        .expect(200);
    let (state, text) = acme.refused();
    assert_eq!(state, "57P03");
    assert!(text.contains("suspended"), "{text}");
    let _ = fleet
        .api
        .post("/v1/tenants/acme/resume", &json!({}))
        .expect(200);
    acme.psql("SELECT 1").ok();

    // The role's own password was changed behind control's back.
    let mut admin = fleet.server.admin("postgres");
    let sql = "ALTER ROLE myapp__acme PASSWORD 'changed';
               SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE usename = 'myapp__acme'";
    admin.batch_execute(sql).unwrap();
    drop(admin);
    let (state, text) = acme.refused();
    assert!(state.starts_with("28"), "{state} {text}");
    let failure = format!("{:?}", acme.try_connect().err());
    let remedy = "tdb credentials rotate myapp__acme";
    assert!(failure.contains(remedy), "{failure}");

    fleet.server.stop();
    let (state, text) = acme.refused();
    assert_eq!(state, "08006", "{text}");
    fleet.server.resume();
}

#[test]
fn the_server_coming_back_is_all_it_takes() {
    let (mut fleet, acme) = fleet_with_tenant("errors_server");
    let mut session = acme.connect();
    session.batch_execute("SELECT 1").unwrap();
    fleet.server.stop();
    assert!(session.batch_execute("SELECT 1").is_err());
    assert_eq!(acme.refused().0, "08006");
    fleet.server.resume();
    // No connection of before is handed out.
    for _ in 0..4 {
        acme.psql("SELECT count(*) FROM users").ok();
    }
}

#[test]
fn replication_is_refused() {
    let (_fleet, acme) = fleet_with_tenant("errors_replication");
    let run = acme.psql_with(&[
        "-d",
        &format!("{}?replication=database", acme.url()),
        "-c",
        "",
    ]);
    let text = run.error();
    assert!(text.contains("replication"), "{text}");
}

#[test]
fn rest_errors_are_problem_documents_with_stable_codes() {
    let (fleet, _) = fleet_with_tenant("errors_rest");
    let api = &fleet.api;
    let tenant = |name: &str| json!({"name": name, "blueprint": "myapp"});
    for name in ["", "Acme", "a b", "a__b", "a_", "_a", &"a".repeat(32)] {
        api.post("/v1/tenants", &tenant(name))
            .problem(400, "invalid_name");
    }
    for name in ["1app", "my__app", "my_dev", &"a".repeat(27)] {
        let body = json!({"name": name, "engine": "PostgreSQL"});
        api.post("/v1/workspaces", &body)
            .problem(400, "invalid_name");
    }
    api.post("/v1/tenants", &tenant("acme"))
        .problem(409, "conflict");
    let body = json!({"name": "myapp", "engine": "PostgreSQL"});
    api.post("/v1/workspaces", &body).problem(409, "conflict");
    let body = json!({"name": "other", "engine": "Oracle"});
    api.post("/v1/workspaces", &body)
        .problem(400, "unsupported_engine");

    let broken = api.send("POST", "/v1/tenants", Some("{\"name\": "));
    broken.problem(400, "invalid_json");
    let body = json!({"name": "a", "blueprint": "nowhere"});
    api.post("/v1/tenants", &body).problem(404, "not_found");
    let body = json!({"name": 7});
    api.post("/v1/tenants", &body)
        .problem(400, "invalid_request");
    let long = format!("{{\"name\": \"{}\"}}", "a".repeat(1 << 20));
    api.send("POST", "/v1/tenants", Some(&long))
        .problem(413, "payload_too_large");

    api.get("/v1/tenants/nobody").problem(404, "not_found");
    api.get("/v1/nothing").problem(404, "not_found");
    api.send("PUT", "/v1/tenants", Some("{}"))
        .problem(405, "method_not_allowed");
    let body = json!({"blueprint": "myapp", "version": "9.9", "all": true});
    api.post("/v1/deployments", &body)
        .problem(404, "unknown_version");
    api.delete("/v1/workspaces/myapp").problem(409, "conflict");

    let keyless = Api::new(&fleet.control.url(), "");
    keyless.get("/v1/tenants").problem(401, "unauthorized");
    let other = format!("{}x", fleet.control.api_key);
    let stranger = Api::new(&fleet.control.url(), &other);
    stranger.get("/v1/tenants").problem(401, "unauthorized");

    let body = json!({"name": "second", "engine": "PostgreSQL", "address": "127.0.0.1:1",
                      "user": "postgres", "password": "x"});
    api.post("/v1/servers", &body)
        .problem(503, "server_unreachable");
    let address = format!("localhost:{}", fleet.server.port);
    let body = json!({"name": "second", "engine": "PostgreSQL", "address": address,
                      "user": "postgres", "password": "wrong"});
    api.post("/v1/servers", &body)
        .problem(502, "server_refused");
}

#[test]
fn tdb_says_what_went_wrong_by_its_exit_code() {
    let (mut fleet, _) = fleet_with_tenant("errors_tdb");
    let code = |args: &[&str]| fleet.tdb.run(args).code;
    assert_eq!(code(&["tenants", "list"]), 0);
    assert_eq!(code(&["tenants", "no-such-verb"]), 2);
    assert_eq!(code(&["tenants", "get", "nobody"]), 3);
    assert_eq!(
        code(&[
            "tenants",
            "create",
            "--name",
            "acme",
            "--blueprint",
            "myapp"
        ]),
        4
    );
    let stranger = tenantsdb_tests::Tdb::new(&fleet.control.url(), "no key", &fleet.tdb.home);
    assert_eq!(stranger.run(&["tenants", "list"]).code, 5);
    fleet.control.stop();
    assert_eq!(fleet.tdb.run(&["tenants", "list"]).code, 6);
}

#[test]
fn clients_that_stop_or_flood_are_cut_off_and_nobody_else_notices() {
    let (fleet, acme) = fleet_with_tenant("errors_hostile");
    let address = fleet.proxies[0].address();
    let mut session = acme.connect();

    let silent: [&[u8]; 5] = [
        b"",
        // Half a length.
        b"\0\0",
        // A startup packet without its end.
        &startup(&[("user", "myapp__acme"), ("database", "myapp__acme")])[..20],
        // A login that never answers the challenge.
        &startup(&[("user", "myapp__acme"), ("database", "myapp__acme")]),
        // TLS that never begins.
        &SSL_REQUEST,
    ];
    let waiting: Vec<Wire> = silent
        .iter()
        .map(|bytes| {
            let mut wire = Wire::connect(&address);
            wire.send(bytes);
            wire
        })
        .collect();
    session.batch_execute("SELECT 1").unwrap();
    acme.psql("SELECT 1").ok();
    for (wire, sent) in waiting.into_iter().zip(silent) {
        assert_ne!(wire.end(), End::Open, "after {sent:?}");
    }

    let ten_megabytes = vec![0xff_u8; 10 << 20];
    // As a startup packet that says its true length, and as one that lies.
    let length = u32::try_from(ten_megabytes.len() + 4)
        .unwrap()
        .to_be_bytes();
    for head in [length, [0xff; 4], [0; 4], [0, 0, 0, 7]] {
        let mut wire = Wire::connect(&address);
        let taken = wire.send(&head) && wire.send(&ten_megabytes);
        let end = wire.end();
        assert!(!taken || end != End::Open, "after {head:?}");
    }
    // As an answer to the password challenge.
    let mut wire = Wire::connect(&address);
    wire.send(silent[3]);
    let challenge = wire.receive(9);
    assert_eq!(challenge[0], b'R');
    let taken = wire.send(b"p") && wire.send(&length) && wire.send(&ten_megabytes);
    assert!(!taken || wire.end() != End::Open);

    // Bytes behind an SSLRequest that came in the same segment are not for the session inside TLS.
    let mut wire = Wire::connect(&address);
    wire.send(&[SSL_REQUEST.as_slice(), silent[3]].concat());
    let End::Closed(answer) = wire.end() else {
        panic!("still open after plaintext behind SSLRequest")
    };
    assert_ne!(answer.first(), Some(&b'R'), "it went on in plain text");
    let state = sqlstate_in(&answer);
    assert!(
        answer.is_empty() || state.as_deref() == Some("08P01"),
        "{answer:?}"
    );

    session.batch_execute("SELECT 1").unwrap();
    acme.psql("SELECT 1").ok();
}

#[test]
fn a_startup_packet_without_user_is_answered() {
    let (fleet, _) = fleet_with_tenant("errors_startup");
    let mut wire = Wire::connect(&fleet.proxies[0].address());
    wire.send(&startup(&[("database", "myapp__acme")]));
    let End::Closed(answer) = wire.end() else {
        panic!("still open")
    };
    assert_eq!(sqlstate_in(&answer).as_deref(), Some("28000"));
}
