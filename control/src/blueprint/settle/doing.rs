//! What a captured statement says that it does.

use std::collections::HashSet;

use tenantsdb_codecs::feed::capture::{CapturedStatement, Outcome};
use tenantsdb_codecs::sql::mysql::{self, Effect, Mode};

use super::Settling;
use crate::blueprint::{Excluded, Snapshot};

/// Words that may stand between the command and the name of what it is about. In lower case, as
/// [`mysql::names`] gives them.
const BEFORE_NAME: &[&str] = &[
    "aggregate",
    "algorithm",
    "alter",
    "body",
    "create",
    "database",
    "definer",
    "drop",
    "event",
    "exists",
    "fulltext",
    "function",
    "if",
    "ignore",
    "index",
    "invoker",
    "library",
    "merge",
    "not",
    "offline",
    "online",
    "or",
    "package",
    "procedure",
    "rename",
    "replace",
    "schema",
    "security",
    "sequence",
    "spatial",
    "sql",
    "table",
    "temptable",
    "trigger",
    "undefined",
    "unique",
    "view",
];

/// A captured statement that speaks of the schema or of privileges.
#[derive(Debug)]
pub(super) struct Doing<'a> {
    /// Index of its capture.
    pub(super) capture: usize,
    /// The server's thread that ran it.
    pub(super) pid: i64,
    pub(super) said: &'a CapturedStatement,
    pub(super) tag: String,
    /// Roles, accounts, privileges: nothing of the schema.
    pub(super) privilege: bool,
    /// It may succeed and do nothing, and a note says that some of it did.
    pub(super) noted: bool,
    /// Renames something.
    renames: bool,
    /// All names in it, in lower case.
    names: HashSet<String>,
    /// Names that may be those of what it is about, key words among them.
    targets: HashSet<String>,
    /// The most likely one of those that are made or altered.
    core: Option<String>,
}

/// The statements of all captures that speak of the schema or of privileges, in order. What only
/// concerns tables that are left out is not among them, nor is what does not say what it does.
pub(super) fn doings<'a>(given: &Settling<'a>) -> Vec<Doing<'a>> {
    let mut doings = Vec::new();
    for (index, (capture, _)) in given.captures.iter().enumerate() {
        let context = capture.context.as_ref();
        let mode = context.map_or_else(Mode::default, |context| {
            Mode::of_sql_mode(&context.sql_mode)
        });
        for said in &capture.statements {
            let privilege = match mysql::effect(&said.text, mode) {
                Effect::Schema => false,
                Effect::Privilege => true,
                Effect::Reads | Effect::Opaque => continue,
            };
            let doing = Doing::new((index, capture.pid), said, given.workspace, mode);
            if privilege || !doing.is_history(given) {
                doings.push(Doing { privilege, ..doing });
            }
        }
    }
    doings
}

// === impl Doing ===

impl<'a> Doing<'a> {
    fn new(
        (capture, pid): (usize, i64),
        said: &'a CapturedStatement,
        workspace: &str,
        mode: Mode,
    ) -> Self {
        // Definers and the workspace's own name are names too.
        let text = mysql::portable(&said.text, workspace, workspace, mode);
        let names = mysql::names(&text, mode);
        let tag = mysql::tag(&text);
        let conditional = mysql::is_conditional(&text);
        let renames = names.iter().any(|name| name == "rename");
        let replaces = tag.starts_with("CREATE ") && names.iter().any(|name| name == "replace");
        let proper = names
            .iter()
            .position(|name| !BEFORE_NAME.contains(&name.as_str()));
        let several = tag.starts_with("DROP ") || tag.ends_with(" INDEX") || renames;
        let about = match proper {
            Some(at) if !several => names.get(..=at).unwrap_or_default(),
            _ => &names,
        };
        Self {
            capture,
            pid,
            said,
            // What replaces is not idle, whatever it warns of.
            noted: conditional && said.warnings > 0 && !replaces,
            privilege: false,
            renames,
            targets: about.iter().cloned().collect(),
            core: proper.and_then(|at| names.get(at)).cloned(),
            names: names.into_iter().collect(),
            tag,
        }
    }

    /// Whether the server confirmed it.
    pub(super) fn is_done(&self) -> bool {
        self.said.outcome == Outcome::Done
    }

    /// Whether the name stands in it.
    pub(super) fn names_it(&self, name: &str) -> bool {
        !name.is_empty() && self.names.contains(&name.to_ascii_lowercase())
    }

    /// Whether it is about the object, by kind and name.
    pub(super) fn is_about(&self, key: &str) -> bool {
        self.fits(Snapshot::kind_of(key))
            && match Snapshot::name_of(key) {
                "" => true,
                name => self.targets.contains(&name.to_ascii_lowercase()),
            }
    }

    /// Whether it can make something of a name.
    pub(super) fn makes(&self) -> bool {
        (self.tag.starts_with("CREATE ") && !self.is_of_index()) || self.renames
    }

    /// Whether a name may be gone after it.
    pub(super) fn drops(&self) -> bool {
        (self.tag.starts_with("DROP ") && !self.is_of_index()) || self.renames
    }

    /// An index is part of its table.
    fn is_of_index(&self) -> bool {
        self.tag.ends_with(" INDEX")
    }

    /// Whether it is about tables, and what hangs on them may change with them.
    pub(super) fn is_of_tables(&self) -> bool {
        self.fits("table")
    }

    /// Whether it makes a table of another one that nobody knows: a temporary one, or one that is
    /// gone again. In a tenant it would fail.
    pub(super) fn is_orphan(&self, known: &HashSet<String>) -> bool {
        let borrows = ["like", "from"]
            .iter()
            .any(|word| self.names.contains(*word));
        let mut others = self
            .names
            .iter()
            .filter(|name| self.core.as_ref() != Some(*name));
        self.tag == "CREATE TABLE" && borrows && !others.any(|name| known.contains(name))
    }

    /// The name that it makes or alters.
    pub(super) fn core(&self) -> Option<&str> {
        self.core.as_deref()
    }

    pub(super) fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(String::as_str)
    }

    /// What kinds of objects the command is for: a table's commands take sequences and, where they
    /// rename, views.
    fn fits(&self, kind: &str) -> bool {
        let object = self.tag.split_once(' ').map_or("", |(_, object)| object);
        match object {
            "TABLE" => matches!(kind, "table" | "sequence" | "view"),
            "INDEX" => kind == "table",
            "DATABASE" => kind == "schema",
            "PACKAGE" => matches!(kind, "package" | "package-body"),
            "PACKAGE BODY" => kind == "package-body",
            object => object.eq_ignore_ascii_case(kind),
        }
    }

    /// Whether it concerns a table that is left out. What concerns others besides is told by the
    /// difference: its text would not run where the history table is not.
    fn is_history(&self, given: &Settling<'_>) -> bool {
        if !self.is_of_tables() {
            return false;
        }
        let left_out = |name: &str| is_left_out(given.excluded, given.workspace, name);
        match self.tag.as_str() {
            "DROP TABLE" | "RENAME TABLE" => self.targets().any(left_out),
            _ => self.core().is_some_and(left_out),
        }
    }
}

/// Names are compared in lower case here; the tools' own spelling is tried for those that are not.
fn is_left_out(excluded: &Excluded, schema: &str, name: &str) -> bool {
    name == "_tenantsdb" || excluded.table_in_any_case(schema, name)
}
