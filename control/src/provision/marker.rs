//! What a database says of its versions, whatever it is written in: MySQL's table and MongoDB's
//! collection `_tenantsdb`.
//!
//! A row with step 0 says that a version is there whole, one with step n how far its statement n
//! is. The rows lie where the tenant can write: they are believed only within what control knows.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::Found;
use crate::blueprint::{Probe, Version, version_name};

/// A step of ours that stands for a whole database: a template that is complete, a copy that is
/// being made.
pub(in crate::provision) const WHOLE: i32 = -1;

/// All rows.
#[derive(Debug, Default)]
pub(in crate::provision) struct Marker {
    pub(in crate::provision) rows: BTreeMap<(u32, i32), Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::provision) struct Row {
    pub(in crate::provision) state: State,
    pub(in crate::provision) digest: String,
    /// Of a step: what its objects were before; in a template, what they were after it.
    pub(in crate::provision) pre: Option<Probe>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provision) enum State {
    Intent,
    Done,
    /// A copy of a template that is being made.
    Making,
    Template,
    /// Nothing that we write.
    Unknown,
}

// === impl Marker ===

impl Marker {
    /// The newest version that is there whole.
    pub(in crate::provision) fn ordinal(&self) -> Option<u32> {
        let whole = |(key, row): (&(u32, i32), &Row)| {
            (key.1 == 0 && row.state == State::Done).then_some(key.0)
        };
        self.rows.iter().filter_map(whole).max()
    }

    /// The version that the database says it has, if control, who recorded `known` and began
    /// nothing above `begun`, can believe it; else what it says.
    pub(in crate::provision) fn believed(
        &self,
        (known, begun): (u32, u32),
        versions: &[Version],
    ) -> Result<u32, String> {
        let Some(at) = self.ordinal() else {
            return Err("no version".to_owned());
        };
        if at < known || at > begun {
            return Err(version_name(at));
        }
        let given = versions.iter().find(|v| v.ordinal == at);
        if at > known
            && let Some(version) = given
            && self.row(at, 0).map(|row| row.digest.as_str()) != Some(digest_of(version).as_str())
        {
            return Err(format!("another {} than it was given", version_name(at)));
        }
        for (ordinal, step, row) in self.above(at) {
            let plausible = matches!(row.state, State::Intent | State::Done) && step > 0;
            if ordinal != at + 1 || ordinal > begun || !plausible {
                return Err(format!(
                    "{} and has a row of {}, step {step}",
                    version_name(at),
                    version_name(ordinal)
                ));
            }
        }
        Ok(at)
    }

    pub(in crate::provision) fn row(&self, ordinal: u32, step: i32) -> Option<&Row> {
        self.rows.get(&(ordinal, step))
    }

    /// Rows of versions above `ordinal`.
    pub(in crate::provision) fn above(
        &self,
        ordinal: u32,
    ) -> impl Iterator<Item = (u32, i32, &Row)> {
        self.rows
            .iter()
            .filter(move |((of, _), _)| *of > ordinal)
            .map(|((of, step), row)| (*of, *step, row))
    }

    /// By what the newest whole version is known again; empty for 1.0.
    pub(in crate::provision) fn version_digest(&self) -> &str {
        let row = self.ordinal().and_then(|ordinal| self.row(ordinal, 0));
        row.map_or("", |row| row.digest.as_str())
    }

    /// The fingerprint of a template that is complete.
    pub(in crate::provision) fn template(&self) -> Option<&str> {
        self.template_row().map(|row| row.digest.as_str())
    }

    /// The tables of a template that have rows.
    pub(in crate::provision) fn filled(&self) -> Vec<String> {
        let tables = self.template_row().and_then(|row| row.pre.as_ref());
        tables.map_or_else(Vec::new, |tables| tables.0.keys().cloned().collect())
    }

    fn template_row(&self) -> Option<&Row> {
        let mut rows = self.rows.iter();
        let row = rows.find(|((_, step), row)| *step == WHOLE && row.state == State::Template);
        row.map(|(_, row)| row)
    }

    /// What the steps of a template left.
    pub(in crate::provision) fn found(&self) -> Vec<Found> {
        let step = |((ordinal, step), row): (&(u32, i32), &Row)| {
            let place = u32::try_from(*step).ok().filter(|place| *place > 0)?;
            (row.state == State::Done).then_some(())?;
            Some((*ordinal, place, row.pre.clone()?))
        };
        self.rows.iter().filter_map(step).collect()
    }
}

// === impl State ===

impl State {
    pub(in crate::provision) fn of(text: &str) -> Self {
        match text {
            "intent" => Self::Intent,
            "done" => Self::Done,
            "making" => Self::Making,
            "template" => Self::Template,
            _ => Self::Unknown,
        }
    }
}

/// By what a version is known again.
pub(in crate::provision) fn digest_of(version: &Version) -> String {
    let texts = version.statements.iter().map(|statement| {
        let deploy = if statement.deploy { "+" } else { "-" };
        format!("{deploy}{}", digest(&statement.ddl))
    });
    digest(&texts.collect::<String>())
}

/// SHA-256 in hex.
pub(in crate::provision) fn digest(text: &str) -> String {
    let bytes = Sha256::digest(text.as_bytes());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
