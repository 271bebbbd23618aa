//! MongoDB Extended JSON v2, canonical
//! (<https://github.com/mongodb/specifications/blob/master/source/extended-json/extended-json.md>),
//! with the order of fields kept: of a command the first is its name, of an index the order is
//! what it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mongodb::bson::{Bson, Document};

/// The document as canonical Extended JSON, without white space.
pub(crate) fn write(document: &Document) -> String {
    let mut out = String::new();
    write_document(document, &mut out);
    out
}

/// Reads canonical or relaxed Extended JSON.
pub(crate) fn read(text: &str) -> Result<Document, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn write_document(document: &Document, out: &mut String) {
    out.push('{');
    for (place, (key, value)) in document.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        string(key, out);
        out.push(':');
        write_value(value, out);
    }
    out.push('}');
}

fn write_value(value: &Bson, out: &mut String) {
    match value {
        Bson::Document(document) => write_document(document, out),
        Bson::Array(values) => {
            out.push('[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write_value(value, out);
            }
            out.push(']');
        }
        Bson::String(text) => string(text, out),
        Bson::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Bson::Null => out.push_str("null"),
        Bson::Int32(number) => wrapped("$numberInt", &number.to_string(), out),
        Bson::Int64(number) => wrapped("$numberLong", &number.to_string(), out),
        Bson::Double(number) => wrapped("$numberDouble", &double(*number), out),
        Bson::Decimal128(number) => wrapped("$numberDecimal", &number.to_string(), out),
        Bson::ObjectId(id) => wrapped("$oid", &id.to_hex(), out),
        Bson::Symbol(text) => wrapped("$symbol", text, out),
        Bson::DateTime(at) => {
            out.push_str("{\"$date\":");
            wrapped("$numberLong", &at.timestamp_millis().to_string(), out);
            out.push('}');
        }
        Bson::RegularExpression(regex) => {
            out.push_str("{\"$regularExpression\":{\"pattern\":");
            string(regex.pattern.as_str(), out);
            out.push_str(",\"options\":");
            string(regex.options.as_str(), out);
            out.push_str("}}");
        }
        Bson::Binary(binary) => {
            out.push_str("{\"$binary\":{\"base64\":");
            string(&STANDARD.encode(&binary.bytes), out);
            out.push_str(",\"subType\":");
            string(&format!("{:02x}", u8::from(binary.subtype)), out);
            out.push_str("}}");
        }
        Bson::Timestamp(at) => {
            let text = format!(
                "{{\"$timestamp\":{{\"t\":{},\"i\":{}}}}}",
                at.time, at.increment
            );
            out.push_str(&text);
        }
        Bson::JavaScriptCode(code) => wrapped("$code", code, out),
        Bson::JavaScriptCodeWithScope(code) => {
            out.push_str("{\"$code\":");
            string(&code.code, out);
            out.push_str(",\"$scope\":");
            write_document(&code.scope, out);
            out.push('}');
        }
        Bson::MinKey => out.push_str("{\"$minKey\":1}"),
        Bson::MaxKey => out.push_str("{\"$maxKey\":1}"),
        Bson::Undefined => out.push_str("{\"$undefined\":true}"),
        // Deprecated, and in no schema.
        Bson::DbPointer(_) => out.push_str("null"),
    }
}

fn wrapped(kind: &str, text: &str, out: &mut String) {
    out.push('{');
    string(kind, out);
    out.push(':');
    string(text, out);
    out.push('}');
}

fn string(text: &str, out: &mut String) {
    // Writing a string to memory cannot fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

fn double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        let sign = if number < 0.0 { "-" } else { "" };
        return format!("{sign}Infinity");
    }
    // `1.0`, as the specification writes it.
    format!("{number:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

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
