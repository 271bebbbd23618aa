//! The buffers of a core. A session that waits owns none of them.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Size of the buffer that is borrowed while bytes move. Past 64 kB a read gains nothing.
pub(crate) const SCRATCH_BYTES: usize = 64 * 1024;

/// Buffers kept for the next session that is stuck; more than that are given back to the allocator.
const SPARES_MAX: usize = 64;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Lends the thread's buffer to `use_it`, which must not lend it again: it runs inside one poll of
/// one lane, and lanes do not nest.
pub(crate) fn with<R>(use_it: impl FnOnce(&mut [u8]) -> R) -> R {
    SCRATCH.with_borrow_mut(|buf| use_it(buf))
}

/// Bytes that have to wait, in a buffer that goes back to the core when it is dropped.
#[derive(Debug)]
pub(crate) struct Leftover(Vec<u8>);

impl Leftover {
    /// A copy of `bytes`.
    pub(crate) fn copy(bytes: &[u8]) -> Self {
        let mut buf = SPARES.with_borrow_mut(Vec::pop).unwrap_or_default();
        buf.extend_from_slice(bytes);
        Self(buf)
    }
}

impl From<Vec<u8>> for Leftover {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for Leftover {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Leftover {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        let mut buf = std::mem::take(&mut self.0);
        buf.clear();
        // On a thread that is ending there is no core to give it back to.
        let _ = SPARES.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            if spares.len() < SPARES_MAX && buf.capacity() <= SCRATCH_BYTES {
                spares.push(buf);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leftover_is_empty_when_it_is_used_again() {
        drop(Leftover::copy(b"of one session"));
        assert_eq!(&**Leftover::copy(b"next"), b"next");
    }
}
