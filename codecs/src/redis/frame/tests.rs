use proptest::prelude::*;

use super::*;

#[test]
fn numbers_are_read_as_the_server_does() {
    for (text, number) in [
        ("0", Some(0)),
        ("-1", Some(-1)),
        ("9223372036854775807", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("-9223372036854775809", None),
        ("18446744073709551617", None),
        ("", None),
        ("-", None),
        ("-0", None),
        ("00", None),
        ("01", None),
        ("-01", None),
        ("+1", None),
        (" 1", None),
        ("1 ", None),
        ("1.0", None),
        ("/", None),
        (":", None),
    ] {
        assert_eq!(integer(text.as_bytes()), number, "{text}");
    }
}

#[test]
fn heads_of_every_type() {
    for (text, head) in [
        ("+", Head::Line(b'+')),
        ("_", Head::Line(b'_')),
        ("$0\r\n", Head::Blob(Blob::Bulk, 0)),
        ("$-1\r\n", Head::NullBulk),
        ("$?\r\n", Head::StreamedString),
        (";12\r\n", Head::Chunk(12)),
        ("!3\r\n", Head::Blob(Blob::Error, 3)),
        (
            "=9223372036854775807\r\n",
            Head::Blob(Blob::Verbatim, i64::MAX as u64),
        ),
        ("*-1\r\n", Head::NullArray),
        (
            "*4294967295\r\n",
            Head::Aggregate(Aggregate::Array, 0xffff_ffff),
        ),
        ("%2\r\n", Head::Aggregate(Aggregate::Map, 4)),
        ("|1\r\n", Head::Aggregate(Aggregate::Attribute, 2)),
        ("~?\r\n", Head::StreamedAggregate(Aggregate::Set)),
        (">2\r\n", Head::Aggregate(Aggregate::Push, 2)),
        (".\r\n", Head::End),
    ] {
        assert_eq!(Head::read(text.as_bytes()), Ok(Some((head, text.len()))));
        for end in 0..text.len() {
            assert_eq!(Head::read(&text.as_bytes()[..end]), Ok(None), "{text}");
        }
    }
}

#[test]
fn heads_that_are_none() {
    let length = Error::Invalid("length");
    for (text, error) in [
        ("x", Error::Type(b'x')),
        ("\r\n", Error::Type(b'\r')),
        ("$-2\r\n", length),
        ("*-2\r\n", length),
        ("%-1\r\n", length),
        ("~-1\r\n", length),
        (">-1\r\n", length),
        ("!-1\r\n", length),
        ("=?\r\n", length),
        (";?\r\n", length),
        (";-1\r\n", length),
        ("$ 1\r\n", length),
        ("$9223372036854775808\r\n", length),
        ("*4294967296\r\n", Error::TooMany("elements")),
        ("%4611686018427387904\r\n", Error::TooMany("elements")),
        ("%9223372036854775807\r\n", Error::TooMany("elements")),
        (".1\r\n", Error::Invalid("end of aggregate")),
        ("$1\rx", Error::LineEnd),
        ("$00000000000000000000000000000000", length),
    ] {
        assert_eq!(Head::read(text.as_bytes()), Err(error), "{text}");
    }
}

proptest! {
    #[test]
    fn a_number_that_is_written_is_read(number in any::<i64>(), shift in 0_u32..64) {
        let number = number >> shift;
        let text = Number::from(number);
        let expected = format!(":{number}\r\n");
        prop_assert_eq!(text.as_bytes(), expected.as_bytes());
        prop_assert_eq!(integer(number.to_string().as_bytes()), Some(number));
    }
}
