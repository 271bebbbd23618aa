//! A stream of messages of either side: OP_MSG, OP_QUERY, OP_REPLY, OP_COMPRESSED, and others.
//!
//! A header, an opening and what passes by have the same answer wherever they are cut; what is
//! passed on is a message again, with its new numbers and its own checksum; of one that is refused
//! the last byte is never passed on; whole and passing readers agree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::mongo::Error;
use tenantsdb_codecs::mongo::frame::{Header, MESSAGE_BYTES_MAX, Opcode};
use tenantsdb_codecs::mongo::op_msg::{Head, Message, Opening, Passing, Section, Sequence, Stream};
use tenantsdb_codecs::mongo::startup::{Query, Reply, write_reply};
use tenantsdb_fuzz::cuts;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    loop {
        let header = Header::read(rest, MESSAGE_BYTES_MAX);
        for cut in cuts(rest.len()).take(20) {
            let part = Header::read(&rest[..cut], MESSAGE_BYTES_MAX);
            assert!(part == Ok(None) || part == header, "cut at {cut}");
        }
        opening(rest);
        let Ok(Some(header)) = header else {
            return;
        };
        let Some((message, behind)) = rest.split_at_checked(header.length) else {
            return;
        };
        assert_eq!(message[..16], header.bytes());
        match header.opcode {
            Opcode::Msg => op_msg(message),
            Opcode::Query => query(message),
            Opcode::Reply => reply(message),
            Opcode::Compressed | Opcode::Other(_) => {
                assert!(Message::read(message).is_err() && Query::read(message).is_err());
            }
        }
        rest = behind;
    }
});

/// What is waited for is never more than a body's bound.
fn opening(input: &[u8]) {
    let read = |input: &[u8]| {
        let opening = Opening::read(input, MESSAGE_BYTES_MAX)?;
        Ok::<_, Error>(opening.map(|opening| Head::from(&opening)))
    };
    let whole = read(input);
    for cut in cuts(input.len()).take(80) {
        let part = read(&input[..cut]);
        assert!(part == Ok(None) || part == whole, "cut at {cut}");
    }
}

/// What was passed on, and the sequences in it.
type Passed = Result<(Vec<u8>, Vec<Sequence>), Error>;

fn op_msg(message: &[u8]) {
    let whole = Message::read(message);
    let passed = pass(message, []);
    for cut in cuts(message.len()).take(80) {
        assert_eq!(pass(message, [cut]), passed, "cut at {cut}");
        assert_eq!(pass_reply(message, [cut]), pass_reply(message, []));
    }
    assert_eq!(pass(message, (0..message.len()).step_by(5)), passed);
    let held = pass_command(message, []);
    assert_eq!(pass_command(message, (0..message.len()).step_by(3)), held);
    if let Ok((bytes, _)) = &held {
        let sequences = Message::read(bytes).expect("it was passed on");
        let all = ["documents", "updates", "deletes", "ops", "nsInfo"];
        assert!(sequences.sequences().all(|(name, _)| all.contains(&name)));
    }
    // A body that is not the first section is the one thing that only one of them takes.
    let body_first = message.get(20) == Some(&0);
    assert_eq!(passed.is_ok(), whole.is_ok() && body_first);
    let Ok(read) = whole else {
        return;
    };
    assert!(read.sections().all(|section| section.is_ok()));
    let bodies = read.sections().flatten();
    let bodies = bodies.filter(|section| matches!(section, Section::Body(_)));
    assert_eq!(bodies.count(), 1);
    let Ok((passed, sequences)) = passed else {
        return;
    };
    let again = Message::read(&passed).expect("it was passed on");
    assert_eq!(
        (again.header.request_id, again.header.response_to),
        (-42, 7)
    );
    assert_eq!((again.flags, again.body), (read.flags, read.body));
    let counted = read.sequences().map(|(name, documents)| Sequence {
        name: name.to_owned(),
        documents: documents.count() as u64,
    });
    assert_eq!(counted.collect::<Vec<_>>(), sequences);
}

fn pass(message: &[u8], ends: impl IntoIterator<Item = usize>) -> Passed {
    step(message, ends, |front, head| {
        Stream::start(front, head, -42, 7)
    })
}

/// The same with its sequences held to what its command may have.
fn pass_command(message: &[u8], ends: impl IntoIterator<Item = usize>) -> Passed {
    step(message, ends, |front, head| {
        Stream::start_command(front, head, -42, "myapp")
    })
}

fn step(
    message: &[u8],
    ends: impl IntoIterator<Item = usize>,
    start: impl FnOnce(&mut [u8], Head) -> Stream,
) -> Passed {
    let mut message = message.to_vec();
    let opening = Opening::read(&message, MESSAGE_BYTES_MAX)?;
    let head = Head::from(&opening.ok_or(Error::Truncated("message"))?);
    let mut stream = start(&mut message, head);
    let mut place = head.bytes;
    for end in ends.into_iter().chain([message.len()]) {
        let chunk = message.get_mut(place..end).unwrap_or_default();
        let bytes = chunk.len();
        match stream.step(chunk) {
            Ok(taken) => assert_eq!(taken, bytes),
            Err(error) => {
                assert_eq!(stream.step(&mut [0]), Err(error), "an error stays");
                return Err(error);
            }
        }
        place = place.max(end);
    }
    assert_eq!(stream.left(), 0);
    Ok((message, stream.sequences().to_vec()))
}

fn pass_reply(
    message: &[u8],
    ends: impl IntoIterator<Item = usize>,
) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let mut message = message.to_vec();
    let head = Head::read(&message, MESSAGE_BYTES_MAX).ok()??;
    let mut passing = Passing::start(&mut message, head, -42, 7);
    let mut place = head.bytes;
    for end in ends.into_iter().chain([message.len()]) {
        let chunk = message.get_mut(place..end).unwrap_or_default();
        passing.step(chunk).ok()?;
        place = place.max(end);
    }
    let outline = passing.outline().map(|found| found.bytes().to_vec());
    assert!(outline.is_some(), "a reply that passed has a body");
    Some((message, outline))
}

fn query(message: &[u8]) {
    let Ok(read) = Query::read(message) else {
        return;
    };
    let _ = read.command();
    let mut again = Vec::new();
    let number = read.header.request_id;
    Query::write(number, read.collection, read.query.bytes(), &mut again);
    let same = Query::read(&again).expect("it was written");
    assert_eq!((same.collection, same.query), (read.collection, read.query));
}

fn reply(message: &[u8]) {
    let Ok(read) = Reply::read(message) else {
        return;
    };
    let mut again = Vec::new();
    let (id, to) = (read.header.request_id, read.header.response_to);
    write_reply(id, to, read.flags, read.document.bytes(), &mut again);
    let same = Reply::read(&again).expect("it was written");
    assert_eq!((same.header, same.flags), (read.header, read.flags));
    assert_eq!(same.document, read.document);
}
