//! The commands that a server has, as it tells them itself: its reply to COMMAND.
//!
//! <https://redis.io/docs/latest/commands/command/>; where keys are in a command's arguments:
//! <https://redis.io/docs/latest/develop/reference/key-specs/>. The first six fields of a command
//! have been there for ever, the others since Redis 7.0; a server without key specifications is
//! too old to be trusted with namespaces.

use std::collections::HashMap;
use std::fmt;

use super::Error;
use super::command::course::{self, Course};
use super::value::value;

mod read;

/// Longest name of a command that is looked up, in bytes; the longest of a server's own has 26.
const NAME_BYTES_MAX: usize = 64;

/// The commands of a server.
#[derive(Debug, Default)]
pub struct Table {
    commands: HashMap<Box<[u8]>, Command>,
}

/// A command or the sub-command of one.
pub struct Command {
    /// Its whole name in lower case: `get`, `xgroup|create`.
    pub name: Box<str>,
    /// Its arguments, the name among them; less than none: at least so many.
    pub arity: i64,
    /// What the server says of it: `write`, `denyoom`, `noscript`, `blocking`, `module`, …
    pub flags: Box<[Box<str>]>,
    /// Categories of access lists, without `@`.
    pub categories: Box<[Box<str>]>,
    /// Where its keys are. Channels of sharded subscriptions are told as `not_key`.
    pub specs: Box<[KeySpec]>,
    /// Positions of the first and last key and the step, as servers told them before there were
    /// key specifications; zeros: no keys, or none that could be told so.
    pub range: (i64, i64, i64),
    subcommands: HashMap<Box<[u8]>, Self>,
    pub(super) course: Course,
}

/// Where some keys of a command are: first a place to begin at is found, then keys from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// `RO`, `RW`, `access`, …; among them what it must have none of to be followed: `not_key`,
    /// `incomplete`.
    pub flags: Box<[Box<str>]>,
    /// Where to begin.
    pub begin: Begin,
    /// Which keys there are from there.
    pub find: Find,
}

/// Where a key specification begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this argument; the name is 0.
    Index(usize),
    /// Behind a word, which is looked for from an argument on; less than none: backwards, counted
    /// from the last.
    Keyword(Box<str>, i64),
    /// The server cannot tell.
    Unknown,
}

/// Which arguments are keys, from where a key specification begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Find {
    /// From the first one up to one.
    Range {
        /// The last one, counted from the first; less than none: from the end of the arguments, -1
        /// being the last of all.
        last: i64,
        /// From one key to the next.
        step: usize,
        /// Where `last` is -1: keys end after this part of the rest (2: half of it); 0 and 1: all.
        limit: usize,
    },
    /// As many as an argument says.
    Number {
        /// The argument that says so, counted from the first.
        number: usize,
        /// The first key, counted from the same.
        first: usize,
        /// From one key to the next.
        step: usize,
    },
    /// The server cannot tell.
    Unknown,
}

// === impl Table ===

impl Table {
    /// Reads the whole reply to COMMAND, in RESP2 or RESP3.
    ///
    /// # Errors
    ///
    /// Not a reply, not whole, or not what COMMAND is answered with.
    pub fn read(reply: &[u8]) -> Result<Self, Error> {
        let Some((reply, _)) = value(reply)? else {
            return Err(Error::Invalid("reply to COMMAND: it does not end"));
        };
        let mut commands = read::commands(&reply)?;
        for command in commands.values_mut() {
            command.settle();
        }
        Ok(Self { commands })
    }

    /// The command of this name, in any case.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Command> {
        lookup(&self.commands, name)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Command> {
        self.commands.values()
    }
}

// === impl Command ===

impl Command {
    /// The sub-command of this name, in any case.
    #[must_use]
    pub fn subcommand(&self, name: &[u8]) -> Option<&Self> {
        lookup(&self.subcommands, name)
    }

    /// Whether what it is called with next says which command it is.
    #[must_use]
    pub fn has_subcommands(&self) -> bool {
        !self.subcommands.is_empty()
    }

    /// Its sub-commands, in no order.
    pub fn subcommands(&self) -> impl Iterator<Item = &Self> {
        self.subcommands.values()
    }

    /// Whether the server says this of it.
    #[must_use]
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| **own == *flag)
    }

    /// Whether it is in a category of access lists, named without `@`.
    #[must_use]
    pub fn is_in(&self, category: &str) -> bool {
        category == "all" || self.categories.iter().any(|own| **own == *category)
    }

    /// Whether a call with so many arguments, the name among them, is one.
    #[must_use]
    pub fn takes(&self, argc: usize) -> bool {
        let argc = i64::try_from(argc).unwrap_or(i64::MAX);
        if self.arity >= 0 {
            argc == self.arity
        } else {
            argc >= self.arity.saturating_neg()
        }
    }

    /// Decides once what becomes of its calls.
    fn settle(&mut self) {
        self.course = course::of(self);
        for command in self.subcommands.values_mut() {
            command.course = course::of(command);
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Command").field(&self.name).finish()
    }
}

// === impl KeySpec ===

impl KeySpec {
    /// Whether the server says this of the keys.
    #[must_use]
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| **own == *flag)
    }
}

fn lookup<'c>(commands: &'c HashMap<Box<[u8]>, Command>, name: &[u8]) -> Option<&'c Command> {
    let mut lower = [0; NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    commands.get(&*lower)
}

#[cfg(test)]
mod tests;
