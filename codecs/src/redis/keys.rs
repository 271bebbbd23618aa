//! Which arguments of a request are keys and channels, told one by one.
//!
//! What an argument is follows from those before it and their number alone, so that a value need
//! not be there, however long it is. Options are read as the server reads them: a word that it
//! takes for an option is one, the same word as a value is not; a word that no server has as an
//! option of the command is refused, because what follows it is not known.

use super::command::course::Course;
use super::command::{Forward, Refusal};
use super::table::{Begin, Command, Find, KeySpec};

mod options;

use options::Options;

/// Key specifications that a command may have; a server's own have at most three.
pub(super) const SPECS_MAX: usize = 4;

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes on as it is.
    Plain,
    /// The name of a key.
    Key,
    /// The name of a channel.
    Channel,
}

/// How the keys of a command are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grammar {
    /// There are none, nor channels.
    Keyless,
    /// The server's key specifications say it.
    Specs,
    /// A channel behind the name: PUBLISH, SPUBLISH.
    Channel,
    /// SORT; `stores`: and not SORT_RO.
    Sort { stores: bool },
    /// GEORADIUS, GEORADIUSBYMEMBER; where the options begin.
    GeoRadius { options: usize },
    /// XREAD; `group`: XREADGROUP.
    Streams { group: bool },
    /// COPY.
    Copy,
}

/// Says of each argument of one request what it is.
#[derive(Debug)]
pub struct Classifier<'t> {
    command: &'t Command,
    argc: usize,
    /// The place of the argument that comes next.
    at: usize,
    blocking: bool,
    walk: Walk<'t>,
}

#[derive(Debug)]
enum Walk<'t> {
    Keyless,
    Channel,
    Specs {
        specs: &'t [KeySpec],
        spans: [Span; SPECS_MAX],
    },
    Options(Options),
}

/// Places of keys: each `step`-th from the first up to, and not with, the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    first: usize,
    end: usize,
    step: usize,
}

// === impl Classifier ===

impl<'t> Classifier<'t> {
    /// Of a request with so many arguments, the name among them, as [`decide`] was told.
    ///
    /// # Errors
    ///
    /// None so far: what can be refused for the number alone was.
    ///
    /// [`decide`]: super::command::decide
    pub fn new(forward: &Forward<'t>, argc: usize) -> Result<Self, Refusal> {
        let command = forward.command;
        let Course::Forward(way) = &command.course else {
            return Err(Refusal::Undescribed);
        };
        let walk = match way.grammar {
            Grammar::Keyless => Walk::Keyless,
            Grammar::Channel => Walk::Channel,
            Grammar::Specs => {
                let mut spans = [Span::default(); SPECS_MAX];
                for (span, spec) in spans.iter_mut().zip(&command.specs) {
                    *span = Span::of_range(spec, argc);
                }
                let specs = &command.specs;
                Walk::Specs { specs, spans }
            }
            grammar => Walk::Options(Options::new(grammar)),
        };
        Ok(Self {
            command,
            argc,
            at: 0,
            blocking: forward.blocking,
            walk,
        })
    }

    /// Says what the next argument is; the name is the first, and plain. `None`: an argument that
    /// is longer than any number and any option's word, so that it can only be a value or a name.
    ///
    /// # Errors
    ///
    /// The request must not go to the server: it reaches for what is refused, or what follows this
    /// argument cannot be known.
    pub fn next(&mut self, argument: Option<&[u8]>) -> Result<Kind, Refusal> {
        let at = self.at;
        if at >= self.argc {
            return Err(Refusal::Arity);
        }
        self.at += 1;
        match &mut self.walk {
            Walk::Keyless => Ok(Kind::Plain),
            Walk::Channel if at == 1 => Ok(Kind::Channel),
            Walk::Channel => Ok(Kind::Plain),
            Walk::Specs { specs, spans } => {
                let is_key = spans.iter().any(|span| span.has(at));
                for (span, spec) in spans.iter_mut().zip(*specs) {
                    if let Some(counted) = Span::of_number(spec, at, argument, self.argc) {
                        *span = counted.map_err(|refusal| in_its_words(refusal, self.command))?;
                    }
                }
                Ok(if is_key { Kind::Key } else { Kind::Plain })
            }
            Walk::Options(options) => options.next(at, self.argc, argument),
        }
    }

    /// Whether the server may let the request wait, known when all arguments were given.
    #[must_use]
    pub const fn blocks(&self) -> bool {
        match &self.walk {
            Walk::Options(options) => options.blocks(),
            _ => self.blocking,
        }
    }

    /// All arguments were given.
    ///
    /// # Errors
    ///
    /// They were not; or no word in XREAD says which keys it is about, and where the server looks
    /// for them then is its own affair.
    pub fn finish(self) -> Result<(), Refusal> {
        match &self.walk {
            _ if self.at != self.argc => Err(Refusal::Arity),
            Walk::Options(options) if !options.is_whole() => Err(Refusal::Syntax),
            _ => Ok(()),
        }
    }
}

// === impl Span ===

impl Span {
    fn has(&self, at: usize) -> bool {
        let behind = at.checked_sub(self.first);
        at < self.end && behind.is_some_and(|behind| behind.checked_rem(self.step) == Some(0))
    }

    /// Keys that the number of arguments says (`getKeysUsingKeySpecs` in `src/db.c`).
    fn of_range(spec: &KeySpec, argc: usize) -> Self {
        let (Begin::Index(first), Find::Range { last, step, limit }) = (&spec.begin, &spec.find)
        else {
            return Self::default();
        };
        let (first, step) = (*first, *step);
        let end = match usize::try_from(*last) {
            Ok(last) => first.saturating_add(last).saturating_add(1),
            Err(_) => {
                let rest = if *limit <= 1 {
                    argc
                } else {
                    first.saturating_add(argc.saturating_sub(first) / limit)
                };
                let before = usize::try_from(last.unsigned_abs()).unwrap_or(usize::MAX);
                (rest.saturating_add(1)).saturating_sub(before)
            }
        };
        Self { first, end, step }
    }

    /// Keys that this argument says the number of; `None` if it does not.
    fn of_number(
        spec: &KeySpec,
        at: usize,
        argument: Option<&[u8]>,
        argc: usize,
    ) -> Option<Result<Self, Refusal>> {
        let Find::Number {
            number,
            first,
            step,
        } = spec.find
        else {
            return None;
        };
        let Begin::Index(begin) = spec.begin else {
            return None;
        };
        if begin.checked_add(number) != Some(at) {
            return None;
        }
        let Some(keys) = argument.and_then(integer) else {
            return Some(Err(Refusal::NotAnInteger));
        };
        // Less than one: the server refuses it where there must be a key.
        let keys = usize::try_from(keys.max(0)).unwrap_or(usize::MAX);
        let first = begin.saturating_add(first);
        let Some(last) = keys.checked_sub(1) else {
            return Some(Ok(Self::default()));
        };
        let last = last.saturating_mul(step).saturating_add(first);
        if last >= argc {
            return Some(Err(Refusal::KeysBeyondArguments));
        }
        let end = last.saturating_add(1);
        Some(Ok(Self { first, end, step }))
    }
}

/// Most commands call too many keys an error of syntax.
fn in_its_words(refusal: Refusal, command: &Command) -> Refusal {
    let says_so = command.is_in("scripting") || &*command.name == "sintercard";
    match refusal {
        Refusal::KeysBeyondArguments if !says_so => Refusal::Syntax,
        refusal => refusal,
    }
}

/// A number as the server reads it (`string2ll` in `src/util.c`): no blanks, no `+`, no zeros
/// before it.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_plain = match digits {
        [b'0'] => text == b"0",
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !is_plain {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
