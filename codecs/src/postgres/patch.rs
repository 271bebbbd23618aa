//! Writes one message: the length is patched in at the end, and an unfinished message is taken
//! back.

use super::Error;

/// A message under way at the end of a buffer. Dropped without [`Message::finish`], it leaves the
/// buffer as it was, so that an error half way cannot put half a message on the wire.
#[must_use]
pub(super) struct Message<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    length_at: usize,
    finished: bool,
}

impl<'a> Message<'a> {
    pub(super) fn tagged(tag: u8, out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        out.push(tag);
        Self::at(start, out)
    }

    /// A packet of the startup family, which has no tag.
    pub(super) fn untagged(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Self::at(start, out)
    }

    fn at(start: usize, out: &'a mut Vec<u8>) -> Self {
        let length_at = out.len();
        out.extend_from_slice(&[0; 4]);
        Self {
            out,
            start,
            length_at,
            finished: false,
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.bytes(&value.to_be_bytes());
    }

    /// The number of something as the protocol counts: a signed 32-bit number.
    pub(super) fn count(&mut self, value: usize, field: &'static str) -> Result<(), Error> {
        let value = i32::try_from(value).map_err(|_| Error::Invalid(field))?;
        self.i32(value);
        Ok(())
    }

    /// A zero byte inside would end the text early and make its tail the next field.
    pub(super) fn c_string(&mut self, text: &str, field: &'static str) -> Result<(), Error> {
        if text.as_bytes().contains(&0) {
            return Err(Error::Invalid(field));
        }
        self.bytes(text.as_bytes());
        self.u8(0);
        Ok(())
    }

    /// Bytes written behind the length field.
    pub(super) fn body_bytes(&self) -> usize {
        self.out.len().saturating_sub(self.length_at + 4)
    }

    pub(super) fn finish(mut self) -> Result<(), Error> {
        let bytes = self.out.len() - self.length_at;
        let length = i32::try_from(bytes).map_err(|_| Error::TooLong {
            bytes: bytes as u64,
            max: i32::MAX.unsigned_abs().into(),
        })?;
        if let Some(place) = self.out.get_mut(self.length_at..self.length_at + 4) {
            place.copy_from_slice(&length.to_be_bytes());
            self.finished = true;
        }
        Ok(())
    }
}

impl Drop for Message<'_> {
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
    fn length_counts_itself_and_not_the_tag() {
        let mut out = b"before".to_vec();
        let mut message = Message::tagged(b'Q', &mut out);
        message.c_string("ok", "query").unwrap();
        message.finish().unwrap();
        assert_eq!(out, b"beforeQ\0\0\0\x07ok\0");
    }

    #[test]
    fn an_unfinished_message_is_taken_back() {
        let mut out = b"before".to_vec();
        let mut message = Message::tagged(b'Q', &mut out);
        assert_eq!(
            message.c_string("a\0b", "query"),
            Err(Error::Invalid("query"))
        );
        drop(message);
        assert_eq!(out, b"before");
    }
}
