//! What a captured command is about.

use std::collections::BTreeSet;

use mongodb::bson::{Bson, Document, serialize_to_vec};
use tenantsdb_codecs::mongo::command::reaches_engine;
use tenantsdb_codecs::mongo::{bson, escape};

use super::infer::keys_of;
use super::normal::{MARKER, collection_key, index_key, is_left_out, series_index};
use super::{json, search};
use crate::blueprint::Snapshot;

/// Commands that a blueprint consists of.
const STRUCTURAL: &[&str] = &[
    "create",
    "drop",
    "createIndexes",
    "dropIndexes",
    "deleteIndexes",
    "collMod",
    "renameCollection",
    "convertToCapped",
    "createSearchIndexes",
    "updateSearchIndex",
    "dropSearchIndex",
];

/// Fields that are of the moment, not of the schema.
const PASSING: &[&str] = &[
    "lsid",
    "txnNumber",
    "$db",
    "$clusterTime",
    "$readPreference",
    "readConcern",
    "writeConcern",
    "comment",
    "maxTimeMS",
    "apiVersion",
    "apiStrict",
    "apiDeprecationErrors",
    "commitQuorum",
    "startTransaction",
    "autocommit",
];

/// A command of a blueprint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Command {
    /// As the server calls it.
    pub(crate) name: String,
    /// The collection or view that it is about, without its database.
    pub(crate) collection: String,
    /// Of `renameCollection`: the new name.
    pub(crate) to: Option<String>,
    document: Document,
}

/// Whether a blueprint consists of such commands.
pub(crate) fn is_structural(name: &str) -> bool {
    STRUCTURAL.contains(&name)
}

// === impl Command ===

impl Command {
    /// Reads a statement's text, captured in `database`.
    ///
    /// # Errors
    ///
    /// It is no command of a blueprint, or about something else than collections of the database.
    pub(crate) fn read(text: &str, database: &str) -> Result<Self, String> {
        let mut document = json::read(text)?;
        for field in PASSING {
            document.remove(field);
        }
        let Some((name, Bson::String(target))) = document.iter().next() else {
            return Err("this is no command about a collection".to_owned());
        };
        let name = name.clone();
        if !is_structural(&name) {
            return Err(format!("{name} is no command that changes a schema"));
        }
        check_options(&document)?;
        let target = target.clone();
        let (collection, to) = match name.as_str() {
            "renameCollection" => {
                let to = document.get_str("to").unwrap_or_default();
                // Without its database where it was inferred.
                let bare = |namespace: &str| match namespace.split_once('.') {
                    Some((of, name)) if of == database => name.to_owned(),
                    _ => namespace.to_owned(),
                };
                (bare(&target), Some(bare(to)))
            }
            _ => (target, None),
        };
        for name in [Some(&collection), to.as_ref()].into_iter().flatten() {
            if name.is_empty() || name.contains(['$', '\0']) || name == MARKER {
                return Err(format!("\"{name}\" is no collection of a blueprint"));
            }
        }
        Ok(Self {
            name,
            collection,
            to,
            document,
        })
    }

    /// What is sent, and to which database, to have it done in `database`.
    pub(crate) fn sent(&self, database: &str) -> (&'static str, Document) {
        let mut document = self.document.clone();
        let Some(to) = &self.to else {
            return ("", document);
        };
        document.insert(
            "renameCollection",
            format!("{database}.{}", self.collection),
        );
        document.insert("to", format!("{database}.{to}"));
        ("admin", document)
    }

    /// Whether it concerns what is no part of a blueprint.
    pub(crate) fn is_left_out(&self) -> bool {
        is_left_out(&self.collection) || self.to.as_deref().is_some_and(is_left_out)
    }

    /// Whether it builds indexes, which may take long.
    pub(crate) fn builds(&self) -> bool {
        self.name == "createIndexes"
    }

    /// Whether it makes, drops or moves a collection or view, rather than to change it.
    pub(crate) fn is_of_whole(&self) -> bool {
        matches!(
            self.name.as_str(),
            "create" | "drop" | "renameCollection" | "convertToCapped"
        )
    }

    /// Whether an object may be gone because of it.
    pub(crate) fn may_remove(&self, key: &str) -> bool {
        match self.name.as_str() {
            "drop" | "renameCollection" | "convertToCapped" => true,
            "dropIndexes" | "deleteIndexes" | "dropSearchIndex" => {
                !matches!(Snapshot::kind_of(key), "collection" | "view")
            }
            _ => false,
        }
    }

    /// Collections and views that it is about.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        [Some(self.collection.as_str()), self.to.as_deref()]
            .into_iter()
            .flatten()
    }

    /// Keys of all that it makes, changes or drops, given a snapshot of before and one of after.
    pub(crate) fn keys(&self, before: &Snapshot, after: &Snapshot) -> BTreeSet<String> {
        let name = &self.collection;
        let itself = [collection_key(name, false), collection_key(name, true)];
        let mut keys = BTreeSet::from(itself);
        match self.name.as_str() {
            "createIndexes" => {
                let indexes = self.document.get_array("indexes").into_iter().flatten();
                let names = indexes.filter_map(|index| index.as_document()?.get_str("name").ok());
                keys.extend(names.map(|index| index_key(name, index)));
            }
            command if search::is_search(command) => {
                keys.extend(search::keys(&self.document, name, before));
            }
            "create" => {
                let made = series_index(&self.document);
                keys.extend(made.map(|index| index_key(name, &index)));
            }
            "collMod" if !self.document.contains_key("index") => {}
            _ => {
                for name in self.names() {
                    keys.extend(keys_of(before, name));
                    keys.extend(keys_of(after, name));
                    keys.insert(collection_key(name, false));
                }
            }
        }
        keys
    }
}

/// What a proxy lets nobody say, but who wrote the text may have been none.
fn check_options(document: &Document) -> Result<(), String> {
    let bytes = serialize_to_vec(document).map_err(|error| error.to_string())?;
    let read = |error: tenantsdb_codecs::mongo::Error| error.to_string();
    let body = bson::Document::whole(&bytes).map_err(read)?;
    if reaches_engine(body).map_err(read)? {
        return Err("options of the storage engine are for who runs the server".to_owned());
    }
    // No database is called so: any name is another.
    if escape::find(body, "").map_err(read)?.is_some() {
        return Err("a pipeline of a blueprint names no database".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commands_about_collections_of_the_database_are_read() {
        let read = |text: &str| Command::read(text, "a_dev");
        let made = read(r#"{"create":"users","lsid":{"id":1},"$db":"a_dev"}"#).unwrap();
        assert_eq!(made.sent("a__t").1.to_string(), r#"{ "create": "users" }"#);
        let renamed = read(r#"{"renameCollection":"a_dev.x.y","to":"a_dev.z"}"#).unwrap();
        assert_eq!(
            renamed.sent("a__t"),
            (
                "admin",
                json::read(r#"{"renameCollection":"a__t.x.y","to":"a__t.z"}"#).unwrap()
            )
        );
        for text in [
            r#"{"dropDatabase":1}"#,
            r#"{"insert":"users"}"#,
            r#"{"drop":"_tenantsdb"}"#,
            r#"{"create":"$cmd"}"#,
            r#"{"create":1}"#,
            r#"{"create":"x","storageEngine":{"wiredTiger":{"configString":"source=x"}}}"#,
            r#"{"createIndexes":"x","indexes":[{"key":{"a":1},"storageEngine":{}}]}"#,
            r#"{"create":"x","viewOn":"y","pipeline":[{"$unionWith":{"db":"a_dev","coll":"z"}}]}"#,
            "{}",
            "[",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_series_is_made_with_an_index() {
        let create = Command::read(
            r#"{"create":"w","timeseries":{"timeField":"at","metaField":"of"}}"#,
            "a_dev",
        );
        let nothing = Snapshot::default();
        let keys = create.unwrap().keys(&nothing, &nothing);
        assert!(keys.contains("index w.of_1_at_1"), "{keys:?}");
    }

    #[test]
    fn a_collection_is_dropped_with_its_indexes() {
        let before = Snapshot(
            [
                ("collection c".to_owned(), "{}".to_owned()),
                (
                    "index c.i".to_owned(),
                    r#"{"collection":"c","index":{"name":"i"}}"#.to_owned(),
                ),
            ]
            .into(),
        );
        let drop = Command::read(r#"{"drop":"c"}"#, "a_dev").unwrap();
        let keys = drop.keys(&before, &Snapshot::default());
        assert!(keys.contains("index c.i") && keys.contains("collection c"));
    }
}
