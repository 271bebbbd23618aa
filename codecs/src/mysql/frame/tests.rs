use proptest::prelude::*;

use super::*;

const FULL: usize = PACKET_BYTES_MAX as usize;

fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
    let [low, middle, high, ..] = body.len().to_le_bytes();
    [&[low, middle, high, sequence], body].concat()
}

/// A start that owns its bytes, with the position behind it.
type Found = (usize, u8, u32, Vec<u8>, bool);

/// Walks the chunks; answers the starts and where the walk ended.
fn walk<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<(Vec<Found>, bool, u32), Error> {
    let mut walk = Walk::new();
    let mut starts = Vec::new();
    let mut position = 0;
    for mut chunk in chunks {
        while !chunk.is_empty() {
            let (taken, start) = walk.step(chunk)?;
            assert!(taken > 0, "a step with input goes on");
            position += taken;
            starts.extend(start.map(|start| {
                let body = start.body.to_vec();
                (
                    position,
                    start.sequence,
                    start.packet_bytes,
                    body,
                    start.continues,
                )
            }));
            chunk = &chunk[taken..];
        }
    }
    Ok((starts, walk.at_boundary(), walk.packet_left()))
}

#[test]
fn a_frame_is_whole_or_not_there() {
    let bytes = b"\x02\0\0\x07okrest";
    let expected = Frame {
        sequence: 7,
        body: b"ok",
        bytes: 6,
    };
    assert_eq!(frame(bytes, 2), Ok(Some(expected)));
    for end in 0..6 {
        assert_eq!(frame(&bytes[..end], 2), Ok(None));
    }
    let too_long = Error::TooLong { bytes: 2, max: 1 };
    assert_eq!(frame(&bytes[..4], 1), Err(too_long));
    let empty = frame(b"\0\0\0\0", 0).unwrap().unwrap();
    assert_eq!((empty.body, empty.bytes), (&b""[..], 4));
}

// A TLS ClientHello, or another protocol: never waited for.
#[test]
fn a_handshake_of_several_packets_is_refused() {
    let too_long = Error::TooLong {
        bytes: 0xff_ffff,
        max: 0xff_fffe,
    };
    assert_eq!(frame(b"\xff\xff\xff\0", usize::MAX), Err(too_long));
    let too_long = Error::TooLong {
        bytes: 0x01_0316,
        max: 1000,
    };
    assert_eq!(frame(b"\x16\x03\x01\x02", 1000), Err(too_long));
}

#[test]
fn a_message_of_one_packet_is_not_copied() {
    let bytes = b"\x02\0\0\xffokrest";
    let found = message(bytes, 2).unwrap().unwrap();
    assert!(matches!(found.body, Cow::Borrowed(b"ok")));
    assert_eq!(
        (found.sequence, found.next_sequence, found.bytes),
        (255, 0, 6)
    );
    for end in 0..6 {
        assert_eq!(message(&bytes[..end], 2), Ok(None));
    }
    let too_long = Error::TooLong { bytes: 2, max: 1 };
    assert_eq!(message(&bytes[..4], 1), Err(too_long));
}

#[test]
fn a_long_message_is_put_together() {
    for (bytes, packets) in [(FULL - 1, 1), (FULL, 2), (FULL + 1, 2), (2 * FULL + 3, 3)] {
        let body: Vec<u8> = (0..251).cycle().take(bytes).collect();
        let mut wire = Vec::new();
        let mut sequence = 3;
        let mut packet = Packet::new(&mut sequence, &mut wire);
        packet.bytes(&body);
        packet.finish();
        let length = wire.len();
        wire.extend(b"\x01\0\0\0\x0e");

        let found = message(&wire, bytes).unwrap().unwrap();
        assert_eq!((found.sequence, found.next_sequence), (3, 3 + packets));
        assert!(found.bytes == length && found.body == body);
        assert_eq!(message(&wire[..length - 1], bytes), Ok(None));
        assert_eq!(message(&wire[..length - 5], bytes), Ok(None));
        assert!(message(&wire, bytes - 1).is_err());

        // The walk finds it as one message, and what is behind it.
        for chunk_bytes in [1_000_003, FULL + 4, FULL + 2, usize::MAX] {
            let (starts, at_boundary, left) = walk(wire.chunks(chunk_bytes)).unwrap();
            assert_eq!(starts.len(), 2);
            let (position, sequence, packet_bytes, start, continues) = &starts[0];
            assert_eq!((*position, *sequence, *continues), (44, 3, packets > 1));
            assert_eq!(*packet_bytes as usize, bytes.min(FULL));
            assert_eq!(start, &body[..40]);
            assert_eq!((starts[1].0, &starts[1].3[..]), (length + 5, &[0x0e][..]));
            assert!(at_boundary && left == 0);
        }
    }
}

#[test]
fn packets_of_a_message_are_numbered() {
    let wrong = [packet(9, &vec![b'x'; FULL]), packet(11, b"y")].concat();
    let error = Error::Sequence {
        expected: 10,
        found: 11,
    };
    assert_eq!(message(&wrong, usize::MAX), Err(error));

    let mut walk = Walk::new();
    let (taken, start) = walk.step(&wrong).unwrap();
    assert!(taken == 44 && start.unwrap().continues);
    let (skipped, start) = walk.step(&wrong[44..]).unwrap();
    assert_eq!((skipped, start), (FULL - 40, None));
    assert!(!walk.at_boundary());
    assert_eq!(walk.step(&wrong[44 + skipped..]), Err(error));
    // Nothing behind it can be understood any more.
    assert_eq!(walk.step(b"\x01\0\0\0\x0e"), Err(error));
    assert!(!walk.at_boundary());
}

#[test]
fn an_empty_packet_begins_a_message_unless_it_ends_one() {
    let (starts, at_boundary, _) = walk([&b"\0\0\0\x02\0\0\0\x03"[..]]).unwrap();
    assert_eq!(starts, [(4, 2, 0, vec![], false), (8, 3, 0, vec![], false)]);
    assert!(at_boundary);

    let mut stream = packet(0, &vec![b'x'; FULL]);
    let (_, at_boundary, left) = walk([&stream[..]]).unwrap();
    assert!(!at_boundary && left == 0, "the empty packet is to come");
    stream.extend(packet(1, b""));
    let (starts, at_boundary, _) = walk([&stream[..]]).unwrap();
    assert!(starts.len() == 1 && at_boundary);
}

#[test]
fn a_step_without_input_changes_nothing() {
    let mut walk = Walk::new();
    assert_eq!(walk.step(b""), Ok((0, None)));
    assert!(walk.at_boundary());
    walk.step(b"\x02\0").unwrap();
    assert_eq!(walk.step(b""), Ok((0, None)));
    assert!(!walk.at_boundary());
}

#[test]
fn the_start_is_there_before_the_rest_of_the_body() {
    let stream = packet(1, &[b'x'; 100]);
    let mut walk = Walk::new();
    assert_eq!(walk.step(&stream[..43]), Ok((43, None)));
    let (taken, start) = walk.step(&stream[43..]).unwrap();
    let start = start.unwrap();
    assert_eq!(
        (taken, start.packet_bytes, start.body),
        (1, 100, &[b'x'; 40][..])
    );
    assert_eq!(walk.packet_left(), 60);
}

prop_compose! {
    fn stream()(messages in proptest::collection::vec(
        (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..100)), 0..8,
    )) -> (Vec<u8>, Vec<Found>) {
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for (sequence, body) in messages {
            let start = &body[..body.len().min(START_BYTES_MAX)];
            let position = bytes.len() + HEADER_BYTES + start.len();
            let packet_bytes = u32::try_from(body.len()).unwrap();
            starts.push((position, sequence, packet_bytes, start.to_vec(), false));
            bytes.extend(packet(sequence, &body));
        }
        (bytes, starts)
    }
}

proptest! {
    #[test]
    fn a_walk_finds_every_start_wherever_the_stream_is_cut(
        (bytes, starts) in stream(),
        chunk_bytes in 1_usize..60,
    ) {
        let (found, at_boundary, _) = walk(bytes.chunks(chunk_bytes)).unwrap();
        prop_assert_eq!(found, starts);
        prop_assert!(at_boundary);
    }

    #[test]
    fn a_walk_of_any_bytes_does_not_depend_on_where_they_are_cut(
        bytes in proptest::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..100),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(bytes.len() + 1);
        let whole = walk([&bytes[..]]);
        let (front, back) = bytes.split_at(cut);
        prop_assert_eq!(walk([front, back]), whole);
    }

    #[test]
    fn frames_messages_and_walk_agree((bytes, starts) in stream()) {
        let mut rest = &bytes[..];
        let mut count = 0;
        while let Some(found) = frame(rest, 100).unwrap() {
            prop_assert_eq!(found.sequence, starts[count].1);
            prop_assert!(found.body.starts_with(&starts[count].3));
            let message = message(rest, 100).unwrap().unwrap();
            prop_assert_eq!((&*message.body, message.bytes), (found.body, found.bytes));
            rest = &rest[found.bytes..];
            count += 1;
        }
        prop_assert_eq!(count, starts.len());
    }
}
