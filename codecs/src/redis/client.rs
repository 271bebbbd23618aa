//! Requests of a client: arrays of strings, and inline commands.
//!
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>; what a server takes is in
//! `processMultibulkBuffer` and `processInlineBuffer` of `src/networking.c`.
//!
//! [`Scan`] reads the request at the front of a buffer and goes on where it stopped when there is
//! more. A request that is too long to be held is read argument by argument: the open one is where
//! [`Scan::open`] says, and [`bulk_header`] reads the head of each one behind it.

use super::Error;
use super::frame::{integer, line};
use crate::limits::{
    REDIS_ARGS_BEFORE_AUTH_MAX, REDIS_ARGS_MAX, REDIS_BULK_BYTES_BEFORE_AUTH_MAX,
    REDIS_BULK_BYTES_MAX, REDIS_INLINE_BYTES_MAX,
};

mod inline;

/// Arguments that a [`Scan`] has room for when it is reset.
const ARGS_KEPT: usize = 256;

/// Bytes of inline arguments that a [`Scan`] has room for when it is reset.
const INLINE_BYTES_KEPT: usize = 1_024;

/// How much a request may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most arguments, the command among them.
    pub args_max: usize,
    /// Longest argument in bytes.
    pub bulk_bytes_max: u64,
    /// Longest inline request in bytes, with its line end.
    pub inline_bytes_max: usize,
}

impl Bounds {
    /// What anybody may send.
    pub const BEFORE_AUTH: Self = Self {
        args_max: REDIS_ARGS_BEFORE_AUTH_MAX,
        bulk_bytes_max: REDIS_BULK_BYTES_BEFORE_AUTH_MAX,
        inline_bytes_max: 16_384,
    };

    /// What a client may send that has proved who it is.
    pub const AFTER_AUTH: Self = Self {
        args_max: REDIS_ARGS_MAX,
        bulk_bytes_max: REDIS_BULK_BYTES_MAX,
        inline_bytes_max: REDIS_INLINE_BYTES_MAX,
    };
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// More bytes are needed.
    Incomplete,
    /// It is all there. Without arguments it is an empty line or array, which is passed over and
    /// not answered.
    Whole {
        /// Bytes of the whole request, to be taken off the buffer.
        bytes: usize,
    },
}

/// An argument whose length is known, and whose bytes are not all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its place; the command has place 0.
    pub index: usize,
    /// Where its first byte is, or will be, in the input.
    pub start: usize,
    /// Its bytes, without the line end behind it.
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Step {
    #[default]
    Start,
    Inline,
    Args,
    Whole,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    end: usize,
}

/// One request, as far as it has come.
///
/// ```text
///          '*' and a number                     all of them
///   start ──────────────────► arguments ──────────────────────► whole
///     └───── another byte ──► inline ────── line end ─────────────┘
/// ```
#[derive(Debug, Default)]
pub struct Scan {
    step: Step,
    declared: usize,
    /// Where the next argument's head begins; in an inline request, where no line end was found
    /// before. The bytes of the request when it is whole.
    position: usize,
    args: Vec<Place>,
    open: Option<Open>,
    /// Arguments of an inline request one behind the other, without quotes.
    unquoted: Vec<u8>,
    inline: bool,
}

impl Scan {
    /// Goes on with the request. `input` begins with its first byte in each call, and has at least
    /// what it had in the last.
    ///
    /// # Errors
    ///
    /// What the server would say, or a line end that is missing. Every further call gives the same.
    pub fn resume(&mut self, input: &[u8], bounds: &Bounds) -> Result<Scanned, Error> {
        if matches!(self.step, Step::Start) {
            match input.first() {
                None => return Ok(Scanned::Incomplete),
                Some(b'*') => {
                    let Some((args, bytes)) = array_header(input, bounds)? else {
                        return Ok(Scanned::Incomplete);
                    };
                    self.declared = args;
                    self.position = bytes;
                    self.step = Step::Args;
                }
                Some(_) => {
                    self.inline = true;
                    self.step = Step::Inline;
                }
            }
        }
        match self.step {
            Step::Inline => self.resume_inline(input, bounds),
            Step::Args => self.resume_args(input, bounds),
            Step::Start | Step::Whole => Ok(Scanned::Whole {
                bytes: self.position,
            }),
        }
    }

    fn resume_args(&mut self, input: &[u8], bounds: &Bounds) -> Result<Scanned, Error> {
        while self.args.len() < self.declared {
            let open = match self.open {
                Some(open) => open,
                None => {
                    let rest = input.get(self.position..).unwrap_or_default();
                    let Some((bytes, header_bytes)) = bulk_header(rest, bounds)? else {
                        return Ok(Scanned::Incomplete);
                    };
                    *self.open.insert(Open {
                        index: self.args.len(),
                        start: self.position + header_bytes,
                        bytes,
                    })
                }
            };
            let Some(end) = usize::try_from(open.bytes)
                .ok()
                .and_then(|bytes| open.start.checked_add(bytes))
            else {
                return Err(Error::BulkLength);
            };
            match input.get(end..) {
                Some([b'\r', b'\n', ..]) => {}
                None | Some([] | [b'\r']) => return Ok(Scanned::Incomplete),
                Some(_) => return Err(Error::LineEnd),
            }
            self.args.push(Place {
                start: open.start,
                end,
            });
            self.open = None;
            self.position = end + 2;
        }
        self.step = Step::Whole;
        Ok(Scanned::Whole {
            bytes: self.position,
        })
    }

    fn resume_inline(&mut self, input: &[u8], bounds: &Bounds) -> Result<Scanned, Error> {
        let searched = input.get(self.position..).unwrap_or_default();
        let end = searched.iter().position(|byte| *byte == b'\n');
        let end = end.map(|end| self.position + end);
        if end.map_or(input.len(), |end| end + 1) > bounds.inline_bytes_max {
            return Err(Error::Inline);
        }
        let Some(end) = end else {
            self.position = input.len();
            return Ok(Scanned::Incomplete);
        };
        let text = input.get(..end).unwrap_or_default();
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        self.args.clear();
        self.unquoted.clear();
        let mut rest = text;
        loop {
            let start = self.unquoted.len();
            let Some(behind) = inline::argument(rest, &mut self.unquoted)? else {
                break;
            };
            if self.args.len() >= bounds.args_max {
                return Err(Error::UnauthenticatedMultibulk);
            }
            let end = self.unquoted.len();
            self.args.push(Place { start, end });
            rest = behind;
        }
        self.declared = self.args.len();
        self.position = end + 1;
        self.step = Step::Whole;
        Ok(Scanned::Whole {
            bytes: self.position,
        })
    }

    /// Arguments that the request says it has; 0 while that is not known.
    #[must_use]
    pub const fn declared(&self) -> usize {
        self.declared
    }

    /// Arguments that are whole.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.args.len()
    }

    /// Whether no argument is whole.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.args.is_empty()
    }

    /// An argument that is whole, of the input that was scanned; those of an inline request are
    /// without their quotes.
    #[must_use]
    pub fn arg<'i>(&'i self, input: &'i [u8], index: usize) -> Option<&'i [u8]> {
        let place = self.args.get(index)?;
        let bytes = if self.inline { &self.unquoted } else { input };
        bytes.get(place.start..place.end)
    }

    /// Where an argument that is whole is in the input; `None` for those of an inline request.
    #[must_use]
    pub fn range(&self, index: usize) -> Option<std::ops::Range<usize>> {
        let place = self.args.get(index).filter(|_| !self.inline)?;
        Some(place.start..place.end)
    }

    /// The argument that is not whole, if its length is known.
    #[must_use]
    pub const fn open(&self) -> Option<Open> {
        self.open
    }

    /// Where the head of the next argument begins while none is open, and where the request ends
    /// when it is whole.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Whether the request is a line.
    #[must_use]
    pub const fn is_inline(&self) -> bool {
        self.inline
    }

    /// Begins the next request. Keeps what is allocated, as far as that is little.
    pub fn reset(&mut self) {
        self.args.clear();
        self.args.shrink_to(ARGS_KEPT);
        self.unquoted.clear();
        self.unquoted.shrink_to(INLINE_BYTES_KEPT);
        self.step = Step::Start;
        self.declared = 0;
        self.position = 0;
        self.open = None;
        self.inline = false;
    }
}

/// Reads the head of a request: its arguments and the bytes of the head; `None` if it is not all
/// there. Less than none is none.
fn array_header(input: &[u8], bounds: &Bounds) -> Result<Option<(usize, usize)>, Error> {
    let Some(text) = line(input.get(1..).unwrap_or_default(), Error::MultibulkCount)? else {
        return Ok(None);
    };
    let args = integer(text)
        .and_then(|args| i32::try_from(args.max(0)).ok())
        .and_then(|args| usize::try_from(args).ok())
        .ok_or(Error::MultibulkLength)?;
    if args > bounds.args_max {
        let is_small = bounds.args_max < REDIS_ARGS_MAX;
        return Err(if is_small {
            Error::UnauthenticatedMultibulk
        } else {
            Error::MultibulkLength
        });
    }
    Ok(Some((args, text.len() + 3)))
}

/// Reads the head of an argument: the bytes of the argument and those of the head; `None` if it is
/// not all there. Looks at a few bytes only, however often it is called.
///
/// # Errors
///
/// Another type, or a length that is none or beyond the bounds.
pub fn bulk_header(input: &[u8], bounds: &Bounds) -> Result<Option<(u64, usize)>, Error> {
    let Some((first, rest)) = input.split_first() else {
        return Ok(None);
    };
    if *first != b'$' {
        return Err(Error::Dollar(*first));
    }
    let Some(text) = line(rest, Error::BulkCount)? else {
        return Ok(None);
    };
    let bytes = integer(text)
        .and_then(|bytes| u64::try_from(bytes).ok())
        .filter(|bytes| *bytes <= REDIS_BULK_BYTES_MAX)
        .ok_or(Error::BulkLength)?;
    if bytes > bounds.bulk_bytes_max {
        return Err(Error::UnauthenticatedBulk);
    }
    Ok(Some((bytes, text.len() + 3)))
}

#[cfg(test)]
mod tests;
