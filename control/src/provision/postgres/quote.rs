//! Names and texts inside statements. Names are checked long before they get here; they are quoted
//! all the same.

/// An identifier, in double quotes.
pub(super) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string constant. Our connections have `standard_conforming_strings` on, so that a backslash is
/// only a backslash.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_inside_are_doubled() {
        assert_eq!(ident("my\"app"), "\"my\"\"app\"");
        assert_eq!(literal("it's \\ x"), "'it''s \\ x'");
    }
}
