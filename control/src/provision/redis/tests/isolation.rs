//! What the accounts can and cannot do, logged in straight at the server as only a fault of the
//! proxy, or somebody in its network, could be.

use std::collections::BTreeSet;

use redis::Value;

use super::server::{Login, Server, on_redis_and_valkey};
use crate::provision::Account;

/// SHA-256 of [`PASSWORD`].
const VERIFIER: &str = "sha256$5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
const PASSWORD: &str = "password";

on_redis_and_valkey!(
    a_tenant_reaches_its_own_and_nothing_else,
    scripts_see_no_more_than_their_caller,
    the_walker_sees_names_and_reads_nothing,
    the_rules_of_a_blueprint_take_away_and_never_give,
    a_dedicated_account_has_the_server_but_not_its_administration,
    no_command_without_keys_is_left_by_oversight,
    an_account_is_healed_shut_and_removed,
);

fn account(database: &str, prefix: Option<&str>, commands: &[&str]) -> Account {
    Account {
        database: database.to_owned(),
        verifier: VERIFIER.to_owned(),
        open: true,
        prefix: prefix.map(str::to_owned),
        commands: commands.iter().map(|rule| (*rule).to_owned()).collect(),
    }
}

async fn two_tenants(server: &Server) -> (Login, Login) {
    let accounts = [
        account("a__acme", Some("acme:"), &[]),
        account("a__globex", Some("globex:"), &[]),
    ];
    server.provisioner().account_put(&accounts).await.unwrap();
    let acme = server.login("a__acme", PASSWORD).await.unwrap();
    let mut globex = server.login("a__globex", PASSWORD).await.unwrap();
    let _: Value = globex.ask("SET globex:user:1 secret").await.unwrap();
    let _: Value = globex.ask("RPUSH globex:list 1 2 3").await.unwrap();
    (acme, globex)
}

async fn a_tenant_reaches_its_own_and_nothing_else(server: Server) {
    let (mut acme, mut globex) = two_tenants(&server).await;
    let _: Value = acme.ask("SET acme:user:1 mine").await.unwrap();
    let mine: String = acme.ask("GET acme:user:1").await.unwrap();
    assert_eq!(mine, "mine");
    for allowed in [
        "SORT acme:none",
        "SORT_RO acme:none",
        "MEMORY USAGE acme:user:1",
        "PUBLISH acme:news hi",
        "SPUBLISH acme:news hi",
        "SCRIPT LOAD return(1)",
        "OBJECT ENCODING acme:user:1",
        "CLIENT ID",
        "ACL WHOAMI",
        "TIME",
        "COMMAND COUNT",
        "COPY acme:user:1 acme:user:2",
        "MULTI",
        "DISCARD",
    ] {
        let answer: redis::RedisResult<Value> = acme.ask(allowed).await;
        assert!(answer.is_ok(), "{allowed}: {answer:?}");
    }
    for refused in [
        "GET globex:user:1",
        "SET globex:user:1 x",
        "DEL globex:user:1",
        "EXISTS globex:user:1",
        "OBJECT ENCODING globex:user:1",
        "MEMORY USAGE globex:user:1",
        "RENAME globex:user:1 acme:x",
        "COPY globex:user:1 acme:x",
        "MGET acme:user:1 globex:user:1",
        "SORT globex:list",
        "SORT acme:user:1 BY globex:*",
        "SORT acme:user:1 GET globex:*",
        "SORT acme:user:1 BY acme:w* STORE globex:x",
        // Key rules are held against the first STORE, the last would be stored to.
        "GEORADIUS acme:geo 1 2 300 km STORE acme:x STORE globex:user:1",
        "GEORADIUSBYMEMBER acme:geo m 300 km STORE acme:x STORE globex:user:1",
        "SORT acme:list STORE acme:x STORE globex:user:1",
        "XREADGROUP GROUP g STREAMS STREAMS acme:s globex:s > >",
        "LMPOP 1 globex:list LEFT",
        "BLPOP globex:list 1",
        "XREAD STREAMS globex:stream 0",
        "EVAL return(1) 1 globex:user:1",
        "PUBLISH globex:news hi",
        "GET plain",
        "SET other x",
        "SCAN 0",
        "KEYS *",
        "RANDOMKEY",
        "DBSIZE",
        "FLUSHDB",
        "FLUSHALL",
        "SELECT 1",
        "MOVE acme:user:1 1",
        "SWAPDB 0 1",
        "INFO",
        "ROLE",
        "LASTSAVE",
        "PUBSUB CHANNELS",
        "PUBSUB NUMSUB globex:news",
        "PUBSUB SHARDCHANNELS",
        "FUNCTION LIST",
        "FUNCTION FLUSH",
        "SCRIPT FLUSH",
        "SCRIPT KILL",
        "CONFIG GET *",
        "CLIENT LIST",
        "CLIENT KILL ID 1",
        "MEMORY STATS",
        "MEMORY DOCTOR",
        "MONITOR",
        "SAVE",
        "SHUTDOWN",
        "ACL LIST",
        "ACL SETUSER x",
        "MIGRATE 127.0.0.1 1 acme:user:1 0 1",
        "CLUSTER COUNTKEYSINSLOT 1",
        "LATENCY DOCTOR",
        "SLOWLOG GET",
        "MODULE LIST",
        "REPLICAOF NO ONE",
        "DUMP globex:user:1",
    ] {
        let words: Vec<&str> = refused.split(' ').collect();
        let text = acme.refused(&words).await;
        let by_acl = text.starts_with("NOPERM") || text.contains("insufficient ACL permissions");
        assert!(by_acl, "{refused}: {text}");
    }
    let secret: String = globex.ask("GET globex:user:1").await.unwrap();
    assert_eq!(secret, "secret");
    // Channels: one of its own, and keyspace events of its own keys.
    for (command, channel, may) in [
        ("SUBSCRIBE", "acme:news", true),
        ("SUBSCRIBE", "globex:news", false),
        ("SSUBSCRIBE", "globex:news", false),
        ("PSUBSCRIBE", "acme:*", true),
        ("PSUBSCRIBE", "*", false),
        ("PSUBSCRIBE", "__keyspace@0__:acme:*", true),
        ("PSUBSCRIBE", "__keyspace@0__:*", false),
        ("PSUBSCRIBE", "__keyevent@0__:*", false),
        ("SUBSCRIBE", "__keyevent@0__:del", false),
    ] {
        let mut admin = server.admin().await;
        let words = ["ACL", "DRYRUN", "a__acme", command, channel];
        let answer: String = admin.words(&words).await.unwrap();
        assert_eq!(answer == "OK", may, "{command} {channel}: {answer}");
    }
}

async fn scripts_see_no_more_than_their_caller(server: Server) {
    let (mut acme, _globex) = two_tenants(&server).await;
    for call in [
        "redis.call('SCAN', '0')",
        "redis.call('KEYS', '*')",
        "redis.call('RANDOMKEY')",
        "redis.call('DBSIZE')",
        "redis.call('SELECT', '1')",
        "redis.call('INFO')",
        "redis.call('PUBSUB', 'CHANNELS')",
        "redis.call('SCRIPT', 'FLUSH')",
        "redis.call('FLUSHALL')",
        "redis.call('GET', 'globex:user:1')",
        "redis.call('SET', 'globex:user:1', 'x')",
        "redis.call('PUBLISH', 'globex:news', 'x')",
        "redis.call('CONFIG', 'GET', '*')",
    ] {
        let text = acme.refused(&["EVAL", call, "0"]).await;
        let stopped = [
            "ermission",
            "can't run",
            "not allowed from script",
            "can't publish",
            "can't access",
            "NOPERM",
        ];
        assert!(
            stopped.iter().any(|word| text.contains(word)),
            "{call}: {text}"
        );
    }
    let script = "return redis.call('SET', 'acme:by:script', '1')";
    let done: String = acme.words(&["EVAL", script, "0"]).await.unwrap();
    assert_eq!(done, "OK");
}

async fn the_walker_sees_names_and_reads_nothing(server: Server) {
    let (_acme, _globex) = two_tenants(&server).await;
    let mut walker = server.login("a__acme:walk", PASSWORD).await.unwrap();
    let (_, keys): (String, Vec<String>) = walker.ask("SCAN 0 COUNT 100").await.unwrap();
    assert!(keys.contains(&"globex:user:1".to_owned()));
    for allowed in [
        "INFO",
        "PUBSUB CHANNELS",
        "PUBSUB NUMSUB acme:x",
        "PUBSUB SHARDCHANNELS",
        "COMMAND COUNT",
        "PING",
        "ECHO nonce",
        "SCAN 0 MATCH acme:* TYPE string",
        "HELLO 3",
        "CLIENT SETNAME x",
    ] {
        let answer: redis::RedisResult<Value> = walker.ask(allowed).await;
        assert!(answer.is_ok(), "{allowed}: {answer:?}");
    }
    for refused in [
        "GET globex:user:1",
        "GET acme:user:1",
        "TYPE globex:user:1",
        "OBJECT ENCODING globex:user:1",
        "DUMP globex:user:1",
        "SET x y",
        "DEL globex:user:1",
        "UNLINK globex:user:1",
        "EXISTS globex:user:1",
        "SUBSCRIBE acme:x",
        "PUBLISH acme:x y",
        "SELECT 1",
        "KEYS *",
        "RANDOMKEY",
        "FLUSHALL",
        "EVAL return(1) 0",
        "CLIENT LIST",
        "CONFIG GET *",
        "ACL LIST",
    ] {
        let words: Vec<&str> = refused.split(' ').collect();
        let text = walker.refused(&words).await;
        assert!(text.starts_with("NOPERM"), "{refused}: {text}");
    }
}

async fn the_rules_of_a_blueprint_take_away_and_never_give(server: Server) {
    let provisioner = server.provisioner();
    let rules = [
        "+@all",
        "+flushall",
        "+config",
        "-@scripting",
        "+eval",
        "-sort",
        "-echo",
    ];
    let accounts = [account("a__t", Some("t:"), &rules)];
    provisioner.account_put(&accounts).await.unwrap();
    let mut tenant = server.login("a__t", PASSWORD).await.unwrap();
    for refused in [
        "FLUSHALL",
        "CONFIG GET *",
        "EVALSHA x 0",
        "SORT t:x",
        "SCAN 0",
        "INFO",
    ] {
        let words: Vec<&str> = refused.split(' ').collect();
        let text = tenant.refused(&words).await;
        assert!(text.starts_with("NOPERM"), "{refused}: {text}");
    }
    for allowed in ["EVAL return(1) 0", "GET t:x", "SORT_RO t:x", "ECHO nonce"] {
        let answer: redis::RedisResult<Value> = tenant.ask(allowed).await;
        assert!(answer.is_ok(), "{allowed}: {answer:?}");
    }
    let accounts = [account("a__t", Some("t:"), &["-@all", "+get"])];
    provisioner.account_put(&accounts).await.unwrap();
    for refused in ["SET t:x y", "SORT_RO t:x"] {
        let words: Vec<&str> = refused.split(' ').collect();
        assert!(
            tenant.refused(&words).await.starts_with("NOPERM"),
            "{refused}"
        );
    }
    for allowed in ["GET t:x", "PING", "UNWATCH", "MEMORY USAGE t:x"] {
        let answer: redis::RedisResult<Value> = tenant.ask(allowed).await;
        assert!(answer.is_ok(), "{allowed}: {answer:?}");
    }
    for (rule, wrong) in [
        ("get", "begins with neither"),
        ("-nosuch", "no command"),
        ("-@nosuch", "no category"),
        ("+client|nosuch", "no command"),
        ("~*", "begins with neither"),
        ("+GET", "no command"),
        (">x", "begins with neither"),
        ("+@admin", "administration"),
        ("+config", "administration"),
        ("+client|list", "administration"),
    ] {
        let refused = provisioner.rules_refused(&[rule.to_owned()]).await.unwrap();
        assert!(refused.is_some_and(|text| text.contains(wrong)), "{rule}");
    }
    let known = ["-@all", "+get", "-client|list", "-@scripting"].map(str::to_owned);
    assert_eq!(provisioner.rules_refused(&known).await.unwrap(), None);
}

async fn a_dedicated_account_has_the_server_but_not_its_administration(server: Server) {
    let accounts = [account("a__own", None, &["-lpush"])];
    server.provisioner().account_put(&accounts).await.unwrap();
    let mut own = server.login("a__own", PASSWORD).await.unwrap();
    for allowed in [
        "SET x y",
        "KEYS *",
        "SCAN 0",
        "DBSIZE",
        "INFO",
        "SELECT 1",
        "FLUSHDB",
        "SELECT 0",
        "RANDOMKEY",
        "FUNCTION LIST",
        "SCRIPT FLUSH",
        "PUBSUB CHANNELS",
        "FLUSHALL",
    ] {
        let answer: redis::RedisResult<Value> = own.ask(allowed).await;
        assert!(answer.is_ok(), "{allowed}: {answer:?}");
    }
    for refused in [
        "CONFIG GET *",
        "ACL LIST",
        "CLIENT LIST",
        "SAVE",
        "SHUTDOWN",
        "MONITOR",
        "REPLICAOF NO ONE",
        "MODULE LIST",
        "MIGRATE 127.0.0.1 1 x 0 1",
        "LPUSH x y",
    ] {
        let words: Vec<&str> = refused.split(' ').collect();
        let text = own.refused(&words).await;
        assert!(text.starts_with("NOPERM"), "{refused}: {text}");
    }
    assert!(server.login("a__own:walk", PASSWORD).await.is_err());
}

/// Every command of this server that names no key and that a tenant may call was looked at: one
/// that a newer version adds fails this test, and is to be looked at then.
async fn no_command_without_keys_is_left_by_oversight(server: Server) {
    let (_acme, _globex) = two_tenants(&server).await;
    let mut admin = server.admin().await;
    let Value::Array(commands) = admin.ask("COMMAND").await.unwrap() else {
        panic!("COMMAND");
    };
    let mut left = BTreeSet::new();
    for command in &commands {
        let Value::Array(fields) = command else {
            panic!()
        };
        let Value::BulkString(name) = &fields[0] else {
            panic!()
        };
        let name = String::from_utf8_lossy(name).into_owned();
        let keyless = matches!(&fields[8], Value::Array(specs) if specs.is_empty());
        let parts = matches!(&fields[9], Value::Array(parts) if !parts.is_empty());
        if !keyless || parts {
            continue;
        }
        // DRYRUN checks the number of arguments too: enough of them for each.
        let Value::Int(arity) = fields[1] else {
            panic!()
        };
        let count = usize::try_from(arity.unsigned_abs()).unwrap() - 1;
        let mut words = vec!["ACL", "DRYRUN", "a__acme", &name];
        words.extend(std::iter::repeat_n("acme:x", count));
        let answer: redis::RedisResult<String> = admin.words(&words).await;
        if answer.is_ok_and(|answer| answer == "OK") {
            left.insert(name);
        }
    }
    let known: BTreeSet<String> = [
        "asking",
        "auth",
        "discard",
        "echo",
        "exec",
        "hello",
        "lolwut",
        "multi",
        "ping",
        "psubscribe",
        "publish",
        "punsubscribe",
        "quit",
        "readonly",
        "readwrite",
        "reset",
        "subscribe",
        "sunsubscribe",
        "time",
        "unsubscribe",
        "unwatch",
        "wait",
        "waitaof",
    ]
    .map(str::to_owned)
    .into();
    let unknown: Vec<_> = left.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

async fn an_account_is_healed_shut_and_removed(mut server: Server) {
    let provisioner = server.provisioner();
    let (mut acme, _globex) = two_tenants(&server).await;
    let mut admin = server.admin().await;
    let _: Value = admin.ask("ACL SETUSER a__acme +@all ~*").await.unwrap();
    let _: Value = acme.ask("GET globex:user:1").await.unwrap();
    let again = [account("a__acme", Some("acme:"), &[])];
    provisioner.account_put(&again).await.unwrap();
    assert!(
        acme.refused(&["GET", "globex:user:1"])
            .await
            .starts_with("NOPERM")
    );
    // Keys of its own in two databases of the server, among others'.
    for number in 0..3000 {
        let key = format!("acme:{number}");
        let _: Value = acme.words(&["SET", &key, "x"]).await.unwrap();
    }
    let _: Value = acme.ask("COPY acme:1 acme:1 DB 3").await.unwrap();
    provisioner.account_shut("a__acme").await.unwrap();
    assert!(acme.ask::<Value>("PING").await.is_err());
    assert!(server.login("a__acme", PASSWORD).await.is_err());
    assert!(server.login("a__acme:walk", PASSWORD).await.is_err());
    assert_eq!(provisioner.keys_drop("acme:").await.unwrap(), 3001);
    assert_eq!(provisioner.keys_drop("acme:").await.unwrap(), 0);
    let left: u64 = admin.ask("DBSIZE").await.unwrap();
    assert_eq!(left, 2);
    provisioner.account_drop("a__acme").await.unwrap();
    provisioner.account_drop("a__acme").await.unwrap();
    let users: Vec<String> = admin.ask("ACL USERS").await.unwrap();
    assert!(
        users.iter().all(|user| !user.starts_with("a__acme")),
        "{users:?}"
    );
    // The mark goes with the accounts, and is not set for another run of the server.
    let first = provisioner.mark().await.unwrap();
    assert_eq!(first.of, None);
    provisioner.mark_set("srv_1", &first.run).await.unwrap();
    let marked = provisioner.mark().await.unwrap();
    assert_eq!(marked.of.as_deref(), Some("srv_1"));
    assert!(!first.fresh && marked.fresh);
    server.restart();
    assert_eq!(provisioner.mark().await.unwrap().of, None);
    let late = provisioner.mark_set("srv_1", &first.run).await;
    assert!(late.is_err());
    assert_eq!(provisioner.mark().await.unwrap().of, None);
}
