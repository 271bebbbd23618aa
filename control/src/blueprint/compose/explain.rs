//! Which statement caused which execution.

use tenantsdb_codecs::sql::{self, Effect};

use super::Execution;
use super::identity::Identity;
use crate::blueprint::{Excluded, LedgerRow};

/// A statement that may have caused something.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    text: &'a str,
    /// The server's tag, or nothing where only the text is known.
    server_tag: &'a str,
    /// The tag by its text.
    text_tag: String,
    effect: Effect,
    /// Explains something already, or stands before one that does.
    used: bool,
}

/// A statement and what it caused.
#[derive(Debug)]
pub(super) struct Explained<'a, 'e> {
    pub(super) text: &'a str,
    pub(super) executions: Vec<&'e Execution<'a>>,
}

// === impl Candidate ===

impl<'a> Candidate<'a> {
    /// `None` for what controls transactions: it causes nothing by itself. Nor has a statement
    /// whose text the proxy could not read (not UTF-8, too long) anything to say: the ledger has
    /// its text.
    pub(super) fn new(text: &'a str, server_tag: &'a str) -> Option<Self> {
        let effect = sql::effect(text);
        let control = matches!(effect, Effect::Transaction(_));
        (!control && !text.is_empty()).then(|| Self {
            text,
            server_tag,
            text_tag: sql::command_tag(text),
            effect,
            used: false,
        })
    }

    /// Whether it may be the statement that was executed, and how well it fits: less is better.
    fn fits(&self, execution: &Execution<'_>) -> Option<Fit> {
        let row = execution.head()?;
        let tags = [self.server_tag, self.text_tag.as_str()];
        if !tags.contains(&row.tag.as_str()) || !row.query.contains(self.text) {
            return None;
        }
        let named = execution.rows.iter().any(|row| {
            let identity = Identity::parse(&row.identity);
            // GRANT on several objects names none.
            identity.names().is_empty()
                || identity
                    .names()
                    .iter()
                    .any(|name| sql::mentions(self.text, name))
        });
        if named {
            return Some(Fit::Named);
        }
        // CREATE INDEX ON t (a): the server made the name. What has a condition may have done
        // nothing.
        let conditional = sql::mentions(self.text, "if") && sql::mentions(self.text, "exists");
        Some(if conditional {
            Fit::Conditional
        } else {
            Fit::Tag
        })
    }

    /// Whether it may have called what was executed.
    fn encloses(&self, execution: &Execution<'_>) -> Option<Fit> {
        let row = execution.head()?;
        if !row.query.contains(self.text) {
            return None;
        }
        // The outermost caller is in the last line: `PL/pgSQL function f(integer) line 3 at …`.
        let caller = row.nested.as_deref()?.lines().last()?;
        let calls = if caller.contains("inline_code_block") {
            self.text_tag == "DO"
        } else {
            function_names(caller).any(|name| sql::mentions(self.text, &name))
        };
        Some(match self.effect {
            _ if calls => Fit::Named,
            Effect::Opaque => Fit::Tag,
            _ => Fit::Conditional,
        })
    }
}

/// How well a statement explains an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It names the object, or the function that did it.
    Named,
    /// It is a statement of that kind.
    Tag,
    /// It may as well have done nothing.
    Conditional,
}

/// Lays executions over statements, both in order. `None`, and nothing used, if one of the
/// executions stays unexplained.
pub(super) fn explain<'a, 'e>(
    executions: &[&'e Execution<'a>],
    candidates: &mut [Candidate<'a>],
) -> Option<Vec<Explained<'a, 'e>>> {
    let mut next = candidates.iter().position(|candidate| !candidate.used)?;
    let mut found: Vec<(usize, Vec<&'e Execution<'a>>)> = Vec::new();
    for execution in executions {
        let nested = execution.head()?.nested.is_some();
        let place = if nested {
            enclosing(execution, candidates, next, found.last())?
        } else {
            best(candidates, next, |candidate| candidate.fits(execution))?
        };
        match found.last_mut() {
            Some((last, caused)) if *last == place => caused.push(execution),
            _ => found.push((place, vec![execution])),
        }
        // What called one thing may call the next, and may be DDL itself.
        next = if nested { place } else { place + 1 };
    }
    let last = found.last().map(|(place, _)| *place)?;
    for candidate in candidates.iter_mut().take(last + 1) {
        candidate.used = true;
    }
    found
        .into_iter()
        .map(|(place, executions)| {
            let text = candidates.get(place)?.text;
            Some(Explained { text, executions })
        })
        .collect()
}

/// The first of those that fit best, from `next` on.
fn best<'a>(
    candidates: &[Candidate<'a>],
    next: usize,
    fit: impl Fn(&Candidate<'a>) -> Option<Fit>,
) -> Option<usize> {
    let mut best: Option<(Fit, usize)> = None;
    for (place, candidate) in candidates.iter().enumerate().skip(next) {
        let Some(fit) = fit(candidate) else { continue };
        if fit == Fit::Named {
            return Some(place);
        }
        if best.is_none_or(|(other, _)| fit < other) {
            best = Some((fit, place));
        }
    }
    best.map(|(_, place)| place)
}

/// The statement that called what was executed. The same statement twice in a row, and the same
/// thing done twice: it was called twice.
fn enclosing(
    execution: &Execution<'_>,
    candidates: &[Candidate<'_>],
    next: usize,
    last: Option<&(usize, Vec<&Execution<'_>>)>,
) -> Option<usize> {
    let place = best(candidates, next, |candidate| candidate.encloses(execution))?;
    let again = last.is_some_and(|(other, caused)| {
        *other == place && caused.iter().any(|earlier| same_deed(earlier, execution))
    });
    if again {
        let text = candidates.get(place)?.text;
        let twin = candidates
            .iter()
            .skip(place + 1)
            .position(|candidate| candidate.text == text);
        return Some(twin.map_or(place, |offset| place + 1 + offset));
    }
    Some(place)
}

fn same_deed(a: &Execution<'_>, b: &Execution<'_>) -> bool {
    match (a.head(), b.head()) {
        (Some(a), Some(b)) => a.tag == b.tag && a.identity == b.identity && a.nested == b.nested,
        _ => false,
    }
}

/// Words of a line of context that may be a function's name: what stands before a parenthesis, and
/// what is in quotes (`SQL function "f" statement 1`), without schema.
fn function_names(line: &str) -> impl Iterator<Item = String> {
    let before_arguments = line
        .split('(')
        .next()
        .and_then(|start| start.split(' ').next_back());
    let in_quotes = line.split('"').nth(1);
    let last_part = |name: &str| name.rsplit('.').next().map(|part| part.replace('"', ""));
    before_arguments
        .into_iter()
        .chain(in_quotes)
        .filter_map(last_part)
}

// === impl Explained ===

impl Explained<'_, '_> {
    /// Whether all that it did was to history tables.
    pub(super) fn is_history(&self, excluded: &Excluded) -> bool {
        self.executions
            .iter()
            .all(|execution| is_history(execution, self.text, excluded))
    }
}

fn is_history(execution: &Execution<'_>, text: &str, excluded: &Excluded) -> bool {
    // A table comes with the sequences and indexes that its definition makes.
    let is_part = |kind: &str| matches!(kind, "index" | "sequence");
    let (parts, others): (Vec<&LedgerRow>, Vec<&LedgerRow>) = execution
        .rows
        .iter()
        .partition(|row| is_part(&row.object_type));
    if others.is_empty() {
        return !parts.is_empty() && excluded.names().any(|name| sql::mentions(text, name));
    }
    others.iter().all(|row| {
        Identity::parse(&row.identity)
            .table(&row.object_type)
            .is_some_and(|(schema, table)| excluded.table(schema, table))
    })
}
