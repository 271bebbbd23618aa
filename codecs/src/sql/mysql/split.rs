//! Where statements end.

use super::Mode;
use super::lex::{Kind, Reading, Scanner};
use super::nesting::Nesting;

/// The statements of a text, in order, each from its first token to its last: without the
/// semicolon, and without the white space and comments around it, but with the marks of an
/// executable comment that it begins or ends in. What is only white space and comments is no
/// statement.
///
/// A semicolon ends a statement unless it stands in quotes, in a comment, or in the body of a
/// routine, trigger, event or package. DELIMITER is a command of the clients and none of the
/// servers.
#[must_use]
pub fn split(text: &str, mode: Mode) -> Vec<&str> {
    pieces(text, mode.into())
}

pub(super) fn pieces(text: &str, reading: Reading) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut nesting = Nesting::default();
    let mut range: Option<(usize, usize)> = None;
    // Of the executable comment that is open.
    let mut opening = None;
    let mut tokens = Scanner::new(text, reading);
    while let Some(token) = tokens.next() {
        match token.kind {
            Kind::Open => opening = opening.or(Some(token.start)),
            Kind::Close => {
                opening = None;
                range = range.map(|(start, _)| (start, token.end()));
            }
            Kind::Symbol(b';') if nesting.is_flat() => {
                statements.extend(range.take().and_then(|(start, end)| text.get(start..end)));
                nesting = Nesting::default();
                opening = None;
                tokens.end_statement();
            }
            _ => {
                nesting.see(token);
                let first = opening.unwrap_or(token.start);
                range = Some((range.map_or(first, |(start, _)| start), token.end()));
            }
        }
    }
    statements.extend(range.and_then(|(start, end)| text.get(start..end)));
    statements
}
