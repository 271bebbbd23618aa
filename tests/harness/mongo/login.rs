//! SCRAM-SHA-256 from the client's side, by hand (RFC 5802, RFC 7677).

use sha2::{Digest as _, Sha256};

/// An exchange that was begun. Nonces of tests need not be random.
pub struct Scram {
    password: String,
    bare: String,
}

/// What answers the server's challenge.
pub struct Answer {
    /// The client's last message.
    pub message: String,
    /// What the server has to prove itself with.
    pub expected: String,
}

impl Scram {
    /// Nothing is sent yet.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            password: password.to_owned(),
            bare: format!("n={user},r=a-nonce-of-the-tests-of-24"),
        }
    }

    /// The client's first message.
    #[must_use]
    pub fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// Answers a challenge: `r=…,s=…,i=…`.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn answer(&self, challenge: &str) -> Answer {
        let part = |key: &str| {
            let mut parts = challenge.split(',');
            let part = parts.find_map(|part| part.strip_prefix(key));
            part.unwrap_or_else(|| panic!("no {key} in {challenge}"))
        };
        let salt = decode(part("s="));
        let iterations: u32 = part("i=").parse().expect("a number");
        let salted = salted(self.password.as_bytes(), &salt, iterations);
        let without_proof = format!("c=biws,r={}", part("r="));
        let text = format!("{},{challenge},{without_proof}", self.bare);
        let client_key = hmac(&salted, b"Client Key");
        let signature = hmac(&Sha256::digest(client_key), text.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(signature)
            .map(|(a, b)| a ^ b)
            .collect();
        let server = hmac(&hmac(&salted, b"Server Key"), text.as_bytes());
        Answer {
            message: format!("{without_proof},p={}", encode(&proof)),
            expected: format!("v={}", encode(&server)),
        }
    }
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = block.map(|byte| byte ^ 0x36);
    let outer = block.map(|byte| byte ^ 0x5c);
    let inner = Sha256::new()
        .chain_update(inner)
        .chain_update(text)
        .finalize();
    Sha256::new()
        .chain_update(outer)
        .chain_update(inner)
        .finalize()
        .into()
}

fn salted(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut block = hmac(password, &[salt, &1_u32.to_be_bytes()].concat());
    let mut sum = block;
    for _ in 1..iterations {
        block = hmac(password, &block);
        sum.iter_mut()
            .zip(block)
            .for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(bytes: &[u8]) -> String {
    let group = |group: &[u8]| {
        let number = (0..3).fold(0, |sum, n| {
            (sum << 8) | usize::from(*group.get(n).unwrap_or(&0))
        });
        let mut text: Vec<u8> = (0..4)
            .map(|n| ALPHABET[(number >> (18 - 6 * n)) & 63])
            .collect();
        text[group.len() + 1..].fill(b'=');
        text
    };
    let text = bytes.chunks(3).flat_map(group).collect();
    String::from_utf8(text).expect("ASCII")
}

fn decode(text: &str) -> Vec<u8> {
    let mut bits = 0_u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = ALPHABET
            .iter()
            .position(|letter| *letter == byte)
            .expect("base64");
        bits = (bits << 6) | u32::try_from(value).expect("below 64");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 255).expect("a byte"));
        }
    }
    bytes
}
