//! The connection phase: greeting, TLS, both authentication methods.

use std::net::TcpStream;
use std::path::PathBuf;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::exchange::Exchange;
use super::packet::{self, Cursor, capability};
use super::reply::{Failed, Refused};
use super::session::Session;
use crate::stream::Stream;
use crate::wait;

/// utf8mb4_general_ci: `SELECT * FROM information_schema.collations`.
pub const UTF8MB4: u8 = 45;

/// What a client says of itself.
#[derive(Clone)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password; empty for none.
    pub password: String,
    /// Database of the handshake.
    pub database: Option<String>,
    /// Capability flags.
    pub capabilities: u32,
    /// Number of a collation.
    pub collation: u8,
    /// Authentication method that the client begins with; the greeting's where `None`.
    pub plugin: Option<&'static str>,
    /// TLS with this certificate authority.
    pub ca: Option<PathBuf>,
}

/// HandshakeV10.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// Version text.
    pub version: String,
    /// The id for KILL.
    pub connection_id: u32,
    /// Challenge, 20 bytes.
    pub nonce: Vec<u8>,
    /// Capability flags.
    pub capabilities: u32,
    /// Default authentication method.
    pub plugin: String,
}

impl Greeting {
    /// Reads a greeting.
    ///
    /// # Errors
    ///
    /// An ERR packet in its place.
    ///
    /// # Panics
    ///
    /// On anything else.
    pub fn parse(payload: &[u8]) -> Result<Self, Failed> {
        if payload.first() == Some(&0xff) {
            return Err(Failed::parse(payload));
        }
        let mut cursor = Cursor(payload);
        assert_eq!(cursor.take(1), [10], "protocol version");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let version = text(cursor.terminated());
        let connection_id = u32::try_from(cursor.number(4)).expect("four bytes");
        let mut nonce = cursor.take(8).to_vec();
        cursor.take(1);
        let low = cursor.number(2);
        cursor.take(3);
        let high = cursor.number(2);
        cursor.take(11);
        nonce.extend_from_slice(cursor.take(12));
        cursor.take(1);
        Ok(Self {
            version,
            connection_id,
            nonce,
            capabilities: u32::try_from(high << 16 | low).expect("four bytes"),
            plugin: text(cursor.terminated()),
        })
    }
}

/// The answer to a challenge.
///
/// # Panics
///
/// If the method is unknown.
#[must_use]
pub fn response(plugin: &str, password: &str, nonce: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    match plugin {
        "mysql_native_password" => {
            let hash = Sha1::digest(password);
            let twice = Sha1::digest(hash);
            let mask = Sha1::new().chain_update(nonce).chain_update(twice);
            xor(&hash, &mask.finalize())
        }
        "caching_sha2_password" => {
            let hash = Sha256::digest(password);
            let twice = Sha256::digest(hash);
            let mask = Sha256::new().chain_update(twice).chain_update(nonce);
            xor(&hash, &mask.finalize())
        }
        other => panic!("no such authentication method: {other}"),
    }
}

pub(super) fn xor(bytes: &[u8], mask: &[u8]) -> Vec<u8> {
    let mask = mask.iter().cycle();
    bytes
        .iter()
        .zip(mask)
        .map(|(byte, mask)| byte ^ mask)
        .collect()
}

impl Login {
    /// With the usual capabilities, in the clear.
    #[must_use]
    pub fn new(user: &str, password: &str, database: Option<&str>) -> Self {
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
            database: database.map(str::to_owned),
            capabilities: capability::USUAL,
            collation: UTF8MB4,
            plugin: None,
            ca: None,
        }
    }

    /// The flags that go with what is asked for.
    #[must_use]
    pub fn flags(&self) -> u32 {
        let mut flags = self.capabilities;
        if self.database.is_some() {
            flags |= capability::CONNECT_WITH_DB;
        }
        if self.ca.is_some() {
            flags |= capability::SSL;
        }
        flags
    }

    fn head(&self) -> Vec<u8> {
        let mut head = self.flags().to_le_bytes().to_vec();
        // The greatest packet that this client takes.
        head.extend_from_slice(&(1_u32 << 30).to_le_bytes());
        head.push(self.collation);
        head.extend_from_slice(&[0; 23]);
        head
    }

    /// The payload of HandshakeResponse41.
    #[must_use]
    pub fn handshake_response(&self, greeting: &Greeting) -> Vec<u8> {
        let plugin = self.plugin.unwrap_or(&greeting.plugin);
        let proof = response(plugin, &self.password, &greeting.nonce);
        self.response_with(plugin, &proof)
    }

    fn response_with(&self, plugin: &str, proof: &[u8]) -> Vec<u8> {
        let mut payload = self.head();
        payload.extend_from_slice(self.user.as_bytes());
        payload.push(0);
        payload.extend_from_slice(&packet::lenenc(proof.len()));
        payload.extend_from_slice(proof);
        if let Some(database) = &self.database {
            payload.extend_from_slice(database.as_bytes());
            payload.push(0);
        }
        payload.extend_from_slice(plugin.as_bytes());
        payload.push(0);
        payload
    }

    /// The first answer to a login whose proof is made of the nonce by `prove`.
    ///
    /// # Panics
    ///
    /// If nobody listens, or nothing is answered.
    #[must_use]
    pub fn with_proof(&self, address: &str, prove: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        use std::io::Write as _;
        let mut stream = TcpStream::connect(address).expect("somebody listens");
        let deadline = Some(wait::DEADLINE);
        stream.set_read_timeout(deadline).expect("not zero");
        let (first, sequence) = packet::read(&mut stream).expect("a greeting");
        let greeting = Greeting::parse(&first).expect("a greeting");
        let mut payload = self.response_with(&greeting.plugin, &prove(&greeting.nonce));
        let mut sequence = sequence;
        loop {
            let sent = stream.write_all(&packet::packet(sequence, &payload));
            sent.expect("the other side reads");
            let (reply, next) = packet::read(&mut stream).expect("an answer");
            let [0xfe, rest @ ..] = reply.as_slice() else {
                return reply;
            };
            let mut cursor = Cursor(rest);
            cursor.terminated();
            payload = prove(cursor.terminated());
            sequence = next;
        }
    }

    /// What the other side says to a login, message by message, without what is random in it:
    /// for comparing how two of them are refused.
    ///
    /// # Panics
    ///
    /// If nobody listens.
    #[must_use]
    pub fn transcript(&self, address: &str) -> Vec<String> {
        let mut said = Vec::new();
        let mut stream = TcpStream::connect(address).expect("somebody listens");
        let deadline = Some(wait::DEADLINE);
        stream.set_read_timeout(deadline).expect("not zero");
        let Ok((first, sequence)) = packet::read(&mut stream) else {
            return said;
        };
        let greeting = match Greeting::parse(&first) {
            Ok(greeting) => greeting,
            Err(failed) => return vec![failed.to_string()],
        };
        said.push(format!("greeting {} {}", greeting.version, greeting.plugin));
        let payload = self.handshake_response(&greeting);
        let mut next = packet::packet(sequence, &payload);
        loop {
            use std::io::Write as _;
            if stream.write_all(&next).is_err() {
                return said;
            }
            let Ok((reply, sequence)) = packet::read(&mut stream) else {
                said.push("end".to_owned());
                return said;
            };
            next = Vec::new();
            match reply.as_slice() {
                [0xff, ..] => said.push(Failed::parse(&reply).to_string()),
                [0xfe, rest @ ..] => {
                    let mut cursor = Cursor(rest);
                    let plugin = String::from_utf8_lossy(cursor.terminated()).into_owned();
                    let proof = response(&plugin, &self.password, cursor.terminated());
                    next = packet::packet(sequence, &proof);
                    said.push(format!("switch to {plugin}, {} bytes", rest.len()));
                }
                other => said.push(format!("{other:?}")),
            }
        }
    }

    /// Connects and logs in.
    ///
    /// # Errors
    ///
    /// The other side's, or the connection's.
    pub fn connect(&self, address: &str) -> Result<Session, Refused> {
        let mut stream = Stream::connect(address)?;
        let (first, mut sequence) = packet::read(&mut stream)?;
        let greeting = Greeting::parse(&first).map_err(Refused::Error)?;
        if let Some(ca) = &self.ca {
            use std::io::Write as _;
            stream.write_all(&packet::packet(sequence, &self.head()))?;
            sequence += 1;
            stream = stream.encrypt(ca)?;
        }
        let payload = self.handshake_response(&greeting);
        let mut session = Session::new(stream, greeting, self.flags());
        session.send(sequence, &payload)?;
        let mut exchange = Exchange {
            plugin: self
                .plugin
                .map_or(session.greeting.plugin.clone(), str::to_owned),
            nonce: session.greeting.nonce.clone(),
        };
        exchange.finish(&mut session, &self.password)?;
        session.methods.push(exchange.plugin);
        Ok(session)
    }
}
