//! Captures on their way to control: what is read, written again, is read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::feed::capture::Capture;
use tenantsdb_codecs::sql::survivors;

fuzz_target!(|data: &[u8]| {
    let Ok(capture) = serde_json::from_slice::<Capture>(data) else {
        return;
    };
    let again = serde_json::to_vec(&capture).expect("it was read");
    let again: Capture = serde_json::from_slice(&again).expect("it was written");
    assert_eq!(again, capture);

    let statements = capture.statements.iter();
    let statements: Vec<_> = statements
        .map(|s| (s.text.as_str(), s.tag.as_str()))
        .collect();
    let left = survivors(&statements);
    assert!(left.is_sorted() && left.iter().all(|index| *index < statements.len()));
});
