//! Bytes to a port, for clients that break the rules.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::wait;

/// A TCP connection whose reads and writes end at the tests' deadline.
pub struct Wire(TcpStream);

/// How the other side ended a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It closed or reset the connection after having sent these bytes.
    Closed(Vec<u8>),
    /// It was still open at the deadline.
    Open,
}

impl Wire {
    /// Connects.
    ///
    /// # Panics
    ///
    /// If nobody listens.
    #[must_use]
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        let deadline = Some(wait::DEADLINE);
        stream.set_read_timeout(deadline).expect("not zero");
        stream.set_write_timeout(deadline).expect("not zero");
        Self(stream)
    }

    /// Sends bytes; says whether the other side took them all.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Reads exactly so many bytes.
    ///
    /// # Panics
    ///
    /// If fewer come.
    pub fn receive(&mut self, bytes: usize) -> Vec<u8> {
        let mut buffer = vec![0; bytes];
        self.0.read_exact(&mut buffer).expect("an answer");
        buffer
    }

    /// Reads to the end of the connection.
    #[must_use]
    pub fn end(mut self) -> End {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Err(e) if timed_out(&e) => End::Open,
            Ok(_) | Err(_) => End::Closed(bytes),
        }
    }
}

fn timed_out(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}

/// A startup packet of protocol 3.0:
/// <https://www.postgresql.org/docs/15/protocol-message-formats.html>.
///
/// # Panics
///
/// If it is longer than its length field can say.
#[must_use]
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend_from_slice(name.as_bytes());
        body.push(0);
        body.extend_from_slice(value.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).expect("a packet of a test");
    [length.to_be_bytes().to_vec(), body].concat()
}

/// Asks for TLS.
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// SQLSTATE of an ErrorResponse in what a server sent.
#[must_use]
pub fn sqlstate_in(bytes: &[u8]) -> Option<String> {
    let at = bytes.windows(2).position(|pair| pair == b"\0C")?;
    let state = bytes.get(at + 2..at + 7)?;
    Some(String::from_utf8_lossy(state).into_owned())
}
