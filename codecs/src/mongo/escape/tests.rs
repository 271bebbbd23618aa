use proptest::prelude::*;

use super::*;
use crate::mongo::bson::Writer;

const OWN: &str = "myapp__acme";

/// A document in which each of these stands inside the one before, the last with `db`.
fn nested(path: &[&str], db: &str) -> Vec<u8> {
    fn fill(path: &[&str], db: &str, writer: &mut Writer) {
        match path.split_first() {
            None => {
                writer.str("db", db);
            }
            Some((key, rest)) => match key.strip_suffix("[]") {
                Some(key) => {
                    writer.array(key, |array| {
                        array.i32(1).document(|inner| fill(rest, db, inner));
                    });
                }
                None => {
                    writer.document(key, |inner| fill(rest, db, inner));
                }
            },
        }
    }
    let mut writer = Writer::new();
    fill(path, db, &mut writer);
    writer.finish()
}

fn found(bytes: &[u8]) -> Option<Escape<'_>> {
    find(Document::whole(bytes).unwrap(), OWN).unwrap()
}

/// Where a pipeline may name a database.
const NAMED: &[&[&str]] = &[
    &["pipeline[]", "$out"],
    &["pipeline[]", "$merge"],
    &["pipeline[]", "$merge", "into"],
    &["pipeline[]", "$lookup", "from"],
    &["pipeline[]", "$graphLookup", "from"],
    &["pipeline[]", "$unionWith"],
    &["pipeline[]", "$unionWith", "coll"],
    &["pipeline[]", "$facet", "a[]", "$lookup", "from"],
    &["pipeline[]", "$lookup", "pipeline[]", "$unionWith"],
    &["pipeline[]", "$unionWith", "pipeline[]", "$lookup", "from"],
    &[
        "pipeline[]",
        "$facet",
        "a[]",
        "$unionWith",
        "pipeline[]",
        "$out",
    ],
    &[
        "pipeline[]",
        "$rankFusion",
        "input",
        "pipelines",
        "a[]",
        "$lookup",
        "from",
    ],
    &["explain", "pipeline[]", "$out"],
    &["pipeline[]", "$out", "from"],
];

#[test]
fn a_stage_that_names_another_database_is_found_wherever_it_stands() {
    for path in NAMED {
        assert_eq!(
            found(&nested(path, "other")),
            Some(Escape::Database("other")),
            "{path:?}"
        );
        assert_eq!(found(&nested(path, OWN)), None, "{path:?}");
    }
}

#[test]
fn a_second_name_is_not_hidden_by_the_first() {
    let mut body = Writer::new();
    body.array("pipeline", |stages| {
        stages.document(|stage| {
            stage.document("$out", |out| {
                out.str("db", OWN).str("coll", "c").str("db", "other");
            });
        });
    });
    assert_eq!(found(&body.finish()), Some(Escape::Database("other")));
    let mut body = Writer::new();
    body.array("pipeline", |_| {});
    body.array("pipeline", |stages| {
        stages.document(|stage| {
            stage.document("$lookup", |lookup| {
                lookup.document("from", |from| {
                    from.str("db", OWN).str("db", "other");
                });
            });
        });
    });
    assert_eq!(found(&body.finish()), Some(Escape::Database("other")));
}

#[test]
fn data_that_looks_like_a_stage_is_none() {
    for path in [
        &["pipeline[]", "$match", "db"][..],
        &["pipeline[]", "$addFields", "x", "$literal", "$out"],
        &["pipeline[]", "$merge", "whenMatched[]", "$set"],
        &["documents[]", "from"],
        &["pipeline[]", "$lookup", "let"],
    ] {
        assert_eq!(found(&nested(path, "other")), None, "{path:?}");
    }
}

#[test]
fn a_stage_about_the_whole_server_is_found() {
    for stage in SERVER_WIDE {
        let path = ["pipeline[]", "$facet", "a[]", stage];
        assert_eq!(found(&nested(&path, OWN)), Some(Escape::Stage(stage)));
    }
    // Whatever its value is.
    let mut body = Writer::new();
    body.array("pipeline", |stages| {
        stages.document(|stage| {
            stage.i32("$currentOp", 1);
        });
    });
    assert_eq!(found(&body.finish()), Some(Escape::Stage("$currentOp")));
}

#[test]
fn a_namespace_is_of_the_database_before_its_first_dot() {
    let of = |namespace| in_namespace(Value::String(namespace), OWN);
    assert_eq!(of("myapp__acme.users"), None);
    assert_eq!(of("myapp__acme.other.users"), None);
    assert_eq!(of("myapp__acme"), None);
    assert_eq!(
        of("myapp__acme2.users"),
        Some(Escape::Database("myapp__acme2"))
    );
    assert_eq!(
        of("MyApp__acme.users"),
        Some(Escape::Database("MyApp__acme"))
    );
    assert_eq!(of(""), Some(Escape::Database("")));
    assert_eq!(in_namespace(Value::Int32(1), OWN), None);
}

#[test]
fn a_walk_ends_at_its_greatest_depth() {
    let deep = vec!["a"; DEPTH_MAX - 1];
    assert_eq!(found(&nested(&deep, "other")), None);
    let mut deeper = Writer::new().finish();
    for _ in 0..10_000 {
        let mut around = Writer::new();
        around.document("a", |inner| {
            inner.extend(Document::whole(&deeper).unwrap());
        });
        deeper = around.finish();
    }
    let walked = find(Document::whole(&deeper).unwrap(), OWN);
    assert_eq!(walked, Err(Error::Depth(DEPTH_MAX)));
}

/// Trees of keys that mean something here, and others.
fn paths() -> impl Strategy<Value = Vec<&'static str>> {
    let keys = prop::sample::select(vec![
        "pipeline[]",
        "$facet",
        "a[]",
        "$lookup",
        "from",
        "$merge",
        "into",
        "$out",
        "x",
        "coll",
        "$literal",
        "$unionWith",
    ]);
    prop::collection::vec(keys, 0..30)
}

proptest! {
    #[test]
    fn a_name_counts_where_a_stage_has_it_and_nowhere_else(path in paths()) {
        let stage = |key: &&str| NAMING.contains(key);
        let names = |key: &&str| ["from", "into", "coll"].contains(key);
        let has_name = match path.as_slice() {
            [.., last] if stage(last) => true,
            [.., before, last] => stage(before) && names(last),
            _ => false,
        };
        let is_data = path.contains(&"$literal");
        let bytes = nested(&path, "other");
        let expected = (has_name && !is_data).then_some(Escape::Database("other"));
        prop_assert_eq!(found(&bytes), expected);
    }

    #[test]
    fn one_changed_byte_never_makes_a_walk_panic(
        path in paths(),
        place: prop::sample::Index,
        byte: u8,
    ) {
        let mut bytes = nested(&path, "other");
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok((document, _)) = Document::read(&bytes) {
            let _ = find(document, OWN);
            let _ = in_fields(document, OWN);
        }
    }
}
