use proptest::prelude::*;

use super::channel::ChannelBinding;
use super::key::{KeyBytes, check_bounds, decode_key};
use super::*;

const SALT: &[u8] = b"0123456789abcdef";
const CLIENT_NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";
const SERVER_NONCE: &str = "3rfcNHYJY1ZVvWVs7j5qGxB1";

// RFC 7677, section 3; its password is "pencil".
const RFC_SALT: [u8; 16] = [
    0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81,
];
const RFC_CLIENT_FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const RFC_SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const RFC_SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
     s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const RFC_CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
     p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const RFC_SERVER_FINAL: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn verifier() -> Verifier {
    Verifier::derive(b"pencil", SALT, 4096)
}

fn server(verifier: Verifier) -> server::Exchange {
    server::Exchange::new(verifier, true, SERVER_NONCE.to_owned(), None)
}

fn end_point() -> Option<ChannelBinding> {
    Some(ChannelBinding::TlsServerEndPoint(vec![7; 32]))
}

/// Runs both roles against each other up to the first error of either.
fn login(
    credential: &Credential<'_>,
    verifier: Verifier,
    known: bool,
    bindings: (Option<ChannelBinding>, Option<ChannelBinding>),
) -> Result<ClientKey, Error> {
    let (client, message) = client::Exchange::new(CLIENT_NONCE.to_owned(), bindings.0);
    let mechanism = client.mechanism();
    let server = server::Exchange::new(verifier, known, SERVER_NONCE.to_owned(), bindings.1);
    let (server, message) = server.first(mechanism, &message)?;
    let (client, message) = client.first(&message, credential)?;
    let (key, message) = server.finish(&message)?;
    client.finish(&message)?;
    Ok(key)
}

#[test]
fn the_server_answers_as_in_rfc_7677() {
    let verifier = Verifier::derive(b"pencil", &RFC_SALT, 4096);
    let exchange = server::Exchange::new(verifier, true, RFC_SERVER_NONCE.to_owned(), None);
    let (expect, first) = exchange.first(SHA_256, RFC_CLIENT_FIRST).unwrap();
    assert_eq!(first, RFC_SERVER_FIRST.as_bytes());
    let (key, last) = expect.finish(RFC_CLIENT_FINAL.as_bytes()).unwrap();
    assert_eq!(last, RFC_SERVER_FINAL);
    assert!(Verifier::derive(b"pencil", &RFC_SALT, 4096).matches(&key));
    assert!(!Verifier::derive(b"pen", &RFC_SALT, 4096).matches(&key));
}

#[test]
fn the_clients_proof_is_that_of_rfc_7677() {
    let (key, server_key) = Credential::Password(b"pencil")
        .keys(&RFC_SALT, 4096)
        .unwrap();
    let (without_proof, proof) = RFC_CLIENT_FINAL.rsplit_once(",p=").unwrap();
    let bare = std::str::from_utf8(&RFC_CLIENT_FIRST[3..]).unwrap();
    let auth_message = format!("{bare},{RFC_SERVER_FIRST},{without_proof}");
    let proof: KeyBytes = decode_key(proof.as_bytes()).unwrap();
    assert_eq!(key.proof(auth_message.as_bytes()), proof);
    let signature = message::parse_server_final(RFC_SERVER_FINAL).unwrap();
    assert_eq!(server_key.signature(auth_message.as_bytes()), signature);
}

#[test]
fn the_roles_understand_each_other() {
    let password = Credential::Password(b"pencil");
    for (client, server) in [
        (None, None),
        (None, end_point()),
        (end_point(), end_point()),
    ] {
        assert!(login(&password, verifier(), true, (client, server)).is_ok());
    }
}

#[test]
fn a_recovered_key_logs_in_without_the_password() {
    let password = Credential::Password(b"pencil");
    let key = login(&password, verifier(), true, (None, None)).unwrap();
    let verifier = verifier();
    let credential = Credential::Key {
        client: &key,
        verifier: &verifier,
    };
    assert!(login(&credential, verifier.clone(), true, (None, None)).is_ok());

    for other in [
        Verifier::derive(b"pencil", b"another salt....", 4096),
        Verifier::derive(b"pencil", SALT, 4097),
    ] {
        let result = login(&credential, other, true, (None, None));
        assert_eq!(result.unwrap_err(), Error::SaltChanged);
    }
    let other = Verifier::derive(b"another", SALT, 4096);
    let result = login(&credential, other, true, (None, None));
    assert_eq!(result.unwrap_err(), Error::Proof);
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_one_answer() {
    for (password, known) in [(&b"pencil"[..], false), (b"pen", true), (b"", true)] {
        let credential = Credential::Password(password);
        let result = login(&credential, verifier(), known, (None, None));
        assert_eq!(result.unwrap_err(), Error::Proof);
    }
}

#[test]
fn a_server_without_the_verifier_is_found_out() {
    let (client, _) = client::Exchange::new(CLIENT_NONCE.to_owned(), None);
    let server_first = format!("r={CLIENT_NONCE}{SERVER_NONCE},s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096");
    let credential = Credential::Password(b"pencil");
    let (expect, _) = client.first(server_first.as_bytes(), &credential).unwrap();
    assert_eq!(expect.finish(RFC_SERVER_FINAL), Err(Error::ServerSignature));
}

#[test]
fn channel_binding_that_does_not_fit_is_refused() {
    let other = Some(ChannelBinding::TlsServerEndPoint(vec![8; 32]));
    let password = Credential::Password(b"pencil");
    let result = login(&password, verifier(), true, (end_point(), other));
    assert_eq!(result.unwrap_err(), Error::ChannelBinding);

    let bare = "n=,r=abc";
    for (header, mechanism, binding) in [
        // The client could and was not offered it, though we did: the offer was changed on the way.
        ("y,,", SHA_256, end_point()),
        ("y,,", SHA_256_PLUS, end_point()),
        ("n,,", SHA_256_PLUS, end_point()),
        ("n,,", SHA_256_PLUS, None),
        ("p=tls-server-end-point,,", SHA_256, end_point()),
        ("p=tls-server-end-point,,", SHA_256_PLUS, None),
        ("p=tls-unique,,", SHA_256_PLUS, end_point()),
    ] {
        let exchange = server::Exchange::new(verifier(), true, SERVER_NONCE.to_owned(), binding);
        let result = exchange.first(mechanism, format!("{header}{bare}").as_bytes());
        assert_eq!(result.unwrap_err(), Error::ChannelBinding, "{header}");
    }
    let result = server(verifier()).first("PLAIN", b"n,,n=,r=abc");
    assert_eq!(result.unwrap_err(), Error::Mechanism);
    assert!(server(verifier()).first(SHA_256, b"y,,n=,r=abc").is_ok());
}

#[test]
fn malformed_client_messages_are_refused_by_what_is_wrong() {
    let long = format!("n,,n=,r={}", "a".repeat(513));
    for (message, error) in [
        ("", Error::Malformed("GS2 header")),
        ("n", Error::Malformed("GS2 header")),
        ("x,,n=,r=abc", Error::Malformed("channel binding flag")),
        ("p=,,n=,r=abc", Error::Malformed("channel binding flag")),
        (
            "n,a=bob,n=,r=abc",
            Error::Unsupported("authorization identity"),
        ),
        ("n,b,n=,r=abc", Error::Malformed("authorization identity")),
        ("n,,m=x,n=,r=abc", Error::Unsupported("mandatory extension")),
        ("n,,n=", Error::Malformed("user name")),
        ("n,,r=abc,n=", Error::Malformed("user name")),
        ("n,,n=,r=", Error::Malformed("nonce")),
        ("n,,n=,r=a b", Error::Malformed("nonce")),
        ("n,,n=,r=aé", Error::Malformed("nonce")),
        ("n,,n=,r=a\0", Error::Malformed("client-first-message")),
        (&long, Error::Bounds("nonce")),
    ] {
        let result = server(verifier()).first(SHA_256, message.as_bytes());
        assert_eq!(result.unwrap_err(), error, "{message}");
    }
    let nonce = format!("abc{SERVER_NONCE}");
    let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    for (message, error) in [
        (String::new(), Error::Malformed("proof")),
        (format!("c=biws,r={nonce}"), Error::Malformed("proof")),
        (format!("c=biws,r={nonce},p="), Error::Malformed("proof")),
        (
            format!("c=biws,r={nonce},p=AAAA"),
            Error::Malformed("proof"),
        ),
        (
            format!("c=biws,r={nonce},p={proof}{proof}"),
            Error::Malformed("proof"),
        ),
        (
            format!("c=biws,p={proof}"),
            Error::Malformed("channel binding"),
        ),
        (
            format!("c=b?ws,r={nonce},p={proof}"),
            Error::Malformed("channel binding"),
        ),
        (format!("c=eSws,r={nonce},p={proof}"), Error::ChannelBinding),
        (format!("c=biws,r={nonce}x,p={proof}"), Error::Nonce),
        (format!("c=biws,r=abc,p={proof}"), Error::Nonce),
        (format!("c=biws,r={nonce},p={proof}"), Error::Proof),
    ] {
        let (expect, _) = server(verifier()).first(SHA_256, b"n,,n=,r=abc").unwrap();
        assert_eq!(
            expect.finish(message.as_bytes()).unwrap_err(),
            error,
            "{message}"
        );
    }
}

// A server that answers anything: long nonces, short salts, absurd iteration counts. Poolers have
// had stack overflows here (CVE-2026-6665).
#[test]
fn malicious_server_messages_are_refused_before_any_work() {
    let nonce = format!("{CLIENT_NONCE}x");
    let salt = "MDEyMzQ1Njc4OWFiY2RlZg==";
    let long_nonce = format!("{CLIENT_NONCE}{}", "x".repeat(100_000));
    let long_salt = "MDEy".repeat(100_000);
    for (message, error) in [
        (String::new(), Error::Malformed("nonce")),
        (
            format!("m=x,r={nonce},s={salt},i=4096"),
            Error::Unsupported("mandatory extension"),
        ),
        (
            format!("e=other-error,r={nonce}"),
            Error::Malformed("nonce"),
        ),
        (format!("r={CLIENT_NONCE},s={salt},i=4096"), Error::Nonce),
        (format!("r=x{nonce},s={salt},i=4096"), Error::Nonce),
        (
            format!("r={long_nonce},s={salt},i=4096"),
            Error::Bounds("nonce"),
        ),
        (format!("r={nonce},i=4096"), Error::Malformed("salt")),
        (format!("r={nonce},s=,i=4096"), Error::Bounds("salt")),
        (format!("r={nonce},s=MDEy,i=4096"), Error::Bounds("salt")),
        (format!("r={nonce},s=M,i=4096"), Error::Malformed("salt")),
        (
            format!("r={nonce},s={long_salt},i=4096"),
            Error::Bounds("salt"),
        ),
        (
            format!("r={nonce},s={salt},i="),
            Error::Malformed("iteration count"),
        ),
        (
            format!("r={nonce},s={salt},i=-1"),
            Error::Malformed("iteration count"),
        ),
        (
            format!("r={nonce},s={salt},i=+4096"),
            Error::Malformed("iteration count"),
        ),
        (
            format!("r={nonce},s={salt},i=0"),
            Error::Bounds("iteration count"),
        ),
        (
            format!("r={nonce},s={salt},i=1"),
            Error::Bounds("iteration count"),
        ),
        (
            format!("r={nonce},s={salt},i=4095"),
            Error::Bounds("iteration count"),
        ),
        (
            format!("r={nonce},s={salt},i=1000001"),
            Error::Bounds("iteration count"),
        ),
        (
            format!("r={nonce},s={salt},i=4294967296"),
            Error::Bounds("iteration count"),
        ),
        (
            format!("r={nonce},s={salt},i={}", "9".repeat(1000)),
            Error::Bounds("iteration count"),
        ),
    ] {
        let (client, _) = client::Exchange::new(CLIENT_NONCE.to_owned(), None);
        let result = client.first(message.as_bytes(), &Credential::Password(b"pencil"));
        let head: String = message.chars().take(60).collect();
        assert_eq!(result.unwrap_err(), error, "{head}");
    }
    for (message, error) in [
        ("", Error::Malformed("server signature")),
        ("v=", Error::Malformed("server signature")),
        ("v=AAAA", Error::Malformed("server signature")),
        ("e=invalid-proof", Error::Refused),
    ] {
        let (client, _) = client::Exchange::new(CLIENT_NONCE.to_owned(), None);
        let server_first = format!("r={nonce},s={salt},i=4096");
        let credential = Credential::Password(b"pencil");
        let (expect, _) = client.first(server_first.as_bytes(), &credential).unwrap();
        assert_eq!(expect.finish(message.as_bytes()), Err(error), "{message}");
    }
}

#[test]
fn optional_extensions_are_ignored() {
    let (client, _) = client::Exchange::new(CLIENT_NONCE.to_owned(), None);
    let message = format!("r={CLIENT_NONCE}x,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096,x=y");
    let credential = Credential::Password(b"pencil");
    assert!(client.first(message.as_bytes(), &credential).is_ok());
    let result = server(verifier()).first(SHA_256, b"n,,n=bob,r=abc,x=y,z=");
    assert!(result.is_ok());
}

#[test]
fn a_verifier_is_read_and_written_byte_for_byte() {
    let text = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
                WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    let derived = Verifier::derive(b"pencil", &RFC_SALT, 4096);
    assert_eq!(derived.to_string(), text);
    assert_eq!(text.parse::<Verifier>().unwrap().to_string(), text);
}

#[test]
fn other_verifiers_are_refused() {
    let good = verifier().to_string();
    for (from, to, error) in [
        ("SCRAM-SHA-256$", "SCRAM-SHA-1$", Error::Verifier),
        ("SCRAM-SHA-256$", "md5", Error::Verifier),
        ("$4096:", "$04096:", Error::Verifier),
        ("$4096:", "$+4096:", Error::Verifier),
        ("$4096:", "$-4096:", Error::Verifier),
        ("$4096:", "$:", Error::Verifier),
        ("$4096:", "$0:", Error::Bounds("iteration count")),
        ("$4096:", "$4294967295:", Error::Bounds("iteration count")),
        ("$4096:", "$4294967296:", Error::Verifier),
        ("MDEyMzQ1Njc4OWFiY2RlZg==", "MDEy", Error::Bounds("salt")),
        (
            "MDEyMzQ1Njc4OWFiY2RlZg==",
            "MDEyMzQ1Njc4OWFiY2RlZg",
            Error::Verifier,
        ),
        ("MDEyMzQ1Njc4OWFiY2RlZg==", "", Error::Bounds("salt")),
        ("=:", "=", Error::Verifier),
        ("=:", "=:AAAA", Error::Verifier),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good);
        assert_eq!(text.parse::<Verifier>().unwrap_err(), error, "{text}");
    }
    assert!("".parse::<Verifier>().is_err());
    assert!(format!("{good} ").parse::<Verifier>().is_err());
}

#[test]
fn nothing_secret_is_printed() {
    let password = Credential::Password(b"pencil");
    let key = login(&password, verifier(), true, (None, None)).unwrap();
    assert_eq!(format!("{key:?}"), "ClientKey(..)");
    assert_eq!(format!("{password:?}"), "Password(..)");
    assert_eq!(
        format!("{:?}", verifier()),
        "Verifier { iterations: 4096, .. }"
    );
    let printed = format!("{:?}", server(verifier()));
    assert!(
        printed.contains("Verifier { iterations: 4096, .. }"),
        "{printed}"
    );
}

#[test]
fn bounds_are_inclusive() {
    assert_eq!(check_bounds(&[0; 8], 4096), Ok(()));
    assert_eq!(check_bounds(&[0; 255], 1_000_000), Ok(()));
    assert_eq!(check_bounds(&[0; 7], 4096), Err(Error::Bounds("salt")));
    assert_eq!(check_bounds(&[0; 256], 4096), Err(Error::Bounds("salt")));
}

proptest! {
    // Each case derives twice 4096 rounds.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_password_logs_in_and_no_other(
        password in proptest::collection::vec(any::<u8>(), 0..80),
        other in proptest::collection::vec(any::<u8>(), 0..80),
        salt in proptest::collection::vec(any::<u8>(), 8..64),
    ) {
        // HMAC pads keys with zero bytes, so those at the end say nothing.
        let strip = |bytes: &[u8]| {
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes[..end].to_vec()
        };
        prop_assume!(strip(&other) != strip(&password));
        let verifier = Verifier::derive(&password, &salt, 4096);
        let result = login(&Credential::Password(&other), verifier.clone(), true, (None, None));
        prop_assert_eq!(result.unwrap_err(), Error::Proof);
        let result = login(&Credential::Password(&password), verifier, true, (None, None));
        prop_assert!(result.is_ok());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (client, _) = client::Exchange::new(CLIENT_NONCE.to_owned(), None);
        prop_assert!(client.first(&bytes, &Credential::Password(b"")).is_err());
        let _ = message::ClientFirst::parse(&bytes);
        let _ = message::ClientFinal::parse(&bytes);
        let _ = message::parse_server_final(&bytes);
        let _ = std::str::from_utf8(&bytes).map(str::parse::<Verifier>);
    }

    #[test]
    fn a_verifier_that_is_read_is_written_back(
        text in "SCRAM-SHA-256\\$[0-9]{1,8}:[A-Za-z0-9+/]{0,12}={0,2}\\$\
                 [A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=",
    ) {
        if let Ok(verifier) = text.parse::<Verifier>() {
            prop_assert_eq!(verifier.to_string(), text);
        }
    }
}
