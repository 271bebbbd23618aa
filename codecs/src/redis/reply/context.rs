//! One call to a rewriter: what it was given, how far it has come, and what goes out.

use super::Shape;
use crate::redis::sink::Sink;

/// What goes to a sink, of one input. What is passed is named in as few ranges as possible.
pub(super) struct Out<'s, S> {
    pub(super) sink: &'s mut S,
    /// All before it has been passed, or is not to be.
    pub(super) passed: usize,
    /// Nothing goes out: something else takes its place.
    pub(super) silent: bool,
}

impl<S: Sink> Out<'_, S> {
    /// Passes what has not been, up to this place.
    pub(super) fn pass_to(&mut self, place: usize) {
        if place > self.passed {
            if !self.silent {
                self.sink.pass(self.passed..place);
            }
            self.passed = place;
        }
    }

    /// Passes nothing of what has not been, up to this place.
    pub(super) const fn skip_to(&mut self, place: usize) {
        self.passed = place;
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        if !self.silent {
            self.sink.put(bytes);
        }
    }
}

/// One call, as far as it has come.
pub(super) struct Context<'c, S> {
    pub(super) shape: &'c Shape,
    pub(super) prefix: &'c [u8],
    pub(super) input: &'c [u8],
    pub(super) out: Out<'c, S>,
    /// All before it has been read.
    pub(super) at: usize,
}

impl<'c, S: Sink> Context<'c, S> {
    pub(super) fn rest(&self) -> &'c [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    /// All has been read.
    pub(super) const fn exhaust(&mut self) -> More {
        self.at = self.input.len();
        More::Needed
    }
}

/// What a step came to.
pub(super) enum More {
    /// There is another step.
    Going,
    /// The input has been read.
    Needed,
    /// A value has ended.
    Ended,
}
