use proptest::prelude::*;

use super::super::recording::{exchanges, lines, recorded};
use super::super::report::Report;
use super::super::server;
use super::super::value::{Value, value};
use super::*;

const AFTER: &Bounds = &Bounds::AFTER_AUTH;

/// The arguments of the request at the front, and its bytes, when it comes in these pieces.
type Found = Result<Option<(Vec<Vec<u8>>, usize)>, Error>;

fn scan(input: &[u8], ends: impl IntoIterator<Item = usize>, bounds: &Bounds) -> Found {
    let mut scan = Scan::default();
    for end in ends.into_iter().chain([input.len()]) {
        let front = &input[..end];
        if let Scanned::Whole { bytes } = scan.resume(front, bounds)? {
            assert_eq!(scan.resume(input, bounds), Ok(Scanned::Whole { bytes }));
            assert!(scan.len() == scan.declared() && scan.open().is_none());
            let args = (0..scan.len()).map(|place| scan.arg(front, place).unwrap().to_vec());
            return Ok(Some((args.collect(), bytes)));
        }
        if let Some(open) = scan.open() {
            assert_eq!(open.index, scan.len());
            assert!(open.start <= end && end as u64 <= open.start as u64 + open.bytes + 1);
        }
    }
    Ok(None)
}

/// The same wherever it is cut.
fn whole(input: &[u8], bounds: &Bounds) -> Found {
    let found = scan(input, [], bounds);
    if input.len() < 300 {
        for cut in 0..input.len() {
            assert_eq!(scan(input, [cut], bounds), found, "cut at {cut}");
        }
    }
    assert_eq!(scan(input, 0..input.len(), bounds), found);
    found
}

fn args<const N: usize>(args: [&str; N]) -> Vec<Vec<u8>> {
    args.iter().map(|arg| arg.as_bytes().to_vec()).collect()
}

#[test]
fn a_request_is_an_array_of_strings() {
    let request = b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n*1\r\n";
    assert_eq!(
        whole(request, AFTER),
        Ok(Some((args(["GET", "a\r\nb"]), 23)))
    );
    for end in 0..23 {
        assert_eq!(whole(&request[..end], AFTER), Ok(None));
    }
    assert_eq!(
        whole(b"*1\r\n$0\r\n\r\n", AFTER),
        Ok(Some((args([""]), 10)))
    );
}

#[test]
fn an_empty_request_is_passed_over() {
    for request in [
        &b"*0\r\n"[..],
        b"*-1\r\n",
        b"*-10\r\n",
        b"\r\n",
        b"\n",
        b" \t\r\n",
    ] {
        assert_eq!(whole(request, AFTER), Ok(Some((vec![], request.len()))));
    }
}

// What is not yet whole can be passed on: its place is known.
#[test]
fn the_open_argument_is_known() {
    let mut scan = Scan::default();
    let input = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000\r\nabc";
    assert_eq!(scan.resume(input, AFTER), Ok(Scanned::Incomplete));
    let open = Open {
        index: 2,
        start: 27,
        bytes: 1000,
    };
    assert_eq!(
        (scan.declared(), scan.len(), scan.open()),
        (3, 2, Some(open))
    );
    assert_eq!(scan.arg(input, 1), Some(&b"k"[..]));
    assert_eq!((scan.range(1), scan.arg(input, 2)), (Some(17..18), None));
    assert!(!scan.is_inline());

    scan.reset();
    assert_eq!((scan.declared(), scan.len(), scan.open()), (0, 0, None));
    let whole = Scanned::Whole { bytes: 6 };
    assert_eq!(scan.resume(b"PING\r\nx", AFTER), Ok(whole));
    assert!(scan.is_inline() && scan.arg(b"PING\r\nx", 0) == Some(b"PING"));
    assert_eq!(scan.range(0), None);
}

#[test]
fn inline_requests_are_taken_apart_as_the_server_does() {
    let mut refused = 0;
    for (request, reply) in exchanges(recorded!("inline")) {
        let found = whole(&request, AFTER);
        match value(&reply).unwrap().unwrap().0 {
            Value::Array(texts) => {
                let (args, bytes) = found.unwrap().unwrap();
                let texts: Vec<_> = texts.iter().map(|text| text.bytes().unwrap()).collect();
                assert_eq!(bytes, request.len());
                assert_eq!(args[..3], self::args(["EVAL", "return ARGV", "0"]));
                assert_eq!(args[3..], texts, "{}", request.escape_ascii());
            }
            Value::Error(text) => {
                assert_eq!(text, b"ERR Protocol error: unbalanced quotes in request");
                assert_eq!(found, Err(Error::Quotes), "{}", request.escape_ascii());
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 8);
}

#[test]
fn what_the_server_refuses_is_refused_in_its_words() {
    let mut bounds = AFTER;
    let mut request = Vec::new();
    let mut refused = 0;
    for (mark, bytes) in lines(recorded!("refused")) {
        match mark {
            '#' if bytes == b"before" => bounds = &Bounds::BEFORE_AUTH,
            '#' => bounds = AFTER,
            '>' => request = bytes,
            _ => {
                let shown = request.escape_ascii();
                let found = whole(&request, bounds);
                let Err(error) = found else {
                    assert!(found == Ok(None) && bytes.is_empty(), "{shown}");
                    continue;
                };
                let mut said = Vec::new();
                Report::protocol(error).encode(&mut said);
                // More arguments than older servers took.
                if request != b"*1048577\r\n" || bounds != AFTER {
                    assert_eq!(said, bytes, "{shown}: {}", said.escape_ascii());
                }
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 40);
}

#[test]
fn what_does_not_end_is_not_waited_for() {
    for bounds in [AFTER, &Bounds::BEFORE_AUTH] {
        let line = vec![b'a'; bounds.inline_bytes_max + 1];
        assert_eq!(scan(&line[1..], [], bounds), Ok(None));
        assert_eq!(scan(&line, [], bounds), Err(Error::Inline));
        let ended = [&line[2..], b"\r\n"].concat();
        assert_eq!(scan(&ended, [], bounds), Err(Error::Inline));
        assert!(matches!(scan(&ended[1..], [], bounds), Ok(Some(_))));
        let digits = [b'1'; 40];
        let count = [b"*", &digits[..]].concat();
        assert_eq!(whole(&count, bounds), Err(Error::MultibulkCount));
        let length = [b"*1\r\n$", &digits[..]].concat();
        assert_eq!(whole(&length, bounds), Err(Error::BulkCount));
    }
}

// The server passes over these two bytes. Whoever stands between must not: the next request would
// begin elsewhere for one of them.
#[test]
fn a_line_end_is_cr_and_lf() {
    for request in [
        &b"*1\rx$1\r\na\r\n"[..],
        b"*1\r\n$1\rxa\r\n",
        b"*1\r\n$1\r\nab\n",
        b"*1\r\n$1\r\na\r\r",
    ] {
        assert_eq!(
            whole(request, AFTER),
            Err(Error::LineEnd),
            "{}",
            request.escape_ascii()
        );
    }
    assert_eq!(bulk_header(b"$1\rx", AFTER), Err(Error::LineEnd));
}

#[test]
fn a_head_is_read_alone() {
    assert_eq!(bulk_header(b"$10\r\nabc", AFTER), Ok(Some((10, 5))));
    for end in 0..5 {
        assert_eq!(bulk_header(&b"$10\r\n"[..end], AFTER), Ok(None));
    }
    assert_eq!(
        bulk_header(b"$536870912\r\n", AFTER),
        Ok(Some((1 << 29, 12)))
    );
    assert_eq!(bulk_header(b"*1", AFTER), Err(Error::Dollar(b'*')));
    let before = &Bounds::BEFORE_AUTH;
    assert_eq!(bulk_header(b"$16384\r\n", before), Ok(Some((16_384, 8))));
    assert_eq!(
        bulk_header(b"$16385\r\n", before),
        Err(Error::UnauthenticatedBulk)
    );
}

#[test]
fn little_is_kept_for_the_next_request() {
    let request = [&b"*10000\r\n"[..], &b"$0\r\n\r\n".repeat(10_000)].concat();
    let mut scan = Scan::default();
    assert!(matches!(
        scan.resume(&request, AFTER),
        Ok(Scanned::Whole { .. })
    ));
    scan.reset();
    assert!(scan.args.capacity() <= ARGS_KEPT);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        args in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..8),
        cuts in proptest::collection::vec(0_usize..400, 0..4),
        behind in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut request = Vec::new();
        let words: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        server::command(&words, &mut request);
        let bytes = request.len();
        request.extend(behind);
        let mut ends: Vec<usize> = cuts.into_iter().map(|cut| cut.min(request.len())).collect();
        ends.sort_unstable();
        prop_assert_eq!(scan(&request, ends, AFTER), Ok(Some((args, bytes))));
    }

    #[test]
    fn any_bytes_are_read_alike_wherever_they_are_cut(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "*2\r\n", "$3\r\n", "\r\n", "abc", "\r", "\n", "$", "*1\r\n", "\"", "'", "\\x4", " ",
            "-1", "0", "\0",
        ]), 0..12),
    ) {
        let input = pieces.concat();
        for bounds in [AFTER, &Bounds::BEFORE_AUTH] {
            let _ = whole(input.as_bytes(), bounds);
        }
    }

    #[test]
    fn quoted_arguments_are_unquoted(
        args in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..6),
    ) {
        let mut line = Vec::new();
        for arg in &args {
            let hex = arg.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
            line.extend(format!("\"{hex}\" ").into_bytes());
        }
        line.extend(b"\r\n");
        let bytes = line.len();
        prop_assert_eq!(whole(&line, AFTER), Ok(Some((args, bytes))));
    }
}
