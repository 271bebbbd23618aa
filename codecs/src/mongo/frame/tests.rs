use proptest::prelude::*;

use super::*;

fn header(length: i32) -> Vec<u8> {
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend_from_slice(b"\x07\0\0\0\x05\0\0\0\xdd\x07\0\0");
    bytes
}

#[test]
fn a_header_is_four_numbers_with_the_least_byte_first() {
    let expected = Header {
        length: 26,
        request_id: 7,
        response_to: 5,
        opcode: Opcode::Msg,
    };
    assert_eq!(
        Header::read(&header(26), MESSAGE_BYTES_MAX),
        Ok(Some(expected))
    );
    let mut again = Vec::new();
    expected.write(&mut again);
    assert_eq!(again, header(26));
}

#[test]
fn every_opcode_has_its_number() {
    for (number, opcode) in [
        (1, Opcode::Reply),
        (2004, Opcode::Query),
        (2012, Opcode::Compressed),
        (2013, Opcode::Msg),
        (2001, Opcode::Other(2001)),
        (0, Opcode::Other(0)),
        (-1, Opcode::Other(-1)),
        (i32::MIN, Opcode::Other(i32::MIN)),
    ] {
        assert_eq!((Opcode::of(number), opcode.number()), (opcode, number));
    }
}

#[test]
fn an_unknown_opcode_is_no_error_of_the_header() {
    let mut bytes = header(16);
    bytes[12..].copy_from_slice(&2010_i32.to_le_bytes());
    let read = Header::read(&bytes, MESSAGE_BYTES_MAX).unwrap().unwrap();
    assert_eq!(read.opcode, Opcode::Other(2010));
}

#[test]
fn a_length_below_a_headers_is_refused_as_soon_as_it_is_there() {
    for length in [15, 1, 0, -1, -16, i32::MIN] {
        let refused = Err(Error::Length(length));
        assert_eq!(Header::read(&length.to_le_bytes(), 16_384), refused);
        assert_eq!(Header::read(&header(length), 16_384), refused);
    }
    assert!(matches!(Header::read(&header(16), 16), Ok(Some(_))));
}

#[test]
fn a_length_beyond_the_bound_is_refused_as_soon_as_it_is_there() {
    for (length, max) in [
        (i32::MAX, MESSAGE_BYTES_MAX),
        (48_000_001, MESSAGE_BYTES_MAX),
        (16_385, 16_384),
        // A ClientHello of TLS 1.0 to 1.3, read as a length.
        (i32::from_le_bytes([0x16, 3, 1, 2]), 16_384),
    ] {
        let refused = Err(Error::TooLong {
            field: "message",
            bytes: length.unsigned_abs().into(),
            max: max as u64,
        });
        assert_eq!(Header::read(&length.to_le_bytes(), max), refused);
    }
    let longest = Header::read(&header(48_000_000), MESSAGE_BYTES_MAX);
    assert_eq!(longest.unwrap().unwrap().length, 48_000_000);
}

#[test]
fn a_length_that_cannot_be_written_is_written_as_one_that_no_reader_takes() {
    let header = Header {
        length: usize::MAX,
        request_id: 0,
        response_to: 0,
        opcode: Opcode::Msg,
    };
    assert!(Header::read(&header.bytes(), MESSAGE_BYTES_MAX).is_err());
}

proptest! {
    #[test]
    fn a_header_that_is_written_is_read_as_the_same(
        length in HEADER_LENGTH..MESSAGE_BYTES_MAX,
        numbers: [i32; 3],
    ) {
        let [request_id, response_to, opcode] = numbers;
        let header = Header { length, request_id, response_to, opcode: Opcode::of(opcode) };
        let read = Header::read(&header.bytes(), MESSAGE_BYTES_MAX);
        prop_assert_eq!(read, Ok(Some(header)));
    }

    #[test]
    fn more_bytes_never_change_an_answer(input: Vec<u8>, length in 0..40_i32) {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(input);
        let whole = Header::read(&bytes, 32);
        for cut in 0..bytes.len() {
            let part = Header::read(&bytes[..cut], 32);
            prop_assert!(part == Ok(None) || part == whole);
        }
    }
}
