//! redis-py's own tests, from its source package: with a namespace and with a server of one's own
//! they pass and fail as they do at the server, but for what is listed and explained.
//!
//! The files are run side by side, each by a process and a tenant of its own: its tests flush the
//! database between them, and expect to be alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use serde_json::json;
use tenantsdb_tests::redis::{Flavour, Login, Server};
use tenantsdb_tests::{Run, paths};

use super::Blueprint;

on_both!(
    with_a_namespace_they_pass_as_at_the_server,
    dedicated_they_pass_as_at_the_server,
);

/// Tests of what a client does with a server. Left out are those that need a cluster, sentinels or
/// modules, and those that speak to no server at all.
const GROUPS: &[(&str, &[&str])] = &[
    ("commands", &["test_commands.py"]),
    ("async", &["test_asyncio/test_commands.py"]),
    ("pubsub", &["test_pubsub.py"]),
    ("asyncpubsub", &["test_asyncio/test_pubsub.py"]),
    (
        "rest",
        &[
            "test_pipeline.py",
            "test_lock.py",
            "test_scripting.py",
            "test_encoding.py",
            "test_function.py",
            "test_keyspace_notifications.py",
            "test_monitor.py",
            "test_multiprocessing.py",
            "test_cache.py",
            "test_connection_pool.py",
            "test_connection.py",
            "test_asyncio/test_pipeline.py",
            "test_asyncio/test_lock.py",
            "test_asyncio/test_scripting.py",
            "test_asyncio/test_encoding.py",
            "test_asyncio/test_keyspace_notifications.py",
            "test_asyncio/test_monitor.py",
        ],
    ),
];

const NAMESPACE: &str = include_str!("redis_py/namespace.txt");
const DEDICATED: &str = include_str!("redis_py/dedicated.txt");

/// Seconds that are waited and nothing else: what they wait for is that nobody listens on a port.
const LEFT_OUT: &[&str] = &[
    "test_network_connection_failure",
    "test_unix_socket_connection_failure",
    "TestPubSubRedisDown",
    "test_on_connect_error",
];

/// What became of each test by its name: `passed`, `failed` or `skipped`.
type Results = BTreeMap<String, &'static str>;

fn run(group: &str, files: &[&str], login: &Login, dir: &Path, protocol: &str) -> Results {
    let tests = paths::repository().join(".venv/redis-py");
    assert!(
        tests.is_dir(),
        "{} is missing; run: scripts/install.sh test",
        tests.display()
    );
    let report = dir.join(format!("{group}-{}.xml", login.user));
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", "300"])
        .arg(paths::repository().join(".venv/bin/python"))
        .args(["-I", "-c", START])
        .arg(&tests)
        .args([
            "-q",
            "-p",
            "no:cacheprovider",
            "-o",
            "addopts=",
            "-o",
            "log_cli=false",
        ])
        .args(["-W", "ignore", "--timeout=30", "--protocol", protocol])
        .arg(format!("--redis-url={}", login.url("redis")))
        .arg(format!("--junitxml={}", report.display()))
        .args(["-k", &format!("not ({})", LEFT_OUT.join(" or "))])
        .args(files.iter().map(|file| format!("tests/{file}")))
        .current_dir(&tests);
    let run = Run::of(&mut command);
    let report = std::fs::read_to_string(&report).unwrap_or_else(|e| panic!("{e}: {run}"));
    std::fs::write(
        dir.join(format!("{group}-{}.log", login.user)),
        run.to_string(),
    )
    .unwrap();
    results(&report)
}

/// pytest with the folder of the tests first on Python's path, and with nothing of the user's.
const START: &str = "import sys, pytest
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
sys.exit(pytest.main(sys.argv[2:]))";

/// Reads a report as pytest writes it: one element for each test.
fn results(report: &str) -> Results {
    let attribute = |element: &str, name: &str| {
        let (_, rest) = element
            .split_once(&format!(" {name}=\""))
            .expect("an attribute");
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let mut found = Results::new();
    for element in report.split("<testcase").skip(1) {
        let class = attribute(element, "classname");
        let class = class.trim_start_matches("tests.");
        let name = format!("{class}.{}", attribute(element, "name"));
        let became = match element {
            e if e.contains("<failure") || e.contains("<error") => "failed",
            e if e.contains("<skipped") => "skipped",
            _ => "passed",
        };
        found.insert(name, became);
    }
    found
}

/// The lines of a list: a name or the beginning of one, and why it is there.
fn expected(list: &str) -> Vec<(&str, &str)> {
    let lines = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, why) = line.split_once(": ").expect("a name and a reason");
            assert!(why.len() > 10, "{name}: why?");
            (name, why)
        })
        .collect()
}

/// Runs each group at both places, all at once; what differs and is not listed.
fn compare(
    groups: &[(&str, &[&str])],
    protocol: &str,
    places: impl Fn(usize) -> [Login; 2],
    dir: &Path,
    list: &str,
) -> Vec<String> {
    let places: Vec<[Login; 2]> = (0..groups.len()).map(places).collect();
    let both: Vec<[Results; 2]> = thread::scope(|scope| {
        let runs: Vec<_> = groups
            .iter()
            .zip(&places)
            .map(|((group, files), logins)| {
                logins
                    .each_ref()
                    .map(|l| scope.spawn(|| run(group, files, l, dir, protocol)))
            })
            .collect();
        runs.into_iter()
            .map(|pair| pair.map(|run| run.join().unwrap()))
            .collect()
    });
    let listed = expected(list);
    let mut found = Vec::new();
    let mut passed = 0;
    for [here, there] in &both {
        assert!(!there.is_empty());
        for (name, there) in there {
            let here = here.get(name).copied().unwrap_or("missing");
            let known = listed.iter().any(|(listed, _)| name.starts_with(listed));
            passed += usize::from(here == "passed");
            if here != *there && !known {
                found.push(format!("{name}: {here}, and {there} at the server"));
            }
        }
    }
    assert!(passed > 100, "{passed} tests passed");
    found
}

/// The password is no secret of anybody, and the tests ask for it without a user.
fn own(flavour: Flavour, dir: &Path) -> (Arc<Server>, Login) {
    let server = Server::start_with(flavour, dir, &["--notify-keyspace-events", "KEA"]);
    let login = server.admin_login();
    let mut admin = server.admin();
    let user = "own";
    admin.call(&["ACL", "SETUSER", user, "on", ">own", "~*", "&*", "+@all"]);
    let login = Login {
        user: user.to_owned(),
        password: "own".to_owned(),
        ..login
    };
    (server, login)
}

fn protocol_of(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Redis => "2",
        Flavour::Valkey => "3",
    }
}

fn with_a_namespace_they_pass_as_at_the_server(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_py_namespace", flavour);
    let fleet = &blueprint.fleet;
    fleet
        .server
        .admin()
        .text("CONFIG SET notify-keyspace-events KEA");
    let owns: Vec<_> = GROUPS.iter().map(|_| own(flavour, fleet.dir())).collect();
    let places = |n: usize| {
        let tenant = blueprint.tenant(GROUPS[n].0);
        let mut own = owns[n].1.clone();
        own.user = "own".to_owned();
        [tenant, own]
    };
    let found = compare(GROUPS, protocol_of(flavour), places, fleet.dir(), NAMESPACE);
    assert!(
        found.is_empty(),
        "{} differ:\n{}",
        found.len(),
        found.join("\n")
    );
    let keys = fleet.server.keys();
    assert!(
        keys.iter().all(|key| GROUPS
            .iter()
            .any(|(name, _)| key.starts_with(&format!("{name}:")))),
        "{keys:?}"
    );
}

fn dedicated_they_pass_as_at_the_server(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_py_dedicated", flavour);
    let fleet = &blueprint.fleet;
    // What goes through the proxy unread needs less of them.
    let groups = [GROUPS[0], GROUPS[2], GROUPS[4]];
    let owns: Vec<_> = groups.iter().map(|_| own(flavour, fleet.dir())).collect();
    let places = |n: usize| {
        let name = groups[n].0;
        let server = fleet.add_server(name, true);
        server.admin().text("CONFIG SET notify-keyspace-events KEA");
        let body = json!({"name": name, "blueprint": "myapp", "dedicated": true});
        [fleet.tenant_with(&body), owns[n].1.clone()]
    };
    let found = compare(
        &groups,
        protocol_of(flavour),
        places,
        fleet.dir(),
        DEDICATED,
    );
    assert!(
        found.is_empty(),
        "{} differ:\n{}",
        found.len(),
        found.join("\n")
    );
}
