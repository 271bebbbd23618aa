//! Commands whose options are read one by one, as the server does it.

use super::{Grammar, Kind};
use crate::redis::command::Refusal;

/// A request whose options are being read.
#[derive(Debug)]
pub(super) struct Options {
    grammar: Grammar,
    expect: Expect,
    blocks: bool,
}

/// What the next argument is, behind those that have their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// The word of an option.
    Word,
    /// So many values of one.
    Values(usize),
    /// A key.
    Key,
    /// What SORT sorts by, and what it fetches.
    By,
    Get,
    /// The number of a database.
    Database,
    /// Keys up to this place, then an id for each.
    Streams {
        end: usize,
    },
}

const BY: Refusal = Refusal::ServerWide(
    "BY with a pattern reads keys that are not named; use BY nosort, or sort in the application",
);
const GET: Refusal = Refusal::ServerWide(
    "GET with a pattern reads keys that are not named; use GET #, and fetch the values with MGET",
);
/// Access lists of Redis 7.0 to 8.2 and of Valkey 8 look at the first STORE, the command goes by
/// the last.
const GEO_STORE: Refusal =
    Refusal::ServerWide("STORE is not held by the server's access list; use GEOSEARCHSTORE");
const DATABASE: Refusal =
    Refusal::ServerWide("a database has the number 0 only; leave DB out, or say DB 0");

// === impl Options ===

impl Options {
    pub(super) const fn new(grammar: Grammar) -> Self {
        Self {
            grammar,
            expect: Expect::Word,
            blocks: false,
        }
    }

    pub(super) const fn blocks(&self) -> bool {
        self.blocks
    }

    /// Whether what was said may be all, once there is no more.
    pub(super) const fn is_whole(&self) -> bool {
        match self.grammar {
            Grammar::Streams { .. } => matches!(self.expect, Expect::Streams { .. }),
            _ => true,
        }
    }

    pub(super) fn next(
        &mut self,
        at: usize,
        argc: usize,
        argument: Option<&[u8]>,
    ) -> Result<Kind, Refusal> {
        if let Some(kind) = self.at_its_place(at) {
            return Ok(kind);
        }
        let (kind, expect) = match self.expect {
            Expect::Word => {
                // Where the server's comparison of strings ends.
                let word = argument.and_then(|argument| argument.split(|b| *b == 0).next());
                (
                    Kind::Plain,
                    self.word(word.ok_or(Refusal::Syntax)?, at, argc)?,
                )
            }
            Expect::Values(values) if values > 1 => (Kind::Plain, Expect::Values(values - 1)),
            Expect::Values(_) => (Kind::Plain, Expect::Word),
            Expect::Key => (Kind::Key, Expect::Word),
            Expect::By if argument.is_some_and(|pattern| !pattern.contains(&b'*')) => {
                (Kind::Plain, Expect::Word)
            }
            Expect::By => return Err(BY),
            Expect::Get if argument == Some(b"#") => (Kind::Plain, Expect::Word),
            Expect::Get => return Err(GET),
            Expect::Database if argument == Some(b"0") => (Kind::Plain, Expect::Word),
            Expect::Database => return Err(DATABASE),
            Expect::Streams { end } if at < end => (Kind::Key, self.expect),
            Expect::Streams { .. } => (Kind::Plain, self.expect),
        };
        self.expect = expect;
        Ok(kind)
    }

    /// What an argument is that stands before the options.
    fn at_its_place(&self, at: usize) -> Option<Kind> {
        let (keys, options) = match self.grammar {
            Grammar::Sort { .. } => (1, 2),
            Grammar::GeoRadius { options } => (1, options),
            Grammar::Copy => (2, 3),
            _ => (0, 1),
        };
        match at {
            0 => Some(Kind::Plain),
            at if at <= keys => Some(Kind::Key),
            at if at < options => Some(Kind::Plain),
            _ => None,
        }
    }

    /// What follows the word of an option. A word without all its values is none for the server.
    fn word(&mut self, word: &[u8], at: usize, argc: usize) -> Result<Expect, Refusal> {
        let mut lower = [0; WORD_BYTES_MAX];
        let lower = lower.get_mut(..word.len()).ok_or(Refusal::Syntax)?;
        lower.copy_from_slice(word);
        lower.make_ascii_lowercase();
        let values = argc.saturating_sub(at).saturating_sub(1);
        if matches!(self.grammar, Grammar::GeoRadius { .. })
            && matches!(&*lower, b"store" | b"storedist")
        {
            return Err(GEO_STORE);
        }
        let expect = match self.grammar {
            Grammar::Sort { stores } => sort(lower, stores),
            Grammar::GeoRadius { .. } => georadius(lower),
            Grammar::Streams { group } => {
                self.blocks |= *lower == *b"block";
                let end = at + 1 + values / 2;
                streams(lower, group, end)
            }
            Grammar::Copy => copy(lower),
            _ => None,
        };
        let expect = expect.ok_or(Refusal::Syntax)?;
        let needed = match expect {
            Expect::Word => 0,
            Expect::Values(needed) => needed,
            _ => 1,
        };
        if values < needed {
            return Err(Refusal::Syntax);
        }
        Ok(expect)
    }
}

/// `sortCommandGeneric` in `src/sort.c`.
fn sort(word: &[u8], stores: bool) -> Option<Expect> {
    Some(match word {
        b"asc" | b"desc" | b"alpha" => Expect::Word,
        b"limit" => Expect::Values(2),
        b"store" if stores => Expect::Key,
        b"by" => Expect::By,
        b"get" => Expect::Get,
        _ => return None,
    })
}

/// `georadiusGeneric` in `src/geo.c`, without what stores.
fn georadius(word: &[u8]) -> Option<Expect> {
    Some(match word {
        b"withdist" | b"withhash" | b"withcoord" | b"any" | b"asc" | b"desc" => Expect::Word,
        b"count" => Expect::Values(1),
        _ => return None,
    })
}

/// `xreadCommand` in `src/t_stream.c`; CLAIM came with Redis 8.4.
fn streams(word: &[u8], group: bool, end: usize) -> Option<Expect> {
    Some(match word {
        b"block" | b"count" => Expect::Values(1),
        b"claim" if group => Expect::Values(1),
        b"group" if group => Expect::Values(2),
        b"noack" if group => Expect::Word,
        b"streams" => Expect::Streams { end },
        _ => return None,
    })
}

/// `copyCommand` in `src/db.c`.
fn copy(word: &[u8]) -> Option<Expect> {
    Some(match word {
        b"replace" => Expect::Word,
        b"db" => Expect::Database,
        _ => return None,
    })
}

/// Longest word of an option, in bytes.
const WORD_BYTES_MAX: usize = 16;
