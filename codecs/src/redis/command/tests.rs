use std::fmt::Write as _;
use std::path::Path;

use super::*;

const SERVERS: [&str; 4] = ["redis-7.0", "redis-8.2", "valkey-8.0", "valkey-9.1"];

fn testdata(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/redis/command")
        .join(file)
}

fn table(server: &str) -> Table {
    Table::read(&std::fs::read(testdata(&format!("{server}.resp2"))).unwrap()).unwrap()
}

fn rules(rules: &[&str]) -> Rules {
    let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
    Rules::read(&rules).unwrap()
}

fn ask<'t>(table: &'t Table, rules: &Rules, request: &str) -> Verdict<'t> {
    let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
    decide(table, rules, args[0], args.get(1).copied(), args.len())
}

fn refusal(table: &Table, rules: &Rules, request: &str) -> String {
    let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
    match ask(table, rules, request) {
        Verdict::Refuse(refusal) => refusal.text(&args),
        verdict => panic!("{request}: {verdict:?}"),
    }
}

/// One line for each command and sub-command.
fn verdicts(table: &Table) -> String {
    let mut all: Vec<&Command> = table.iter().collect();
    all.extend(table.iter().flat_map(Command::subcommands));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = String::new();
    for command in all {
        if command.has_subcommands() && &*command.name != "command" {
            continue;
        }
        let line = match command.course.verdict(command) {
            Verdict::Local(local) => format!("local {local:?}"),
            Verdict::Refuse(Refusal::ServerWide(reason)) => format!("refused: {reason}"),
            Verdict::Refuse(refusal) => format!("refused {refusal:?}"),
            Verdict::Forward(forward) => described(&forward),
        };
        writeln!(text, "{:32} {line}", command.name).unwrap();
    }
    text
}

fn described(forward: &Forward<'_>) -> String {
    let course::Course::Forward(way) = &forward.command.course else {
        panic!("{forward:?}");
    };
    let mut line = format!("forward {:?}", way.grammar);
    if way.grammar == crate::redis::keys::Grammar::Specs {
        for spec in &forward.command.specs {
            write!(line, " {:?}+{:?}", spec.begin, spec.find).unwrap();
        }
    }
    if forward.reply != Reply::Plain {
        write!(line, ", reply {:?}", forward.reply).unwrap();
    }
    if forward.effect != Effect::None {
        write!(line, ", effect {:?}", forward.effect).unwrap();
    }
    for (is, word) in [(forward.blocking, "blocking"), (forward.grows, "grows")] {
        if is {
            write!(line, ", {word}").unwrap();
        }
    }
    line
}

/// After a change that is meant, `UPDATE=1 cargo test` writes them anew; read the difference.
#[test]
fn every_command_of_every_server_has_the_verdict_that_was_reviewed() {
    for server in SERVERS {
        let path = testdata(&format!("verdicts-{server}.txt"));
        let now = verdicts(&table(server));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &now).unwrap();
        }
        let reviewed = std::fs::read_to_string(&path).unwrap();
        for (now, reviewed) in now.lines().zip(reviewed.lines()) {
            assert_eq!(now, reviewed, "{server}");
        }
        assert_eq!(now.len(), reviewed.len(), "{server}");
    }
}

#[test]
fn requests_are_told_from_one_another_as_the_server_does() {
    let table = table("redis-7.0");
    let all = Rules::default();
    assert!(matches!(ask(&table, &all, "GET k"), Verdict::Forward(_)));
    let Verdict::Forward(forward) = ask(&table, &all, "XGROUP CREATE k g 0") else {
        panic!("it is forwarded");
    };
    assert_eq!(&*forward.command.name, "xgroup|create");
    assert!(matches!(
        ask(&table, &all, "Auth u p"),
        Verdict::Local(Local::Auth)
    ));
    for (request, expected) in [
        (
            "nope a b",
            "ERR unknown command 'nope', with args beginning with: 'a' 'b' ",
        ),
        (
            "XGROUP nope k",
            "ERR unknown subcommand 'nope'. Try XGROUP HELP.",
        ),
        ("get", "ERR wrong number of arguments for 'get' command"),
        (
            "client",
            "ERR wrong number of arguments for 'client' command",
        ),
        (
            "CLIENT setname",
            "ERR wrong number of arguments for 'client|setname' command",
        ),
        (
            "cluster info",
            "ERR This instance has cluster support disabled",
        ),
        (
            "move k 1",
            "NOPERM the 'move' command: a database has the number 0 only; COPY or RENAME within it",
        ),
        (
            "config get maxmemory",
            "NOPERM the 'config|get' command is for those who run the server; TenantsDB runs it",
        ),
    ] {
        assert_eq!(refusal(&table, &all, request), expected);
    }
}

#[test]
fn what_a_client_said_cannot_end_the_line_of_an_error() {
    let args: [&[u8]; 3] = [b"a\r\n+OK", &[b'x'; 200], b"y"];
    let text = Refusal::Unknown.text(&args);
    assert!(!text.contains(['\r', '\n']) && text.len() < 300, "{text}");
    assert!(text.starts_with("ERR unknown command 'a  +OK', with args beginning with: 'xxx"));
}

#[test]
fn the_last_rule_about_a_command_counts() {
    let table = table("redis-7.0");
    for (list, allowed, refused) in [
        (
            &["-@all", "+get", "+@hash"][..],
            &["get k", "hget h f", "auth u p"][..],
            &["set k v"][..],
        ),
        (
            &["-@dangerous", "+keys"],
            &["keys *", "get k"],
            &["flushdb", "info"],
        ),
        (&["-client|list"], &["client id"], &["client list"]),
        (
            &["-client", "+client|id"],
            &["client id"],
            &["client list", "client getname"],
        ),
        (&["-@write"], &["get k"], &["set k v", "del k"]),
        (&["+@all", "-EVAL"], &["evalsha sha 0"], &["eval body 0"]),
    ] {
        let list = rules(list);
        for request in allowed {
            assert!(
                !matches!(ask(&table, &list, request), Verdict::Refuse(_)),
                "{request}"
            );
        }
        for request in refused {
            let text = refusal(&table, &list, request);
            assert!(text.starts_with("NOPERM "), "{request}: {text}");
        }
    }
    // A rule gives nothing back that no database has.
    let list = rules(&["+config", "+@all"]);
    assert!(matches!(
        ask(&table, &list, "config get x"),
        Verdict::Refuse(Refusal::Admin)
    ));
}

#[test]
fn a_rule_that_says_nothing_is_refused() {
    for rule in [
        "",
        "get",
        "+",
        "+@",
        "-@dangeros",
        "+a b",
        "~*",
        "+a|",
        "+a|b|c",
        "on",
    ] {
        assert!(Rules::read(&[rule.to_owned()]).is_err(), "{rule}");
    }
}

#[test]
fn a_module_is_not_believed() {
    let spec = "*6 +flags *1 +RO +begin_search *4 +type +index +spec *2 +index :1 +find_keys *4 \
                +type +range +spec *6 +lastkey :0 +keystep :1 +limit :0";
    let reply = format!("*1 *10 +json.mget :-3 *2 +readonly +module :1 :1 :1 *0 *0 *1 {spec} *0 ");
    let reply = reply.replace(' ', "\r\n");
    let reply = reply.as_bytes();
    let table = Table::read(reply).unwrap();
    let all = Rules::default();
    let verdict = ask(&table, &all, "json.mget a b $");
    assert!(
        matches!(verdict, Verdict::Refuse(Refusal::Undescribed)),
        "{verdict:?}"
    );
    let text = refusal(&table, &all, "json.mget a b $");
    assert!(text.ends_with("use a dedicated server for it"), "{text}");
}
