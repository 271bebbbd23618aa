//! Where statements end.

use super::lex::{Kind, Token, Tokens};

/// The statements of a text, in order, each from its first token to its last: without the
/// semicolon, and without the white space and comments around it. What is only white space and
/// comments is no statement.
///
/// A semicolon ends a statement unless it stands in quotes, in a comment, in parentheses (the
/// commands of CREATE RULE) or in the `BEGIN ATOMIC … END` body of a function.
#[must_use]
pub fn split(text: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut nesting = Nesting::default();
    let mut range: Option<(usize, usize)> = None;
    for token in Tokens::new(text) {
        if token.is_symbol(b';') && nesting.is_flat() {
            statements.extend(range.take().and_then(|(start, end)| text.get(start..end)));
            nesting = Nesting::default();
        } else {
            nesting.see(token);
            let start = range.map_or(token.start, |(start, _)| start);
            range = Some((start, token.end()));
        }
    }
    statements.extend(range.and_then(|(start, end)| text.get(start..end)));
    statements
}

/// How far the head of a statement has the form `CREATE [OR REPLACE] { FUNCTION | PROCEDURE }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Head {
    #[default]
    Start,
    Create,
    Or,
    Replace,
    Routine,
    Other,
}

impl Head {
    fn see(self, token: Token<'_>) -> Self {
        match self {
            Self::Start if token.is("CREATE") => Self::Create,
            Self::Create if token.is("OR") => Self::Or,
            Self::Or if token.is("REPLACE") => Self::Replace,
            Self::Create | Self::Replace if token.is("FUNCTION") || token.is("PROCEDURE") => {
                Self::Routine
            }
            Self::Routine => Self::Routine,
            _ => Self::Other,
        }
    }
}

/// Whether the next semicolon is inside something.
#[derive(Debug, Default)]
struct Nesting<'a> {
    head: Head,
    parentheses: usize,
    /// In the body of a function, between `BEGIN ATOMIC` and its `END`.
    body: bool,
    /// Each CASE that is open in the body, by the parentheses it stands in: it has an END of its
    /// own.
    cases: Vec<usize>,
    previous: Option<Token<'a>>,
}

impl<'a> Nesting<'a> {
    fn is_flat(&self) -> bool {
        self.parentheses == 0 && !self.body
    }

    fn see(&mut self, token: Token<'a>) {
        self.head = self.head.see(token);
        match token.kind {
            Kind::Symbol(b'(') => self.parentheses += 1,
            Kind::Symbol(b')') => self.parentheses = self.parentheses.saturating_sub(1),
            Kind::Word if self.body => self.see_in_body(token),
            Kind::Word => {
                self.body = token.is("ATOMIC")
                    && self.head == Head::Routine
                    && self.parentheses == 0
                    && self.previous.is_some_and(|previous| previous.is("BEGIN"));
            }
            _ => {}
        }
        self.previous = Some(token);
    }

    fn see_in_body(&mut self, token: Token<'a>) {
        let Some(previous) = self.previous else {
            return;
        };
        // `t.end` and `AS end` are names.
        if previous.is_symbol(b'.') || previous.is("AS") {
            return;
        }
        if token.is("CASE") {
            self.cases.push(self.parentheses);
        } else if token.is("END") {
            if self.cases.last() == Some(&self.parentheses) {
                self.cases.pop();
            } else if self.cases.is_empty() && self.parentheses == 0 {
                // Every statement of a body ends in a semicolon, so an END elsewhere is a name.
                self.body = !(previous.is_symbol(b';') || previous.is("ATOMIC"));
            }
        }
    }
}
