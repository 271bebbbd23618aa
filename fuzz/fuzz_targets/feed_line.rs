//! Bytes of the route feed: the same lines wherever the stream is cut, and each written again is
//! read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::feed::stream::{Line, LineError, Lines};
use tenantsdb_fuzz::cuts;

fn lines<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Line>, bool) {
    let mut reader = Lines::default();
    let mut found = Vec::new();
    for chunk in chunks {
        let result: Result<(), LineError> = reader.push(chunk, |line| {
            found.push(line);
            Ok(())
        });
        if result.is_err() {
            return (found, false);
        }
    }
    (found, true)
}

fuzz_target!(|data: &[u8]| {
    let whole = lines([data]);
    for cut in cuts(data.len()) {
        let (front, back) = data.split_at(cut);
        assert_eq!(lines([front, back]), whole, "cut at {cut}");
    }
    for line in whole.0 {
        let mut again = Vec::new();
        // A line of short escapes may be too long when it is written out; then nothing is.
        if line.encode(&mut again).is_err() {
            assert!(again.is_empty());
            continue;
        }
        assert_eq!(again.pop(), Some(b'\n'));
        assert_eq!(Line::decode(&again).expect("it was written"), line);
    }
});
