use proptest::prelude::*;

use super::*;

#[test]
fn heads_are_read_and_tails_left() {
    assert_eq!(
        Parse::decode(b"s1\0SELECT $1\0\0\x01\0\0\0\x17"),
        Ok(Parse {
            statement: "s1",
            text: "SELECT $1"
        })
    );
    assert_eq!(
        Bind::decode(b"\0s1\0\0\0\0\x01\0\0\0\x01x\0\0"),
        Ok(Bind {
            portal: "",
            statement: "s1"
        })
    );
    assert_eq!(
        Execute::decode(b"p\0\0\0\0\x05"),
        Ok(Execute {
            portal: "p",
            rows_max: 5
        })
    );
    assert_eq!(
        Describe::decode(b"Ss1\0"),
        Ok(Describe {
            kind: Kind::Statement,
            name: "s1"
        })
    );
    assert_eq!(
        Close::decode(b"P\0"),
        Ok(Close {
            kind: Kind::Portal,
            name: ""
        })
    );
}

#[test]
fn malformed_bodies_are_refused_by_what_is_wrong() {
    assert_eq!(Query::decode(b""), Err(Error::Terminator("query")));
    assert_eq!(Query::decode(b"SELECT"), Err(Error::Terminator("query")));
    assert_eq!(Query::decode(b"a\0b\0"), Err(Error::Trailing("query")));
    assert_eq!(Query::decode(b"\xe9\0"), Err(Error::Utf8("query")));
    assert_eq!(Parse::decode(b"s\0"), Err(Error::Terminator("query")));
    assert_eq!(
        Bind::decode(b"p\0s"),
        Err(Error::Terminator("statement name"))
    );
    assert_eq!(
        Execute::decode(b"p\0\0"),
        Err(Error::Truncated("row limit"))
    );
    assert_eq!(
        Execute::decode(b"p\0\0\0\0\0\0"),
        Err(Error::Trailing("row limit"))
    );
    assert_eq!(Describe::decode(b""), Err(Error::Truncated("kind")));
    assert_eq!(Describe::decode(b"Xa\0"), Err(Error::Invalid("kind")));
    assert_eq!(Close::decode(b"Sa\0b"), Err(Error::Trailing("name")));
}

#[test]
fn messages_without_a_body_have_length_4() {
    let mut bytes = Vec::new();
    encode_sync(&mut bytes);
    encode_terminate(&mut bytes);
    assert_eq!(bytes, b"S\0\0\0\x04X\0\0\0\x04");
}

#[test]
fn a_query_with_a_zero_byte_is_not_written() {
    let mut bytes = b"before".to_vec();
    let error = Err(Error::Invalid("query"));
    assert_eq!(encode_query("SELECT 1\0X", &mut bytes), error);
    assert_eq!(bytes, b"before");
}

proptest! {
    #[test]
    fn queries_are_written_and_read(text in "[^\0]{0,100}") {
        let mut bytes = Vec::new();
        encode_query(&text, &mut bytes).unwrap();
        prop_assert_eq!(Query::decode(&bytes[5..]), Ok(Query { text: &text }));
    }

    #[test]
    fn no_body_makes_a_reader_panic(
        body in proptest::collection::vec(prop_oneof![Just(0), Just(b'S'), any::<u8>()], 0..40),
    ) {
        let _ = (Query::decode(&body), Parse::decode(&body), Bind::decode(&body));
        let _ = (Describe::decode(&body), Close::decode(&body), Execute::decode(&body));
    }
}
