//! Replies of a server, streamed through.
//!
//! A [`Rewriter`] passes one reply on, whatever it consists of, and takes the prefix of a namespace
//! off the keys and channels in it. Which strings those are is what a [`Shape`] says; the command
//! decides that, not the reply. A [`Walker`] only finds the end.
//!
//! Both take a reply in whatever pieces it comes, hold a few bytes at most, and never more levels
//! than [`REDIS_DEPTH_MAX`](crate::limits::REDIS_DEPTH_MAX). Attributes are part of the reply that
//! follows them.

use super::Error;
use super::sink::Discard;

mod context;
mod cut;
mod line;
mod rewriter;
mod role;
mod script;

pub use rewriter::Rewriter;
pub use script::ScriptKeys;

/// Where the keys and channels of a reply are.
///
/// What stands there and is no string with a length (an error, a null, a status such as `QUEUED`)
/// passes as it is. In lines and blobs that are errors the prefix is taken off wherever it follows
/// a quote, `'` or `"`, in a reply of any shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// There are none.
    #[default]
    Plain,
    /// The reply is a key.
    Key,
    /// An aggregate whose first element is a key: BLPOP, LMPOP.
    FirstIsKey,
    /// An aggregate of keys.
    Keys,
    /// What XREAD replies: pairs of a key and entries, or a map of them.
    Streams,
    /// An aggregate of channels.
    Channels,
    /// Channels with a number behind each, or a map of them: PUBSUB NUMSUB.
    ChannelCounts,
    /// Strings, wherever they are, that are one of these keys. They are given with their prefix, as
    /// a script was given them.
    Script(ScriptKeys),
    /// An array whose elements have shapes of their own: EXEC.
    Exec(Vec<Self>),
    /// This takes the place of the reply, in [`Self::Exec`] and alone.
    Replace(Box<[u8]>),
}

/// How far a reply has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Bytes of the input that belong to the reply: all of them while it is not done.
    pub consumed: usize,
    /// Whether it has ended. Then the next call begins another one.
    pub done: bool,
}

/// Finds the ends of replies of any type.
#[derive(Debug, Default)]
pub struct Walker {
    rewriter: Rewriter,
}

impl Walker {
    /// Goes on with the reply.
    ///
    /// # Errors
    ///
    /// No later byte can be understood, and every further call gives the same error.
    pub fn feed(&mut self, input: &[u8]) -> Result<Fed, Error> {
        self.rewriter.feed(&Shape::Plain, b"", input, &mut Discard)
    }

    /// Whether the next byte is the first of a reply.
    #[must_use]
    pub const fn at_boundary(&self) -> bool {
        self.rewriter.at_boundary()
    }
}

/// Whether what begins with this byte is pushed by the server, and answers no request.
#[must_use]
pub const fn is_push(first: u8) -> bool {
    first == b'>'
}

#[cfg(test)]
mod tests;
