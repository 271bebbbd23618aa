//! Names and texts inside statements, for sessions of ours: their `sql_mode` has neither
//! `ANSI_QUOTES` nor `NO_BACKSLASH_ESCAPES`.

/// An identifier, in backticks.
pub(super) fn ident(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A string constant.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// `schema.*` as GRANT takes it. There `_` and `%` stand for any characters, unless the server has
/// `partial_revokes` on: then all are literal, a backslash too.
pub(super) fn grant_target(schema: &str, partial_revokes: bool) -> String {
    let name = match partial_revokes {
        true => schema.to_owned(),
        false => schema.replace('_', "\\_").replace('%', "\\%"),
    };
    format!("{}.*", ident(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_inside_are_doubled() {
        assert_eq!(ident("my`app"), "`my``app`");
        assert_eq!(literal("it's \\ x"), "'it''s \\\\ x'");
    }

    #[test]
    fn wildcards_of_a_grant_are_escaped_where_they_are_wildcards() {
        assert_eq!(grant_target("a__b", false), "`a\\_\\_b`.*");
        assert_eq!(grant_target("a__b", true), "`a__b`.*");
    }
}
