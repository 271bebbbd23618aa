use proptest::prelude::*;

use super::*;

const HOSTILE_LENGTHS: [u32; 6] = [0, 3, 0x8000_0000, 0xffff_fffe, 0xffff_ffff, 1];

fn message(tag: u8, length: u32) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes
}

/// Walks `stream` cut into these chunks; answers the headers with the position behind each.
fn walk<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Result<(Vec<(usize, Header)>, Walk), Error> {
    let mut walk = Walk::new();
    let mut headers = Vec::new();
    let mut position = 0;
    for mut chunk in chunks {
        while !chunk.is_empty() {
            let (taken, header) = walk.step(chunk)?;
            assert!(taken > 0, "a step with input goes on");
            position += taken;
            headers.extend(header.map(|header| (position, header)));
            chunk = &chunk[taken..];
        }
    }
    Ok((headers, walk))
}

// Integer overflow in packet parsing crashed a pooler before authentication (CVE-2026-6664).
#[test]
fn impossible_lengths_are_refused_as_soon_as_the_header_is_there() {
    for length in HOSTILE_LENGTHS {
        let bytes = message(b'p', length);
        let error = Error::Length(length);
        assert_eq!(header(&bytes), Err(error));
        assert_eq!(frame(&bytes, usize::MAX), Err(error));
        assert_eq!(header(&bytes[..4]), Ok(None));
        let mut walk = Walk::new();
        assert_eq!(walk.step(&bytes), Err(error));
        // Nothing behind it can be understood any more.
        assert_eq!(walk.step(b"Z\0\0\0\x05I"), Err(error));
        assert!(!walk.at_boundary());
    }
}

#[test]
fn the_longest_length_is_walked_and_not_waited_for() {
    let bytes = message(b'D', 0x7fff_ffff);
    let expected = Header {
        tag: b'D',
        len: 0x7fff_ffff,
    };
    assert_eq!(expected.body_bytes(), 0x7fff_fffb);
    assert_eq!(expected.message_bytes(), 0x8000_0000);
    assert_eq!(header(&bytes), Ok(Some(expected)));
    let too_long = Error::TooLong {
        bytes: 0x7fff_fffb,
        max: 4096,
    };
    assert_eq!(frame(&bytes, 4096), Err(too_long));

    let mut walk = Walk::new();
    assert_eq!(walk.step(&bytes), Ok((5, Some(expected))));
    assert_eq!(walk.body_left(), 0x7fff_fffb);
    assert_eq!(walk.step(&[0; 100]), Ok((100, None)));
    assert_eq!(walk.body_left(), 0x7fff_fffb - 100);
}

#[test]
fn a_frame_is_whole_or_not_there() {
    let bytes = b"Z\0\0\0\x05IrestZ";
    let expected = Frame {
        tag: b'Z',
        body: b"I",
        bytes: 6,
    };
    assert_eq!(frame(bytes, 1), Ok(Some(expected)));
    for end in 0..6 {
        assert_eq!(frame(&bytes[..end], 1), Ok(None));
    }
    let too_long = Error::TooLong { bytes: 1, max: 0 };
    assert_eq!(frame(&bytes[..5], 0), Err(too_long));
    let empty = frame(b"S\0\0\0\x04", 0).unwrap().unwrap();
    assert_eq!((empty.body, empty.bytes), (&b""[..], 5));
}

#[test]
fn a_step_without_input_changes_nothing() {
    let mut walk = Walk::new();
    assert_eq!(walk.step(b""), Ok((0, None)));
    assert!(walk.at_boundary());
    walk.step(b"Z\0").unwrap();
    assert_eq!(walk.step(b""), Ok((0, None)));
    assert!(!walk.at_boundary());
}

#[test]
fn messages_without_a_body_end_at_their_header() {
    let mut walk = Walk::new();
    let (taken, header) = walk.step(b"S\0\0\0\x04Q").unwrap();
    assert_eq!((taken, header.unwrap().tag), (5, b'S'));
    assert!(walk.at_boundary());
    assert_eq!(walk.body_left(), 0);
}

prop_compose! {
    fn stream()(messages in proptest::collection::vec(
        (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..8,
    )) -> (Vec<u8>, Vec<(usize, Header)>) {
        let mut bytes = Vec::new();
        let mut headers = Vec::new();
        for (tag, body) in messages {
            let len = 4 + u32::try_from(body.len()).unwrap();
            bytes.extend(message(tag, len));
            headers.push((bytes.len(), Header { tag, len }));
            bytes.extend(body);
        }
        (bytes, headers)
    }
}

proptest! {
    #[test]
    fn a_walk_finds_every_header_wherever_the_stream_is_cut(
        (bytes, headers) in stream(),
        chunk_bytes in 1_usize..12,
    ) {
        let (found, end) = walk(bytes.chunks(chunk_bytes)).unwrap();
        prop_assert_eq!(&found, &headers);
        prop_assert!(end.at_boundary());
    }

    #[test]
    fn a_walk_of_any_bytes_does_not_depend_on_where_they_are_cut(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(bytes.len() + 1);
        let whole = walk(std::iter::once(&bytes[..]));
        let (front, back) = bytes.split_at(cut);
        prop_assert_eq!(walk([front, back].into_iter()), whole);
    }

    #[test]
    fn frames_and_walk_agree((bytes, headers) in stream()) {
        let mut rest = &bytes[..];
        let mut count = 0;
        while let Some(frame) = frame(rest, 40).unwrap() {
            prop_assert_eq!(frame.tag, headers[count].1.tag);
            prop_assert_eq!(frame.bytes as u64, headers[count].1.message_bytes());
            rest = &rest[frame.bytes..];
            count += 1;
        }
        prop_assert_eq!(count, headers.len());
    }
}
