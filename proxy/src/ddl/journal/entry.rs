//! One line of the file: `{"check":"<16 hex digits>","entry":<JSON>}`. The check is of the bytes of
//! the entry, so that a line that is not whole is known.

use std::borrow::Cow;
use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tenantsdb_codecs::feed::capture::Capture;

const BEFORE_CHECK: &[u8] = br#"{"check":""#;
const CHECK_BYTES: usize = 16;
const BEFORE_ENTRY: &[u8] = br#"","entry":"#;
const END: &[u8] = b"}\n";

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Entry<'a> {
    /// About to be forwarded.
    Intent(Cow<'a, Capture>),
    /// What became of it.
    Settled(Cow<'a, Capture>),
    /// Control has it, or it never came to be.
    Forgotten(Cow<'a, str>),
}

impl Entry<'_> {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Intent(capture) | Self::Settled(capture) => &capture.id,
            Self::Forgotten(id) => id,
        }
    }

    /// Whether it ends the matter.
    fn closes(&self) -> bool {
        match self {
            Self::Intent(_) => false,
            Self::Settled(capture) => capture.statements.is_empty(),
            Self::Forgotten(_) => true,
        }
    }
}

/// An entry in the form in which it is written, and what must be known of it besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) kind: LineKind,
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
    Intent,
    Settled,
    /// Nothing of this id counts any more.
    Closed,
}

impl Line {
    /// # Errors
    ///
    /// None in practice: all of it can be written as JSON.
    pub(super) fn encode(entry: &Entry<'_>) -> io::Result<Self> {
        let json = serde_json::to_vec(entry)?;
        let check = check(&json);
        let parts = [BEFORE_CHECK, &check, BEFORE_ENTRY, &json, END];
        Ok(Self::new(entry, parts.concat()))
    }

    fn new(entry: &Entry<'_>, bytes: Vec<u8>) -> Self {
        let kind = match entry {
            entry if entry.closes() => LineKind::Closed,
            Entry::Intent(_) => LineKind::Intent,
            Entry::Settled(_) | Entry::Forgotten(_) => LineKind::Settled,
        };
        Self {
            id: entry.id().to_owned(),
            kind,
            bytes,
        }
    }

    /// Reads a line with its line feed; `None` if it is not as it was written.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, Entry<'static>)> {
        let rest = bytes.strip_prefix(BEFORE_CHECK)?;
        let (found, rest) = rest.split_at_checked(CHECK_BYTES)?;
        let json = rest.strip_prefix(BEFORE_ENTRY)?.strip_suffix(END)?;
        if found != check(json) {
            return None;
        }
        let entry: Entry<'static> = serde_json::from_slice(json).ok()?;
        Some((Self::new(&entry, bytes.to_vec()), entry))
    }
}

/// A quarter of SHA-256 in hexadecimal: accidents do not need more.
fn check(json: &[u8]) -> [u8; CHECK_BYTES] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(json);
    let mut check = [0; CHECK_BYTES];
    for (pair, byte) in check.chunks_exact_mut(2).zip(digest) {
        pair.copy_from_slice(&[
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 0x0f)],
        ]);
    }
    check
}
