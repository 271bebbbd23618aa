//! What the targets of MySQL share.

use tenantsdb_codecs::mysql::Error;
use tenantsdb_codecs::mysql::frame::{
    HEADER_BYTES, Message, START_BYTES_MAX, Walk, frame, message,
};

use crate::cuts;

/// Longest body that [`messages`] holds whole.
const BODY_BYTES_MAX: usize = 65_536;

/// A start that owns its bytes, with the position behind it: sequence number, bytes of the packet,
/// first bytes of the body.
pub type Found = (usize, u8, u32, Vec<u8>);

/// The starts of a stream, and what ended the walk.
type Walked = (Vec<Found>, Result<(bool, u32), Error>);

/// Walks the chunks one after the other.
pub fn walk<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Walked {
    let mut walk = Walk::new();
    let mut starts = Vec::new();
    let mut position = 0;
    for mut chunk in chunks {
        while !chunk.is_empty() {
            match walk.step(chunk) {
                Ok((taken, start)) => {
                    assert!(taken > 0, "a step with input goes on");
                    position += taken;
                    starts.extend(start.map(|start| {
                        let body = start.body.to_vec();
                        (position, start.sequence, start.packet_bytes, body)
                    }));
                    chunk = &chunk[taken..];
                }
                Err(error) => {
                    assert_eq!(walk.step(chunk), Err(error), "an error stays");
                    return (starts, Err(error));
                }
            }
        }
    }
    (starts, Ok((walk.at_boundary(), walk.packet_left())))
}

/// Checks that a stream is walked alike wherever it is cut; answers its starts.
pub fn check_walk(stream: &[u8]) -> Vec<Found> {
    let whole = walk([stream]);
    for cut in cuts(stream.len()) {
        let (front, back) = stream.split_at(cut);
        assert_eq!(walk([front, back]), whole, "cut at {cut}");
    }
    assert_eq!(walk(stream.chunks(1)), whole);
    whole.0
}

/// The whole messages at the front of a stream, up to the first that is cut short, too long or
/// broken. Checks that a prefix of each is waited for, and that the starts are theirs.
pub fn messages<'a>(stream: &'a [u8], starts: &[Found]) -> Vec<Message<'a>> {
    let mut rest = stream;
    let mut messages = Vec::new();
    while let Ok(Some(found)) = message(rest, BODY_BYTES_MAX) {
        for cut in cuts(found.bytes) {
            assert_eq!(message(&rest[..cut], BODY_BYTES_MAX), Ok(None));
        }
        let same = frame(rest, BODY_BYTES_MAX)
            .expect("one packet")
            .expect("it is whole");
        assert_eq!((same.body, same.bytes), (&*found.body, found.bytes));

        let (position, sequence, _, start) = &starts[messages.len()];
        let begin = stream.len() - rest.len();
        assert_eq!(*position, begin + HEADER_BYTES + start.len());
        assert_eq!(*sequence, found.sequence);
        assert_eq!(**start, found.body[..found.body.len().min(START_BYTES_MAX)]);

        rest = &rest[found.bytes..];
        messages.push(found);
    }
    messages
}
