use super::super::sink::Copy;
use super::*;

/// Feeds pieces; gives what comes out and what is left over of the last piece.
fn rewrite(shape: &Shape, pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, u64), Error> {
    let mut rewriter = Rewriter::default();
    let mut out = Vec::new();
    let mut done = false;
    for piece in pieces {
        assert!(!done, "the reply ended early");
        let fed = rewriter.feed(shape, b"acme:", piece, &mut Copy::new(piece, &mut out))?;
        assert_eq!(fed.consumed, piece.len());
        done = fed.done;
    }
    Ok((out, done, rewriter.foreign()))
}

/// What becomes of a whole reply, wherever it is cut.
fn becomes(shape: &Shape, input: &[u8], expected: &[u8], foreign: u64) {
    let show = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let check = |pieces: &[&[u8]]| {
        let (out, done, count) = rewrite(shape, pieces).expect("a reply");
        assert_eq!(show(&out), show(expected), "{pieces:?}");
        assert!(done && count == foreign, "{pieces:?}");
    };
    check(&[input]);
    for cut in 1..input.len() {
        check(&[&input[..cut], &input[cut..]]);
    }
    for bytes in 1..4 {
        check(&input.chunks(bytes).collect::<Vec<_>>());
    }
}

#[test]
fn keys_lose_their_prefix() {
    let null_passes = b"$-1\r\n";
    becomes(&Shape::Key, null_passes, null_passes, 0);
    becomes(&Shape::Key, b"$8\r\nacme:a:b\r\n", b"$3\r\na:b\r\n", 0);
    becomes(&Shape::Key, b"$5\r\nacme:\r\n", b"$0\r\n\r\n", 0);
    becomes(&Shape::Key, b"$4\r\nacme\r\n", b"$4\r\nacme\r\n", 1);
    becomes(&Shape::Key, b"$6\r\nacmf:x\r\n", b"$6\r\nacmf:x\r\n", 1);
    becomes(&Shape::Key, b"$0\r\n\r\n", b"$0\r\n\r\n", 1);
    becomes(&Shape::Key, b"+QUEUED\r\n", b"+QUEUED\r\n", 0);
    becomes(&Shape::Plain, b"$6\r\nacme:x\r\n", b"$6\r\nacme:x\r\n", 0);
    becomes(
        &Shape::FirstIsKey,
        b"*2\r\n$6\r\nacme:x\r\n$6\r\nacme:x\r\n",
        b"*2\r\n$1\r\nx\r\n$6\r\nacme:x\r\n",
        0,
    );
}

#[test]
fn an_error_loses_the_prefix_behind_quotes() {
    becomes(
        &Shape::Plain,
        b"-ERR no 'acme:x' or \"acme:acme:y\", acme:z 'acme; ''acme:'\r\n",
        b"-ERR no 'x' or \"acme:y\", acme:z 'acme; '''\r\n",
        0,
    );
    becomes(
        &Shape::Keys,
        b"*2\r\n!16\r\nERR 'acme:x' 'ac\r\n-x\r\n",
        b"*2\r\n!11\r\nERR 'x' 'ac\r\n-x\r\n",
        0,
    );
}
