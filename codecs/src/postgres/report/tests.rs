use proptest::prelude::*;

use super::*;

const FULL: Report<'_> = Report {
    severity: Severity::Fatal,
    sqlstate: SqlState::INVALID_PASSWORD,
    message: "password authentication failed for user \"bob\"",
    detail: Some("Detail."),
    hint: Some("Hint."),
};

/// The ErrorResponse of PostgreSQL 15 for a role that does not exist.
const FROM_SERVER: &[u8] = include_bytes!("../../../testdata/postgres/error_role_missing.bin");

#[test]
fn reports_are_written_and_read() {
    let mut bytes = Vec::new();
    FULL.encode_error(&mut bytes);
    assert_eq!(bytes[0], b'E');
    let fields = Fields::new(&bytes[5..]);
    assert_eq!(fields.check(), Ok(()));
    assert_eq!(fields.sqlstate(), Some(FULL.sqlstate));
    assert_eq!(fields.message(), Some(FULL.message));
    assert_eq!(
        (fields.get(b'D'), fields.get(b'H')),
        (FULL.detail, FULL.hint)
    );
    assert_eq!(
        (fields.get(b'S'), fields.get(b'V')),
        (Some("FATAL"), Some("FATAL"))
    );
    assert!(fields.is_fatal());

    let mut bytes = Vec::new();
    let notice = Report {
        severity: Severity::Notice,
        sqlstate: SqlState::SUCCESS,
        message: "x",
        detail: None,
        hint: None,
    };
    notice.encode_notice(&mut bytes);
    assert_eq!(bytes, b"N\0\0\0\x1fSNOTICE\0VNOTICE\0C00000\0Mx\0\0");
}

#[test]
fn the_servers_own_error_is_read() {
    let fields = Fields::new(&FROM_SERVER[5..]);
    assert_eq!(fields.check(), Ok(()));
    assert_eq!(fields.sqlstate(), Some(SqlState::INVALID_AUTHORIZATION));
    assert_eq!(fields.message(), Some("role \"nobody\" does not exist"));
    assert_eq!(fields.get(b'R'), Some("InitializeSessionUserId"));
    assert!(fields.is_fatal());
}

// An ErrorResponse without SQLSTATE stopped a pooler (CVE-2026-6666).
#[test]
fn missing_fields_are_missing_and_no_more() {
    for body in [
        &b""[..],
        b"\0",
        b"M",
        b"Mx",
        b"Sx\0",
        b"Sx\0\0",
        b"Sx\0\0Cxxxxx\0\0",
    ] {
        let fields = Fields::new(body);
        assert_eq!(fields.sqlstate(), None, "{}", body.escape_ascii());
        assert_eq!(fields.message(), None, "{}", body.escape_ascii());
        assert!(!fields.is_fatal());
    }
    for code in ["", "28P0", "28P011", "28p01", "28 01"] {
        let body = format!("C{code}\0\0");
        assert_eq!(Fields::new(body.as_bytes()).sqlstate(), None, "{code}");
    }
    let latin = Fields::new(b"M\xe9chec\0C28P01\0\0");
    assert_eq!(latin.message(), None);
    assert_eq!(latin.raw(b'M'), Some(&b"\xe9chec"[..]));
    assert_eq!(latin.sqlstate(), Some(SqlState::INVALID_PASSWORD));
}

#[test]
fn the_layout_can_be_checked() {
    const FIELD: &str = "report";
    assert_eq!(Fields::new(b"\0").check(), Ok(()));
    assert_eq!(Fields::new(b"").check(), Err(Error::Terminator(FIELD)));
    assert_eq!(Fields::new(b"Mx\0").check(), Err(Error::Terminator(FIELD)));
    assert_eq!(Fields::new(b"Mx\0\0y").check(), Err(Error::Trailing(FIELD)));
    let field = Err(Error::Terminator("report field"));
    assert_eq!(Fields::new(b"Mx").check(), field);
}

#[test]
fn texts_are_cut_rather_than_the_report_lost() {
    let long = "é".repeat(REPORT_FIELD_BYTES_MAX);
    let mut bytes = Vec::new();
    let report = Report {
        message: &long,
        detail: Some("a\0Mb"),
        ..FULL
    };
    report.encode_error(&mut bytes);
    let fields = Fields::new(&bytes[5..]);
    assert_eq!(fields.check(), Ok(()));
    assert_eq!(fields.message().map(str::len), Some(REPORT_FIELD_BYTES_MAX));
    assert_eq!(fields.get(b'D'), Some("a"));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        message in "[^\0]{0,50}",
        detail in proptest::option::of("[^\0]{0,50}"),
        hint in proptest::option::of("[^\0]{0,50}"),
    ) {
        let report = Report {
            message: &message,
            detail: detail.as_deref(),
            hint: hint.as_deref(),
            ..FULL
        };
        let mut bytes = Vec::new();
        report.encode_error(&mut bytes);
        let fields = Fields::new(&bytes[5..]);
        prop_assert_eq!(fields.message(), Some(report.message));
        prop_assert_eq!(fields.get(b'D'), report.detail);
        prop_assert_eq!(fields.get(b'H'), report.hint);
    }

    #[test]
    fn no_body_makes_a_reader_panic(
        body in proptest::collection::vec(prop_oneof![Just(0), Just(b'C'), any::<u8>()], 0..60),
    ) {
        let fields = Fields::new(&body);
        let _ = (fields.sqlstate(), fields.message(), fields.is_fatal(), fields.check());
        prop_assert!(fields.iter().count() <= body.len());
    }
}
