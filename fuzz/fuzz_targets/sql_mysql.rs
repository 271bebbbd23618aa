//! The text of MySQL's and MariaDB's statements, read as the first byte says.
//!
//! The pieces stand in the text in order, between them is nothing but blanks, comments and
//! semicolons of no statement; each piece is one statement again. The effect of the text is not
//! below that of a piece; what names neither the workspace nor a definer stays byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::sql::mysql::{
    Mode, Online, effect, effect_of_text, is_conditional, is_crash_safe, kill, mentions, names,
    portable, split, tag, with_online,
};

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mode = Mode {
        ansi_quotes: first & 1 != 0,
        no_backslash_escapes: first & 2 != 0,
    };
    check_pieces(text, mode);

    let _ = (tag(text), is_conditional(text), is_crash_safe(text));
    for name in names(text, mode) {
        assert!(mentions(text, &name, mode));
    }
    if let Some(kill) = kill(text) {
        assert_eq!(text[kill.digits].parse(), Ok(kill.id));
    }
    for online in [Online::Instant, Online::Inplace] {
        if let Some(demanding) = with_online(text, online) {
            assert_eq!(with_online(&demanding, online), None);
            let wanted = tag(text).replace("DROP INDEX", "ALTER TABLE");
            assert_eq!(tag(&demanding), wanted);
        }
    }
    let ported = portable(text, "myapp_dev", "myapp__acme", mode);
    if !mentions(text, "myapp_dev", mode) && !mentions(text, "definer", mode) {
        assert_eq!(ported, text);
    }
});

fn check_pieces(text: &str, mode: Mode) {
    let pieces = split(text, mode);
    let strongest = effect_of_text(text, mode);
    let mut behind = 0;
    for piece in &pieces {
        let at = piece.as_ptr().addr() - text.as_ptr().addr();
        assert!(
            split(&text[behind..at], mode).is_empty(),
            "left out before {at}"
        );
        behind = at + piece.len();
        assert!(!piece.is_empty());
        assert!(effect(piece, mode) <= strongest);
        // At the end of a text two dashes begin a comment, elsewhere only before a blank.
        if !piece.ends_with("--") {
            assert_eq!(split(piece, mode), [*piece]);
        }
    }
    assert!(
        split(&text[behind..], mode).is_empty(),
        "left out behind {behind}"
    );
}
