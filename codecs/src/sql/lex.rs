//! Tokens of a statement, as coarse as splitting and classifying can do with. Comments and white
//! space are left out; an operator is one token for each of its characters.

use std::borrow::Cow;

/// Longest identifier in bytes; the server cuts longer ones off (`NAMEDATALEN` - 1).
const NAME_BYTES_MAX: usize = 63;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A key word or a name without quotes.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A string or number.
    Literal,
    /// One character of anything else.
    Symbol(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// Position in the text, in bytes.
    pub(super) start: usize,
    pub(super) text: &'a str,
}

impl<'a> Token<'a> {
    pub(super) const fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// `word` is in upper case, as all of ours are; the text may be in any.
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_symbol(&self, symbol: u8) -> bool {
        self.kind == Kind::Symbol(symbol)
    }

    /// The identifier as the catalogue would have it. Escapes of `U&""` are left as they are.
    pub(super) fn name(&self) -> Option<Cow<'a, str>> {
        let name = match self.kind {
            Kind::Word if self.text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                Cow::Owned(self.text.to_ascii_lowercase())
            }
            Kind::Word => Cow::Borrowed(self.text),
            Kind::Quoted => {
                let (_, text) = self.text.split_once('"')?;
                let text = text.strip_suffix('"').unwrap_or(text);
                if text.contains("\"\"") {
                    Cow::Owned(text.replace("\"\"", "\""))
                } else {
                    Cow::Borrowed(text)
                }
            }
            Kind::Literal | Kind::Symbol(_) => return None,
        };
        let end = name.floor_char_boundary(NAME_BYTES_MAX);
        Some(match name {
            Cow::Borrowed(name) => Cow::Borrowed(name.get(..end).unwrap_or(name)),
            Cow::Owned(mut name) => {
                name.truncate(end);
                Cow::Owned(name)
            }
        })
    }
}

/// Iterates over the tokens of a text. What is unterminated ends with the text.
#[derive(Clone, Debug)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
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
                (Some(b'-'), Some(b'-')) => self.skip(at, |byte| !is_newline(byte)),
                (Some(b'/'), Some(b'*')) => self.skip_comment(at + 2),
                _ => return at,
            };
        }
    }

    /// `at` is behind the opening of a comment, which may have others inside.
    fn skip_comment(&self, mut at: usize) -> usize {
        let mut depth = 1_usize;
        while depth > 0 {
            match (self.byte(at), self.byte(at + 1)) {
                (None, _) => return at,
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        at
    }

    /// `at` is behind the opening quote. A doubled quote stands for itself.
    fn skip_quoted(&self, mut at: usize, quote: u8) -> usize {
        loop {
            at = self.skip(at, |byte| byte != quote);
            if self.byte(at + 1) != Some(quote) {
                return (at + 1).min(self.text.len());
            }
            at += 2;
        }
    }

    /// `at` is behind the opening quote of a string in which a backslash protects what follows it,
    /// also in the parts that a line break continues it with.
    fn skip_escaped(&self, mut at: usize) -> usize {
        loop {
            at = self.skip(at, |byte| byte != b'\'' && byte != b'\\');
            at = match (self.byte(at), self.byte(at + 1)) {
                (None, _) => return self.text.len(),
                (Some(b'\\'), _) | (_, Some(b'\'')) => at + 2,
                _ => match self.continuation(at + 1) {
                    Some(inside) => inside,
                    None => return at + 1,
                },
            };
        }
    }

    /// `at` is behind a closing quote: `'a' <line break> 'b'` is one string. Answers the position
    /// behind the quote that opens it again.
    fn continuation(&self, mut at: usize) -> Option<usize> {
        let mut line_break = false;
        loop {
            at = match (self.byte(at)?, self.byte(at + 1)) {
                (byte, _) if is_space(byte) => {
                    line_break |= is_newline(byte);
                    at + 1
                }
                (b'-', Some(b'-')) => self.skip(at, |byte| !is_newline(byte)),
                (b'\'', _) if line_break => return Some(at + 1),
                _ => return None,
            };
        }
    }

    /// `at` is at a `$`. Answers the position behind the dollar-quoted string, if one begins here.
    fn skip_dollar_quoted(&self, at: usize) -> Option<usize> {
        let tag = at + 1;
        let tag_end = match self.byte(tag)? {
            byte if is_name_start(byte) => self.skip(tag, |byte| is_name(byte) && byte != b'$'),
            _ => tag,
        };
        if self.byte(tag_end)? != b'$' {
            return None;
        }
        let delimiter = self.text.get(at..=tag_end)?;
        let body = self.text.get(tag_end + 1..)?;
        let length = body.find(delimiter).map(|end| end + delimiter.len());
        Some(tag_end + 1 + length.unwrap_or(body.len()))
    }

    /// Kind of the token that begins at `at`, and its end.
    fn token(&self, at: usize, first: u8) -> (Kind, usize) {
        match (first.to_ascii_lowercase(), self.byte(at + 1)) {
            (b'\'', _) => (Kind::Literal, self.skip_quoted(at + 1, b'\'')),
            (b'"', _) => (Kind::Quoted, self.skip_quoted(at + 1, b'"')),
            (b'e', Some(b'\'')) => (Kind::Literal, self.skip_escaped(at + 2)),
            (b'b' | b'x' | b'n', Some(b'\'')) => (Kind::Literal, self.skip_quoted(at + 2, b'\'')),
            (b'u', Some(b'&')) if self.byte(at + 2) == Some(b'\'') => {
                (Kind::Literal, self.skip_quoted(at + 3, b'\''))
            }
            (b'u', Some(b'&')) if self.byte(at + 2) == Some(b'"') => {
                (Kind::Quoted, self.skip_quoted(at + 3, b'"'))
            }
            (byte, _) if is_name_start(byte) => (Kind::Word, self.skip(at, is_name)),
            (b'0'..=b'9', _) => (Kind::Literal, self.skip(at, |byte| byte.is_ascii_digit())),
            (b'$', _) => match self.skip_dollar_quoted(at) {
                Some(end) => (Kind::Literal, end),
                None => (Kind::Symbol(b'$'), at + 1),
            },
            _ => (Kind::Symbol(first), at + 1),
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let start = self.skip_blank(self.at);
        let (kind, end) = self.token(start, self.byte(start)?);
        self.at = end;
        // Tokens begin and end at ASCII bytes: names take in all others.
        let text = self.text.get(start..end)?;
        Some(Token { kind, start, text })
    }
}

/// The scanner's `space`, with the vertical tab that PostgreSQL 16 added.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

const fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// The scanner's `ident_start`: letters, the underscore, and every byte that is not ASCII.
const fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

/// The scanner's `ident_cont`.
const fn is_name(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}
