//! Authentication: messages of a server, proofs of a client, verifiers as text.
//!
//! The first byte chooses:
//!
//! - `r`: a request of a server. What is read, written again, is the same bytes.
//! - `v`: a verifier. What is read is written as the same text.
//! - `p`: a proof, by a nonce of zero bytes: nobody without the password gets in.
//! - `e`: what stands for a password that was encrypted: obscured again, the same bytes.
//! - anything else: an honest proof in which the second byte says where and the third how one byte
//!   is changed. Then it must not be taken.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::mysql::auth::{
    Request, Verifier, decode_request, encode_more_data, native, sha2,
};

const NONCE: [u8; 20] = *b"0123456789abcdefghij";

fuzz_target!(|data: &[u8]| {
    let Some((mode, rest)) = data.split_first() else {
        return;
    };
    match mode {
        b'r' => check_request(rest),
        b'v' => {
            let Ok(text) = std::str::from_utf8(rest) else {
                return;
            };
            if let Ok(verifier) = text.parse::<Verifier>() {
                assert_eq!(verifier.to_string(), text);
                assert!(!format!("{verifier:?}").contains('$'));
            }
        }
        b'p' => {
            let (native_verifier, sha2_verifier) = verifiers();
            assert!(native::check(&native_verifier, &[0; 20], rest).is_none());
            assert!(sha2::check(&sha2_verifier, &[0; 20], rest).is_none());
        }
        b'e' => {
            if let Some(password) = sha2::reveal(rest, &NONCE) {
                assert_eq!(sha2::obscure(password.expose(), &NONCE).expose(), rest);
            }
            if let Some(password) = sha2::cleartext(rest) {
                assert_eq!(password.len() + 1, rest.len());
            }
        }
        _ => {
            let [place, byte, ..] = rest else {
                return;
            };
            let (native_verifier, sha2_verifier) = verifiers();
            let mut proof = native::prove(&native::key(b"pencil"), &NONCE);
            let changed = change(&mut proof, *place, *byte);
            let taken = native::check(&native_verifier, &NONCE, &proof).is_some();
            assert_eq!(taken, !changed);
            let mut proof = sha2::prove(&sha2::key(b"pencil"), &NONCE);
            let changed = change(&mut proof, *place, *byte);
            let taken = sha2::check(&sha2_verifier, &NONCE, &proof).is_some();
            assert_eq!(taken, !changed);
        }
    }
});

fn verifiers() -> ([u8; 20], [u8; 32]) {
    match (native::verifier(b"pencil"), sha2::verifier(b"pencil")) {
        (Verifier::Native(native), Verifier::Sha2(sha2)) => (native, sha2),
        _ => unreachable!("each has its own"),
    }
}

/// Whether it is another one now.
fn change(proof: &mut [u8], place: u8, byte: u8) -> bool {
    let place = usize::from(place) % proof.len();
    std::mem::replace(&mut proof[place], byte) != byte
}

fn check_request(body: &[u8]) {
    let (mut again, mut sequence) = (Vec::new(), 0);
    match decode_request(body) {
        Ok(Request::Switch(switch)) => {
            let _ = switch.nonce();
            switch
                .encode(&mut sequence, &mut again)
                .expect("it was read");
        }
        Ok(Request::More(data)) => encode_more_data(data, &mut sequence, &mut again),
        Ok(Request::Ok(_) | Request::Refused(_)) | Err(_) => return,
    }
    assert_eq!(again[4..], *body);
}
