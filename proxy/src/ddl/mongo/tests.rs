use super::{Verdict as Ending, *};
use tenantsdb_codecs::mongo::bson::Writer;
use tenantsdb_codecs::mongo::command::{Verdict, decide};
use tenantsdb_codecs::mongo::op_msg::{Flags, Message, write_with};

fn command(name: &str, target: &str, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.str(name, target).str("$db", "myapp_dev");
    fill(&mut writer);
    writer.finish()
}

fn effect_of(bytes: &[u8]) -> Effect {
    effect_with(Document::whole(bytes).unwrap(), &[])
}

fn effect_with(body: Document<'_>, sequences: Sequences<'_, '_>) -> Effect {
    let request = Request::read(body).unwrap();
    let Verdict::Forward(facts) = decide(&request, "myapp_dev", true).unwrap() else {
        panic!("it goes on");
    };
    effect(&request, &facts, sequences).unwrap()
}

fn made(bytes: &[u8]) -> Option<String> {
    match effect_of(bytes) {
        Effect::MayCreate(implicit) => Some(implicit.text),
        Effect::None => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_statement_is_the_command_without_how_it_is_run() {
    let bytes = command("create", "users", |w| {
        w.bool("capped", true).i64("size", 4096);
        w.document("lsid", |w| _ = w.binary("id", 4, &[7; 16]));
        w.i64("txnNumber", 1).i32("maxTimeMS", 5);
        w.document("$clusterTime", |_| {})
            .document("writeConcern", |_| {});
        w.str("comment", "why");
    });
    let Effect::Structural(structural) = effect_of(&bytes) else {
        panic!("create is structural");
    };
    let expected = r#"{"create":"users","capped":true,"size":{"$numberLong":"4096"}}"#;
    assert_eq!(structural.text, expected);
    assert_eq!(
        (structural.makes.as_deref(), structural.may_create),
        (Some("users"), None)
    );
}

#[test]
fn sequences_are_arrays_of_the_statement() {
    let body = command("createIndexes", "users", |_| {});
    let mut index = Writer::new();
    index.document("key", |w| _ = w.i32("email", 1));
    index.str("name", "email_1");
    let mut message = Vec::new();
    let sequence = [("indexes", &[index.finish()][..])];
    write_with(1, 0, Flags::NONE, &body, &sequence, &mut message);
    let message = Message::read(&message).unwrap();
    let sequences: Vec<_> = message.sequences().collect();
    let Effect::Structural(structural) = effect_with(message.body, &sequences) else {
        panic!("createIndexes is structural");
    };
    assert_eq!(
        structural.text,
        concat!(
            r#"{"createIndexes":"users","indexes":[{"key":{"email":{"$numberInt":"1"}},"#,
            r#""name":"email_1"}]}"#
        )
    );
    assert_eq!(structural.may_create.unwrap().text, r#"{"create":"users"}"#);
}

#[test]
fn a_statement_that_is_too_long_or_no_text_has_no_words() {
    let long = " ".repeat(STATEMENT_BYTES_MAX);
    for bytes in [
        command("create", "a", |w| _ = w.str("long", &long)),
        command("create", "a", |w| _ = w.raw("s", 2, b"\x02\0\0\0\xff\0")),
    ] {
        assert!(matches!(effect_of(&bytes), Effect::Structural(s) if s.text.is_empty()));
    }
}

#[test]
fn writes_may_make_the_collection_that_they_write_to() {
    let create = |name: &str| Some(format!(r#"{{"create":"{name}"}}"#));
    let plain = |name: &str| made(&command(name, "a", |_| {}));
    assert_eq!(plain("insert"), create("a"));
    assert_eq!(plain("update"), create("a"));
    for name in [
        "find",
        "delete",
        "count",
        "aggregate",
        "mapReduce",
        "findAndModify",
    ] {
        assert_eq!(plain(name), None, "{name}");
    }
    let upsert = command("findAndModify", "a", |w| _ = w.bool("upsert", true));
    assert_eq!(made(&upsert), create("a"));
    // Not the user's.
    assert_eq!(made(&command("insert", "system.js", |_| {})), None);
    assert_eq!(
        effect_of(&command("bulkWrite", "x", |_| {})),
        Effect::MayCreateAny
    );
    let reduce = command("mapReduce", "a", |w| {
        w.document("out", |w| _ = w.str("merge", "b"));
    });
    assert_eq!(made(&reduce), create("b"));
}

#[test]
fn a_pipeline_may_make_the_collection_of_its_last_stage() {
    let pipeline = |fill: &dyn Fn(&mut Writer)| {
        let bytes = command("aggregate", "a", |w| {
            w.array("pipeline", |stages| {
                stages.document(|w| _ = w.document("$match", |_| {}));
                stages.document(fill);
            });
        });
        made(&bytes)
    };
    let out = r#"{"create":"b"}"#;
    assert_eq!(pipeline(&|w| _ = w.str("$out", "b")).as_deref(), Some(out));
    assert_eq!(
        pipeline(&|w| _ = w.str("$merge", "b")).as_deref(),
        Some(out)
    );
    let into = |w: &mut Writer| _ = w.document("$merge", |w| _ = w.str("into", "b"));
    assert_eq!(pipeline(&into).as_deref(), Some(out));
    assert_eq!(pipeline(&|w| _ = w.str("$count", "b")), None);
    let series = pipeline(&|w| {
        w.document("$out", |w| {
            w.str("db", "myapp_dev").str("coll", "b");
            w.document("timeseries", |w| _ = w.str("timeField", "t"));
        });
    });
    let expected = r#"{"create":"b","timeseries":{"timeField":"t"}}"#;
    assert_eq!(series.as_deref(), Some(expected));
}

#[test]
fn the_reply_says_what_took_effect() {
    let of = |fill: &dyn Fn(&mut Writer)| {
        let mut writer = Writer::new();
        fill(&mut writer);
        verdict(Document::whole(&writer.finish()).unwrap()).unwrap()
    };
    assert_eq!(of(&|w| _ = w.f64("ok", 1.0)), Ending::Done);
    assert_eq!(
        of(&|w| _ = w.f64("ok", 0.0).i32("code", 48)),
        Ending::Nothing
    );
    // An index build that was interrupted may go on.
    assert_eq!(
        of(&|w| _ = w.f64("ok", 0.0).i32("code", 11602)),
        Ending::Unknown
    );
    assert_eq!(of(&|w| _ = w.f64("ok", 0.0)), Ending::Unknown);
    let concern = |w: &mut Writer| _ = w.document("writeConcernError", |_| {}).f64("ok", 1.0);
    assert_eq!(of(&concern), Ending::Unknown);
    let indexes = |before: i32, after: i32| {
        of(&move |w: &mut Writer| {
            w.i32("numIndexesBefore", before)
                .i32("numIndexesAfter", after);
            w.i32("ok", 1);
        })
    };
    assert_eq!(indexes(2, 2), Ending::Nothing);
    assert_eq!(indexes(1, 2), Ending::Done);
}
