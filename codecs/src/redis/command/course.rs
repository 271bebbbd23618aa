//! What becomes of the calls of a command, decided once for each command of a server.
//!
//! In this order: what [`own`] says of it; administration is refused; a module is
//! believed only where its commands are known; then the server's key specifications, if they say
//! all. What is left has no keys that anybody told of, and is refused.

use super::own::{self, Own};
use super::{Effect, Forward, Local, Refusal, Reply, Verdict};
use crate::redis::keys::{Grammar, SPECS_MAX};
use crate::redis::table::{Begin, Command, Find, KeySpec};

/// What becomes of the calls of a command.
#[derive(Clone, Debug)]
pub(in crate::redis) enum Course {
    Forward(Way),
    Local(Local),
    Refuse(Refusal),
}

/// How calls of a command go on to the server.
#[derive(Clone, Copy, Debug)]
pub(in crate::redis) struct Way {
    pub(in crate::redis) grammar: Grammar,
    reply: Reply,
    effect: Effect,
    blocking: bool,
    grows: bool,
}

impl Default for Course {
    fn default() -> Self {
        Self::Refuse(Refusal::Undescribed)
    }
}

impl Course {
    pub(super) fn verdict<'t>(&self, command: &'t Command) -> Verdict<'t> {
        match self {
            Self::Forward(way) => Verdict::Forward(Forward {
                command,
                sent_as: own::sent_as(&command.name),
                reply: way.reply,
                effect: way.effect,
                blocking: way.blocking,
                grows: way.grows,
            }),
            Self::Local(local) => Verdict::Local(*local),
            Self::Refuse(refusal) => Verdict::Refuse(*refusal),
        }
    }
}

/// What becomes of the calls of this command.
pub(in crate::redis) fn of(command: &Command) -> Course {
    match own::of(&command.name) {
        Some(Own::Local(local)) => return Course::Local(local),
        Some(Own::Refused(refusal)) => return Course::Refuse(refusal),
        Some(Own::Grammar(grammar)) => return forward(command, grammar),
        // A server that tells of keys in it means another command.
        Some(Own::Keyless) if command.specs.is_empty() => {
            return forward(command, Grammar::Keyless);
        }
        Some(Own::Keyless) | None => {}
    }
    if command.is_in("admin") || command.is_in("dangerous") || command.has_flag("admin") {
        return Course::Refuse(Refusal::Admin);
    }
    let is_believed = !command.has_flag("module") || own::is_known_of_module(&command.name);
    if is_believed && is_described(command) {
        return forward(command, Grammar::Specs);
    }
    Course::Refuse(Refusal::Undescribed)
}

fn forward(command: &Command, grammar: Grammar) -> Course {
    let name = &*command.name;
    let reply = own::reply(name);
    let may_write = !command.has_flag("readonly");
    Course::Forward(Way {
        grammar,
        reply,
        effect: own::effect(name),
        // Redis 7.0 does not say so of the last two.
        blocking: command.has_flag("blocking") || matches!(name, "wait" | "waitaof"),
        grows: command.has_flag("denyoom") || reply == Reply::Script && may_write,
    })
}

/// Whether the key specifications say where all keys are, before these are met.
fn is_described(command: &Command) -> bool {
    let specs = &command.specs;
    let counts = |spec: &KeySpec| matches!(spec.find, Find::Number { .. });
    !specs.is_empty()
        && specs.len() <= SPECS_MAX
        && specs.iter().all(is_followed)
        && !command.has_subcommands()
        && !command.has_flag("pubsub")
        // Keys that move without a number that says how many: the server knows more than it tells.
        && (!command.has_flag("movablekeys") || specs.iter().any(counts))
}

/// A word in front of keys may be the value of an option too: no such specification is followed.
fn is_followed(spec: &KeySpec) -> bool {
    let is_whole = !spec.has_flag("not_key") && !spec.has_flag("incomplete");
    let is_behind_name = matches!(spec.begin, Begin::Index(index) if index > 0);
    let is_found = match spec.find {
        Find::Range { step, .. } => step > 0,
        Find::Number {
            number,
            first,
            step,
        } => step > 0 && first > number,
        Find::Unknown => false,
    };
    is_whole && is_behind_name && is_found
}
