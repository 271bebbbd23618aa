//! The calls of pymongo, synchronous and asynchronous, give the same results through the proxy as
//! at the server itself.

use std::collections::BTreeSet;
use std::thread;

use serde_json::Value;
use tenantsdb_tests::mongo::{Database, Server};
use tenantsdb_tests::{mongo, python};

use super::Blueprint;

const CALLS_MIN: usize = 60;

/// Calls that the proxy answers or refuses itself: the numbers are the server's, the text is
/// mongod's own, which SecantusDB words in another way.
const OF_THE_PROXY: &[&str] = &[
    "a_wrong_password",
    "an_unknown_user",
    "a_database_of_somebody_else",
];

/// The lines of a run, after which the database is empty again.
#[track_caller]
fn lines(database: &Database, kind: &str, options: &[&str]) -> Vec<Value> {
    let Database {
        user,
        password,
        address,
        name,
        ..
    } = database;
    // By name where the certificate is checked.
    let tls = options.contains(&"tls=true");
    let address = match tls {
        true => address.replace("127.0.0.1", "localhost"),
        false => address.clone(),
    };
    let arguments = [&[kind, &address, user, password, name][..], options].concat();
    let printed = python::run("mongo/battery", &arguments).out();
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    printed.lines().map(line).collect()
}

fn name_of(line: &Value) -> &str {
    line["call"].as_str().unwrap()
}

/// What has to be equal of a line.
fn comparable(line: &Value) -> Value {
    let mut line = line.clone();
    if OF_THE_PROXY.contains(&name_of(&line)) {
        line["details"]["errmsg"] = Value::Null;
    }
    line
}

/// What differs, in words.
fn differences(expected: &[Value], got: &[Value], what: &str) -> Option<String> {
    let names = |lines: &[Value]| -> Vec<String> {
        lines.iter().map(|line| name_of(line).to_owned()).collect()
    };
    if names(expected) != names(got) {
        return Some(format!(
            "{what}: {:?} and {:?}",
            names(expected),
            names(got)
        ));
    }
    let differ: Vec<String> = expected
        .iter()
        .zip(got)
        .filter(|(a, b)| comparable(a) != comparable(b))
        .map(|(a, b)| format!("at the server: {a}\nthrough the proxy: {b}"))
        .collect();
    (!differ.is_empty()).then(|| format!("{what}:\n{}", differ.join("\n\n")))
}

/// A user of its own with a database of its own, at the shared server.
fn at_the_server() -> Database {
    let server = Server::shared();
    let name = mongo::blueprint();
    let admin = server.admin(&name);
    let roles =
        ["readWrite", "dbAdmin"].map(|role| mongodb::bson::doc! {"role": role, "db": &name});
    let _ = admin.run(mongodb::bson::doc! {
        "createUser": &name, "pwd": "a-password", "roles": roles.to_vec(),
    });
    Database {
        user: name.clone(),
        password: "a-password".to_owned(),
        source: name.clone(),
        address: server.address(),
        name,
    }
}

const DIRECT: &[&str] = &["directConnection=true"];

#[test]
fn the_server_itself_knows_the_calls() {
    let sync = lines(&at_the_server(), "sync", DIRECT);
    let r#async = lines(&at_the_server(), "async", DIRECT);
    let differ = differences(&sync, &r#async, "synchronous and asynchronous");
    assert_eq!(differ.as_deref().unwrap_or_default(), "");
    let names: BTreeSet<&str> = sync.iter().map(name_of).collect();
    assert!(names.len() >= CALLS_MIN && names.len() == sync.len());
    // A mistake of the script's own has no code of a server.
    for line in &sync {
        let error = line["error"].as_str().unwrap_or_default();
        let known = ["", "DocumentTooLarge", "NoFile"].contains(&error);
        assert!(known || line["details"] != Value::Null, "{line}");
    }
}

#[test]
fn every_call_gives_the_same_through_the_proxy() {
    let blueprint = Blueprint::start("mongo_battery");
    let expected = lines(&at_the_server(), "sync", DIRECT);
    let ca = blueprint.fleet.proxies[0].ca();
    let authority = format!("tlsCAFile={}", ca.display());
    let tls = ["tls=true", authority.as_str()];
    let runs: [(&str, &str, Vec<&str>); 5] = [
        ("session", "sync", vec![]),
        ("transaction", "sync", vec![]),
        (
            "transaction",
            "async",
            [&["directConnection=true"][..], &tls].concat(),
        ),
        (
            "transaction",
            "sync",
            [&["loadBalanced=true"][..], &tls].concat(),
        ),
        ("session", "async", vec!["loadBalanced=true"]),
    ];
    // Said by the test itself, at its end, and not by its threads.
    let differ: Vec<String> = thread::scope(|scope| {
        let threads = runs.iter().enumerate().map(|(n, (mode, kind, options))| {
            let tenant = blueprint.fleet.tenant_with(&serde_json::json!({
                "name": format!("t{n}"), "blueprint": blueprint.name, "allow_ddl": true,
                "pool_mode": mode,
            }));
            let expected = &expected;
            scope.spawn(move || {
                let got = lines(&tenant, kind, options);
                differences(expected, &got, &format!("{mode} {kind} {options:?}"))
            })
        });
        let threads: Vec<_> = threads.collect();
        threads
            .into_iter()
            .filter_map(|t| t.join().unwrap())
            .collect()
    });
    assert!(differ.is_empty(), "{}", differ.join("\n\n"));
}
