//! Exchanges that were recorded between real programs: `testdata/mongo`.

use super::auth::{SaslContinue, SaslReply, SaslStart};
use super::bson::{DEPTH_MAX, Document, Outline, validate};
use super::frame::{Header, MESSAGE_BYTES_MAX, Opcode};
use super::op_msg::{self, Head, Message, Opening, Stream};
use super::report::Report;
use super::startup::{Hello, Query, Reply, ServerHello, write_reply};
use crate::scram;

const RECORDINGS: [(&str, &str); 3] = [
    ("pymongo", include_str!("../../testdata/mongo/pymongo.hex")),
    ("node", include_str!("../../testdata/mongo/node.hex")),
    ("mongosh", include_str!("../../testdata/mongo/mongosh.hex")),
];

/// Messages in the order in which they were sent, and whether the client sent them.
fn messages(text: &str) -> Vec<(bool, Vec<u8>)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (mark, hex) = line.split_once(' ').unwrap();
            let bytes = (0..hex.len()).step_by(2);
            let bytes = bytes.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
            (mark == ">", bytes.collect())
        })
        .collect()
}

/// The document of a message of either kind.
fn body(message: &[u8]) -> Document<'_> {
    let header = Header::read(message, MESSAGE_BYTES_MAX).unwrap().unwrap();
    assert_eq!(header.length, message.len());
    match header.opcode {
        Opcode::Msg => Message::read(message).unwrap().body,
        Opcode::Query => Query::read(message).unwrap().command().unwrap().unwrap().1,
        Opcode::Reply => Reply::read(message).unwrap().document,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_message_of_real_programs_is_read_and_written_again() {
    for (name, text) in RECORDINGS {
        for (_, message) in messages(text) {
            let document = body(&message);
            assert_eq!(validate(document.bytes(), DEPTH_MAX), Ok(()), "{name}");
            let header = Header::read(&message, MESSAGE_BYTES_MAX).unwrap().unwrap();
            let (id, to) = (header.request_id, header.response_to);
            let mut again = Vec::new();
            match header.opcode {
                Opcode::Query => {
                    let query = Query::read(&message).unwrap();
                    Query::write(id, query.collection, query.query.bytes(), &mut again);
                }
                Opcode::Reply => {
                    let flags = Reply::read(&message).unwrap().flags;
                    write_reply(id, to, flags, document.bytes(), &mut again);
                }
                _ => {
                    let read = Message::read(&message).unwrap();
                    let sequences: Vec<(&str, Vec<Vec<u8>>)> = read
                        .sequences()
                        .map(|(name, all)| {
                            (name, all.map(|one| one.unwrap().bytes().to_vec()).collect())
                        })
                        .collect();
                    let sequences: Vec<_> = sequences
                        .iter()
                        .map(|(name, all)| (*name, &all[..]))
                        .collect();
                    let body = document.bytes();
                    op_msg::write_with(id, to, read.flags, body, &sequences, &mut again);
                }
            }
            assert_eq!(again, message, "{name}");
        }
    }
}

#[test]
fn every_message_of_real_programs_passes_by_with_new_numbers() {
    for (name, text) in RECORDINGS {
        for (_, message) in messages(text) {
            let Some(opening) = Opening::read(&message, MESSAGE_BYTES_MAX).ok().flatten() else {
                continue;
            };
            let head = Head::from(&opening);
            let mut passed = message.clone();
            let mut stream = Stream::start(&mut passed, head, 42, 43);
            for chunk in passed[head.bytes..].chunks_mut(7) {
                let bytes = chunk.len();
                assert_eq!(stream.step(chunk), Ok(bytes), "{name}");
            }
            assert_eq!(passed[4..12], *b"\x2a\0\0\0\x2b\0\0\0");
            assert_eq!(passed[12..], message[12..], "{name}");
        }
    }
}

#[test]
fn replies_of_this_size_are_their_own_outlines() {
    for (name, text) in RECORDINGS {
        for (_, message) in messages(text) {
            let document = body(&message);
            let mut outline = Outline::new();
            let taken = outline.step(document.bytes());
            assert_eq!(taken, Ok(document.bytes().len()), "{name}");
            let regex = name == "node" && message.windows(4).any(|bytes| bytes == b"re\0^");
            assert!(regex || outline.document() == Some(document), "{name}");
        }
    }
}

/// What a driver begins with, and what follows.
#[test]
fn logins_of_real_programs_are_followed() {
    for (name, text) in RECORDINGS {
        let messages = messages(text);
        let bodies: Vec<_> = messages.iter().map(|(_, message)| body(message)).collect();
        let hello = Hello::read(bodies[0]).unwrap();
        assert!(
            hello.legacy && hello.hello_ok && !hello.load_balanced,
            "{name}"
        );
        let client = hello.client.unwrap();
        match name {
            "pymongo" => assert_eq!((client.application, client.driver), ("shop", "PyMongo|c")),
            "node" => assert_eq!((client.application, client.driver), ("", "nodejs")),
            _ => assert!(client.application.starts_with("mongosh"), "{client:?}"),
        }
        let user = Some(("myapp__acme", "myapp__acme"));
        assert_eq!(hello.sasl_supported_mechs, user, "{name}");
        let speculative = hello.speculative.unwrap();
        assert_eq!(speculative.db, "myapp__acme");
        assert_eq!(speculative.mechanism, scram::SHA_256);
        let found = scram::user_name(&speculative.payload.bytes());
        assert_eq!(found.as_deref(), Ok("myapp__acme"));

        let server = ServerHello::read(bodies[1]).unwrap();
        assert!(server.writable && server.replica_set.is_some());
        // The server that was recorded does not do that, and the driver begins again.
        assert_eq!(server.speculative, None);
        let start = SaslStart::read(bodies[2]).unwrap();
        assert_eq!(start.db, "myapp__acme");
        assert!(start.skip_empty_exchange, "{name}");
        let first = SaslReply::read(bodies[3]).unwrap();
        let next = SaslContinue::read(bodies[4]).unwrap();
        assert_eq!(next.conversation_id, first.conversation_id);
        let last = SaslReply::read(bodies[5]).unwrap();
        assert!(!first.done && last.done);
        for (request, reply) in messages.iter().zip(&messages[1..]) {
            let read = Report::read(body(&reply.1)).unwrap();
            if request.0 && !reply.0 {
                assert!(read.is_none() || name == "mongosh", "{read:?}");
            }
        }
    }
}

/// The proof in the recordings is the one that a client with the password makes.
#[test]
fn the_proofs_of_real_programs_are_those_of_the_password() {
    for (name, text) in RECORDINGS {
        let messages = messages(text);
        let bodies: Vec<_> = messages.iter().map(|(_, message)| body(message)).collect();
        let first = SaslStart::read(bodies[2]).unwrap();
        let server_first = SaslReply::read(bodies[3]).unwrap().payload;
        let server_first = String::from_utf8(server_first).unwrap();
        let [nonce, salt, iterations] = server_first.split(',').collect::<Vec<_>>()[..] else {
            panic!("{server_first}");
        };
        let salt = {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD
                .decode(&salt[2..])
                .unwrap()
        };
        let iterations = iterations[2..].parse().unwrap();
        let verifier = scram::Verifier::derive(b"secret", &salt, iterations);
        let client_nonce = String::from_utf8(first.payload.bytes().into_owned()).unwrap();
        let client_nonce = client_nonce.split_once("r=").unwrap().1;
        let server_nonce = nonce[2..].strip_prefix(client_nonce).unwrap().to_owned();
        let exchange = scram::server::Exchange::new(verifier, true, server_nonce, None);
        let (expect, reply) = super::auth::server::start(&first, exchange).unwrap();
        assert_eq!(reply.payload, server_first.as_bytes());
        let next = SaslContinue::read(bodies[4]).unwrap();
        let next = SaslContinue {
            conversation_id: super::auth::CONVERSATION_ID,
            ..next
        };
        let proven = expect.proof(&next).unwrap();
        let last = SaslReply::read(bodies[5]).unwrap();
        assert_eq!(proven.reply.payload, last.payload, "{name}");
    }
}
