//! Commands of MongoDB as people write them in mongosh: `db.users.createIndex({email: 1})`.

use std::fmt::Write as _;

use mongodb::bson::{Bson, Document};

use crate::blueprint::mongo::json;

/// A command in Extended JSON as the shell's own words; `None` if it is none.
pub(super) fn shell(command: &str) -> Option<String> {
    if !command.starts_with('{') {
        return None;
    }
    let command = json::read(command).ok()?;
    let (name, target) = command.iter().next()?;
    let target = target.as_str()?;
    let rest = |without: &[&str]| {
        let mut rest = command.clone();
        rest.remove(name);
        for key in without {
            rest.remove(key);
        }
        rest
    };
    let text = match name.as_str() {
        "create" if command.contains_key("viewOn") => {
            let on = command.get_str("viewOn").ok()?;
            let pipeline = command
                .get("pipeline")
                .map_or_else(|| "[]".to_owned(), value);
            let (view, on) = (quoted(target), quoted(on));
            let more = options(&rest(&["viewOn", "pipeline"]));
            format!("db.createView({view}, {on}, {pipeline}{more})")
        }
        "create" => format!(
            "db.createCollection({}{})",
            quoted(target),
            options(&rest(&[]))
        ),
        "drop" => format!("{}.drop()", collection(target)),
        "createIndexes" => indexes(target, &command, &rest(&["indexes"]))?,
        "dropIndexes" | "deleteIndexes" => match command.get("index")? {
            Bson::String(all) if all == "*" => format!("{}.dropIndexes()", collection(target)),
            Bson::Array(some) => {
                format!(
                    "{}.dropIndexes({})",
                    collection(target),
                    value(&some.clone().into())
                )
            }
            one => format!("{}.dropIndex({})", collection(target), value(one)),
        },
        "renameCollection" => {
            let bare = |name: &str| {
                name.split_once('.')
                    .map_or(name, |(_, name)| name)
                    .to_owned()
            };
            let to = quoted(&bare(command.get_str("to").ok()?));
            let drops = command.get_bool("dropTarget").unwrap_or(false);
            let drops = if drops { ", true" } else { "" };
            format!(
                "{}.renameCollection({to}{drops})",
                collection(&bare(target))
            )
        }
        _ => format!("db.runCommand({})", document(&command)),
    };
    Some(text)
}

fn indexes(target: &str, command: &Document, rest: &Document) -> Option<String> {
    let indexes = command.get_array("indexes").ok()?;
    if !rest.is_empty() {
        return Some(format!("db.runCommand({})", document(command)));
    }
    let mut lines = Vec::new();
    for index in indexes {
        let mut index = index.as_document()?.clone();
        let key = index.remove("key")?;
        if index
            .get_str("name")
            .is_ok_and(|name| name == default_name(&key))
        {
            index.remove("name");
        }
        let more = options(&index);
        lines.push(format!(
            "{}.createIndex({}{more})",
            collection(target),
            value(&key)
        ));
    }
    Some(lines.join("\n"))
}

/// The name that drivers give an index that has none: `a_1_b_-1`.
fn default_name(key: &Bson) -> String {
    let fields = key.as_document().into_iter().flatten();
    let each = fields.map(|(field, kind)| match kind {
        Bson::String(kind) => format!("{field}_{kind}"),
        kind => format!("{field}_{}", value(kind)),
    });
    each.collect::<Vec<String>>().join("_")
}

fn options(rest: &Document) -> String {
    match rest.is_empty() {
        true => String::new(),
        false => format!(", {}", document(rest)),
    }
}

fn collection(name: &str) -> String {
    match is_identifier(name) {
        true => format!("db.{name}"),
        false => format!("db.getCollection({})", quoted(name)),
    }
}

fn is_identifier(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() && name.chars().all(plain)
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn document(document: &Document) -> String {
    let mut text = "{".to_owned();
    for (place, (key, one)) in document.iter().enumerate() {
        let comma = if place > 0 { ", " } else { "" };
        let key = match is_identifier(key) {
            true => key.clone(),
            false => quoted(key),
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{key}: {}", value(one));
    }
    text.push('}');
    text
}

fn value(one: &Bson) -> String {
    match one {
        Bson::Document(inner) => document(inner),
        Bson::Array(values) => {
            let values: Vec<String> = values.iter().map(value).collect();
            format!("[{}]", values.join(", "))
        }
        Bson::String(text) => quoted(text),
        Bson::Int32(number) => number.to_string(),
        Bson::Double(number) => number.to_string(),
        Bson::Int64(number) => format!("Long(\"{number}\")"),
        Bson::Boolean(value) => value.to_string(),
        Bson::Null => "null".to_owned(),
        Bson::DateTime(at) => match at.try_to_rfc3339_string() {
            Ok(text) => format!("ISODate(\"{text}\")"),
            Err(_) => format!("new Date({})", at.timestamp_millis()),
        },
        Bson::ObjectId(id) => format!("ObjectId(\"{id}\")"),
        Bson::Decimal128(number) => format!("Decimal128(\"{number}\")"),
        Bson::RegularExpression(regex) => {
            format!(
                "RegExp({}, {})",
                quoted(regex.pattern.as_str()),
                quoted(regex.options.as_str())
            )
        }
        Bson::MinKey => "MinKey()".to_owned(),
        Bson::MaxKey => "MaxKey()".to_owned(),
        // Rare in a schema: the shell reads it from the text of the specification.
        other => {
            let wrapped = Document::from_iter([("value".to_owned(), other.clone())]);
            format!("EJSON.parse({}).value", quoted(&json::write(&wrapped)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_people_write_them() {
        for (command, shown) in [
            (r#"{"create":"users"}"#, r#"db.createCollection("users")"#),
            (
                r#"{"create":"log","capped":true,"size":{"$numberDouble":"4096.0"}}"#,
                r#"db.createCollection("log", {capped: true, size: 4096})"#,
            ),
            (
                r#"{"create":"v","viewOn":"users","pipeline":[{"$match":{"a.b":1}}]}"#,
                r#"db.createView("v", "users", [{$match: {"a.b": 1}}])"#,
            ),
            (
                concat!(
                    r#"{"createIndexes":"users","indexes":[{"key":{"email":{"$numberInt":"1"}},"#,
                    r#""name":"email_1","unique":true},{"key":{"a":1},"name":"x"}]}"#
                ),
                concat!(
                    "db.users.createIndex({email: 1}, {unique: true})\n",
                    r#"db.users.createIndex({a: 1}, {name: "x"})"#
                ),
            ),
            (
                r#"{"dropIndexes":"a b","index":"email_1"}"#,
                r#"db.getCollection("a b").dropIndex("email_1")"#,
            ),
            (
                r#"{"renameCollection":"a_dev.x","to":"a_dev.y.z"}"#,
                r#"db.x.renameCollection("y.z")"#,
            ),
            (
                r#"{"collMod":"users","validator":{}}"#,
                r#"db.runCommand({collMod: "users", validator: {}})"#,
            ),
        ] {
            assert_eq!(shell(command).as_deref(), Some(shown));
        }
        assert_eq!(shell("CREATE TABLE t (id int)"), None);
        assert_eq!(shell("{}"), None);
    }
}
