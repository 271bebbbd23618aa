//! From what the wire saw and what a MongoDB database has become to versions. Pure.
//!
//! As for MySQL ([`mod@crate::blueprint::settle`]) what took effect is the difference between the
//! blueprint's snapshot and the database now. A command names what it is about, so which commands
//! explain which difference needs no guessing: all that the server confirmed about a collection
//! that changed are recorded, in their order.

use std::collections::BTreeSet;

use tenantsdb_codecs::feed::capture::{CapturedStatement, Outcome};
use time::OffsetDateTime;

use super::command::Command;
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
/// version. What nothing explains makes a version of its own: before the first command that speaks
/// of its collection, else behind all others.
pub(crate) fn settle(given: &Settling<'_>) -> Settled {
    let changed: BTreeSet<String> = given.before.changed(given.after).into_iter().collect();
    let doings = doings(given);
    let recorded = recorded(given, &doings, &changed);
    let explained: BTreeSet<String> = doings
        .iter()
        .zip(&recorded)
        .filter(|(_, origin)| origin.is_some())
        .flat_map(|(doing, _)| doing.keys.intersection(&changed).cloned())
        .collect();
    let unexplained: Vec<String> = changed.difference(&explained).cloned().collect();
    let gap = !unexplained.is_empty();
    let mut settlement = Settlement::default();
    let mut versions = versions(given, &doings, &recorded, &mut settlement);
    let at = place_of_inferred(given, &versions, &doings, &unexplained);
    let wait = match given.patience {
        Patience::Waits => gap,
        Patience::Partial => gap && (versions.is_empty() || at < versions.len()),
        Patience::Over => false,
    };
    if wait {
        return Settled::Wait;
    }
    settlement.snapshot = mixed(given.before, given.after, &explained);
    if gap && given.patience == Patience::Over {
        let commands = infer(&settlement.snapshot, given.after, &unexplained);
        let statements: Vec<Statement> = commands
            .iter()
            .map(|command| statement(command, given.now))
            .collect();
        if !statements.is_empty() {
            versions.insert(at, (usize::MAX, statements));
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
                return ours.then_some(Origin::Wire);
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

/// Before the first version that speaks of the collection of something inferred.
fn place_of_inferred(
    given: &Settling<'_>,
    versions: &[(usize, Vec<Statement>)],
    doings: &[Doing<'_>],
    unexplained: &[String],
) -> usize {
    let names: BTreeSet<String> = infer(given.before, given.after, unexplained)
        .iter()
        .filter_map(|command| Command::read(&json::write(command), given.workspace).ok())
        .flat_map(|command| command.names().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let speaks = |capture: usize| {
        let mut of_capture = doings.iter().filter(|doing| doing.capture == capture);
        of_capture.any(|doing| doing.command.names().any(|name| names.contains(name)))
    };
    versions
        .iter()
        .position(|(capture, _)| speaks(*capture))
        .unwrap_or(versions.len())
}

#[cfg(test)]
mod tests;
