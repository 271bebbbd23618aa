//! What the client is owed, in order.

use std::collections::VecDeque;

use tenantsdb_codecs::redis::reply::Shape;

use crate::front::redis::state::Tracking;

/// Entries beyond which nothing more is read from the client. Replies that pass as they are take
/// none: a client that sends a pipeline of any length before it reads is not stopped by it, since
/// that would stop both for good.
const ENTRIES_MAX: usize = 64 * 1024;

/// Bytes in entries beyond which the same holds.
pub(super) const BYTES_MAX: usize = 16 << 20;

/// What comes next for the client.
#[derive(Debug)]
pub(crate) enum Owed {
    /// So many replies of the server without keys in them.
    Run {
        replies: usize,
        /// They are commands of a transaction: the server says that it has queued them.
        queued: bool,
        /// The client does not want them.
        mute: bool,
    },
    /// One reply of the server.
    Reply(Reply),
    /// Our own words.
    Local(Vec<u8>),
    /// Our own words, once the server has confirmed so many subscriptions.
    Confirm { left: usize, words: Vec<u8> },
}

/// One reply of the server.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Where it has keys.
    pub(crate) shape: Shape,
    pub(crate) role: Role,
    /// The client does not want it.
    pub(crate) mute: bool,
}

/// What a reply means to the proxy.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing: it passes.
    #[default]
    Pass,
    /// A transaction begins.
    Multi,
    /// A command of a transaction; the shape is that of its reply in EXEC's.
    Queued,
    /// The replies of a transaction.
    Exec,
    /// It is that of a command that may wait.
    Blocking,
    /// The client gets these words instead.
    Swallow(Vec<u8>),
    /// Tracking is as asked for if the server says yes, else as it was.
    Tracking {
        asked: Option<Box<Tracking>>,
        before: Option<Box<Tracking>>,
    },
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    owed: VecDeque<Owed>,
    bytes: usize,
    /// Replies of commands that may wait.
    blocking: usize,
    /// Commands that the server has queued since MULTI.
    queued: usize,
    /// Their shapes, as far as the last that is not plain.
    shapes: Vec<Shape>,
}

// === impl Queue ===

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// Whether the client must not be read.
    pub(crate) fn is_full(&self) -> bool {
        self.owed.len() >= ENTRIES_MAX || self.bytes >= BYTES_MAX
    }

    /// Bytes in entries.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a command that may wait is not answered.
    pub(crate) const fn is_blocking(&self) -> bool {
        self.blocking > 0
    }

    /// One more reply that passes.
    pub(crate) fn pass(&mut self, queued: bool, mute: bool) {
        if let Some(Owed::Run {
            replies,
            queued: of_last,
            mute: last_mute,
        }) = self.owed.back_mut()
            && (*of_last, *last_mute) == (queued, mute)
        {
            *replies += 1;
            return;
        }
        self.owed.push_back(Owed::Run {
            replies: 1,
            queued,
            mute,
        });
    }

    pub(crate) fn push(&mut self, owed: Owed) {
        self.bytes += owed.bytes();
        if matches!(&owed, Owed::Reply(reply) if reply.role == Role::Blocking) {
            self.blocking += 1;
        }
        self.owed.push_back(owed);
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut Owed> {
        self.owed.front_mut()
    }

    pub(crate) fn front(&self) -> Option<&Owed> {
        self.owed.front()
    }

    /// The front has come.
    pub(crate) fn pop(&mut self) -> Option<Owed> {
        let owed = self.owed.pop_front()?;
        self.bytes -= owed.bytes().min(self.bytes);
        if matches!(&owed, Owed::Reply(reply) if reply.role == Role::Blocking) {
            self.blocking -= 1;
        }
        if self.owed.is_empty() {
            self.owed.shrink_to(16);
        }
        Some(owed)
    }

    /// The server has queued a command, whose reply has this shape.
    pub(crate) fn queued(&mut self, shape: Shape) {
        if shape != Shape::Plain {
            self.shapes.resize(self.queued, Shape::Plain);
            self.shapes.push(shape);
        }
        self.queued += 1;
    }

    /// A transaction begins.
    pub(crate) fn begun(&mut self) {
        self.queued = 0;
        self.shapes = Vec::new();
    }

    /// The shape of the replies of the transaction, which ends.
    pub(crate) fn take_exec(&mut self) -> Shape {
        self.queued = 0;
        match std::mem::take(&mut self.shapes) {
            shapes if shapes.is_empty() => Shape::Plain,
            shapes => Shape::Exec(shapes),
        }
    }
}

// === impl Owed ===

impl Owed {
    /// What it takes beside its place.
    fn bytes(&self) -> usize {
        match self {
            Self::Local(words) | Self::Confirm { words, .. } => words.len(),
            Self::Reply(Reply { shape, role, .. }) => {
                let shape = shape_bytes(shape);
                match role {
                    Role::Swallow(words) => shape + words.len(),
                    _ => shape,
                }
            }
            Self::Run { .. } => 0,
        }
    }
}

/// What a shape takes beside its place.
pub(super) fn shape_bytes(shape: &Shape) -> usize {
    match shape {
        Shape::Script(keys) => keys.iter().map(|key| key.len() + 16).sum(),
        Shape::Replace(words) => words.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_pipeline_takes_no_room() {
        let mut queue = Queue::default();
        for _ in 0..1_000_000 {
            queue.pass(false, false);
        }
        assert!(!queue.is_full());
        assert_eq!(queue.owed.len(), 1);
        queue.pass(true, false);
        queue.pass(true, true);
        assert_eq!(queue.owed.len(), 3);
    }

    #[test]
    fn shapes_stand_where_their_commands_do() {
        let mut queue = Queue::default();
        queue.queued(Shape::Plain);
        queue.queued(Shape::Plain);
        queue.queued(Shape::Key);
        queue.queued(Shape::Plain);
        let shapes = vec![Shape::Plain, Shape::Plain, Shape::Key];
        assert_eq!(queue.take_exec(), Shape::Exec(shapes));
        assert_eq!(queue.take_exec(), Shape::Plain);
    }

    #[test]
    fn words_of_our_own_are_counted() {
        let mut queue = Queue::default();
        queue.push(Owed::Local(vec![0; BYTES_MAX]));
        assert!(queue.is_full());
        queue.pop();
        assert!(!queue.is_full());
    }
}
