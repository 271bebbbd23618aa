//! From two snapshots to the commands that make the second of the first. Pure.

use std::collections::{BTreeMap, BTreeSet};

use mongodb::bson::{Bson, Document, doc};

use super::normal::series_index;
use super::{json, search};
use crate::blueprint::Snapshot;

/// Options of a collection that `collMod` changes
/// (<https://www.mongodb.com/docs/manual/reference/command/collMod/>), with what it is told where
/// the option is gone.
const MODIFIABLE: &[&str] = &[
    "validator",
    "validationLevel",
    "validationAction",
    "changeStreamPreAndPostImages",
    "expireAfterSeconds",
    "timeseries",
];

/// What of a time series `collMod` changes, to coarser ones only.
const SERIES_MODIFIABLE: &[&str] = &[
    "granularity",
    "bucketMaxSpanSeconds",
    "bucketRoundingSeconds",
];

/// What of an index `collMod` changes.
const INDEX_MODIFIABLE: &[&str] = &["hidden", "expireAfterSeconds"];

/// A collection with its indexes, or a view.
#[derive(Clone, Debug, Default, PartialEq)]
struct Collection {
    /// Itself, not only indexes of it.
    there: bool,
    view: bool,
    options: Document,
    /// By name.
    indexes: BTreeMap<String, Document>,
    /// Search indexes, by name.
    searches: BTreeMap<String, Document>,
}

/// Commands that turn the objects `keys` from what they are in `before` into what they are in
/// `after`, in an order in which they can be run.
///
/// A collection that is gone while a new one differs from it by name only, and has indexes or
/// options by which that can be told, was renamed: its documents are kept.
pub(crate) fn infer(before: &Snapshot, after: &Snapshot, keys: &[String]) -> Vec<Document> {
    let (mut old, new) = (collections(before), collections(after));
    // Indexes that are explained by themselves, of collections that are not.
    let ahead: Collections = old.extract_if(.., |_, old| !old.there).collect();
    let names: BTreeSet<String> = keys
        .iter()
        .filter_map(|key| owner(before, after, key))
        .collect();
    let mut gone: Vec<&String> = names
        .iter()
        .filter(|name| !new.contains_key(*name))
        .collect();
    let mut made: Vec<&String> = names
        .iter()
        .filter(|name| !old.contains_key(*name))
        .collect();
    gone.retain(|name| old.contains_key(*name));
    made.retain(|name| new.contains_key(*name));
    let mut commands = Vec::new();
    let known = Known {
        old: &old,
        new: &new,
        ahead: &ahead,
    };
    known.renamed((&mut gone, &mut made), &mut commands);
    let mut drops: Vec<Document> = Vec::new();
    gone.sort_by_key(|name| old.get(*name).is_none_or(|gone| !gone.view));
    drops.extend(gone.iter().map(|name| doc! {"drop": name.as_str()}));
    drops.append(&mut commands);
    let mut commands = drops;
    for name in made {
        if let Some(collection) = new.get(name) {
            make(name, collection, &mut commands);
        }
    }
    for name in &names {
        if let (Some(old), Some(new)) = (old.get(name), new.get(name)) {
            change(name, (old, new), &mut commands);
        }
    }
    commands
}

/// The collection or view that a key is of.
fn owner(before: &Snapshot, after: &Snapshot, key: &str) -> Option<String> {
    if !matches!(Snapshot::kind_of(key), "index" | search::KIND) {
        return Some(Snapshot::name_of(key).to_owned());
    }
    let definition = before.0.get(key).or_else(|| after.0.get(key))?;
    let definition = json::read(definition).ok()?;
    definition.get_str("collection").ok().map(str::to_owned)
}

fn collections(snapshot: &Snapshot) -> BTreeMap<String, Collection> {
    let mut all: BTreeMap<String, Collection> = BTreeMap::new();
    for (key, definition) in &snapshot.0 {
        let Ok(definition) = json::read(definition) else {
            continue;
        };
        match Snapshot::kind_of(key) {
            kind @ ("index" | search::KIND) => {
                if let (Ok(of), Ok(index)) = (
                    definition.get_str("collection"),
                    definition.get_document("index"),
                ) && let Ok(name) = index.get_str("name")
                {
                    let of = all.entry(of.to_owned()).or_default();
                    let indexes = match kind {
                        "index" => &mut of.indexes,
                        _ => &mut of.searches,
                    };
                    indexes.insert(name.to_owned(), index.clone());
                }
            }
            kind => {
                let one = all.entry(Snapshot::name_of(key).to_owned()).or_default();
                one.there = true;
                one.view = kind == "view";
                one.options = definition;
            }
        }
    }
    all
}

type Collections = BTreeMap<String, Collection>;

struct Known<'a> {
    old: &'a Collections,
    new: &'a Collections,
    ahead: &'a Collections,
}

impl Known<'_> {
    /// Takes out of `gone` and `made` what only has another name now.
    fn renamed<'a>(
        &self,
        (gone, made): (&mut Vec<&'a String>, &mut Vec<&'a String>),
        commands: &mut Vec<Document>,
    ) {
        made.retain(|to| {
            let Some(now) = self.new.get(*to) else {
                return true;
            };
            let mut now = now.clone();
            // These were made under the new name.
            let later = self.ahead.get(*to).map(|ahead| &ahead.indexes);
            now.indexes
                .retain(|index, _| later.is_none_or(|later| !later.contains_key(index)));
            let later = self.ahead.get(*to).map(|ahead| &ahead.searches);
            now.searches
                .retain(|index, _| later.is_none_or(|later| !later.contains_key(index)));
            let known = !(now.view || now.indexes.is_empty() && now.options.is_empty());
            let was = gone
                .iter()
                .position(|from| self.old.get(*from) == Some(&now));
            match was {
                Some(at) if known => {
                    let from = gone.remove(at);
                    commands.push(doc! {"renameCollection": from.as_str(), "to": to.as_str()});
                    false
                }
                _ => true,
            }
        });
    }
}

fn make(name: &str, collection: &Collection, commands: &mut Vec<Document>) {
    let mut create = doc! {"create": name};
    create.extend(collection.options.clone());
    commands.push(create);
    if let Some(index) = series_index(&collection.options)
        && !collection.indexes.contains_key(&index)
    {
        // It came with the collection, where the server makes one.
        commands.push(doc! {"dropIndexes": name, "index": index});
    }
    make_indexes(name, collection, |_| true, commands);
    search::infer(name, (&BTreeMap::new(), &collection.searches), commands);
}

/// Makes those indexes of a collection that are `wanted` by their names.
fn make_indexes(
    name: &str,
    collection: &Collection,
    wanted: impl Fn(&str) -> bool,
    commands: &mut Vec<Document>,
) {
    let mut indexes = Vec::new();
    for (_, index) in collection.indexes.iter().filter(|(index, _)| wanted(index)) {
        let mut index = index.clone();
        if collection.options.contains_key("collation") && !index.contains_key("collation") {
            // One that says nothing has its collection's.
            index.insert("collation", doc! {"locale": "simple"});
        }
        indexes.push(index);
    }
    if !indexes.is_empty() {
        commands.push(doc! {"createIndexes": name, "indexes": indexes});
    }
}

fn change(name: &str, (old, new): (&Collection, &Collection), commands: &mut Vec<Document>) {
    if old.view || new.view {
        if old == new {
            return;
        }
        let same =
            old.view == new.view && old.options.get("collation") == new.options.get("collation");
        if same {
            let mut modify = doc! {"collMod": name};
            modify.extend(new.options.clone());
            modify.remove("collation");
            commands.push(modify);
        } else {
            commands.push(doc! {"drop": name});
            make(name, new, commands);
        }
        return;
    }
    match modification(name, &old.options, &new.options) {
        Some(modify) if modify.len() > 1 => commands.push(modify),
        Some(_) => {}
        None => {
            // There is no other way to get there.
            commands.push(doc! {"drop": name});
            return make(name, new, commands);
        }
    }
    for (index, was) in &old.indexes {
        match new.indexes.get(index) {
            Some(now) if was == now => {}
            Some(now) if let Some(modify) = index_modification(name, was, now) => {
                commands.push(modify);
            }
            _ => commands.push(doc! {"dropIndexes": name, "index": index.as_str()}),
        }
    }
    let is_made = |index: &str| {
        let (was, now) = (old.indexes.get(index), new.indexes.get(index));
        let (Some(was), Some(now)) = (was, now) else {
            return true;
        };
        was != now && index_modification(name, was, now).is_none()
    };
    make_indexes(name, new, is_made, commands);
    search::infer(name, (&old.searches, &new.searches), commands);
}

/// What `collMod` makes of it; `None` if it cannot.
fn modification(name: &str, old: &Document, new: &Document) -> Option<Document> {
    let mut modify = doc! {"collMod": name};
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let (was, is) = (old.get(key), new.get(key));
        if was == is {
            continue;
        }
        if !MODIFIABLE.contains(&key.as_str()) {
            return None;
        }
        match (key.as_str(), is) {
            ("timeseries", is) => modify.insert(key, series_modification(was?, is?)?),
            (_, Some(is)) => modify.insert(key, is.clone()),
            ("validator", None) => modify.insert(key, Document::new()),
            ("validationLevel", None) => modify.insert(key, "strict"),
            ("validationAction", None) => modify.insert(key, "error"),
            ("expireAfterSeconds", None) => modify.insert(key, "off"),
            (_, None) => modify.insert(key, doc! {"enabled": false}),
        };
    }
    Some(modify)
}

/// What `collMod` is told of a time series; `None` if it cannot change that.
fn series_modification(was: &Bson, is: &Bson) -> Option<Document> {
    let split = |series: &Bson| {
        let series = series.as_document()?.clone();
        let is_modifiable = |key: &String| SERIES_MODIFIABLE.contains(&key.as_str());
        Some(
            series
                .into_iter()
                .partition::<Document, _>(|(key, _)| is_modifiable(key)),
        )
    };
    let ((_, fields), (modify, same)) = (split(was)?, split(is)?);
    (fields == same).then_some(modify)
}

fn index_modification(name: &str, old: &Document, new: &Document) -> Option<Document> {
    let without = |index: &Document| {
        let mut rest = index.clone();
        for key in INDEX_MODIFIABLE {
            rest.remove(key);
        }
        rest
    };
    if without(old) != without(new) {
        return None;
    }
    let mut index = doc! {"name": new.get_str("name").ok()?};
    if old.get("hidden") != new.get("hidden") {
        index.insert("hidden", new.get_bool("hidden").unwrap_or(false));
    }
    if old.get("expireAfterSeconds") != new.get("expireAfterSeconds") {
        // One that was no TTL index becomes one since MongoDB 5.1; the way back is not there.
        index.insert("expireAfterSeconds", new.get("expireAfterSeconds")?.clone());
    }
    Some(doc! {"collMod": name, "index": index})
}

/// The keys of all that a collection has in a snapshot: itself, and its indexes.
pub(crate) fn keys_of(snapshot: &Snapshot, name: &str) -> BTreeSet<String> {
    let keys = snapshot.0.keys();
    keys.filter(|key| owner(snapshot, snapshot, key).is_some_and(|owner| owner == name))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::normal::{add_collection, add_index};
    use super::*;

    fn snapshot(collections: &[Document], indexes: &[(&str, Document)]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for collection in collections {
            add_collection(&mut snapshot, collection);
        }
        for (of, index) in indexes {
            add_index(&mut snapshot, of, index);
        }
        snapshot
    }

    fn inferred(before: &Snapshot, after: &Snapshot) -> Vec<String> {
        let commands = infer(before, after, &before.changed(after));
        commands.iter().map(ToString::to_string).collect()
    }

    fn users(options: Document) -> Document {
        doc! {"name": "users", "type": "collection", "options": options}
    }

    #[test]
    fn collections_come_with_their_indexes_and_go_without_a_word_of_them() {
        let empty = Snapshot::default();
        let index = doc! {"v": 2, "key": {"email": 1}, "name": "email_1", "unique": true};
        let full = snapshot(&[users(doc! {"validator": {"a": 1}})], &[("users", index)]);
        assert_eq!(
            inferred(&empty, &full),
            [
                r#"{ "create": "users", "validator": { "a": 1 } }"#,
                concat!(
                    r#"{ "createIndexes": "users", "indexes": [{ "key": { "email": 1 }, "#,
                    r#""name": "email_1", "unique": true }] }"#
                ),
            ]
        );
        assert_eq!(inferred(&full, &empty), [r#"{ "drop": "users" }"#]);
    }

    #[test]
    fn what_can_be_modified_is_and_the_rest_is_made_anew() {
        let before = snapshot(&[users(doc! {"validator": {"a": 1}})], &[]);
        let after = snapshot(&[users(doc! {})], &[]);
        assert_eq!(
            inferred(&before, &after),
            [r#"{ "collMod": "users", "validator": {} }"#]
        );
        let capped = snapshot(&[users(doc! {"capped": true, "size": 4096})], &[]);
        assert_eq!(
            inferred(&after, &capped),
            [
                r#"{ "drop": "users" }"#,
                r#"{ "create": "users", "capped": true, "size": 4096 }"#,
            ]
        );
        let ttl = |seconds: i32| {
            let index = doc! {"key": {"at": 1}, "name": "at_1", "expireAfterSeconds": seconds};
            snapshot(&[users(doc! {})], &[("users", index)])
        };
        assert_eq!(
            inferred(&ttl(10), &ttl(20)),
            [r#"{ "collMod": "users", "index": { "name": "at_1", "expireAfterSeconds": 20 } }"#]
        );
    }

    #[test]
    fn a_collection_that_only_changed_its_name_keeps_its_documents() {
        let index = || doc! {"key": {"a": 1}, "name": "a_1"};
        let people = doc! {"name": "people", "type": "collection", "options": {}};
        let before = snapshot(&[users(doc! {})], &[("users", index())]);
        let after = snapshot(&[people], &[("people", index())]);
        assert_eq!(
            inferred(&before, &after),
            [r#"{ "renameCollection": "users", "to": "people" }"#]
        );
    }

    #[test]
    fn indexes_made_under_the_new_name_do_not_hide_that_it_is_one() {
        let index = |field: &str| doc! {"key": {field: 1}, "name": field};
        let people = doc! {"name": "people", "type": "collection", "options": {"max": 1}};
        let of_people = [("people", index("a")), ("people", index("later"))];
        let after = snapshot(&[people], &of_people);
        let mut before = snapshot(&[users(doc! {"max": 1})], &[("users", index("a"))]);
        add_index(&mut before, "people", &index("later"));
        assert_eq!(
            inferred(&before, &after),
            [r#"{ "renameCollection": "users", "to": "people" }"#]
        );
    }

    #[test]
    fn a_renamed_collection_that_also_changed_has_all_its_indexes() {
        let index = |field: &str| doc! {"key": {field: 1}, "name": field};
        let people = doc! {"name": "people", "type": "collection", "options": {"max": 2}};
        let all = [("people", index("a")), ("people", index("later"))];
        let after = snapshot(&[people], &all);
        let mut before = snapshot(&[users(doc! {})], &[("users", index("a"))]);
        add_index(&mut before, "people", &index("later"));
        assert_eq!(
            inferred(&before, &after),
            [
                r#"{ "drop": "users" }"#,
                r#"{ "create": "people", "max": 2 }"#,
                concat!(
                    r#"{ "createIndexes": "people", "indexes": ["#,
                    r#"{ "key": { "a": 1 }, "name": "a" }, "#,
                    r#"{ "key": { "later": 1 }, "name": "later" }] }"#
                ),
            ]
        );
    }

    #[test]
    fn an_index_without_its_collections_collation_says_so() {
        let german = doc! {"locale": "de"};
        let before = snapshot(&[users(doc! {"collation": &german})], &[]);
        let simple = doc! {"key": {"a": 1}, "name": "simple"};
        let own = doc! {"key": {"a": 1}, "name": "own", "collation": &german};
        let both = [("users", simple), ("users", own)];
        let after = snapshot(&[users(doc! {"collation": &german})], &both);
        let indexes = concat!(
            r#"{ "createIndexes": "users", "indexes": ["#,
            r#"{ "key": { "a": 1 }, "collation": { "locale": "de" }, "name": "own" }, "#,
            r#"{ "key": { "a": 1 }, "name": "simple", "collation": { "locale": "simple" } }] }"#
        );
        assert_eq!(inferred(&before, &after), [indexes]);
        assert_eq!(inferred(&Snapshot::default(), &after)[1..], [indexes]);
    }

    #[test]
    fn a_time_series_gets_coarser_and_loses_the_index_it_came_with() {
        let weather = |granularity: &str| {
            let series = doc! {"timeField": "t", "metaField": "m", "granularity": granularity};
            doc! {"name": "w", "type": "timeseries", "options": {"timeseries": series}}
        };
        let index = || doc! {"v": 2, "key": {"m": 1, "t": 1}, "name": "m_1_t_1"};
        let fine = snapshot(&[weather("seconds")], &[("w", index())]);
        let coarse = snapshot(&[weather("hours")], &[("w", index())]);
        assert_eq!(
            inferred(&fine, &coarse),
            [r#"{ "collMod": "w", "timeseries": { "granularity": "hours" } }"#]
        );
        let without = snapshot(&[weather("hours")], &[]);
        assert_eq!(
            inferred(&Snapshot::default(), &without)[1..],
            [r#"{ "dropIndexes": "w", "index": "m_1_t_1" }"#]
        );
    }

    #[test]
    fn a_view_is_modified() {
        let view = |to: &str| {
            doc! {"name": "v", "type": "view", "options": {"viewOn": to, "pipeline": []}}
        };
        let (before, after) = (snapshot(&[view("a")], &[]), snapshot(&[view("b")], &[]));
        assert_eq!(
            inferred(&before, &after),
            [r#"{ "collMod": "v", "pipeline": [], "viewOn": "b" }"#]
        );
    }
}
