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
        let mut scanner = Scanner::default();
        let mut start = 0;
        let mut end = definition.len();
        for (at, c) in definition.char_indices() {
            if !scanner.is_code(c) {
                continue;
            }
            match (c, scanner.depth) {
                ('(', 1) => start = at + 1,
                (',', 1) => {
                    table.add(definition.get(start..at));
                    start = at + 1;
                }
                (')', 0) => {
                    table.add(definition.get(start..at));
                    end = at + 1;
                    break;
                }
                _ => {}
            }
        }
        let rest = definition.get(end..).unwrap_or_default();
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

    fn add(&mut self, text: Option<&str>) {
        let part = Part::parse(text.unwrap_or_default().trim());
        match part.kind {
            PartKind::Column => self.columns.push(part),
            _ => self.parts.push(part),
        }
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
}
