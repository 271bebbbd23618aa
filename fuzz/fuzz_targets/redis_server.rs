//! A stream of what a Redis server sends; the first byte says where its keys are.
//!
//! What comes out is the same wherever the stream is cut; the rewriter, the walker and the tree
//! agree on where a reply ends; without a prefix nothing changes; what comes out is as many replies
//! again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::redis::Error;
use tenantsdb_codecs::redis::reply::{Rewriter, Shape, Walker};
use tenantsdb_codecs::redis::sink::Copy;
use tenantsdb_codecs::redis::value::value;
use tenantsdb_fuzz::cuts;

const PREFIX: &[u8] = b"acme:";

/// What came out, the ends of the replies, names without a prefix.
type Rewritten = Result<(Vec<u8>, Vec<usize>, u64), Error>;

fuzz_target!(|data: &[u8]| {
    let Some((first, stream)) = data.split_first() else {
        return;
    };
    let shape = shape(*first);
    let whole = rewrite(&shape, PREFIX, [stream]);
    for cut in cuts(stream.len()).take(80) {
        let (front, back) = stream.split_at(cut);
        assert_eq!(
            rewrite(&shape, PREFIX, [front, back]),
            whole,
            "cut at {cut}"
        );
    }
    assert_eq!(rewrite(&shape, PREFIX, stream.chunks(1)), whole);
    assert_eq!(rewrite(&shape, PREFIX, stream.chunks(5)), whole);

    let ends = walk(stream);
    let plain = rewrite(&Shape::Plain, b"", [stream]);
    if let Ok((out, plain_ends, foreign)) = &plain {
        // Nothing is held but a head that is not whole.
        assert!(stream.starts_with(out) && stream.len() - out.len() < 40);
        assert_eq!(*foreign, 0);
        assert_eq!(Ok(plain_ends), ends.as_ref());
    }
    let error = |error: &Rewritten| error.as_ref().err().copied();
    assert_eq!(error(&plain), ends.as_ref().err().copied());
    assert_eq!(error(&whole), ends.as_ref().err().copied());
    let (Ok((out, whole_ends, _)), Ok(ends)) = (whole, ends) else {
        return;
    };
    assert_eq!(whole_ends, ends);
    if !matches!(shape, Shape::Replace(_) | Shape::Exec(_)) {
        assert!(out.len() <= stream.len());
    }
    // As many replies come out.
    let out_ends = walk(&out).expect("a reply was rewritten to none");
    assert!(out_ends.len() == ends.len() || matches!(shape, Shape::Replace(_)));
    trees(stream, &ends);
});

fn shape(first: u8) -> Shape {
    let keys = [&b"acme:a"[..], b"acme:bc", b"x"];
    let script = || Shape::Script(keys.into_iter().map(Into::into).collect());
    match first % 10 {
        0 => Shape::Plain,
        1 => Shape::Key,
        2 => Shape::FirstIsKey,
        3 => Shape::Keys,
        4 => Shape::Streams,
        5 => Shape::Channels,
        6 => Shape::ChannelCounts,
        7 => script(),
        8 => Shape::Exec(vec![
            Shape::Key,
            Shape::Replace(b"+mine\r\n"[..].into()),
            script(),
            Shape::FirstIsKey,
            Shape::Channels,
            Shape::Streams,
        ]),
        _ => Shape::Replace(b":1\r\n"[..].into()),
    }
}

fn rewrite<'a>(
    shape: &Shape,
    prefix: &[u8],
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Rewritten {
    let mut rewriter = Rewriter::default();
    let (mut out, mut ends, mut read) = (Vec::new(), Vec::new(), 0);
    for mut piece in pieces {
        while !piece.is_empty() {
            let mut sink = Copy::new(piece, &mut out);
            match rewriter.feed(shape, prefix, piece, &mut sink) {
                Ok(fed) => {
                    assert!(fed.consumed > 0 && (fed.done || fed.consumed == piece.len()));
                    assert!(!fed.done || rewriter.at_boundary());
                    read += fed.consumed;
                    if fed.done {
                        ends.push(read);
                    }
                    piece = &piece[fed.consumed..];
                }
                Err(error) => {
                    let mut sink = Copy::new(piece, &mut out);
                    let again = rewriter.feed(shape, prefix, piece, &mut sink);
                    assert_eq!(again, Err(error), "an error stays");
                    return Err(error);
                }
            }
        }
    }
    Ok((out, ends, rewriter.foreign()))
}

/// The ends of the replies.
fn walk(stream: &[u8]) -> Result<Vec<usize>, Error> {
    let mut walker = Walker::default();
    let (mut ends, mut read) = (Vec::new(), 0);
    while read < stream.len() {
        let fed = walker.feed(&stream[read..])?;
        read += fed.consumed;
        if fed.done {
            ends.push(read);
        }
    }
    Ok(ends)
}

/// Each whole reply is a tree, or one that is not read as a tree: it is never waited for.
fn trees(stream: &[u8], ends: &[usize]) {
    let mut start = 0;
    for end in ends {
        let reply = &stream[start..*end];
        if let Ok(found) = value(reply) {
            let (_, bytes) = found.expect("it is whole");
            assert_eq!(bytes, reply.len());
        }
        for cut in cuts(reply.len()).take(60) {
            assert!(!matches!(value(&reply[..cut]), Ok(Some(_))), "cut at {cut}");
        }
        start = *end;
    }
}
