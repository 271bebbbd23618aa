use proptest::prelude::*;

use super::shell;

/// Text of a command, and what one would type.
const TYPED: &[(&str, &str)] = &[
    (
        r#"{"createIndexes":"users",
            "indexes":[{"key":{"email":{"$numberInt":"1"}},"name":"email_1","unique":true}]}"#,
        "db.users.createIndex({email: 1}, {unique: true})",
    ),
    (
        r#"{"createIndexes":"a-b",
            "indexes":[{"key":{"z.y":1.0,"at":{"$numberDouble":"-1.0"}},"name":"own","v":2}]}"#,
        r#"db.getCollection("a-b").createIndex({"z.y": 1, at: -1}, {name: "own"})"#,
    ),
    (
        r#"{"createIndexes":"c",
            "indexes":[{"key":{"b":1},"name":"b_1"},{"key":{"a":"text"},"name":"a_text"}]}"#,
        r#"db.c.createIndexes([{b: 1}, {a: "text"}])"#,
    ),
    (
        r#"{"createIndexes":"c",
            "indexes":[{"key":{"b":1},"name":"b_1"},{"key":{"a":1},"name":"a_1","sparse":true}]}"#,
        "db.c.createIndex({b: 1}); db.c.createIndex({a: 1}, {sparse: true})",
    ),
    (
        r#"{"createIndexes":"c","indexes":[]}"#,
        r#"db.runCommand({createIndexes: "c", indexes: []})"#,
    ),
    (r#"{"create":"users"}"#, r#"db.createCollection("users")"#),
    (
        r#"{"create":"logs","capped":true,"size":{"$numberLong":"9007199254740993"}}"#,
        r#"db.createCollection("logs", {capped: true, size: NumberLong("9007199254740993")})"#,
    ),
    (
        r#"{"create":"v","viewOn":"users",
            "pipeline":[{"$match":{"a":{"$gt":{"$numberInt":"5"}}}}]}"#,
        r#"db.createView("v", "users", [{$match: {a: {$gt: 5}}}])"#,
    ),
    (
        r#"{"create":"v","viewOn":"users","pipeline":[],"collation":{"locale":"de"}}"#,
        r#"db.createView("v", "users", [], {collation: {locale: "de"}})"#,
    ),
    (r#"{"drop":"users"}"#, "db.users.drop()"),
    (r#"{"drop":"stats"}"#, r#"db.getCollection("stats").drop()"#),
    (
        r#"{"drop":"fs.files"}"#,
        r#"db.getCollection("fs.files").drop()"#,
    ),
    (r#"{"dropDatabase":1}"#, "db.dropDatabase()"),
    (r#"{"dropIndexes":"c","index":"*"}"#, "db.c.dropIndexes()"),
    (
        r#"{"deleteIndexes":"c","index":"a_1"}"#,
        r#"db.c.dropIndex("a_1")"#,
    ),
    (
        r#"{"dropIndexes":"c","index":{"a":1}}"#,
        "db.c.dropIndex({a: 1})",
    ),
    (
        r#"{"dropIndexes":"c","index":["a","b"]}"#,
        r#"db.c.dropIndexes(["a", "b"])"#,
    ),
    (
        r#"{"renameCollection":"a_dev.x.y","to":"a_dev.z"}"#,
        r#"db.getCollection("x.y").renameCollection("z")"#,
    ),
    (
        r#"{"renameCollection":"d.x","to":"d.z","dropTarget":true}"#,
        r#"db.x.renameCollection("z", true)"#,
    ),
    (
        r#"{"collMod":"users","validator":{"$jsonSchema":{"required":["a"]}}}"#,
        r#"db.runCommand({collMod: "users", validator: {$jsonSchema: {required: ["a"]}}})"#,
    ),
    (
        r#"{"convertToCapped":"c","size":{"$numberInt":"4096"}}"#,
        "db.c.convertToCapped(4096)",
    ),
    (
        r#"{"createSearchIndexes":"c",
            "indexes":[{"name":"s","definition":{"mappings":{"dynamic":true}}}]}"#,
        r#"db.c.createSearchIndexes([{name: "s", definition: {mappings: {dynamic: true}}}])"#,
    ),
    (
        r#"{"updateSearchIndex":"c","name":"s","definition":{}}"#,
        r#"db.c.updateSearchIndex("s", {})"#,
    ),
    (
        r#"{"dropSearchIndex":"c","name":"s"}"#,
        r#"db.c.dropSearchIndex("s")"#,
    ),
];

#[test]
fn commands_are_shown_as_they_are_typed() {
    for (text, typed) in TYPED {
        assert_eq!(&shell(text), typed);
    }
}

#[test]
fn every_type_has_its_own_form() {
    for (value, typed) in [
        (
            r#"{"$oid":"5f0000000000000000000000"}"#,
            r#"ObjectId("5f0000000000000000000000")"#,
        ),
        (r#"{"$date":{"$numberLong":"-5"}}"#, "new Date(-5)"),
        (
            r#"{"$date":"2020-01-01T00:00:00Z"}"#,
            r#"ISODate("2020-01-01T00:00:00Z")"#,
        ),
        (r#"{"$numberDecimal":"1.5"}"#, r#"NumberDecimal("1.5")"#),
        (r#"{"$numberDouble":"NaN"}"#, "NaN"),
        (r#"{"$numberDouble":"-Infinity"}"#, "-Infinity"),
        (r#"{"$numberDouble":"1.5"}"#, "1.5"),
        (
            r#"{"$binary":{"base64":"AQ==","subType":"80"}}"#,
            r#"BinData(128, "AQ==")"#,
        ),
        (
            r#"{"$regularExpression":{"pattern":"^a","options":"i"}}"#,
            "/^a/i",
        ),
        (
            r#"{"$regularExpression":{"pattern":"a/b","options":"x"}}"#,
            r#"BSONRegExp("a/b", "x")"#,
        ),
        (r#"{"$timestamp":{"t":1,"i":2}}"#, "Timestamp({t: 1, i: 2})"),
        (r#"{"$code":"f"}"#, r#"Code("f")"#),
        (r#"{"$code":"f","$scope":{"a":1}}"#, r#"Code("f", {a: 1})"#),
        (r#"{"$minKey":1}"#, "MinKey()"),
        (r#"{"$maxKey":1}"#, "MaxKey()"),
        ("null", "null"),
        // Not what it looks like.
        (r#"{"$oid":1}"#, "{$oid: 1}"),
        (r#"{"$gt":1,"$lt":2}"#, "{$gt: 1, $lt: 2}"),
        (
            r#"{"__proto__":1,"a b":"\"\n"}"#,
            r#"{["__proto__"]: 1, "a b": "\"\n"}"#,
        ),
    ] {
        let text = format!(r#"{{"x":{value}}}"#);
        assert_eq!(shell(&text), format!("db.runCommand({{x: {typed}}})"));
    }
}

#[test]
fn what_is_no_command_stays_as_it_is() {
    let deep = "[".repeat(1_000);
    for text in ["", "[1]", "drop users", "{\"a\":", &deep] {
        assert_eq!(shell(text), text);
    }
    assert_eq!(shell("{}"), "db.runCommand({})");
}

#[test]
fn what_a_method_does_not_take_is_a_command() {
    for text in [
        r#"{"drop":"c","x":1}"#,
        r#"{"createIndexes":"c","indexes":[{"key":{"a":1}}],"commitQuorum":1}"#,
        r#"{"renameCollection":"d.x","to":"e.x"}"#,
        r#"{"drop":1}"#,
    ] {
        assert!(shell(text).starts_with("db.runCommand({"), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_shown(text in ".{0,200}") {
        let _ = shell(&text);
    }
}
