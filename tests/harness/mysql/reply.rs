//! What the other side says: a result, an error, or nothing.

use super::packet::Cursor;

/// An ERR packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Error number.
    pub number: u16,
    /// SQLSTATE; empty before the client has said that it knows them.
    pub state: String,
    /// Message.
    pub text: String,
}

impl Failed {
    /// Reads an ERR packet.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Self {
        let mut cursor = Cursor(payload);
        assert_eq!(cursor.take(1), [0xff], "an ERR packet");
        let number = u16::try_from(cursor.number(2)).expect("two bytes");
        let has_state = cursor.0.first() == Some(&b'#');
        let state = if has_state { &cursor.take(6)[1..] } else { b"" };
        Self {
            number,
            state: String::from_utf8_lossy(state).into_owned(),
            text: String::from_utf8_lossy(cursor.0).into_owned(),
        }
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ERROR {} ({}): {}", self.number, self.state, self.text)
    }
}

/// A row: `None` is NULL.
pub type Row = Vec<Option<Vec<u8>>>;

/// One result of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// OK, with the rows that it changed and its warnings.
    Done {
        /// Rows.
        affected: u64,
        /// Warnings.
        warnings: u16,
    },
    /// A result set.
    Rows(Vec<Row>),
}

/// Why a connection was not made.
#[derive(Debug)]
pub enum Refused {
    /// The other side's word.
    Error(Failed),
    /// It closed the connection, or was not there.
    Io(std::io::Error),
}

impl Refused {
    /// The other side's word.
    ///
    /// # Panics
    ///
    /// If there was none.
    #[must_use]
    #[track_caller]
    pub fn failed(self) -> Failed {
        match self {
            Self::Error(failed) => failed,
            Self::Io(e) => panic!("refused without a word: {e}"),
        }
    }
}

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// Rows affected, status, warnings of an OK packet.
pub(super) fn ok(payload: &[u8]) -> (u64, u16, u16) {
    let mut cursor = Cursor(&payload[1..]);
    let affected = cursor.lenenc().unwrap_or_default();
    cursor.lenenc();
    let status = u16::try_from(cursor.number(2)).expect("two bytes");
    let warnings = u16::try_from(cursor.number(2)).expect("two bytes");
    (affected, status, warnings)
}
