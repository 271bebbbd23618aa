//! What `caching_sha2_password` stores: SHA-crypt with SHA-256, 5,000 rounds and a salt of 20
//! bytes.
//!
//! <https://www.akkadia.org/drepper/SHA-crypt.txt>, which has salts of at most 16 bytes; the server's
//! own (`mysys/crypt_genhash_impl.cc`) takes 20, and all of them count.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::super::startup::{self, Nonce};

const ROUNDS: usize = 5_000;

/// `A` for SHA-256, and the number of rounds in thousands, in hexadecimal digits.
const PREFIX: &str = "$A$005$";

/// The authentication string of a password: `$A$005$`, the salt and 43 characters of digest. Takes
/// the time of 5,000 rounds of SHA-256, and more for passwords that are very long. Servers take any
/// number of rounds that they could have made; those of MySQL 9.7 make 10,000.
///
/// A salt has the characters of a nonce. A byte of `salt` that is none is replaced as in
/// [`startup::nonce`], so any random bytes will do.
#[must_use]
pub fn crypt(password: &[u8], salt: &Nonce) -> String {
    let salt = startup::nonce(*salt);
    let digest = digest(password, &salt, ROUNDS);
    let mut text = PREFIX.to_owned();
    text.extend(salt.iter().map(|byte| char::from(*byte)));
    push_base64(&digest, &mut text);
    text
}

type Hash = Zeroizing<[u8; 32]>;

fn hash(state: Sha256) -> Hash {
    Zeroizing::new(state.finalize().into())
}

/// Steps 1 to 21 of the specification.
fn digest(password: &[u8], salt: &[u8], rounds: usize) -> Hash {
    let once = hash(
        Sha256::new()
            .chain_update(password)
            .chain_update(salt)
            .chain_update(password),
    );
    let mut first = Sha256::new().chain_update(password).chain_update(salt);
    for piece in password.chunks(once.len()) {
        first.update(front(&once, piece.len()));
    }
    let mut bits = password.len();
    while bits > 0 {
        if bits & 1 == 1 {
            first.update(*once);
        } else {
            first.update(password);
        }
        bits >>= 1;
    }
    let mut result = hash(first);

    let mut state = Sha256::new();
    for _ in 0..password.len() {
        state.update(password);
    }
    let password = spread(&hash(state), password.len());
    let mut state = Sha256::new();
    let [first_byte, ..] = *result;
    for _ in 0..16 + usize::from(first_byte) {
        state.update(salt);
    }
    let salt = spread(&hash(state), salt.len());

    for round in 0..rounds {
        let mut state = Sha256::new();
        let (head, tail): (&[u8], &[u8]) = if round % 2 == 1 {
            (&password, &*result)
        } else {
            (&*result, &password)
        };
        state.update(head);
        if round % 3 != 0 {
            state.update(&*salt);
        }
        if round % 7 != 0 {
            state.update(&*password);
        }
        state.update(tail);
        result = hash(state);
    }
    result
}

/// The hash again and again, up to this length.
fn spread(hash: &Hash, bytes: usize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(hash.iter().copied().cycle().take(bytes).collect())
}

fn front(hash: &Hash, bytes: usize) -> &[u8] {
    hash.get(..bytes).unwrap_or(&**hash)
}

/// Three bytes at a time as four characters, in the order and alphabet of crypt.
fn push_base64(digest: &Hash, out: &mut String) {
    const ORDER: [(usize, usize, usize); 10] = [
        (0, 10, 20),
        (21, 1, 11),
        (12, 22, 2),
        (3, 13, 23),
        (24, 4, 14),
        (15, 25, 5),
        (6, 16, 26),
        (27, 7, 17),
        (18, 28, 8),
        (9, 19, 29),
    ];
    let byte = |place: usize| u32::from(digest.get(place).copied().unwrap_or_default());
    for (a, b, c) in ORDER {
        push_characters(byte(a) << 16 | byte(b) << 8 | byte(c), 4, out);
    }
    push_characters(byte(31) << 8 | byte(30), 3, out);
}

fn push_characters(mut value: u32, characters: usize, out: &mut String) {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for _ in 0..characters {
        let place = (value & 0x3f) as usize;
        out.extend(ALPHABET.get(place).map(|byte| char::from(*byte)));
        value >>= 6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same with a salt of another length, in the form of crypt(3).
    fn sha_crypt(password: &[u8], salt: &str) -> String {
        let mut text = format!("$5${salt}$");
        push_base64(&digest(password, salt.as_bytes(), ROUNDS), &mut text);
        text
    }

    #[test]
    fn digests_are_those_of_sha_crypt() {
        // The first is in the specification.
        for (password, salt, digest) in [
            (
                "Hello world!".to_owned(),
                "saltstring",
                "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
            ),
            (
                "".to_owned(),
                "a",
                "$5$a$CZ9Csdk0HaS3TQcxgDHTwM2gwOEDCViPn83i6BpFdH.",
            ),
            (
                "a short one".to_owned(),
                "0123456789abcdef",
                "$5$0123456789abcdef$6DMANzxUhRsehCDUpyKxMJr9eWRErynidc5sML0VokB",
            ),
            (
                "p".repeat(32),
                "xxxxxxxxxxxxxxxx",
                "$5$xxxxxxxxxxxxxxxx$m9vbDcUOZwzlqtEMr2uzqzImAZF9J31EbqQb4WhZkO9",
            ),
            (
                "ä€".repeat(30),
                "./AZaz09",
                "$5$./AZaz09$UjWrFimSnXDUodZDchCxQJ5NwfjviZwBGyVjjWJfRj2",
            ),
            (
                "q".repeat(100),
                "saltstring",
                "$5$saltstring$UKKEk8LjIs8WpucKm037Ot6iGCtnCkIT.5nGlUW6DF0",
            ),
        ] {
            assert_eq!(sha_crypt(password.as_bytes(), salt), digest);
        }
    }

    // Made by MySQL 9.7.4, with its own 10,000 rounds.
    #[test]
    fn digests_are_those_of_the_server() {
        for (password, salt, expected) in [
            (
                "secret",
                b"F.E\x08Xt\n{nSd><XGE\x04X 9",
                "mHEpDkLG2bIfhZKWmvnB6a66uUDRlW/yXivVUJk7v4/",
            ),
            (
                "a password of more than thirty-two bytes, äöü",
                b"Y\x02\x16]E\\a\x08CS..q]'/\x02\x0bO\n",
                "/GrW5Uj9MmZZydIllfnBAHRRDhXzAEkUtx4i3VbDRCD",
            ),
            (
                "x",
                b"\\/Q<}\x06=e2B=h\x1d\x19k#\x0cPe'",
                "KoOd8UYZ9nLrIFRp4nSNaZhICSYTrn0f08aYYrZEbG.",
            ),
        ] {
            let mut text = String::new();
            push_base64(&digest(password.as_bytes(), salt, 10_000), &mut text);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn all_bytes_of_the_salt_count() {
        let salt = *b"0123456789abcdefghij";
        let text = crypt(b"secret", &salt);
        assert!(text.starts_with("$A$005$0123456789abcdefghij"), "{text}");
        assert_eq!(text.len(), 7 + 20 + 43);
        let mut other = salt;
        other[19] = b'k';
        assert_ne!(crypt(b"secret", &other)[27..], text[27..]);
    }

    #[test]
    fn bytes_that_cannot_stand_in_a_salt_are_replaced() {
        let mut salt = [b'x'; 20];
        (salt[0], salt[1], salt[2], salt[3]) = (0, b'$', 0x80, b'$' | 0x80);
        let text = crypt(b"secret", &salt);
        assert!(text.starts_with("$A$005$\u{1}%\u{1}%xxxx"), "{text:?}");
    }
}
