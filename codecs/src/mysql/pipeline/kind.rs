//! Which commands are answered, and how.

use super::super::client::Command;

/// What kind of reply a command has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// OK or EOF.
    Simple,
    /// OK, a file request or a result set; more than one.
    Results,
    /// A prepared statement.
    Prepare,
    /// Rows, or column definitions that look alike, without a count before them.
    Rows,
    /// One message of text.
    Text,
}

/// Whether a command has a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has none if its body has at least as many bytes.
    None { bytes_min: usize },
    /// One of this kind.
    One(Kind),
    /// One that is not followed.
    Unknown,
}

impl Answer {
    pub(super) const fn of(command: Command) -> Self {
        Self::One(match command {
            Command::STMT_CLOSE => return Self::None { bytes_min: 5 },
            Command::STMT_SEND_LONG_DATA => return Self::None { bytes_min: 7 },
            Command::QUERY
            | Command::STMT_EXECUTE
            | Command::STMT_BULK_EXECUTE
            | Command::PROCESS_INFO => Kind::Results,
            Command::STMT_PREPARE => Kind::Prepare,
            Command::STMT_FETCH | Command::FIELD_LIST => Kind::Rows,
            Command::STATISTICS => Kind::Text,
            Command::INIT_DB
            | Command::REFRESH
            | Command::SHUTDOWN
            | Command::PROCESS_KILL
            | Command::DEBUG
            | Command::PING
            | Command::STMT_RESET
            | Command::SET_OPTION
            | Command::RESET_CONNECTION => Kind::Simple,
            _ => return Self::Unknown,
        })
    }
}
