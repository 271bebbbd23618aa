//! Which statements explain what of a difference.

use std::collections::{BTreeSet, HashSet};

use super::doing::Doing;
use super::{Fate, Settling};
use crate::blueprint::{Origin, Snapshot};
use tenantsdb_codecs::sql::mysql::{self, Mode};

/// What was found out.
pub(super) struct Explained {
    /// What becomes of each statement.
    pub(super) fates: Vec<Fate>,
    /// Objects that changed, and whose change the recorded statements are.
    pub(super) keys: BTreeSet<String>,
    /// Some of them have names that came or went and that no such statement has: another session
    /// changed the same table at the same time, and its capture is not here yet.
    pub(super) in_part: bool,
}

/// Lays the statements over the objects that changed.
pub(super) fn explain(
    given: &Settling<'_>,
    doings: &[Doing<'_>],
    changed: &BTreeSet<String>,
) -> Explained {
    let real = real(given, doings);
    let mut recorded = vec![false; doings.len()];
    let mut keys = BTreeSet::new();
    let mut in_part = false;
    for key in changed {
        if let Some(by) = explanation(given, doings, &real, key) {
            keys.insert(key.clone());
            in_part |= !is_whole(given, key, by.iter().filter_map(|index| doings.get(*index)));
            for index in by {
                mark(&mut recorded, index);
            }
        }
    }
    for key in changed {
        if !keys.contains(key) && hangs_on(given, doings, &recorded, key) {
            keys.insert(key.clone());
        }
    }
    passing(given, doings, &real, &mut recorded);
    let fates = doings
        .iter()
        .zip(recorded)
        .map(|(doing, recorded)| fate(given, doing, recorded))
        .collect();
    Explained {
        fates,
        keys,
        in_part,
    }
}

fn mark(recorded: &mut [bool], index: usize) {
    if let Some(mark) = recorded.get_mut(index) {
        *mark = true;
    }
}

fn fate(given: &Settling<'_>, doing: &Doing<'_>, recorded: bool) -> Fate {
    match (doing.is_done(), recorded) {
        (true, true) => Fate::Recorded(Origin::Wire),
        (true, false) if doing.privilege => Fate::Recorded(Origin::Wire),
        (true, false) => Fate::Nothing,
        // The server was not heard to confirm it: the difference does.
        (false, true) => Fate::Recorded(Origin::Inferred),
        (false, false) if !doing.privilege && given.alive.contains(&doing.pid) => Fate::Open,
        (false, false) => Fate::Nothing,
    }
}

/// Which statements were about something that was there, or made it, going through them in order:
/// what is left is of temporary tables, or did nothing by its own words.
fn real(given: &Settling<'_>, doings: &[Doing<'_>]) -> Vec<bool> {
    let mut there = names(given.before);
    // What a CALL made meanwhile was there too, for some of the time.
    let later = names(given.after);
    let made = doings.iter().filter(|doing| doing.makes());
    let made = made.filter_map(|doing| doing.core().map(str::to_owned));
    let known: HashSet<String> = made.chain(&there | &later).collect();
    doings
        .iter()
        .map(|doing| {
            if doing.privilege || doing.is_orphan(&known) {
                return false;
            }
            let known = doing.targets().any(|name| there.contains(name));
            if doing.tag.starts_with("CREATE ") && doing.makes() {
                let nothing = doing.noted && doing.core().is_some_and(|name| there.contains(name));
                there.extend(doing.core().map(str::to_owned));
                return !nothing;
            }
            if doing.drops() && doing.is_done() {
                for name in doing.targets() {
                    there.remove(name);
                }
            }
            if doing.makes() {
                there.extend(doing.targets().map(str::to_owned));
            }
            let is_drop = doing.drops() && !doing.makes();
            let is_later = || doing.targets().any(|name| later.contains(name));
            known || (!is_drop && (doing.tag == "ALTER DATABASE" || is_later()))
        })
        .collect()
}

/// The names of all objects, in lower case.
fn names(snapshot: &Snapshot) -> HashSet<String> {
    let names = snapshot.0.keys().map(|key| Snapshot::name_of(key));
    names.map(str::to_ascii_lowercase).collect()
}

/// The statements that explain the change of one object; `None` if they do not.
fn explanation(
    given: &Settling<'_>,
    doings: &[Doing<'_>],
    real: &[bool],
    key: &str,
) -> Option<Vec<usize>> {
    let made = !given.before.0.contains_key(key);
    let dropped = !given.after.0.contains_key(key);
    let about = |done: bool| {
        doings
            .iter()
            .zip(real)
            .enumerate()
            .filter(move |(_, (doing, real))| {
                **real && doing.is_done() == done && doing.is_about(key)
            })
            .map(|(index, (doing, _))| (index, doing))
    };
    let suffices = |by: &[(usize, &Doing<'_>)]| match (made, dropped) {
        (true, _) => by.iter().any(|(_, doing)| doing.makes()),
        (_, true) => by.iter().any(|(_, doing)| doing.drops()),
        _ => !by.is_empty(),
    };
    let mut by: Vec<(usize, &Doing<'_>)> = about(true).collect();
    if !suffices(&by) {
        by.extend(about(false));
        if !suffices(&by) {
            return None;
        }
        by.sort_unstable_by_key(|(index, _)| *index);
    }
    // What says that it did nothing, where others did it.
    let did: Vec<usize> = by
        .iter()
        .filter(|(_, doing)| !doing.noted || doing.makes() || doing.drops())
        .map(|(index, _)| *index)
        .collect();
    match did.is_empty() {
        true => Some(by.into_iter().map(|(index, _)| index).collect()),
        false => Some(did),
    }
}

/// Whether every name that came into a table's definition, or went, stands in a statement about it.
/// What goes with something else (the key of a column) counts as missing: that costs a wait.
fn is_whole<'a>(given: &Settling<'_>, key: &str, by: impl Iterator<Item = &'a Doing<'a>>) -> bool {
    let Some(new) = given.after.0.get(key) else {
        return true;
    };
    let by: Vec<&Doing<'_>> = by.collect();
    // Renamed, or with columns of another table.
    let borrows = |doing: &&Doing<'_>| {
        ["rename", "like", "select"]
            .iter()
            .any(|word| doing.names_it(word))
    };
    if Snapshot::kind_of(key) != "table" || by.iter().any(borrows) {
        return true;
    }
    let new = quoted_names(new);
    let table = Snapshot::name_of(key);
    let is_named = |name: &str| by.iter().any(|doing| doing.names_it(name));
    let is_known = |name: &&str| {
        let second = name
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .strip_suffix('_');
        is_named(name) || is_made_up(table, name) || second.is_some_and(is_named)
    };
    let old = given
        .before
        .0
        .get(key)
        .map_or_else(HashSet::new, |old| quoted_names(old));
    match by.iter().any(|doing| doing.makes()) {
        true => new.iter().all(is_known),
        false => old.symmetric_difference(&new).all(is_known),
    }
}

/// Names that the servers give what has none in the statement: foreign keys, checks, keys on
/// expressions, columns of their own.
fn is_made_up(table: &str, name: &str) -> bool {
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match base.strip_suffix('_') {
        Some(base) => {
            ["CONSTRAINT", "functional_index"].contains(&base)
                || [format!("{table}_ibfk"), format!("{table}_chk")]
                    .iter()
                    .any(|own| own == base)
        }
        None => base.is_empty() || ["functional_index", "my_row_id"].contains(&base),
    }
}

/// Names as SHOW CREATE quotes them. A grave accent in a name splits it, which makes no difference
/// here.
fn quoted_names(definition: &str) -> HashSet<&str> {
    definition.split('`').skip(1).step_by(2).collect()
}

/// Whether the object is of a table that a recorded statement is about, or speaks of it: triggers
/// go and are renamed with their table, foreign keys follow the names of what they refer to.
fn hangs_on(given: &Settling<'_>, doings: &[Doing<'_>], recorded: &[bool], key: &str) -> bool {
    let kind = Snapshot::kind_of(key);
    if !matches!(kind, "table" | "trigger" | "order") {
        return false;
    }
    let definitions = [given.before.0.get(key), given.after.0.get(key)];
    let mut spoken: HashSet<String> = definitions
        .into_iter()
        .flatten()
        .flat_map(|definition| mysql::names(definition, Mode::default()))
        .collect();
    spoken.insert(Snapshot::name_of(key).to_ascii_lowercase());
    let both = definitions.iter().all(Option::is_some);
    if kind == "table" && !both {
        return false;
    }
    let tables = |snapshot: &Snapshot| -> HashSet<String> {
        let keys = snapshot.0.keys();
        keys.filter(|key| Snapshot::kind_of(key) == "table")
            .map(|key| Snapshot::name_of(key).to_ascii_lowercase())
            .collect()
    };
    let known: HashSet<String> = tables(given.before)
        .union(&tables(given.after))
        .cloned()
        .collect();
    doings.iter().zip(recorded).any(|(doing, recorded)| {
        let of_table = || {
            let mut targets = doing.targets();
            doing.is_of_tables()
                && targets.any(|name| known.contains(name) && spoken.contains(name))
        };
        // The order of a table's triggers: by the table or by one of them.
        let of_trigger = || {
            let mut targets = doing.targets();
            doing.tag.ends_with(" TRIGGER")
                && (doing.names_it(Snapshot::name_of(key))
                    || targets.any(|name| spoken.contains(name)))
        };
        *recorded && (of_table() || (kind == "order" && of_trigger()))
    })
}

/// Records statements on what was made and is gone again, where a recorded statement speaks of it
/// and cannot be replayed without. All else that left everything as it was did nothing.
fn passing(given: &Settling<'_>, doings: &[Doing<'_>], real: &[bool], recorded: &mut [bool]) {
    let known: HashSet<String> = &names(given.before) | &names(given.after);
    loop {
        let needed = |name: &str| {
            !known.contains(name)
                && doings
                    .iter()
                    .zip(recorded.iter())
                    .any(|(doing, recorded)| *recorded && doing.names_it(name))
        };
        let found = doings
            .iter()
            .zip(real)
            .enumerate()
            .position(|(index, (doing, real))| {
                let open = recorded.get(index) == Some(&false);
                open && *real && doing.is_done() && !doing.noted && doing.core().is_some_and(needed)
            });
        match found {
            Some(index) => mark(recorded, index),
            None => return,
        }
    }
}
