//! The whole command table of the server: what a namespace answers is what a server of its own
//! answers, what it stores is what is stored there, and nothing of one tenant shows in another.
//!
//! `table/calls.txt` has calls of every command with keys or channels; a command of the server's
//! that stands in none of the files fails the test. `table/differences.txt` has the exceptions.

mod calls;

use std::collections::{BTreeMap, HashSet};

use tenantsdb_tests::paths;
use tenantsdb_tests::redis::session::request;
use tenantsdb_tests::redis::{Flavour, Login, Protocol, Server, Session, Value};

use self::calls::{Kept, Line, Section};
use super::Blueprint;

on_both!(
    two_servers_agree_on_the_calls,
    every_command_of_the_server_is_in_the_files,
    a_namespace_answers_as_a_server_of_its_own,
    administration_is_refused_with_a_reason,
);

const CALLS: &str = include_str!("table/calls.txt");
const REFUSED: &str = include_str!("table/refused.txt");
const ANSWERED: &str = include_str!("table/answered.txt");
const DIFFERENCES: &str = include_str!("table/differences.txt");

const TENANTS: [&str; 2] = ["acme", "globex"];

/// Functions cannot be loaded by a tenant of a shared server; these are the administrator's.
const LIBRARY: &str = "#!lua name=tests
redis.register_function('tests_get', function(keys) return redis.call('get', keys[1]) end)
redis.register_function('tests_keys', function(keys, args) return {keys[1], keys[2], args[1]} end)
redis.register_function{function_name='tests_get_ro', flags={'no-writes'},
  callback=function(keys) return redis.call('get', keys[1]) end}";

/// How the calls of a section are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    OneByOne,
    /// Each in a transaction of its own.
    Transactions,
    /// All before the first reply is read.
    Pipeline,
}

/// Two connections of one login.
struct Side {
    login: Login,
    protocol: Protocol,
    first: Session,
    second: Session,
    kept: Kept,
}

impl Side {
    fn new(login: &Login, protocol: Protocol) -> Self {
        Self {
            first: login.session_with(protocol),
            second: login.session_with(protocol),
            login: login.clone(),
            protocol,
            kept: Kept::new(),
        }
    }

    /// Connections without anything left behind by a section.
    fn renew(&mut self) {
        *self = Self::new(&self.login, self.protocol);
    }

    fn one(&mut self, line: &Line, tenant: &str) -> Vec<Value> {
        let session = match line.second {
            true => &mut self.second,
            false => &mut self.first,
        };
        if line.read_only {
            return vec![session.read()];
        }
        let words = line.words(tenant, &self.kept);
        session.send(&words);
        let replies = (0..replies_of(&words)).map(|_| session.read());
        let replies: Vec<Value> = replies.collect();
        if let Some(name) = &line.keep {
            let reply = match &replies[0] {
                Value::Bulk(bytes) => bytes.clone(),
                other => panic!("{}: {other:?}", line.text),
            };
            self.kept.insert(name.clone(), reply);
        }
        replies
    }

    fn in_transaction(&mut self, line: &Line, tenant: &str) -> Vec<Value> {
        let words = line.words(tenant, &self.kept);
        self.first.send(&["MULTI"]);
        self.first.send(&words);
        self.first.send(&["EXEC"]);
        (0..3).map(|_| self.first.read()).collect()
    }

    fn pipeline(&mut self, lines: &[Line], tenant: &str) -> Vec<Value> {
        let requests = lines
            .iter()
            .map(|line| request(&line.words(tenant, &self.kept)));
        let requests: Vec<u8> = requests.flatten().collect();
        assert!(self.first.send_raw(&requests));
        lines.iter().map(|_| self.first.read()).collect()
    }
}

/// How many replies a request has: one for each channel where it is a subscription.
fn replies_of(words: &[Vec<u8>]) -> usize {
    let name = words[0].to_ascii_lowercase();
    let subscribes = name.ends_with(b"subscribe");
    if subscribes {
        words.len().saturating_sub(1).max(1)
    } else {
        1
    }
}

/// A tenant of the shared server, and the server of its own that it is compared with.
struct Pair {
    tenant: &'static str,
    shared: Side,
    own: Side,
    own_server: std::sync::Arc<Server>,
}

fn files() -> (
    Vec<Section>,
    std::collections::HashMap<&'static str, &'static str>,
) {
    (calls::sections(CALLS), calls::differences(DIFFERENCES))
}

/// The names in a server's COMMAND: sub-commands behind a space; whether each has keys or channels.
fn commands(server: &Server) -> BTreeMap<String, bool> {
    fn add(found: &mut BTreeMap<String, bool>, command: &Value) {
        let fields = command.items();
        let name = fields[0].text().replace('|', " ");
        let has = |field: &Value, word: &str| field.texts().iter().any(|flag| flag == word);
        let keyed = !fields[8].items().is_empty()
            || has(&fields[2], "movablekeys")
            || has(&fields[6], "@pubsub");
        let subcommands = fields[9].items();
        if subcommands.is_empty() {
            found.insert(name, keyed);
        }
        for subcommand in &subcommands {
            add(found, subcommand);
        }
    }
    let mut found = BTreeMap::new();
    for command in server.admin().run("COMMAND").items() {
        add(&mut found, &command);
    }
    found
}

/// The name of a command as COMMAND has it, of a call.
fn name_of(call: &str, commands: &BTreeMap<String, bool>) -> String {
    let lower = call.to_lowercase();
    let mut words = lower.split_whitespace();
    let first = words.next().unwrap_or_default().to_owned();
    let both = format!("{first} {}", words.next().unwrap_or_default());
    if commands.contains_key(&both) {
        both
    } else {
        first
    }
}

fn every_command_of_the_server_is_in_the_files(flavour: Flavour) {
    let dir = paths::scratch(&format!("redis_commands-{}", flavour.name()));
    let server = Server::start(flavour, &dir);
    let commands = commands(&server);
    let (sections, _) = files();
    let called: HashSet<String> = sections
        .iter()
        .filter(|section| {
            let is = |line: &Line| name_of(&line.text, &commands) == section.command;
            let called = section.lines.iter().any(is);
            assert!(
                called || !commands.contains_key(&section.command),
                "{}",
                section.command
            );
            called
        })
        .map(|section| section.command.clone())
        .collect();
    let lines = |text: &'static str| text.lines().filter(|line| !line.starts_with('#'));
    let mut others: HashSet<String> = lines(REFUSED).map(|l| name_of(l, &commands)).collect();
    others.extend(lines(ANSWERED).map(|line| {
        let (name, why) = line
            .split_once("  ")
            .expect("a name and where it is tested");
        assert!(!why.trim().is_empty(), "{line}");
        name.to_owned()
    }));
    let missing: Vec<&String> = commands
        .iter()
        .filter(|(name, keyed)| !called.contains(*name) && (**keyed || !others.contains(*name)))
        .map(|(name, _)| name)
        .collect();
    assert!(
        missing.is_empty(),
        "no call of {missing:?} in tests/suite/redis/table"
    );
}

/// What is compared of a line is the same on every server.
fn two_servers_agree_on_the_calls(flavour: Flavour) {
    let dir = paths::scratch(&format!("redis_agree-{}", flavour.name()));
    let servers: [_; 4] = std::array::from_fn(|_| Server::start(flavour, &dir));
    for server in &servers {
        load_library(server);
    }
    let commands = commands(&servers[0]);
    for protocol in Protocol::ALL {
        let mut pairs = [0, 1].map(|n| Pair {
            tenant: TENANTS[n],
            shared: Side::new(&servers[n].admin_login(), protocol),
            own: Side::new(&servers[n + 2].admin_login(), protocol),
            own_server: servers[n + 2].clone(),
        });
        let (sections, _) = files();
        let none = std::collections::HashMap::new();
        let found = run_all(&mut pairs, &sections, &commands, &none, |pairs| {
            (0..2)
                .flat_map(|n| states_differ(&servers[n], "", &pairs[n]))
                .collect()
        });
        assert!(found.is_empty(), "{protocol:?}:\n{}", found.join("\n"));
    }
}

fn load_library(server: &Server) {
    let loaded = server.admin().call(&["FUNCTION", "LOAD", LIBRARY]);
    assert_eq!(loaded.text(), "tests");
}

fn a_namespace_answers_as_a_server_of_its_own(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_table", flavour);
    let shared = &blueprint.fleet.server;
    load_library(shared);
    let logins = TENANTS.map(|name| blueprint.tenant(name));
    let owns: [_; 2] = std::array::from_fn(|_| Server::start(flavour, blueprint.fleet.dir()));
    for own in &owns {
        load_library(own);
    }
    let commands = commands(shared);
    let (sections, differences) = files();
    let texts: HashSet<&str> = sections
        .iter()
        .flat_map(|s| &s.lines)
        .map(|l| l.text.as_str())
        .collect();
    for line in differences.keys() {
        assert!(
            texts.contains(line),
            "differences.txt has no such line any more: {line}"
        );
    }
    for protocol in Protocol::ALL {
        let mut pairs = [0, 1].map(|n| Pair {
            tenant: TENANTS[n],
            shared: Side::new(&logins[n], protocol),
            own: Side::new(&owns[n].admin_login(), protocol),
            own_server: owns[n].clone(),
        });
        let found = run_all(&mut pairs, &sections, &commands, &differences, |pairs| {
            let mut found = Vec::new();
            for key in shared.keys() {
                if !key.starts_with("acme:") && !key.starts_with("globex:") {
                    found.push(format!("stored outside of the namespaces: {key:?}"));
                }
            }
            for (pair, prefix) in pairs.iter().zip(["acme:", "globex:"]) {
                found.extend(states_differ(shared, prefix, pair));
            }
            found
        });
        assert!(found.is_empty(), "{protocol:?}:\n{}", found.join("\n"));
    }
}

/// Runs every section in every mode; what was found, a line each.
fn run_all(
    pairs: &mut [Pair; 2],
    sections: &[Section],
    commands: &BTreeMap<String, bool>,
    differences: &std::collections::HashMap<&str, &str>,
    states: impl Fn(&[Pair; 2]) -> Vec<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    // A command that this server does not have is another flavour's or version's.
    let here = sections
        .iter()
        .filter(|section| commands.contains_key(&section.command));
    for section in here {
        for mode in [Mode::OneByOne, Mode::Transactions, Mode::Pipeline] {
            if section.alone && mode != Mode::OneByOne {
                continue;
            }
            let mut of_section = run_section(pairs, section, mode, differences);
            of_section.extend(states(pairs));
            found.extend(
                of_section
                    .iter()
                    .map(|what| format!("[{}] {mode:?}: {what}", section.command)),
            );
            for pair in &mut *pairs {
                if section.alone {
                    pair.shared.renew();
                    pair.own.renew();
                }
                for side in [&mut pair.shared, &mut pair.own] {
                    let flushed = side.second.call(&["FLUSHDB"]);
                    if flushed != Value::Simple("OK".to_owned()) {
                        found.push(format!("[{}] FLUSHDB: {flushed:?}", section.command));
                    }
                }
            }
        }
    }
    found
}

fn run_section(
    pairs: &mut [Pair; 2],
    section: &Section,
    mode: Mode,
    differences: &std::collections::HashMap<&str, &str>,
) -> Vec<String> {
    let mut found = Vec::new();
    if mode == Mode::Pipeline {
        for pair in pairs {
            let shared = pair.shared.pipeline(&section.lines, pair.tenant);
            let own = pair.own.pipeline(&section.lines, pair.tenant);
            for (line, (shared, own)) in section.lines.iter().zip(shared.iter().zip(&own)) {
                found.extend(differ(line, pair.tenant, shared, own, differences));
            }
        }
        return found;
    }
    for line in &section.lines {
        let known = differences.contains_key(line.text.as_str());
        for pair in &mut *pairs {
            let (shared, own) = match mode {
                Mode::Transactions => (
                    pair.shared.in_transaction(line, pair.tenant),
                    pair.own.in_transaction(line, pair.tenant),
                ),
                _ => (
                    pair.shared.one(line, pair.tenant),
                    pair.own.one(line, pair.tenant),
                ),
            };
            if mode == Mode::Transactions && (known || refused_early(&shared, &own)) {
                continue;
            }
            for (shared, own) in shared.iter().zip(&own) {
                found.extend(differ(line, pair.tenant, shared, own, differences));
            }
        }
    }
    found
}

/// Whether a call was refused when it was queued that the server refuses when it is executed.
fn refused_early(shared: &[Value], own: &[Value]) -> bool {
    let [_, queued, executed] = own else {
        return false;
    };
    let late = executed.items();
    let is_late = matches!(late.as_slice(), [only] if only.error().is_some());
    shared[1].error().is_some() && queued.error().is_none() && is_late
}

/// What is wrong with the reply of a namespace.
fn differ(
    line: &Line,
    tenant: &str,
    shared: &Value,
    own: &Value,
    differences: &std::collections::HashMap<&str, &str>,
) -> Vec<String> {
    let mut found = Vec::new();
    let text = format!("{shared:?}");
    for foreign in ["globex", "acme"] {
        let prefix = format!("{foreign}:");
        if text.contains(&prefix) || (foreign != tenant && text.contains(foreign)) {
            found.push(format!("{tenant} sees {foreign}: {}: {text}", line.text));
        }
    }
    match differences.get(line.text.as_str()) {
        Some(begins) if begins.split(" or ").any(|begin| text.starts_with(begin)) => {}
        Some(begins) => found.push(format!("{}: {text} does not begin {begins}", line.text)),
        None => {
            let same = match (line.kind_only, line.unordered) {
                (true, _) => same_kind(shared, own),
                (_, true) => shared.sorted() == own.sorted(),
                _ => shared == own,
            };
            if !same {
                found.push(format!(
                    "{tenant}: {}: {text} instead of {own:?}",
                    line.text
                ));
            }
        }
    }
    found
}

fn same_kind(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) if one.len() == 1 && other.len() == 1 => {
            same_kind(&one[0], &other[0])
        }
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}

/// What of a tenant's keys is otherwise than on its own server.
fn states_differ(shared: &Server, prefix: &str, pair: &Pair) -> Vec<String> {
    let [shared, own] = [
        state(&mut shared.admin(), prefix),
        state(&mut pair.own_server.admin(), ""),
    ];
    let mut found = Vec::new();
    for key in shared.keys().chain(own.keys()).collect::<HashSet<_>>() {
        if shared.get(key) != own.get(key) {
            let (shared, own) = (shared.get(key), own.get(key));
            found.push(format!(
                "{}: {key:?} holds {shared:?} instead of {own:?}",
                pair.tenant
            ));
        }
    }
    found
}

/// Every key below a prefix, without it: type, content, time to live.
fn state(admin: &mut Session, prefix: &str) -> BTreeMap<Vec<u8>, String> {
    let mut found = BTreeMap::new();
    for key in admin.call(&["KEYS", &format!("{prefix}*")]).items() {
        let Value::Bulk(key) = key else { continue };
        let mut ask = |before: &[&str], behind: &[&str]| {
            let mut words: Vec<&[u8]> = before.iter().map(|word| word.as_bytes()).collect();
            words.push(&key);
            words.extend(behind.iter().map(|word| word.as_bytes()));
            admin.call(&words)
        };
        let kind = ask(&["TYPE"], &[]).text();
        let content = match kind.as_str() {
            "string" => ask(&["GET"], &[]),
            "list" => ask(&["LRANGE"], &["0", "-1"]),
            "set" => ask(&["SMEMBERS"], &[]).sorted(),
            "zset" => ask(&["ZRANGE"], &["0", "-1", "WITHSCORES"]),
            "hash" => ask(&["HGETALL"], &[]).sorted(),
            // The entries that a server gave a number of its own are not the same anywhere.
            "stream" => ask(&["XRANGE"], &["-", "2000-0"]),
            other => panic!("a new type: {other}"),
        };
        let expires = match ask(&["PEXPIRETIME"], &[]) {
            Value::Integer(at) if at > 9_000_000_000_000 => at,
            Value::Integer(at) => at.signum(),
            other => panic!("{other:?}"),
        };
        let short = key.strip_prefix(prefix.as_bytes()).unwrap_or(&key).to_vec();
        found.insert(short, format!("{kind} {content:?} {expires}"));
    }
    found
}

fn administration_is_refused_with_a_reason(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_administration", flavour);
    let commands = commands(&blueprint.fleet.server);
    let acme = blueprint.tenant("acme");
    let mut session = acme.session();
    let mut wrong = Vec::new();
    for call in REFUSED.lines().filter(|line| !line.starts_with('#')) {
        let known = commands.contains_key(&name_of(call, &commands));
        let reply = session.run(call);
        let text = format!("{reply:?}");
        let refused = match known {
            true if call.starts_with("CLUSTER ") => text.starts_with("-ERR This instance has "),
            // More than the command's name is told.
            true => text.starts_with("-NOPERM ") && text.len() > call.len() + 20,
            false => text.starts_with("-ERR unknown "),
        };
        if !refused {
            wrong.push(format!("{call}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(session.text("PING"), "PONG");
}
