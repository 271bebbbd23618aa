//! The route feed: one JSON object a line, each at most [`LINE_BYTES_MAX`].
//!
//! ```text
//! {"snapshot":{"epoch":"f3…","rev":41,"routes":2}}     the proxy builds a table aside
//! {"put":{"rev":7,"route":{…}}}                        as many as announced
//! {"put":{"rev":40,"route":{…}}}
//! {"end":{"rev":41}}                                   the proxy swaps the table in
//! {"put":{"rev":42,"route":{…}}}                       from here on each line is a change
//! {"drop":{"rev":43,"engine":"PostgreSQL","database":"myapp__acme"}}
//! {"mark":{"rev":43}}                                  every 5 s: silence is a broken stream
//! ```
//!
//! A proxy that names the current epoch and a revision that control still has the changes since
//! gets no snapshot, only what follows. The file on a proxy's disk holds the lines of a snapshot.

use serde::{Deserialize, Serialize};

use super::id::Engine;
use super::route::Route;

/// Longest line, without its line feed, in bytes. A route is some hundreds; a longer line is a
/// fault.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// One line of the feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and nearly all are routes"
)]
pub enum Line {
    /// What follows replaces the whole table.
    Snapshot(Snapshot),
    /// A route is new or changed.
    Put(Put),
    /// A route is gone.
    Drop(DropRoute),
    /// The snapshot is complete.
    End(Mark),
    /// Nothing happened since; the stream is alive.
    Mark(Mark),
}

/// Head of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Identity of control's store; changed when one is restored from a backup, so that its
    /// revisions are not taken for others.
    pub epoch: String,
    /// The revision that the snapshot shows.
    pub rev: u64,
    /// How many `put` lines follow before `end`.
    pub routes: u64,
    /// Take it even if it empties a table that was not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub authoritative: bool,
}

/// A new or changed route, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// The revision of this change.
    pub rev: u64,
    /// The route as it is now.
    pub route: Route,
}

/// A route that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropRoute {
    /// The revision of this change.
    pub rev: u64,
    /// First half of the route's key.
    pub engine: Engine,
    /// Second half of the route's key.
    pub database: String,
}

/// A revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// All changes up to this one have been sent.
    pub rev: u64,
}

/// What a proxy answers: all up to `rev` is in force on every core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The proxy's id, the one it follows the feed under.
    pub proxy: String,
    /// The epoch that `rev` belongs to.
    pub epoch: String,
    /// The revision in force.
    pub rev: u64,
    /// A route that could not be used; its last good value was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nack: Option<Nack>,
}

/// One route that a proxy could not use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nack {
    /// The revision that brought it.
    pub rev: u64,
    /// Its database.
    pub database: String,
    /// What was wrong with it.
    pub reason: String,
}

/// Why a line of the feed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Longer than [`LINE_BYTES_MAX`].
    #[error("feed line longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// Not one of the objects above.
    #[error("feed line: {0}")]
    Json(#[from] serde_json::Error),
}

impl Line {
    /// Reads one line, without its line feed.
    ///
    /// # Errors
    ///
    /// The line is too long, or not one of the objects above.
    pub fn decode(line: &[u8]) -> Result<Self, LineError> {
        if line.len() > LINE_BYTES_MAX {
            return Err(LineError::TooLong);
        }
        Ok(serde_json::from_slice(line)?)
    }

    /// Appends the line and its line feed to `out`.
    ///
    /// # Errors
    ///
    /// The line would be too long; `out` is as it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), LineError> {
        let start = out.len();
        let written = serde_json::to_writer(&mut *out, self).map_err(LineError::from);
        let checked = written.and_then(|()| match out.len() - start {
            0..=LINE_BYTES_MAX => Ok(()),
            _ => Err(LineError::TooLong),
        });
        match checked {
            Ok(()) => out.push(b'\n'),
            Err(_) => out.truncate(start),
        }
        checked
    }
}

/// Takes the feed apart into lines, wherever the chunks of the transport end.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Takes in the next chunk and calls `each` for every line that it completes.
    ///
    /// # Errors
    ///
    /// A line that cannot be read, or the first error of `each`; the stream is of no more use then.
    pub fn push<E: From<LineError>>(
        &mut self,
        chunk: &[u8],
        mut each: impl FnMut(Line) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            if self.pending.is_empty() {
                each(Line::decode(line)?)?;
            } else {
                self.pending.extend_from_slice(line);
                let line = std::mem::take(&mut self.pending);
                each(Line::decode(&line)?)?;
            }
        }
        if self.pending.len() + rest.len() > LINE_BYTES_MAX {
            return Err(LineError::TooLong.into());
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
