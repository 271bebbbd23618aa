use proptest::prelude::*;

use super::*;
use crate::limits::{MONGO_LOGIN_BYTES_MAX, MONGO_SEQUENCES_MAX};
use crate::mongo::bson::{Value, Writer};
use crate::mongo::frame::MESSAGE_BYTES_MAX;

const CHECKSUM: Flags = Flags {
    checksum_present: true,
    ..Flags::NONE
};

/// `{ping: 1, $db: "admin"}` as request 1.
const PING: &[u8] = b"3\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\
    \x1e\0\0\0\x10ping\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0";

fn ping() -> Vec<u8> {
    let mut body = Writer::new();
    body.i32("ping", 1).str("$db", "admin");
    body.finish()
}

fn numbered(number: i32) -> Vec<u8> {
    let mut document = Writer::new();
    document.i32("_id", number);
    document.finish()
}

fn insert(flags: Flags, documents: i32) -> Vec<u8> {
    let mut body = Writer::new();
    body.str("insert", "users").str("$db", "myapp__acme");
    let documents: Vec<_> = (0..documents).map(numbered).collect();
    let mut message = Vec::new();
    let sequences = [("documents", &documents[..])];
    write_with(7, 0, flags, &body.finish(), &sequences, &mut message);
    message
}

/// An OP_MSG of these flags and bytes behind them, its length right.
fn raw(bits: u32, sections: &[u8]) -> Vec<u8> {
    let header = Header {
        length: HEADER_LENGTH + FLAGS_BYTES + sections.len(),
        request_id: 1,
        response_to: 0,
        opcode: Opcode::Msg,
    };
    let mut message = Vec::new();
    header.write(&mut message);
    message.extend_from_slice(&bits.to_le_bytes());
    message.extend_from_slice(sections);
    message
}

/// What was passed on and the sequences in it, or what was wrong and how much was passed on before.
type Passed = Result<(Vec<u8>, Vec<Sequence>), (Error, usize)>;

/// Passes a message on as request 42, in chunks that end at these places.
fn pass(message: &[u8], ends: impl IntoIterator<Item = usize>) -> Passed {
    let mut message = message.to_vec();
    let opening = Opening::read(&message, MESSAGE_BYTES_MAX);
    let opening = opening.map_err(|error| (error, 0))?.expect("it is whole");
    let head = Head::from(&opening);
    let mut stream = Stream::start(&mut message, head, 42, 0);
    let mut place = head.bytes;
    for end in ends.into_iter().chain([head.header.length]) {
        let chunk = message.get_mut(place..end).unwrap_or_default();
        if let Err(error) = stream.step(chunk) {
            assert_eq!(stream.step(&mut [0]), Err(error), "an error stays");
            return Err((error, place));
        }
        place = place.max(end);
    }
    assert_eq!(stream.left(), 0);
    Ok((message, stream.sequences().to_vec()))
}

/// Passes a message on as answer to 42, with its outline.
fn pass_reply(
    message: &[u8],
    ends: impl IntoIterator<Item = usize>,
) -> Result<(Vec<u8>, Option<Vec<u8>>), Error> {
    let mut message = message.to_vec();
    let head = Head::read(&message, MESSAGE_BYTES_MAX)?.expect("it is whole");
    let mut passing = Passing::start(&mut message, head, 9, 42);
    let mut place = head.bytes;
    for end in ends.into_iter().chain([head.header.length]) {
        let chunk = message.get_mut(place..end).unwrap_or_default();
        passing.step(chunk)?;
        place = place.max(end);
    }
    assert_eq!(passing.left(), 0);
    let outline = passing.outline().map(|found| found.bytes().to_vec());
    Ok((message, outline))
}

#[test]
fn the_checksum_is_that_of_rfc_3720() {
    for (bytes, checksum) in [
        (&b""[..], 0),
        (b"123456789", 0xe306_9283),
        // Appendix B.4.
        (&[0; 32], 0x8a91_36aa),
        (&[0xff; 32], 0x62a8_ab43),
    ] {
        assert_eq!(Crc32c::of(bytes).value(), checksum);
        for cut in 0..bytes.len() {
            let mut crc = Crc32c::of(&bytes[..cut]);
            crc.update(&bytes[cut..]);
            assert_eq!(crc.value(), checksum);
        }
    }
}

#[test]
fn a_message_is_header_flags_and_a_body() {
    let mut message = Vec::new();
    write(1, 0, Flags::NONE, &ping(), &mut message);
    assert_eq!(message, PING);
    let read = Message::read(PING).unwrap();
    assert_eq!((read.header.request_id, read.flags), (1, Flags::NONE));
    assert_eq!(read.body.bytes(), ping());
    assert_eq!(read.sequences().count(), 0);
    let opening = Opening::read(PING, MESSAGE_BYTES_MAX).unwrap().unwrap();
    assert_eq!((opening.bytes, opening.body), (PING.len(), read.body));
}

#[test]
fn a_sequence_is_an_array_of_the_command() {
    for flags in [Flags::NONE, CHECKSUM] {
        let message = insert(flags, 3);
        let read = Message::read(&message).unwrap();
        assert_eq!(
            read.body.first(),
            Ok(Some(("insert", Value::String("users"))))
        );
        let (name, documents) = read.sequences().next().unwrap();
        assert_eq!(name, "documents");
        let documents: Vec<_> = documents
            .map(|found| found.unwrap().bytes().to_vec())
            .collect();
        assert_eq!(documents, [numbered(0), numbered(1), numbered(2)]);
        let (_, sequences) = pass(&message, []).unwrap();
        let expected = Sequence {
            name: "documents".to_owned(),
            documents: 3,
        };
        assert_eq!(sequences, [expected]);
    }
}

#[test]
fn a_whole_message_may_have_its_body_last_and_a_passing_one_may_not() {
    let mut sections = Vec::new();
    section::write("documents", &[numbered(1)], &mut sections);
    sections.push(BODY);
    sections.extend_from_slice(&ping());
    let message = raw(0, &sections);
    assert_eq!(Message::read(&message).unwrap().body.bytes(), ping());
    let refused = Opening::read(&message, MESSAGE_BYTES_MAX);
    assert_eq!(refused.err(), Some(Error::Invalid("first section")));
}

#[test]
fn flags_that_must_be_known_are_refused_and_others_not_looked_at() {
    let sections = [&[BODY][..], &ping()].concat();
    for bit in 2..16 {
        let message = raw(1 << bit, &sections);
        let refused = Message::read(&message).unwrap_err();
        assert_eq!(refused, Error::Unsupported("OP_MSG flag"));
        assert_eq!(refused.code().number(), 223);
        assert!(Opening::read(&message, MESSAGE_BYTES_MAX).is_err());
    }
    for bit in 16..32 {
        let flags = Message::read(&raw(1 << bit, &sections)).unwrap().flags;
        assert_eq!(flags.exhaust_allowed, bit == 16);
        assert_eq!(flags.bits(), if bit == 16 { 1 << 16 } else { 0 });
    }
    let flags = Message::read(&raw(2, &sections)).unwrap().flags;
    assert!(flags.more_to_come && flags.bits() == 2);
}

#[test]
fn another_checksum_is_refused() {
    let message = insert(CHECKSUM, 3);
    assert!(Message::read(&message).is_ok());
    for place in [4, message.len() - 5, message.len() - 4, message.len() - 1] {
        let mut changed = message.clone();
        changed[place] ^= 0x40;
        let refused = Message::read(&changed).unwrap_err();
        assert!(refused == Error::Checksum || place == message.len() - 5);
        assert!(pass(&changed, []).is_err());
    }
    assert_eq!(Error::Checksum.code().number(), 288);
}

#[test]
fn of_a_message_with_another_checksum_the_last_byte_is_never_passed_on() {
    let message = insert(CHECKSUM, 3);
    for bit in 0..32 {
        let mut changed = message.clone();
        changed[message.len() - 4 + bit / 8] ^= 1 << (bit % 8);
        let (error, passed) = pass(&changed, 0..message.len()).unwrap_err();
        assert_eq!(error, Error::Checksum);
        assert!(passed < message.len());
    }
}

#[test]
fn a_message_that_is_passed_on_has_its_new_numbers_in_its_checksum() {
    for flags in [Flags::NONE, CHECKSUM] {
        let message = insert(flags, 100);
        for end in [0, 1, 40, 70, message.len() - 3, message.len() - 1] {
            let (passed, _) = pass(&message, [end]).unwrap();
            let read = Message::read(&passed).unwrap();
            assert_eq!(read.header.request_id, 42);
            let content = HEADER_LENGTH..message.len() - flags.checksum_bytes();
            assert_eq!(passed[content.clone()], message[content]);
        }
    }
}

#[test]
fn sections_that_overrun_are_refused() {
    let body = [&[BODY][..], &ping()].concat();
    let with = |more: &[u8]| raw(0, &[&body[..], more].concat());
    for (message, error) in [
        (raw(0, b""), Error::Truncated("body")),
        (raw(0, b"\0\x05\0\0\0"), Error::Truncated("body")),
        (raw(0, b"\0\x07\0\0\0\0"), Error::Truncated("document")),
        (
            raw(0, b"\0\xff\xff\xff\x7f\0\0\0\0"),
            Error::TooLong {
                field: "document",
                bytes: 0x7fff_ffff,
                max: 16_793_600,
            },
        ),
        (
            raw(0, b"\0\xff\xff\xff\xff\0\0\0\0"),
            Error::Invalid("document length"),
        ),
        (
            raw(0, b"\x02\x05\0\0\0\0\0\0\0"),
            Error::Invalid("section kind"),
        ),
        (with(b"\0\x05\0\0\0\0"), Error::TooMany("bodies")),
        (with(b"\x02"), Error::Invalid("section kind")),
        (with(b"\x01"), Error::Truncated("section")),
        (with(b"\x01\x05\0\0"), Error::Truncated("section")),
        (with(b"\x01\x04\0\0\0\0"), Error::Invalid("section length")),
        (
            with(b"\x01\xff\xff\xff\xff\0"),
            Error::Invalid("section length"),
        ),
        (with(b"\x01\x06\0\0\0\0"), Error::Truncated("section")),
        (with(b"\x01\xff\xff\xff\x7f\0"), Error::Truncated("section")),
        (
            with(b"\x01\x06\0\0\0aa\0"),
            Error::Terminator("sequence name"),
        ),
        (with(b"\x01\x06\0\0\0\xff\0"), Error::Utf8("sequence name")),
        (
            with(b"\x01\x09\0\0\0\0\x04\0\0\0"),
            Error::Invalid("document length"),
        ),
        (
            with(b"\x01\x0a\0\0\0\0\x06\0\0\0\0\0"),
            Error::Truncated("document"),
        ),
        (
            with(b"\x01\x0a\0\0\0\0\x05\0\0\0\x01"),
            Error::Terminator("document"),
        ),
    ] {
        assert_eq!(Message::read(&message).err(), Some(error), "{message:?}");
        // What passes by has no sections to look into ahead; it is refused all the same.
        assert!(pass(&message, []).is_err(), "{error:?}");
        assert!(pass(&message, 0..message.len()).is_err(), "{error:?}");
    }
}

#[test]
fn the_longest_name_and_the_most_sequences_are_bounded() {
    let body = [&[BODY][..], &ping()].concat();
    let sections = |name: &str, count| {
        let mut sections = body.clone();
        for number in 0..count {
            let name = &format!("{number}{name}");
            section::write(name, &[], &mut sections);
        }
        raw(0, &sections)
    };
    let name = "n".repeat(63);
    for (message, taken) in [
        (sections(&name, MONGO_SEQUENCES_MAX), true),
        (sections(&name, MONGO_SEQUENCES_MAX + 1), false),
        (sections(&format!("{name}n"), 1), false),
    ] {
        assert_eq!(Message::read(&message).is_ok(), taken);
        assert_eq!(pass(&message, []).is_ok(), taken);
    }
    let refused = Message::read(&sections("a", MONGO_SEQUENCES_MAX + 1)).unwrap_err();
    assert_eq!(refused.code().number(), 233);
}

#[test]
fn a_body_may_not_reach_into_the_checksum() {
    let mut sections = [&[BODY][..], &ping()].concat();
    sections.extend_from_slice(&[0; 3]);
    let message = raw(1, &sections);
    assert!(Message::read(&message).is_err());
    let refused = Opening::read(&message, MESSAGE_BYTES_MAX);
    assert_eq!(refused.err(), Some(Error::Truncated("body")));
}

/// What passing a command on comes to, in chunks of this size.
fn pass_command(
    command: &[u8],
    sequences: &[NamedDocuments<'_>],
    chunk_bytes: usize,
) -> Result<usize, Error> {
    let mut message = Vec::new();
    write_with(1, 0, Flags::NONE, command, sequences, &mut message);
    let head = Opening::read(&message, MESSAGE_BYTES_MAX).map(|found| Head::from(&found.unwrap()));
    let head = head.unwrap();
    let mut stream = Stream::start_command(&mut message, head, 42, "myapp__acme");
    let mut passed = 0;
    for chunk in message[head.bytes..].chunks_mut(chunk_bytes) {
        passed += stream.step(chunk)?;
    }
    Ok(head.bytes + passed)
}

fn command(name: &str) -> Vec<u8> {
    let mut command = Writer::new();
    command.i32(name, 1);
    command.finish()
}

#[test]
fn a_command_has_the_sequences_that_are_its_own_and_no_other() {
    for (name, sequence, passes) in [
        ("insert", "documents", true),
        ("update", "updates", true),
        ("delete", "deletes", true),
        ("bulkWrite", "ops", true),
        ("insert", "updates", false),
        ("aggregate", "pipeline", false),
        ("find", "documents", false),
        ("insert", "$db", false),
        ("insert", "lsid", false),
        ("insert", "", false),
    ] {
        let documents = [numbered(1)];
        for bytes in [1, 7, 1_000] {
            let passed = pass_command(&command(name), &[(sequence, &documents)], bytes);
            assert_eq!(passed.is_ok(), passes, "{name} {sequence}");
            let refused = passed
                .err()
                .filter(|error| *error != Error::Invalid("sequence name"));
            assert_eq!(refused, None);
        }
    }
}

/// A server that is written with recursion may fall of it, and with it all that it serves.
#[test]
fn a_command_has_no_document_that_is_nested_too_deep_or_broken() {
    let nested = |depth: usize| {
        let mut bytes = Writer::new().finish();
        for _ in 1..depth {
            let mut around = Writer::new();
            around.value("a", &Value::Document(Document::whole(&bytes).unwrap()));
            bytes = around.finish();
        }
        bytes
    };
    let mut lies = nested(3);
    lies[7] += 1;
    for (last, error) in [
        (nested(200), None),
        (nested(201), Some(Error::Depth(200))),
        (nested(10_000), Some(Error::Depth(200))),
        (lies, Some(Error::Truncated("element value"))),
    ] {
        for (name, sequence) in [("insert", "documents"), ("bulkWrite", "ops")] {
            let documents = [nested(200), last.clone()];
            for bytes in [1, 7, 1 << 20] {
                let passed = pass_command(&command(name), &[(sequence, &documents)], bytes);
                assert_eq!(passed.err(), error, "{sequence}");
            }
        }
    }
}

#[test]
fn a_bulk_write_names_collections_of_its_own_database_alone() {
    let namespace = |name: &str| {
        let mut document = Writer::new();
        document.str("ns", name);
        document.finish()
    };
    let twice = {
        let mut document = Writer::new();
        document.str("ns", "myapp__acme.a").str("ns", "other.a");
        document.finish()
    };
    for (last, error) in [
        (namespace("myapp__acme.users"), None),
        (namespace("other.users"), Some(Error::Namespace)),
        (namespace("myapp__acme2.users"), Some(Error::Namespace)),
        (namespace("myapp__acme"), Some(Error::Namespace)),
        (namespace("myapp__acme._tenantsdb"), Some(Error::Marker)),
        (namespace("myapp__acme._tenantsdb2"), None),
        (namespace(""), Some(Error::Namespace)),
        (numbered(1), Some(Error::Missing("namespace"))),
        (command("ns"), Some(Error::Type("namespace"))),
        (twice, Some(Error::Namespace)),
        (
            namespace(&"n".repeat(65_536)),
            Some(Error::TooLong {
                field: "namespace",
                bytes: 65_550,
                max: 65_536,
            }),
        ),
    ] {
        let ops = [numbered(1), numbered(2)];
        let namespaces = [namespace("myapp__acme.a"), last];
        let sequences: [NamedDocuments<'_>; 2] = [("ops", &ops), ("nsInfo", &namespaces)];
        for bytes in [1, 7, 100_000] {
            let passed = pass_command(&command("bulkWrite"), &sequences, bytes);
            assert_eq!(passed.err(), error);
        }
        let mut array = Writer::new();
        array.array("nsInfo", |array| {
            for bytes in &namespaces {
                array.value(&Value::Document(Document::whole(bytes).unwrap()));
            }
        });
        let array = array.finish();
        let array = Document::whole(&array)
            .unwrap()
            .get("nsInfo")
            .unwrap()
            .unwrap();
        let checked = check_namespaces(array.as_array().unwrap(), "myapp__acme");
        assert_eq!(checked.is_err(), error.is_some());
    }
    assert_eq!(Error::Namespace.code().number(), 13);
    assert_eq!(Error::Marker.code().number(), 13);
}

#[test]
fn a_sequence_comes_once() {
    let mut body = Writer::new();
    body.str("insert", "users");
    let documents = [numbered(1)];
    let sequences: [NamedDocuments<'_>; 2] = [("documents", &documents), ("documents", &documents)];
    let mut message = Vec::new();
    write_with(1, 0, Flags::NONE, &body.finish(), &sequences, &mut message);
    let refused = Error::TooMany("sequences of one name");
    assert_eq!(Message::read(&message).err(), Some(refused));
    assert!(matches!(pass(&message, []), Err((error, _)) if error == refused));
}

/// Found by fuzzing: what stood behind such a message was taken for its flags.
#[test]
fn a_message_without_room_for_a_body_is_refused_with_or_without_more_behind_it() {
    for length in 16..26_i32 {
        let mut stream = [PING, PING].concat();
        stream[..4].copy_from_slice(&length.to_le_bytes());
        let refused = Some(Error::Truncated("body"));
        for end in [16, 20, 25, stream.len()] {
            assert_eq!(
                Opening::read(&stream[..end], MESSAGE_BYTES_MAX).err(),
                refused
            );
        }
        let whole = usize::try_from(length).unwrap();
        assert_eq!(Message::read(&stream[..whole]).err(), refused);
    }
}

#[test]
fn other_opcodes_are_none() {
    for opcode in [1, 2004, 2012, 2001, 0, -1] {
        let mut message = PING.to_vec();
        message[12..16].copy_from_slice(&i32::to_le_bytes(opcode));
        let refused = Some(Error::Unsupported("opcode"));
        assert_eq!(Message::read(&message).err(), refused);
        assert_eq!(Opening::read(&message, MESSAGE_BYTES_MAX).err(), refused);
        assert_eq!(Head::read(&message, MESSAGE_BYTES_MAX).err(), refused);
    }
}

#[test]
fn before_a_login_less_is_waited_for() {
    let mut body = Writer::new();
    body.str("hello", &"x".repeat(MONGO_LOGIN_BYTES_MAX));
    let mut message = Vec::new();
    write(1, 0, Flags::NONE, &body.finish(), &mut message);
    let refused = Opening::read(&message[..4], MONGO_LOGIN_BYTES_MAX);
    assert!(matches!(refused, Err(Error::TooLong { .. })));
}

#[test]
fn of_a_reply_only_the_outline_is_held() {
    let mut body = Writer::new();
    body.document("cursor", |cursor| {
        cursor.array("firstBatch", |array| {
            (0..10_000).for_each(|number| {
                array.i32(number);
            });
        });
        cursor.i64("id", 7);
    });
    body.f64("ok", 1.0);
    let mut expected = Writer::new();
    expected.document("cursor", |cursor| {
        cursor.array("firstBatch", |array| {
            array.value(&Value::Null);
        });
        cursor.i64("id", 7);
    });
    expected.f64("ok", 1.0);
    let (body, expected) = (body.finish(), expected.finish());
    for flags in [Flags::NONE, CHECKSUM] {
        let mut message = Vec::new();
        write(1, 3, flags, &body, &mut message);
        let (passed, outline) = pass_reply(&message, (0..message.len()).step_by(7)).unwrap();
        assert_eq!(outline.as_deref(), Some(&expected[..]));
        let read = Message::read(&passed).unwrap();
        assert_eq!((read.header.request_id, read.header.response_to), (9, 42));
        assert_eq!(read.body.bytes(), body);
    }
}

#[test]
fn a_reply_whose_body_overruns_is_refused() {
    for sections in [
        &b"\0\x07\0\0\0\0\0"[..],
        b"\0\x05\0\0\0\x01",
        b"\0\x05\0\0\0\0\0",
        b"\0\x05\0\0\0\0\0\x05\0\0\0\0",
    ] {
        let message = raw(0, sections);
        assert!(pass_reply(&message, []).is_err());
        assert!(pass_reply(&message, 0..message.len()).is_err());
    }
}

fn flags() -> impl Strategy<Value = Flags> {
    any::<[bool; 3]>().prop_map(|[checksum_present, more_to_come, exhaust_allowed]| Flags {
        checksum_present,
        more_to_come,
        exhaust_allowed,
    })
}

/// Sections that are nearly right.
fn sections() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(vec![0, 5, 0, 0, 0, 0]),
        Just(vec![1, 6, 0, 0, 0, b'a', 0]),
        Just(vec![1, 11, 0, 0, 0, b'a', 0, 5, 0, 0, 0, 0]),
        prop::collection::vec(0..8_u8, 0..8),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn a_message_that_is_written_is_read_as_the_same(
        flags in flags(),
        names in prop::collection::hash_set("[a-z]{0,20}", 0..4),
        counts: [u8; 4],
        numbers: (i32, i32),
    ) {
        let sequences: Vec<(&str, Vec<Vec<u8>>)> = names
            .iter()
            .zip(counts)
            .map(|(name, count)| (&name[..], (0..count.into()).map(numbered).collect()))
            .collect();
        let borrowed: Vec<_> = sequences.iter().map(|(name, all)| (*name, &all[..])).collect();
        let mut message = Vec::new();
        write_with(numbers.0, numbers.1, flags, &ping(), &borrowed, &mut message);
        let read = Message::read(&message).unwrap();
        prop_assert_eq!(read.flags, flags);
        prop_assert_eq!((read.header.request_id, read.header.response_to), numbers);
        prop_assert_eq!(read.body.bytes(), ping());
        let found: Vec<(&str, Vec<Vec<u8>>)> = read
            .sequences()
            .map(|(name, all)| (name, all.map(|one| one.unwrap().bytes().to_vec()).collect()))
            .collect();
        prop_assert_eq!(&found, &sequences);
        let (passed, seen) = pass(&message, []).unwrap();
        let (same, _) = pass(&message, (0..message.len()).step_by(3)).unwrap();
        prop_assert_eq!(&passed, &same);
        prop_assert!(Message::read(&passed).is_ok());
        for (seen, (name, all)) in seen.iter().zip(&sequences) {
            prop_assert_eq!((&seen.name[..], seen.documents), (*name, all.len() as u64));
        }
    }

    #[test]
    fn both_readers_agree_wherever_a_message_is_cut(
        sections in sections(),
        ends in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        checksum: bool,
    ) {
        let mut message = raw(checksum.into(), &sections);
        if checksum {
            let length = i32::try_from(message.len() + 4).unwrap();
            message[..4].copy_from_slice(&length.to_le_bytes());
            let crc = Crc32c::of(&message);
            message.extend_from_slice(&crc.value().to_le_bytes());
        }
        let whole = Message::read(&message).map(|read| read.body.bytes().to_vec());
        let passed = pass(&message, []);
        let mut ends: Vec<_> = ends.iter().map(|end| end.index(message.len())).collect();
        ends.sort_unstable();
        let error = |result: &Passed| result.as_ref().err().map(|(error, _)| *error);
        for again in [pass(&message, ends.clone()), pass(&message, 0..message.len())] {
            prop_assert_eq!(error(&again), error(&passed));
        }
        let reply = pass_reply(&message, []);
        prop_assert_eq!(pass_reply(&message, ends).is_ok(), reply.is_ok());
        // A body that is not the first section is the one thing that only one of them takes.
        let body_first = sections.first() == Some(&BODY);
        prop_assert_eq!(passed.is_ok(), whole.is_ok() && body_first);
    }

    #[test]
    fn an_opening_is_waited_for_and_then_stays(
        input in prop::collection::vec(any::<u8>(), 0..60),
        sections in sections(),
    ) {
        for message in [raw(0, &sections), input] {
            let whole = Opening::read(&message, MESSAGE_BYTES_MAX);
            let whole = whole.map(|found| found.map(|found| Head::from(&found)));
            for cut in 0..message.len() {
                let part = Opening::read(&message[..cut], MESSAGE_BYTES_MAX);
                let part = part.map(|found| found.map(|found| Head::from(&found)));
                prop_assert!(part == Ok(None) || part == whole, "{part:?} {whole:?}");
            }
            let _ = Message::read(&message);
        }
    }
}
