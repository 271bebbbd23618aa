//! The part of a login in which a password is proved.

use rsa::pkcs8::DecodePublicKey as _;
use rsa::{Oaep, PublicKey};
use sha1::Sha1;

use super::login::{response, xor};
use super::packet::Cursor;
use super::reply::{Failed, Refused};
use super::session::Session;

const CACHING_SHA2: &str = "caching_sha2_password";

/// The rest of a login, behind HandshakeResponse41 or COM_CHANGE_USER.
pub struct Exchange {
    /// The method that is under way.
    pub plugin: String,
    /// Its challenge.
    pub nonce: Vec<u8>,
}

impl Exchange {
    /// Answers until OK or ERR.
    ///
    /// # Errors
    ///
    /// ERR, or the connection's.
    ///
    /// # Panics
    ///
    /// On a packet that has no place here.
    pub fn finish(&mut self, session: &mut Session, password: &str) -> Result<(), Refused> {
        let mut said = false;
        loop {
            let (reply, sequence) = session.receive()?;
            match reply.as_slice() {
                // C libraries insist on it.
                [0, ..] if !said && !password.is_empty() && self.plugin == CACHING_SHA2 => {
                    panic!("OK, and neither fast nor full before it");
                }
                [0, ..] => return Ok(()),
                [0xff, ..] => return Err(Refused::Error(Failed::parse(&reply))),
                [0xfe, rest @ ..] => {
                    let mut cursor = Cursor(rest);
                    self.plugin = String::from_utf8_lossy(cursor.terminated()).into_owned();
                    self.nonce = cursor.terminated().to_vec();
                    session.methods.push(format!("switch to {}", self.plugin));
                    let proof = response(&self.plugin, password, &self.nonce);
                    session.send(sequence, &proof)?;
                }
                [1, 3] => {
                    said = true;
                    session.methods.push("fast".to_owned());
                }
                [1, 4] => {
                    said = true;
                    session.methods.push("full".to_owned());
                    self.full(session, sequence, password)?;
                }
                other => panic!("in the middle of a login: {other:?}"),
            }
        }
    }

    /// caching_sha2's long way: the password itself in TLS, encrypted with the other side's key
    /// without.
    fn full(&self, session: &mut Session, sequence: u8, password: &str) -> Result<(), Refused> {
        let mut secret = password.as_bytes().to_vec();
        secret.push(0);
        if session.is_encrypted() {
            session.send(sequence, &secret)?;
            return Ok(());
        }
        session.send(sequence, &[2])?;
        let (reply, sequence) = session.receive()?;
        if reply.first() == Some(&0xff) {
            return Err(Refused::Error(Failed::parse(&reply)));
        }
        let pem = String::from_utf8_lossy(&reply[1..]).into_owned();
        let key = PublicKey::from_public_key_pem(&pem).expect("a public key");
        let masked = xor(&secret, &self.nonce);
        let padding = Oaep::<Sha1>::new();
        let sealed = key.encrypt(&mut rand::rng(), padding, &masked);
        session.send(sequence, &sealed.expect("a password is short"))?;
        Ok(())
    }
}
