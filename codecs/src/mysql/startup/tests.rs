use proptest::prelude::*;

use super::super::Flavour;
use super::super::auth::{CACHING_SHA2_PASSWORD, NATIVE_PASSWORD};
use super::super::flags::Status;
use super::super::recording::{Recording, recorded};
use super::*;

const NATIVE_CLIENT: Capabilities = Capabilities::PROTOCOL_41
    .union(Capabilities::SECURE_CONNECTION)
    .union(Capabilities::PLUGIN_AUTH)
    .union(Capabilities::CONNECT_WITH_DB);

fn written(
    write: impl FnOnce(&mut u8, &mut Vec<u8>) -> Result<(), Error>,
) -> Result<Vec<u8>, Error> {
    let mut out = b"before".to_vec();
    let mut sequence = 1;
    match write(&mut sequence, &mut out) {
        Ok(()) => {
            assert_eq!((sequence, out[9]), (2, 1));
            Ok(out.split_off(10))
        }
        Err(error) => {
            assert_eq!((sequence, &out[..]), (1, &b"before"[..]));
            Err(error)
        }
    }
}

fn response(body: &[u8]) -> HandshakeResponse<'_> {
    match decode_client_start(body) {
        Ok(ClientStart::Response(response)) => response,
        other => panic!("not a response: {other:?}"),
    }
}

#[test]
fn the_greeting_of_mariadb_has_extended_capabilities() {
    let recording = Recording::read(recorded!("login-pymysql-mariadb"));
    let body = recording.server(0);
    let greeting = Greeting::decode(&body).unwrap();
    assert_eq!(greeting.version, "5.5.5-10.11.14-MariaDB-0+deb12u2");
    assert_eq!(Flavour::of_version(greeting.version), Flavour::MariaDb);
    assert_eq!(greeting.plugin, NATIVE_PASSWORD);
    assert_eq!(greeting.status, Status::AUTOCOMMIT);
    assert!(!greeting.capabilities.contains(Capabilities::LONG_PASSWORD));
    let extended = Capabilities::MARIADB_PROGRESS.union(Capabilities::MARIADB_CACHE_METADATA);
    assert!(greeting.capabilities.contains(extended));
    let again = written(|sequence, out| greeting.encode(sequence, out));
    assert_eq!(again, Ok(body.clone()));
}

#[test]
fn the_greeting_of_mysql_has_none() {
    let recording = Recording::read(recorded!("login-pymysql-mysql-fast"));
    let body = recording.server(0);
    let greeting = Greeting::decode(&body).unwrap();
    assert_eq!(Flavour::of_version(greeting.version), Flavour::MySql);
    assert_eq!(greeting.plugin, CACHING_SHA2_PASSWORD);
    assert!(greeting.nonce.iter().all(|byte| *byte != 0));
    assert_eq!(greeting.capabilities.0 >> 32, 0);
    assert!(
        greeting
            .capabilities
            .contains(Capabilities::QUERY_ATTRIBUTES)
    );
    let again = written(|sequence, out| greeting.encode(sequence, out));
    assert_eq!(again, Ok(body.clone()));
}

#[test]
fn greetings_that_are_cut_or_old_are_refused() {
    let recording = Recording::read(recorded!("login-pymysql-mysql-fast"));
    let body = recording.server(0);
    for end in 0..body.len() {
        assert!(Greeting::decode(&body[..end]).is_err(), "{end}");
    }
    let mut old = body.clone();
    old[0] = 9;
    let unsupported = Err(Error::Unsupported("protocol before 4.1"));
    assert_eq!(Greeting::decode(&old), unsupported);
    let mut old = body.clone();
    let low = 1 + "9.7.4-2".len() + 1 + 4 + 8 + 1;
    old[low + 1] &= !0x02;
    assert_eq!(Greeting::decode(&old), unsupported);
    let refusal = b"\xff\x10\x04too many connections";
    assert_eq!(
        Greeting::decode(refusal),
        Err(Error::Invalid("protocol version"))
    );

    let mut greeting = Greeting::decode(&body).unwrap();
    greeting.version = "9\0";
    let error = Err(Error::Invalid("server version"));
    assert_eq!(
        written(|sequence, out| greeting.encode(sequence, out)),
        error
    );
    greeting.capabilities = Capabilities::PROTOCOL_41;
    let error = Err(Error::Invalid("capabilities"));
    assert_eq!(
        written(|sequence, out| greeting.encode(sequence, out)),
        error
    );
}

#[test]
fn responses_of_real_clients_are_read_and_written() {
    for (text, plugin, auth_bytes, attribute) in [
        (
            recorded!("login-pymysql-mariadb"),
            NATIVE_PASSWORD,
            20,
            ("_client_name", "pymysql"),
        ),
        (
            recorded!("login-pymysql-mysql-fast"),
            CACHING_SHA2_PASSWORD,
            32,
            ("_client_name", "pymysql"),
        ),
        (
            recorded!("login-mariadb-cli"),
            NATIVE_PASSWORD,
            20,
            ("program_name", "mysql"),
        ),
        (
            recorded!("login-connector-python-mysql"),
            CACHING_SHA2_PASSWORD,
            32,
            ("_client_name", "mysql-connector-python"),
        ),
    ] {
        let body = Recording::read(text).client(1);
        let response = response(&body);
        assert_eq!(
            (response.user, response.database),
            ("app", Some("myapp__acme"))
        );
        assert_eq!(
            (response.plugin, response.auth.len()),
            (Some(plugin), auth_bytes)
        );
        let value = response.attributes.get(attribute.0).unwrap();
        assert_eq!(value, attribute.1.as_bytes());
        assert_eq!(response.attributes.get("no such"), None);
        let again = written(|sequence, out| response.encode(sequence, out));
        assert_eq!(again, Ok(body.clone()));
        assert!(!format!("{response:?}").contains("auth:"));
    }
}

#[test]
fn a_request_for_tls_ends_before_the_user() {
    let body = Recording::read(recorded!("tls-request-pymysql")).client(1);
    let Ok(ClientStart::Ssl(request)) = decode_client_start(&body) else {
        panic!("a request for TLS");
    };
    assert!(request.capabilities.contains(Capabilities::SSL));
    let again = written(|sequence, out| {
        request.encode(sequence, out);
        Ok(())
    });
    assert_eq!(again, Ok(body.clone()));

    // The same length without the flag is a response without a user.
    let mut other = body.clone();
    other[1] &= !0x08;
    let error = Err(Error::Terminator("user name"));
    assert_eq!(decode_client_start(&other), error);
    // And with one byte more it is a response.
    let error = Err(Error::Truncated(AUTH));
    assert_eq!(decode_client_start(&[&body[..], b"\0"].concat()), error);
}

#[test]
fn protocols_before_4_1_are_refused_as_such() {
    let unsupported = Err(Error::Unsupported("protocol before 4.1"));
    // capabilities, packet limit, user, scramble
    assert_eq!(
        decode_client_start(b"\x85\x24\0\0\0app\0RG_[J@"),
        unsupported
    );
    assert_eq!(decode_client_start(b"\0\0"), unsupported);
    let error = Err(Error::Truncated("capabilities"));
    assert_eq!(decode_client_start(b""), error);
    assert_eq!(decode_client_start(b"\x05"), error);
}

/// A response with these capabilities and this behind its head.
fn raw(capabilities: Capabilities, tail: &[u8]) -> Vec<u8> {
    let [a, b, c, d, ..] = capabilities.0.to_le_bytes();
    [&[a, b, c, d, 0, 0, 0, 1, 45][..], &[0; 23], tail].concat()
}

// Each of these has crashed a proxy before (proxysql#1893, #4955, #1119).
#[test]
fn malformed_responses_are_refused_by_what_is_wrong() {
    let lenenc = NATIVE_CLIENT.union(Capabilities::PLUGIN_AUTH_LENENC_DATA);
    let attributes = NATIVE_CLIENT.union(Capabilities::CONNECT_ATTRS);
    let zero = NATIVE_CLIENT.difference(Capabilities::SECURE_CONNECTION);
    let zstd = NATIVE_CLIENT.union(Capabilities::ZSTD_COMPRESSION);
    const ATTRIBUTES: &str = "connection attributes";
    for (capabilities, tail, error) in [
        (NATIVE_CLIENT, &b""[..], Error::Terminator("user name")),
        (NATIVE_CLIENT, b"app", Error::Terminator("user name")),
        (NATIVE_CLIENT, b"\xe9\0\0\0", Error::Utf8("user name")),
        (NATIVE_CLIENT, b"app\0", Error::Truncated(AUTH)),
        (NATIVE_CLIENT, b"app\0\x14abc", Error::Truncated(AUTH)),
        (NATIVE_CLIENT, b"app\0\xffabc", Error::Truncated(AUTH)),
        (
            lenenc,
            b"app\0\xfe\xff\xff\xff\xff\xff\xff\xff\xff",
            Error::Truncated(AUTH),
        ),
        (lenenc, b"app\0\xfc\x14", Error::Truncated(AUTH)),
        (lenenc, b"app\0\xfb", Error::Invalid(AUTH)),
        (lenenc, b"app\0\xff", Error::Invalid(AUTH)),
        (zero, b"app\0abc", Error::Terminator(AUTH)),
        (
            NATIVE_CLIENT,
            b"app\0\0",
            Error::Terminator("database name"),
        ),
        (
            NATIVE_CLIENT,
            b"app\0\0db",
            Error::Terminator("database name"),
        ),
        (
            NATIVE_CLIENT,
            b"app\0\0\xff\0",
            Error::Utf8("database name"),
        ),
        (
            NATIVE_CLIENT,
            b"app\0\0db\0mysql_native",
            Error::Terminator("plugin name"),
        ),
        (
            NATIVE_CLIENT,
            b"app\0\0db\0\xff\0",
            Error::Utf8("plugin name"),
        ),
        (attributes, b"app\0\0db\0p\0", Error::Truncated(ATTRIBUTES)),
        (
            attributes,
            b"app\0\0db\0p\0\x05\x01a",
            Error::Truncated(ATTRIBUTES),
        ),
        (
            attributes,
            b"app\0\0db\0p\0\x02\x01a",
            Error::Truncated(ATTRIBUTES),
        ),
        (
            attributes,
            b"app\0\0db\0p\0\x03\x01a\x05",
            Error::Truncated(ATTRIBUTES),
        ),
        (
            attributes,
            b"app\0\0db\0p\0\x03\x01a\xfb",
            Error::Invalid(ATTRIBUTES),
        ),
        (
            zstd,
            b"app\0\0db\0p\0",
            Error::Truncated("compression level"),
        ),
    ] {
        let body = raw(capabilities, tail);
        assert_eq!(
            decode_client_start(&body),
            Err(error),
            "{}",
            tail.escape_ascii()
        );
    }
}

#[test]
fn what_servers_let_pass_is_read() {
    let body = raw(NATIVE_CLIENT, b"app\0\0db\0");
    assert_eq!(response(&body).plugin, None, "ends before the plugin");
    let body = raw(NATIVE_CLIENT, b"app\0\0\0p\0behind");
    let found = response(&body);
    assert_eq!((found.database, found.plugin), (Some(""), Some("p")));
    let plain = NATIVE_CLIENT
        .difference(Capabilities::CONNECT_WITH_DB)
        .difference(Capabilities::SECURE_CONNECTION)
        .difference(Capabilities::PLUGIN_AUTH);
    let body = raw(plain, b"app\0proof\0");
    let found = response(&body);
    assert_eq!((found.auth, found.database), (&b"proof"[..], None));
}

#[test]
fn a_response_longer_than_the_limit_is_neither_read_nor_written() {
    let mut bytes = Vec::new();
    Attributes::put(
        "a",
        &vec![b'x'; MYSQL_LOGIN_BYTES_MAX - 4_096 - 5],
        &mut bytes,
    );
    assert_eq!(bytes.len(), 65_536);
    assert!(Attributes::decode(&bytes).is_ok());
    bytes.push(0);
    let too_long = Error::TooLong {
        bytes: 65_537,
        max: 65_536,
    };
    assert_eq!(Attributes::decode(&bytes), Err(too_long));

    let body = raw(NATIVE_CLIENT, &vec![b'x'; MYSQL_LOGIN_BYTES_MAX]);
    assert!(matches!(
        decode_client_start(&body),
        Err(Error::TooLong { .. })
    ));
    let user = "x".repeat(MYSQL_LOGIN_BYTES_MAX);
    let body = raw(NATIVE_CLIENT, b"app\0\0db\0p\0");
    let mut long = response(&body);
    long.user = &user;
    let result = written(|sequence, out| long.encode(sequence, out));
    assert!(matches!(result, Err(Error::TooLong { .. })));
}

#[test]
fn what_would_be_read_otherwise_is_not_written() {
    let body = raw(NATIVE_CLIENT, b"app\0\0db\0p\0");
    let good = response(&body);
    let long = [1; 256];
    let zero = NATIVE_CLIENT.difference(Capabilities::SECURE_CONNECTION);
    let old = NATIVE_CLIENT.difference(Capabilities::PROTOCOL_41);
    for (bad, field) in [
        (
            HandshakeResponse {
                user: "a\0",
                ..good
            },
            "user name",
        ),
        (
            HandshakeResponse {
                database: Some("a\0"),
                ..good
            },
            "database name",
        ),
        (
            HandshakeResponse {
                plugin: Some("a\0"),
                ..good
            },
            "plugin name",
        ),
        (
            HandshakeResponse {
                auth: &long,
                ..good
            },
            AUTH,
        ),
        (
            HandshakeResponse {
                auth: b"a\0",
                capabilities: zero,
                ..good
            },
            AUTH,
        ),
        (
            HandshakeResponse {
                capabilities: old,
                ..good
            },
            "capabilities",
        ),
    ] {
        let result = written(|sequence, out| bad.encode(sequence, out));
        assert_eq!(result, Err(Error::Invalid(field)));
    }
    let lenenc = NATIVE_CLIENT.union(Capabilities::PLUGIN_AUTH_LENENC_DATA);
    let good = HandshakeResponse {
        auth: &long,
        capabilities: lenenc,
        ..good
    };
    let body = written(|sequence, out| good.encode(sequence, out)).unwrap();
    assert_eq!(response(&body), good);
}

prop_compose! {
    fn any_capabilities()(bits in any::<u64>()) -> Capabilities {
        Capabilities(bits).union(Capabilities::PROTOCOL_41)
    }
}

proptest! {
    #[test]
    fn nonces_have_no_byte_that_ends_them(random in any::<Nonce>()) {
        let nonce = nonce(random);
        prop_assert!(nonce.iter().all(|byte| (1..0x80).contains(byte) && *byte != b'$'));
        prop_assert_eq!(super::nonce(nonce), nonce);
    }

    #[test]
    fn greetings_are_written_and_read(
        version in "[^\0]{0,40}",
        plugin in "[^\0]{1,40}",
        (thread_id, nonce, collation, status) in any::<(u32, Nonce, u8, u16)>(),
        capabilities in any_capabilities(),
    ) {
        let mut capabilities = capabilities.union(Capabilities::SECURE_CONNECTION);
        if capabilities.contains(Capabilities::LONG_PASSWORD) {
            capabilities.0 &= 0xffff_ffff;
        }
        let plugin = match capabilities.contains(Capabilities::PLUGIN_AUTH) {
            true => &plugin[..],
            false => "",
        };
        let status = Status(status);
        let version = &version[..];
        let greeting = Greeting {
            version, thread_id, nonce, capabilities, collation, status, plugin,
        };
        let body = written(|sequence, out| greeting.encode(sequence, out)).unwrap();
        prop_assert_eq!(Greeting::decode(&body), Ok(greeting));
        for end in 0..body.len() {
            prop_assert!(Greeting::decode(&body[..end]).is_err());
        }
    }

    #[test]
    fn responses_are_written_and_read(
        capabilities in any_capabilities(),
        (user, database, plugin) in ("[^\0]{0,40}", "[^\0]{0,40}", "[^\0]{0,40}"),
        auth in proptest::collection::vec(1_u8.., 0..80),
        pairs in proptest::collection::vec(("[a-z_]{0,9}", any::<[u8; 3]>()), 0..5),
        (packet_bytes_max, collation, level) in any::<(u32, u8, u8)>(),
    ) {
        let mut capabilities = capabilities;
        if capabilities.contains(Capabilities::LONG_PASSWORD) {
            capabilities.0 &= 0xffff_ffff;
        }
        let can = |flag| capabilities.contains(flag);
        let mut bytes = Vec::new();
        for (name, value) in &pairs {
            Attributes::put(name, value, &mut bytes);
        }
        let attributes = Attributes::decode(&bytes).unwrap();
        let expected = pairs.iter().map(|(name, value)| (name.as_bytes(), &value[..]));
        prop_assert!(attributes.iter().eq(expected));
        let attributes = match can(Capabilities::CONNECT_ATTRS) {
            true => attributes,
            false => Attributes::default(),
        };
        let sent = HandshakeResponse {
            capabilities,
            packet_bytes_max,
            collation,
            user: &user,
            auth: &auth,
            database: can(Capabilities::CONNECT_WITH_DB).then_some(&database),
            plugin: can(Capabilities::PLUGIN_AUTH).then_some(&plugin),
            attributes,
            zstd_level: can(Capabilities::ZSTD_COMPRESSION).then_some(level),
        };
        let body = written(|sequence, out| sent.encode(sequence, out)).unwrap();
        prop_assert_eq!(response(&body), sent);
        // Cut short it is refused, or (where the server lets it pass) lacks its plugin.
        for end in 0..body.len() {
            if let Ok(ClientStart::Response(short)) = decode_client_start(&body[..end]) {
                prop_assert_eq!(short.plugin, None);
            }
        }
    }

    #[test]
    fn no_body_makes_a_reader_panic(
        capabilities in any_capabilities(),
        tail in proptest::collection::vec(
            prop_oneof![Just(0), Just(1), Just(0xfe), any::<u8>()], 0..80,
        ),
    ) {
        let _ = decode_client_start(&raw(capabilities, &tail));
        let _ = (decode_client_start(&tail), Attributes::decode(&tail));
        let _ = (Greeting::decode(&tail), Greeting::decode(&[b"\n", &tail[..]].concat()));
    }
}
