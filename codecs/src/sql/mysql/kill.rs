//! KILL.

use std::ops::Range;

use super::Mode;
use super::lex::{Kind, Tokens};

/// The connection that a KILL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kill {
    /// As the client was told it.
    pub id: u64,
    /// Where it stands in the text, in bytes.
    pub digits: Range<usize>,
}

/// Reads `KILL [HARD | SOFT] [CONNECTION | QUERY] id [;]`. `None` if the text is anything else:
/// another statement, several, an id that is an expression (MySQL takes `KILL @id`), or MariaDB's
/// `KILL … USER` and `KILL QUERY ID`.
#[must_use]
pub fn kill(text: &str) -> Option<Kill> {
    let mut tokens = Tokens::new(text, Mode::default()).peekable();
    tokens.next().filter(|token| token.is("KILL"))?;
    let _ = tokens.next_if(|token| token.is_one_of(&["HARD", "SOFT"]));
    let _ = tokens.next_if(|token| token.is_one_of(&["CONNECTION", "QUERY"]));
    let id = tokens.next()?;
    let digits = id.kind == Kind::Literal && id.text.bytes().all(|byte| byte.is_ascii_digit());
    let _ = tokens.next_if(|token| token.is_symbol(b';'));
    if !digits || tokens.next().is_some() {
        return None;
    }
    Some(Kill {
        id: id.text.parse().ok()?,
        digits: id.start..id.end(),
    })
}
