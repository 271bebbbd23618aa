use proptest::prelude::*;

use super::*;

#[test]
fn ready_for_query_has_three_states() {
    use TransactionStatus::*;
    for (status, byte) in [(Idle, b'I'), (InTransaction, b'T'), (Failed, b'E')] {
        let mut bytes = Vec::new();
        ReadyForQuery { status }.encode(&mut bytes);
        assert_eq!(bytes, [b'Z', 0, 0, 0, 5, byte]);
        assert_eq!(ReadyForQuery::decode(&[byte]), Ok(ReadyForQuery { status }));
    }
    const FIELD: &str = "transaction status";
    assert_eq!(ReadyForQuery::decode(b""), Err(Error::Truncated(FIELD)));
    assert_eq!(ReadyForQuery::decode(b"X"), Err(Error::Invalid(FIELD)));
    assert_eq!(ReadyForQuery::decode(b"II"), Err(Error::Trailing(FIELD)));
}

#[test]
fn cancel_keys_have_4_to_256_bytes() {
    for length in [0, 3, 257, 5000] {
        let error = Error::Invalid("cancel key length");
        let body = [&1_i32.to_be_bytes()[..], &vec![0; length]].concat();
        assert_eq!(BackendKeyData::decode(&body), Err(error));
        let mut bytes = Vec::new();
        let data = BackendKeyData {
            pid: 1,
            secret: &vec![0; length],
        };
        assert_eq!(data.encode(&mut bytes), Err(error));
        assert!(bytes.is_empty());
    }
    assert_eq!(
        BackendKeyData::decode(b"\0\0\0"),
        Err(Error::Truncated("process id"))
    );
}

#[test]
fn a_cancel_key_is_not_printed() {
    let data = BackendKeyData {
        pid: 7,
        secret: &[200; 4],
    };
    assert_eq!(format!("{data:?}"), "BackendKeyData { pid: 7, .. }");
}

// As PostgreSQL 15 answers a client that asks for 3.9 and the option `_pq_.foo`.
#[test]
fn version_negotiation_says_what_the_server_would() {
    let mut bytes = Vec::new();
    encode_negotiate_protocol_version(0, &["_pq_.foo"], &mut bytes).unwrap();
    assert_eq!(bytes, b"v\0\0\0\x15\0\x03\0\0\0\0\0\x01_pq_.foo\0");
    let mut bytes = Vec::new();
    assert!(encode_negotiate_protocol_version(0, &["a\0b"], &mut bytes).is_err());
    assert!(bytes.is_empty());
}

#[test]
fn malformed_bodies_are_refused_by_what_is_wrong() {
    assert_eq!(
        ParameterStatus::decode(b"TimeZone\0UTC"),
        Err(Error::Terminator("parameter value"))
    );
    assert_eq!(
        ParameterStatus::decode(b"TimeZone\0UTC\0\0"),
        Err(Error::Trailing("parameter value"))
    );
    assert_eq!(
        CommandComplete::decode(b"SELECT 1"),
        Err(Error::Terminator("command tag"))
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        name in "[^\0]{0,20}",
        value in "[^\0]{0,40}",
        pid in any::<i32>(),
        secret in proptest::collection::vec(any::<u8>(), 4..=256),
    ) {
        let mut bytes = Vec::new();
        let status = ParameterStatus { name: &name, value: &value };
        status.encode(&mut bytes).unwrap();
        prop_assert_eq!(ParameterStatus::decode(&bytes[5..]), Ok(status));

        let mut bytes = Vec::new();
        let complete = CommandComplete { tag: &value };
        complete.encode(&mut bytes).unwrap();
        prop_assert_eq!(CommandComplete::decode(&bytes[5..]), Ok(complete));

        let mut bytes = Vec::new();
        let data = BackendKeyData { pid, secret: &secret };
        data.encode(&mut bytes).unwrap();
        prop_assert_eq!(BackendKeyData::decode(&bytes[5..]), Ok(data));
    }

    #[test]
    fn no_body_makes_a_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = (ParameterStatus::decode(&body), BackendKeyData::decode(&body));
        let _ = (ReadyForQuery::decode(&body), CommandComplete::decode(&body));
    }
}
