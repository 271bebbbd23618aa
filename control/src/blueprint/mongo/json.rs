//! Commands as text: canonical Extended JSON, as proxies write it
//! ([`tenantsdb_codecs::mongo::json`]), with the order of fields kept: of a command the first is
//! its name, of an index the order is what it is.

use mongodb::bson::{Document, serialize_to_vec};
use tenantsdb_codecs::mongo::{bson, json};

/// The document as canonical Extended JSON, without white space; empty if it is nested deeper than
/// any server takes.
pub(crate) fn write(document: &Document) -> String {
    let text = |bytes: &[u8]| {
        let (document, _) = bson::Document::read(bytes).ok()?;
        json::text(document).ok()
    };
    let bytes = serialize_to_vec(document).unwrap_or_default();
    text(&bytes).unwrap_or_default()
}

/// Reads canonical or relaxed Extended JSON.
pub(crate) fn read(text: &str) -> Result<Document, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::{Bson, doc};

    #[test]
    fn what_is_written_is_read_again_in_the_same_order() {
        let document = doc! {
            "createIndexes": "users",
            "indexes": [{"key": {"z": 1, "a": -1_i64, "l": "2dsphere"}, "name": "z_1"}],
            "n": Bson::Null, "d": 1.5, "t": true, "a\"b": "c\n",
            "date": mongodb::bson::DateTime::from_millis(-5),
            "binary": Bson::Binary(mongodb::bson::Binary {
                subtype: mongodb::bson::spec::BinarySubtype::Uuid, bytes: vec![1, 2, 3],
            }),
            "regex": Bson::RegularExpression(mongodb::bson::Regex {
                pattern: "^a".try_into().unwrap(), options: "i".try_into().unwrap(),
            }),
        };
        let text = write(&document);
        assert!(
            text.starts_with(r#"{"createIndexes":"users","indexes":[{"key":{"z":{"$numberInt""#)
        );
        assert_eq!(read(&text).unwrap(), document);
        assert!(read("[1]").is_err());
    }
}
