//! What holds for every text.

use proptest::prelude::*;

use super::*;

/// Pieces of statements that mean something to the scanner, one after the other.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,4}",
        prop::sample::select(PIECES).prop_map(String::from),
        prop::sample::select(PIECES).prop_map(|piece| format!(" {piece} ")),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

const PIECES: &[&str] = &[
    "'",
    "\"",
    "`",
    "\\",
    "/*",
    "*/",
    "/*!",
    "/*!50001 ",
    "/*M!",
    "/*!99999",
    "#",
    "-- ",
    "--",
    "\n",
    ";",
    ".",
    "@",
    "@@",
    "(",
    ")",
    ",",
    "=",
    ":",
    "<<",
    ">>",
    "$$",
    "é",
    "\0",
    "1",
    "1e5",
    "0x1",
    "N'",
    "CREATE",
    "ALTER",
    "OR",
    "REPLACE",
    "DEFINER",
    "TABLE",
    "VIEW",
    "PROCEDURE",
    "p",
    "FUNCTION",
    "TRIGGER",
    "EVENT",
    "PACKAGE",
    "BEGIN",
    "NOT",
    "ATOMIC",
    "END",
    "IF",
    "EXISTS",
    "THEN",
    "ELSE",
    "CASE",
    "WHEN",
    "LOOP",
    "WHILE",
    "DO",
    "REPEAT",
    "UNTIL",
    "FOR",
    "DECLARE",
    "HANDLER",
    "RETURN",
    "SELECT",
    "SET",
    "STATEMENT",
    "AS",
    "IS",
    "LANGUAGE",
    "EACH",
    "ROW",
    "KILL",
    "DATABASE",
    "myapp_dev",
    "`myapp_dev`",
    "order",
    "LOCK",
    "ALGORITHM",
    "INDEX",
    "ON",
];

fn mode() -> impl Strategy<Value = Mode> {
    (any::<bool>(), any::<bool>()).prop_map(|(ansi_quotes, no_backslash_escapes)| Mode {
        ansi_quotes,
        no_backslash_escapes,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn pieces_stand_in_the_text_and_split_to_themselves(text in text(), mode in mode()) {
        let pieces = split(&text, mode);
        let mut behind = 0;
        for piece in &pieces {
            let at = piece.as_ptr().addr() - text.as_ptr().addr();
            prop_assert!(split(&text[behind..at], mode).is_empty());
            behind = at + piece.len();
            // At the end of a text two dashes begin a comment, elsewhere only before a blank.
            if !piece.ends_with("--") {
                prop_assert_eq!(split(piece, mode), [*piece]);
            }
        }
        prop_assert!(split(&text[behind..], mode).is_empty());
        if let Some((_, whole)) = pieces.split_last()
            && !whole.iter().any(|piece| piece.ends_with("--"))
        {
            let joined: String = whole.iter().map(|piece| format!("{piece}\n;")).collect();
            prop_assert_eq!(split(&joined, mode), whole);
        }
    }

    #[test]
    fn nothing_panics(text in text(), mode in mode()) {
        let strongest = split(&text, mode).into_iter().map(|piece| effect(piece, mode)).max();
        prop_assert!(effect_of_text(&text, mode) >= strongest.unwrap_or(Effect::Reads));
        let _ = (tag(&text), is_conditional(&text), is_crash_safe(&text));
        for name in names(&text, mode) {
            prop_assert!(mentions(&text, &name, mode));
        }
        if let Some(Kill { id, digits }) = kill(&text) {
            prop_assert_eq!(text[digits].parse(), Ok(id));
        }
        for online in [Online::Instant, Online::Inplace] {
            if let Some(demanding) = with_online(&text, online) {
                prop_assert_eq!(with_online(&demanding, online), None);
                let wanted = tag(&text).replace("DROP INDEX", "ALTER TABLE");
                prop_assert_eq!(tag(&demanding), wanted);
            }
        }
    }

    #[test]
    fn what_names_neither_stays_as_it_is(text in text(), mode in mode()) {
        let ported = portable(&text, "myapp_dev", "myapp__acme", mode);
        prop_assert!(ported.len() <= text.len() + 64 * text.len());
        if !mentions(&text, "myapp_dev", mode) && !mentions(&text, "definer", mode) {
            prop_assert_eq!(ported, text);
        }
    }

    #[test]
    fn a_qualifier_more_or_less_is_the_same_elsewhere(
        names in prop::collection::vec("[a-z][a-z_]{0,8}", 1..5),
        spaces in "[ \n\t]{0,2}",
    ) {
        let list = |prefix: &str| {
            let names = names.iter().map(|name| format!("{prefix}`{name}`"));
            names.collect::<Vec<_>>().join(", ")
        };
        let text = format!("DROP TABLE {}", list(&format!("myapp_dev{spaces}.")));
        let ported = portable(&text, "myapp_dev", "myapp__acme", Mode::default());
        prop_assert_eq!(ported, format!("DROP TABLE {}", list("")));
    }
}
