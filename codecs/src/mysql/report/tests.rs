use proptest::prelude::*;

use super::super::recording::{Recording, recorded};
use super::*;

fn encoded(report: &Report<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sequence = 1;
    report.encode(&mut sequence, &mut out);
    assert_eq!((sequence, out[3]), (2, 1));
    out.split_off(4)
}

#[test]
fn a_refusal_of_a_server_is_read() {
    let recording = Recording::read(recorded!("login-refused-mysql"));
    let body = recording.server(recording.packets.len() - 1);
    assert!(Report::is(&body) && !is_progress(&body));
    let report = Report::decode(&body).unwrap();
    assert_eq!(report.code, Code::ACCESS_DENIED);
    assert_eq!(report.sqlstate.as_str(), "28000");
    assert!(report.text().starts_with("Access denied for user 'app'@"));
    assert_eq!(encoded(&report), body);
}

#[test]
fn before_the_greeting_there_is_no_sqlstate() {
    let report = Report::new(Code::TOO_MANY_CONNECTIONS, "too many connections");
    let mut out = Vec::new();
    report.encode_before_greeting(&mut out);
    assert_eq!(out, b"\x17\0\0\0\xff\x10\x04too many connections");
    assert_eq!(Report::decode(&out[4..]), Ok(report));
    assert_eq!(encoded(&report), b"\xff\x10\x04#08004too many connections");
}

#[test]
fn progress_reports_are_told_from_errors() {
    let recording = Recording::read(recorded!("progress-report-mariadb"));
    for packet in [1, 2] {
        assert!(is_progress(&recording.server(packet)));
    }
    assert!(!is_progress(&recording.server(3)));
    assert!(!is_progress(b"\xff\xff"));
}

#[test]
fn malformed_errors_are_refused_by_what_is_wrong() {
    for (body, error) in [
        (&b""[..], Error::Invalid("error header")),
        (b"\0\x15\x04#28000x", Error::Invalid("error header")),
        (b"\xff", Error::Truncated("error code")),
        (b"\xff\x15", Error::Truncated("error code")),
        (b"\xff\x15\x04#2800", Error::Truncated("SQLSTATE")),
        (b"\xff\x15\x04#28\x00000", Error::Invalid("SQLSTATE")),
        (b"\xff\x15\x04#28 00x", Error::Invalid("SQLSTATE")),
    ] {
        assert_eq!(Report::decode(body), Err(error), "{}", body.escape_ascii());
    }
    let report = Report::decode(b"\xff\x15\x04").unwrap();
    assert_eq!(
        (report.code, report.text()),
        (Code::ACCESS_DENIED, "".into())
    );
}

#[test]
fn a_refusal_always_gets_out() {
    let long = "ä".repeat(1_000);
    let body = encoded(&Report::new(Code::UNKNOWN, &long));
    let report = Report::decode(&body).unwrap();
    assert_eq!(report.text(), "ä".repeat(255), "cut between characters");
    let body = encoded(&Report::new(Code::UNKNOWN, "one\0two"));
    assert_eq!(Report::decode(&body).unwrap().text(), "one");
    let body = encoded(&Report {
        message: &[0xff; 600],
        ..report
    });
    assert_eq!(Report::decode(&body).unwrap().message, [0xff; 511]);
}

proptest! {
    #[test]
    fn errors_are_written_and_read(code in any::<u16>(), message in "[^\0]{0,200}") {
        let report = Report::new(Code(code), &message);
        let body = encoded(&report);
        let read = Report::decode(&body).unwrap();
        prop_assert_eq!((read.code, read.sqlstate), (report.code, report.sqlstate));
        prop_assert!(message.as_bytes().starts_with(read.message));
    }

    #[test]
    fn no_body_makes_a_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = (Report::decode(&body), is_progress(&body), Report::is(&body));
        let body = [&b"\xff"[..], &body].concat();
        if let Ok(report) = Report::decode(&body) {
            let _ = report.text();
        }
    }
}
