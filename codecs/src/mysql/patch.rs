//! Writes one message: the length is patched in at the end, a long one is split into packets, and
//! an unfinished one is taken back.

use super::Error;
use super::frame::{HEADER_BYTES, PACKET_BYTES_MAX};
use super::lenenc;

/// A message under way at the end of a buffer. Dropped without [`Packet::finish`], it leaves buffer
/// and sequence number as they were, so that an error half way cannot put half a message on the
/// wire.
#[must_use]
pub struct Packet<'a> {
    sequence: &'a mut u8,
    out: &'a mut Vec<u8>,
    start: usize,
    finished: bool,
}

impl<'a> Packet<'a> {
    /// Begins a message whose first packet gets the number `sequence`, which is counted on when the
    /// message is finished.
    pub fn new(sequence: &'a mut u8, out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER_BYTES]);
        Self {
            sequence,
            out,
            start,
            finished: false,
        }
    }

    /// Appends bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    /// Appends two bytes, the low one first.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends four bytes, the lowest first.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends a number in its shortest length-encoded form.
    pub fn integer(&mut self, value: u64) {
        lenenc::put_integer(value, self.out);
    }

    /// Appends a text behind its length-encoded length.
    pub fn string(&mut self, bytes: &[u8]) {
        lenenc::put_string(bytes, self.out);
    }

    /// Appends a text and the zero byte that ends it.
    ///
    /// # Errors
    ///
    /// A zero byte inside: it would end the text early and make its tail the next field.
    pub fn c_string(&mut self, text: &[u8], field: &'static str) -> Result<(), Error> {
        if text.contains(&0) {
            return Err(Error::Invalid(field));
        }
        self.bytes(text);
        self.u8(0);
        Ok(())
    }

    /// Bytes written behind the header.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.out.len().saturating_sub(self.start + HEADER_BYTES)
    }

    /// Puts length and number in. A body of 16 MB or more is split: as many full packets as it
    /// fills, and one that is not full, which ends the message and may be empty.
    pub fn finish(mut self) {
        const FULL: usize = PACKET_BYTES_MAX as usize;
        let body_bytes = self.body_bytes();
        let full_packets = body_bytes / FULL;
        let body = self.start + HEADER_BYTES;
        let body_end = self.out.len();
        if full_packets > 0 {
            self.out.resize(body_end + full_packets * HEADER_BYTES, 0);
        }
        // Each piece makes room for the headers before it; the last first, so that none is
        // overwritten.
        for packet in (1..=full_packets).rev() {
            let piece = body + packet * FULL;
            let piece_end = body_end.min(piece + FULL);
            self.out
                .copy_within(piece..piece_end, piece + packet * HEADER_BYTES);
        }
        for packet in 0..=full_packets {
            let at = self.start + packet * (FULL + HEADER_BYTES);
            let packet_bytes = FULL.min(body_bytes - packet * FULL);
            let [low, middle, high, ..] = packet_bytes.to_le_bytes();
            if let Some(place) = self.out.get_mut(at..at + HEADER_BYTES) {
                place.copy_from_slice(&[low, middle, high, *self.sequence]);
            }
            *self.sequence = self.sequence.wrapping_add(1);
        }
        self.finished = true;
    }
}

impl Drop for Packet<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.out.truncate(self.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_counts_the_body_and_the_number_goes_on() {
        let mut out = b"before".to_vec();
        let mut sequence = 255;
        let mut packet = Packet::new(&mut sequence, &mut out);
        packet.c_string(b"ok", "user name").unwrap();
        packet.finish();
        assert_eq!(out, b"before\x03\0\0\xffok\0");
        assert_eq!(sequence, 0);
        Packet::new(&mut sequence, &mut out).finish();
        assert_eq!(out, b"before\x03\0\0\xffok\0\0\0\0\0");
    }

    #[test]
    fn an_unfinished_message_is_taken_back() {
        let mut out = b"before".to_vec();
        let mut sequence = 7;
        let mut packet = Packet::new(&mut sequence, &mut out);
        let error = Err(Error::Invalid("user name"));
        assert_eq!(packet.c_string(b"a\0b", "user name"), error);
        drop(packet);
        assert_eq!((&out[..], sequence), (&b"before"[..], 7));
    }

    #[test]
    fn a_long_message_is_split() {
        const FULL: usize = 0xff_ffff;
        for (bytes, packets) in [
            (FULL - 1, &[FULL - 1][..]),
            (FULL, &[FULL, 0]),
            (FULL + 1, &[FULL, 1]),
            (2 * FULL + 5, &[FULL, FULL, 5]),
        ] {
            let body: Vec<u8> = (0..251).cycle().take(bytes).collect();
            let mut out = b"before".to_vec();
            let mut sequence = 254;
            let mut packet = Packet::new(&mut sequence, &mut out);
            packet.bytes(&body);
            packet.finish();
            let (mut rest, mut body) = (&out[6..], &body[..]);
            let mut expected = 254_u8;
            for packet_bytes in packets {
                let length = u32::try_from(*packet_bytes).unwrap().to_le_bytes();
                assert_eq!(rest[..3], length[..3]);
                assert_eq!(rest[3], expected);
                assert!(rest[4..4 + packet_bytes] == body[..*packet_bytes]);
                rest = &rest[4 + packet_bytes..];
                body = &body[*packet_bytes..];
                expected = expected.wrapping_add(1);
            }
            assert!(rest.is_empty() && body.is_empty());
            assert_eq!(sequence, expected);
        }
    }
}
