//! Nothing of a session reaches the next client of its server connection, however the session
//! ends: no reply, no state, no subscription. Replies carry a nonce that only their client knows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tenantsdb_tests::redis::session::request;
use tenantsdb_tests::redis::{Flavour, Login, Protocol, Session, Value};
use tenantsdb_tests::wait;

use super::Blueprint;

on_both!(
    nothing_left_behind_reaches_the_next_client,
    nothing_left_behind_reaches_the_next_client_of_a_shared_connection,
    replies_are_left_out_as_the_client_asks,
    a_reply_that_comes_late_is_its_own_clients,
    blocking_commands_wake_and_time_out,
    a_subscriber_goes_on_and_back,
    patterns_are_matched_as_by_the_server,
    invalidations_name_keys_as_the_client_does,
    an_error_while_queuing_dooms_the_transaction,
    many_clients_share_few_server_connections,
    what_pins_a_server_connection_is_shown,
);

/// A session's end that leaves something behind, or tries to.
const MESSES: &[(&str, &[&str])] = &[
    (
        "replies unread",
        &["GET of-me", "GET of-me", "MGET of-me a b", "KEYS *"],
    ),
    ("a transaction open", &["MULTI", "SET left behind"]),
    ("a transaction doomed", &["MULTI", "GET", "SET left behind"]),
    (
        "a transaction done and unread",
        &["MULTI", "GET of-me", "GET of-me", "EXEC"],
    ),
    ("watching", &["WATCH of-me"]),
    ("replies off", &["CLIENT REPLY OFF", "GET of-me"]),
    ("replies skipped", &["CLIENT REPLY SKIP"]),
    ("RESP3", &["HELLO 3", "HGETALL of-me"]),
    (
        "subscribed",
        &["SUBSCRIBE news", "PSUBSCRIBE n*", "SSUBSCRIBE shard"],
    ),
    (
        "subscribed in RESP3",
        &["HELLO 3", "SUBSCRIBE news", "PSUBSCRIBE n*"],
    ),
    ("monitoring", &["MONITOR"]),
    ("blocked", &["BLPOP none 0"]),
    (
        "blocked, with more behind",
        &["BLPOP none 0", "GET of-me", "GET of-me"],
    ),
    ("blocked on a stream", &["XREAD BLOCK 0 STREAMS none $"]),
    ("tracking", &["HELLO 3", "CLIENT TRACKING ON", "GET of-me"]),
    ("tracking all", &["HELLO 3", "CLIENT TRACKING ON BCAST"]),
    ("named", &["CLIENT SETNAME left"]),
    ("another database", &["SELECT 1", "SELECT 0"]),
    ("reset", &["MULTI", "RESET", "GET of-me"]),
    (
        "walking",
        &["SCAN 0 COUNT 1000", "DBSIZE", "RANDOMKEY", "INFO"],
    ),
    (
        "a script",
        &[
            "EVAL return{1,2,3} 0",
            "EVALSHA ffffffffffffffffffffffffffffffffffffffff 0",
        ],
    ),
    ("an error", &["LPUSH of-me x", "nonsense", "CONFIG GET *"]),
];

/// Requests that end in their middle.
const HALVES: &[&[u8]] = &[
    b"*",
    b"*3\r\n$3\r\nSET\r\n",
    b"*3\r\n$3\r\nSET\r\n$4\r\nle",
    b"*3\r\n$3\r\nSET\r\n$4\r\nleft\r\n$1000000\r\nbeginning",
    b"*3\r\n$3\r\nGET\r\n$x\r\n",
    b"SET left inl",
    b"*2\r\n$3\r\nGET\r\n$5\r\nof-me\r\n*2\r\n$3\r\nGET\r\n$5\r\nof-",
    b"*-5\r\n*1\r\n$-3\r\n",
];

fn nothing_left_behind_reaches_the_next_client(flavour: Flavour) {
    leave_messes(Blueprint::start("redis_messes", flavour));
}

fn nothing_left_behind_reaches_the_next_client_of_a_shared_connection(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_messes_shared", flavour);
    blueprint
        .fleet
        .settings("myapp", &json!({"pool_mode": "transaction"}));
    leave_messes(blueprint);
}

fn leave_messes(blueprint: Blueprint) {
    let acme = blueprint.tenant("acme");
    let globex = blueprint.tenant("globex");
    for login in [&acme, &globex] {
        login.run(&format!("SET of-me {}", login.user));
    }
    let mut all: Vec<(String, Vec<u8>)> = HALVES
        .iter()
        .map(|half| (half.escape_ascii().to_string(), half.to_vec()))
        .collect();
    all.extend(MESSES.iter().map(|(name, calls)| {
        let words = calls.iter().map(|call| call.split(' ').collect::<Vec<_>>());
        (
            (*name).to_owned(),
            words.flat_map(|words| request(&words)).collect(),
        )
    }));
    for (name, bytes) in &all {
        for read_some in [false, true] {
            for _ in 0..3 {
                let mut session = acme.session();
                session.send_raw(bytes);
                if read_some {
                    // The first reply, if any comes soon, and no more.
                    let _ = session.stream().socket().set_read_timeout(Some(MOMENT));
                    let _ = session.try_read();
                }
            }
            for login in [&acme, &globex, &acme] {
                is_fresh(login, name);
            }
        }
    }
    assert_eq!(
        blueprint.fleet.server.keys(),
        ["acme:of-me", "globex:of-me"]
    );
}

const MOMENT: Duration = Duration::from_millis(3);

/// A new client finds a session as nobody has had it before.
#[track_caller]
fn is_fresh(login: &Login, after: &str) {
    static NONCE: AtomicU64 = AtomicU64::new(0);
    let mut session = login.session();
    for _ in 0..3 {
        let nonce = format!("nonce-{}", NONCE.fetch_add(1, Ordering::Relaxed));
        assert_eq!(session.call(&["ECHO", &nonce]).text(), nonce, "{after}");
        assert_eq!(session.text("GET of-me"), login.user, "{after}");
    }
    assert!(
        matches!(session.run("HGETALL none"), Value::Array(_)),
        "{after}"
    );
    assert_eq!(session.run("CLIENT GETNAME"), Value::Null, "{after}");
    assert!(session.fails("EXEC").contains("without MULTI"), "{after}");
    assert_eq!(session.run("GET left"), Value::Null, "{after}");
    assert_eq!(
        session.run("CLIENT TRACKINGINFO").items()[1].texts(),
        ["off"],
        "{after}"
    );
    // Nothing that was watched or subscribed to is heard of.
    login.run(&format!("SET of-me {}", login.user));
    login.run("PUBLISH news x");
    assert_eq!(session.text("PING"), "PONG", "{after}");
    assert_eq!(session.pushes, [], "{after}");
}

fn replies_are_left_out_as_the_client_asks(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_reply_off", flavour);
    let acme = blueprint.tenant("acme");
    let mut session = acme.session();
    let script = [
        "SET a 1",
        "CLIENT REPLY SKIP",
        "INCR a",
        "INCR a",
        "CLIENT REPLY OFF",
        "INCR a",
        "KEYS *",
        "DBSIZE",
        "nonsense",
        "CLIENT REPLY ON",
        "GET a",
    ];
    let words = script
        .iter()
        .map(|call| call.split(' ').collect::<Vec<_>>());
    session.send_raw(&words.flat_map(|words| request(&words)).collect::<Vec<u8>>());
    let replies: Vec<String> = (0..4).map(|_| session.read().text()).collect();
    assert_eq!(replies, ["OK", "3", "OK", "4"]);
    assert_eq!(session.text("PING"), "PONG");
}

fn a_reply_that_comes_late_is_its_own_clients(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_late", flavour);
    let acme = blueprint.tenant("acme");
    let server = &blueprint.fleet.server;
    acme.run("SET slow the-slow-reply");
    for _ in 0..3 {
        // The clients give up while the server does not answer.
        let mut waiting: Vec<Session> = (0..20).map(|_| acme.session()).collect();
        for session in &mut waiting {
            assert_eq!(session.text("PING"), "PONG");
        }
        server.freeze(true);
        for session in &mut waiting {
            session.send(&["GET", "slow"]);
        }
        thread::sleep(Duration::from_millis(50));
        drop(waiting);
        server.freeze(false);
        for n in 0..40 {
            let mut session = acme.session();
            for m in 0..5 {
                let nonce = format!("{n}-{m}");
                assert_eq!(session.call(&["ECHO", &nonce]).text(), nonce);
            }
        }
    }
}

fn blocking_commands_wake_and_time_out(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_blocking", flavour);
    let acme = blueprint.tenant("acme");
    let globex = blueprint.tenant("globex");
    for (call, push, expected) in [
        ("BLPOP a b 10", "RPUSH b x", vec!["b", "x"]),
        ("BRPOPLPUSH b c 10", "RPUSH b x", vec![]),
        ("BZPOPMIN a b 10", "ZADD b 1 x", vec!["b", "x", "1"]),
        ("XREAD BLOCK 10000 STREAMS s $", "XADD s 1-1 f v", vec![]),
        ("BLMPOP 10 2 a b LEFT", "RPUSH b x", vec![]),
    ] {
        let mut blocked = acme.session();
        let words: Vec<&str> = call.split(' ').collect();
        blocked.send(&words);
        // Another tenant's push to the same name wakes nobody.
        globex.run(push);
        assert_eq!(
            blocked.read_within(Duration::from_millis(60)),
            None,
            "{call}"
        );
        acme.run(push);
        let reply = blocked.read();
        assert!(!format!("{reply:?}").contains("acme:"), "{reply:?}");
        if !expected.is_empty() {
            assert_eq!(reply.texts(), expected, "{call}");
        }
        assert!(reply.error().is_none(), "{call}: {reply:?}");
        acme.run("FLUSHDB");
        globex.run("FLUSHDB");
        assert_eq!(blocked.run("BLPOP none 0.02"), Value::Null);
        assert_eq!(blocked.text("PING"), "PONG");
    }
}

fn a_subscriber_goes_on_and_back(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_subscriber", flavour);
    let acme = blueprint.tenant("acme");
    let mut session = acme.session();
    session.text("SET a 1");
    for call in ["SUBSCRIBE one two", "PSUBSCRIBE t*", "SSUBSCRIBE three"] {
        session.send(&call.split(' ').collect::<Vec<_>>());
    }
    let counts: Vec<String> = (0..4).map(|_| session.read().texts()[2].clone()).collect();
    assert_eq!(counts, ["1", "2", "3", "1"]);
    assert_eq!(session.run("PING").texts(), ["pong", ""]);
    assert!(session.fails("GET a").contains("allowed in this context"));
    assert_eq!(acme.run("PUBLISH two hello").text(), "2");
    assert_eq!(session.read().texts(), ["message", "two", "hello"]);
    assert_eq!(session.read().texts(), ["pmessage", "t*", "two", "hello"]);
    assert_eq!(acme.run("SPUBLISH three hello").text(), "1");
    assert_eq!(session.read().texts(), ["smessage", "three", "hello"]);
    session.send(&["UNSUBSCRIBE"]);
    let mut gone = [
        session.read().texts()[1].clone(),
        session.read().texts()[1].clone(),
    ];
    gone.sort();
    assert_eq!(gone, ["one", "two"]);
    session.send(&["PUNSUBSCRIBE"]);
    assert_eq!(session.read().texts(), ["punsubscribe", "t*", "0"]);
    session.send(&["SUNSUBSCRIBE"]);
    assert_eq!(session.read().texts(), ["sunsubscribe", "three", "0"]);
    assert_eq!(session.text("GET a"), "1");
    assert_eq!(acme.run("PUBLISH two hello").text(), "0");
    // In RESP3 everything else goes on while subscribed.
    let mut session = acme.session_with(Protocol::Resp3);
    session.send(&["SUBSCRIBE", "one"]);
    assert!(matches!(session.read(), Value::Push(_)));
    for n in 0..100 {
        acme.run(&format!("PUBLISH one {n}"));
        assert_eq!(session.text("GET a"), "1");
    }
    while session.pushes.len() < 100 {
        let push = session.read();
        session.pushes.push(push);
    }
    let payloads: Vec<String> = session
        .pushes
        .iter()
        .map(|p| p.texts()[2].clone())
        .collect();
    assert_eq!(
        payloads,
        (0..100).map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

/// The proxy matches in the server's place; the server itself is asked what is right.
fn patterns_are_matched_as_by_the_server(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_globs", flavour);
    let acme = blueprint.tenant("acme");
    let patterns = [
        "*", "a", "a*", "*c", "a?c", "[a-c]b*", "[^a]*", "a\\*c", "a[bc", "*a*b*", "", "?", "h[a-",
        "[]a]", "**", "\\", "a\\", "[!a]*", "abc:*", "*:*",
    ];
    let channels = [
        "a", "abc", "a*c", "bbc", "ab", "xyz", "abc:d", "hax", "a[bc", "]", "\\", "a\\",
    ];
    let heard = |login: &Login| -> Vec<Vec<String>> {
        let mut listener = login.session_with(Protocol::Resp3);
        listener.send(&[&["PSUBSCRIBE"][..], &patterns].concat());
        for _ in patterns {
            assert!(matches!(listener.read(), Value::Push(_)));
        }
        let mut sender = login.session();
        for channel in channels {
            sender.call(&["PUBLISH", channel, "x"]);
        }
        listener.send(&["ECHO", "end"]);
        let mut heard = Vec::new();
        while let push @ Value::Push(_) = listener.read() {
            heard.push(push.texts());
        }
        heard.sort();
        heard
    };
    let admin = blueprint.fleet.server.admin_login();
    // Messages come on their own time: the last ones may be behind the reply of ECHO.
    let here = wait::until("as many messages as at the server", || {
        let (here, there) = (heard(&acme), heard(&admin));
        (here.len() == there.len()).then_some((here, there))
    });
    assert_eq!(here.0, here.1);
}

fn invalidations_name_keys_as_the_client_does(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_tracking", flavour);
    let acme = blueprint.tenant("acme");
    let globex = blueprint.tenant("globex");
    for mode in [
        "CLIENT TRACKING ON",
        "CLIENT TRACKING ON BCAST",
        "CLIENT TRACKING ON BCAST PREFIX user: PREFIX other:",
        "CLIENT TRACKING ON NOLOOP",
    ] {
        acme.run("SET user:1 old");
        let mut session = acme.session_with(Protocol::Resp3);
        assert_eq!(session.text(mode), "OK");
        assert_eq!(session.text("GET user:1"), "old");
        globex.run("SET user:1 foreign");
        acme.run("SET user:1 new");
        let push = session.read();
        assert!(matches!(push, Value::Push(_)), "{mode}: {push:?}");
        let items = push.items();
        assert_eq!(items[0].text(), "invalidate", "{mode}");
        assert_eq!(items[1].texts(), ["user:1"], "{mode}");
        globex.run("SET user:2 foreign");
        assert_eq!(
            session.read_within(Duration::from_millis(60)),
            None,
            "{mode}"
        );
        assert_eq!(session.text("CLIENT TRACKING OFF"), "OK");
    }
    // Only to connections of the same session could they be sent.
    let mut session = acme.session();
    assert!(session.fails("CLIENT TRACKING ON REDIRECT 1").len() > 10);
}

fn an_error_while_queuing_dooms_the_transaction(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_doomed", flavour);
    let acme = blueprint.tenant("acme");
    let mut session = acme.session();
    // Errors of the server's, refusals of the proxy's, and what the proxy would do by itself.
    for call in [
        "GET",
        "nonsense",
        "CONFIG GET *",
        "SORT l BY w_*",
        "SCAN 0",
        "KEYS *",
        "FLUSHDB",
    ] {
        assert_eq!(session.text("MULTI"), "OK");
        assert_eq!(session.text("SET lost x"), "QUEUED");
        session.fails(call);
        assert_eq!(session.text("SET lost x"), "QUEUED");
        let text = session.fails("EXEC");
        assert!(text.starts_with("EXECABORT "), "{call}: {text}");
        assert_eq!(session.run("GET lost"), Value::Null, "{call}");
    }
    // An error while it runs is one of its replies.
    session.text("MULTI");
    session.text("SET a x");
    session.text("LPUSH a y");
    session.text("GET a");
    let replies = session.run("EXEC").items();
    assert_eq!(
        (replies[0].text(), replies[2].text()),
        ("OK".into(), "x".into())
    );
    assert!(
        replies[1]
            .error()
            .is_some_and(|text| text.starts_with("WRONGTYPE"))
    );
}

/// The server's connections of a tenant's users.
fn connections(blueprint: &Blueprint, user: &str) -> usize {
    let list = blueprint.fleet.server.admin().text("CLIENT LIST");
    let user = format!("user={user} ");
    list.lines().filter(|line| line.contains(&user)).count()
}

fn many_clients_share_few_server_connections(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_transaction", flavour);
    blueprint
        .fleet
        .settings("myapp", &json!({"pool_mode": "transaction"}));
    let acme = blueprint.tenant("acme");
    // Five at a time, of 200.
    thread::scope(|scope| {
        for n in 0..5 {
            let (acme, blueprint) = (&acme, &blueprint);
            scope.spawn(move || {
                let protocol = Protocol::ALL[n % 2];
                let mut clients: Vec<Session> =
                    (0..40).map(|_| acme.session_with(protocol)).collect();
                for (m, client) in clients.iter_mut().enumerate() {
                    client.text(&format!("CLIENT SETNAME c-{n}-{m}"));
                }
                for round in 0..10 {
                    for (m, client) in clients.iter_mut().enumerate() {
                        let key = format!("k-{n}-{m}");
                        assert_eq!(client.text(&format!("SET {key} {round}")), "OK");
                        assert_eq!(client.text(&format!("GET {key}")), round.to_string());
                        client.text("MULTI");
                        client.text(&format!("INCR {key}"));
                        let done = client.run("EXEC").texts();
                        assert_eq!(done, [(round + 1).to_string()]);
                        assert_eq!(client.text("CLIENT GETNAME"), format!("c-{n}-{m}"));
                        let map = matches!(client.run("HGETALL none"), Value::Map(_));
                        assert_eq!(map, protocol == Protocol::Resp3);
                    }
                    // On each of the proxy's two threads.
                    let open = connections(blueprint, "myapp__acme");
                    assert!(open <= 10, "{open} server connections");
                }
            });
        }
    });
    assert!(connections(&blueprint, "myapp__acme") >= 1);
}

fn what_pins_a_server_connection_is_shown(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_pinned", flavour);
    blueprint
        .fleet
        .settings("myapp", &json!({"pool_mode": "transaction"}));
    let acme = blueprint.tenant("acme");
    let mut other = acme.session();
    for (call, reason) in [
        ("MULTI", "multi"),
        ("WATCH a", "watch"),
        ("BLPOP none 0", "blocking"),
        ("SUBSCRIBE news", "subscribed"),
        ("CLIENT TRACKING ON", "tracking"),
    ] {
        let mut session = acme.session_with(Protocol::Resp3);
        let id = session.text("CLIENT ID");
        session.send(&call.split(' ').collect::<Vec<_>>());
        let pinned = format!("pinned={reason}");
        wait::until(&pinned, || {
            let list = other.text(&format!("CLIENT LIST ID {id}"));
            list.contains(&pinned).then_some(())
        });
    }
}
