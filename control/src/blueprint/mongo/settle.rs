//! From what the wire saw and what a MongoDB database has become to versions. Pure.
//!
//! As for MySQL ([`mod@crate::blueprint::settle`]) what took effect is the difference between the
//! blueprint's snapshot and the database now. A command names what it is about, so which commands
//! explain which difference needs no guessing: all that the server confirmed about a collection
//! that changed are recorded, in their order.
//!
//! - [`place`]: among which of them something inferred happened.

mod place;

use std::collections::BTreeSet;

use tenantsdb_codecs::feed::capture::{CapturedStatement, Outcome};
use time::OffsetDateTime;

use self::place::{placed, spoken};
use super::command::Command;
use super::infer::keys_of;
use super::normal::collection_key;
use super::search::is_search;
use super::{infer, json};
use crate::blueprint::{Origin, Patience, Settled, Settlement, Settling, Statement, mixed};
use mongodb::bson::Document;

/// A captured command.
struct Doing<'a> {
    capture: usize,
    said: &'a CapturedStatement,
    command: Command,
    keys: BTreeSet<String>,
}

/// Finds out which commands took effect, and what they do not explain. One capture makes one
/// version. What nothing explains makes versions of its own, where it must have happened
/// ([`place`]).
pub(crate) fn settle(given: &Settling<'_>) -> Settled {
    let changed: BTreeSet<String> = given.before.changed(given.after).into_iter().collect();
    let doings = doings(given);
    let recorded = recorded(given, &doings, &changed);
    let explained = explained(given, &doings, &recorded, &changed);
    let unexplained: Vec<String> = changed.difference(&explained).cloned().collect();
    let gap = !unexplained.is_empty();
    let mut settlement = Settlement::default();
    let mut versions = versions(given, &doings, &recorded, &mut settlement);
    settlement.snapshot = mixed(given.before, given.after, &explained);
    let commands = infer(&settlement.snapshot, given.after, &unexplained);
    let spoken = spoken(&versions, &doings, &recorded);
    let placed = placed(commands, &spoken, given.workspace);
    let between = placed.keys().any(|at| *at < versions.len());
    let wait = match given.patience {
        Patience::Waits => gap,
        Patience::Partial => gap && (versions.is_empty() || between),
        Patience::Over => false,
    };
    if wait {
        return Settled::Wait;
    }
    if gap && given.patience == Patience::Over {
        for (at, commands) in placed.iter().rev() {
            versions.insert(*at, (usize::MAX, inferred(commands, given.now)));
        }
        settlement.snapshot = given.after.clone();
    }
    settlement.versions = versions.into_iter().map(|(_, version)| version).collect();
    Settled::Now(settlement)
}

/// A command that was made of a difference, as part of a version.
pub(crate) fn statement(command: &Document, now: OffsetDateTime) -> Statement {
    Statement {
        ddl: json::write(command),
        tag: command.keys().next().cloned().unwrap_or_default(),
        search_path: String::new(),
        deploy: true,
        origin: Origin::Inferred,
        captured_at: now,
        user: String::new(),
        application_name: String::new(),
        context: None,
        probe: None,
    }
}

/// The captured commands that a blueprint may have, in order.
fn doings<'a>(given: &Settling<'a>) -> Vec<Doing<'a>> {
    let mut doings = Vec::new();
    for (index, (capture, _)) in given.captures.iter().enumerate() {
        for said in &capture.statements {
            match Command::read(&said.text, given.workspace) {
                Ok(command) if !command.is_left_out() => doings.push(Doing {
                    capture: index,
                    said,
                    keys: command.keys(given.before, given.after),
                    command,
                }),
                Ok(_) => {}
                // What it did shows in the difference.
                Err(reason) => tracing::debug!(reason, "a captured command is not recorded"),
            }
        }
    }
    doings
}

/// Which commands are part of a version, and who knows that they took effect.
fn recorded(
    given: &Settling<'_>,
    doings: &[Doing<'_>],
    changed: &BTreeSet<String>,
) -> Vec<Option<Origin>> {
    let is_done = |doing: &Doing<'_>| doing.said.outcome == Outcome::Done;
    let mut about: BTreeSet<&str> = doings
        .iter()
        .filter(|doing| !doing.keys.is_disjoint(changed))
        .flat_map(|doing| doing.command.names())
        .collect();
    // What was made under one name and renamed since belongs to it.
    loop {
        let before = about.len();
        let linked = doings.iter().filter(|doing| doing.command.to.is_some());
        let linked: Vec<&str> = linked
            .filter(|doing| doing.command.names().any(|name| about.contains(name)))
            .flat_map(|doing| doing.command.names())
            .collect();
        about.extend(linked);
        if about.len() == before {
            break;
        }
    }
    let confirmed: BTreeSet<&String> = doings
        .iter()
        .filter(|doing| is_done(doing))
        .flat_map(|doing| &doing.keys)
        .collect();
    doings
        .iter()
        .map(|doing| {
            let ours = doing.command.names().any(|name| about.contains(name));
            if is_done(doing) {
                // What it did to a search index may show nowhere.
                let unseen = is_search(&doing.command.name) && is_known(given, &doing.command);
                return (ours || unseen).then_some(Origin::Wire);
            }
            if is_pending(given, doing) {
                return None;
            }
            // The server was not heard to confirm it: a difference that nothing else makes does.
            let mut changes = doing.keys.intersection(changed);
            changes
                .any(|key| !confirmed.contains(key))
                .then_some(Origin::Inferred)
        })
        .collect()
}

/// Whether the command is about a collection that is part of the blueprint, or was.
fn is_known(given: &Settling<'_>, command: &Command) -> bool {
    let key = collection_key(&command.collection, false);
    given.before.0.contains_key(&key) || given.after.0.contains_key(&key)
}

/// Of what changed, what the recorded commands made of it.
fn explained(
    given: &Settling<'_>,
    doings: &[Doing<'_>],
    recorded: &[Option<Origin>],
    changed: &BTreeSet<String>,
) -> BTreeSet<String> {
    let counted = doings.iter().zip(recorded);
    let counted = counted.filter(|(_, origin)| origin.is_some());
    let counted: Vec<&Doing<'_>> = counted.map(|(doing, _)| doing).collect();
    let explains = |doing: &Doing<'_>| {
        let keys = doing.keys.intersection(changed);
        // What is gone was not made.
        keys.filter(|key| doing.command.may_remove(key) || given.after.0.contains_key(*key))
            .cloned()
            .collect::<Vec<_>>()
    };
    let mut explained: BTreeSet<String> =
        counted.iter().flat_map(|doing| explains(doing)).collect();
    let made: BTreeSet<&str> = counted
        .iter()
        .filter(|doing| doing.command.is_of_whole())
        .flat_map(|doing| doing.command.names())
        .collect();
    // An index makes its collection, but no other index and no options: where there are such, it
    // was made, or given its name, before.
    for doing in &counted {
        let name = doing.command.collection.as_str();
        let key = collection_key(name, false);
        let is_plain = given
            .after
            .0
            .get(&key)
            .is_none_or(|options| options == "{}");
        let mut indexes = keys_of(given.after, name).into_iter();
        let is_all = indexes.all(|index| !changed.contains(&index) || explained.contains(&index));
        let was_there = given.before.0.contains_key(&key);
        if !(was_there || made.contains(name) || is_plain && is_all) {
            explained.remove(&key);
        }
    }
    explained
}

/// The versions that captures make, each with the capture's index; and what becomes of the captures
/// themselves.
fn versions(
    given: &Settling<'_>,
    doings: &[Doing<'_>],
    recorded: &[Option<Origin>],
    settlement: &mut Settlement,
) -> Vec<(usize, Vec<Statement>)> {
    let mut versions = Vec::new();
    for (index, (capture, received_at)) in given.captures.iter().enumerate() {
        let of_capture = doings.iter().zip(recorded);
        let statements: Vec<Statement> = of_capture
            .filter(|(doing, _)| doing.capture == index)
            .filter_map(|(doing, origin)| {
                let (_, command) = doing.command.sent(given.workspace);
                Some(Statement {
                    origin: (*origin)?,
                    user: capture.user.clone(),
                    application_name: capture.application_name.clone(),
                    ..statement(&command, *received_at)
                })
            })
            .collect();
        let mut own = doings.iter().filter(|doing| doing.capture == index);
        if own.any(|doing| is_pending(given, doing)) {
            settlement.kept.push(capture.clone());
            continue;
        }
        settlement.spent.push(capture.id.clone());
        if !statements.is_empty() {
            versions.push((index, statements));
        }
    }
    versions
}

/// Whether its command still runs on the server: nobody can tell yet what comes of it.
fn is_pending(given: &Settling<'_>, doing: &Doing<'_>) -> bool {
    let pid = given
        .captures
        .get(doing.capture)
        .map(|(capture, _)| capture.pid);
    doing.said.outcome == Outcome::Unknown && pid.is_some_and(|pid| given.alive.contains(&pid))
}

fn inferred(commands: &[Document], now: OffsetDateTime) -> Vec<Statement> {
    let each = commands.iter();
    each.map(|command| statement(command, now)).collect()
}

#[cfg(test)]
mod tests;
