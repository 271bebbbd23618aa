//! What the targets share: where to cut an input, and how to follow a stream of messages; those of
//! MySQL are in [`mysql`].

pub mod mysql;

use tenantsdb_codecs::postgres::Error;
use tenantsdb_codecs::postgres::frame::{Frame, Header, Walk, frame, header};

/// Longest body that [`frames`] holds whole.
const BODY_BYTES_MAX: usize = 65_536;

/// Positions to cut an input of this length at: each of the first ones, where headers are, and some
/// of the rest. All of them would make long inputs too slow.
pub fn cuts(length: usize) -> impl Iterator<Item = usize> {
    const ALL_BELOW: usize = 48;
    (0..length.min(ALL_BELOW)).chain((ALL_BELOW..length).step_by(61))
}

/// The headers of a stream with the position behind each, and what ended the walk.
type Walked = (Vec<(usize, Header)>, Result<(bool, u32), Error>);

/// Walks the chunks one after the other.
pub fn walk<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Walked {
    let mut walk = Walk::new();
    let mut headers = Vec::new();
    let mut position = 0;
    for mut chunk in chunks {
        while !chunk.is_empty() {
            match walk.step(chunk) {
                Ok((taken, header)) => {
                    assert!(taken > 0, "a step with input goes on");
                    position += taken;
                    headers.extend(header.map(|header| (position, header)));
                    chunk = &chunk[taken..];
                }
                Err(error) => {
                    assert_eq!(walk.step(chunk), Err(error), "an error stays");
                    return (headers, Err(error));
                }
            }
        }
    }
    (headers, Ok((walk.at_boundary(), walk.body_left())))
}

/// Checks that a stream of tagged messages is walked alike wherever it is cut.
pub fn check_walk(stream: &[u8]) {
    let whole = walk([stream]);
    for cut in cuts(stream.len()) {
        let (front, back) = stream.split_at(cut);
        assert_eq!(walk([front, back]), whole, "cut at {cut}");
    }
    assert_eq!(walk(stream.chunks(1)), whole);
}

/// The whole messages at the front of a stream, up to the first that is cut short, too long or
/// broken. Checks that a prefix of each is waited for.
pub fn frames(stream: &[u8]) -> Vec<Frame<'_>> {
    let mut rest = stream;
    let mut frames = Vec::new();
    while let Ok(Some(found)) = frame(rest, BODY_BYTES_MAX) {
        let head = header(rest)
            .expect("a frame has a header")
            .expect("it is whole");
        assert_eq!(
            (head.tag, head.message_bytes()),
            (found.tag, found.bytes as u64)
        );
        for cut in cuts(found.bytes) {
            assert_eq!(frame(&rest[..cut], BODY_BYTES_MAX), Ok(None));
        }
        assert_eq!(frame(rest, found.body.len()), Ok(Some(found)));
        rest = &rest[found.bytes..];
        frames.push(found);
    }
    frames
}
