//! Where rewritten bytes go.

use std::ops::Range;

/// Takes what a rewritten message consists of, in order. What stays as it is is named by its place
/// in the input, so that nobody copies a value who need not.
pub trait Sink {
    /// Bytes that are not in the input, or no longer.
    fn put(&mut self, bytes: &[u8]);

    /// These bytes of the input that was given to the same call.
    fn pass(&mut self, range: Range<usize>);
}

/// Takes nothing: for what is only followed to its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Sink for Discard {
    fn put(&mut self, _: &[u8]) {}

    fn pass(&mut self, _: Range<usize>) {}
}

/// Copies everything to the end of a buffer.
#[derive(Debug)]
pub struct Copy<'a> {
    input: &'a [u8],
    out: &'a mut Vec<u8>,
}

impl<'a> Copy<'a> {
    /// Of this input, to this buffer.
    pub const fn new(input: &'a [u8], out: &'a mut Vec<u8>) -> Self {
        Self { input, out }
    }
}

impl Sink for Copy<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn pass(&mut self, range: Range<usize>) {
        // Ranges are of the input that the caller gave to both.
        self.out
            .extend_from_slice(self.input.get(range).unwrap_or_default());
    }
}
