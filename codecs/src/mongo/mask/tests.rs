use proptest::prelude::*;

use super::*;
use crate::mongo::bson::validate;
use crate::mongo::json;

/// `{$lookup: {pipeline: [inner]}}`, so many times.
fn nested(levels: usize, inner: &Document<'_>) -> Vec<u8> {
    let mut stage = inner.bytes().to_vec();
    for _ in 0..levels {
        let mut outer = Writer::new();
        outer.document("$lookup", |lookup| {
            lookup.array("pipeline", |pipeline| {
                _ = pipeline.value(&Value::Document(Document::whole(&stage).unwrap()));
            });
        });
        stage = outer.finish();
    }
    stage
}

fn stage(name: &str) -> Vec<u8> {
    let mut stage = Writer::new();
    stage.document(name, |_| {});
    stage.finish()
}

fn of(pipeline: &[Vec<u8>]) -> Vec<u8> {
    let mut command = Writer::new();
    command.str("aggregate", "users");
    command.array("pipeline", |array| {
        for stage in pipeline {
            array.value(&Value::Document(Document::whole(stage).unwrap()));
        }
    });
    command.document("cursor", |_| {}).str("$db", "acme");
    command.finish()
}

fn masked(command: &[u8]) -> Option<String> {
    let body = Document::whole(command).unwrap();
    let masked = request(&Request::read(body).unwrap()).unwrap()?;
    assert_eq!(validate(&masked, DEPTH_MAX), Ok(()));
    let text = json::text(Document::whole(&masked).unwrap());
    Some(text.unwrap())
}

#[test]
fn a_stage_that_shows_the_server_is_followed_by_one_that_hides_it() {
    for name in STAGES {
        let plain = of(&[stage(name), stage("$match")]);
        let text = masked(&plain).unwrap();
        let expected =
            format!(r#"[{{"{name}":{{}}}},{{"$set":{{"host":"tenantsdb"}}}},{{"$match":{{}}}}]"#);
        assert!(text.contains(&expected), "{text}");
        let shown = stage(name);
        let inside = nested(3, &Document::whole(&shown).unwrap());
        let text = masked(&of(&[stage("$match"), inside])).unwrap();
        let expected =
            format!(r#""pipeline":[{{"{name}":{{}}}},{{"$set":{{"host":"tenantsdb"}}}}]"#);
        assert!(text.contains(&expected), "{text}");
        assert_eq!(text.matches("$set").count(), 1, "{text}");
    }
}

#[test]
fn other_pipelines_stay_as_they_are() {
    for pipeline in [
        vec![],
        vec![stage("$match"), stage("$group")],
        // No stage: a field of documents.
        vec![stage("collStats"), stage("$coll")],
    ] {
        assert_eq!(masked(&of(&pipeline)), None);
    }
    let mut find = Writer::new();
    find.str("find", "$collStats").str("$db", "acme");
    assert_eq!(masked(&find.finish()), None);
}

#[test]
fn explanations_are_known_by_their_requests() {
    let is_named = |fill: &dyn Fn(&mut Writer)| {
        let mut command = Writer::new();
        fill(&mut command);
        command.str("$db", "acme");
        let command = command.finish();
        let request = Request::read(Document::whole(&command).unwrap());
        is_named_in_reply(&request.unwrap()).unwrap()
    };
    assert!(is_named(&|out| _ = out.document("explain", |_| {})));
    assert!(is_named(
        &|out| _ = out.str("aggregate", "users").bool("explain", true)
    ));
    assert!(!is_named(
        &|out| _ = out.str("aggregate", "users").bool("explain", false)
    ));
    assert!(!is_named(&|out| _ = out.str("aggregate", "users")));
    assert!(!is_named(
        &|out| _ = out.str("find", "users").bool("explain", true)
    ));
}

/// Fields as `explain` of mongod and of mongos has them.
#[test]
fn an_explanation_loses_the_names_and_nothing_else() {
    let server = |out: &mut Writer, host: &str| {
        out.document("serverInfo", |info| {
            info.str("host", host)
                .i32("port", 27_018)
                .str("version", "7.0.14");
        });
    };
    let explanation = |names: [&str; 4], port: i32| {
        let mut out = Writer::new();
        out.document("queryPlanner", |planner| {
            planner.document("parsedQuery", |query| {
                query.document("serverInfo", |info| _ = info.str("host", "mine"));
            });
            planner.document("winningPlan", |plan| {
                plan.array("shards", |shards| {
                    shards.document(|shard| {
                        shard
                            .str("shardName", "rs1")
                            .str("connectionString", names[0]);
                        server(shard, names[1]);
                    });
                });
            });
        });
        out.document("shards", |shards| {
            shards.document("rs1", |shard| _ = shard.str("host", names[2]));
        });
        out.document("command", |command| {
            command.document("filter", |filter| {
                filter
                    .str("host", "mine")
                    .document("serverInfo", |info| _ = info.str("host", "mine"));
            });
        });
        server(&mut out, names[3]);
        out.f64("ok", 1.0);
        let text = json::text(Document::whole(&out.clone().finish()).unwrap()).unwrap();
        (out.finish(), text.replace("27018", &port.to_string()))
    };
    let (shown, _) = explanation(["rs1/db1:27018", "db1", "db1:27018", "db2"], 27_018);
    let hidden = reply(Document::whole(&shown).unwrap()).unwrap();
    assert_eq!(validate(&hidden, DEPTH_MAX), Ok(()));
    let hidden = json::text(Document::whole(&hidden).unwrap()).unwrap();
    let (_, expected) = explanation([HOST; 4], 27_017);
    assert_eq!(hidden, expected);
}

#[test]
fn too_deep_is_too_deep() {
    let shown = stage("$collStats");
    let stage = nested(DEPTH_MAX, &Document::whole(&shown).unwrap());
    let command = of(&[stage]);
    let body = Document::whole(&command).unwrap();
    let refused = request(&Request::read(body).unwrap());
    assert_eq!(refused, Err(Error::Depth(DEPTH_MAX)));
}

proptest! {
    /// What hides nothing changes nothing.
    #[test]
    fn a_document_is_written_again_as_it_was(
        keys in proptest::collection::vec("[a-z]{1,8}", 0..6),
        text in ".{0,20}",
        number: i64,
    ) {
        let mut out = Writer::new();
        for key in &keys {
            out.document(key, |inner| {
                inner.str("text", &text).i64("number", number).array("list", |list| {
                    list.str(&text).i64(number).document(|inner| _ = inner.str("a", &text));
                });
            });
        }
        let document = out.finish();
        let again = reply(Document::whole(&document).unwrap());
        prop_assert_eq!(again, Ok(document));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut document = vec![0; 4];
        document.extend(bytes);
        document.push(0);
        let length = i32::try_from(document.len()).unwrap();
        document[..4].copy_from_slice(&length.to_le_bytes());
        let _ = reply(Document::whole(&document).unwrap());
    }
}
