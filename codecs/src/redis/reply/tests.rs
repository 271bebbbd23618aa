use super::super::recording::{lines, recorded};
use super::super::sink::Copy;
use super::*;
use crate::limits::REDIS_DEPTH_MAX;

mod properties;

const PREFIX: &[u8] = b"acme:";

/// Feeds a reply in pieces; gives what comes out, the bytes of the reply, and foreign names.
fn rewrite<'i>(
    shape: &Shape,
    pieces: impl IntoIterator<Item = &'i [u8]>,
) -> Result<(Vec<u8>, Option<usize>, u64), Error> {
    let mut rewriter = Rewriter::default();
    let mut out = Vec::new();
    let mut read = 0;
    for piece in pieces {
        assert_eq!(rewriter.at_boundary(), read == 0);
        match rewriter.feed(shape, PREFIX, piece, &mut Copy::new(piece, &mut out)) {
            Ok(fed) => {
                read += fed.consumed;
                assert!(fed.done || fed.consumed == piece.len());
                if fed.done {
                    assert!(rewriter.at_boundary());
                    return Ok((out, Some(read), rewriter.foreign()));
                }
            }
            Err(error) => {
                let again = rewriter.feed(shape, PREFIX, b"+OK\r\n", &mut Discard);
                assert_eq!(again, Err(error), "an error stays");
                return Err(error);
            }
        }
    }
    Ok((out, None, rewriter.foreign()))
}

/// The same wherever the input is cut.
fn rewrite_cut(shape: &Shape, input: &[u8]) -> Result<(Vec<u8>, Option<usize>, u64), Error> {
    let whole = rewrite(shape, [input]);
    let check = |pieces: &[&[u8]]| {
        let found = rewrite(shape, pieces.iter().copied());
        match (&whole, &found) {
            (Ok((out, end, foreign)), Ok(other)) => {
                let (out, other_out) = (out.escape_ascii(), other.0.escape_ascii());
                assert_eq!(out.to_string(), other_out.to_string(), "{pieces:?}");
                assert_eq!((end, foreign), (&other.1, &other.2));
            }
            (one, other) => assert_eq!(one, other, "{pieces:?}"),
        }
    };
    if input.len() < 300 {
        for cut in 1..input.len() {
            check(&[&input[..cut], &input[cut..]]);
        }
    }
    for bytes in 1..4 {
        check(&input.chunks(bytes).collect::<Vec<_>>());
    }
    whole
}

/// What becomes of a whole reply.
fn becomes(shape: &Shape, input: &[u8], expected: &[u8], foreign: u64) {
    let (out, end, count) = rewrite_cut(shape, input).expect("a reply");
    let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
    assert_eq!(shown(&out), shown(expected));
    assert_eq!((end, count), (Some(input.len()), foreign));
}

fn passes(shape: &Shape, input: &[u8]) {
    becomes(shape, input, input, 0);
}

fn script(keys: &[&str]) -> Shape {
    Shape::Script(keys.iter().map(|key| key.as_bytes().into()).collect())
}

#[test]
fn keys_lose_their_prefix() {
    becomes(&Shape::Key, b"$8\r\nacme:a:b\r\n", b"$3\r\na:b\r\n", 0);
    becomes(&Shape::Key, b"$5\r\nacme:\r\n", b"$0\r\n\r\n", 0);
    becomes(
        &Shape::Key,
        b"$11\r\nacme:acme:a\r\n",
        b"$6\r\nacme:a\r\n",
        0,
    );
    passes(&Shape::Key, b"$-1\r\n");
    passes(&Shape::Key, b"_\r\n");
    passes(&Shape::Key, b"+QUEUED\r\n");
    passes(&Shape::Plain, b"$6\r\nacme:x\r\n");
    let long = [&b"$100005\r\nacme:"[..], &[b'x'; 100_000], b"\r\n"].concat();
    let short = [&b"$100000\r\n"[..], &[b'x'; 100_000], b"\r\n"].concat();
    becomes(&Shape::Key, &long, &short, 0);
}

#[test]
fn a_name_without_the_prefix_passes_and_is_counted() {
    for name in [
        &b"$4\r\nacme\r\n"[..],
        b"$6\r\nacmf:x\r\n",
        b"$0\r\n\r\n",
        b"=10\r\ntxt:acme:x\r\n",
    ] {
        becomes(&Shape::Key, name, name, 1);
    }
    let streamed = b"$?\r\n;6\r\nacme:x\r\n;0\r\n";
    becomes(&Shape::Key, streamed, streamed, 1);
    becomes(
        &Shape::Channels,
        b"*3\r\n$6\r\nacme:x\r\n$17\r\n__keyspace@0__:ab\r\n$3\r\nabc\r\n",
        b"*3\r\n$1\r\nx\r\n$17\r\n__keyspace@0__:ab\r\n$3\r\nabc\r\n",
        2,
    );
}

#[test]
fn without_a_prefix_nothing_is_taken_off() {
    let mut out = Vec::new();
    for (shape, input) in [
        (Shape::Key, &b"$6\r\nacme:x\r\n"[..]),
        (Shape::Plain, b"-ERR 'acme:x'\r\n"),
        (Shape::Keys, b"*2\r\n$0\r\n\r\n!5\r\nE 'x'\r\n"),
    ] {
        for piece in input.chunks(2) {
            let mut rewriter = Rewriter::default();
            out.clear();
            rewriter
                .feed(&shape, b"", input, &mut Copy::new(input, &mut out))
                .unwrap();
            assert_eq!((&out[..], rewriter.foreign()), (input, 0), "{piece:?}");
        }
    }
}

#[test]
fn an_error_loses_the_prefix_behind_quotes() {
    becomes(
        &Shape::Plain,
        b"-ERR no 'acme:x' or \"acme:acme:y\", acme:z 'acme; ''acme:'\r\n",
        b"-ERR no 'x' or \"acme:y\", acme:z 'acme; '''\r\n",
        0,
    );
    becomes(&Shape::Plain, b"-'acme\r\n", b"-'acme\r\n", 0);
    becomes(&Shape::Plain, b"-'ac'acme:\r\n", b"-'ac'\r\n", 0);
    becomes(
        &Shape::Keys,
        b"*2\r\n!16\r\nERR 'acme:x' 'ac\r\n-\"acme:x\r\n",
        b"*2\r\n!11\r\nERR 'x' 'ac\r\n-\"x\r\n",
        0,
    );
    passes(&Shape::Plain, b"+'acme:x'\r\n");
    passes(&Shape::Plain, b"$8\r\n'acme:x'\r\n");
    let long = [&b"!65544\r\n'acme:x'"[..], &[b'x'; 65_536], b"\r\n"].concat();
    passes(&Shape::Plain, &long);
}

#[test]
fn channels_lose_the_prefix_of_their_key_too() {
    becomes(
        &Shape::ChannelCounts,
        b"%2\r\n$6\r\nacme:c\r\n$6\r\nacme:c\r\n$21\r\n__keyspace@0__:acme:k\r\n:1\r\n",
        b"%2\r\n$1\r\nc\r\n$6\r\nacme:c\r\n$16\r\n__keyspace@0__:k\r\n:1\r\n",
        0,
    );
    becomes(
        &Shape::Channels,
        b"~1\r\n$20\r\nacme:__keyspace@0__:\r\n",
        b"~1\r\n$15\r\n__keyspace@0__:\r\n",
        0,
    );
}

#[test]
fn only_the_places_of_keys_are_looked_at() {
    becomes(
        &Shape::FirstIsKey,
        b"*3\r\n$6\r\nacme:x\r\n$6\r\nacme:x\r\n*1\r\n$6\r\nacme:x\r\n",
        b"*3\r\n$1\r\nx\r\n$6\r\nacme:x\r\n*1\r\n$6\r\nacme:x\r\n",
        0,
    );
    passes(&Shape::Keys, b"*1\r\n*1\r\n$6\r\nacme:x\r\n");
    passes(&Shape::Key, b"*1\r\n$6\r\nacme:x\r\n");
    passes(&Shape::Keys, b"$6\r\nacme:x\r\n");
}

#[test]
fn attributes_belong_to_what_follows() {
    let attribute = b"|1\r\n$6\r\nacme:x\r\n*1\r\n$6\r\nacme:y\r\n";
    let with = |reply: &[u8]| [&attribute[..], reply].concat();
    let (key, name) = (b"$6\r\nacme:x\r\n", b"$1\r\nx\r\n");
    becomes(&Shape::Key, &with(key), &with(name), 0);
    becomes(
        &Shape::FirstIsKey,
        &[b"*2\r\n", &with(key)[..], &with(key)].concat(),
        &[b"*2\r\n", &with(name)[..], &with(key)].concat(),
        0,
    );
    becomes(
        &Shape::Key,
        &[b"|0\r\n", &with(key)[..]].concat(),
        &[b"|0\r\n", &with(name)[..]].concat(),
        0,
    );
}

#[test]
fn streamed_aggregates_end() {
    becomes(
        &Shape::Keys,
        b"*?\r\n$6\r\nacme:x\r\n$6\r\nacme:y\r\n.\r\n",
        b"*?\r\n$1\r\nx\r\n$1\r\ny\r\n.\r\n",
        0,
    );
    becomes(
        &Shape::Streams,
        b"%?\r\n$6\r\nacme:x\r\n*?\r\n.\r\n.\r\n",
        b"%?\r\n$1\r\nx\r\n*?\r\n.\r\n.\r\n",
        0,
    );
    passes(
        &Shape::Plain,
        b"*2\r\n$?\r\n;3\r\na\r\n\r\n;1\r\n.\r\n;0\r\n|?\r\n+a\r\n+b\r\n.\r\n*0\r\n",
    );
}

#[test]
fn strings_of_a_script_are_its_keys_or_not() {
    let shape = script(&["acme:a", "acme:bc", "x"]);
    becomes(
        &shape,
        b"*4\r\n$6\r\nacme:a\r\n%1\r\n$7\r\nacme:bc\r\n~1\r\n$6\r\nacme:a\r\n\
          $6\r\nacme:b\r\n$1\r\nx\r\n",
        b"*4\r\n$1\r\na\r\n%1\r\n$2\r\nbc\r\n~1\r\n$1\r\na\r\n$6\r\nacme:b\r\n$1\r\nx\r\n",
        0,
    );
    becomes(&shape, b"$6\r\nacme:a\r\n", b"$1\r\na\r\n", 0);
    passes(&shape, b"+acme:a\r\n");
}

#[test]
fn many_keys_and_many_strings_do_not_take_for_ever() {
    const MANY: usize = 100_000;
    let names = || (0..MANY).map(|n| format!("acme:{n:06}"));
    let shape = Shape::Script(names().map(|name| name.into_bytes().into()).collect());
    // Each string is compared with each key, if it goes wrong: for minutes.
    let mut reply = format!("*{MANY}\r\n").into_bytes();
    let mut expected = reply.clone();
    for n in (0..MANY).rev() {
        reply.extend_from_slice(format!("$11\r\nacme:{n:06}\r\n").as_bytes());
        expected.extend_from_slice(format!("$6\r\n{n:06}\r\n").as_bytes());
    }
    let (out, ..) = rewrite(&shape, [&reply[..]]).expect("a reply");
    assert!(out == expected);
}

#[test]
fn the_elements_of_exec_have_shapes_of_their_own() {
    let replaced = Shape::Replace(b"+mine\r\n"[..].into());
    let shape = Shape::Exec(vec![
        Shape::Key,
        replaced.clone(),
        script(&["acme:a"]),
        Shape::Keys,
        replaced,
    ]);
    passes(&shape, b"*-1\r\n");
    passes(&shape, b"_\r\n");
    becomes(
        &shape,
        b"-EXECABORT in 'acme:x'\r\n",
        b"-EXECABORT in 'x'\r\n",
        0,
    );
    becomes(
        &shape,
        b"*6\r\n$6\r\nacme:x\r\n|1\r\n+a\r\n+b\r\n*1\r\n+PONG\r\n*1\r\n$6\r\nacme:a\r\n\
          -ERR 'acme:a'\r\n+PONG\r\n$6\r\nacme:x\r\n",
        b"*6\r\n$1\r\nx\r\n+mine\r\n*1\r\n$1\r\na\r\n-ERR 'a'\r\n+mine\r\n$6\r\nacme:x\r\n",
        0,
    );
    // No EXEC is in an EXEC.
    passes(
        &Shape::Exec(vec![Shape::Exec(vec![Shape::Key])]),
        b"*1\r\n*1\r\n$6\r\nacme:x\r\n",
    );
    becomes(
        &Shape::Replace(b"+a\r\n"[..].into()),
        b"*1\r\n:1\r\n",
        b"+a\r\n",
        0,
    );
}

#[test]
fn what_is_no_reply_is_refused() {
    for text in [
        "x",
        "*1\r\nx",
        ".\r\n",
        ";1\r\na\r\n",
        "*1\r\n.\r\n",
        "*?\r\n|0\r\n.\r\n",
        "%?\r\n+a\r\n.\r\n",
        "|0\r\n.\r\n",
        "$1\r\nab",
        "$1\r\na\rx",
        "$1\rx",
        "$?\r\n+a\r\n",
        "$?\r\n.\r\n",
        "$-2\r\n",
        "*-2\r\n",
        "%4294967296\r\n",
        "$9223372036854775808\r\n",
        "*00000000000000000000000000000000000",
    ] {
        assert!(
            rewrite_cut(&Shape::Plain, text.as_bytes()).is_err(),
            "{text}"
        );
    }
}

#[test]
fn depth_is_bounded_and_length_is_not_believed() {
    let deep = "*1\r\n".repeat(REDIS_DEPTH_MAX);
    let (out, end, _) = rewrite(&Shape::Plain, [(deep.clone() + "*0\r\n").as_bytes()]).unwrap();
    assert_eq!((out.len(), end), (deep.len() + 4, Some(deep.len() + 4)));
    let deeper = deep + "*1\r\n";
    assert!(rewrite(&Shape::Plain, [deeper.as_bytes()]).is_err());

    let mut rewriter = Rewriter::default();
    for _ in 0..10_000 {
        let piece = b"*4294967295\r\n:1\r\n$9223372036854775807\r\nacme:x";
        let fed = rewriter.feed(&script(&["acme:x"]), PREFIX, piece, &mut Discard);
        assert!(!fed.unwrap().done);
    }
    assert!(!rewriter.at_boundary());
}

#[test]
fn only_pushes_answer_no_request() {
    assert!(is_push(b'>') && !is_push(b'*'));
    passes(&Shape::Plain, b">2\r\n+a\r\n+b\r\n");
}

// The same was asked of a server with the prefix and without.
#[test]
fn recorded_replies_become_those_without_a_prefix() {
    for text in [recorded!("keys-resp2"), recorded!("keys-resp3")] {
        let mut shape = Shape::Plain;
        let mut reply = Vec::new();
        let mut compared = 0;
        for (mark, bytes) in lines(text) {
            match mark {
                '#' => {
                    if let Some(words) = bytes.strip_prefix(b"shape ") {
                        shape = shape_of(std::str::from_utf8(words).unwrap());
                    }
                }
                '<' => reply = bytes,
                '=' => {
                    becomes(&shape, &reply, &bytes, 0);
                    compared += 1;
                }
                _ => {}
            }
        }
        assert!(compared > 30);
    }
}

fn shape_of(words: &str) -> Shape {
    let words: Vec<&str> = words.split(' ').collect();
    match words[..] {
        ["Exec", ref elements @ ..] => {
            Shape::Exec(elements.iter().map(|word| shape_of(word)).collect())
        }
        ["Script", ref keys @ ..] => script(keys),
        ["Plain"] => Shape::Plain,
        ["Key"] => Shape::Key,
        ["FirstIsKey"] => Shape::FirstIsKey,
        ["Keys"] => Shape::Keys,
        ["Streams"] => Shape::Streams,
        ["Channels"] => Shape::Channels,
        ["ChannelCounts"] => Shape::ChannelCounts,
        _ => panic!("{words:?}"),
    }
}
