//! From what the ledger and the wire know to change sets.
//!
//! The ledger's rows say what took effect, object by object; the statements that the proxy saw (or,
//! without those, the pieces of the text that the ledger kept) say in which words. Each execution
//! of a statement is one firing of the ledger's trigger; [`mod@explain`] lays the executions of one
//! transaction over the statements that may have caused them, both in order.

mod explain;
mod identity;

use std::collections::{BTreeMap, HashMap};

use tenantsdb_codecs::feed::capture::Capture;
use tenantsdb_codecs::sql::{self, Control, Effect};
use time::OffsetDateTime;

use self::explain::{Candidate, Explained, explain};
use super::{ChangeSet, Excluded, LedgerRow, Origin, Statement};

/// One execution of one statement: all its rows, in order.
#[derive(Debug)]
struct Execution<'a> {
    rows: Vec<&'a LedgerRow>,
}

/// A session's statements between two moments at which the server was idle.
struct Stretch<'a> {
    capture: &'a Capture,
    candidates: Vec<Candidate<'a>>,
}

/// The message that an execution was part of: the server process, and when it arrived.
type Message = (i32, OffsetDateTime);

/// Makes change sets of all transactions in `rows` that are not sealed, in the order of their
/// commits as far as the ledger knows it: by the greatest id of each.
///
/// `captures` are those of the same workspace, in the order of arrival; more than are needed do no
/// harm. Statements that concern nothing but `excluded` tables are left out.
#[must_use]
pub fn compose(rows: &[LedgerRow], captures: &[Capture], excluded: &Excluded) -> Vec<ChangeSet> {
    let mut texts = Texts::new(captures);
    let mut sets = Vec::new();
    for group in transactions(rows) {
        let statements = texts.statements(&group, excluded);
        let rows = || group.iter().flat_map(|execution| execution.rows.iter());
        let Some(first) = rows().next() else { continue };
        // A sealed one was here only so that its texts are not taken for another's.
        if first.sealed {
            continue;
        }
        sets.push(ChangeSet {
            xid: first.xid.clone(),
            ledger_ids: rows().map(|row| row.id).collect(),
            statements,
        });
    }
    sets
}

/// The transactions, each as its executions in order.
fn transactions(rows: &[LedgerRow]) -> Vec<Vec<Execution<'_>>> {
    let mut by_xid: HashMap<&str, Vec<&LedgerRow>> = HashMap::new();
    for row in rows {
        by_xid.entry(&row.xid).or_default().push(row);
    }
    let mut groups: Vec<Vec<&LedgerRow>> = by_xid.into_values().collect();
    for group in &mut groups {
        group.sort_unstable_by_key(|row| row.id);
    }
    groups.sort_unstable_by_key(|group| group.last().map(|row| row.id));
    groups.into_iter().map(executions).collect()
}

/// Rows of one firing belong together. So do what ALTER dropped and what it altered: the trigger
/// for drops fires first, by itself.
fn executions(rows: Vec<&LedgerRow>) -> Vec<Execution<'_>> {
    let mut executions: Vec<Execution<'_>> = Vec::new();
    for row in rows {
        let same = executions
            .last()
            .and_then(|execution| execution.rows.last())
            .is_some_and(|last| {
                let altered = last.dropped && !row.dropped && !last.tag.starts_with("DROP");
                let one_statement = last.tag == row.tag && last.at == row.at;
                last.firing == row.firing || (altered && one_statement)
            });
        match executions.last_mut() {
            Some(execution) if same => execution.rows.push(row),
            _ => executions.push(Execution { rows: vec![row] }),
        }
    }
    executions
}

// === impl Execution ===

impl<'a> Execution<'a> {
    /// The first row. There is always one.
    fn head(&self) -> Option<&'a LedgerRow> {
        self.rows.first().copied()
    }

    fn message(&self) -> Option<Message> {
        self.head().map(|row| (row.pid, row.at))
    }
}

/// All texts there are, and which of them have been used.
struct Texts<'a> {
    wire: HashMap<i64, Vec<Stretch<'a>>>,
    ledger: HashMap<Message, Vec<Candidate<'a>>>,
}

impl<'a> Texts<'a> {
    fn new(captures: &'a [Capture]) -> Self {
        let mut wire: HashMap<i64, Vec<Stretch<'a>>> = HashMap::new();
        for capture in captures {
            let statements: Vec<(&str, &str)> = capture
                .statements
                .iter()
                .map(|statement| (statement.text.as_str(), statement.tag.as_str()))
                .collect();
            let candidates = survivors(&statements);
            wire.entry(capture.pid).or_default().push(Stretch {
                capture,
                candidates,
            });
        }
        Self {
            wire,
            ledger: HashMap::new(),
        }
    }

    fn statements(&mut self, group: &[Execution<'a>], excluded: &Excluded) -> Vec<Statement> {
        self.of_wire(group, excluded)
            .unwrap_or_else(|| self.of_ledger(group, excluded))
    }

    /// A transaction lies in one stretch whole: the first that explains all of it.
    fn of_wire(&mut self, group: &[Execution<'a>], excluded: &Excluded) -> Option<Vec<Statement>> {
        let pid = group.first()?.head()?.pid.into();
        let executions: Vec<&Execution<'a>> = group.iter().collect();
        self.wire.get_mut(&pid)?.iter_mut().find_map(|stretch| {
            let explained = explain(&executions, &mut stretch.candidates)?;
            let mut statements = Vec::new();
            for part in explained.iter().filter(|part| !part.is_history(excluded)) {
                let mut statement = statement_of(part, Origin::Wire)?;
                statement.user.clone_from(&stretch.capture.user);
                statement
                    .application_name
                    .clone_from(&stretch.capture.application_name);
                statements.push(statement);
            }
            Some(statements)
        })
    }

    /// Message by message, from the texts that the ledger kept.
    fn of_ledger(&mut self, group: &[Execution<'a>], excluded: &Excluded) -> Vec<Statement> {
        let mut messages: BTreeMap<i64, Vec<&Execution<'a>>> = BTreeMap::new();
        let mut firsts: HashMap<Message, i64> = HashMap::new();
        for execution in group {
            let (Some(row), Some(message)) = (execution.head(), execution.message()) else {
                continue;
            };
            let first = *firsts.entry(message).or_insert(row.id);
            messages.entry(first).or_default().push(execution);
        }
        let mut statements = Vec::new();
        for executions in messages.into_values() {
            let Some(row) = executions.first().and_then(|execution| execution.head()) else {
                continue;
            };
            let candidates = self
                .ledger
                .entry((row.pid, row.at))
                .or_insert_with(|| pieces(&row.query));
            match explain(&executions, candidates) {
                Some(explained) => statements.extend(
                    explained
                        .iter()
                        .filter(|part| !part.is_history(excluded))
                        .filter_map(|part| statement_of(part, Origin::Ledger)),
                ),
                None => statements.push(inferred(row)),
            }
        }
        statements
    }
}

/// The statements of a message that may have taken effect, by its text alone.
fn pieces(query: &str) -> Vec<Candidate<'_>> {
    let texts = sql::split(query);
    let tags: Vec<String> = texts.iter().map(|text| sql::command_tag(text)).collect();
    // A savepoint of an earlier message: what stands before ROLLBACK TO here is gone all the same.
    let earlier: Vec<String> = texts
        .iter()
        .filter_map(|text| match sql::effect(text) {
            Effect::Transaction(Control::RollbackTo(name)) => {
                Some(format!("SAVEPOINT \"{}\"", name.replace('"', "\"\"")))
            }
            _ => None,
        })
        .collect();
    let statements: Vec<(&str, &str)> = earlier
        .iter()
        .map(|text| (text.as_str(), "SAVEPOINT"))
        .chain(texts.iter().copied().zip(tags.iter().map(String::as_str)))
        .collect();
    let here = earlier.len();
    sql::survivors(&statements)
        .into_iter()
        .filter_map(|index| texts.get(index.checked_sub(here)?))
        .filter_map(|text| Candidate::new(text, ""))
        .collect()
}

fn survivors<'a>(statements: &[(&'a str, &'a str)]) -> Vec<Candidate<'a>> {
    sql::survivors(statements)
        .into_iter()
        .filter_map(|index| statements.get(index))
        .filter_map(|(text, tag)| Candidate::new(text, tag))
        .collect()
}

fn statement_of(part: &Explained<'_, '_>, origin: Origin) -> Option<Statement> {
    let row = part.executions.first()?.head()?;
    // Inside a function another search_path may have been in force.
    let own = part
        .executions
        .iter()
        .find_map(|execution| execution.head().filter(|row| row.nested.is_none()));
    let tag = match own {
        Some(row) => row.tag.clone(),
        None => sql::command_tag(part.text),
    };
    Some(Statement {
        ddl: part.text.to_owned(),
        tag,
        search_path: own.unwrap_or(row).search_path.clone(),
        deploy: sql::effect(part.text) != Effect::Privilege,
        origin,
        captured_at: row.at,
        user: row.user.clone(),
        application_name: row.application_name.clone(),
        context: None,
        probe: None,
    })
}

/// Something took effect that no statement explains: all of the message is kept.
fn inferred(row: &LedgerRow) -> Statement {
    Statement {
        ddl: row.query.trim().trim_end_matches(';').trim_end().to_owned(),
        tag: row.tag.clone(),
        search_path: row.search_path.clone(),
        deploy: true,
        origin: Origin::Inferred,
        captured_at: row.at,
        user: row.user.clone(),
        application_name: row.application_name.clone(),
        context: None,
        probe: None,
    }
}

#[cfg(test)]
mod tests;
