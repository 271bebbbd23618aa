//! The machine that follows a reply.

use super::context::{Context, More, Out};
use super::cut::Text;
use super::line::Line;
use super::role::Role;
use super::{Fed, Shape};
use crate::limits::REDIS_DEPTH_MAX;
use crate::redis::Error;
use crate::redis::frame::{Aggregate, HEAD_BYTES_MAX, Head};
use crate::redis::sink::Sink;

mod string;

use string::Start;

/// Levels that a [`Rewriter`] has room for between two replies.
const LEVELS_KEPT: usize = 16;

/// Bytes of a string's head that a [`Rewriter`] has room for between two replies.
const HELD_BYTES_KEPT: usize = 256;

/// An aggregate under way.
#[derive(Clone, Copy, Debug)]
struct Level {
    kind: Aggregate,
    role: Role,
    /// Elements to come; `None` if an end will be sent.
    left: Option<u64>,
    /// Elements that have ended.
    index: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Step {
    /// The head of a value.
    #[default]
    Head,
    /// The text of a line, up to its end.
    Line(Line),
    /// The same of an error.
    ErrorLine(Line),
    /// The first bytes of a string, of which something may be cut out.
    Start(Start),
    /// So many bytes, and the line end behind them.
    Body(u64),
    /// The last byte of that line end.
    LineFeed,
}

/// Passes replies on without the prefix of the keys in them.
#[derive(Debug, Default)]
pub struct Rewriter {
    step: Step,
    levels: Vec<Level>,
    /// A head, or the start of a string, that came in pieces.
    held: Vec<u8>,
    /// An attribute has ended; its value must follow.
    attributed: bool,
    /// The string under way comes in chunks.
    chunked: bool,
    /// The element of [`Shape::Exec`] that is under way.
    element: usize,
    /// The value under way at this depth is replaced.
    silent: Option<usize>,
    foreign: u64,
    failed: Option<Error>,
}

impl Rewriter {
    /// Goes on with the reply: takes the input up to the reply's end, all of it if the end is not
    /// there, and gives the sink what is to be sent. `prefix` and `shape` are the same in each call
    /// for one reply; there is no quote, CR or LF in the prefix. Without a prefix nothing is taken
    /// off.
    ///
    /// # Errors
    ///
    /// No later byte can be understood, and every further call gives the same error. What the sink
    /// got is the front of a reply that does not end.
    pub fn feed(
        &mut self,
        shape: &Shape,
        prefix: &[u8],
        input: &[u8],
        sink: &mut impl Sink,
    ) -> Result<Fed, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let fed = self.run(&mut Context {
            shape,
            prefix,
            input,
            out: Out {
                sink,
                passed: 0,
                silent: self.silent.is_some(),
            },
            at: 0,
        });
        self.failed = fed.err();
        fed
    }

    /// Strings where a key or channel should be that did not begin with the prefix, of all replies
    /// so far. They passed as they were; there should be none.
    #[must_use]
    pub const fn foreign(&self) -> u64 {
        self.foreign
    }

    /// Whether the next byte is the first of a reply.
    #[must_use]
    pub const fn at_boundary(&self) -> bool {
        matches!(self.step, Step::Head)
            && self.levels.is_empty()
            && self.held.is_empty()
            && !self.attributed
            && !self.chunked
            && self.failed.is_none()
    }

    fn run(&mut self, context: &mut Context<'_, impl Sink>) -> Result<Fed, Error> {
        loop {
            let more = match self.step {
                Step::Head => self.head(context)?,
                Step::Line(line) => self.line(line, false, context),
                Step::ErrorLine(line) => self.line(line, true, context),
                Step::Start(start) => self.start(start, context),
                Step::Body(bytes) => self.body(bytes, context)?,
                Step::LineFeed => self.line_feed(context)?,
            };
            let done = match more {
                More::Going => continue,
                More::Needed => false,
                More::Ended if self.ended(context) => true,
                More::Ended => continue,
            };
            context.out.pass_to(context.at);
            return Ok(Fed {
                consumed: context.at,
                done,
            });
        }
    }

    /// A value has ended, and with it all aggregates whose last it was. Answers whether it was the
    /// reply.
    fn ended(&mut self, context: &mut Context<'_, impl Sink>) -> bool {
        loop {
            if self.silent == Some(self.levels.len()) {
                self.replace(context);
            }
            let Some(level) = self.levels.last_mut() else {
                self.levels.shrink_to(LEVELS_KEPT);
                self.held.shrink_to(HELD_BYTES_KEPT);
                return true;
            };
            level.index += 1;
            let Some(left) = &mut level.left else {
                return false;
            };
            *left = left.saturating_sub(1);
            if *left > 0 || self.leave() {
                return false;
            }
        }
    }

    /// Leaves an aggregate. Answers whether it was an attribute, which is no value.
    fn leave(&mut self) -> bool {
        let level = self.levels.pop();
        self.attributed = level.is_some_and(|level| level.kind == Aggregate::Attribute);
        self.attributed
    }

    /// The value that is replaced has ended.
    fn replace(&mut self, context: &mut Context<'_, impl Sink>) {
        self.silent = None;
        context.out.skip_to(context.at);
        context.out.silent = false;
        let shape = match context.shape {
            Shape::Exec(elements) => elements.get(self.element),
            shape => Some(shape),
        };
        if let Some(Shape::Replace(bytes)) = shape {
            context.out.put(bytes);
        }
    }

    fn head(&mut self, context: &mut Context<'_, impl Sink>) -> Result<More, Error> {
        let Some((head, begin)) = self.read_head(context)? else {
            return Ok(More::Needed);
        };
        if self.chunked != matches!(head, Head::Chunk(_)) {
            return Err(Error::Invalid("chunk"));
        }
        let role = match head {
            Head::Chunk(_) | Head::End => Role::Plain,
            _ => self.role(context.shape),
        };
        if role == Role::Replaced && self.silent.is_none() {
            context.out.pass_to(begin);
            context.out.silent = true;
            self.silent = Some(self.levels.len());
        }
        if let Head::Blob(blob, bytes) = head {
            self.attributed = false;
            return Ok(self.blob(blob, bytes, role, begin, context));
        }
        if !self.held.is_empty() {
            context.out.put(&self.held);
            self.held.clear();
            context.out.skip_to(context.at);
        }
        if head == Head::End {
            return self.end();
        }
        self.attributed = false;
        match head {
            Head::Line(b'-') => self.step = Step::ErrorLine(Line::default()),
            Head::Line(_) => self.step = Step::Line(Line::default()),
            Head::StreamedString => {
                self.chunked = true;
                self.count_foreign(Text::of(role), context.prefix);
            }
            Head::Chunk(0) => {
                self.chunked = false;
                return Ok(More::Ended);
            }
            Head::Chunk(bytes) => self.step = Step::Body(bytes),
            Head::Aggregate(kind, elements) => return self.enter(kind, role, Some(elements)),
            Head::StreamedAggregate(kind) => return self.enter(kind, role, None),
            Head::NullBulk | Head::NullArray | Head::Blob(..) | Head::End => {
                return Ok(More::Ended);
            }
        }
        Ok(More::Going)
    }

    /// Reads a head, and answers where it begins. One that came in pieces is held, and begins where
    /// it ends.
    fn read_head(
        &mut self,
        context: &mut Context<'_, impl Sink>,
    ) -> Result<Option<(Head, usize)>, Error> {
        let begin = context.at;
        let held = self.held.len();
        let rest = context.rest();
        if held == 0 {
            if let Some((head, bytes)) = Head::read(rest)? {
                context.at += bytes;
                return Ok(Some((head, begin)));
            }
            context.out.pass_to(begin);
        }
        // Type, text, line end.
        let room = (HEAD_BYTES_MAX + 2).saturating_sub(held);
        self.held.extend(rest.iter().take(room));
        if held > 0
            && let Some((head, bytes)) = Head::read(&self.held)?
        {
            self.held.truncate(bytes);
            context.at += bytes.saturating_sub(held);
            context.out.skip_to(context.at);
            return Ok(Some((head, context.at)));
        }
        context.exhaust();
        context.out.skip_to(context.at);
        Ok(None)
    }

    /// What the value that begins is.
    fn role(&mut self, shape: &Shape) -> Role {
        let Some(level) = self.levels.last() else {
            return Role::of(shape);
        };
        let (Role::Exec, Shape::Exec(elements)) = (level.role, shape) else {
            return level.role.of_element(level.kind.is_paired(), level.index);
        };
        self.element = usize::try_from(level.index).unwrap_or(usize::MAX);
        match elements.get(self.element).map(Role::of) {
            // There is no EXEC in an EXEC.
            None | Some(Role::Exec) => Role::Plain,
            Some(role) => role,
        }
    }

    fn enter(&mut self, kind: Aggregate, role: Role, left: Option<u64>) -> Result<More, Error> {
        let is_attribute = kind == Aggregate::Attribute;
        if left == Some(0) {
            self.attributed = is_attribute;
            return Ok(if is_attribute {
                More::Going
            } else {
                More::Ended
            });
        }
        if self.levels.len() >= REDIS_DEPTH_MAX {
            return Err(Error::TooMany("aggregates inside one another"));
        }
        self.levels.push(Level {
            kind,
            role: if is_attribute { Role::Plain } else { role },
            left,
            index: 0,
        });
        Ok(More::Going)
    }

    /// The end of a streamed aggregate.
    fn end(&mut self) -> Result<More, Error> {
        let is_due = !self.attributed
            && self.levels.last().is_some_and(|level| {
                level.left.is_none() && (!level.kind.is_paired() || level.index.is_multiple_of(2))
            });
        if !is_due {
            return Err(Error::Invalid("end of aggregate"));
        }
        Ok(if self.leave() {
            More::Going
        } else {
            More::Ended
        })
    }

    fn line(
        &mut self,
        mut line: Line,
        is_error: bool,
        context: &mut Context<'_, impl Sink>,
    ) -> More {
        let (input, at) = (context.input, context.at);
        let end = if is_error {
            line.strip_to_end(context.prefix, input, at, &mut context.out)
        } else {
            line.find_end(input, at)
        };
        if let Some(end) = end {
            context.at = end;
            self.step = Step::Head;
            return More::Ended;
        }
        self.step = if is_error {
            Step::ErrorLine(line)
        } else {
            Step::Line(line)
        };
        context.exhaust()
    }
}
