//! Among which versions something inferred happened. Pure.
//!
//! A difference does not say when it came. A collection that nobody was seen to make was there
//! before the first command that speaks of it. What is gone was there until the last. What became
//! of a collection that a version makes is behind that.

use std::collections::{BTreeMap, BTreeSet};

use mongodb::bson::Document;

use super::Doing;
use crate::blueprint::mongo::command::Command;
use crate::blueprint::mongo::json;
use crate::blueprint::{Origin, Statement};

/// What the commands of one version speak of.
#[derive(Debug, Default)]
pub(super) struct Spoken<'a> {
    names: BTreeSet<&'a str>,
    /// Of them those that a command makes, drops or renames.
    whole: BTreeSet<&'a str>,
}

/// Commands that follow each other.
struct Group {
    names: BTreeSet<String>,
    /// Of what was there before, and is no longer.
    gone: BTreeSet<String>,
    makes: bool,
    commands: Vec<Document>,
}

/// What each version speaks of.
pub(super) fn spoken<'a>(
    versions: &[(usize, Vec<Statement>)],
    doings: &'a [Doing<'_>],
    recorded: &[Option<Origin>],
) -> Vec<Spoken<'a>> {
    let of_version = |(capture, _): &(usize, Vec<Statement>)| {
        let mut spoken = Spoken::default();
        for (doing, origin) in doings.iter().zip(recorded) {
            if doing.capture == *capture && origin.is_some() {
                spoken.names.extend(doing.command.names());
                if doing.command.is_of_whole() {
                    spoken.whole.extend(doing.command.names());
                }
            }
        }
        spoken
    };
    versions.iter().map(of_version).collect()
}

/// Inferred commands, in their order, by the number of versions that they are behind.
pub(super) fn placed(
    commands: Vec<Document>,
    spoken: &[Spoken<'_>],
    workspace: &str,
) -> BTreeMap<usize, Vec<Document>> {
    let mut placed: BTreeMap<usize, Vec<Document>> = BTreeMap::new();
    for group in groups(commands, workspace) {
        let at = group.place(spoken);
        placed.entry(at).or_default().extend(group.commands);
    }
    placed
}

/// Commands about the same collection stay together.
fn groups(commands: Vec<Document>, workspace: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for command in commands {
        // One that cannot be read is about nothing that is known.
        let read = Command::read(&json::write(&command), workspace).ok();
        let names: BTreeSet<String> = read
            .iter()
            .flat_map(Command::names)
            .map(str::to_owned)
            .collect();
        let known = groups
            .iter_mut()
            .find(|group| !group.names.is_disjoint(&names));
        if let Some(group) = known {
            group.names.extend(names);
            group.commands.push(command);
            continue;
        }
        let read = read.as_ref();
        let gone = read.filter(|read| matches!(read.name.as_str(), "drop" | "renameCollection"));
        groups.push(Group {
            names,
            gone: gone
                .map(|read| read.collection.clone())
                .into_iter()
                .collect(),
            makes: read.is_some_and(|read| read.name == "create"),
            commands: vec![command],
        });
    }
    groups
}

// === impl Group ===

impl Group {
    fn place(&self, spoken: &[Spoken<'_>]) -> usize {
        let is_of = |one: &BTreeSet<&str>, names: &BTreeSet<String>| {
            names.iter().any(|name| one.contains(name.as_str()))
        };
        let last = match self.makes {
            true => None,
            false => spoken.iter().rposition(|version| {
                is_of(&version.names, &self.gone) || is_of(&version.whole, &self.names)
            }),
        };
        if let Some(last) = last {
            return last + 1;
        }
        let mut versions = spoken.iter();
        let first = versions.position(|version| is_of(&version.names, &self.names));
        first.unwrap_or(spoken.len())
    }
}
