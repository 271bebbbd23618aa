//! redis-py's own tests, from its source package: with a namespace and with a server of one's own
//! they pass and fail as they do at the server, but for what is listed and explained.
//!
//! The files are run side by side in groups, each by a process and a tenant of its own: its tests
//! flush the database between them, and expect to be alone. A group takes up to 30 seconds, most of
//! them waited by its tests; the four comparisons together take less than two minutes on two cores.
//! With a namespace all groups are run. On a dedicated server bytes are passed as they come, and
//! the groups of the asyncio client that repeat those of the blocking one are not.

use std::collections::{BTreeMap, BTreeSet};
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

/// Seconds that are waited and nothing else: that nobody listens on a port, for a replication that
/// does not begin, and (`test_auth`) between tries with a wrong password, which the client takes
/// for a lost connection and repeats ten times.
const LEFT_OUT: &[&str] = &[
    "test_auth",
    "test_sync",
    "test_psync",
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
        // pytest's own tracebacks parse the 8600 lines of `test_commands.py` for a test that fails:
        // seconds, on a busy machine so many that the first one ran into the timeout.
        .args(["--tb=native", "--assert=plain"])
        .args(["-W", "ignore", "--timeout=30", "--protocol", protocol])
        .arg(format!("--redis-url={}", login.url("redis")))
        .arg(format!("--junitxml={}", report.display()))
        .args(["-m", "not onlycluster and not redismod"])
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

/// pytest with the folder of the tests first on Python's path, and with nothing of the user's. A
/// fixture of the tests would have every allocation traced, which slows all of them.
const START: &str = "import sys, tracemalloc, pytest
tracemalloc.start = lambda: None
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

/// What a list has for this flavour.
///
/// # Panics
///
/// If it has names without a reason above them.
fn listed(list: &str, flavour: Flavour) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for paragraph in list.split("\n\n") {
        let (why, listed): (Vec<_>, Vec<_>) =
            paragraph.lines().partition(|line| line.starts_with('#'));
        assert!(!why.is_empty(), "why? {listed:?}");
        let here = listed.iter().filter_map(|name| {
            let on_valkey = name.strip_prefix("valkey ");
            on_valkey.map_or(Some(*name), |name| {
                (flavour == Flavour::Valkey).then_some(name)
            })
        });
        names.extend(here);
    }
    names
}

/// The name that a list has for a test: without its parameters, and the blocking client's.
fn listed_name(test: &str) -> &str {
    let name = test.split('[').next().unwrap_or_default();
    name.strip_prefix("test_asyncio.").unwrap_or(name)
}

/// What differs and is not listed, and what is listed and does not differ: in vain, unless the
/// server fails or skips it too.
fn differences(both: &[[Results; 2]], listed: &BTreeSet<&str>) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = BTreeSet::new();
    let mut run = BTreeSet::new();
    let mut pass = BTreeSet::new();
    for [here, there] in both {
        for (test, there) in there {
            let here = here.get(test).copied().unwrap_or("missing");
            let name = listed_name(test);
            run.insert(name);
            if here == *there {
                pass.extend((here == "passed").then_some(name));
            } else if listed.contains(name) {
                differ.insert(name);
            } else {
                found.push(format!("{test}: {here}, and {there} at the server"));
            }
        }
    }
    for name in listed.difference(&differ) {
        if pass.contains(name) || !run.contains(name) {
            found.push(format!("{name}: listed, and nothing differs"));
        }
    }
    found
}

/// Runs each group at both places, all at once; what the list does not say.
fn compare(
    groups: &[(&str, &[&str])],
    protocol: &str,
    places: impl Fn(usize) -> [Login; 2],
    dir: &Path,
    listed: &BTreeSet<&str>,
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
    let passed = |results: &Results| results.values().filter(|&&it| it == "passed").count();
    let passed: usize = both.iter().map(|[here, _]| passed(here)).sum();
    assert!(passed > 1000, "{passed} tests passed");
    differences(&both, listed)
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
    let places = |n: usize| [blueprint.tenant(GROUPS[n].0), owns[n].1.clone()];
    let listed = listed(NAMESPACE, flavour);
    let found = compare(GROUPS, protocol_of(flavour), places, fleet.dir(), &listed);
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
    let groups = [GROUPS[0], GROUPS[2], GROUPS[4]];
    let owns: Vec<_> = groups.iter().map(|_| own(flavour, fleet.dir())).collect();
    let servers: Vec<_> = groups
        .iter()
        .map(|(name, _)| fleet.add_server(name, true))
        .collect();
    let places = |n: usize| {
        let name = groups[n].0;
        servers[n]
            .admin()
            .text("CONFIG SET notify-keyspace-events KEA");
        let body = json!({"name": name, "blueprint": "myapp", "dedicated": true});
        [fleet.tenant_with(&body), owns[n].1.clone()]
    };
    let found = compare(
        &groups,
        protocol_of(flavour),
        places,
        fleet.dir(),
        &listed(DEDICATED, flavour),
    );
    assert!(
        found.is_empty(),
        "{} differ:\n{}",
        found.len(),
        found.join("\n")
    );
}
