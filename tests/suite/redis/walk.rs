//! The clients that people use work through the proxy unmodified, RESP2 and RESP3, in plain TCP
//! and over TLS with the proxy's certificate verified; each tenant sees `user:1`, and the server
//! stores `acme:user:1`.

use std::path::Path;
use std::thread;

use redis::{Client, ClientTlsConfig, Commands as _, Connection, PushKind, TlsCertificates};
use tenantsdb_tests::redis::{Flavour, Login, Protocol, Server, cli};
use tenantsdb_tests::{Run, node, paths, python, redis as harness, wait};

use super::Blueprint;

on_both!(
    the_scripts_pass_at_the_server_itself,
    each_client_sees_its_own_and_the_server_has_the_prefix,
    both_command_lines_work,
    a_user_may_be_called_by_its_tenant_alone_where_that_is_unique,
    a_prefix_belongs_to_one_database_of_a_server,
);

const PYTHON: &[&str] = &["redis", "valkey"];
const NODE: &[&str] = &["redis", "ioredis"];

/// Runs every driver in this protocol for a login; the complaints.
fn run_drivers(login: &Login, ca: Option<&Path>, protocol: Protocol, value: &str) -> Vec<String> {
    let (_, port) = login.host_port();
    let authority = ca.map_or("", |path| path.to_str().unwrap());
    // By name where the certificate is checked.
    let host = if ca.is_some() {
        "localhost"
    } else {
        "127.0.0.1"
    };
    let number = protocol.number();
    let arguments = [
        host,
        port,
        &login.user,
        &login.password,
        authority,
        number,
        value,
    ];
    let mut failed = Vec::new();
    let mut judge = |run: Run| {
        if run.stdout != "ok" {
            failed.push(run.to_string());
        }
        // For the next driver, which expects to find nothing.
        login.session().text("FLUSHDB");
    };
    for package in PYTHON {
        judge(python::run(
            "redis/driver",
            &[&[*package][..], &arguments].concat(),
        ));
    }
    for driver in NODE {
        judge(node::run(driver, &arguments));
    }
    redis_rs(login, ca, protocol, value);
    failed
}

/// The crate `redis`.
fn redis_rs(login: &Login, ca: Option<&Path>, protocol: Protocol, value: &str) {
    let scheme = if ca.is_some() { "rediss" } else { "redis" };
    let mut url = login.url(scheme).replace("127.0.0.1", "localhost");
    url.push_str(&format!("?protocol=resp{}", protocol.number()));
    let open = |url: &str| match ca {
        None => Client::open(url),
        Some(ca) => {
            let certificates = TlsCertificates {
                client_tls: None::<ClientTlsConfig>,
                root_cert: Some(std::fs::read(ca).unwrap()),
            };
            Client::build_with_tls(url, certificates)
        }
    };
    let client = open(&url).unwrap();
    let mut db: Connection = client.get_connection().unwrap();
    assert_eq!(db.keys::<_, Vec<String>>("*").unwrap(), [""; 0]);
    let () = db.set("user:1", value).unwrap();
    assert_eq!(db.get::<_, String>("user:1").unwrap(), value);
    let mut pipe = redis::pipe();
    for n in 0..1000 {
        pipe.set(format!("p:{n}"), n).ignore().get(format!("p:{n}"));
    }
    let got: Vec<i64> = pipe.query(&mut db).unwrap();
    assert_eq!(got, (0..1000).collect::<Vec<_>>());
    let (old, new): (i64, i64) = redis::transaction(&mut db, &["p:1"], |db, pipe| {
        let old: i64 = db.get("p:1")?;
        let set = pipe.atomic().set("p:1", old + 1).ignore().get("p:1");
        let new: Option<(i64,)> = set.query(db)?;
        Ok(new.map(|(new,)| (old, new)))
    })
    .unwrap();
    assert_eq!((old, new), (1, 2));
    let () = db.rpush("queue", "one").unwrap();
    let popped: (String, String) = db.blpop(&["none", "queue"], 1.0).unwrap();
    assert_eq!(popped, ("queue".to_owned(), "one".to_owned()));
    let script = redis::Script::new("return {KEYS[1], redis.call('get', KEYS[1])}");
    let both: (String, i64) = script.key("p:9").invoke(&mut db).unwrap();
    assert_eq!(both, ("p:9".to_owned(), 9));
    if protocol == Protocol::Resp3 {
        let mut other = client.get_connection().unwrap();
        let (sender, pushes) = std::sync::mpsc::channel();
        other.set_push_sender(sender);
        let () = other.subscribe_resp3("news").unwrap();
        // The driver does not wait for the confirmation.
        wait::until("the subscriber to be there", || {
            let heard = db.publish::<_, _, i64>("news", value).unwrap();
            (heard == 1).then_some(())
        });
        let () = other.get("none").map(|_: Option<String>| ()).unwrap();
        let push = pushes
            .iter()
            .find(|push| push.kind == PushKind::Message)
            .unwrap();
        let text = format!("{:?}", push.data);
        assert!(text.contains("news") && text.contains(value), "{text}");
    } else {
        let mut other = client.get_connection().unwrap();
        let mut news = other.as_pubsub();
        news.subscribe("news").unwrap();
        assert_eq!(db.publish::<_, _, i64>("news", value).unwrap(), 1);
        let message = news.get_message().unwrap();
        assert_eq!(message.get_channel_name(), "news");
        assert_eq!(message.get_payload::<String>().unwrap(), value);
    }
    let keys: Vec<String> = db.scan_match("p:*").unwrap().map(Result::unwrap).collect();
    assert_eq!(keys.len(), 1000);
    let () = db.del(keys).unwrap();
    let wrong = open(&url.replace(&login.password, "wrong")).unwrap();
    let error = wrong.get_connection().err().unwrap().to_string();
    assert!(
        error.contains("WRONGPASS") || error.contains("uthentication"),
        "{error}"
    );
    assert_eq!(db.keys::<_, Vec<String>>("*").unwrap(), ["user:1"]);
}

/// What the scripts expect is what the servers do, or it would say nothing about the proxy.
fn the_scripts_pass_at_the_server_itself(flavour: Flavour) {
    let dir = paths::scratch(&format!("redis_scripts-{}", flavour.name()));
    let server = Server::start(flavour, &dir);
    for protocol in Protocol::ALL {
        let login = server.admin_login();
        let failed = run_drivers(&login, None, protocol, "at-the-server");
        assert!(failed.is_empty(), "{}", failed.join("\n\n"));
        server.admin().text("FLUSHALL");
        let tls = login.at(&server.tls_address());
        redis_rs(&tls, Some(&server.ca()), protocol, "over-tls");
        server.admin().text("FLUSHALL");
    }
}

fn each_client_sees_its_own_and_the_server_has_the_prefix(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_clients", flavour);
    let server = &blueprint.fleet.server;
    let acme = blueprint.tenant("acme");
    let globex = blueprint.tenant("globex");
    let logins = [
        ("acme", &acme),
        ("globex", &globex),
        ("dev", &blueprint.workspace),
    ];
    let ca = blueprint.fleet.proxies[0].ca();
    for protocol in Protocol::ALL {
        for ca in [None, Some(ca.as_path())] {
            // All at once: each expects to be alone.
            let failed: Vec<String> = thread::scope(|scope| {
                let runs = logins.map(|(name, login)| {
                    let value = format!("of-{name}");
                    scope.spawn(move || run_drivers(login, ca, protocol, &value))
                });
                runs.into_iter()
                    .flat_map(|run| run.join().unwrap())
                    .collect()
            });
            assert!(failed.is_empty(), "{}", failed.join("\n\n"));
            let keys = server.keys();
            assert_eq!(keys, ["acme:user:1", "dev:user:1", "globex:user:1"]);
            let mut admin = server.admin();
            for (name, login) in logins {
                let stored = admin.text(&format!("GET {name}:user:1"));
                assert_eq!(stored, format!("of-{name}"));
                assert_eq!(login.run("DEL user:1").text(), "1");
            }
        }
    }
    assert_eq!(server.keys(), [""; 0]);
}

/// The command line clients of both flavours, whatever the server is.
fn both_command_lines_work(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_cli", flavour);
    let acme = blueprint.tenant("acme");
    let ca = blueprint.fleet.proxies[0].ca();
    for client in [Flavour::Redis, Flavour::Valkey] {
        for protocol in Protocol::ALL {
            for tls in [false, true] {
                let run = |words: &[&str]| {
                    let command = match tls {
                        true => cli::tls(client, &acme, protocol, &ca),
                        false => cli::plain(client, &acme, protocol),
                    };
                    cli::run(command, words)
                };
                assert_eq!(run(&["SET", "user:1", "ü of acme"]).out(), "OK");
                assert_eq!(run(&["GET", "user:1"]).out(), "ü of acme");
                assert_eq!(run(&["--scan", "--pattern", "user:*"]).out(), "user:1");
                let refused = run(&["CONFIG", "GET", "*"]);
                let text = format!("{}{}", refused.stdout, refused.stderr);
                assert!(refused.code != 0 && text.contains("NOPERM"), "{text}");
                let script = "SET a 1\nINCR a\nMULTI\nINCR a\nINCR a\nEXEC\nDEL a\n";
                let command = match tls {
                    true => cli::tls(client, &acme, protocol, &ca),
                    false => cli::plain(client, &acme, protocol),
                };
                let piped = Run::with_input(&mut { command }, script).out();
                assert_eq!(piped, "OK\n2\nOK\nQUEUED\nQUEUED\n3\n4\n1");
            }
        }
        // An authority that did not sign the proxy's certificate.
        let stranger = blueprint.fleet.server.ca();
        let command = cli::tls(client, &acme, Protocol::Resp2, &stranger);
        assert_ne!(cli::run(command, &["PING"]).code, 0);
    }
    assert_eq!(blueprint.fleet.server.keys(), ["acme:user:1"]);
}

fn a_user_may_be_called_by_its_tenant_alone_where_that_is_unique(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_short", flavour);
    let acme = blueprint.tenant("acme");
    assert_eq!(acme.user, "myapp__acme");
    let short = acme.as_user("acme");
    assert_eq!(short.run("SET user:1 short").text(), "OK");
    assert_eq!(acme.run("GET user:1").text(), "short");
    assert_eq!(blueprint.fleet.server.keys(), ["acme:user:1"]);
    // A second blueprint's tenant of the same name: nobody is guessed.
    let _ = blueprint.fleet.workspace("other");
    let other = blueprint.fleet.tenant("other", "acme");
    for login in [&short, &other.as_user("acme")] {
        assert!(login.refused().starts_with("WRONGPASS "));
    }
    assert_eq!(acme.run("GET user:1").text(), "short");
}

fn a_prefix_belongs_to_one_database_of_a_server(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_prefix", flavour);
    let _ = blueprint.fleet.workspace("other");
    let first = blueprint.tenant("acme");
    let second = blueprint.fleet.tenant("other", "acme");
    first.run("SET user:1 first");
    second.run("SET user:1 second");
    assert_eq!(first.run("GET user:1").text(), "first");
    assert_eq!(second.run("GET user:1").text(), "second");
    let keys = blueprint.fleet.server.keys();
    assert_eq!(keys, ["acme:user:1", "other__acme:user:1"]);
    let tenant = blueprint.fleet.api.get("/v1/tenants/acme").expect(200);
    let text = tenant.to_string();
    assert!(
        text.contains("other__acme:"),
        "the answer says which prefix: {tenant:#}"
    );
    let harness::Value::Null = first.run("GET none") else {
        panic!("nothing is there");
    };
}
