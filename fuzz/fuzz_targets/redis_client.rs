//! A stream of what a client of Redis sends.
//!
//! Requests have the same arguments wherever they are cut, and none is refused in one way and not
//! in another; written again, they are read as the same; a refusal is one line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::redis::Error;
use tenantsdb_codecs::redis::client::{Bounds, Scan, Scanned, bulk_header};
use tenantsdb_codecs::redis::report::Report;
use tenantsdb_codecs::redis::server;
use tenantsdb_codecs::redis::startup::{Auth, Hello};
use tenantsdb_fuzz::cuts;

/// The arguments of the request at the front, and its bytes.
type Found = Result<Option<(Vec<Vec<u8>>, usize)>, Error>;

fuzz_target!(|data: &[u8]| {
    for bounds in [&Bounds::BEFORE_AUTH, &Bounds::AFTER_AUTH] {
        let mut rest = data;
        loop {
            let found = scan(rest, [], bounds);
            for cut in cuts(rest.len()).take(80) {
                assert_eq!(scan(rest, [cut], bounds), found, "cut at {cut}");
            }
            if rest.len() < 300 {
                assert_eq!(scan(rest, 0..rest.len(), bounds), found);
            }
            match found {
                Ok(None) => break,
                Ok(Some((args, bytes))) => {
                    check(&args, bounds);
                    rest = &rest[bytes..];
                }
                Err(error) => {
                    one_line(&Report::protocol(error));
                    break;
                }
            }
        }
    }
});

fn scan(input: &[u8], ends: impl IntoIterator<Item = usize>, bounds: &Bounds) -> Found {
    let mut scan = Scan::default();
    for end in ends.into_iter().chain([input.len()]) {
        let front = &input[..end];
        match scan.resume(front, bounds) {
            Ok(Scanned::Incomplete) => {}
            Ok(Scanned::Whole { bytes }) => {
                assert!(bytes <= end && bytes > 0);
                assert_eq!(scan.resume(input, bounds), Ok(Scanned::Whole { bytes }));
                assert_eq!(scan.len(), scan.declared());
                let arg = |place| scan.arg(front, place).expect("it is whole").to_vec();
                return Ok(Some(((0..scan.len()).map(arg).collect(), bytes)));
            }
            Err(error) => {
                assert_eq!(scan.resume(input, bounds), Err(error), "an error stays");
                return Err(error);
            }
        }
        if let Some(open) = scan.open() {
            assert_eq!(open.index, scan.len());
            assert!(open.bytes <= bounds.bulk_bytes_max && open.start <= end);
        }
    }
    Ok(None)
}

fn check(args: &[Vec<u8>], bounds: &Bounds) {
    let words: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    assert!(words.len() <= bounds.args_max);
    let mut again = Vec::new();
    server::command(&words, &mut again);
    let bytes = again.len();
    let same = scan(&again, [], bounds).expect("it was written");
    assert_eq!(same, Some((args.to_vec(), bytes)));
    let Some((name, behind)) = words.split_first() else {
        return;
    };
    let mut argument = Vec::new();
    server::bulk(name, &mut argument);
    let (length, head) = bulk_header(&argument, bounds)
        .expect("it was written")
        .expect("it is whole");
    assert_eq!(
        (length, head + name.len() + 2),
        (name.len() as u64, argument.len())
    );
    let refusals = [Hello::read(behind).err(), Auth::read(behind).err()];
    refusals.iter().flatten().for_each(one_line);
    one_line(&Report::arity(name));
}

fn one_line(report: &Report<'_>) {
    let mut line = Vec::new();
    report.encode(&mut line);
    let text = line.strip_suffix(b"\r\n").expect("a line");
    assert!(!text.contains(&b'\r') && !text.contains(&b'\n') && line[0] == b'-');
}
