//! Checked reads from the front of a slice: the only place that takes peer bytes apart by position.

/// What is left to read. Every read either takes all that it asks for or takes nothing and answers
/// `None`; the caller knows which field that was and names it in its error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// All that has not been read, without reading it.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn u16_le(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u24_le(&mut self) -> Option<u32> {
        self.array()
            .map(|[low, middle, high]| u32::from_le_bytes([low, middle, high, 0]))
    }

    pub(crate) fn u32_le(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn i32_le(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub(crate) fn u64_le(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Bytes up to the next zero byte, which is read too.
    pub(crate) fn c_string(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == 0)?;
        let text = self.take(end)?;
        self.take(1)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_does_not_fit_takes_nothing() {
        let mut cursor = Cursor::new(&[1, 2, 3]);
        assert_eq!(
            (cursor.u32(), cursor.u32_le(), cursor.u64_le()),
            (None, None, None)
        );
        assert_eq!(cursor.take(4), None);
        assert_eq!(cursor.take(usize::MAX), None);
        assert_eq!(cursor.c_string(), None);
        assert_eq!(cursor.rest(), [1, 2, 3]);
        assert_eq!(cursor.u8(), Some(1));
        assert_eq!(cursor.take(2), Some(&[2, 3][..]));
        assert!(cursor.is_empty());
        assert_eq!(cursor.u8(), None);
    }

    #[test]
    fn the_least_byte_comes_first_where_a_name_says_so() {
        let mut cursor = Cursor::new(&[1, 2, 1, 2, 3, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0x80]);
        assert_eq!(cursor.u16_le(), Some(0x0201));
        assert_eq!(cursor.u24_le(), Some(0x03_0201));
        assert_eq!(cursor.u32_le(), Some(0x0100_0001));
        assert_eq!(cursor.u64_le(), Some(0x8000_0000_0000_0001));
    }

    #[test]
    fn c_strings_end_at_their_zero_byte() {
        let mut cursor = Cursor::new(b"one\0\0two");
        assert_eq!(cursor.c_string(), Some(&b"one"[..]));
        assert_eq!(cursor.c_string(), Some(&b""[..]));
        assert_eq!(cursor.c_string(), None);
        assert_eq!(cursor.rest(), b"two");
    }
}
