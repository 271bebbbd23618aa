use proptest::prelude::*;

use super::super::recording::{Recording, recorded};
use super::*;

fn written(write: impl FnOnce(&mut u8, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sequence = 9;
    write(&mut sequence, &mut out);
    assert_eq!((sequence, out[3]), (10, 9));
    out.split_off(4)
}

#[test]
fn ok_packets_of_servers_are_read() {
    let recording = Recording::read(recorded!("query-attributes-mysql"));
    let body = recording.server(11);
    let ok = Ok::decode(&body).unwrap();
    let status = Status::AUTOCOMMIT.union(Status::SESSION_STATE_CHANGED);
    assert_eq!(ok.status, status, "with session state behind it");

    let recording = Recording::read(recorded!("resultset-text-ok-mariadb"));
    let body = recording.server(8);
    let ok = Ok::decode(&body).unwrap();
    assert_eq!(
        written(|sequence, out| ok.encode_end_of_rows(sequence, out)),
        body
    );
}

#[test]
fn eof_packets_of_servers_are_read() {
    let recording = Recording::read(recorded!("resultset-text-eof-mysql"));
    let body = recording.server(5);
    let eof = Eof::decode(&body).unwrap();
    assert_eq!((eof.warnings, eof.status), (0, Status::AUTOCOMMIT));
    assert_eq!(written(|sequence, out| eof.encode(sequence, out)), body);
}

#[test]
fn prepared_statements_are_read() {
    let recording = Recording::read(recorded!("prepare-and-execute-ok-mysql"));
    let body = recording.server(1);
    let prepared = PrepareOk::decode(&body).unwrap();
    assert_eq!((prepared.columns, prepared.params), (2, 1));
    assert_eq!(
        written(|sequence, out| prepared.encode(sequence, out)),
        body
    );
}

#[test]
fn file_requests_name_the_file() {
    let recording = Recording::read(recorded!("local-infile-ok-mariadb"));
    let body = recording.server(1);
    let request = LocalInfile::decode(&body).unwrap();
    assert_eq!(request.file, b"names.csv");
    assert_eq!(written(|sequence, out| request.encode(sequence, out)), body);
    assert!(LocalInfile::decode(b"").is_err() && LocalInfile::decode(b"\0x").is_err());
}

#[test]
fn rows_of_text_are_taken_apart() {
    let recording = Recording::read(recorded!("resultset-text-eof-mariadb"));
    let values = |packet| {
        let body = recording.server(packet);
        let row: Result<Vec<_>, Error> = text_row(&body)
            .map(|value| value.map(|value| value.map(|v| String::from_utf8(v.to_vec()).unwrap())))
            .collect();
        row.unwrap()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(values(6), [text("1"), text("one"), text("1")]);
    assert_eq!(values(7), [text("2"), text("two"), None]);
    assert_eq!(values(8), [text("3"), text(""), text("3")]);
}

#[test]
fn a_broken_row_ends_with_its_error() {
    let row: Vec<_> = text_row(b"\x01a\xfb\x05ab").collect();
    let error = Error::Truncated("value");
    assert_eq!(row, [Ok(Some(&b"a"[..])), Ok(None), Err(error)]);
    assert_eq!(text_row(b"\xffab").count(), 1);
    assert_eq!(text_row(b"").count(), 0);
}

#[test]
fn malformed_bodies_are_refused_by_what_is_wrong() {
    for (body, error) in [
        (&b""[..], Error::Invalid("OK header")),
        (b"\x01", Error::Invalid("OK header")),
        (b"\0", Error::Truncated("affected rows")),
        (b"\0\xfb", Error::Invalid("affected rows")),
        (b"\0\0\xfc\x01", Error::Truncated("insert id")),
        (b"\0\0\0\x02", Error::Truncated("status")),
        (b"\0\0\0\x02\0\0", Error::Truncated("warnings")),
    ] {
        assert_eq!(Ok::decode(body), Err(error), "{}", body.escape_ascii());
    }
    for (body, error) in [
        (&b"\0"[..], Error::Invalid("EOF header")),
        (b"\xfe\0", Error::Truncated("warnings")),
        (b"\xfe\0\0\x02", Error::Truncated("status")),
        (b"\xfe\0\0\x02\0\0", Error::Trailing("status")),
    ] {
        assert_eq!(Eof::decode(body), Err(error), "{}", body.escape_ascii());
    }
    let whole = b"\0\x01\0\0\0\x02\0\x01\0\0\0\0";
    assert!(PrepareOk::decode(whole).is_ok());
    for end in 0..whole.len() {
        assert!(PrepareOk::decode(&whole[..end]).is_err());
    }
}

#[test]
fn a_column_count_is_a_number_and_nothing_more() {
    const FIELD: &str = "column count";
    assert_eq!(column_count(b"\x02"), Ok(2));
    assert_eq!(column_count(b"\xfc\xff\xff"), Ok(65_535));
    for (body, error) in [
        (&b""[..], Error::Truncated(FIELD)),
        (b"\0", Error::Invalid(FIELD)),
        (b"\xfc\0", Error::Truncated(FIELD)),
        (b"\xfd\0\0\x01", Error::Invalid(FIELD)),
        (
            b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff",
            Error::Invalid(FIELD),
        ),
        // Cached metadata, which nobody has been offered.
        (b"\x02\x01", Error::Trailing(FIELD)),
    ] {
        assert_eq!(column_count(body), Err(error), "{}", body.escape_ascii());
    }
}

proptest! {
    #[test]
    fn replies_are_written_and_read(
        (affected, insert_id) in any::<(u64, u64)>(),
        (status, warnings, columns, params) in any::<(u16, u16, u16, u16)>(),
        id in any::<u32>(),
    ) {
        let status = Status(status);
        let ok = Ok { affected, insert_id, status, warnings };
        let body = written(|sequence, out| ok.encode(sequence, out));
        prop_assert_eq!(Ok::decode(&body), Ok(ok));
        let eof = Eof { warnings, status };
        let body = written(|sequence, out| eof.encode(sequence, out));
        prop_assert_eq!(Eof::decode(&body), Ok(eof));
        let prepared = PrepareOk { id, columns, params, warnings };
        let body = written(|sequence, out| prepared.encode(sequence, out));
        prop_assert_eq!(PrepareOk::decode(&body), Ok(prepared));
    }

    #[test]
    fn no_body_makes_a_reader_panic(
        body in proptest::collection::vec(prop_oneof![Just(0), Just(0xfe), any::<u8>()], 0..40),
    ) {
        let _ = (Ok::decode(&body), Eof::decode(&body), PrepareOk::decode(&body));
        let _ = (column_count(&body), LocalInfile::decode(&body), text_row(&body).count());
    }
}
