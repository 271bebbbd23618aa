//! All objects of a MySQL schema at one moment.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The objects of a schema, by key, each with its normalised definition.
///
/// A key is a kind and a name: `table users`, `view v`, `trigger t`, `procedure p`, `function f`,
/// `event e`, `sequence s`, `package p`, `package-body p`. Two kinds are no objects: `schema` has
/// the schema's own defaults, `order users` says in which order the triggers of a table fire, where
/// several have the same moment.
///
/// A definition is what `SHOW CREATE` gives, without what differs from database to database
/// (definer, own name, counter of `AUTO_INCREMENT`). What a view or a program depends on besides
/// its text stands before it, a line each (`sql_mode=…`), and an empty line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Snapshot(pub BTreeMap<String, String>);

// === impl Snapshot ===

impl Snapshot {
    /// SHA-256 of all of it, in hex: two schemas with the same one have the same objects.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (key, definition) in &self.0 {
            for part in [key, definition] {
                hash.update(part.as_bytes());
                // In no name and in no definition.
                hash.update([0]);
            }
        }
        hex(&hash.finalize())
    }

    /// SHA-256 of an object's definition, in hex, if the object is there.
    #[must_use]
    pub fn digest_of(&self, key: &str) -> Option<String> {
        let definition = self.0.get(key)?;
        Some(hex(&Sha256::digest(definition.as_bytes())))
    }

    /// Keys of what was made, dropped or changed between this one and `after`, sorted.
    #[must_use]
    pub fn changed(&self, after: &Self) -> Vec<String> {
        let keys: BTreeSet<&String> = self.0.keys().chain(after.0.keys()).collect();
        keys.into_iter()
            .filter(|key| self.0.get(*key) != after.0.get(*key))
            .cloned()
            .collect()
    }

    /// The name in a key; empty for `schema`.
    #[must_use]
    pub fn name_of(key: &str) -> &str {
        key.split_once(' ').map_or("", |(_, name)| name)
    }

    /// The kind in a key.
    #[must_use]
    pub fn kind_of(key: &str) -> &str {
        key.split_once(' ').map_or(key, |(kind, _)| kind)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(objects: &[(&str, &str)]) -> Snapshot {
        let owned = |(key, text): &(&str, &str)| ((*key).to_owned(), (*text).to_owned());
        Snapshot(objects.iter().map(owned).collect())
    }

    #[test]
    fn what_was_made_dropped_or_changed_is_named() {
        let before = snapshot(&[("schema", "a"), ("table t", "x"), ("view v", "y")]);
        let after = snapshot(&[("schema", "a"), ("table t", "z"), ("table u", "x")]);
        assert_eq!(before.changed(&after), ["table t", "table u", "view v"]);
        assert!(before.changed(&before).is_empty());
        assert_ne!(before.digest(), after.digest());
    }

    #[test]
    fn names_and_definitions_do_not_run_together_in_the_digest() {
        let one = snapshot(&[("table a", "b"), ("table c", "d")]);
        let other = snapshot(&[("table a", "bt"), ("table c", "d")]);
        let third = snapshot(&[("table ab", ""), ("table c", "d")]);
        assert_ne!(one.digest(), other.digest());
        assert_ne!(one.digest(), third.digest());
    }

    #[test]
    fn a_key_is_a_kind_and_a_name_that_may_have_spaces() {
        assert_eq!(Snapshot::name_of("table my table"), "my table");
        assert_eq!(Snapshot::kind_of("table my table"), "table");
        assert_eq!(
            (Snapshot::name_of("schema"), Snapshot::kind_of("schema")),
            ("", "schema")
        );
        assert!(snapshot(&[("table t", "x")]).digest_of("table u").is_none());
    }
}
