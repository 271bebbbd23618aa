//! What becomes of a database: suspended, rotated, deleted, its server restarted, its settings
//! deployed; and a tenant with a server of its own.

use std::thread;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tenantsdb_tests::redis::{Flavour, Login, Protocol, Session, Value};
use tenantsdb_tests::wait;

use super::Blueprint;

on_both!(
    a_suspended_tenant_is_told_so_and_only_with_its_password,
    a_rotated_password_replaces_the_old_one_everywhere,
    a_deleted_tenant_takes_its_keys_with_it_and_nothing_else,
    a_server_that_lost_its_users_gets_them_back,
    a_server_that_is_away_is_a_clear_error,
    settings_are_a_version_and_reach_tenants_by_deployment,
    keys_beyond_the_limit_are_refused_and_reading_goes_on,
    values_beyond_the_limit_are_refused,
    commands_that_are_taken_away_are_refused_at_the_server_too,
    a_dedicated_tenant_has_the_server_as_it_is,
    the_data_plane_outlives_control,
);

fn a_suspended_tenant_is_told_so_and_only_with_its_password(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_suspend", flavour);
    let acme = blueprint.tenant("acme");
    let globex = blueprint.tenant("globex");
    let mut open = acme.session();
    open.text("SET a 1");
    let api = &blueprint.fleet.api;
    let suspended = api.post("/v1/tenants/acme/suspend", &json!({})).expect(200);
    assert_eq!(suspended["status"], "suspended", "{suspended:#}");
    let text = acme.refused();
    assert!(text.contains("suspended"), "{text}");
    let wrong = acme.with_password("wrong").refused();
    assert!(wrong.starts_with("WRONGPASS "), "{wrong}");
    wait::until("the open session to see nothing more", || {
        open.send(&["GET", "a"]);
        match open.try_read() {
            Err(_) => Some(()),
            Ok(reply) => reply.error().is_some().then_some(()),
        }
    });
    // The server itself says no, too.
    let direct = acme.at(&blueprint.fleet.server.address());
    assert!(direct.refused().starts_with("WRONGPASS "));
    assert_eq!(globex.run("PING").text(), "PONG");
    let _ = api.post("/v1/tenants/acme/resume", &json!({})).expect(200);
    assert_eq!(acme.run("GET a").text(), "1");
}

fn a_rotated_password_replaces_the_old_one_everywhere(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_rotate", flavour);
    let old = blueprint.tenant("acme");
    old.run("SET a 1");
    let path = "/v1/credentials/myapp__acme/rotate";
    let rotated = blueprint.fleet.api.post(path, &json!({})).expect(200);
    assert_eq!(rotated["routed"], true, "{rotated:#}");
    let new = Login::issued(&rotated["connection_string"]);
    assert_ne!(new.password, old.password);
    assert_eq!(new.run("GET a").text(), "1");
    let server = blueprint.fleet.server.address();
    for login in [
        &old,
        &old.at(&server),
        &old.as_user("myapp__acme:walk").at(&server),
    ] {
        assert!(login.refused().starts_with("WRONGPASS "));
    }
    assert_eq!(new.at(&server).run("GET acme:a").text(), "1");
    // What walks uses the new one as well.
    assert_eq!(new.session().list("KEYS *"), ["a"]);
}

fn a_deleted_tenant_takes_its_keys_with_it_and_nothing_else(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_delete", flavour);
    let acme = blueprint.tenant("acme");
    let globex = blueprint.tenant("globex");
    for login in [&acme, &globex] {
        let mut session = login.session();
        for chunk in 0..20 {
            let words = (0..500).flat_map(|n| [format!("k:{chunk}:{n}"), "x".to_owned()]);
            let words: Vec<String> = std::iter::once("MSET".to_owned()).chain(words).collect();
            session.call(&words);
        }
    }
    blueprint
        .fleet
        .server
        .admin()
        .text("MSET acmex other acm other");
    let deleted = blueprint.fleet.api.delete("/v1/tenants/acme");
    assert!([200, 202, 204].contains(&deleted.status), "{deleted:?}");
    wait::until("the login to be gone", || match acme.try_session() {
        Ok(Err(refused)) => refused.text().starts_with("WRONGPASS ").then_some(()),
        _ => None,
    });
    wait::until("the keys to be gone", || {
        let keys = blueprint.fleet.server.keys();
        (!keys.iter().any(|key| key.starts_with("acme:"))).then_some(())
    });
    assert_eq!(globex.session().list("KEYS *").len(), 10_000);
    let mut admin = blueprint.fleet.server.admin();
    assert_eq!(admin.text("EXISTS acmex acm"), "2");
    wait::until("the users to be gone", || {
        let users = admin.list("ACL USERS");
        (!users.iter().any(|user| user.starts_with("myapp__acme"))).then_some(())
    });
    // The name may be used again, and finds nothing.
    let again = wait::until("the name to be free", || {
        let body = json!({"name": "acme", "blueprint": "myapp"});
        let made = blueprint.fleet.api.post("/v1/tenants", &body);
        (made.status == 201).then_some(made.body)
    });
    let again = Login::issued(&again["databases"][0]["connection_string"]);
    assert_eq!(again.session().list("KEYS *"), [""; 0]);
}

fn a_server_that_lost_its_users_gets_them_back(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_restart", flavour);
    let acme = blueprint.tenant("acme");
    let mut open = acme.session();
    open.text("SET a 1");
    let server = &blueprint.fleet.server;
    for orderly in [true, false] {
        if orderly {
            server.stop();
        } else {
            server.kill();
        }
        server.resume();
        // Nothing of what was kept is there any more, users included.
        assert_eq!(server.admin().run("ACL GETUSER nobody"), Value::Null);
        wait::until("the login to work again", || match acme.try_session() {
            Ok(Ok(mut session)) => (session.run("SET a 2").text() == "OK").then_some(()),
            _ => None,
        });
        assert_eq!(blueprint.workspace.run("PING").text(), "PONG");
    }
    assert_eq!(server.keys(), ["acme:a"]);
}

fn a_server_that_is_away_is_a_clear_error(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_away", flavour);
    let acme = blueprint.tenant("acme");
    let mut open = acme.session();
    open.text("SET a 1");
    blueprint.fleet.server.stop();
    // In an open session: an error or the end, soon.
    open.send(&["GET", "a"]);
    match open.try_read() {
        Ok(reply) => assert!(reply.error().is_some(), "{reply:?}"),
        Err(e) => assert_ne!(e.kind(), std::io::ErrorKind::WouldBlock, "it hangs"),
    }
    // A new one is told at its login, or at its first command.
    let text = match acme.try_session().unwrap() {
        Err(refused) => refused.text(),
        Ok(mut session) => session.run("GET a").text(),
    };
    assert!(
        text.starts_with("ERR ") && text.contains("server"),
        "{text}"
    );
    blueprint.fleet.server.resume();
    wait::until("the login to work again", || {
        let session = acme.try_session().ok()?.ok();
        session
            .filter(|_| true)
            .and_then(|mut s| (s.run("PING").text() == "PONG").then_some(()))
    });
}

fn settings_are_a_version_and_reach_tenants_by_deployment(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_settings", flavour);
    let fleet = &blueprint.fleet;
    let acme = blueprint.tenant("acme");
    let big = "x".repeat(2000);
    let set = |login: &Login| login.session().call(&["SET", "a", &big]).text();
    assert_eq!(set(&acme), "OK");
    fleet.settings("myapp", &json!({"value_bytes_max": 1000}));
    // The workspace has it at once; the tenant when it is deployed.
    assert!(set(&blueprint.workspace).starts_with("ERR "));
    assert_eq!(set(&acme), "OK");
    let pending = fleet.pending("myapp");
    assert_eq!(pending.len(), 1, "{pending:?}");
    let id = fleet.deploy("myapp");
    let done = fleet.deployed(&id);
    assert_eq!(
        (&done["status"], &done["completed"]),
        (&json!("completed"), &json!(1)),
        "{done:#}"
    );
    wait::until("the proxy to know", || {
        set(&acme).starts_with("ERR ").then_some(())
    });
    assert!(fleet.pending("myapp").is_empty());
    // Who is made now has it from birth.
    assert!(set(&blueprint.tenant("globex")).starts_with("ERR "));
    let tenant = fleet.api.get("/v1/tenants/acme").expect(200);
    let version = &tenant["databases"][0]["version"];
    let blueprint = fleet.api.get("/v1/blueprints/myapp").expect(200);
    assert_eq!(version, &blueprint["version"], "{tenant:#}");
}

/// A tenant whose blueprint has these settings.
fn tenant_with(test: &str, flavour: Flavour, settings: &Json) -> (Blueprint, Login) {
    let blueprint = Blueprint::start(test, flavour);
    blueprint.fleet.settings("myapp", settings);
    let acme = blueprint.tenant("acme");
    (blueprint, acme)
}

fn keys_beyond_the_limit_are_refused_and_reading_goes_on(flavour: Flavour) {
    let settings = json!({"keys_max": 100});
    let (blueprint, acme) = tenant_with("redis_keys_max", flavour, &settings);
    let mut session = acme.session();
    // Keys are counted in sweeps: some more than allowed get in before one has seen them.
    let mut n = 0;
    let refused = wait::until("the limit to be noticed", || {
        n += 1;
        let reply = session.run(&format!("SET k:{n} x"));
        thread::sleep(Duration::from_millis(5));
        reply.error().map(str::to_owned)
    });
    assert!(n > 100, "{n}");
    assert!(
        refused.starts_with("OOM ") || refused.starts_with("ERR "),
        "{refused}"
    );
    assert!(refused.contains("100"), "{refused}");
    assert_eq!(session.text("GET k:1"), "x");
    session.fails("LPUSH list x");
    // What makes room works; then there is room, once that has been seen.
    assert_eq!(session.text("FLUSHDB"), "OK");
    wait::until("room to be noticed", || {
        session.run("SET again x").error().is_none().then_some(())
    });
    // Others are not concerned: the workspace of the same blueprint has a limit of its own.
    assert_eq!(blueprint.workspace.run("SET a x").text(), "OK");
}

fn values_beyond_the_limit_are_refused(flavour: Flavour) {
    let settings = json!({"value_bytes_max": 100_000});
    let (blueprint, acme) = tenant_with("redis_value_max", flavour, &settings);
    let mut session = acme.session();
    for bytes in [100_001, 1 << 20, 50 << 20] {
        let value = vec![b'x'; bytes];
        for words in [
            [b"SET".as_slice(), b"a", &value].as_slice(),
            &[b"MSET", b"b", b"small", b"a", &value],
            &[b"GET", &value],
        ] {
            let reply = session.call(words);
            let text = reply.error().unwrap_or_default();
            assert!(
                text.starts_with("ERR ") && text.contains("100000"),
                "{bytes}: {text}"
            );
            // The rest of the request was passed over: the connection goes on.
            assert_eq!(session.text("PING"), "PONG");
        }
    }
    assert_eq!(
        session.call(&["SET", "a", &"x".repeat(100_000)]).text(),
        "OK"
    );
    assert_eq!(blueprint.fleet.server.keys(), ["acme:a"]);
}

fn commands_that_are_taken_away_are_refused_at_the_server_too(flavour: Flavour) {
    let settings = json!({"commands": ["-@scripting", "-lpush", "-client|setname"]});
    let (blueprint, acme) = tenant_with("redis_commands", flavour, &settings);
    for call in [
        "EVAL return{1} 0",
        "LPUSH l x",
        "SCRIPT LOAD x",
        "lpush l x",
    ] {
        for login in [&acme, &acme.at(&blueprint.fleet.server.address())] {
            let text = login.session().fails(call);
            assert!(text.starts_with("NOPERM "), "{call}: {text}");
        }
    }
    assert_eq!(acme.run("RPUSH l x").text(), "1");
    // What can be said wrongly is refused when it is set.
    let path = "/v1/workspaces/myapp/settings";
    for rule in [
        "+@admin",
        "allkeys",
        "~*",
        "nonsense",
        "+config",
        ">password",
        "-nosuchcommand",
    ] {
        let body = json!({"commands": [rule]}).to_string();
        let answer = blueprint.fleet.api.send("PUT", path, Some(&body));
        assert!((400..500).contains(&answer.status), "{rule}: {answer:?}");
    }
}

fn a_dedicated_tenant_has_the_server_as_it_is(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_dedicated", flavour);
    let fleet = &blueprint.fleet;
    let server = fleet.add_server("alone", true);
    let body = json!({"name": "acme", "blueprint": "myapp", "dedicated": true});
    let acme = fleet.tenant_with(&body);
    for protocol in Protocol::ALL {
        let mut session = acme.session_with(protocol);
        assert_eq!(session.text("SET user:1 x"), "OK");
        assert_eq!(server.keys(), ["user:1"]);
        assert_eq!(session.list("KEYS *"), ["user:1"]);
        assert_eq!(session.text("DBSIZE"), "1");
        // Databases, functions and what is dangerous are its own.
        assert_eq!(session.text("SELECT 3"), "OK");
        assert_eq!(session.text("SET elsewhere x"), "OK");
        session.text("SELECT 0");
        let library = "#!lua name=own\nredis.register_function('f', function() return 1 end)";
        let loaded = session.call(&["FUNCTION", "LOAD", "REPLACE", library]);
        assert_eq!(loaded.text(), "own");
        assert_eq!(session.text("FCALL f 0"), "1");
        assert_eq!(session.text("FLUSHALL"), "OK");
        for call in ["ACL LIST", "CONFIG GET *", "SHUTDOWN", "SAVE"] {
            assert!(session.fails(call).starts_with("NOPERM "), "{call}");
        }
    }
    // No state of a session reaches the next one: it began with database 0 and RESP2.
    let mut left = acme.session_with(Protocol::Resp3);
    left.text("SELECT 5");
    left.text("CLIENT SETNAME left");
    left.send(&["SUBSCRIBE", "news"]);
    drop(left);
    for _ in 0..10 {
        let mut session: Session = acme.session();
        assert_eq!(session.run("CLIENT GETNAME"), Value::Null);
        session.text("SET here x");
        assert_eq!(server.keys(), ["here"]);
        assert!(matches!(session.run("HGETALL none"), Value::Array(_)));
    }
    // The next one needs another server, and the shared one is not it.
    let body = json!({"name": "globex", "blueprint": "myapp", "dedicated": true});
    let refused = fleet.api.post("/v1/tenants", &body);
    assert!((400..500).contains(&refused.status), "{refused:?}");
}

fn the_data_plane_outlives_control(flavour: Flavour) {
    let mut blueprint = Blueprint::start("redis_outage", flavour);
    let acme = blueprint.tenant("acme");
    acme.run("SET a 1");
    let fleet = &mut blueprint.fleet;
    wait::until("the snapshot to be on disk", || {
        fleet.proxies[0].keeps("myapp__acme").then_some(())
    });
    fleet.control.kill();
    assert_eq!(acme.run("GET a").text(), "1");
    fleet.proxies[0].kill();
    fleet.proxies[0].resume();
    assert_eq!(acme.run("GET a").text(), "1");
    assert_eq!(acme.session().list("KEYS *"), ["a"]);
}
