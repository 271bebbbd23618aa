//! Collections and indexes as they are compared: what `listCollections` and `listIndexes` say,
//! without what differs from database to database or only repeats a default.

use mongodb::bson::{Bson, Document};

use super::json;
use crate::blueprint::{Excluded, Snapshot};

/// Where versions are marked, in the database itself.
pub(crate) const MARKER: &str = "_tenantsdb";

/// The newest version of an index of that kind: MongoDB 3.2 to 8.0 make no other.
const KIND_VERSION: i64 = 3;

/// Key of a collection or view in a [`Snapshot`].
pub(crate) fn collection_key(name: &str, is_view: bool) -> String {
    format!("{} {name}", if is_view { "view" } else { "collection" })
}

/// Key of an index in a [`Snapshot`].
pub(crate) fn index_key(collection: &str, name: &str) -> String {
    part_key("index", collection, name)
}

/// Key of something of a collection, which nothing else has. Names of both may hold dots, so that a
/// collection whose name has one is quoted.
pub(super) fn part_key(kind: &str, collection: &str, name: &str) -> String {
    if collection.contains(['.', '"']) {
        format!("{kind} {collection:?}.{name}")
    } else {
        format!("{kind} {collection}.{name}")
    }
}

/// Whether a collection is no part of a blueprint: the server's own, the marker, the lists of tools
/// that migrate.
pub(crate) fn is_left_out(name: &str) -> bool {
    name == MARKER || name.starts_with("system.") || Excluded::default().collection(name)
}

/// Adds what `listCollections` says of a collection or a view; `None` if that is left out.
pub(crate) fn add_collection(snapshot: &mut Snapshot, listed: &Document) -> Option<String> {
    let name = listed.get_str("name").ok()?;
    if is_left_out(name) {
        return None;
    }
    let is_view = listed.get_str("type").is_ok_and(|kind| kind == "view");
    let options = listed.get_document("options").cloned().unwrap_or_default();
    let definition = json::write(&collection(options));
    snapshot.0.insert(collection_key(name, is_view), definition);
    (!is_view).then(|| name.to_owned())
}

/// Adds what `listIndexes` says of an index, unless it comes with the collection.
pub(crate) fn add_index(snapshot: &mut Snapshot, of: &str, listed: &Document) {
    let Ok(name) = listed.get_str("name") else {
        return;
    };
    // One that is still being built is not there yet.
    let built = !listed.contains_key("buildUUID");
    if name == "_id_" || !built || listed.get_bool("clustered").unwrap_or(false) {
        return;
    }
    let mut definition = Document::new();
    definition.insert("collection", of);
    definition.insert("index", index(listed.clone()));
    snapshot
        .0
        .insert(index_key(of, name), json::write(&definition));
}

/// The name of the index that a time series with these options is made with, since MongoDB 6.3
/// (<https://www.mongodb.com/docs/manual/core/timeseries/timeseries-secondary-index/>); `None` of
/// any other collection.
pub(crate) fn series_index(options: &Document) -> Option<String> {
    let series = options.get_document("timeseries").ok()?;
    let field = |name: &str| series.get_str(name).ok();
    Some(format!(
        "{}_1_{}_1",
        field("metaField")?,
        field("timeField")?
    ))
}

/// The options of a collection, in the order of their names.
fn collection(mut options: Document) -> Document {
    for own in ["uuid", "autoIndexId", "flags", "idIndex"] {
        options.remove(own);
    }
    let is = |options: &Document, key: &str, value: &str| {
        options.get_str(key).is_ok_and(|said| said == value)
    };
    if is(&options, "validationLevel", "strict") {
        options.remove("validationLevel");
    }
    if is(&options, "validationAction", "error") {
        options.remove("validationAction");
    }
    if matches!(options.get_document("validator"), Ok(validator) if validator.is_empty()) {
        options.remove("validator");
    }
    if let Ok(images) = options.get_document("changeStreamPreAndPostImages")
        && !images.get_bool("enabled").unwrap_or(false)
    {
        options.remove("changeStreamPreAndPostImages");
    }
    if let Ok(series) = options.get_document_mut("timeseries") {
        if !series.contains_key("granularity") && !series.contains_key("bucketRoundingSeconds") {
            series.insert("granularity", "seconds");
        }
        if series.contains_key("granularity") {
            // It follows from the granularity, and may not be said beside it everywhere.
            series.remove("bucketMaxSpanSeconds");
        }
    }
    let mut sorted: Vec<(String, Bson)> = options.into_iter().collect();
    sorted.sort_by(|one, other| one.0.cmp(&other.0));
    let plain = |(key, value): (String, Bson)| match key.as_str() {
        // Queries: 1 and 1.0 are written as they were.
        "validator" | "pipeline" => (key, value),
        "collation" => (key, collation(value)),
        _ => (key, numbers(value)),
    };
    sorted.retain(|(key, value)| key != "collation" || !is_simple(value));
    sorted.into_iter().map(plain).collect()
}

/// An index: its key first, then the rest in the order of the names.
fn index(mut listed: Document) -> Document {
    for own in ["ns", "background"] {
        listed.remove(own);
    }
    let mut rest: Vec<(String, Bson)> = Vec::new();
    let mut normal = Document::new();
    for (key, value) in listed {
        match key.as_str() {
            "key" => {
                normal.insert(key, numbers(value));
            }
            "partialFilterExpression" => rest.push((key, value)),
            "collation" if is_simple(&value) => {}
            "collation" => rest.push((key, collation(value))),
            _ => {
                let value = numbers(value);
                if !is_default(&key, &value) {
                    rest.push((key, value));
                }
            }
        }
    }
    rest.sort_by(|one, other| one.0.cmp(&other.0));
    normal.extend(rest);
    normal
}

fn is_default(key: &str, value: &Bson) -> bool {
    match (key, value) {
        ("v", Bson::Int32(2)) => true,
        ("unique" | "sparse" | "hidden" | "prepareUnique", Bson::Boolean(false)) => true,
        ("2dsphereIndexVersion" | "textIndexVersion", value) => {
            value.as_i32().map(i64::from) == Some(KIND_VERSION)
        }
        _ => false,
    }
}

/// Whether it is the collation of what is said to have none: mongod does not list it.
fn is_simple(collation: &Bson) -> bool {
    let locale = |collation: &Document| collation.get_str("locale").map(|is| is == "simple");
    collation
        .as_document()
        .is_some_and(|collation| locale(collation).unwrap_or(false))
}

/// Without the version of the library that sorts: it is the server's.
fn collation(value: Bson) -> Bson {
    match value {
        Bson::Document(mut collation) => {
            collation.remove("version");
            numbers(Bson::Document(collation))
        }
        other => other,
    }
}

/// Whole numbers as 32 bits where they fit: drivers send `1`, shells `1.0`, and both mean the same.
pub(crate) fn numbers(value: Bson) -> Bson {
    match value {
        Bson::Int64(number) => i32::try_from(number).map_or(value, Bson::Int32),
        Bson::Double(number) if number.fract() == 0.0 && number.abs() < f64::from(i32::MAX) => {
            // Whole and small enough: its digits are those of an integer.
            format!("{number:.0}").parse().map_or(value, Bson::Int32)
        }
        Bson::Document(document) => {
            let each = |(key, value)| (key, numbers(value));
            Bson::Document(document.into_iter().map(each).collect())
        }
        Bson::Array(values) => Bson::Array(values.into_iter().map(numbers).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

    #[test]
    fn what_repeats_a_default_or_is_of_the_database_is_left_out() {
        let mut one = Snapshot::default();
        let mut other = Snapshot::default();
        add_collection(
            &mut one,
            &doc! {"name": "c", "type": "collection", "options": {
                "validationLevel": "strict", "validator": {"a": 1}, "size": 4096.0, "capped": true,
            }, "info": {"uuid": "x"}},
        );
        add_collection(
            &mut other,
            &doc! {"name": "c", "type": "collection", "options": {
                "capped": true, "size": 4096_i64, "validator": {"a": 1}, "uuid": "y",
            }},
        );
        let key = |n: Bson| doc! {"v": 2, "key": {"b": n, "a": 1}, "name": "i", "unique": false};
        add_index(&mut one, "c", &key(1.0.into()));
        add_index(&mut other, "c", &key(1_i64.into()));
        add_index(
            &mut other,
            "c",
            &doc! {"v": 2, "key": {"_id": 1}, "name": "_id_"},
        );
        assert_eq!(one, other);
        let other = doc! {"v": 2, "key": {"a": 1, "b": 1}, "name": "i"};
        add_index(&mut one, "c", &other);
        assert_ne!(one.0["index c.i"], key(1.into()).to_string());
    }

    #[test]
    fn a_simple_collation_is_none() {
        let (mut said, mut unsaid) = (Snapshot::default(), Snapshot::default());
        let simple = doc! {"locale": "simple"};
        let key = doc! {"key": {"a": 1}, "name": "i"};
        let mut with = key.clone();
        with.insert("collation", &simple);
        add_index(&mut said, "c", &with);
        add_index(&mut unsaid, "c", &key);
        let listed = |options: Document| doc! {"name": "c", "options": options};
        add_collection(&mut said, &listed(doc! {"collation": simple}));
        add_collection(&mut unsaid, &listed(doc! {}));
        assert_eq!(said, unsaid);
    }

    #[test]
    fn the_servers_own_and_the_marker_are_no_part_of_a_blueprint() {
        let mut snapshot = Snapshot::default();
        for name in ["system.views", "system.buckets.ts", MARKER] {
            let listed = doc! {"name": name, "type": "collection", "options": {}};
            assert_eq!(add_collection(&mut snapshot, &listed), None);
        }
        assert!(snapshot.0.is_empty());
    }

    #[test]
    fn two_indexes_have_two_keys_whatever_they_are_called() {
        let names = ["a", "a.b", "b", "b.a", "\"a\"", "\"a.b\"", "\"a\".b", "a\\"];
        let keys: std::collections::BTreeSet<String> = names
            .iter()
            .flat_map(|collection| names.map(|name| index_key(collection, name)))
            .collect();
        assert_eq!(keys.len(), names.len() * names.len(), "{keys:?}");
        assert_eq!(index_key("users", "email_1"), "index users.email_1");
        assert_eq!(
            index_key("users.profile", "email_1"),
            "index \"users.profile\".email_1"
        );
    }
}
