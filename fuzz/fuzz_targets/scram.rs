//! SCRAM, both roles, against peers that say anything.
//!
//! The first byte chooses; a line feed divides two messages.
//!
//! - `s`, `S` (with channel binding): client-first and client-final, for the server's role. Nobody
//!   without the password gets in.
//! - `c`: server-first and server-final, for the client's role. No server without the verifier is
//!   believed.
//! - `v`: a verifier. What is read is written as the same text.
//! - anything else: an honest exchange in which the second byte says which message, the third
//!   where, and the fourth how one byte of it is changed. Then it must fail on one side at least.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::scram::channel::ChannelBinding;
use tenantsdb_codecs::scram::{ClientKey, Credential, Error, Verifier, client, server};
use tenantsdb_codecs::scram::{SHA_256, SHA_256_PLUS};

const CLIENT_NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";
const SERVER_NONCE: &str = "3rfcNHYJY1ZVvWVs7j5qGxB1";

/// A verifier and its key; made once, since that takes the time of a thousand other runs.
fn account() -> &'static (Verifier, ClientKey) {
    static ACCOUNT: OnceLock<(Verifier, ClientKey)> = OnceLock::new();
    ACCOUNT.get_or_init(|| {
        let verifier = Verifier::derive(b"pencil", b"0123456789abcdef", 4096);
        let credential = Credential::Password(b"pencil");
        let key = exchange(&verifier, &credential, |_, _| {}).expect("an honest exchange");
        (verifier, key)
    })
}

/// Runs both roles against each other; `change` may alter each of the four messages.
fn exchange(
    verifier: &Verifier,
    credential: &Credential<'_>,
    mut change: impl FnMut(usize, &mut Vec<u8>),
) -> Result<ClientKey, Error> {
    let (client, mut message) = client::Exchange::new(CLIENT_NONCE.to_owned(), None);
    change(0, &mut message);
    let server = server::Exchange::new(verifier.clone(), true, SERVER_NONCE.to_owned(), None);
    let (server, mut message) = server.first(SHA_256, &message)?;
    change(1, &mut message);
    let (client, mut message) = client.first(&message, credential)?;
    change(2, &mut message);
    let (key, mut message) = server.finish(&message)?;
    change(3, &mut message);
    client.finish(&message)?;
    Ok(key)
}

fuzz_target!(|data: &[u8]| {
    let (verifier, key) = account();
    let credential = Credential::Key {
        client: key,
        verifier,
    };
    let Some((mode, rest)) = data.split_first() else {
        return;
    };
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (first, last) = rest.split_at(end.unwrap_or(rest.len()));
    let last = last.get(1..).unwrap_or_default();
    match mode {
        b's' | b'S' => {
            let bound = *mode == b'S';
            let binding = bound.then(|| ChannelBinding::TlsServerEndPoint(vec![7; 32]));
            let nonce = SERVER_NONCE.to_owned();
            let server = server::Exchange::new(verifier.clone(), true, nonce, binding);
            let mechanism = if bound { SHA_256_PLUS } else { SHA_256 };
            if let Ok((expect, _)) = server.first(mechanism, first) {
                assert!(expect.finish(last).is_err());
            }
        }
        b'c' => {
            let (client, _) = client::Exchange::new(CLIENT_NONCE.to_owned(), None);
            if let Ok((expect, _)) = client.first(first, &credential) {
                assert!(expect.finish(last).is_err());
            }
        }
        b'v' => {
            let Ok(text) = std::str::from_utf8(rest) else {
                return;
            };
            if let Ok(verifier) = text.parse::<Verifier>() {
                assert_eq!(verifier.to_string(), text);
            }
        }
        _ => {
            let [which, place, byte, ..] = rest else {
                return;
            };
            let mut changed = false;
            let result = exchange(verifier, &credential, |message, bytes| {
                if message == usize::from(which % 4) {
                    let at = usize::from(*place) % bytes.len();
                    changed = bytes[at] != *byte;
                    bytes[at] = *byte;
                }
            });
            assert_eq!(result.is_err(), changed);
        }
    }
});
