//! What accounts may do, as rules of ACL SETUSER
//! (<https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/>).
//!
//! The server's key and channel rules hold a command only as far as it names keys and channels.
//! What looks at the whole server instead is taken away from a database that shares it, also from
//! its scripts: names of others' keys are seen by SCAN, their number by DBSIZE, their channels by
//! PUBSUB. The proxy answers these in the client's place.

use tenantsdb_codecs::feed::id::walk_user;

use super::catalog::Catalog;
use crate::provision::Account;

/// Taken away from who shares a server, besides what is `@admin` or `@dangerous`.
const SHARED_WITHOUT: &[&str] = &[
    // All keys, whoever they are of.
    "scan",
    "randomkey",
    "dbsize",
    "migrate",
    "cluster",
    // Other databases of the server: there is one for each client of ours.
    "select",
    "move",
    "swapdb",
    // What the server has one of. Functions are seen and replaced by everybody who may use
    // FUNCTION; calling them stays.
    "function",
    "script|flush",
    "script|kill",
    "script|debug",
    "script|show",
    "pubsub",
    "role",
    "lastsave",
    "info",
    // Removed whole, see [`KEPT`].
    "memory",
    // Key rules are held against the first STORE, the last is stored to: tried on Redis 7.0 and 8.2
    // and on Valkey 8.0. The proxy sends those forms that only read.
    "georadius",
    "georadiusbymember",
    // Over all keys that have a label. Redis 8 has these without their module being loaded.
    "ts.mget",
    "ts.mrange",
    "ts.mrevrange",
    "ts.queryindex",
];

/// Categories taken away from who shares a server, where there are such: an index of the search
/// engine is over keys of everybody.
const SHARED_WITHOUT_CATEGORIES: &[&str] = &["search"];

/// The category of what is the administrator's alone.
const ADMIN: &str = "admin";

/// Held by key rules although their category, or their whole, is taken away. SORT is dangerous
/// because it is slow; it is refused BY and GET by Redis 7.0 already, unless all keys may be read
/// (`sortCommandGeneric` in `src/sort.c`).
const KEPT: &[&str] = &["sort", "sort_ro", "memory|usage"];

/// What the proxy itself sends on a database's connections, whatever the blueprint takes away.
const PROXY: &[&str] = &["ping", "echo", "discard", "unwatch", "memory|usage"];

/// What the account that walks may do: see names.
const WALK: &[&str] = &[
    "scan",
    "pubsub|channels",
    "pubsub|numsub",
    "pubsub|shardchannels",
    "pubsub|shardnumsub",
    "info",
    "command",
    "ping",
    "echo",
    "client|setname",
];

/// An account as it is to be: name and rules, behind `reset`.
pub(super) type User = (String, Vec<String>);

/// The accounts of a database.
pub(super) fn users(account: &Account, catalog: &Catalog) -> Vec<User> {
    let main = (account.database.clone(), main(account, catalog));
    match &account.prefix {
        Some(_) => {
            let walk = (walk_user(&account.database), walk(account, catalog));
            vec![main, walk]
        }
        None => vec![main],
    }
}

/// Names of the accounts that a database may have.
pub(super) fn names(database: &str) -> [String; 2] {
    [database.to_owned(), walk_user(database)]
}

fn main(account: &Account, catalog: &Catalog) -> Vec<String> {
    let mut rules = begin(account);
    match &account.prefix {
        Some(prefix) => rules.extend([
            format!("~{prefix}*"),
            format!("&{prefix}*"),
            format!("&__keyspace@0__:{prefix}*"),
        ]),
        None => rules.extend(["~*".to_owned(), "&*".to_owned()]),
    }
    rules.push("+@all".to_owned());
    // Before ours: they can take away and give back, and nothing of what follows.
    rules.extend(account.commands.iter().cloned());
    rules.push("-@admin".to_owned());
    if account.prefix.is_some() {
        rules.push("-@dangerous".to_owned());
        let categories = SHARED_WITHOUT_CATEGORIES.iter();
        let categories = categories.filter(|category| catalog.has_category(category));
        rules.extend(categories.map(|category| format!("-@{category}")));
        let commands = SHARED_WITHOUT.iter().copied();
        let commands = commands.filter(|command| catalog.has(command));
        rules.extend(commands.map(|command| format!("-{command}")));
        rules.extend(catalog.past_keys().map(|command| format!("-{command}")));
        let kept = KEPT
            .iter()
            .filter(|command| catalog.has(command) && allows(&account.commands, command, catalog));
        rules.extend(kept.map(|command| format!("+{command}")));
    } else if catalog.has("migrate") {
        // Sends keys anywhere, with the server as its client.
        rules.push("-migrate".to_owned());
    }
    rules.extend(PROXY.iter().map(|command| format!("+{command}")));
    rules
}

fn walk(account: &Account, catalog: &Catalog) -> Vec<String> {
    let mut rules = begin(account);
    rules.extend(["resetkeys", "resetchannels", "-@all"].map(str::to_owned));
    let commands = WALK.iter().filter(|command| catalog.has(command));
    rules.extend(commands.map(|command| format!("+{command}")));
    rules
}

/// `reset` leaves an account that is off, without password, keys, channels and commands.
fn begin(account: &Account) -> Vec<String> {
    let hash = account.verifier.strip_prefix("sha256$");
    let hash = hash.unwrap_or_default();
    vec![
        "reset".to_owned(),
        if account.open { "on" } else { "off" }.to_owned(),
        format!("#{hash}"),
    ]
}

/// Whether rules that begin with everything leave the command.
fn allows(rules: &[String], command: &str, catalog: &Catalog) -> bool {
    let whole = command.split('|').next().unwrap_or(command);
    let mut allowed = true;
    for rule in rules {
        let Some((sign, name)) = rule.split_at_checked(1) else {
            continue;
        };
        let meant = match name.strip_prefix('@') {
            Some(category) => catalog.is_in(command, category),
            None => name == command || name == whole,
        };
        if meant {
            allowed = sign == "+";
        }
    }
    allowed
}

/// Why one of a blueprint's rules is no rule that this server understands; `None` if it is one.
pub(super) fn refused(rule: &str, catalog: &Catalog) -> Option<String> {
    let name = rule.strip_prefix(['+', '-']);
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.|".contains(&b);
    let Some(name) = name else {
        return Some(format!("\"{rule}\" begins with neither + nor -"));
    };
    let category = name.strip_prefix('@');
    match category {
        Some(category) if !catalog.has_category(category) => {
            return Some(format!(
                "the server has no category of commands \"@{category}\""
            ));
        }
        None if !(name.bytes().all(plain) && catalog.has(name)) => {
            return Some(format!("the server has no command \"{name}\""));
        }
        _ => {}
    }
    // It would give nothing; whoever wrote it thinks that it does.
    let administers = match category {
        Some(category) => category == ADMIN,
        None => catalog.is_administration(name),
    };
    (rule.starts_with('+') && administers)
        .then(|| format!("\"{rule}\": the server's administration is nobody's but control's"))
}
