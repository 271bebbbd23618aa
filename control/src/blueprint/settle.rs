//! From what the wire saw and what a MySQL schema has become to versions. Pure.
//!
//! There is no ledger: what took effect is the difference between the schema as far as the
//! blueprint has it and the schema now. The statements that proxies saw say in which words. A
//! difference that no statement explains (CALL, EXECUTE, events, sessions past the proxies) is
//! turned into DDL itself. [`mod@doing`] reads the statements, [`mod@explain`] lays them over the
//! difference.

mod doing;
mod explain;

use std::collections::{BTreeMap, BTreeSet};

use tenantsdb_codecs::feed::capture::{Capture, Outcome};
use tenantsdb_codecs::sql::mysql;
use time::OffsetDateTime;

use self::doing::{Doing, doings};
use self::explain::explain;
use super::{Excluded, Inferred, Origin, Snapshot, Statement, infer};

/// What is known of a workspace at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Settling<'a> {
    /// The workspace's database.
    pub workspace: &'a str,
    /// Its schema as far as it is in the blueprint.
    pub before: &'a Snapshot,
    /// Its schema now. Taken after `captures`, `alive` and `busy` were read.
    pub after: &'a Snapshot,
    /// What no sealing has used yet, in the order of arrival, with the moment of arrival.
    pub captures: &'a [(Capture, OffsetDateTime)],
    /// Threads of those captures that still run: what they were at may take effect yet.
    pub alive: &'a [i64],
    /// Whether some session of the workspace is executing something.
    pub busy: bool,
    /// What to do about what the captures do not explain.
    pub patience: Patience,
    /// Tables that are no part of the blueprint.
    pub excluded: &'a Excluded,
    /// Now.
    pub now: OffsetDateTime,
}

/// What to do about changes that no capture speaks of, or not of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Nothing is recorded: captures are most likely on their way.
    Waits,
    /// A capture has come, and others may follow: what is explained is recorded and the rest left
    /// for later, as long as the order cannot suffer from it.
    Partial,
    /// They are turned into DDL themselves.
    Over,
}

/// What is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing yet.
    Wait,
    /// This is to be recorded, all of it or nothing.
    Now(Settlement),
}

/// What a sealing records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// The statements of each new version, in order.
    pub versions: Vec<Vec<Statement>>,
    /// Captures that are used up, by id.
    pub spent: Vec<String>,
    /// Captures of which something is still to be settled, with nothing else left in them.
    pub kept: Vec<Capture>,
    /// The schema as far as it is in the blueprint from now on.
    pub snapshot: Snapshot,
}

/// What becomes of a captured statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It changed nothing that is part of the blueprint.
    Nothing,
    /// It becomes part of a version.
    Recorded(Origin),
    /// Its thread still runs: nobody can tell yet.
    Open,
}

/// Finds out which statements took effect, and what they do not explain.
///
/// One capture makes one version. What nothing explains makes a version of its own: before the
/// first statement that speaks of it, else behind all others.
#[must_use]
pub fn settle(given: &Settling<'_>) -> Settled {
    settle_by(given, infer)
}

fn settle_by(
    given: &Settling<'_>,
    infer: impl FnOnce(&Snapshot, &Snapshot, &[String]) -> Vec<Inferred>,
) -> Settled {
    let doings = doings(given);
    let changed: BTreeSet<String> = given.before.changed(given.after).into_iter().collect();
    let explained = explain(given, &doings, &changed);
    let unexplained: Vec<String> = changed.difference(&explained.keys).cloned().collect();
    let mut settlement = Settlement::default();
    let mut versions = recorded(given, &doings, &explained.fates, &mut settlement);
    let gap = !unexplained.is_empty();
    let left = gap && (given.busy || given.patience == Patience::Partial);
    // What is left would come behind statements that speak of it.
    let too_late = || place_of_inferred(&versions, &doings, &unexplained) < versions.len();
    let wait = match given.patience {
        Patience::Waits => explained.in_part || gap,
        Patience::Partial => explained.in_part || (gap && (versions.is_empty() || too_late())),
        Patience::Over => left && too_late(),
    };
    if wait {
        return Settled::Wait;
    }
    if gap && !left {
        // Everything else is in the blueprint by then.
        let base = mixed(given.before, given.after, &explained.keys);
        let statements: Vec<Statement> = infer(&base, given.after, &unexplained)
            .into_iter()
            .map(|inferred| inferred.statement(given.now))
            .collect();
        let at = place_of_inferred(&versions, &doings, &unexplained);
        if !statements.is_empty() {
            versions.insert(at, (usize::MAX, statements));
        }
        settlement.snapshot = given.after.clone();
    } else {
        settlement.snapshot = mixed(given.before, given.after, &explained.keys);
    }
    settlement.versions = versions.into_iter().map(|(_, version)| version).collect();
    Settled::Now(settlement)
}

/// The versions that captures make, each with the capture's index; and what becomes of the captures
/// themselves.
fn recorded(
    given: &Settling<'_>,
    doings: &[Doing<'_>],
    fates: &[Fate],
    settlement: &mut Settlement,
) -> Vec<(usize, Vec<Statement>)> {
    let mut versions = Vec::new();
    for (index, (capture, received_at)) in given.captures.iter().enumerate() {
        let mut version = Vec::new();
        let mut open = Vec::new();
        let of_capture = doings.iter().zip(fates);
        for (doing, fate) in of_capture.filter(|(doing, _)| doing.capture == index) {
            match fate {
                Fate::Nothing => {}
                Fate::Recorded(origin) => version.push(Statement {
                    tag: doing.tag.clone(),
                    deploy: !doing.privilege,
                    user: capture.user.clone(),
                    application_name: capture.application_name.clone(),
                    context: capture.context.clone(),
                    ..statement(terminated(&doing.said.text), *origin, *received_at)
                }),
                Fate::Open => open.push(doing.said.clone()),
            }
        }
        if open.is_empty() {
            settlement.spent.push(capture.id.clone());
        } else {
            settlement.kept.push(Capture {
                statements: open,
                ..capture.clone()
            });
        }
        if !version.is_empty() {
            versions.push((index, version));
        }
    }
    versions
}

/// `before`, with the objects of `keys` as they are in `after`.
pub(crate) fn mixed(before: &Snapshot, after: &Snapshot, keys: &BTreeSet<String>) -> Snapshot {
    let mut objects: BTreeMap<String, String> = before.0.clone();
    for key in keys {
        match after.0.get(key) {
            Some(definition) => objects.insert(key.clone(), definition.clone()),
            None => objects.remove(key),
        };
    }
    Snapshot(objects)
}

/// Before the first version that speaks of something inferred: it was there by then.
fn place_of_inferred(
    versions: &[(usize, Vec<Statement>)],
    doings: &[Doing<'_>],
    unexplained: &[String],
) -> usize {
    let speaks = |capture: usize| {
        doings
            .iter()
            .filter(|doing| doing.capture == capture)
            .any(|doing| {
                unexplained
                    .iter()
                    .any(|key| doing.names_it(Snapshot::name_of(key)))
            })
    };
    versions
        .iter()
        .position(|(capture, _)| speaks(*capture))
        .unwrap_or(versions.len())
}

impl Inferred {
    /// As part of a version.
    pub(crate) fn statement(self, now: OffsetDateTime) -> Statement {
        Statement {
            tag: mysql::tag(&self.ddl),
            context: Some(self.context),
            ..statement(self.ddl, Origin::Inferred, now)
        }
    }
}

fn statement(ddl: String, origin: Origin, captured_at: OffsetDateTime) -> Statement {
    Statement {
        ddl,
        tag: String::new(),
        search_path: String::new(),
        deploy: true,
        origin,
        captured_at,
        user: String::new(),
        application_name: String::new(),
        context: None,
        probe: None,
    }
}

fn terminated(text: &str) -> String {
    text.trim().trim_end_matches(';').trim_end().to_owned()
}

/// Whether a capture has a statement whose end nobody saw.
#[must_use]
pub fn is_open(capture: &Capture) -> bool {
    let mut statements = capture.statements.iter();
    statements.any(|statement| statement.outcome == Outcome::Unknown)
}

#[cfg(test)]
mod tests;
