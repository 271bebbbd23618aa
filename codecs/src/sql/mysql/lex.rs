//! Tokens of a statement, as coarse as splitting and classifying can do with. Comments and white
//! space are left out; an operator is one token for each of its characters.

mod token;

pub(super) use token::{Kind, Token};

use super::Mode;

/// Executable comments of this version and later are comments to every server: nobody has released
/// it (`/*!99999`, and `/*M!999999\-` at the head of MariaDB's dumps).
const VERSION_OF_NONE: u32 = 99_999;
/// The same where the version has six digits: MariaDB's begin at 100000.
const LONG_VERSION_OF_NONE: u32 = 990_000;

/// Executable comments of this version and later are code to MySQL and comments to MariaDB, which
/// in turn has `/*M!`: neither can be told from the text.
const VERSION_DISPUTED: u32 = 50_700;

/// How a text is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    pub(super) mode: Mode,
    /// Executable comments that one of the servers takes for comments are comments.
    pub(super) disputed_skipped: bool,
}

impl From<Mode> for Reading {
    fn from(mode: Mode) -> Self {
        Self {
            mode,
            disputed_skipped: false,
        }
    }
}

/// Iterates over the tokens of a text, without the marks of executable comments. What is
/// unterminated ends with the text.
#[derive(Clone, Debug)]
pub(super) struct Tokens<'a>(Scanner<'a>);

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str, reading: impl Into<Reading>) -> Self {
        Self(Scanner::new(text, reading))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.0
            .find(|token| !matches!(token.kind, Kind::Open | Kind::Close))
    }
}

/// Iterates over the tokens of a text and the marks of its executable comments.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    reading: Reading,
    at: usize,
    /// In an executable comment. They do not nest: one inside another ends with the first end, as
    /// in the servers.
    executable: bool,
    /// A word has ended here: what a dot adds to it is a name, whatever it looks like.
    word_end: Option<usize>,
    /// The dot behind a word has ended here.
    dot_end: Option<usize>,
    dollars: Dollars,
}

/// How near the statement is to text in dollar quotes (`CREATE FUNCTION … LANGUAGE JAVASCRIPT AS
/// $$ … $$`, MySQL 9). Elsewhere they are not looked for: to MariaDB, and in names, `$` is a
/// letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Dollars {
    #[default]
    Start,
    Create,
    Language,
    As,
    Never,
}

impl Dollars {
    fn see(self, token: Token<'_>) -> Self {
        match self {
            _ if token.is_symbol(b';') => Self::Start,
            Self::Start if token.is("CREATE") => Self::Create,
            Self::Start if !matches!(token.kind, Kind::Open | Kind::Close) => Self::Never,
            Self::Create if token.is("LANGUAGE") => Self::Language,
            Self::Language if token.is("AS") => Self::As,
            Self::As => Self::Language,
            other => other,
        }
    }
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str, reading: impl Into<Reading>) -> Self {
        Self {
            text,
            reading: reading.into(),
            at: 0,
            executable: false,
            word_end: None,
            dot_end: None,
            dollars: Dollars::Start,
        }
    }

    /// The statement has ended: the next one begins outside of executable comments.
    pub(super) const fn end_statement(&mut self) {
        self.executable = false;
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// First position from `at` on whose byte is not `wanted`.
    fn skip(&self, at: usize, wanted: impl Fn(u8) -> bool) -> usize {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        let length = rest.iter().position(|byte| !wanted(*byte));
        at + length.unwrap_or(rest.len())
    }

    /// Position behind white space and comments.
    fn skip_blank(&self, mut at: usize) -> usize {
        loop {
            at = match (self.byte(at), self.byte(at + 1)) {
                (Some(byte), _) if is_space(byte) => self.skip(at, is_space),
                (Some(b'#'), _) => self.skip(at, |byte| !ends_line(byte)),
                (Some(b'-'), Some(b'-')) if self.byte(at + 2).is_none_or(divides) => {
                    self.skip(at, |byte| !ends_line(byte))
                }
                (Some(b'/'), Some(b'*')) if self.code_of_comment(at).is_none() => {
                    let nested = self.mark_of_comment(at).is_some();
                    match self.skip_comment(at + 2, nested) {
                        Some(end) => end,
                        None => return at,
                    }
                }
                _ => return at,
            };
        }
    }

    /// `at` is behind the opening of a comment. One that the server skips for its version may have
    /// one level of others inside. `None` if it does not end.
    fn skip_comment(&self, mut at: usize, nested: bool) -> Option<usize> {
        loop {
            at = match (self.byte(at)?, self.byte(at + 1)) {
                (b'*', Some(b'/')) => return Some(at + 2),
                (b'/', Some(b'*')) if nested => self.skip_comment(at + 2, false)?,
                _ => at + 1,
            };
        }
    }

    /// `at` is at the opening of a comment. Answers the position of the code in it, if it is
    /// executable: behind a version of exactly five or six digits, if there is one.
    fn code_of_comment(&self, at: usize) -> Option<usize> {
        let mark = self.mark_of_comment(at)?;
        let skipped = self.reading.disputed_skipped;
        if skipped && self.byte(at + 2) == Some(b'M') {
            return None;
        }
        let digits = self.skip(mark, |byte| byte.is_ascii_digit()) - mark;
        if digits < 5 {
            return Some(mark);
        }
        let end = mark + digits.min(6);
        let version: u32 = self.text.get(mark..end)?.parse().ok()?;
        let limit = match end - mark {
            _ if skipped => VERSION_DISPUTED,
            5 => VERSION_OF_NONE,
            _ => LONG_VERSION_OF_NONE,
        };
        (version < limit).then_some(end)
    }

    /// `at` is at the opening of a comment: the position behind `/*!` or `/*M!`.
    fn mark_of_comment(&self, at: usize) -> Option<usize> {
        match (self.byte(at + 2)?, self.byte(at + 3)) {
            (b'!', _) => Some(at + 3),
            (b'M', Some(b'!')) => Some(at + 4),
            _ => None,
        }
    }

    /// `at` is behind the opening quote. A doubled quote stands for itself; in a string a backslash
    /// protects what follows it, unless the mode says otherwise.
    fn skip_quoted(&self, mut at: usize, quote: u8, escapes: bool) -> Option<usize> {
        loop {
            at = self.skip(at, |byte| byte != quote && !(escapes && byte == b'\\'));
            at = match (self.byte(at)?, self.byte(at + 1)) {
                (b'\\', _) if escapes => at + 2,
                (_, Some(next)) if next == quote => at + 2,
                _ => return Some(at + 1),
            };
        }
    }

    /// `at` is behind the opening quote.
    fn quoted(&self, at: usize, quote: u8, kind: Kind) -> (Kind, usize) {
        let escapes = kind == Kind::Literal && !self.reading.mode.no_backslash_escapes;
        match self.skip_quoted(at, quote, escapes) {
            Some(end) => (kind, end),
            None => (Kind::Unterminated, self.text.len()),
        }
    }

    /// `at` is at a `$`. Answers the position behind the dollar-quoted text, if it is one and ends.
    fn skip_dollar_quoted(&self, at: usize) -> Option<usize> {
        let tag_end = self.skip(at + 1, |byte| is_name(byte) && byte != b'$');
        let delimiter = self.text.get(at..=tag_end)?;
        let body = self.text.get(tag_end + 1..)?;
        let length = delimiter.ends_with('$').then(|| body.find(delimiter))??;
        Some(tag_end + 1 + length + delimiter.len())
    }

    /// `at` is at a digit: a number, or a name that begins with one.
    fn number_or_word(&self, at: usize) -> (Kind, usize) {
        let digits = self.skip(at, |byte| byte.is_ascii_digit());
        let end = self.skip(at, is_name);
        match self.byte(digits) {
            Some(b'.') => (Kind::Literal, self.fraction(digits)),
            Some(b'e' | b'E') if self.exponent(digits) > digits => {
                (Kind::Literal, self.exponent(digits))
            }
            Some(b'x') if digits == at + 1 && self.byte(at) == Some(b'0') => {
                let hex = self.skip(digits + 1, |byte| byte.is_ascii_hexdigit());
                self.based(digits, hex, end)
            }
            Some(b'b') if digits == at + 1 && self.byte(at) == Some(b'0') => {
                let bits = self.skip(digits + 1, |byte| matches!(byte, b'0' | b'1'));
                self.based(digits, bits, end)
            }
            Some(byte) if is_name(byte) => (Kind::Word, end),
            _ => (Kind::Literal, digits),
        }
    }

    /// `0x…` or `0b…` is a number if it has digits and nothing else.
    const fn based(&self, base: usize, digits: usize, end: usize) -> (Kind, usize) {
        if digits == end && digits > base + 1 {
            (Kind::Literal, end)
        } else {
            (Kind::Word, end)
        }
    }

    /// `at` is at the point of a number: its end.
    fn fraction(&self, at: usize) -> usize {
        self.exponent(self.skip(at + 1, |byte| byte.is_ascii_digit()))
    }

    /// Position behind the exponent at `at`, if there is one.
    fn exponent(&self, at: usize) -> usize {
        if !matches!(self.byte(at), Some(b'e' | b'E')) {
            return at;
        }
        let sign = usize::from(matches!(self.byte(at + 1), Some(b'+' | b'-')));
        let digits = at + 1 + sign;
        match self.skip(digits, |byte| byte.is_ascii_digit()) {
            end if end > digits => end,
            _ => at,
        }
    }

    /// `at` is at an `@`.
    fn variable(&self, at: usize) -> (Kind, usize) {
        let name = match self.byte(at + 1) {
            Some(b'@') => at + 2,
            _ => at + 1,
        };
        // A dot is part of the name of a variable and of a host.
        match self.skip(name, |byte| is_name(byte) || byte == b'.') {
            end if end > name => (Kind::Variable, end),
            _ => (Kind::Symbol(b'@'), at + 1),
        }
    }

    /// Kind of the token that begins at `at`, and its end.
    fn token(&self, at: usize, first: u8) -> (Kind, usize) {
        let next = self.byte(at + 1);
        match first {
            _ if self.dot_end == Some(at) && is_name(first) => (Kind::Word, self.skip(at, is_name)),
            b'\'' => self.quoted(at + 1, first, Kind::Literal),
            b'"' if !self.reading.mode.ansi_quotes => self.quoted(at + 1, first, Kind::Literal),
            b'"' | b'`' => self.quoted(at + 1, first, Kind::Quoted),
            b'n' | b'N' | b'x' | b'X' | b'b' | b'B' if next == Some(b'\'') => {
                self.quoted(at + 2, b'\'', Kind::Literal)
            }
            b'0'..=b'9' => self.number_or_word(at),
            b'$' if self.dollars == Dollars::As => match self.skip_dollar_quoted(at) {
                Some(end) => (Kind::Literal, end),
                None => (Kind::Word, self.skip(at, is_name)),
            },
            byte if is_name(byte) => (Kind::Word, self.skip(at, is_name)),
            b'@' => self.variable(at),
            b'.' if self.word_end != Some(at) && next.is_some_and(|b| b.is_ascii_digit()) => {
                (Kind::Literal, self.fraction(at))
            }
            b'/' if next == Some(b'*') => match self.code_of_comment(at) {
                Some(code) => (Kind::Open, code),
                None => (Kind::Unterminated, self.text.len()),
            },
            b'*' if self.executable && next == Some(b'/') => (Kind::Close, at + 2),
            _ => (Kind::Symbol(first), at + 1),
        }
    }
}

impl<'a> Iterator for Scanner<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let start = self.skip_blank(self.at);
        let (kind, end) = self.token(start, self.byte(start)?);
        // Tokens begin and end at ASCII bytes, but for a backslash in front of a longer character.
        let end = self.text.ceil_char_boundary(end);
        self.at = end;
        match kind {
            Kind::Open => self.executable = true,
            Kind::Close => self.executable = false,
            _ => {}
        }
        let joins = kind == Kind::Symbol(b'.') && self.word_end == Some(start);
        self.dot_end = joins.then_some(end);
        self.word_end = (kind == Kind::Word).then_some(end);
        let text = self.text.get(start..end)?;
        let token = Token { kind, start, text };
        self.dollars = self.dollars.see(token);
        Some(token)
    }
}

/// The scanner's `my_isspace`.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// What must follow `--` for a comment: white space or a control character.
const fn divides(byte: u8) -> bool {
    is_space(byte) || byte.is_ascii_control()
}

/// What ends a comment that begins with `--` or `#`.
const fn ends_line(byte: u8) -> bool {
    matches!(byte, b'\n' | 0)
}

/// The scanner's `ident_map`: letters, digits, `_`, `$`, and every byte that is not ASCII.
const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}
