//! What holds for any reply.

use proptest::prelude::*;

use super::*;

/// A name, and what it is without the prefix.
type Names = (Vec<u8>, Vec<u8>);

/// A reply of any type: with its keys prefixed, and without.
#[derive(Clone, Debug)]
struct Reply {
    prefixed: Vec<u8>,
    plain: Vec<u8>,
}

impl Reply {
    fn same(bytes: Vec<u8>) -> Self {
        Self {
            prefixed: bytes.clone(),
            plain: bytes,
        }
    }

    fn join(head: &str, parts: &[Self], end: &str) -> Self {
        let join = |part: fn(&Self) -> &Vec<u8>| {
            let mut bytes = head.as_bytes().to_vec();
            bytes.extend(parts.iter().flat_map(part));
            bytes.extend(end.bytes());
            bytes
        };
        Self {
            prefixed: join(|part| &part.prefixed),
            plain: join(|part| &part.plain),
        }
    }
}

fn blob(first: char, bytes: &[u8]) -> Vec<u8> {
    [
        format!("{first}{}\r\n", bytes.len()).as_bytes(),
        bytes,
        b"\r\n",
    ]
    .concat()
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-z:]{0,9}".prop_map(String::into_bytes),
        "acme:[a-c]{0,3}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..40),
    ]
}

fn key() -> impl Strategy<Value = Reply> {
    text().prop_map(|name| Reply {
        prefixed: blob('$', &[PREFIX, &name].concat()),
        plain: blob('$', &name),
    })
}

fn channel() -> impl Strategy<Value = Reply> {
    let other = text().prop_filter("a channel of keys", |name| !name.starts_with(b"__keyspace"));
    prop_oneof![
        other.prop_map(|name| Names::from(([PREFIX, &name].concat(), name))),
        text().prop_map(|key| {
            let start = b"__keyspace@0__:";
            ([start, PREFIX, &key].concat(), [&start[..], &key].concat())
        }),
    ]
    .prop_map(|(prefixed, plain)| Reply {
        prefixed: blob('$', &prefixed),
        plain: blob('$', &plain),
    })
}

/// An error, which mentions keys.
fn error() -> impl Strategy<Value = Reply> {
    let piece = prop_oneof!["[a-z :]{0,6}", "['\"]a?c?m?e?"].prop_map(|text| (text.clone(), text));
    let quoted = ("['\"]", "[a-z:]{0,4}")
        .prop_map(|(quote, name)| (format!("{quote}acme:{name} "), format!("{quote}{name} ")));
    let pieces = proptest::collection::vec(prop_oneof![piece, quoted], 0..6);
    // What follows a piece of the prefix must not complete it.
    (pieces, any::<bool>()).prop_map(|(pieces, is_line)| {
        let join = |part: fn(&(String, String)) -> &String| {
            let text: Vec<&str> = pieces.iter().map(|pair| part(pair).as_str()).collect();
            let text = text.join("|");
            if is_line {
                format!("-ERR {text}\r\n").into_bytes()
            } else {
                blob('!', text.as_bytes())
            }
        };
        Reply {
            prefixed: join(|pair| &pair.0),
            plain: join(|pair| &pair.1),
        }
    })
}

fn scalar() -> impl Strategy<Value = Reply> {
    let line = "[+:,(][a-z0-9 .'\"-]{0,12}\r\n".prop_map(String::into_bytes);
    let chunks = proptest::collection::vec(text(), 0..3).prop_map(|chunks| {
        let chunks = chunks.iter().filter(|chunk| !chunk.is_empty());
        let chunks: Vec<u8> = chunks.flat_map(|chunk| blob(';', chunk)).collect();
        [b"$?\r\n", &chunks[..], b";0\r\n"].concat()
    });
    let rest =
        ["$-1\r\n", "*-1\r\n", "_\r\n", "#t\r\n", "#f\r\n"].map(|text| text.as_bytes().to_vec());
    prop_oneof![
        text().prop_map(|text| Reply::same(blob('$', &text))),
        text().prop_map(|text| Reply::same(blob('=', &[b"txt:", &text[..]].concat()))),
        line.prop_map(Reply::same),
        chunks.prop_map(Reply::same),
        proptest::sample::select(rest.to_vec()).prop_map(Reply::same),
        error(),
    ]
}

/// An aggregate of these elements, an even number if they are pairs.
fn aggregate(kind: char, mut elements: Vec<Reply>, is_streamed: bool) -> Reply {
    let is_paired = matches!(kind, '%' | '|');
    if is_paired && !elements.len().is_multiple_of(2) {
        elements.pop();
    }
    if is_streamed {
        return Reply::join(&format!("{kind}?\r\n"), &elements, ".\r\n");
    }
    let length = elements.len() / if is_paired { 2 } else { 1 };
    Reply::join(&format!("{kind}{length}\r\n"), &elements, "")
}

fn kind() -> impl Strategy<Value = (char, bool)> {
    (
        proptest::sample::select(vec!['*', '~', '%', '>']),
        any::<bool>(),
    )
}

/// Any reply, in which only errors mention keys.
fn any_reply() -> impl Strategy<Value = Reply> {
    let attributes = |reply: BoxedStrategy<Reply>| {
        let held = proptest::collection::vec(scalar(), 0..4);
        (proptest::option::weighted(0.1, held), reply).prop_map(|(held, reply)| match held {
            Some(held) => Reply::join("", &[aggregate('|', held, false), reply], ""),
            None => reply,
        })
    };
    let leaf = attributes(scalar().boxed());
    leaf.prop_recursive(4, 24, 5, move |inner| {
        let elements = proptest::collection::vec(inner, 0..5);
        let nested = (kind(), elements)
            .prop_map(|((kind, streamed), elements)| aggregate(kind, elements, streamed));
        attributes(nested.boxed())
    })
}

/// A reply of some shape.
fn shaped() -> impl Strategy<Value = (Shape, Reply)> {
    let many = |element: BoxedStrategy<Reply>| {
        (kind(), proptest::collection::vec(element, 0..5))
            .prop_map(|((kind, streamed), elements)| aggregate(kind, elements, streamed))
    };
    let by_turns = |name: BoxedStrategy<Reply>| {
        let pair = (name, any_reply());
        (
            any::<bool>(),
            any::<bool>(),
            proptest::collection::vec(pair, 0..4),
        )
            .prop_map(|(map, streamed, pairs)| {
                let elements = pairs.into_iter().flat_map(|(name, value)| [name, value]);
                aggregate(if map { '%' } else { '*' }, elements.collect(), streamed)
            })
    };
    let first = (key(), proptest::collection::vec(any_reply(), 0..3))
        .prop_map(|(key, rest)| [vec![key], rest].concat());
    let first = (kind(), first)
        .prop_map(|((kind, streamed), elements)| {
            let kind = if kind == '%' { '*' } else { kind };
            aggregate(kind, elements, streamed)
        })
        .boxed();
    let pairs = proptest::collection::vec(first.clone(), 0..4)
        .prop_map(|pairs| aggregate('*', pairs, false));
    let streams =
        by_turns(key().boxed()).prop_filter("a map", |reply| reply.plain.first() == Some(&b'%'));
    prop_oneof![
        any_reply().prop_map(|reply| (Shape::Plain, reply)),
        key().prop_map(|reply| (Shape::Key, reply)),
        first.prop_map(|reply| (Shape::FirstIsKey, reply)),
        many(key().boxed()).prop_map(|reply| (Shape::Keys, reply)),
        many(channel().boxed()).prop_map(|reply| (Shape::Channels, reply)),
        by_turns(channel().boxed()).prop_map(|reply| (Shape::ChannelCounts, reply)),
        streams.prop_map(|reply| (Shape::Streams, reply)),
        pairs.prop_map(|reply| (Shape::Streams, reply)),
    ]
}

/// Pieces of this input.
fn pieces<'i>(input: &'i [u8], cuts: &[usize]) -> Vec<&'i [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(input.len());
    let mut start = 0;
    let pieces = ends
        .into_iter()
        .map(|end| &input[std::mem::replace(&mut start, end)..end]);
    pieces.filter(|piece| !piece.is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn prefix_then_strip_is_the_identity(
        (shape, reply) in shaped(),
        cuts in proptest::collection::vec(any::<usize>(), 0..6),
        behind in proptest::collection::vec(any::<u8>(), 0..3),
    ) {
        let input = [&reply.prefixed[..], &behind].concat();
        let (out, end, foreign) = rewrite(&shape, pieces(&input, &cuts)).unwrap();
        prop_assert_eq!(out.escape_ascii().to_string(), reply.plain.escape_ascii().to_string());
        prop_assert_eq!((end, foreign), (Some(reply.prefixed.len()), 0));
    }

    #[test]
    fn an_exec_is_its_elements(
        elements in proptest::collection::vec((shaped(), any::<bool>()), 0..5),
        cuts in proptest::collection::vec(any::<usize>(), 0..6),
    ) {
        let mut shapes = Vec::new();
        let mut replies = Vec::new();
        for ((shape, reply), is_replaced) in elements {
            if is_replaced {
                let plain = b":42\r\n".to_vec();
                shapes.push(Shape::Replace(plain.clone().into()));
                replies.push(Reply { plain, ..reply });
            } else {
                shapes.push(shape);
                replies.push(reply);
            }
        }
        let reply = Reply::join(&format!("*{}\r\n", replies.len()), &replies, "");
        let (out, end, foreign) =
            rewrite(&Shape::Exec(shapes), pieces(&reply.prefixed, &cuts)).unwrap();
        prop_assert_eq!(out.escape_ascii().to_string(), reply.plain.escape_ascii().to_string());
        prop_assert_eq!((end, foreign), (Some(reply.prefixed.len()), 0));
    }

    #[test]
    fn replies_are_walked_to_their_ends(
        replies in proptest::collection::vec(any_reply(), 0..4),
        cuts in proptest::collection::vec(any::<usize>(), 0..6),
    ) {
        let input: Vec<u8> = replies.iter().flat_map(|reply| &reply.plain).copied().collect();
        let mut walker = Walker::default();
        let mut ends = Vec::new();
        let mut read = 0;
        for mut piece in pieces(&input, &cuts) {
            while !piece.is_empty() {
                let fed = walker.feed(piece).unwrap();
                read += fed.consumed;
                piece = &piece[fed.consumed..];
                if fed.done {
                    ends.push(read);
                }
            }
        }
        let mut end = 0;
        let expected: Vec<usize> = replies
            .iter()
            .map(|reply| {
                end += reply.plain.len();
                end
            })
            .collect();
        prop_assert_eq!(ends, expected);
        prop_assert!(walker.at_boundary());
    }

    #[test]
    fn any_bytes_are_read_alike_wherever_they_are_cut(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "*2\r\n", "%1\r\n", "*?\r\n", ".\r\n", "|1\r\n", "$6\r\n", "acme:x", "\r\n", "$?\r\n",
            ";6\r\n", ";0\r\n", "!9\r\n", "-", "'acme:", "+", "$-1\r\n", "\r", "\n", "$", "1", "?",
            "_\r\n", ">1\r\n", "__keyspace@0__:acme:", "$21\r\n",
        ]), 0..14),
    ) {
        let input = pieces.concat();
        let exec = Shape::Exec(vec![Shape::Key, Shape::Replace(b"+\r\n"[..].into()), Shape::Keys]);
        for shape in [Shape::Plain, Shape::Channels, Shape::Streams, script(&["acme:x"]), exec] {
            let _ = rewrite_cut(&shape, input.as_bytes());
        }
    }
}
