use proptest::prelude::*;

use super::*;
use crate::limits::AUTH_BODY_BYTES_MAX;
use crate::postgres::frame::frame;

fn body(bytes: &[u8], tag: u8) -> &[u8] {
    let frame = frame(bytes, AUTH_BODY_BYTES_MAX).unwrap().unwrap();
    assert_eq!((frame.tag, frame.bytes), (tag, bytes.len()));
    frame.body
}

#[test]
fn requests_are_written_and_read() {
    let mut bytes = Vec::new();
    encode_ok(&mut bytes);
    assert_eq!(bytes, b"R\0\0\0\x08\0\0\0\0");
    assert_eq!(decode_request(body(&bytes, b'R')), Ok(Request::Ok));

    let mut bytes = Vec::new();
    encode_sasl(&["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"], &mut bytes).unwrap();
    let Ok(Request::Sasl(mechanisms)) = decode_request(body(&bytes, b'R')) else {
        panic!("a list of mechanisms");
    };
    assert!(
        mechanisms
            .iter()
            .eq(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])
    );
    assert!(mechanisms.contains("SCRAM-SHA-256"));
    assert!(!mechanisms.contains("SCRAM-SHA"));

    let mut bytes = Vec::new();
    encode_sasl_continue(b"r=x", &mut bytes).unwrap();
    assert_eq!(
        decode_request(body(&bytes, b'R')),
        Ok(Request::SaslContinue(b"r=x"))
    );
    let mut bytes = Vec::new();
    encode_sasl_final(b"v=x", &mut bytes).unwrap();
    assert_eq!(
        decode_request(body(&bytes, b'R')),
        Ok(Request::SaslFinal(b"v=x"))
    );
}

#[test]
fn other_methods_are_told_apart() {
    assert_eq!(
        decode_request(b"\0\0\0\x03"),
        Ok(Request::CleartextPassword)
    );
    let salt = *b"salt";
    assert_eq!(
        decode_request(b"\0\0\0\x05salt"),
        Ok(Request::Md5Password { salt })
    );
    assert_eq!(decode_request(b"\0\0\0\x07"), Ok(Request::Unsupported(7)));
    assert_eq!(
        decode_request(b"\xff\xff\xff\xff..."),
        Ok(Request::Unsupported(-1))
    );
}

#[test]
fn malformed_requests_are_refused() {
    const MECHANISMS: &str = "SASL mechanisms";
    for (body, error) in [
        (&b""[..], Error::Truncated("authentication code")),
        (b"\0\0\0", Error::Truncated("authentication code")),
        (b"\0\0\0\0x", Error::Trailing("authentication request")),
        (b"\0\0\0\x05sal", Error::Truncated("MD5 salt")),
        (
            b"\0\0\0\x05salty",
            Error::Trailing("authentication request"),
        ),
        (b"\0\0\0\x0a", Error::Terminator(MECHANISMS)),
        (b"\0\0\0\x0a\0", Error::Terminator(MECHANISMS)),
        (b"\0\0\0\x0a\0\0", Error::Invalid(MECHANISMS)),
        (b"\0\0\0\x0aSCRAM", Error::Terminator(MECHANISMS)),
        (b"\0\0\0\x0aSCRAM\0", Error::Terminator(MECHANISMS)),
        (b"\0\0\0\x0aSCRAM\0\0\0", Error::Invalid(MECHANISMS)),
        (b"\0\0\0\x0aA\0\0B\0\0", Error::Invalid(MECHANISMS)),
        (b"\0\0\0\x0a\xff\0\0", Error::Utf8(MECHANISMS)),
    ] {
        assert_eq!(decode_request(body), Err(error), "{}", body.escape_ascii());
    }
    let mut bytes = Vec::new();
    for mechanisms in [&[][..], &[""], &["A", ""], &["A\0B"]] {
        assert!(encode_sasl(mechanisms, &mut bytes).is_err());
        assert!(bytes.is_empty());
    }
}

// Lengths inside the first SASL message have crashed a pooler before authentication
// (CVE-2026-6664).
#[test]
fn hostile_lengths_in_the_sasl_answer_are_refused() {
    const LENGTH: &str = "SASL response length";
    for (length, error) in [
        (0_u32, Error::Trailing("SASL response")),
        (2, Error::Trailing("SASL response")),
        (4, Error::Truncated("SASL response")),
        (0x7fff_ffff, Error::Truncated("SASL response")),
        (0x8000_0000, Error::Invalid(LENGTH)),
        (0xffff_ffff, Error::Invalid(LENGTH)),
    ] {
        let body = [b"SCRAM-SHA-256\0", &length.to_be_bytes()[..], b"n,,"].concat();
        assert_eq!(decode_sasl_initial(&body), Err(error), "{length:#x}");
    }
    for (body, error) in [
        (&b""[..], Error::Terminator("SASL mechanism")),
        (b"SCRAM", Error::Terminator("SASL mechanism")),
        (b"\xff\0\0\0\0\0", Error::Utf8("SASL mechanism")),
        (b"SCRAM\0", Error::Truncated(LENGTH)),
        (b"SCRAM\0\0\0\0", Error::Truncated(LENGTH)),
    ] {
        assert_eq!(decode_sasl_initial(body), Err(error));
    }
}

proptest! {
    #[test]
    fn sasl_answers_are_written_and_read(
        mechanism in "[^\0]{0,20}",
        data in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut bytes = Vec::new();
        encode_sasl_initial(&mechanism, &data, &mut bytes).unwrap();
        let expected = SaslInitial { mechanism: &mechanism, data: &data };
        prop_assert_eq!(decode_sasl_initial(body(&bytes, b'p')), Ok(expected));

        let mut bytes = Vec::new();
        encode_sasl_response(&data, &mut bytes).unwrap();
        prop_assert_eq!(decode_sasl_response(body(&bytes, b'p')), &data[..]);
    }

    #[test]
    fn no_body_makes_a_reader_panic(
        code in 0_u8..13,
        body in proptest::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..60),
    ) {
        let _ = decode_request(&[&[0, 0, 0, code], &body[..]].concat());
        let _ = decode_request(&body);
        if let Ok(initial) = decode_sasl_initial(&body) {
            let mut bytes = Vec::new();
            encode_sasl_initial(initial.mechanism, initial.data, &mut bytes).unwrap();
            prop_assert_eq!(&bytes[5..], &body[..]);
        }
    }
}
