use proptest::prelude::*;

use super::super::code::Code;
use super::super::recording::{Recording, recorded};
use super::super::startup::{ClientStart, Greeting, decode_client_start};
use super::*;

fn sha2_of(verifier: &Verifier) -> &[u8; 32] {
    match verifier {
        Verifier::Sha2(digest) => digest,
        Verifier::Native(_) => panic!("another plugin"),
    }
}

fn native_of(verifier: &Verifier) -> &[u8; 20] {
    match verifier {
        Verifier::Native(digest) => digest,
        Verifier::Sha2(_) => panic!("another plugin"),
    }
}

#[test]
fn the_proof_of_a_real_client_yields_the_key_native() {
    let recording = Recording::read(recorded!("login-pymysql-mariadb"));
    let (greeting, response) = (recording.server(0), recording.client(1));
    let nonce = Greeting::decode(&greeting).unwrap().nonce;
    let Ok(ClientStart::Response(response)) = decode_client_start(&response) else {
        panic!("a response");
    };
    let verifier = native::verifier(b"secret");
    let key = native::check(native_of(&verifier), &nonce, response.auth).unwrap();
    assert_eq!(key.expose(), native::key(b"secret").expose());
    assert_eq!(native::prove(&key, &nonce), response.auth);
    let wrong = native::verifier(b"Secret");
    assert!(native::check(native_of(&wrong), &nonce, response.auth).is_none());
}

#[test]
fn the_proof_of_a_real_client_yields_the_key_sha2() {
    for text in [
        recorded!("login-pymysql-mysql-fast"),
        recorded!("login-connector-python-mysql"),
    ] {
        let recording = Recording::read(text);
        let (greeting, response) = (recording.server(0), recording.client(1));
        let nonce = Greeting::decode(&greeting).unwrap().nonce;
        let Ok(ClientStart::Response(response)) = decode_client_start(&response) else {
            panic!("a response");
        };
        let verifier = sha2::verifier(b"secret");
        let key = sha2::check(sha2_of(&verifier), &nonce, response.auth).unwrap();
        assert_eq!(key.expose(), sha2::key(b"secret").expose());
        assert_eq!(sha2::prove(&key, &nonce), response.auth);
        let wrong = sha2::verifier(b"");
        assert!(sha2::check(sha2_of(&wrong), &nonce, response.auth).is_none());
        let fast = recording.server(2);
        assert_eq!(decode_request(&fast), Ok(Request::More(&[sha2::FAST_OK])));
        let ok = recording.server(3);
        assert!(matches!(decode_request(&ok), Ok(Request::Ok(_))));
    }
}

#[test]
fn a_server_with_a_cold_cache_asks_for_the_password() {
    let recording = Recording::read(recorded!("login-pymysql-mysql-full"));
    let more = |packet| decode_more_data(&recording.server(packet)).map(<[u8]>::to_vec);
    assert_eq!(more(2), Ok(vec![sha2::FULL]));
    assert_eq!(recording.client(3), [sha2::KEY_REQUEST]);
    assert!(
        more(4)
            .unwrap()
            .starts_with(b"-----BEGIN PUBLIC KEY-----\n")
    );
    assert_eq!(recording.client(5).len(), 256, "encrypted with 2048 bits");

    let recording = Recording::read(recorded!("login-refused-mysql"));
    let refusal = recording.server(6);
    let Ok(Request::Refused(report)) = decode_request(&refusal) else {
        panic!("a refusal");
    };
    assert_eq!(report.code, Code::ACCESS_DENIED);
}

#[test]
fn a_server_may_want_another_plugin() {
    let recording = Recording::read(recorded!("login-switch-mariadb"));
    let body = recording.server(2);
    let Ok(Request::Switch(switch)) = decode_request(&body) else {
        panic!("a switch");
    };
    assert_eq!(switch.plugin, NATIVE_PASSWORD);
    let nonce = switch.nonce().unwrap();
    let verifier = native::verifier(b"secret");
    assert!(native::check(native_of(&verifier), &nonce, &recording.client(3)).is_some());

    let (mut out, mut sequence) = (Vec::new(), 2);
    AuthSwitchRequest::encode_nonce(NATIVE_PASSWORD, &nonce, &mut sequence, &mut out).unwrap();
    assert_eq!((out, sequence), (recording.packets[2].1.clone(), 3));
}

#[test]
fn nonces_come_with_their_zero_byte_or_without() {
    let of = |data: &[u8]| AuthSwitchRequest { plugin: "p", data }.nonce();
    assert_eq!(of(&[7; 20]), Some([7; 20]));
    assert_eq!(of(&[&[7; 20][..], &[0]].concat()), Some([7; 20]));
    assert_eq!(
        of(&[&[7; 19][..], &[0]].concat()).map(|nonce| nonce[19]),
        Some(0)
    );
    for other in [&[7; 21][..], &[7; 19], &[7; 22], b"", b"\0"] {
        assert_eq!(of(other), None);
    }
}

#[test]
fn other_methods_are_refused_as_such() {
    for (body, error) in [
        (&b""[..], Error::Truncated("authentication request")),
        (b"\xfe", Error::Unsupported("password method before 4.1")),
        (b"\xfeplugin", Error::Terminator("plugin name")),
        (b"\xfe\xff\0", Error::Utf8("plugin name")),
        (
            b"\x02plugin\0",
            Error::Unsupported("second authentication factor"),
        ),
        (b"\x03", Error::Invalid("authentication request")),
        (b"\0\0", Error::Truncated("insert id")),
        (b"\xff\x15", Error::Truncated("error code")),
    ] {
        assert_eq!(decode_request(body), Err(error), "{}", body.escape_ascii());
    }
    let mut out = Vec::new();
    let data = b"";
    let switch = AuthSwitchRequest {
        plugin: "a\0",
        data,
    };
    assert!(switch.encode(&mut 0, &mut out).is_err() && out.is_empty());
}

// SELECT PASSWORD('secret') of MariaDB; printf secret | sha256sum, twice.
#[test]
fn verifiers_are_those_of_the_servers() {
    let native = native::verifier(b"secret").to_string();
    assert_eq!(
        native,
        "mysql_native_password$14E65567ABDB5135D0CFD9A70B3032C179A49EE7"
    );
    let sha2 = sha2::verifier(b"secret").to_string();
    let digest = "3881219d087dd9c634373fd33dfa33a2cb6bfc6c520b64b8bb60ef2ceb534ae7";
    assert_eq!(sha2, format!("caching_sha2_password${digest}"));
    for text in [native, sha2] {
        let verifier: Verifier = text.parse().unwrap();
        assert_eq!(verifier.to_string(), text);
        assert!(text.starts_with(verifier.plugin()));
        let printed = format!("{verifier:?}");
        assert_eq!(printed, format!("Verifier({})", verifier.plugin()));
    }
}

#[test]
fn verifiers_of_another_form_are_refused() {
    let good = native::verifier(b"secret").to_string();
    let lower = good.to_lowercase();
    let upper = sha2::verifier(b"secret").to_string().replace('a', "A");
    let (short, long) = (&good[..good.len() - 1], format!("{good}0"));
    for text in [
        "",
        "mysql_native_password",
        "mysql_native_password$",
        "mysql_clear_password$00",
        "mysql_native_password$*14E65567ABDB5135D0CFD9A70B3032C179A49EE7",
        "mysql_native_password$14E65567ABDB5135D0CFD9A70B3032C179A49EEß",
        &lower,
        &upper,
        short,
        &long,
    ] {
        let error = text.parse::<Verifier>().map(drop);
        assert_eq!(error, Err(Error::Invalid("verifier")), "{text}");
    }
}

// A client without a password, and what has crashed proxies.
#[test]
fn proofs_of_another_length_prove_nothing() {
    for bytes in [0, 1, 19, 20, 21, 31, 32, 33, 255] {
        let proof = vec![0; bytes];
        let native = native::verifier(b"");
        assert!(native::check(native_of(&native), &[1; 20], &proof).is_none());
        let sha2 = sha2::verifier(b"");
        assert!(sha2::check(sha2_of(&sha2), &[1; 20], &proof).is_none());
    }
}

#[test]
fn a_password_is_taken_out_of_its_message() {
    assert_eq!(sha2::cleartext(b"secret\0"), Some(&b"secret"[..]));
    assert_eq!(sha2::cleartext(b"\0"), Some(&b""[..]));
    assert_eq!(sha2::cleartext(b"secret"), None);
    assert_eq!(sha2::cleartext(b""), None);
    assert!(sha2::reveal(b"", &[1; 20]).is_none());
    let nonce = *b"0123456789abcdefghij";
    let mixed = sha2::obscure(b"\0\0\0", &nonce);
    assert_eq!(mixed.expose(), b"0123", "the zero byte too");
}

proptest! {
    #[test]
    fn the_right_password_proves_and_no_other(
        (password, other) in any::<([u8; 3], [u8; 3])>(),
        nonce in any::<[u8; 20]>(),
        (place, bit) in (any::<prop::sample::Index>(), 0_u8..8),
    ) {
        let native = native::verifier(&password);
        let mut proof = native::prove(&native::key(&password), &nonce);
        prop_assert!(native::check(native_of(&native), &nonce, &proof).is_some());
        proof[place.index(20)] ^= 1 << bit;
        prop_assert!(native::check(native_of(&native), &nonce, &proof).is_none());

        let sha2 = sha2::verifier(&password);
        let mut proof = sha2::prove(&sha2::key(&password), &nonce);
        prop_assert!(sha2::check(sha2_of(&sha2), &nonce, &proof).is_some());
        proof[place.index(32)] ^= 1 << bit;
        prop_assert!(sha2::check(sha2_of(&sha2), &nonce, &proof).is_none());

        let key = sha2::check_password(sha2_of(&sha2), &password).unwrap();
        let expected = sha2::key(&password);
        prop_assert_eq!(key.expose(), expected.expose());
        let taken = sha2::check_password(sha2_of(&sha2), &other).is_some();
        prop_assert_eq!(taken, password == other);
    }

    #[test]
    fn what_is_obscured_is_revealed(
        password in proptest::collection::vec(any::<u8>(), 0..100),
        nonce in any::<[u8; 20]>(),
    ) {
        let mixed = sha2::obscure(&password, &nonce);
        let revealed = sha2::reveal(mixed.expose(), &nonce).unwrap();
        prop_assert_eq!(revealed.expose(), &password);
    }

    #[test]
    fn no_body_makes_a_reader_panic(
        body in proptest::collection::vec(prop_oneof![Just(0), Just(0xfe), any::<u8>()], 0..60),
        text in "(mysql_native_password|caching_sha2_password)\\$[0-9a-fA-F]{0,66}",
    ) {
        if let Ok(Request::Switch(switch)) = decode_request(&body) {
            let _ = switch.nonce();
            let (mut out, mut sequence) = (Vec::new(), 0);
            switch.encode(&mut sequence, &mut out).unwrap();
            prop_assert_eq!(&out[4..], &body[..]);
        }
        if let Ok(data) = decode_more_data(&body) {
            let (mut out, mut sequence) = (Vec::new(), 0);
            encode_more_data(data, &mut sequence, &mut out);
            prop_assert_eq!(&out[4..], &body[..]);
        }
        if let Ok(verifier) = text.parse::<Verifier>() {
            prop_assert_eq!(verifier.to_string(), text);
        }
    }
}
