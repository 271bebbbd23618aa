//! Search indexes: they stand beside a collection's other indexes, are listed by
//! `$listSearchIndexes`, and only where the server has them
//! (<https://www.mongodb.com/docs/manual/reference/operator/aggregation/listSearchIndexes/>).

use std::collections::BTreeSet;

use mongodb::bson::{Bson, Document, doc};

use super::json;
use super::normal::{numbers, part_key};
use crate::blueprint::{Probe, Snapshot};

/// Commands that are about search indexes.
const COMMANDS: &[&str] = &[
    "createSearchIndexes",
    "updateSearchIndex",
    "dropSearchIndex",
];
/// What an index is called, and of which type it is, where nothing is said.
const NAME: &str = "default";
const TYPE: &str = "search";
/// The kind in a key of a [`Snapshot`].
pub(crate) const KIND: &str = "search";

/// Whether a command is about search indexes.
pub(crate) fn is_search(command: &str) -> bool {
    COMMANDS.contains(&command)
}

/// Whether it shows in a database if a command took effect, given what its replay left there. Of a
/// search index nothing shows where the server does not list them.
pub(crate) fn is_derivable(command: &str, probe: Option<&Probe>) -> bool {
    let is_listed = |probe: &Probe| probe.0.keys().any(|key| Snapshot::kind_of(key) == KIND);
    !is_search(command) || probe.is_some_and(is_listed)
}

/// Adds what `$listSearchIndexes` says of an index. It is built later than it is made and dropped
/// later than it is told to be: what counts is what it was told.
pub(crate) fn add_search(snapshot: &mut Snapshot, of: &str, listed: &Document) {
    let Ok(name) = listed.get_str("name") else {
        return;
    };
    if listed.get_str("status").is_ok_and(|is| is == "DELETING") {
        return;
    }
    let mut index = doc! {"name": name};
    if let Ok(kind) = listed.get_str("type")
        && kind != TYPE
    {
        index.insert("type", kind);
    }
    let definition = listed.get("latestDefinition").cloned();
    let definition = definition.unwrap_or_else(|| Bson::Document(Document::new()));
    index.insert("definition", numbers(definition));
    let definition = json::write(&doc! {"collection": of, "index": index});
    snapshot.0.insert(key(of, name), definition);
}

/// Keys of the indexes that a command is about.
pub(super) fn keys(command: &Document, of: &str, before: &Snapshot) -> BTreeSet<String> {
    if let Ok(indexes) = command.get_array("indexes") {
        let indexes = indexes.iter().filter_map(Bson::as_document);
        let names = indexes.map(|index| index.get_str("name").unwrap_or(NAME));
        return names.map(|name| key(of, name)).collect();
    }
    if let Ok(name) = command.get_str("name") {
        return BTreeSet::from([key(of, name)]);
    }
    // By its id, which means nothing elsewhere.
    let all = before.0.keys();
    let prefix = key(of, "");
    all.filter(|key| key.starts_with(&prefix))
        .cloned()
        .collect()
}

/// Commands that make search indexes of a collection what they are `now`.
pub(super) fn infer<'a>(
    name: &str,
    (old, new): (Indexes<'a>, Indexes<'a>),
    commands: &mut Vec<Document>,
) {
    let mut made: Vec<Document> = Vec::new();
    for (index, was) in old {
        match new.get(index) {
            Some(now) if was == now => {}
            Some(now) if was.get("type") == now.get("type") => {
                let definition = now.get("definition").cloned().unwrap_or(Bson::Null);
                commands.push(doc! {
                    "updateSearchIndex": name, "name": index, "definition": definition,
                });
            }
            now => {
                commands.push(doc! {"dropSearchIndex": name, "name": index});
                made.extend(now.cloned());
            }
        }
    }
    let fresh = new.iter().filter(|(index, _)| !old.contains_key(*index));
    made.extend(fresh.map(|(_, index)| index.clone()));
    if !made.is_empty() {
        commands.push(doc! {"createSearchIndexes": name, "indexes": made});
    }
}

/// Search indexes of a collection, by name.
pub(super) type Indexes<'a> = &'a std::collections::BTreeMap<String, Document>;

fn key(of: &str, name: &str) -> String {
    part_key(KIND, of, name)
}

#[cfg(test)]
mod tests {
    use super::super::infer as infer_all;
    use super::*;

    fn snapshot(indexes: &[Document]) -> Snapshot {
        let users = ("collection users".to_owned(), "{}".to_owned());
        let mut snapshot = Snapshot([users].into());
        for index in indexes {
            add_search(&mut snapshot, "users", index);
        }
        snapshot
    }

    fn listed(name: &str, dynamic: bool) -> Document {
        doc! {
            "id": "6524096020da840844a4c4a7", "name": name, "type": "search", "status": "PENDING",
            "queryable": false, "latestDefinition": {"mappings": {"dynamic": dynamic}},
        }
    }

    fn inferred(before: &Snapshot, after: &Snapshot) -> Vec<String> {
        let commands = infer_all(before, after, &before.changed(after));
        commands.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn search_indexes_are_made_updated_and_dropped() {
        let (none, fine) = (snapshot(&[]), snapshot(&[listed("s", true)]));
        let coarse = snapshot(&[listed("s", false)]);
        assert_eq!(
            inferred(&none, &fine),
            [concat!(
                r#"{ "createSearchIndexes": "users", "indexes": [{ "name": "s", "#,
                r#""definition": { "mappings": { "dynamic": true } } }] }"#
            )]
        );
        assert_eq!(
            inferred(&fine, &coarse),
            [concat!(
                r#"{ "updateSearchIndex": "users", "name": "s", "#,
                r#""definition": { "mappings": { "dynamic": false } } }"#
            )]
        );
        let drop = r#"{ "dropSearchIndex": "users", "name": "s" }"#;
        assert_eq!(inferred(&fine, &none), [drop]);
        let mut vector = listed("s", true);
        vector.insert("type", "vectorSearch");
        let anew = inferred(&fine, &snapshot(&[vector.clone()]));
        assert_eq!((anew.len(), anew[0].as_str()), (2, drop));
        assert!(anew[1].contains(r#""type": "vectorSearch""#), "{}", anew[1]);
        vector.insert("status", "DELETING");
        assert_eq!(snapshot(&[vector]), none);
        // With its collection.
        let all = inferred(&Snapshot::default(), &fine);
        assert!(all[1].starts_with(r#"{ "createSearchIndexes""#), "{all:?}");
    }

    #[test]
    fn what_no_server_lists_cannot_be_told() {
        let probe = |key: &str| Probe([(key.to_owned(), None)].into());
        for (command, probe, derivable) in [
            ("createIndexes", None, true),
            ("createSearchIndexes", None, false),
            ("updateSearchIndex", Some(Probe::default()), false),
            ("dropSearchIndex", Some(probe("search users.s")), true),
            ("dropSearchIndex", Some(probe("collection users")), false),
        ] {
            let is = is_derivable(command, probe.as_ref());
            assert_eq!(is, derivable, "{command} {probe:?}");
        }
    }

    #[test]
    fn commands_name_the_indexes_that_they_are_about() {
        let before = snapshot(&[listed("s", true), listed("t", true)]);
        let keys = |command: Document| keys(&command, "users", &before).into_iter();
        let named = doc! {"indexes": [{"definition": {}}, {"name": "s", "definition": {}}]};
        let named = keys(named).collect::<Vec<_>>();
        assert_eq!(named, ["search users.default", "search users.s"]);
        assert!(keys(doc! {"name": "s"}).eq(["search users.s"]));
        assert_ne!(key("users.profile", "s"), key("users", "profile.s"));
        let all = keys(doc! {"id": "x"}).collect::<Vec<_>>();
        assert_eq!(all, ["search users.s", "search users.t"]);
    }
}
