//! Messages that are none: a clear error or the end of the connection, soon, and without memory
//! that the sender did not pay for; before the login and behind it. Others are served meanwhile.

use std::fs;
use std::io::ErrorKind;

use mongodb::bson::{Document, doc};
use tenantsdb_tests::mongo::message::{self, CHECKSUM_PRESENT, COMPRESSED, MSG, QUERY};
use tenantsdb_tests::mongo::{Database, Wire, wire};

use super::Blueprint;

fn header(length: i32, opcode: i32) -> Vec<u8> {
    [length, 7, 0, opcode]
        .iter()
        .flat_map(|n| n.to_le_bytes())
        .collect()
}

fn ping() -> Document {
    doc! {"ping": 1, "$db": "admin"}
}

/// More than one body: which of them a server takes is anybody's guess.
fn bodies(command: &Document) -> Vec<u8> {
    let mut body = message::msg(0, command);
    body.push(0);
    body.extend(message::bytes(&ping()));
    message::message(7, MSG, &body)
}

/// A sequence that says it is longer than the message.
fn overrunning(command: &Document) -> Vec<u8> {
    let mut body = message::msg(0, command);
    body.push(1);
    body.extend(1_000_000_u32.to_le_bytes());
    body.extend(b"documents\0");
    message::message(7, MSG, &body)
}

/// A body whose length inside is `by` more than there is.
fn with_length(by: i32) -> Vec<u8> {
    let mut body = message::msg(0, &ping());
    let length = i32::from_le_bytes(body[5..9].try_into().unwrap());
    body[5..9].copy_from_slice(&(length + by).to_le_bytes());
    message::message(7, MSG, &body)
}

fn checksummed(document: &Document, by: u32) -> Vec<u8> {
    let mut message = message::message(7, MSG, &message::msg(CHECKSUM_PRESENT, document));
    let length = i32::try_from(message.len() + 4).unwrap();
    message[..4].copy_from_slice(&length.to_le_bytes());
    let sum = message::crc32c(&message).wrapping_add(by);
    message.extend(sum.to_le_bytes());
    message
}

/// A document that is nested so often that whoever walks by recursion falls.
fn deep(levels: usize) -> Vec<u8> {
    let mut inner = vec![5, 0, 0, 0, 0];
    for _ in 0..levels {
        inner = around(b"", "a", &inner);
    }
    inner
}

/// A document of these elements, and of one more that is a document.
fn around(elements: &[u8], key: &str, inner: &[u8]) -> Vec<u8> {
    let length = i32::try_from(4 + elements.len() + 1 + key.len() + 1 + inner.len() + 1).unwrap();
    let (key, length) = (key.as_bytes(), length.to_le_bytes());
    [&length[..], elements, &[3], key, &[0], inner, &[0]].concat()
}

/// A command with a deep document in its last field, which no document of a library can be.
fn nested(command: &Document, key: &str, levels: usize) -> Vec<u8> {
    let elements = message::bytes(command);
    let elements = &elements[4..elements.len() - 1];
    let body = [&[0; 5][..], &around(elements, key, &deep(levels))].concat();
    message::message(7, MSG, &body)
}

/// Messages that nobody can read, whole or in part.
fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let msg = |body: &[u8]| message::message(7, MSG, body);
    let no_body = message::sequence("documents", &[doc! {"_id": 1}]);
    vec![
        ("a length of 0", header(0, MSG)),
        ("a length of 15", header(15, MSG)),
        ("a negative length", header(-1, MSG)),
        ("the most negative length", header(i32::MIN, MSG)),
        ("2 GB", header(i32::MAX, MSG)),
        ("a length beyond the limit", header(48_000_001, MSG)),
        ("no flags", header(16, MSG)),
        ("no section", msg(&[0; 4])),
        ("a document that overruns", with_length(100)),
        ("a document that ends early", with_length(-3)),
        ("a document of 2 GB", with_length(i32::MAX - 100)),
        ("a section of kind 7", msg(&[0, 0, 0, 0, 7, 5, 0, 0, 0, 0])),
        (
            "a sequence without a body",
            msg(&[&[0; 4][..], &no_body].concat()),
        ),
        (
            "an unknown flag that is required",
            msg(&message::msg(1 << 5, &ping())),
        ),
        ("a wrong checksum", checksummed(&ping(), 1)),
        ("opcode 0", message::message(7, 0, b"")),
        ("OP_INSERT", message::message(7, 2002, &[0; 20])),
        ("an unknown opcode", message::message(7, 9999, &[0; 64])),
        (
            "OP_COMPRESSED",
            message::message(7, COMPRESSED, &compressed()),
        ),
        (
            "OP_QUERY without a document",
            message::message(7, QUERY, &[0; 13]),
        ),
        ("nested 10,000 deep", nested(&ping(), "deep", 10_000)),
        (
            "HTTP",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        ),
    ]
}

/// Says that it is 1 GB when it is unpacked (CVE-2025-14847 and its like).
fn compressed() -> Vec<u8> {
    let mut body = MSG.to_le_bytes().to_vec();
    body.extend((1_i32 << 30).to_le_bytes());
    body.push(2);
    body.extend(b"nothing of the kind");
    body
}

/// How much of these bytes there is to be, where a server would wait for all of it.
fn announced(bytes: &[u8]) -> usize {
    let length = bytes
        .first_chunk::<4>()
        .map(|bytes| i32::from_le_bytes(*bytes));
    let length = length.and_then(|length| usize::try_from(length).ok());
    length
        .filter(|length| *length <= 48_000_000)
        .unwrap_or_default()
}

/// What becomes of a connection that says this: an error, or its end. Never an `ok`.
#[track_caller]
fn refused(mut wire: Wire, what: &str, bytes: &[u8]) {
    let _ = wire.write(bytes);
    // What is said whole is refused without waiting for more.
    if bytes.len() < announced(bytes) {
        wire.end();
    }
    loop {
        match wire.try_read() {
            Ok(reply) => {
                let document = reply.document;
                assert!(wire::judge(document.clone()).is_err(), "{what}: {document}");
            }
            Err(e) => {
                let end = [
                    ErrorKind::UnexpectedEof,
                    ErrorKind::ConnectionReset,
                    ErrorKind::BrokenPipe,
                ];
                assert!(end.contains(&e.kind()), "{what}: {e}");
                return;
            }
        }
    }
}

/// The memory of a process in kB: what it holds, and the most that it ever held.
fn memory_peak_kb(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn what_cannot_be_read_is_refused_before_the_login() {
    let blueprint = Blueprint::start("mongo_malformed");
    let address = &blueprint.workspace.address;
    let proxy = blueprint.fleet.proxies[0].id();
    let before = memory_peak_kb(proxy);
    for (what, bytes) in broken() {
        refused(Wire::connect(address).unwrap(), what, &bytes);
    }
    // 200 that say they will send much, and send nothing.
    let waiting: Vec<Wire> = (0..200)
        .map(|_| {
            let mut wire = Wire::connect(address).unwrap();
            wire.write(&header(40_000_000, MSG)).unwrap();
            wire
        })
        .collect();
    let mut wire = blueprint.workspace.wire();
    assert!(wire.run(&ping()).is_ok());
    let grown = memory_peak_kb(proxy) - before;
    assert!(grown < 50_000, "{grown} kB");
    // Half a message for ever: the handshake's deadline ends it.
    for mut wire in waiting {
        let reply = wire.try_read();
        assert!(reply.is_err() || wire::judge(reply.unwrap().document).is_err());
    }
}

#[test]
fn what_cannot_be_read_is_refused_behind_the_login() {
    let blueprint = Blueprint::start("mongo_malformed_in");
    let mut other = blueprint.workspace.wire();
    let proxy = blueprint.fleet.proxies[0].id();
    let before = memory_peak_kb(proxy);
    for (what, bytes) in broken() {
        refused(blueprint.workspace.wire(), what, &bytes);
        assert!(other.run(&ping()).is_ok(), "{what}");
    }
    let find = doc! {"find": "users", "$db": &blueprint.workspace.name};
    for (what, bytes) in [
        ("two bodies", bodies(&find)),
        ("two bodies of what the proxy answers", bodies(&ping())),
        ("a wrong checksum", checksummed(&find, 1)),
        ("a sequence that overruns", overrunning(&find)),
    ] {
        refused(blueprint.workspace.wire(), what, &bytes);
    }
    // Some that say they will send much, and send its beginning.
    let much = [&header(48_000_000, MSG)[..], &message::msg(0, &find)[..20]].concat();
    let waiting: Vec<Wire> = (0..20)
        .map(|_| {
            let mut wire = blueprint.workspace.wire();
            wire.write(&much).unwrap();
            wire
        })
        .collect();
    assert!(other.run(&find).is_ok());
    let grown = memory_peak_kb(proxy) - before;
    assert!(grown < 100_000, "{grown} kB");
    drop(waiting);
}

/// The server is everybody's, and may be one that falls of it.
#[test]
fn a_document_that_is_nested_too_deep_does_not_reach_the_server() {
    let blueprint = Blueprint::start("mongo_deep");
    let acme = blueprint.tenant("acme");
    let globex = blueprint.tenant("globex");
    globex.insert("items", vec![doc! {"_id": 1}]);
    let of = |name: &str| {
        let mut command = Document::new();
        command.insert(name, "items");
        command.insert("$db", &acme.name);
        command
    };
    let sequence = |command: &Document, name: &str, document: &[u8]| {
        let mut body = message::msg(0, command);
        let length = i32::try_from(4 + name.len() + 1 + document.len()).unwrap();
        body.push(1);
        body.extend(length.to_le_bytes());
        body.extend([name.as_bytes(), &[0], document].concat());
        message::message(7, MSG, &body)
    };
    let update = around(b"\x03u\0\x05\0\0\0\0", "q", &deep(10_000));
    for bytes in [
        nested(&of("find"), "filter", 10_000),
        nested(&of("find"), "comment", 200),
        nested(&of("count"), "query", 10_000),
        nested(&of("delete"), "let", 10_000),
        nested(&of("getMore"), "comment", 10_000),
        sequence(&of("insert"), "documents", &deep(10_000)),
        sequence(&of("update"), "updates", &update),
    ] {
        let mut wire = acme.wire();
        wire.write(&bytes).unwrap();
        let reply = wire.try_read().expect("it is told why");
        let failed = wire::judge(reply.document).expect_err("too deep");
        assert_eq!(failed.code, 15, "{failed}");
        assert_eq!(globex.find("items").len(), 1, "the server lives");
    }
    assert_eq!(acme.collections(), ["_tenantsdb"]);
}

#[test]
fn a_right_checksum_is_taken() {
    let blueprint = Blueprint::start("mongo_checksum");
    let Database { name, .. } = &blueprint.workspace;
    let mut wire = blueprint.workspace.wire();
    for command in [ping(), doc! {"find": "users", "$db": name}] {
        wire.write(&checksummed(&command, 0)).unwrap();
        let reply = wire.try_read().unwrap();
        assert!(wire::judge(reply.document).is_ok());
    }
}

/// A document of more than 16 MB, and one that is as large as may be.
#[test]
fn documents_beyond_16_megabytes_are_refused() {
    let blueprint = Blueprint::start("mongo_large");
    let acme = blueprint.tenant("acme");
    let insert = |bytes: usize| {
        let document = doc! {"_id": 1, "text": "x".repeat(bytes)};
        let mut body = message::msg(0, &doc! {"insert": "large", "$db": &acme.name});
        body.extend(message::sequence("documents", &[document]));
        message::message(7, MSG, &body)
    };
    let mut wire = acme.wire();
    wire.write(&insert((16 << 20) - 100)).unwrap();
    let reply = wire::judge(wire.try_read().unwrap().document).unwrap();
    assert_eq!(reply.get_i32("n").ok(), Some(1), "{reply}");
    // The proxy need not read it to its end.
    let _ = wire.write(&insert(17 << 20));
    if let Ok(reply) = wire.try_read() {
        let document = reply.document;
        let refused =
            document.contains_key("writeErrors") || wire::judge(document.clone()).is_err();
        assert!(refused, "{document}");
    }
    assert_eq!(acme.run(doc! {"count": "large"}).get_i32("n").ok(), Some(1));
}
