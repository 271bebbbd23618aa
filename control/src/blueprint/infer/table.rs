//! From one definition of a table to another, by ALTER TABLE.

use super::quoted;
use super::text::{Part, PartKind, TableText};

/// Words that a column's type begins with if it has a character set.
const CHARACTER_TYPES: &[&str] = &[
    "char",
    "varchar",
    "tinytext",
    "text",
    "mediumtext",
    "longtext",
    "enum",
    "set",
];

/// The statements that make `after` of `before`; mostly one.
pub(super) fn alter(table: &str, before: &str, after: &str) -> Vec<String> {
    let mut before = TableText::parse(before);
    let after = TableText::parse(after);
    let mut actions = renames(&mut before, &after);
    let (first, drops) = drops(&before, &after);
    actions.extend(drops);
    actions.extend(columns(&before, &after));
    actions.extend(additions(&before, &after));
    actions.extend(options(&before, &after));
    let alter =
        |actions: &[String]| format!("ALTER TABLE {} {}", quoted(table), actions.join(", "));
    let mut statements = Vec::new();
    if before.partitions != after.partitions && after.partitions.is_empty() {
        statements.push(alter(&["REMOVE PARTITIONING".to_owned()]));
    }
    // A foreign key cannot be dropped and made anew under its name at once.
    if !first.is_empty() {
        statements.push(alter(&first));
    }
    if !actions.is_empty() {
        statements.push(alter(&actions));
    }
    if before.partitions != after.partitions && !after.partitions.is_empty() {
        statements.push(alter(&[after.partitions]));
    }
    statements
}

/// A column that is gone, and a new one in its place that differs from it by name only, are one
/// that was renamed: its data is kept. What stands in `before` is renamed with it.
fn renames(before: &mut TableText, after: &TableText) -> Vec<String> {
    let mut actions = Vec::new();
    for (at, new) in after.columns.iter().enumerate() {
        let Some(old) = before.columns.get(at).cloned() else {
            break;
        };
        let is_in = |columns: &[Part], name: &str| columns.iter().any(|c| c.name == name);
        if is_in(&before.columns, &new.name) || is_in(&after.columns, &old.name) {
            continue;
        }
        let (from, to) = (quoted(&old.name), quoted(&new.name));
        if old.text.replacen(&from, &to, 1) != new.text {
            continue;
        }
        actions.push(format!("CHANGE COLUMN {from} {}", new.sent()));
        let parts = before.columns.iter_mut().chain(&mut before.parts);
        for part in parts {
            part.text = part.text.replace(&from, &to);
        }
        if let Some(column) = before.columns.get_mut(at) {
            column.name.clone_from(&new.name);
        }
        before.partitions = before.partitions.replace(&from, &to);
    }
    actions
}

/// What goes: first the foreign keys that come again with another definition, then all else.
fn drops(before: &TableText, after: &TableText) -> (Vec<String>, Vec<String>) {
    let mut first = Vec::new();
    let mut drops = Vec::new();
    for part in &before.parts {
        let same = |other: &&Part| other.kind == part.kind && other.name == part.name;
        let other = after.parts.iter().find(same);
        if other.is_some_and(|other| other.text == part.text) {
            continue;
        }
        let name = quoted(&part.name);
        match part.kind {
            PartKind::Foreign => match other {
                Some(_) => first.push(format!("DROP FOREIGN KEY {name}")),
                None => drops.push(format!("DROP FOREIGN KEY {name}")),
            },
            PartKind::Check => drops.push(format!("DROP CONSTRAINT {name}")),
            PartKind::Primary => drops.push("DROP PRIMARY KEY".to_owned()),
            PartKind::Key => drops.push(format!("DROP KEY {name}")),
            PartKind::Period => drops.push(format!("DROP PERIOD FOR {name}")),
            PartKind::Column => {}
        }
    }
    for column in &before.columns {
        if !after.columns.iter().any(|c| c.name == column.name) {
            drops.push(format!("DROP COLUMN {}", quoted(&column.name)));
        }
    }
    (first, drops)
}

/// Columns that are new, changed or in another place, in the order of `after`: each goes behind the
/// one before it, which is in its place by then.
fn columns(before: &TableText, after: &TableText) -> Vec<String> {
    let recode = charset(before) != charset(after);
    let mut current: Vec<&str> = before
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .filter(|name| after.columns.iter().any(|column| column.name == *name))
        .collect();
    let mut actions = Vec::new();
    let mut place = "FIRST".to_owned();
    for (at, column) in after.columns.iter().enumerate() {
        let old = before.columns.iter().find(|c| c.name == column.name);
        let in_place = current.get(at) == Some(&column.name.as_str());
        match old {
            None => {
                actions.push(format!("ADD COLUMN {} {place}", column.sent()));
                current.insert(at.min(current.len()), &column.name);
            }
            Some(_) if !in_place => {
                actions.push(format!("MODIFY COLUMN {} {place}", column.sent()));
                current.retain(|name| *name != column.name);
                current.insert(at.min(current.len()), &column.name);
            }
            Some(old) if old.text != column.text || recode && follows_table(column) => {
                actions.push(format!("MODIFY COLUMN {}", column.sent()));
            }
            Some(_) => {}
        }
        place = format!("AFTER {}", quoted(&column.name));
    }
    actions
}

/// Keys and constraints that are new or changed; keys first, which constraints may need.
fn additions(before: &TableText, after: &TableText) -> Vec<String> {
    let is_new = |part: &&Part| !before.parts.contains(part);
    let mut parts: Vec<&Part> = after.parts.iter().filter(is_new).collect();
    parts.sort_by_key(|part| matches!(part.kind, PartKind::Foreign | PartKind::Check));
    parts
        .iter()
        .map(|part| format!("ADD {}", part.text))
        .collect()
}

fn options(before: &TableText, after: &TableText) -> Vec<String> {
    const VERSIONED: &str = "WITH SYSTEM VERSIONING";
    let (old, new) = (before.option_list(), after.option_list());
    let mut actions: Vec<String> = match (
        before.options.contains(VERSIONED),
        after.options.contains(VERSIONED),
    ) {
        (false, true) => vec!["ADD SYSTEM VERSIONING".to_owned()],
        (true, false) => vec!["DROP SYSTEM VERSIONING".to_owned()],
        _ => Vec::new(),
    };
    // A character set and its collation belong together.
    let together = |option: &str| ["CHARSET", "COLLATE"].contains(&key_of(option));
    let recode = charset(before) != charset(after);
    let changed = |option: &&String| !old.contains(*option) || recode && together(option);
    let words: Vec<String> = new
        .iter()
        .filter(changed)
        .map(|option| with_default(option))
        .collect();
    if !words.is_empty() {
        actions.push(words.join(" "));
    }
    let gone = old
        .iter()
        .map(|option| key_of(option))
        .filter(|key| !new.iter().any(|option| key_of(option) == *key));
    actions.extend(gone.filter_map(reset));
    actions
}

fn with_default(option: &str) -> String {
    match key_of(option) {
        "CHARSET" => format!("DEFAULT {option}"),
        _ => option.to_owned(),
    }
}

/// An option as it is when nobody names it.
fn reset(key: &str) -> Option<String> {
    Some(match key {
        // With CHARSET.
        "COLLATE" | "CHARSET" | "ENGINE" | "AUTO_INCREMENT" => return None,
        "COMMENT" | "CONNECTION" => format!("{key}=''"),
        "ROW_FORMAT" | "PACK_KEYS" | "STATS_PERSISTENT" | "STATS_AUTO_RECALC"
        | "STATS_SAMPLE_PAGES" => format!("{key}=DEFAULT"),
        key if key.starts_with('`') => format!("{key}=DEFAULT"),
        key => format!("{key}=0"),
    })
}

fn key_of(option: &str) -> &str {
    option.split('=').next().unwrap_or_default()
}

fn charset(table: &TableText) -> Vec<String> {
    let mut options = table.option_list();
    options.retain(|option| ["CHARSET", "COLLATE"].contains(&key_of(option)));
    options
}

/// Whether a column has the character set of its table, whatever that is.
fn follows_table(column: &Part) -> bool {
    let behind = column
        .text
        .get(quoted(&column.name).len()..)
        .unwrap_or_default();
    let word = behind
        .trim_start()
        .split([' ', '('])
        .next()
        .unwrap_or_default();
    CHARACTER_TYPES.contains(&word)
        && !behind.contains(" CHARACTER SET ")
        && !behind.contains(" COLLATE ")
}
