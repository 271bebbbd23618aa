//! A document, and the same one coming in parts.
//!
//! No walk leaves it; what is valid has the same elements written again; its outline is a document
//! wherever it is cut; what is read of a command of the login, written again, is read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::mongo::Error;
use tenantsdb_codecs::mongo::auth::{SaslContinue, SaslReply, SaslStart};
use tenantsdb_codecs::mongo::bson::{DEPTH_MAX, Document, Outline, Value, Walk, Writer, validate};
use tenantsdb_codecs::mongo::json;
use tenantsdb_codecs::mongo::report::Report;
use tenantsdb_codecs::mongo::startup::{Hello, ServerHello};
use tenantsdb_fuzz::cuts;

fuzz_target!(|data: &[u8]| {
    let whole = outline([data]);
    for cut in cuts(data.len()).take(80) {
        let (front, back) = data.split_at(cut);
        assert_eq!(outline([front, back]), whole, "cut at {cut}");
    }
    assert_eq!(outline(data.chunks(1)), whole);

    let valid = validate(data, DEPTH_MAX);
    if let Ok(()) = valid {
        let (kept, taken) = whole.expect("it is valid");
        assert_eq!(taken, data.len());
        let kept = kept.expect("it is whole");
        assert_eq!(validate(&kept, DEPTH_MAX), Ok(()));
    }
    let Ok((document, bytes)) = Document::read(data) else {
        assert!(valid.is_err());
        return;
    };
    assert_eq!(Document::length(data), Ok(Some(bytes)));
    let passes = validate(&data[..bytes], DEPTH_MAX).is_ok();
    assert_eq!(walk(bytes, data[4..].chunks(data.len())), passes);
    assert_eq!(walk(bytes, data[4..].chunks(3)), passes);
    let mut inside = 5;
    for element in document.elements().filter_map(Result::ok) {
        inside += 2 + element.key.len() + element.bytes.len();
    }
    assert!(inside <= bytes);
    if valid.is_ok() {
        assert_eq!(inside, bytes);
        copied(document);
    }
    commands(document);
});

type Outlined = Result<(Option<Vec<u8>>, usize), Error>;

fn outline<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Outlined {
    let mut outline = Outline::new();
    let mut bytes = 0;
    for chunk in chunks {
        bytes += outline.step(chunk)?;
    }
    let found = outline.document().map(|document| document.bytes().to_vec());
    Ok((found, bytes))
}

/// Whether a document of this length is valid while it passes.
fn walk<'a>(length: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let mut walk = Walk::of(length);
    let mut taken = 4;
    for chunk in chunks {
        match walk.step(chunk) {
            Ok(step) => taken += step,
            Err(_) => return false,
        }
    }
    assert_eq!(walk.is_done(), taken == length);
    walk.is_done()
}

/// Copies a valid document value by value, if its keys are text.
fn copied(document: Document<'_>) {
    let mut writer = Writer::new();
    for element in document.elements() {
        let element = element.expect("it is valid");
        let Ok(name) = element.name() else {
            return;
        };
        let value = element.value();
        assert_eq!(document.get(name).is_ok_and(|found| found.is_some()), true);
        if let Value::Document(inner) | Value::Array(inner) = value {
            assert!(inner.bytes().len() < document.bytes().len());
        }
        writer.value(name, &value);
    }
    assert_eq!(writer.finish(), document.bytes());
}

fn commands(document: Document<'_>) {
    if let Ok(start) = SaslStart::read(document) {
        let again = start.write();
        assert_eq!(SaslStart::read(whole(&again)), Ok(start));
    }
    if let Ok(next) = SaslContinue::read(document) {
        let again = next.write("db");
        assert_eq!(SaslContinue::read(whole(&again)), Ok(next));
    }
    if let Ok(reply) = SaslReply::read(document) {
        let again = reply.write();
        assert_eq!(SaslReply::read(whole(&again)), Ok(reply));
    }
    if let Ok(hello) = Hello::read(document) {
        let (name, _) = document.first().expect("it was read").expect("a name");
        assert!(Hello::is(name) && hello.legacy == (name != "hello"));
    }
    let _ = json::text(document);
    let _ = ServerHello::read(document);
    let _ = Report::read(document);
}

fn whole(bytes: &[u8]) -> Document<'_> {
    Document::whole(bytes).expect("it was written")
}
