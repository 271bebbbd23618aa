//! Object identities as the server writes them: `public.users`, `public."Odd.Name"`, `f(integer)`,
//! `check_age on public.users`.

/// An identity taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// `["public", "users", "email"]`, without quotes.
    path: Vec<String>,
    /// Behind ` on `: the table of a trigger, a policy, a constraint.
    table_path: Vec<String>,
}

impl Identity {
    pub(super) fn parse(identity: &str) -> Self {
        let (path, rest) = path(identity);
        let table_path = match rest.strip_prefix(" on ") {
            Some(rest) => self::path(rest).0,
            None => Vec::new(),
        };
        Self { path, table_path }
    }

    /// Names that a statement about the object is likely to hold, without schemas. Empty where the
    /// server names no object.
    pub(super) fn names(&self) -> Vec<&str> {
        let own = match self.path.as_slice() {
            [only] => vec![only.as_str()],
            [_schema, rest @ ..] => rest.iter().map(String::as_str).collect(),
            [] => Vec::new(),
        };
        own.into_iter()
            .chain(self.table_path.last().map(String::as_str))
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// Schema and name of the table that it is, or is part of.
    pub(super) fn table(&self, object_type: &str) -> Option<(&str, &str)> {
        let path = if self.table_path.is_empty() {
            &self.path
        } else {
            &self.table_path
        };
        match (object_type, path.as_slice()) {
            ("schema" | "function" | "procedure" | "aggregate" | "type", _) => None,
            (_, [schema, table, ..]) => Some((schema, table)),
            _ => None,
        }
    }
}

/// The dotted names at the start, and what is behind them.
fn path(text: &str) -> (Vec<String>, &str) {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let (name, after) = name(rest);
        names.push(name);
        match after.strip_prefix('.') {
            Some(after) => rest = after,
            None => {
                names.retain(|name| !name.is_empty());
                return (names, after);
            }
        }
    }
}

/// One name at the start, and what is behind it.
fn name(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
            .unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        return (name.to_owned(), rest);
    };
    let mut name = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (c, chars.peek()) {
            ('"', Some((_, '"'))) => {
                chars.next();
                name.push('"');
            }
            ('"', _) => return (name, quoted.get(at + 1..).unwrap_or_default()),
            _ => name.push(c),
        }
    }
    (name, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(identity: &str) -> Vec<String> {
        Identity::parse(identity)
            .names()
            .into_iter()
            .map(String::from)
            .collect()
    }

    #[test]
    fn schemas_are_left_out_of_names() {
        assert_eq!(names("public.users"), ["users"]);
        assert_eq!(names("public.users.email"), ["users", "email"]);
        assert_eq!(names("audit"), ["audit"]);
        assert_eq!(names("public.f(integer,text)"), ["f"]);
        assert_eq!(names("stamp on public.users"), ["stamp", "users"]);
        assert_eq!(names(""), [""; 0]);
    }

    #[test]
    fn quotes_are_undone() {
        assert_eq!(names("public.\"Odd.\"\"Name\""), ["Odd.\"Name"]);
        assert_eq!(names("\"a on b\" on public.\"T\""), ["a on b", "T"]);
    }

    #[test]
    fn the_table_of_a_part_is_found() {
        let identity = Identity::parse("stamp on public.users");
        assert_eq!(identity.table("trigger"), Some(("public", "users")));
        let identity = Identity::parse("public.users.email");
        assert_eq!(identity.table("table column"), Some(("public", "users")));
        assert_eq!(Identity::parse("audit").table("schema"), None);
    }
}
