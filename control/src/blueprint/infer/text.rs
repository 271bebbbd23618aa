//! The parts of a table's definition as SHOW CREATE TABLE gives it.

/// A table's definition, cut up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableText {
    /// Columns, in their order.
    pub columns: Vec<Part>,
    /// Keys and constraints, in the server's order.
    pub parts: Vec<Part>,
    /// `ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 …`
    pub options: String,
    /// `PARTITION BY …`, in an executable comment on some servers; empty if there is none.
    pub partitions: String,
}

/// A column, key or constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Its name, without quotes; a primary key's is `PRIMARY`.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// What a line of a table's definition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// A column.
    Column,
    /// The primary key.
    Primary,
    /// Any other key.
    Key,
    /// A foreign key.
    Foreign,
    /// A CHECK.
    Check,
    /// MariaDB's `PERIOD FOR`.
    Period,
}

// === impl Part ===

impl Part {
    /// All of it, as it is to be sent: without what it has from its table.
    #[must_use]
    pub fn sent(&self) -> String {
        sent(&self.text)
    }

    /// Whether people would look for it among the constraints.
    #[must_use]
    pub fn is_constraint(&self) -> bool {
        match self.kind {
            PartKind::Primary | PartKind::Foreign | PartKind::Check => true,
            PartKind::Key => self.text.starts_with("UNIQUE "),
            PartKind::Column | PartKind::Period => false,
        }
    }

    fn parse(text: &str) -> Self {
        let kind = match text.split([' ', '(']).next().unwrap_or_default() {
            word if word.starts_with('`') => PartKind::Column,
            "PRIMARY" => PartKind::Primary,
            "PERIOD" => PartKind::Period,
            "CONSTRAINT" => match text.contains(" FOREIGN KEY ") {
                true => PartKind::Foreign,
                false => PartKind::Check,
            },
            "CHECK" => PartKind::Check,
            _ => PartKind::Key,
        };
        let name = match kind {
            PartKind::Primary => "PRIMARY".to_owned(),
            _ => first_name(text),
        };
        Self {
            kind,
            name,
            text: text.to_owned(),
        }
    }
}

// === impl TableText ===

impl TableText {
    /// Cuts a definition up.
    #[must_use]
    pub fn parse(definition: &str) -> Self {
        let mut table = Self::default();
        let (_, parts, rest) = cut(definition);
        for part in parts {
            table.add(part);
        }
        let rest = rest.strip_prefix(')').unwrap_or(rest);
        let mut scanner = Scanner::default();
        let line_end = rest
            .char_indices()
            .find(|(_, c)| scanner.is_code(*c) && *c == '\n')
            .map_or(rest.len(), |(at, _)| at);
        let (options, partitions) = rest.split_at_checked(line_end).unwrap_or((rest, ""));
        options.trim().clone_into(&mut table.options);
        partitions.trim().clone_into(&mut table.partitions);
        table
    }

    fn add(&mut self, text: &str) {
        let part = Part::parse(text.trim());
        match part.kind {
            PartKind::Column => self.columns.push(part),
            _ => self.parts.push(part),
        }
    }

    /// A definition as it is to be sent; see [`Part::sent`].
    #[must_use]
    pub fn sent(definition: &str) -> String {
        let (head, parts, rest) = cut(definition);
        let parts: Vec<String> = parts.iter().map(|part| sent(part)).collect();
        format!("{head}{}{rest}", parts.join(","))
    }

    /// The options, one by one.
    pub(super) fn option_list(&self) -> Vec<String> {
        let mut options: Vec<String> = Vec::new();
        let mut scanner = Scanner::default();
        let mut word = String::new();
        for c in self.options.chars().chain([' ']) {
            if scanner.is_code(c) && c == ' ' && scanner.depth == 0 {
                if word.contains('=') {
                    options.push(std::mem::take(&mut word));
                }
                word.clear();
            } else {
                word.push(c);
            }
        }
        options
    }
}

/// What stands before the list of columns, with its parenthesis, the list at its commas, and what
/// stands behind it, from its parenthesis on.
fn cut(definition: &str) -> (&str, Vec<&str>, &str) {
    let mut scanner = Scanner::default();
    let mut parts = Vec::new();
    let (mut first, mut start) = (definition.len(), definition.len());
    for (at, c) in definition.char_indices() {
        if !scanner.is_code(c) {
            continue;
        }
        match (c, scanner.depth) {
            ('(', 1) => {
                start = at + 1;
                first = start;
            }
            (',', 1) => {
                parts.extend(definition.get(start..at));
                start = at + 1;
            }
            (')', 0) => {
                parts.extend(definition.get(start..at));
                start = at;
                break;
            }
            _ => {}
        }
    }
    let head = definition.get(..first).unwrap_or_default();
    (head, parts, definition.get(start..).unwrap_or_default())
}

/// A column without the collation that it has from its table. MySQL shows it where it is not the
/// character set's default one, and once it was sent, it is the column's own and shown otherwise:
/// with the character set. Other parts stay as they are.
fn sent(part: &str) -> String {
    const COLLATE: &str = " COLLATE ";
    let mut scanner = Scanner::default();
    let code = |(_, c): &(usize, char)| scanner.is_code(*c) && scanner.depth == 0;
    let code: Vec<usize> = part.char_indices().filter(code).map(|(at, _)| at).collect();
    let find = |wanted: &str| {
        let starts = |at: &&usize| {
            part.get(**at..)
                .is_some_and(|rest| rest.starts_with(wanted))
        };
        code.iter().find(starts).copied()
    };
    let is_column = part.trim_start().starts_with('`');
    match (is_column, find(COLLATE), find(" CHARACTER SET ")) {
        (true, Some(at), None) => {
            let behind = part.get(at + COLLATE.len()..).unwrap_or_default();
            let name = behind.split(' ').next().unwrap_or_default();
            let rest = behind.get(name.len()..).unwrap_or_default();
            format!("{}{rest}", part.get(..at).unwrap_or_default())
        }
        _ => part.to_owned(),
    }
}

/// The first name in backticks, without them.
fn first_name(text: &str) -> String {
    let mut name = String::new();
    let mut chars = text.chars().skip_while(|c| *c != '`').skip(1).peekable();
    while let Some(c) = chars.next() {
        if c == '`' && chars.next_if_eq(&'`').is_none() {
            break;
        }
        name.push(c);
    }
    name
}

/// Tells code from what stands in quotes, and counts parentheses. A doubled quote closes and opens
/// again, which comes to the same.
#[derive(Default)]
struct Scanner {
    quote: Option<char>,
    escaped: bool,
    depth: usize,
}

impl Scanner {
    /// Whether the next character is code; a quote is not.
    fn is_code(&mut self, c: char) -> bool {
        if let Some(quote) = self.quote {
            if self.escaped {
                self.escaped = false;
            } else if c == '\\' && quote == '\'' {
                self.escaped = true;
            } else if c == quote {
                self.quote = None;
            }
            return false;
        }
        match c {
            '\'' | '`' => {
                self.quote = Some(c);
                return false;
            }
            '(' => self.depth += 1,
            ')' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_cut_at_the_commas_outside_quotes_and_parentheses() {
        let table = TableText::parse(
            "CREATE TABLE `t(` (\n  `a,` enum('x,','y'')') DEFAULT 'x,' COMMENT 'it\\'s, ok',\n  \
             `b``` decimal(10,2) GENERATED ALWAYS AS (`a,` + 1) VIRTUAL,\n  PRIMARY KEY (`a,`),\n  \
             UNIQUE KEY `k` (`a,`,`b```),\n  CONSTRAINT `c` CHECK (`a,` <> 'z,')\n) ENGINE=InnoDB \
             DEFAULT CHARSET=utf8mb4 COMMENT='a b\\'='\n PARTITION BY HASH (`a,`)\nPARTITIONS 2",
        );
        let names: Vec<&str> = table
            .columns
            .iter()
            .map(|part| part.name.as_str())
            .collect();
        assert_eq!(names, ["a,", "b`"]);
        let parts: Vec<(PartKind, &str)> = table
            .parts
            .iter()
            .map(|part| (part.kind, part.name.as_str()))
            .collect();
        assert_eq!(
            parts,
            [
                (PartKind::Primary, "PRIMARY"),
                (PartKind::Key, "k"),
                (PartKind::Check, "c")
            ]
        );
        assert_eq!(
            table.option_list(),
            ["ENGINE=InnoDB", "CHARSET=utf8mb4", "COMMENT='a b\\'='"]
        );
        assert_eq!(table.partitions, "PARTITION BY HASH (`a,`)\nPARTITIONS 2");
    }

    #[test]
    fn a_collation_that_is_the_tables_is_not_sent() {
        let table = |a: &str, b: &str| {
            format!(
                "CREATE TABLE `t COLLATE x` (\n  `a COLLATE x` enum(' COLLATE x'){a} \
                 DEFAULT NULL,\n  `b` text CHARACTER SET latin1 COLLATE latin1_bin,\n  \
                 `c` longtext{b},\n  KEY `k` (`c`(9))\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 \
                 COLLATE=utf8mb4_general_ci"
            )
        };
        let (shown, collation) = (table, " COLLATE utf8mb4_general_ci");
        assert_eq!(TableText::sent(&shown(collation, collation)), shown("", ""));
        assert_eq!(TableText::sent("CREATE TABLE"), "CREATE TABLE");
    }
}
