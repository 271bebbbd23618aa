use proptest::prelude::*;

use super::*;
use crate::mongo::auth::{Payload, SaslReply};
use crate::mongo::bson::{DEPTH_MAX, validate};
use crate::mongo::code::Code;
use crate::mongo::frame::{Header, Opcode};
use crate::scram;

/// What drivers send until they know that a server takes OP_MSG: `{isMaster: 1, helloOk: true}`.
const LEGACY: &[u8] = b"D\0\0\0\x01\0\0\0\0\0\0\0\xd4\x07\0\0\0\0\0\0admin.$cmd\0\
    \0\0\0\0\xff\xff\xff\xff\x1d\0\0\0\x10isMaster\0\x01\0\0\0\x08helloOk\0\x01\0";

fn whole(bytes: &[u8]) -> Document<'_> {
    Document::whole(bytes).unwrap()
}

fn full() -> Vec<u8> {
    let mut command = Writer::new();
    command
        .f64("hello", 1.0)
        .bool("helloOk", true)
        .bool("loadBalanced", true)
        .document("client", |client| {
            client
                .document("application", |inner| {
                    inner.str("name", "shop");
                })
                .document("driver", |inner| {
                    inner.str("name", "PyMongo|c").str("version", "4.15.0");
                })
                .document("os", |inner| {
                    inner.str("type", "Linux").str("architecture", "x86_64");
                })
                .str("platform", "CPython 3.11.2.final.0");
        })
        .array("compression", |array| {
            array.str("zstd").str("snappy");
        })
        .str("saslSupportedMechs", "myapp__acme.my.app")
        .document("speculativeAuthenticate", |start| {
            start
                .i32("saslStart", 1)
                .str("mechanism", scram::SHA_256)
                .binary("payload", 0, b"n,,n=my.app,r=abc")
                .bool("autoAuthorize", true)
                .document("options", |options| {
                    options.bool("skipEmptyExchange", true);
                })
                .str("db", "myapp__acme");
        })
        .str("$db", "admin");
    command.finish()
}

#[test]
fn a_hello_says_who_comes() {
    let bytes = full();
    let hello = Hello::read(whole(&bytes)).unwrap();
    assert!(hello.hello_ok && hello.load_balanced && !hello.legacy);
    let client = hello.client.unwrap();
    assert_eq!(
        (client.application, client.driver, client.driver_version),
        ("shop", "PyMongo|c", "4.15.0")
    );
    assert_eq!(
        (client.os, client.platform),
        ("Linux", "CPython 3.11.2.final.0")
    );
    assert_eq!(hello.sasl_supported_mechs, Some(("myapp__acme", "my.app")));
    let start = hello.speculative.unwrap();
    assert_eq!(
        (start.db, start.payload),
        ("myapp__acme", Payload::Binary(b"n,,n=my.app,r=abc"))
    );
    assert!(start.skip_empty_exchange);
}

/// A hello with a `client` that lacks one field, or has another value there.
fn described(field: &str, value: Option<&Value<'_>>) -> Vec<u8> {
    let put = |out: &mut Writer, path: &str, text: &str| {
        let key = path.rsplit('.').next().unwrap();
        match (path == field, value) {
            (true, Some(value)) => _ = out.value(key, value),
            (true, None) => {}
            (false, _) => _ = out.str(key, text),
        }
    };
    let mut command = Writer::new();
    command.i32("hello", 1).document("client", |client| {
        client.document("application", |inner| {
            put(inner, "application.name", "shop")
        });
        if field != "driver" {
            client.document("driver", |inner| {
                put(inner, "driver.name", "node");
                put(inner, "driver.version", "6.0.0");
            });
        }
        if field != "os" {
            client.document("os", |inner| put(inner, "os.type", "Linux"));
        }
        put(client, "platform", "node v20");
    });
    command.finish()
}

#[test]
fn what_a_client_says_of_itself_is_held_to_what_mongod_takes() {
    let code = |field: &str, value: Option<&Value<'_>>| {
        let bytes = described(field, value);
        Hello::read(whole(&bytes)).err().map(|error| error.code())
    };
    for missing in ["driver", "driver.name", "driver.version", "os", "os.type"] {
        assert_eq!(
            code(missing, None),
            Some(Code::ClientMetadataMissingField),
            "{missing}"
        );
    }
    for typed in [
        "application.name",
        "driver.name",
        "driver.version",
        "os.type",
    ] {
        let refused = code(typed, Some(&Value::Int32(1)));
        assert_eq!(refused, Some(Code::TypeMismatch), "{typed}");
    }
    assert_eq!(code("application.name", None), None);
    let name = |bytes: usize| code("application.name", Some(&Value::String(&"x".repeat(bytes))));
    assert_eq!(name(128), None);
    assert_eq!(name(129), Some(Code::ClientMetadataAppNameTooLarge));
    let short = described("platform", Some(&Value::String("")));
    let client = whole(&short).get("client").unwrap().unwrap();
    let room = CLIENT_BYTES_MAX - client.as_document().unwrap().bytes().len();
    let long = |bytes: usize| code("platform", Some(&Value::String(&"x".repeat(bytes))));
    assert_eq!(long(room), None);
    assert_eq!(long(room + 1), Some(Code::ClientMetadataDocumentTooLarge));
    let mut none = Writer::new();
    none.i32("hello", 1).str("client", "node");
    assert_eq!(
        Hello::read(whole(&none.finish())),
        Err(Error::Type("client"))
    );
}

#[test]
fn every_name_of_hello_is_known() {
    for (name, legacy) in [("hello", false), ("isMaster", true), ("ismaster", true)] {
        let mut command = Writer::new();
        command.i32(name, 1);
        let bytes = command.finish();
        let expected = Hello {
            legacy,
            ..Hello::default()
        };
        assert_eq!(Hello::read(whole(&bytes)), Ok(expected));
    }
    for name in ["Hello", "ping", ""] {
        let mut command = Writer::new();
        command.i32(name, 1).i32("hello", 1);
        let bytes = command.finish();
        assert_eq!(Hello::read(whole(&bytes)), Err(Error::Invalid("hello")));
    }
    let empty = Writer::new().finish();
    assert!(Hello::read(whole(&empty)).is_err());
}

#[test]
fn a_login_that_is_none_of_scram_is_not_begun() {
    for (name, db) in [("authenticate", "$external"), ("saslStart", "")] {
        let mut command = Writer::new();
        command.i32("hello", 1);
        command.document("speculativeAuthenticate", |start| {
            start
                .i32(name, 1)
                .str("mechanism", "MONGODB-X509")
                .binary("payload", 0, b"")
                .str("db", db);
        });
        let bytes = command.finish();
        assert_eq!(Hello::read(whole(&bytes)).unwrap().speculative, None);
    }
}

#[test]
fn mechanisms_are_asked_for_with_database_and_name() {
    for (value, error) in [
        (Value::Bool(true), Error::Type("saslSupportedMechs")),
        (Value::String("user"), Error::Invalid("saslSupportedMechs")),
        (Value::String(".user"), Error::Invalid("saslSupportedMechs")),
        (Value::String("db."), Error::Invalid("saslSupportedMechs")),
    ] {
        let mut command = Writer::new();
        command.i32("hello", 1).value("saslSupportedMechs", &value);
        let bytes = command.finish();
        assert_eq!(Hello::read(whole(&bytes)), Err(error));
    }
}

#[test]
fn a_client_is_told_what_the_proxy_is_and_never_who_the_servers_are() {
    let reply = HelloReply {
        legacy: true,
        hello_ok: true,
        router: true,
        local_time_ms: 1_700_000_000_000,
        session_timeout_minutes: Some(30),
        connection_id: 7,
        min_wire_version: 0,
        max_wire_version: 21,
        service_id: Some(*b"abcdefghijkl"),
        sasl_supported_mechs: true,
        speculative: Some(SaslReply {
            conversation_id: 1,
            done: false,
            payload: b"r=abc".to_vec(),
            base64: false,
        }),
    };
    let bytes = reply.write();
    assert_eq!(validate(&bytes, DEPTH_MAX), Ok(()));
    let read = whole(&bytes);
    for (key, value) in [
        ("helloOk", Value::Bool(true)),
        ("ismaster", Value::Bool(true)),
        ("msg", Value::String("isdbgrid")),
        ("serviceId", Value::ObjectId(*b"abcdefghijkl")),
        ("maxBsonObjectSize", Value::Int32(16_777_216)),
        ("maxMessageSizeBytes", Value::Int32(48_000_000)),
        ("maxWriteBatchSize", Value::Int32(100_000)),
        ("localTime", Value::Date(1_700_000_000_000)),
        ("logicalSessionTimeoutMinutes", Value::Int32(30)),
        ("connectionId", Value::Int32(7)),
        ("minWireVersion", Value::Int32(0)),
        ("maxWireVersion", Value::Int32(21)),
        ("readOnly", Value::Bool(false)),
        ("ok", Value::Double(1.0)),
    ] {
        assert_eq!(read.get(key), Ok(Some(value)), "{key}");
    }
    let mechanisms = read.get("saslSupportedMechs").unwrap().unwrap();
    let mechanisms: Vec<_> = mechanisms
        .as_array()
        .unwrap()
        .iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(mechanisms, [("0", Value::String("SCRAM-SHA-256"))]);
    for key in [
        "setName",
        "hosts",
        "me",
        "primary",
        "topologyVersion",
        "compression",
    ] {
        assert_eq!(read.get(key), Ok(None), "{key}");
    }
    let server = ServerHello::read(read).unwrap();
    assert!(server.writable && server.router && server.replica_set.is_none());
    assert_eq!((server.min_wire_version, server.max_wire_version), (0, 21));
    assert_eq!(server.session_timeout_minutes, Some(30));
    assert_eq!(server.speculative, reply.speculative);
}

#[test]
fn a_new_client_without_wishes_is_told_no_more_than_it_asks() {
    let bytes = HelloReply::default().write();
    let read = whole(&bytes);
    assert_eq!(read.get("isWritablePrimary"), Ok(Some(Value::Bool(true))));
    for key in [
        "ismaster",
        "helloOk",
        "msg",
        "serviceId",
        "logicalSessionTimeoutMinutes",
        "saslSupportedMechs",
        "speculativeAuthenticate",
    ] {
        assert_eq!(read.get(key), Ok(None), "{key}");
    }
}

#[test]
fn a_member_of_a_replica_set_is_known_by_its_name() {
    let mut reply = Writer::new();
    reply
        .bool("isWritablePrimary", false)
        .str("setName", "rs0")
        .i32("minWireVersion", 0)
        .i32("maxWireVersion", 25);
    let bytes = reply.finish();
    let server = ServerHello::read(whole(&bytes)).unwrap();
    assert_eq!(server.replica_set.as_deref(), Some("rs0"));
    assert!(!server.writable && !server.router);
    let mut reply = Writer::new();
    reply.str("maxWireVersion", "25");
    let bytes = reply.finish();
    let refused = ServerHello::read(whole(&bytes));
    assert_eq!(refused, Err(Error::Type("wire version")));
}

#[test]
fn the_proxy_begins_with_a_hello_that_can_be_read() {
    let payload = b"n,,n=user,r=abc";
    let request = HelloRequest {
        application: "shop",
        version: "0.1.0",
        speculative: Some(crate::mongo::auth::client::start_of(payload, "myapp")),
    };
    let bytes = request.write();
    let hello = Hello::read(whole(&bytes)).unwrap();
    assert_eq!(hello.speculative, request.speculative);
    let client = hello.client.unwrap();
    assert_eq!((client.driver, client.application), ("tenantsdb", "shop"));
    assert_eq!(whole(&bytes).get("$db"), Ok(Some(Value::String("admin"))));
}

#[test]
fn old_drivers_begin_with_op_query() {
    let read = Query::read(LEGACY).unwrap();
    assert_eq!(read.collection, "admin.$cmd");
    let (db, command) = read.command().unwrap().unwrap();
    assert_eq!(db, "admin");
    let hello = Hello::read(command).unwrap();
    assert!(hello.legacy && hello.hello_ok);
    let mut again = Vec::new();
    Query::write(1, "admin.$cmd", command.bytes(), &mut again);
    assert_eq!(again, LEGACY);
}

#[test]
fn a_command_may_be_wrapped_with_its_read_preference() {
    let mut query = Writer::new();
    query
        .document("$query", |command| {
            command.i32("isMaster", 1);
        })
        .document("$readPreference", |_| {});
    let mut message = Vec::new();
    Query::write(1, "admin.$cmd", &query.finish(), &mut message);
    let read = Query::read(&message).unwrap();
    let (_, command) = read.command().unwrap().unwrap();
    assert_eq!(command.first(), Ok(Some(("isMaster", Value::Int32(1)))));
    let mut message = Vec::new();
    Query::write(1, "myapp.users", command.bytes(), &mut message);
    assert_eq!(Query::read(&message).unwrap().command().err(), None);
    assert!(Query::read(&message).unwrap().command().unwrap().is_none());
}

#[test]
fn a_query_may_name_its_fields_and_nothing_more() {
    let with = |more: &[u8]| {
        let mut message = [LEGACY, more].concat();
        let length = i32::try_from(message.len()).unwrap();
        message[..4].copy_from_slice(&length.to_le_bytes());
        Query::read(&message).err()
    };
    assert_eq!(with(b"\x05\0\0\0\0"), None);
    assert_eq!(with(b"\x05\0\0\0\0\0"), Some(Error::Trailing("document")));
    assert_eq!(with(b"\x06\0\0\0\0"), Some(Error::Truncated("document")));
    assert_eq!(with(b"\0"), Some(Error::Truncated("document length")));
}

#[test]
fn a_query_that_is_cut_short_is_refused() {
    for cut in 16..LEGACY.len() {
        let mut message = LEGACY[..cut].to_vec();
        assert!(Query::read(&message).is_err(), "the length is another");
        let length = i32::try_from(cut).unwrap();
        message[..4].copy_from_slice(&length.to_le_bytes());
        assert!(Query::read(&message).is_err(), "cut at {cut}");
    }
    let mut message = Vec::new();
    Query::write(1, &"c".repeat(256), b"\x05\0\0\0\0", &mut message);
    assert!(matches!(Query::read(&message), Err(Error::TooLong { .. })));
}

#[test]
fn a_reply_to_it_has_one_document() {
    let document = HelloReply::default().write();
    let mut message = Vec::new();
    write_reply(9, 1, REPLY_AWAIT_CAPABLE, &document, &mut message);
    assert_eq!(
        message[16..36],
        *b"\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0"
    );
    let read = Reply::read(&message).unwrap();
    let expected = Header {
        length: message.len(),
        request_id: 9,
        response_to: 1,
        opcode: Opcode::Reply,
    };
    assert_eq!((read.header, read.flags), (expected, REPLY_AWAIT_CAPABLE));
    assert_eq!(read.document.bytes(), document);
    message[32] = 2;
    assert_eq!(
        Reply::read(&message).err(),
        Some(Error::Invalid("reply count"))
    );
    assert_eq!(
        Reply::read(LEGACY).err(),
        Some(Error::Unsupported("opcode"))
    );
    assert_eq!(
        Query::read(&message).err(),
        Some(Error::Unsupported("opcode"))
    );
}

proptest! {
    #[test]
    fn a_changed_byte_of_a_hello_never_panics(place: prop::sample::Index, byte: u8) {
        let mut bytes = full();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(document) = Document::whole(&bytes) {
            let _ = Hello::read(document);
            let _ = ServerHello::read(document);
        }
        let mut message = LEGACY.to_vec();
        let place = place % message.len();
        message[place] = byte;
        let _ = Query::read(&message).map(|read| read.command().is_ok());
        let _ = Reply::read(&message);
    }

    #[test]
    fn replies_that_are_written_are_read_as_the_same(
        router: bool,
        legacy: bool,
        versions: (i32, i32),
        session_timeout_minutes: Option<i64>,
        connection_id: i64,
    ) {
        let reply = HelloReply {
            legacy,
            router,
            session_timeout_minutes,
            connection_id,
            min_wire_version: versions.0,
            max_wire_version: versions.1,
            ..HelloReply::default()
        };
        let bytes = reply.write();
        prop_assert_eq!(validate(&bytes, DEPTH_MAX), Ok(()));
        let expected = ServerHello {
            writable: true,
            router,
            min_wire_version: versions.0,
            max_wire_version: versions.1,
            session_timeout_minutes,
            connection_id,
            ..ServerHello::default()
        };
        prop_assert_eq!(ServerHello::read(whole(&bytes)), Ok(expected));
        let id = whole(&bytes).get("connectionId").unwrap().unwrap().as_i64();
        prop_assert_eq!(id, Some(connection_id));
    }
}
