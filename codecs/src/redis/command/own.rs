//! What no server tells of its commands, and what is decided here.
//!
//! Names are a server's own, in lower case, a sub-command behind `|`.

use super::{Effect, Local, Refusal, Reply};
use crate::redis::keys::Grammar;

/// What is known of a command here.
#[derive(Clone, Copy, Debug)]
pub(super) enum Own {
    Local(Local),
    Refused(Refusal),
    /// Where its keys and channels are.
    Grammar(Grammar),
    /// It has neither, and says nothing of what is not this database's.
    Keyless,
}

/// What is known of this command, if anything is.
pub(super) fn of(name: &str) -> Option<Own> {
    local(name)
        .map(Own::Local)
        .or_else(|| refused(name).map(Own::Refused))
        .or_else(|| grammar(name).map(Own::Grammar))
        .or_else(|| is_keyless(name).then_some(Own::Keyless))
}

fn local(name: &str) -> Option<Local> {
    Some(match name {
        "acl|whoami" => Local::AclWhoAmI,
        "auth" => Local::Auth,
        "client|caching" => Local::Caching,
        "client|tracking" => Local::Tracking,
        "client|capa"
        | "client|getname"
        | "client|getredir"
        | "client|help"
        | "client|id"
        | "client|info"
        | "client|kill"
        | "client|list"
        | "client|no-evict"
        | "client|no-touch"
        | "client|reply"
        | "client|setinfo"
        | "client|setname"
        | "client|trackinginfo"
        | "client|unblock" => Local::Client,
        "dbsize" => Local::DbSize,
        "flushall" | "flushdb" => Local::Flush,
        "hello" => Local::Hello,
        "info" => Local::Info,
        "keys" => Local::Keys,
        "psubscribe" => Local::PSubscribe,
        "pubsub|channels"
        | "pubsub|numpat"
        | "pubsub|numsub"
        | "pubsub|shardchannels"
        | "pubsub|shardnumsub" => Local::PubSub,
        "punsubscribe" => Local::PUnsubscribe,
        "quit" => Local::Quit,
        "randomkey" => Local::RandomKey,
        "reset" => Local::Reset,
        "role" => Local::Role,
        "scan" => Local::Scan,
        "script|exists" => Local::ScriptExists,
        "script|flush" => Local::ScriptFlush,
        "select" => Local::Select,
        "ssubscribe" => Local::SSubscribe,
        "subscribe" => Local::Subscribe,
        "sunsubscribe" => Local::SUnsubscribe,
        "unsubscribe" => Local::Unsubscribe,
        _ => return None,
    })
}

/// The form of a command that reads only: accounts of tenants do not have the other.
pub(super) fn sent_as(name: &str) -> Option<&'static str> {
    match name {
        "georadius" => Some("GEORADIUS_RO"),
        "georadiusbymember" => Some("GEORADIUSBYMEMBER_RO"),
        _ => None,
    }
}

fn refused(name: &str) -> Option<Refusal> {
    Some(Refusal::ServerWide(match name {
        "asking" | "readonly" | "readwrite" => return Some(Refusal::NoCluster),
        "clusterscan" => return Some(Refusal::NoCluster),
        name if name.starts_with("cluster|") => return Some(Refusal::NoCluster),
        "client|import-source" => "it is about the whole server",
        "client|pause" | "client|unpause" => "it would stop the other databases of the server",
        "function|help" => return None,
        name if name.starts_with("function|") => {
            "libraries belong to the whole server; use EVAL, or a dedicated server"
        }
        name if name.starts_with("ft.") => {
            "search indexes belong to the whole server; use a dedicated server"
        }
        "memory|doctor" | "memory|malloc-stats" | "memory|purge" | "memory|stats" => {
            "it is about the whole server; MEMORY USAGE tells about a key"
        }
        "migrate" => "it moves keys between servers; copy them with a client",
        "move" => "a database has the number 0 only; COPY or RENAME within it",
        "restore" | "restore-asking" => {
            "what DUMP wrote is not checked by the server; write the value with its own commands"
        }
        "script|debug" => "a script that is debugged stops the server",
        "script|kill" => "it would end the script of another database",
        "script|show" => "scripts are kept for the whole server",
        "swapdb" => "a database has the number 0 only",
        _ => return None,
    }))
}

fn grammar(name: &str) -> Option<Grammar> {
    Some(match name {
        "copy" => Grammar::Copy,
        "georadius" => Grammar::GeoRadius { options: 6 },
        "georadiusbymember" => Grammar::GeoRadius { options: 5 },
        "publish" | "spublish" => Grammar::Channel,
        "sort" => Grammar::Sort { stores: true },
        "sort_ro" => Grammar::Sort { stores: false },
        "xread" => Grammar::Streams { group: false },
        "xreadgroup" => Grammar::Streams { group: true },
        _ => return None,
    })
}

fn is_keyless(name: &str) -> bool {
    matches!(
        name,
        "acl|cat"
            | "acl|genpass"
            | "acl|help"
            | "command"
            | "command|count"
            | "command|docs"
            | "command|getkeys"
            | "command|getkeysandflags"
            | "command|help"
            | "command|info"
            | "command|list"
            | "commandlog|help"
            | "config|help"
            | "discard"
            | "echo"
            | "exec"
            | "function|help"
            | "latency|help"
            | "lolwut"
            | "memory|help"
            | "module|help"
            | "multi"
            | "object|help"
            | "ping"
            | "pubsub|help"
            | "script|help"
            | "script|load"
            | "slowlog|help"
            | "time"
            | "unwatch"
            | "wait"
            | "waitaof"
            | "xgroup|help"
            | "xinfo|help"
    )
}

/// Where the reply has keys. Replies of commands that are not here have none.
pub(super) fn reply(name: &str) -> Reply {
    match name {
        "blmpop" | "blpop" | "brpop" | "bzmpop" | "bzpopmax" | "bzpopmin" | "lmpop" | "zmpop" => {
            Reply::FirstIsKey
        }
        "eval" | "eval_ro" | "evalsha" | "evalsha_ro" | "fcall" | "fcall_ro" => Reply::Script,
        "exec" => Reply::Exec,
        "xread" | "xreadgroup" => Reply::Streams,
        _ => Reply::Plain,
    }
}

pub(super) fn effect(name: &str) -> Effect {
    match name {
        "discard" => Effect::Discard,
        "exec" => Effect::Exec,
        "multi" => Effect::Multi,
        "script|load" => Effect::ScriptLoad,
        "unwatch" => Effect::Unwatch,
        "watch" => Effect::Watch,
        _ => Effect::None,
    }
}

/// Whether a module's command has exactly the keys that the module tells of. Modules open keys as
/// they like, whatever the access list says, and some tell of fewer keys than they open (JSON.MGET,
/// CMS.MERGE): only these are believed. All of them have one key, behind the name.
pub(super) fn is_known_of_module(name: &str) -> bool {
    matches!(
        name,
        "vadd"
            | "vcard"
            | "vdim"
            | "vemb"
            | "vgetattr"
            | "vinfo"
            | "vismember"
            | "vlinks"
            | "vrandmember"
            | "vrange"
            | "vrem"
            | "vsetattr"
            | "vsim"
    )
}
