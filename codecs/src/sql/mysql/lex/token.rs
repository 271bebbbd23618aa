//! What a text is cut into.

use std::borrow::Cow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql::mysql) enum Kind {
    /// A key word or a name without quotes.
    Word,
    /// A name in its quotes.
    Quoted,
    /// A string or number.
    Literal,
    /// `@name`, `@@global.name`: a variable, or the host of an account.
    Variable,
    /// Opening of an executable comment. Its content is code.
    Open,
    /// End of an executable comment.
    Close,
    /// A string, quoted name or comment that goes to the end of the text: a syntax error, or read
    /// otherwise than the server does.
    Unterminated,
    /// One character of anything else.
    Symbol(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql::mysql) struct Token<'a> {
    pub(in crate::sql::mysql) kind: Kind,
    /// Position in the text, in bytes.
    pub(in crate::sql::mysql) start: usize,
    pub(in crate::sql::mysql) text: &'a str,
}

impl<'a> Token<'a> {
    pub(in crate::sql::mysql) const fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// `word` is in upper case, as all of ours are; the text may be in any.
    pub(in crate::sql::mysql) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub(in crate::sql::mysql) fn is_one_of(&self, words: &[&str]) -> bool {
        self.kind == Kind::Word
            && words
                .iter()
                .any(|word| self.text.eq_ignore_ascii_case(word))
    }

    pub(in crate::sql::mysql) fn is_symbol(&self, symbol: u8) -> bool {
        self.kind == Kind::Symbol(symbol)
    }

    /// The identifier without its quotes.
    pub(in crate::sql::mysql) fn name(&self) -> Option<Cow<'a, str>> {
        match self.kind {
            Kind::Word => Some(Cow::Borrowed(self.text)),
            Kind::Quoted => {
                let quote = self.text.get(..1)?;
                let text = self.text.get(1..)?;
                let text = text.strip_suffix(quote).unwrap_or(text);
                let doubled = [quote, quote].concat();
                Some(if text.contains(&doubled) {
                    Cow::Owned(text.replace(&doubled, quote))
                } else {
                    Cow::Borrowed(text)
                })
            }
            _ => None,
        }
    }
}
