use super::super::recording::{exchanges, recorded};
use super::*;

fn encoded(report: &Report<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    report.encode(&mut out);
    out
}

#[test]
fn the_words_are_those_of_the_server() {
    let replies: Vec<_> = exchanges(recorded!("login")).into_iter().collect();
    for report in [
        Report::NOAUTH,
        Report::HELLO_NOAUTH,
        Report::NOPROTO,
        Report::WRONGPASS,
        Report::SYNTAX,
        Report::arity(b"AUTH"),
    ] {
        let line = encoded(&report);
        assert!(
            replies.iter().any(|(_, reply)| *reply == line),
            "{}",
            line.escape_ascii()
        );
    }
}

#[test]
fn an_error_is_one_line() {
    let report = Report::new(Word::NoPerm, "no\r\n+OK\r\n".to_owned());
    assert_eq!(encoded(&report), b"-NOPERM no  +OK  \r\n");
    let long = Report::new(Word::Err, "ä".repeat(REDIS_REPORT_BYTES_MAX));
    assert_eq!(
        encoded(&long).len(),
        "-ERR \r\n".len() + REDIS_REPORT_BYTES_MAX
    );
    let odd = Report::new(
        Word::Err,
        "x".to_owned() + &"ä".repeat(REDIS_REPORT_BYTES_MAX),
    );
    let line = encoded(&odd);
    assert!(std::str::from_utf8(&line).is_ok() && line.ends_with(b"\r\n"));
    let arity = encoded(&Report::arity(b"g\xff'\r\nt"));
    assert_eq!(arity.iter().filter(|byte| **byte == b'\n').count(), 1);
}
