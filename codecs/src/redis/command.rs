//! What becomes of a command: it goes on to the server, is answered here, or is refused.
//!
//! The server's own [`Table`] says which commands there are and where their keys are; [`course`]
//! says what no server tells. A command of which not every key and channel is known is refused.

use super::table::{Command, Table};

pub(super) mod course;
mod own;
mod refusal;
mod rules;

pub use refusal::Refusal;
pub use rules::{RuleError, Rules};

/// What is done with a request.
#[derive(Clone, Debug)]
pub enum Verdict<'t> {
    /// The server answers, once keys and channels have their prefix.
    Forward(Forward<'t>),
    /// It is answered here, with the server's help or without.
    Local(Local),
    /// It is answered with an error.
    Refuse(Refusal),
}

/// A command on its way to the server.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'t> {
    /// What the server says of it; the sub-command where there is one.
    pub command: &'t Command,
    /// The name that it goes by at the server, where the client's may do what is refused here.
    pub sent_as: Option<&'static str>,
    /// Where its reply has keys.
    pub reply: Reply,
    /// What it does to the connection.
    pub effect: Effect,
    /// Whether the server may let it wait. XREAD and XREADGROUP do so only with BLOCK:
    /// [`Classifier::blocks`](super::keys::Classifier::blocks).
    pub blocking: bool,
    /// Whether the server refuses it when memory is short, which goes for scripts that may write.
    pub grows: bool,
}

/// Where a reply has keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reply {
    /// Nowhere.
    #[default]
    Plain,
    /// First in an array: BLPOP, LMPOP and theirs.
    FirstIsKey,
    /// First in each pair of an array, or the keys of a map: XREAD, XREADGROUP.
    Streams,
    /// Wherever the keys that it was called with turn up whole: EVAL and FCALL.
    Script,
    /// As the commands since MULTI have them.
    Exec,
}

/// What a command does to the connection that it is sent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    #[default]
    None,
    /// A transaction begins.
    Multi,
    /// The transaction is carried out, and nothing is watched any more.
    Exec,
    /// The transaction is thrown away, and nothing is watched any more.
    Discard,
    /// Keys are watched.
    Watch,
    /// Nothing is watched any more.
    Unwatch,
    /// The server keeps a script; the reply is its digest.
    ScriptLoad,
}

/// Commands that are answered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// AUTH.
    Auth,
    /// HELLO.
    Hello,
    /// QUIT.
    Quit,
    /// RESET.
    Reset,
    /// SELECT.
    Select,
    /// CLIENT with one of CAPA, GETNAME, GETREDIR, HELP, ID, INFO, KILL, LIST, NO-EVICT, NO-TOUCH,
    /// REPLY, SETINFO, SETNAME, TRACKINGINFO, UNBLOCK.
    Client,
    /// CLIENT TRACKING.
    Tracking,
    /// CLIENT CACHING.
    Caching,
    /// ACL WHOAMI.
    AclWhoAmI,
    /// INFO.
    Info,
    /// DBSIZE.
    DbSize,
    /// SCAN.
    Scan,
    /// KEYS.
    Keys,
    /// RANDOMKEY.
    RandomKey,
    /// FLUSHDB and FLUSHALL.
    Flush,
    /// SCRIPT FLUSH.
    ScriptFlush,
    /// SCRIPT EXISTS.
    ScriptExists,
    /// PUBSUB with one of CHANNELS, NUMPAT, NUMSUB, SHARDCHANNELS, SHARDNUMSUB.
    PubSub,
    /// SUBSCRIBE.
    Subscribe,
    /// UNSUBSCRIBE.
    Unsubscribe,
    /// PSUBSCRIBE.
    PSubscribe,
    /// PUNSUBSCRIBE.
    PUnsubscribe,
    /// SSUBSCRIBE.
    SSubscribe,
    /// SUNSUBSCRIBE.
    SUnsubscribe,
    /// ROLE.
    Role,
}

/// Says what becomes of a request: its name, what stands next, and how many arguments it has, the
/// name among them. Unknown commands and wrong numbers are told as the server tells them, before
/// anything else.
#[must_use]
pub fn decide<'t>(
    table: &'t Table,
    rules: &Rules,
    name: &[u8],
    sub: Option<&[u8]>,
    argc: usize,
) -> Verdict<'t> {
    let Some(mut command) = table.get(name) else {
        return Verdict::Refuse(Refusal::Unknown);
    };
    if command.has_subcommands() && argc > 1 {
        match sub.and_then(|sub| command.subcommand(sub)) {
            Some(sub) => command = sub,
            None => return Verdict::Refuse(Refusal::UnknownSubcommand),
        }
    }
    if !command.takes(argc) {
        return Verdict::Refuse(Refusal::Arity);
    }
    // As in an access list: nobody can be kept from leaving, or from logging in.
    if !command.has_flag("no_auth") && !rules.allows(command) {
        return Verdict::Refuse(Refusal::Rule);
    }
    command.course.verdict(command)
}

#[cfg(test)]
mod tests;
