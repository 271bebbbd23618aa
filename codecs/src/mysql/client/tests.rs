use proptest::prelude::*;

use super::super::auth::{CACHING_SHA2_PASSWORD, NATIVE_PASSWORD};
use super::super::recording::{Recording, Side, recorded};
use super::*;

const ATTRIBUTES: Capabilities = Capabilities::QUERY_ATTRIBUTES;

const LOGIN: Capabilities = Capabilities::PLUGIN_AUTH
    .union(Capabilities::SECURE_CONNECTION)
    .union(Capabilities::CONNECT_ATTRS);

#[test]
fn the_text_is_behind_the_attributes() {
    let recording = Recording::read(recorded!("query-attributes-mysql"));
    let mut texts = Vec::new();
    for (packet, (side, _)) in recording.packets.iter().enumerate() {
        let (_, _, body) = recording.body(packet);
        if *side == Side::Client && Command::of(&body) == Some(Command::QUERY) {
            let text = query_text(&body, recording.capabilities).unwrap();
            texts.push(String::from_utf8(text.to_vec()).unwrap());
        }
    }
    let expected = [
        "SELECT 1",
        "SELECT 2",
        "SET NAMES latin1",
        "START TRANSACTION",
        "SELECT 3",
        "ROLLBACK",
    ];
    assert_eq!(texts, expected);
    // Without the flag the same bytes are all text.
    assert_eq!(
        query_text(b"\x03\0\x01SELECT 1", LOGIN),
        Ok(&b"\0\x01SELECT 1"[..])
    );
}

#[test]
fn every_type_of_attribute_is_walked() {
    let values: [(u8, &[u8]); 18] = [
        (0, b"\x033.5"),
        (1, b"\x01"),
        (2, b"\x01\0"),
        (3, b"\x01\0\0\0"),
        (4, b"\0\0\0\0"),
        (5, b"\0\0\0\0\0\0\0\0"),
        (6, b""),
        (7, b"\x0b\xea\x07\x0b\x19\x08\x0f\0\0\0\0\0"),
        (8, b"\x01\0\0\0\0\0\0\0"),
        (9, b"\x01\0\0\0"),
        (10, b"\x04\xea\x07\x0b\x19"),
        (11, b"\x0c\0\0\0\0\0\0\0\0\0\0\0\0"),
        (12, b"\x07\xea\x07\x0b\x19\x08\x0f\0"),
        (13, b"\xea\x07"),
        (244, b"\x01"),
        (245, b"\x02{}"),
        (252, b"\xfc\x01\0x"),
        (254, b"\0"),
    ];
    let count = u8::try_from(values.len()).unwrap();
    let mut body = vec![0x03, count, 1, 0, 0, 0, 1];
    for (kind, _) in values {
        body.extend([kind, 0, 2, b'n', b'a']);
    }
    for (_, value) in values {
        body.extend(value);
    }
    body.extend(b"SELECT 1");
    assert_eq!(query_text(&body, ATTRIBUTES), Ok(&b"SELECT 1"[..]));
    let head = body.len() - b"SELECT 1".len();
    for end in 0..head {
        assert!(query_text(&body[..end], ATTRIBUTES).is_err(), "{end}");
    }
    // A value that is NULL has no bytes.
    let null = b"\x03\x01\x01\x01\x01\x03\0\0SELECT 1";
    assert_eq!(query_text(null, ATTRIBUTES), Ok(&b"SELECT 1"[..]));
}

#[test]
fn malformed_queries_are_refused_by_what_is_wrong() {
    const ATTRIBUTE: &str = "query attribute";
    for (body, error) in [
        (&b""[..], Error::Truncated("command")),
        (b"\x16SELECT 1", Error::Invalid("command")),
        (b"\x03", Error::Truncated("query attribute count")),
        (b"\x03\0", Error::Truncated("query attribute set count")),
        (b"\x03\0\0", Error::Invalid("query attribute set count")),
        (b"\x03\0\x02", Error::Invalid("query attribute set count")),
        (
            b"\x03\xfd\0\0\x01\x01",
            Error::Invalid("query attribute count"),
        ),
        (
            b"\x03\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            Error::Invalid("query attribute count"),
        ),
        (b"\x03\xfc\xff\xff\x01\0", Error::Truncated(ATTRIBUTE)),
        (b"\x03\x01\x01\0\0", Error::Invalid("query attribute types")),
        (
            b"\x03\x01\x01\0\x01\x03\0",
            Error::Truncated("query attribute name"),
        ),
        (
            b"\x03\x01\x01\0\x01\x03\0\0\x01",
            Error::Truncated(ATTRIBUTE),
        ),
        (
            b"\x03\x01\x01\0\x01\x11\0\0",
            Error::Invalid("query attribute type"),
        ),
        (
            b"\x03\x01\x01\0\x01\x0b\0\0\x05",
            Error::Invalid("query attribute length"),
        ),
        (
            b"\x03\x01\x01\0\x01\xfe\0\0\x05x",
            Error::Truncated(ATTRIBUTE),
        ),
    ] {
        assert_eq!(
            query_text(body, ATTRIBUTES),
            Err(error),
            "{}",
            body.escape_ascii()
        );
    }
}

#[test]
fn a_second_login_is_read_and_written() {
    let recording = Recording::read(recorded!("login-switch-mariadb"));
    let body = recording.client(9);
    let change = ChangeUser::decode(&body, LOGIN).unwrap();
    assert_eq!((change.user, change.database), ("app", "myapp__acme"));
    assert_eq!(
        (change.collation, change.plugin),
        (Some(45), Some(CACHING_SHA2_PASSWORD))
    );
    assert_eq!(change.auth.len(), 32);
    let name = change.attributes.get("_client_name");
    assert_eq!(name, Some(&b"mysql-connector-python"[..]));
    let mut out = Vec::new();
    change.encode(LOGIN, &mut out).unwrap();
    assert_eq!(out, recording.packets[9].1);
    assert!(!format!("{change:?}").contains("auth:"));
}

#[test]
fn a_second_login_may_end_early() {
    let short = ChangeUser::decode(b"\x11app\0\0db\0", LOGIN).unwrap();
    assert_eq!((short.collation, short.plugin), (None, None));
    let mut out = Vec::new();
    short.encode(LOGIN, &mut out).unwrap();
    assert_eq!(out, b"\x09\0\0\0\x11app\0\0db\0");
    let short = ChangeUser::decode(b"\x11app\0\0db\0\x2d\0", LOGIN).unwrap();
    assert_eq!((short.collation, short.plugin), (Some(45), None));
    for (body, error) in [
        (&b"\x03app\0\0db\0"[..], Error::Invalid("command")),
        (b"\x11app", Error::Terminator("user name")),
        (b"\x11app\0", Error::Truncated("authentication response")),
        (
            b"\x11app\0\x14abc",
            Error::Truncated("authentication response"),
        ),
        (b"\x11app\0\0db", Error::Terminator("database name")),
        (b"\x11app\0\0db\0\x2d", Error::Truncated("collation")),
        (
            b"\x11app\0\0db\0\x2d\0plugin",
            Error::Terminator("plugin name"),
        ),
        (
            b"\x11app\0\0db\0\x2d\0p\0\x03\x01a",
            Error::Truncated("connection attributes"),
        ),
    ] {
        let result = ChangeUser::decode(body, LOGIN);
        assert_eq!(result, Err(error), "{}", body.escape_ascii());
    }
}

#[test]
fn heads_are_read_and_tails_left() {
    let recording = Recording::read(recorded!("cursor-eof-mariadb"));
    let body = recording.client(0);
    assert_eq!(
        prepare_text(&body),
        Ok(&b"SELECT id, name FROM t ORDER BY id"[..])
    );
    let execute = b"\x17\x05\0\0\0\x01\x01\0\0\0rest";
    let head = StmtExecute::decode(execute).unwrap();
    assert_eq!((head.id, head.flags & StmtExecute::CURSORS), (5, 1));
    for command in [0x17, 0x18, 0x19, 0x1a, 0x1c, 0xfa] {
        assert_eq!(statement_id(&[command, 1, 2, 0, 0, 9]), Ok(0x0201));
        let error = Err(Error::Truncated("statement id"));
        assert_eq!(statement_id(&[command, 1, 2, 0]), error);
    }
    assert_eq!(statement_id(b"\x03SELECT"), Err(Error::Invalid("command")));
    assert_eq!(statement_id(b""), Err(Error::Truncated("command")));
    assert_eq!(init_db(b"\x02myapp__acme"), Ok("myapp__acme"));
    assert_eq!(init_db(b"\x02myapp__acme\0"), Ok("myapp__acme"));
    assert_eq!(init_db(b"\x02\xff"), Err(Error::Utf8("database name")));
    assert_eq!(process_kill(b"\x0c\x01\0\0\x80"), Ok(0x8000_0001));
    assert_eq!(
        process_kill(b"\x0c\x01"),
        Err(Error::Truncated("thread id"))
    );
    for end in 0..10 {
        assert!(StmtExecute::decode(&execute[..end]).is_err());
    }
}

#[test]
fn commands_begin_at_number_0() {
    let mut out = Vec::new();
    encode_command(Command::PING, b"", &mut out);
    encode_command(Command::QUERY, b"DO 1", &mut out);
    encode_process_kill(7, &mut out);
    encode_statement_close(8, &mut out);
    let expected =
        b"\x01\0\0\0\x0e\x05\0\0\0\x03DO 1\x05\0\0\0\x0c\x07\0\0\0\x05\0\0\0\x19\x08\0\0\0";
    assert_eq!(out, expected);
}

proptest! {
    #[test]
    fn second_logins_are_written_and_read(
        (user, database) in ("[^\0]{0,40}", "[^\0]{0,40}"),
        auth in proptest::collection::vec(any::<u8>(), 0..80),
        collation in any::<u16>(),
    ) {
        let mut bytes = Vec::new();
        Attributes::put("program_name", b"tests", &mut bytes);
        let attributes = Attributes::decode(&bytes).unwrap();
        let collation = Some(collation);
        let change = ChangeUser {
            user: &user,
            auth: &auth,
            database: &database,
            collation,
            plugin: Some(NATIVE_PASSWORD),
            attributes,
        };
        let mut out = Vec::new();
        change.encode(LOGIN, &mut out).unwrap();
        prop_assert_eq!(ChangeUser::decode(&out[4..], LOGIN), Ok(change));
    }

    #[test]
    fn no_body_makes_a_reader_panic(
        capabilities in any::<u64>(),
        body in proptest::collection::vec(
            prop_oneof![Just(0), Just(1), Just(0xfe), any::<u8>()], 0..80,
        ),
    ) {
        let capabilities = Capabilities(capabilities);
        for command in [0x02, 0x03, 0x0c, 0x11, 0x16, 0x17] {
            let body = [&[command], &body[..]].concat();
            let _ = (query_text(&body, capabilities), query_text(&body, ATTRIBUTES));
            let _ = (ChangeUser::decode(&body, capabilities), ChangeUser::decode(&body, LOGIN));
            let _ = (statement_id(&body), StmtExecute::decode(&body), init_db(&body));
            let _ = (process_kill(&body), prepare_text(&body));
        }
    }
}
