use proptest::prelude::*;

use super::*;

/// The startup packet of psql 15.
const PSQL: &[u8] = include_bytes!("../../../testdata/postgres/startup_psql.bin");

fn packet(length: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(rest);
    bytes
}

fn startup(parameters: &[u8]) -> Vec<u8> {
    let length = u32::try_from(8 + parameters.len()).unwrap();
    packet(length, &[b"\0\x03\0\0", parameters].concat())
}

fn parameters_of(bytes: &[u8]) -> Parameters<'_> {
    match decode(bytes) {
        Ok(Some((StartupPacket::Startup(startup), taken))) => {
            assert_eq!(taken, bytes.len());
            startup.parameters
        }
        other => panic!("not a startup packet: {other:?}"),
    }
}

#[test]
fn psql_is_understood() {
    let parameters = parameters_of(PSQL);
    assert_eq!(parameters.get("user"), Some("app"));
    assert_eq!(parameters.get("database"), Some("myapp__acme"));
    assert_eq!(parameters.get("application_name"), Some("psql"));
    assert_eq!(parameters.get("replication"), None);
    assert_eq!(parameters.iter().count(), 3);
}

#[test]
fn requests_without_parameters_are_told_apart() {
    let mut bytes = Vec::new();
    encode_ssl_request(&mut bytes);
    assert_eq!(bytes, b"\0\0\0\x08\x04\xd2\x16\x2f");
    assert_eq!(decode(&bytes), Ok(Some((StartupPacket::Ssl, 8))));
    let gss = b"\0\0\0\x08\x04\xd2\x16\x30behind";
    assert_eq!(decode(gss), Ok(Some((StartupPacket::GssEnc, 8))));
    let trailing = Error::Trailing("encryption request");
    assert_eq!(decode(b"\0\0\0\x09\x04\xd2\x16\x2fx"), Err(trailing));
}

// Each length that has stopped a server or pooler before (CVE-2026-6664).
#[test]
fn impossible_lengths_are_refused_as_soon_as_they_are_there() {
    for length in [0, 1, 3, 4, 7, 0x8000_0000, 0xffff_ffff] {
        assert_eq!(decode(&packet(length, b"")), Err(Error::Length(length)));
    }
    // The last is what a TLS ClientHello begins with.
    for length in [10_005, 0x7fff_ffff, 0x1603_0102] {
        let too_long = Error::TooLong {
            bytes: u64::from(length) - 4,
            max: 10_000,
        };
        assert_eq!(decode(&packet(length, b"")), Err(too_long));
    }
    assert_eq!(decode(&packet(10_004, b"")), Ok(None));
    assert_eq!(decode(&packet(8, b"")), Ok(None));
}

#[test]
fn startup_longer_than_the_limit_is_neither_read_nor_written() {
    let value = "x".repeat(10_000 - 4 - 2 - 2);
    let mut bytes = Vec::new();
    let parameters = [("a", value.as_str())];
    encode_startup(ProtocolVersion::V3_0, parameters.into_iter(), &mut bytes).unwrap();
    assert_eq!(bytes.len(), 4 + 10_000);
    assert_eq!(parameters_of(&bytes).get("a"), Some(value.as_str()));

    let value = value + "x";
    let mut bytes = b"before".to_vec();
    let parameters = [("a", value.as_str())];
    let result = encode_startup(ProtocolVersion::V3_0, parameters.into_iter(), &mut bytes);
    assert!(matches!(result, Err(Error::TooLong { bytes: 10_001, .. })));
    assert_eq!(bytes, b"before");
}

#[test]
fn parameters_have_the_layout_that_the_server_demands() {
    const FIELD: &str = "startup parameters";
    assert_eq!(parameters_of(&startup(b"\0")).iter().count(), 0);
    assert_eq!(parameters_of(&startup(b"a\0\0\0")).get("a"), Some(""));
    for (parameters, error) in [
        (&b""[..], Error::Terminator(FIELD)),
        (b"user", Error::Terminator(FIELD)),
        (b"user\0", Error::Terminator(FIELD)),
        (b"user\0\0", Error::Truncated(FIELD)),
        (b"user\0bob\0", Error::Terminator(FIELD)),
        (b"user\0bob\0x\0", Error::Terminator(FIELD)),
        (b"user\0bob\0x\0\0", Error::Truncated(FIELD)),
        (b"user\0bob\0\0\0", Error::Trailing(FIELD)),
        (b"user\0bob\0\0a\0b\0\0", Error::Trailing(FIELD)),
        (b"\0\0", Error::Trailing(FIELD)),
        (b"user\0b\xffb\0\0", Error::Utf8(FIELD)),
    ] {
        let bytes = startup(parameters);
        let result = decode(&bytes);
        assert_eq!(result, Err(error), "{}", parameters.escape_ascii());
    }
}

#[test]
fn the_last_of_repeated_parameters_counts_as_in_the_server() {
    let bytes = startup(b"user\0postgres\0user\0nobody\0\0");
    assert_eq!(parameters_of(&bytes).get("user"), Some("nobody"));
    assert_eq!(parameters_of(&bytes).iter().count(), 2);
}

#[test]
fn versions_other_than_3_are_refused_and_unknown_minors_are_not() {
    for (code, major, minor) in [(0x0002_0000_u32, 2, 0), (0x0004_0000, 4, 0), (0, 0, 0)] {
        let bytes = packet(9, &[&code.to_be_bytes()[..], b"\0"].concat());
        assert_eq!(decode(&bytes), Err(Error::Version { major, minor }));
    }
    let bytes = packet(9, b"\0\x03\x27\x0f\0");
    let Ok(Some((StartupPacket::Startup(startup), _))) = decode(&bytes) else {
        panic!("protocol 3.9999 is a startup packet");
    };
    assert_eq!(
        startup.version,
        ProtocolVersion {
            major: 3,
            minor: 9999
        }
    );
    assert!(startup.version > ProtocolVersion::V3_2);
}

#[test]
fn cancel_keys_have_4_to_256_bytes() {
    for length in [4, 32, 256] {
        let secret = vec![7; length];
        let mut bytes = Vec::new();
        encode_cancel(-5, &secret, &mut bytes).unwrap();
        let expected = StartupPacket::Cancel {
            pid: -5,
            secret: &secret,
        };
        assert_eq!(decode(&bytes), Ok(Some((expected, bytes.len()))));
    }
    for length in [0, 3, 257] {
        let error = Err(Error::Invalid("cancel key length"));
        let secret = vec![7; length];
        let mut bytes = Vec::new();
        assert_eq!(encode_cancel(1, &secret, &mut bytes), error);
        assert!(bytes.is_empty());
        let body = [b"\x04\xd2\x16\x2e\0\0\0\x01", &secret[..]].concat();
        let length = u32::try_from(body.len() + 4).unwrap();
        assert_eq!(decode(&packet(length, &body)).map(|_| ()), error);
    }
    assert_eq!(
        decode(b"\0\0\0\x08\x04\xd2\x16\x2e"),
        Err(Error::Truncated("process id"))
    );
}

#[test]
fn parameters_that_would_break_the_packet_are_not_written() {
    for (name, value) in [("", "a"), ("a\0b", "c"), ("a", "b\0user\0postgres")] {
        let mut bytes = Vec::new();
        let parameters = [(name, value)].into_iter();
        assert!(encode_startup(ProtocolVersion::V3_0, parameters, &mut bytes).is_err());
        assert!(bytes.is_empty());
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        parameters in proptest::collection::vec(("[^\0]{1,10}", "[^\0]{0,20}"), 0..8),
        behind in proptest::collection::vec(any::<u8>(), 0..10),
        minor in any::<u16>(),
    ) {
        let version = ProtocolVersion { major: 3, minor };
        let pairs: Vec<_> = parameters.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let mut bytes = Vec::new();
        encode_startup(version, pairs.iter().copied(), &mut bytes).unwrap();
        let length = bytes.len();
        bytes.extend(behind);
        match decode(&bytes).unwrap() {
            Some((StartupPacket::Startup(startup), taken)) => {
                prop_assert_eq!(taken, length);
                prop_assert_eq!(startup.version, version);
                prop_assert_eq!(startup.parameters.iter().collect::<Vec<_>>(), pairs);
            }
            other => prop_assert!(false, "{:?}", other),
        }
        for end in 0..length {
            prop_assert_eq!(decode(&bytes[..end]), Ok(None));
        }
    }

    #[test]
    fn more_bytes_never_change_an_answer(
        length in prop_oneof![0_u32..64, any::<u32>()],
        code in prop_oneof![
            Just(0x0003_0000_u32), 0x04d2_162e_u32..0x04d2_1631, any::<u32>(),
        ],
        rest in proptest::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..64),
    ) {
        let bytes = packet(length, &[&code.to_be_bytes()[..], &rest].concat());
        let mut answer = Ok(None);
        for end in 0..=bytes.len() {
            let next = decode(&bytes[..end]);
            prop_assert!(answer == Ok(None) || next == answer);
            answer = next;
        }
    }
}
