use proptest::prelude::*;

use super::*;
use crate::mongo::bson::{DEPTH_MAX, validate};
use crate::scram::{self, Credential, Verifier};

/// The exchange of the specification "Authentication", section "SCRAM-SHA-256": user and password
/// are `user` and `pencil`.
const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
    s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
const SALT: [u8; 16] = [
    0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81,
];

fn exchange() -> scram::server::Exchange {
    let verifier = Verifier::derive(b"pencil", &SALT, 4096);
    scram::server::Exchange::new(verifier, true, SERVER_NONCE.to_owned(), None)
}

fn first(skip_empty_exchange: bool) -> SaslStart<'static> {
    SaslStart {
        mechanism: scram::SHA_256,
        payload: Payload::Binary(CLIENT_FIRST.as_bytes()),
        db: "myapp",
        skip_empty_exchange,
    }
}

const fn next(payload: &str) -> SaslContinue<'_> {
    SaslContinue {
        conversation_id: CONVERSATION_ID,
        payload: Payload::Binary(payload.as_bytes()),
    }
}

#[test]
fn the_server_answers_as_in_the_specification() {
    let (expect, reply) = server::start(&first(false), exchange()).unwrap();
    assert_eq!(
        (reply.done, &reply.payload[..]),
        (false, SERVER_FIRST.as_bytes())
    );
    let proven = expect.proof(&next(CLIENT_FINAL)).unwrap();
    assert!(!proven.reply.done);
    assert_eq!(proven.reply.payload, SERVER_FINAL.as_bytes());
    assert!(Verifier::derive(b"pencil", &SALT, 4096).matches(&proven.key));
    let last = proven.then.unwrap().finish(&next("")).unwrap();
    assert!(last.done && last.payload.is_empty());
}

#[test]
fn the_empty_exchange_is_left_out_for_a_client_that_asks_so() {
    let (expect, _) = server::start(&first(true), exchange()).unwrap();
    let proven = expect.proof(&next(CLIENT_FINAL)).unwrap();
    assert!(proven.reply.done && proven.then.is_none());
}

#[test]
fn an_exchange_of_another_conversation_or_behind_the_end_is_refused() {
    let other = SaslContinue {
        conversation_id: 2,
        ..next(CLIENT_FINAL)
    };
    let (expect, _) = server::start(&first(false), exchange()).unwrap();
    let refused = expect.proof(&other).unwrap_err();
    assert_eq!(refused.to_string(), "sasl: Mismatched conversation id");
    let (expect, _) = server::start(&first(false), exchange()).unwrap();
    let then = expect.proof(&next(CLIENT_FINAL)).unwrap().then.unwrap();
    assert_eq!(then.finish(&next("x")), Err(server::Failure::Payload));
}

#[test]
fn a_wrong_password_is_told_from_a_broken_message() {
    let (expect, _) = server::start(&first(true), exchange()).unwrap();
    let wrong = CLIENT_FINAL.replace("p=dH", "p=dI");
    assert_eq!(
        expect.proof(&next(&wrong)).unwrap_err(),
        server::Failure::Scram(scram::Error::Proof)
    );
    let sha_1 = SaslStart {
        mechanism: SHA_1,
        ..first(true)
    };
    assert_eq!(
        server::start(&sha_1, exchange()).unwrap_err(),
        server::Failure::Scram(scram::Error::Mechanism)
    );
}

#[test]
fn both_roles_agree_with_and_without_the_empty_exchange() {
    for skip in [true, false] {
        let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
        let (client, payload) = client::start("us=er,s", nonce);
        assert_eq!(scram::user_name(&payload).as_deref(), Ok("us=er,s"));
        let start = SaslStart {
            skip_empty_exchange: skip,
            ..client::start_of(&payload, "myapp")
        };
        let (server, reply) = server::start(&start, exchange()).unwrap();
        let (client, payload) = client
            .first(&reply, &Credential::Password(b"pencil"))
            .unwrap();
        let proven = server.proof(&client.next(&payload)).unwrap();
        let then = client.finish(&proven.reply).unwrap();
        assert_eq!((then.is_none(), proven.then.is_none()), (skip, skip));
        if let (Some(client), Some(server)) = (then, proven.then) {
            let last = server.finish(&client.next()).unwrap();
            assert_eq!(client.finish(&last), Ok(()));
        }
    }
}

#[test]
fn a_client_believes_no_server_that_is_done_too_early() {
    let reply = |done, payload: &str| SaslReply {
        conversation_id: 7,
        done,
        payload: payload.as_bytes().to_vec(),
        base64: false,
    };
    let begin = || client::start("user", "rOprNGfwEbeRWgbNEkqO".to_owned()).0;
    let password = Credential::Password(b"pencil");
    let early = begin().first(&reply(true, SERVER_FIRST), &password);
    assert_eq!(early.unwrap_err(), client::Failure::Order);
    let (expect, _) = begin()
        .first(&reply(false, SERVER_FIRST), &password)
        .unwrap();
    assert_eq!(expect.next(b"").conversation_id, 7);
    let unsigned = expect.finish(&reply(true, ""));
    assert!(matches!(unsigned, Err(client::Failure::Scram(_))));
    let (expect, _) = begin()
        .first(&reply(false, SERVER_FIRST), &password)
        .unwrap();
    let other = SaslReply {
        conversation_id: 8,
        ..reply(true, SERVER_FINAL)
    };
    assert_eq!(
        expect.finish(&other).unwrap_err(),
        client::Failure::Conversation
    );
    let (expect, _) = begin()
        .first(&reply(false, SERVER_FIRST), &password)
        .unwrap();
    let expect = expect.finish(&reply(false, SERVER_FINAL)).unwrap().unwrap();
    assert_eq!(
        expect.finish(&reply(false, "")),
        Err(client::Failure::Order)
    );
}

#[test]
fn names_are_escaped_and_nothing_else_is_taken() {
    for (written, name) in [
        ("n,,n=user,r=abc", Some("user")),
        ("n,,n=a=2Cb=3Dc=3D,r=abc", Some("a,b=c=")),
        ("n,,n=,r=abc", Some("")),
        ("n,,n=\u{e9}=3D\u{e9},r=abc", Some("\u{e9}=\u{e9}")),
        ("n,,n=a=2cb,r=abc", None),
        ("n,,n=a=,r=abc", None),
        ("n,,n=a=2,r=abc", None),
        ("n,,n==\u{e9},r=abc", None),
        ("n,,r=abc", None),
    ] {
        let found = scram::user_name(written.as_bytes());
        assert_eq!(found.ok().as_deref(), name, "{written}");
    }
}

#[test]
fn a_start_lacks_nothing() {
    let whole = first(true).write();
    let read = SaslStart::read(Document::whole(&whole).unwrap());
    assert_eq!(read, Ok(first(true)));
    for (missing, error) in [
        ("mechanism", Error::Missing("mechanism")),
        ("payload", Error::Missing("payload")),
    ] {
        let mut without = Writer::new();
        for element in Document::whole(&whole).unwrap().iter() {
            let (key, value) = element.unwrap();
            if key != missing {
                without.value(key, &value);
            }
        }
        let without = without.finish();
        assert_eq!(
            SaslStart::read(Document::whole(&without).unwrap()),
            Err(error)
        );
    }
}

#[test]
fn a_payload_is_bytes_or_base64_and_is_answered_alike() {
    let start = |value: &Value<'_>| {
        let mut command = Writer::new();
        command
            .str("mechanism", scram::SHA_256)
            .value("payload", value);
        command.finish()
    };
    let text = payload::encode(CLIENT_FIRST.as_bytes());
    let bytes = start(&Value::String(&text));
    let start_as_text = SaslStart::read(Document::whole(&bytes).unwrap()).unwrap();
    assert_eq!(&*start_as_text.payload.bytes(), CLIENT_FIRST.as_bytes());
    let (expect, reply) = server::start(&start_as_text, exchange()).unwrap();
    let reply = reply.write();
    let written = Document::whole(&reply).unwrap().get("payload").unwrap();
    let server_first = payload::encode(SERVER_FIRST.as_bytes());
    assert_eq!(written, Some(Value::String(&server_first)));
    let last = payload::encode(CLIENT_FINAL.as_bytes());
    let next = SaslContinue {
        conversation_id: CONVERSATION_ID,
        payload: Payload::Base64(&last),
    };
    assert!(expect.proof(&next).unwrap().reply.base64);
    for (value, error) in [
        (Value::String("no base64"), Error::Invalid("payload")),
        (Value::String("YQ"), Error::Invalid("payload")),
        (Value::Bool(true), Error::Type("payload")),
        (
            Value::Binary {
                subtype: 4,
                bytes: b"n,,n=user,r=abc",
            },
            Error::Invalid("payload"),
        ),
    ] {
        let bytes = start(&value);
        let refused = SaslStart::read(Document::whole(&bytes).unwrap());
        assert_eq!(refused, Err(error), "{value:?}");
    }
}

#[test]
fn the_database_of_the_command_counts() {
    let mut start = Writer::new();
    start
        .i32("saslStart", 1)
        .str("mechanism", scram::SHA_256)
        .binary("payload", 0, b"n,,n=a,r=b")
        .str("$db", "myapp")
        .str("db", "other");
    let start = start.finish();
    let read = SaslStart::read(Document::whole(&start).unwrap());
    assert_eq!(read.unwrap().db, "myapp");
}

#[test]
fn payloads_are_not_printed() {
    let text = format!("{:?}", first(true));
    assert!(text.contains("myapp") && !text.contains("rOpr"), "{text}");
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(
        mechanism in ".{0,30}",
        payload: Vec<u8>,
        db in ".{0,20}",
        flag: bool,
        conversation_id: i32,
    ) {
        let start = SaslStart {
            mechanism: &mechanism,
            payload: Payload::Binary(&payload),
            db: &db,
            skip_empty_exchange: flag,
        };
        let bytes = start.write();
        prop_assert_eq!(validate(&bytes, DEPTH_MAX), Ok(()));
        prop_assert_eq!(SaslStart::read(Document::whole(&bytes).unwrap()), Ok(start));
        let next = SaslContinue {
            conversation_id,
            payload: Payload::Binary(&payload),
        };
        let bytes = next.write(&db);
        prop_assert_eq!(SaslContinue::read(Document::whole(&bytes).unwrap()), Ok(next));
        let reply = SaslReply {
            conversation_id,
            done: flag,
            payload,
            base64: flag,
        };
        let bytes = reply.write();
        prop_assert_eq!(SaslReply::read(Document::whole(&bytes).unwrap()), Ok(reply));
    }

    #[test]
    fn every_name_is_read_as_it_was_written(name in "[^\0]{0,40}") {
        let (_, payload) = client::start(&name, "nonce".to_owned());
        let found = scram::user_name(&payload);
        prop_assert_eq!(found.as_deref(), Ok(&name[..]));
    }
}
