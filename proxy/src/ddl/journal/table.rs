//! What counts of the lines of the file.

use std::collections::{BTreeMap, HashMap};
use std::io;

use tenantsdb_codecs::feed::capture::{Capture, Outcome};

use super::entry::{Entry, Line, LineKind};

/// The last line of each record that control does not have, in the order in which they were
/// intended.
#[derive(Debug, Default)]
pub(super) struct Table {
    lines: BTreeMap<u64, Line>,
    /// Where each id stands.
    places: HashMap<String, u64>,
    next: u64,
    bytes: usize,
}

/// What a file had.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) table: Table,
    /// Lines that are not as they were written, in front of others that are. Those at the end were
    /// being written when the process ended, and were never acknowledged.
    pub(super) damaged: usize,
}

impl Table {
    /// Reads a file.
    pub(super) fn recover(file: &[u8]) -> Recovered {
        let mut recovered = Recovered::default();
        let mut unreadable = 0;
        for bytes in file.split_inclusive(|byte| *byte == b'\n') {
            match Line::decode(bytes) {
                Some((line, _)) => {
                    recovered.damaged += std::mem::take(&mut unreadable);
                    recovered.table.apply(line);
                }
                None => unreadable += 1,
            }
        }
        recovered
    }

    /// Takes a line in.
    pub(super) fn apply(&mut self, line: Line) {
        if line.kind == LineKind::Closed {
            self.close(&line.id);
            return;
        }
        let place = self.places.get(&line.id).copied().unwrap_or_else(|| {
            let place = self.next;
            self.next += 1;
            self.places.insert(line.id.clone(), place);
            place
        });
        self.bytes += line.bytes.len();
        if let Some(before) = self.lines.insert(place, line) {
            self.bytes -= before.bytes.len();
        }
    }

    /// Forgets a record; whether there was one.
    pub(super) fn close(&mut self, id: &str) -> bool {
        let line = self
            .places
            .remove(id)
            .and_then(|place| self.lines.remove(&place));
        self.bytes -= line.as_ref().map_or(0, |line| line.bytes.len());
        line.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Length of [`Table::bytes`].
    pub(super) const fn bytes_len(&self) -> usize {
        self.bytes
    }

    /// A file that has what counts and nothing else.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes);
        for line in self.lines.values() {
            bytes.extend_from_slice(&line.bytes);
        }
        bytes
    }

    /// The records themselves; of those that were only intended no end is known.
    pub(super) fn captures(&self) -> io::Result<Vec<Capture>> {
        let captures = self
            .lines
            .values()
            .map(|line| match Line::decode(&line.bytes) {
                Some((_, Entry::Settled(capture))) => Ok(capture.into_owned()),
                Some((_, Entry::Intent(capture))) => Ok(unknown(capture.into_owned())),
                Some((_, Entry::Forgotten(_))) | None => {
                    Err(io::Error::other("a record in memory cannot be read"))
                }
            });
        captures.collect()
    }
}

fn unknown(mut capture: Capture) -> Capture {
    for statement in &mut capture.statements {
        statement.outcome = Outcome::Unknown;
    }
    capture
}
