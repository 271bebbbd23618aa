//! What the server's access list does not stop is closed by the proxy; and with a tenant's login
//! directly at the server foreign keys stay out of reach.

use std::time::Duration;

use tenantsdb_tests::redis::{Flavour, Login, Protocol, Server, Session, Value};
use tenantsdb_tests::wait;

use super::Blueprint;

on_both!(
    names_and_numbers_of_keys_are_ones_own,
    patterns_cannot_leave_the_namespace,
    flushing_takes_ones_own_alone,
    there_is_one_database,
    channels_are_ones_own,
    clients_are_ones_own,
    info_tells_of_nobody_else,
    keyspace_events_are_ones_own,
    scripts_see_no_further,
    errors_name_keys_as_the_client_does,
    the_login_reaches_nothing_foreign_at_the_server_itself,
);

struct Two {
    blueprint: Blueprint,
    acme: Login,
    globex: Login,
}

impl Two {
    /// Two tenants; each has 300 keys, and the administrator has some too.
    fn start(test: &str, flavour: Flavour) -> Self {
        let blueprint = Blueprint::start(test, flavour);
        let acme = blueprint.tenant("acme");
        let globex = blueprint.tenant("globex");
        for (name, login) in [("acme", &acme), ("globex", &globex)] {
            let mut words = vec!["MSET".to_owned()];
            for n in 0..300 {
                words.extend([format!("of-{name}:{n}"), "x".to_owned()]);
            }
            assert_eq!(login.session().call(&words).text(), "OK");
        }
        blueprint
            .fleet
            .server
            .admin()
            .text("MSET admin secret acm other acmex other");
        Self {
            blueprint,
            acme,
            globex,
        }
    }

    fn server(&self) -> &Server {
        &self.blueprint.fleet.server
    }
}

/// All keys by a SCAN loop.
fn scan(session: &mut Session, more: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let reply = session.run(&format!("SCAN {cursor} {more}"));
        let [next, keys] = reply
            .items()
            .try_into()
            .unwrap_or_else(|_| panic!("{reply:?}"));
        found.extend(keys.texts());
        cursor = next.text();
        if cursor == "0" {
            break;
        }
    }
    found.sort();
    found.dedup();
    found
}

fn names_and_numbers_of_keys_are_ones_own(flavour: Flavour) {
    let two = Two::start("redis_names", flavour);
    for (name, login) in [("acme", &two.acme), ("globex", &two.globex)] {
        let mut session = login.session();
        let mut own: Vec<String> = (0..300).map(|n| format!("of-{name}:{n}")).collect();
        own.sort();
        assert_eq!(session.list("KEYS *"), own);
        assert_eq!(scan(&mut session, ""), own);
        assert_eq!(scan(&mut session, "COUNT 7"), own);
        assert_eq!(scan(&mut session, "COUNT 100000 TYPE string"), own);
        for _ in 0..50 {
            let key = session.text("RANDOMKEY");
            assert!(own.contains(&key), "{key}");
        }
        // From a sweep, whose age INFO tells.
        wait::until("DBSIZE to be the tenant's own", || {
            (session.text("DBSIZE") == "300").then_some(())
        });
    }
    // Cursors are no way into others: any number gives own keys, or an error.
    let mut session = two.acme.session();
    for cursor in ["1", "17", "4096", "18446744073709551615", "99999999999"] {
        let reply = session.run(&format!("SCAN {cursor} COUNT 1000"));
        let text = format!("{reply:?}");
        assert!(
            !text.contains("globex") && !text.contains("admin"),
            "{text}"
        );
    }
}

fn patterns_cannot_leave_the_namespace(flavour: Flavour) {
    let two = Two::start("redis_patterns", flavour);
    let mut session = two.acme.session();
    for pattern in [
        "*", "?*", "*globex*", "../*", "acme:*", "globex:*", "[a-z]*", "\\*", "{*}", "*:*:*",
        "[^a]*",
    ] {
        for call in [
            format!("KEYS {pattern}"),
            format!("SCAN 0 COUNT 100000 MATCH {pattern}"),
        ] {
            let text = format!("{:?}", session.run(&call));
            for foreign in ["globex", "admin", "\"acm\"", "acmex", "acme:of"] {
                assert!(!text.contains(foreign), "{call}: {foreign} in {text}");
            }
        }
    }
    for key in [
        "globex:of-globex:1",
        "admin",
        "acme:of-acme:1",
        "../globex:of-globex:1",
    ] {
        assert_eq!(session.run(&format!("GET {key}")), Value::Null, "{key}");
    }
}

fn flushing_takes_ones_own_alone(flavour: Flavour) {
    let two = Two::start("redis_flush", flavour);
    for call in ["FLUSHDB", "FLUSHALL", "FLUSHDB ASYNC", "FLUSHALL SYNC"] {
        let mut session = two.acme.session();
        session.text("SET one more");
        assert_eq!(session.text(call), "OK");
        assert_eq!(session.list("KEYS *"), [""; 0]);
        let mut left = two.server().keys();
        left.retain(|key| !key.starts_with("globex:"));
        assert_eq!(left, ["acm", "acmex", "admin"], "{call}");
        assert_eq!(two.globex.session().list("KEYS *").len(), 300);
    }
}

fn there_is_one_database(flavour: Flavour) {
    let two = Two::start("redis_select", flavour);
    let mut session = two.acme.session();
    assert_eq!(session.text("SELECT 0"), "OK");
    for call in [
        "SELECT 1",
        "SELECT 15",
        "SELECT -1",
        "MOVE of-acme:1 1",
        "SWAPDB 0 1",
    ] {
        let refused = session.fails(call);
        assert!(refused.len() > 12, "{call}: {refused}");
    }
    session.fails("COPY of-acme:1 copy DB 3");
    let inside = session.run("MULTI");
    assert_eq!(inside.text(), "OK");
    session.run("SELECT 3");
    session.run("SET leaked x");
    session.run("EXEC");
    for database in 1..16 {
        let mut admin = two.server().admin();
        admin.text(&format!("SELECT {database}"));
        assert_eq!(admin.text("DBSIZE"), "0", "{database}");
    }
}

fn channels_are_ones_own(flavour: Flavour) {
    let two = Two::start("redis_channels", flavour);
    let mut theirs = two.globex.session_with(Protocol::Resp3);
    let mut everything = two.globex.session_with(Protocol::Resp3);
    theirs.send(&["SUBSCRIBE", "news"]);
    assert_eq!(theirs.read().texts(), ["subscribe", "news", "1"]);
    everything.send(&["PSUBSCRIBE", "*"]);
    assert_eq!(everything.read().texts(), ["psubscribe", "*", "1"]);
    let mut acme = two.acme.session();
    assert_eq!(acme.list("PUBSUB CHANNELS"), [""; 0]);
    assert_eq!(acme.list("PUBSUB CHANNELS *"), [""; 0]);
    assert_eq!(acme.text("PUBSUB NUMPAT"), "0");
    assert_eq!(
        acme.run("PUBSUB NUMSUB news globex:news").texts(),
        ["news", "0", "globex:news", "0"]
    );
    for channel in ["news", "globex:news", "*", "__keyspace@0__:globex:news"] {
        assert_eq!(
            acme.call(&["PUBLISH", channel, "from acme"]).text(),
            "0",
            "{channel}"
        );
    }
    assert_eq!(two.globex.run("PUBLISH news own").text(), "2");
    assert_eq!(theirs.read().texts(), ["message", "news", "own"]);
    assert_eq!(everything.read().texts(), ["pmessage", "*", "news", "own"]);
}

fn clients_are_ones_own(flavour: Flavour) {
    let two = Two::start("redis_client_list", flavour);
    let mut theirs = two.globex.session();
    let id = theirs.text("CLIENT ID");
    let mut acme = two.acme.session();
    acme.text("CLIENT SETNAME mine");
    let other = two.acme.session();
    let list = acme.text("CLIENT LIST");
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(
        list.contains("name=mine") && !list.contains("globex"),
        "{list}"
    );
    assert!(
        list.lines().all(|line| line.contains("user=myapp__acme")),
        "{list}"
    );
    let list = acme.text(&format!("CLIENT LIST ID {id}"));
    assert!(list.trim().is_empty(), "{list}");
    assert!(
        acme.fails(&format!("CLIENT KILL ID {id}x"))
            .starts_with("ERR")
    );
    for call in [
        format!("CLIENT KILL ID {id}"),
        "CLIENT KILL USER myapp__globex".to_owned(),
        "CLIENT KILL USER default".to_owned(),
        "CLIENT KILL TYPE pubsub".to_owned(),
        format!("CLIENT UNBLOCK {id}"),
    ] {
        let reply = acme.run(&call);
        assert!(
            reply == Value::Integer(0) || reply.error().is_some(),
            "{call}: {reply:?}"
        );
        assert_eq!(theirs.text("PING"), "PONG", "{call}");
    }
    assert_eq!(acme.text("PING"), "PONG");
    let mut other = other;
    let mine = other.text("CLIENT ID");
    assert_eq!(acme.text(&format!("CLIENT KILL ID {mine}")), "1");
    assert!(other.is_closed());
}

fn info_tells_of_nobody_else(flavour: Flavour) {
    let two = Two::start("redis_info", flavour);
    let mut acme = two.acme.session();
    for call in [
        "INFO",
        "INFO all",
        "INFO everything",
        "INFO clients",
        "INFO keyspace commandstats",
    ] {
        let info = acme.text(call);
        for foreign in [
            "globex",
            "db1:",
            "cmdstat_",
            "config_file:/",
            "tcp_port:",
            "process_id:",
        ] {
            assert!(!info.contains(foreign), "{call}: {foreign} in {info}");
        }
    }
    let info = acme.text("INFO");
    // What drivers look for.
    for field in [
        "redis_version:",
        "redis_mode:standalone",
        "role:master",
        "loading:0",
    ] {
        assert!(info.contains(field), "{field} is not in {info}");
    }
    wait::until("the keyspace's line", || {
        acme.text("INFO keyspace")
            .contains("keys=300")
            .then_some(())
    });
}

fn keyspace_events_are_ones_own(flavour: Flavour) {
    let two = Two::start("redis_events", flavour);
    two.server()
        .admin()
        .text("CONFIG SET notify-keyspace-events KEA");
    let mut acme = two.acme.session_with(Protocol::Resp3);
    acme.send(&["PSUBSCRIBE", "__keyspace@0__:*"]);
    assert_eq!(acme.read().texts(), ["psubscribe", "__keyspace@0__:*", "1"]);
    acme.send(&["SUBSCRIBE", "__keyspace@0__:user:1"]);
    assert_eq!(
        acme.read().texts(),
        ["subscribe", "__keyspace@0__:user:1", "2"]
    );
    two.globex.run("SET user:1 x");
    two.server().admin().text("SET admin new");
    two.acme.run("SET user:1 x");
    let events = [acme.read().texts(), acme.read().texts()];
    let expected = [
        vec!["message", "__keyspace@0__:user:1", "set"],
        vec![
            "pmessage",
            "__keyspace@0__:*",
            "__keyspace@0__:user:1",
            "set",
        ],
    ];
    assert!(
        expected
            .iter()
            .all(|event| events.iter().any(|e| e == event)),
        "{events:?}"
    );
    assert_eq!(acme.read_within(Duration::from_millis(200)), None);
    // A keyevent channel carries the names of everybody's keys.
    for call in [
        "SUBSCRIBE __keyevent@0__:set",
        "PSUBSCRIBE __keyevent@0__:*",
    ] {
        let refused = two.acme.session().fails(call);
        assert!(
            refused.starts_with("NOPERM") && refused.len() > 40,
            "{call}: {refused}"
        );
    }
    // Wide enough to reach it, and shown nothing of it.
    let mut wide = two.acme.session_with(Protocol::Resp3);
    wide.send(&["PSUBSCRIBE", "*"]);
    let reply = wide.read();
    two.globex.run("SET user:2 x");
    if reply.error().is_none() {
        while let Some(push) = wide.read_within(Duration::from_millis(200)) {
            assert!(!format!("{push:?}").contains("user:2"), "{push:?}");
        }
    }
}

fn scripts_see_no_further(flavour: Flavour) {
    let two = Two::start("redis_script_leaks", flavour);
    let mut acme = two.acme.session();
    for body in [
        "return redis.call('SCAN', 0, 'COUNT', 100000)",
        "return redis.call('KEYS', '*')",
        "return redis.call('RANDOMKEY')",
        "return redis.call('DBSIZE')",
        "return redis.call('SELECT', 1)",
        "return redis.call('INFO')",
        "return redis.call('PUBSUB', 'CHANNELS')",
        "return redis.call('CLIENT', 'LIST')",
        "return redis.call('CONFIG', 'GET', '*')",
        "return redis.call('ACL', 'LIST')",
        "return redis.call('FLUSHALL')",
        "return redis.call('FLUSHDB')",
        "return redis.call('GET', 'globex:of-globex:1')",
        "return redis.call('GET', 'admin')",
        "return redis.call('DEL', 'admin')",
        "return redis.call('MOVE', 'acme:of-acme:1', 1)",
        "return redis.call('COPY', 'globex:of-globex:1', 'acme:copy')",
        "return redis.call('PUBLISH', 'globex:news', 'x')",
        "return redis.call('SORT', 'acme:l', 'BY', 'nosort', 'GET', 'globex:of-globex:*')",
        "return redis.call('MEMORY', 'STATS')",
        "return redis.call('FUNCTION', 'LIST')",
        "return redis.call('EVAL', 'return 1', 0)",
        "return redis.call('OBJECT', 'ENCODING', 'globex:of-globex:1')",
    ] {
        for command in ["EVAL", "EVAL_RO"] {
            let reply = acme.call(&[command, body, "0"]);
            assert!(reply.error().is_some(), "{command} {body}: {reply:?}");
            let text = reply.text();
            assert!(!text.contains("acme:"), "{body}: {text}");
        }
    }
    let mut left = two.server().keys();
    left.retain(|key| !key.starts_with("globex:") && !key.starts_with("acme:"));
    assert_eq!(left, ["acm", "acmex", "admin"]);
}

fn errors_name_keys_as_the_client_does(flavour: Flavour) {
    let two = Two::start("redis_errors", flavour);
    let mut acme = two.acme.session();
    acme.text("XADD s 1-1 f v");
    acme.text("SET a x");
    for call in [
        "XREADGROUP GROUP none me STREAMS s >",
        "XGROUP SETID none g 0",
        "XCLAIM s none me 0 1-1",
        "LPUSH a x",
        "RENAME none other",
        "XADD s 1-1 f v",
        "OBJECT FREQ a",
    ] {
        let text = acme.fails(call);
        assert!(!text.contains("acme:"), "{call}: {text}");
    }
    let text = acme.fails("XREADGROUP GROUP none me STREAMS s >");
    assert!(text.contains("'s'"), "{text}");
}

fn the_login_reaches_nothing_foreign_at_the_server_itself(flavour: Flavour) {
    let two = Two::start("redis_direct", flavour);
    let direct = two.acme.at(&two.server().address());
    let mut session = direct.session();
    assert_eq!(session.text("GET acme:of-acme:1"), "x");
    for call in [
        "GET globex:of-globex:1",
        "SET globex:of-globex:1 x",
        "GET admin",
        "GET acm",
        "DEL acmex",
        "SCAN 0",
        "KEYS *",
        "RANDOMKEY",
        "DBSIZE",
        "FLUSHDB",
        "FLUSHALL",
        "SELECT 1",
        "SWAPDB 0 1",
        "MOVE acme:of-acme:1 1",
        "MIGRATE 127.0.0.1 1 acme:of-acme:1 0 10",
        "PUBSUB CHANNELS",
        "SUBSCRIBE globex:news",
        "PSUBSCRIBE *",
        "PSUBSCRIBE __key*",
        "SUBSCRIBE __keyevent@0__:set",
        "SUBSCRIBE __keyspace@0__:globex:a",
        "PUBLISH globex:news x",
        "CLIENT LIST",
        "CLIENT KILL TYPE normal",
        "CONFIG GET *",
        "CONFIG SET requirepass x",
        "ACL LIST",
        "ACL SETUSER myapp__acme +@all",
        "DEBUG SLEEP 0",
        "MONITOR",
        "SHUTDOWN",
        "REPLICAOF NO ONE",
        "SAVE",
        "FUNCTION LIST",
        "SCRIPT FLUSH",
        "SCRIPT KILL",
        "INFO",
        "SLOWLOG GET",
        "LATENCY LATEST",
        "MODULE LIST",
        "CLUSTER NODES",
        "MEMORY STATS",
        "COPY globex:of-globex:1 acme:copy",
        "RENAME globex:of-globex:1 acme:copy",
        "SUNIONSTORE globex:x acme:y",
        "BITOP NOT globex:x acme:of-acme:1",
        "SORT acme:l BY nosort GET globex:of-globex:*",
        "OBJECT ENCODING globex:of-globex:1",
        "MEMORY USAGE globex:of-globex:1",
        "WATCH globex:of-globex:1",
        "TOUCH globex:of-globex:1",
    ] {
        let refused = session.fails(call);
        let wanted = ["NOPERM", "ERR"]
            .iter()
            .any(|begin| refused.starts_with(begin));
        assert!(wanted, "{call}: {refused}");
    }
    // The second account sees names, for the proxy, and reaches no key.
    let walk = direct.as_user("myapp__acme:walk");
    let mut session = walk.session();
    for call in [
        "GET acme:of-acme:1",
        "DEL acme:of-acme:1",
        "SET x y",
        "CONFIG GET *",
        "FLUSHDB",
    ] {
        assert!(session.fails(call).starts_with("NOPERM"), "{call}");
    }
    let mut left = two.server().keys();
    left.retain(|key| !key.starts_with("globex:") && !key.starts_with("acme:"));
    assert_eq!(left, ["acm", "acmex", "admin"]);
}
