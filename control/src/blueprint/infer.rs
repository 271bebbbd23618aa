//! From two snapshots of a MySQL schema to the DDL that makes the second of the first. Pure.

mod table;
mod text;

use std::collections::BTreeSet;

use tenantsdb_codecs::feed::capture::Context;

use super::Snapshot;
pub use text::{Part, PartKind, TableText};

/// Kinds in the order in which objects are dropped; they are made in the reverse one.
const DROP_ORDER: &[&str] = &[
    "event",
    "trigger",
    "view",
    "procedure",
    "function",
    "package-body",
    "package",
    "table",
    "sequence",
];

/// A statement that was made from a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inferred {
    /// What it makes, changes or drops.
    pub key: String,
    /// One statement, without final semicolon.
    pub ddl: String,
    /// The settings that it is to be run with.
    pub context: Context,
}

/// DDL that turns the objects `keys` from what they are in `before` into what they are in `after`,
/// in an order in which it can be run. Nothing for keys that are no objects (`order …`).
///
/// A table that is gone while a new one differs from it by name only was renamed, and so was a
/// column: their data is kept.
#[must_use]
pub fn infer(before: &Snapshot, after: &Snapshot, keys: &[String]) -> Vec<Inferred> {
    let mut gone = Vec::new();
    let mut there = Vec::new();
    for key in keys.iter().collect::<BTreeSet<_>>() {
        if Snapshot::kind_of(key) == "order" {
            continue;
        }
        match (before.0.get(key), after.0.get(key)) {
            (Some(old), new) if new != Some(old) => match new {
                Some(_) => there.push(key),
                None => gone.push(key),
            },
            (None, Some(_)) => there.push(key),
            _ => {}
        }
    }
    let mut statements = Vec::new();
    renamed_tables(before, after, (&mut gone, &mut there), &mut statements);
    gone.sort_by_key(|key| rank(key));
    let drops = gone.iter().map(|key| plain(key, drop_text(key)));
    let mut all: Vec<Inferred> = drops.collect();
    all.append(&mut statements);
    there.sort_by_key(|key| std::cmp::Reverse(rank(key)));
    in_order_of_use(after, &mut there);
    for key in there {
        let definition = after.0.get(key).map(String::as_str).unwrap_or_default();
        let old = before.0.get(key).map(String::as_str);
        make(key, old, definition, &mut all);
    }
    all
}

/// Tables of which nothing but the name changed.
fn renamed_tables<'a>(
    before: &Snapshot,
    after: &Snapshot,
    (gone, there): (&mut Vec<&'a String>, &mut Vec<&'a String>),
    statements: &mut Vec<Inferred>,
) {
    there.retain(|new| {
        let (true, false) = (
            Snapshot::kind_of(new) == "table",
            before.0.contains_key(*new),
        ) else {
            return true;
        };
        let to = quoted(Snapshot::name_of(new));
        let was = gone.iter().position(|old| {
            let from = quoted(Snapshot::name_of(old));
            let renamed = before.0.get(*old).map(|text| text.replacen(&from, &to, 1));
            Snapshot::kind_of(old) == "table" && renamed.as_ref() == after.0.get(*new)
        });
        let Some(at) = was else {
            return true;
        };
        let from = quoted(Snapshot::name_of(gone.remove(at)));
        statements.push(plain(new, format!("RENAME TABLE {from} TO {to}")));
        false
    });
}

fn make(key: &str, old: Option<&str>, definition: &str, all: &mut Vec<Inferred>) {
    let (context, text) = head_and_text(definition);
    let name = Snapshot::name_of(key);
    let with = |ddl: String| Inferred {
        key: key.to_owned(),
        ddl,
        context: context.clone(),
    };
    match (Snapshot::kind_of(key), old) {
        ("schema", _) => all.push(plain(key, format!("ALTER DATABASE {text}"))),
        ("table", Some(old)) => {
            let statements = table::alter(name, old, text);
            all.extend(statements.into_iter().map(|ddl| plain(key, ddl)));
        }
        ("sequence", Some(_)) => {
            let text = text.split(" ENGINE=").next().unwrap_or(text);
            all.push(plain(key, text.replacen("CREATE", "ALTER", 1)));
        }
        ("table", None) => all.push(plain(key, TableText::sent(text))),
        ("sequence", None) => all.push(plain(key, text.to_owned())),
        ("view", Some(_)) => all.push(with(text.replacen("CREATE", "CREATE OR REPLACE", 1))),
        (_, Some(_)) => {
            all.push(plain(key, drop_text(key)));
            all.push(with(text.to_owned()));
        }
        (_, None) => all.push(with(text.to_owned())),
    }
}

/// Views behind the views that they name, and triggers in the order in which they fire. Other kinds
/// stay where they are.
fn in_order_of_use(after: &Snapshot, keys: &mut [&String]) {
    let kind = |key: &str| Snapshot::kind_of(key).to_owned();
    for wanted in ["view", "trigger"] {
        let Some(first) = keys.iter().position(|key| kind(key) == wanted) else {
            continue;
        };
        let some = keys.get_mut(first..).unwrap_or_default();
        let count = some.iter().take_while(|key| kind(key) == wanted).count();
        let some = some.get_mut(..count).unwrap_or_default();
        match wanted {
            "trigger" => some.sort_by_key(|key| place_of_trigger(after, key)),
            _ => views_in_order(after, some),
        }
    }
}

fn views_in_order(after: &Snapshot, keys: &mut [&String]) {
    for at in 0..keys.len() {
        let rest = keys.get(at..).unwrap_or_default();
        let stands_alone = |key: &&String| {
            let text = after.0.get(*key).map(String::as_str).unwrap_or_default();
            !rest
                .iter()
                .any(|other| other != key && text.contains(&quoted(Snapshot::name_of(other))))
        };
        // If all name each other, as it comes.
        let next = rest.iter().position(stands_alone).unwrap_or(0);
        if let Some(rest) = keys.get_mut(at..=at + next) {
            rest.rotate_right(1);
        }
    }
}

/// Where a trigger stands in its table's order, if there is one.
fn place_of_trigger(after: &Snapshot, key: &str) -> usize {
    let name = quoted(Snapshot::name_of(key));
    let orders = after
        .0
        .iter()
        .filter(|(key, _)| Snapshot::kind_of(key) == "order");
    orders
        .filter_map(|(_, order)| order.find(&name))
        .next()
        .unwrap_or(0)
}

fn rank(key: &str) -> usize {
    let kind = Snapshot::kind_of(key);
    let place = DROP_ORDER.iter().position(|other| *other == kind);
    place.unwrap_or(DROP_ORDER.len())
}

fn drop_text(key: &str) -> String {
    let kind = Snapshot::kind_of(key).replace('-', " ").to_uppercase();
    format!("DROP {kind} {}", quoted(Snapshot::name_of(key)))
}

/// A statement that depends on no setting: nothing is checked that SHOW CREATE has given.
fn plain(key: &str, ddl: String) -> Inferred {
    Inferred {
        key: key.to_owned(),
        ddl,
        context: Context {
            sql_mode: "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION".to_owned(),
            character_set_client: "utf8mb4".to_owned(),
            collation_connection: "utf8mb4_general_ci".to_owned(),
            foreign_key_checks: false,
            default_storage_engine: "InnoDB".to_owned(),
            explicit_defaults_for_timestamp: true,
        },
    }
}

/// The settings before a definition, and the definition alone.
fn head_and_text(definition: &str) -> (Context, &str) {
    let mut context = plain("", String::new()).context;
    let is_head = |line: &str| {
        line.split_once('=')
            .is_some_and(|(name, _)| HEAD.contains(&name))
    };
    if !definition.lines().next().is_some_and(is_head) {
        return (context, definition);
    }
    let (head, text) = definition.split_once("\n\n").unwrap_or(("", definition));
    context.sql_mode.clear();
    for (name, value) in head.lines().filter_map(|line| line.split_once('=')) {
        match name {
            "sql_mode" => value.clone_into(&mut context.sql_mode),
            "character_set_client" => value.clone_into(&mut context.character_set_client),
            "collation_connection" => value.clone_into(&mut context.collation_connection),
            _ => {}
        }
    }
    (context, text)
}

/// Names of settings that a definition may begin with.
const HEAD: &[&str] = &["sql_mode", "character_set_client"];

/// An identifier in backticks.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests;
