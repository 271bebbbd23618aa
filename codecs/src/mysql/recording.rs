//! Exchanges that were recorded between real programs: `testdata/mysql`.

use super::flags::Capabilities;
use super::frame::{Message, message};

/// Who sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// Packets in the order in which they were sent, and what the login agreed on, if it is not among
/// them.
pub(super) struct Recording {
    pub(super) packets: Vec<(Side, Vec<u8>)>,
    pub(super) capabilities: Capabilities,
}

impl Recording {
    pub(super) fn read(text: &str) -> Self {
        let mut recording = Self {
            packets: Vec::new(),
            capabilities: Capabilities::NONE,
        };
        for line in text.lines() {
            let (mark, rest) = line.split_once(' ').unwrap();
            match mark {
                "#" => {
                    if let Some(capabilities) = rest.strip_prefix("capabilities ") {
                        let capabilities = u64::from_str_radix(capabilities, 16).unwrap();
                        recording.capabilities = Capabilities(capabilities);
                    }
                }
                ">" => recording.packets.push((Side::Client, bytes(rest))),
                "<" => recording.packets.push((Side::Server, bytes(rest))),
                _ => panic!("{line}"),
            }
        }
        recording
    }

    /// Body and sequence number of a packet, and who sent it.
    pub(super) fn body(&self, packet: usize) -> (Side, u8, Vec<u8>) {
        let (side, bytes) = &self.packets[packet];
        let Message { sequence, body, .. } = message(bytes, 1 << 20).unwrap().unwrap();
        (*side, sequence, body.into_owned())
    }

    /// Body of a packet that the client sent.
    pub(super) fn client(&self, packet: usize) -> Vec<u8> {
        let (side, _, body) = self.body(packet);
        assert_eq!(side, Side::Client);
        body
    }

    /// Body of a packet that the server sent.
    pub(super) fn server(&self, packet: usize) -> Vec<u8> {
        let (side, _, body) = self.body(packet);
        assert_eq!(side, Side::Server);
        body
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16).unwrap();
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::try_from(digit(&pair[0]) * 16 + digit(&pair[1])).unwrap())
        .collect()
}

/// The text of a recording.
macro_rules! recorded {
    ($($name:literal),+) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/testdata/mysql/",
            $($name,)+
            ".hex"
        ))
    };
}

pub(super) use recorded;
