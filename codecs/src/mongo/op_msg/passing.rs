//! A message that is passed on while it comes, its body too.

use super::{Head, Stream};
use crate::mongo::Error;
use crate::mongo::bson::{Document, Outline};

/// A message of which not even the body is held, only its [`Outline`]: a reply.
#[derive(Clone, Debug)]
pub struct Passing {
    stream: Stream,
    outline: Outline,
}

impl Passing {
    /// Begins behind what [`Head::read`] read. `front` are the bytes that it was read from.
    pub fn start(front: &mut [u8], head: Head, request_id: i32, response_to: i32) -> Self {
        Self {
            stream: Stream::start(front, head, request_id, response_to),
            outline: Outline::new(),
        }
    }

    /// Bytes of the message that have not come.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.stream.left()
    }

    /// What is small of the body, once it has come as a whole.
    #[must_use]
    pub fn outline(&self) -> Option<Document<'_>> {
        self.outline.document()
    }

    /// Takes what came next: [`Stream::step`].
    ///
    /// # Errors
    ///
    /// Those of [`Stream::step`] and [`Outline::step`].
    pub fn step(&mut self, chunk: &mut [u8]) -> Result<usize, Error> {
        if let Some(error) = self.stream.failed {
            return Err(error);
        }
        let bytes = self.stream.left().min(chunk.len());
        let outline = self.outline.step(chunk.get(..bytes).unwrap_or_default());
        if let Err(error) = outline {
            self.stream.failed = Some(error);
            return Err(error);
        }
        self.stream.step(chunk)
    }
}
