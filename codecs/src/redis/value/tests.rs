use super::super::recording::{lines, recorded};
use super::super::reply::Walker;
use super::*;

fn whole(input: &[u8]) -> Value<'_> {
    let (found, bytes) = value(input).unwrap().unwrap();
    assert_eq!(bytes, input.len());
    for end in 0..input.len() {
        assert_eq!(value(&input[..end]), Ok(None));
    }
    found
}

#[test]
fn every_type() {
    use Value::{Array, BigNumber, Boolean, Bulk, Double, Integer, Map, Null, Push, Set, Simple};
    for (text, expected) in [
        ("+OK\r\n", Simple(b"OK")),
        ("-ERR no\r\n", Value::Error(b"ERR no")),
        ("!6\r\nERR no\r\n", Value::Error(b"ERR no")),
        (":-1\r\n", Integer(-1)),
        (":+1\r\n", Integer(1)),
        ("$2\r\n\r\n\r\n", Bulk(b"\r\n")),
        ("$-1\r\n", Null),
        ("*-1\r\n", Null),
        ("_\r\n", Null),
        (",inf\r\n", Double(b"inf")),
        ("#t\r\n", Boolean(true)),
        ("#f\r\n", Boolean(false)),
        ("(-12\r\n", BigNumber(b"-12")),
        ("=6\r\ntxt:hi\r\n", Value::Verbatim(b"txt:hi")),
        (
            "*2\r\n*0\r\n%0\r\n",
            Array(vec![Array(vec![]), Map(vec![])]),
        ),
        (
            "%1\r\n+a\r\n~1\r\n:1\r\n",
            Map(vec![(Simple(b"a"), Set(vec![Integer(1)]))]),
        ),
        (">1\r\n+a\r\n", Push(vec![Simple(b"a")])),
        (
            "|1\r\n+k\r\n+v\r\n*1\r\n|0\r\n:1\r\n",
            Array(vec![Integer(1)]),
        ),
        (
            "*?\r\n:1\r\n*?\r\n.\r\n.\r\n",
            Array(vec![Integer(1), Array(vec![])]),
        ),
        (
            "%?\r\n+a\r\n:1\r\n.\r\n",
            Map(vec![(Simple(b"a"), Integer(1))]),
        ),
    ] {
        assert_eq!(whole(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn what_is_no_reply() {
    for text in [
        ":x\r\n",
        ":\r\n",
        "#x\r\n",
        "_x\r\n",
        ".\r\n",
        "*1\r\n.\r\n",
        "%?\r\n:1\r\n.\r\n",
        "*?\r\n|0\r\n.\r\n",
        "$1\r\nab\r\n",
        "$?\r\n;1\r\na\r\n;0\r\n",
        ";1\r\na\r\n",
    ] {
        assert!(value(text.as_bytes()).is_err(), "{text}");
    }
    let deep = "*1\r\n".repeat(REDIS_DEPTH_MAX) + ":1\r\n";
    assert!(value(deep.as_bytes()).unwrap().is_some());
    let deeper = "*1\r\n".repeat(REDIS_DEPTH_MAX + 1);
    assert!(value(deeper.as_bytes()).is_err());
    // A length that is announced costs nothing.
    assert_eq!(value(b"*4294967295\r\n:1\r\n"), Ok(None));
    assert_eq!(value(b"$9223372036854775807\r\nx"), Ok(None));
}

#[test]
fn pairs_are_those_of_either_protocol() {
    for text in [
        "*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n$1\r\n2\r\n",
        "%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n",
    ] {
        let found = whole(text.as_bytes());
        let pairs = found
            .pairs()
            .map(|(name, number)| (name.text(), number.integer()));
        assert!(
            pairs.eq([(Some("a"), Some(1)), (Some("b"), Some(2))]),
            "{text}"
        );
    }
}

#[test]
fn recorded_replies_are_read_to_their_ends() {
    let mut replies = 0;
    for text in [
        recorded!("types-resp2"),
        recorded!("types-resp3"),
        recorded!("keys-resp2"),
        recorded!("keys-resp3"),
        recorded!("pushes-resp2"),
        recorded!("pushes-resp3"),
        recorded!("login"),
    ] {
        for (mark, bytes) in lines(text) {
            if mark == '#' {
                continue;
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (_, bytes) = value(rest).unwrap().unwrap();
                let fed = Walker::default().feed(rest).unwrap();
                assert!(fed.done && fed.consumed == bytes);
                rest = &rest[bytes..];
                replies += 1;
            }
        }
    }
    assert!(replies > 250, "{replies}");
}
