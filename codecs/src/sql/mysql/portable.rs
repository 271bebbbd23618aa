//! A statement as it reads in another database.

use std::ops::Range;

use super::Mode;
use super::head::Head;
use super::lex::{Kind, Scanner, Token, Tokens};
use super::reserved::is_reserved;

/// One statement of the workspace as it can run in any tenant's database:
///
/// - without `DEFINER = …` in its head, also in an executable comment;
/// - without the name of the workspace's database in front of other names, in bodies too;
/// - `CREATE` or `ALTER DATABASE workspace` is of `target`.
///
/// All else stays byte for byte, strings and comments among it: text that a statement runs by
/// PREPARE or compares with names in `information_schema` is not seen. A table that has the name of
/// the workspace's database loses it in front of its columns.
#[must_use]
pub fn portable(text: &str, workspace: &str, target: &str, mode: Mode) -> String {
    let mut edits = Edits::default();
    let head = Head::of(text, mode);
    for (first, last) in &head.definers {
        edits.cut(text, first.start, last.end());
    }
    if matches!(head.tag.as_str(), "ALTER DATABASE" | "CREATE DATABASE") {
        let name = Tokens::new(text, mode).nth(head.tokens);
        if let Some(name) = name.filter(|name| is_named(name, workspace)) {
            let quoted = name.kind == Kind::Quoted || !is_plain(target);
            let target = if quoted {
                quote(target)
            } else {
                target.to_owned()
            };
            edits.replace(name.start..name.end(), target);
        }
    }
    unqualify(text, workspace, mode, &mut edits);
    edits.apply(text)
}

/// Cuts `workspace .` off in front of names.
fn unqualify(text: &str, workspace: &str, mode: Mode, edits: &mut Edits) {
    // The last three tokens: what is before a qualifier, the qualifier, its dot.
    let mut window: [Option<Token<'_>>; 3] = [None; 3];
    for token in Tokens::new(text, mode) {
        if let [before, Some(qualifier), Some(dot)] = window
            && dot.is_symbol(b'.')
            && is_named(&qualifier, workspace)
            && !before.is_some_and(|before| before.is_symbol(b'.') || before.is_symbol(b'@'))
            && token.name().is_some()
        {
            // Two words, or two quoted names, must not become one.
            if before.is_some_and(|before| joins(&before, qualifier.start)) {
                edits.replace(qualifier.start..qualifier.start, " ".to_owned());
            }
            edits.cut(text, qualifier.start, qualifier.end());
            edits.cut(text, dot.start, dot.end());
            // Behind a dot every word is a name.
            if token.kind == Kind::Word && !is_plain(token.text) {
                edits.replace(token.start..token.end(), quote(token.text));
            }
        }
        let [_, second, third] = window;
        window = [second, third, Some(token)];
    }
}

/// Whether the token ends here and would go on with what comes instead.
const fn joins(token: &Token<'_>, end: usize) -> bool {
    token.end() == end && !matches!(token.kind, Kind::Symbol(_))
}

fn is_named(token: &Token<'_>, name: &str) -> bool {
    token
        .name()
        .is_some_and(|other| other.eq_ignore_ascii_case(name))
}

/// Whether a name means the same without quotes.
fn is_plain(name: &str) -> bool {
    let mut tokens = Scanner::new(name, Mode::default());
    let alone = tokens
        .next()
        .is_some_and(|token| token.kind == Kind::Word && token.text.len() == name.len());
    alone && !is_reserved(name)
}

fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// What is to be changed in a text.
#[derive(Debug, Default)]
struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    /// Takes a stretch out, and the white space behind it.
    fn cut(&mut self, text: &str, start: usize, end: usize) {
        let behind = text.get(end..).unwrap_or_default();
        let blank = behind.len() - behind.trim_ascii_start().len();
        self.0.push((start..end + blank, String::new()));
    }

    fn replace(&mut self, range: Range<usize>, text: String) {
        self.0.push((range, text));
    }

    fn apply(mut self, text: &str) -> String {
        self.0.sort_by_key(|(range, _)| range.start);
        let mut edited = String::with_capacity(text.len());
        let mut at = 0;
        for (range, replacement) in self.0 {
            // Behind a cut that reaches over it there is nothing left to change.
            if range.start >= at {
                edited.push_str(text.get(at..range.start).unwrap_or_default());
                edited.push_str(&replacement);
                at = range.end;
            }
        }
        edited.push_str(text.get(at..).unwrap_or_default());
        edited
    }
}
