//! The text of statements.
//!
//! The pieces stand in the text in order, between them is nothing but blanks, comments and
//! semicolons of no statement; each piece is one statement again, and joined they are split as
//! before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::sql::{command_tag, effect, mentions, runs_alone, split, survivors};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let pieces = split(text);
    let mut behind = 0;
    for piece in &pieces {
        let at = piece.as_ptr().addr() - text.as_ptr().addr();
        assert!(split(&text[behind..at]).is_empty(), "left out before {at}");
        behind = at + piece.len();
        assert!(!piece.is_empty());
        assert_eq!(split(piece), [*piece]);

        let _ = (effect(piece), runs_alone(piece));
        let _ = mentions(piece, "users");
    }
    assert!(
        split(&text[behind..]).is_empty(),
        "left out behind {behind}"
    );

    let statements: Vec<_> = pieces
        .iter()
        .map(|piece| (*piece, command_tag(piece)))
        .collect();
    let left = survivors(&statements);
    assert!(left.is_sorted() && left.iter().all(|index| *index < pieces.len()));

    // Only the last piece can be unterminated and swallow what is behind it.
    if let Some((_, whole)) = pieces.split_last() {
        let joined: String = whole.iter().map(|piece| format!("{piece}\n;")).collect();
        assert_eq!(split(&joined), whole);
    }
});
