//! Which replies a server still owes, where in a reply it is, and whether the connection may be
//! given to someone else.
//!
//! A reply is one message, or a result set, or several of both; nothing in a message says whether
//! it is the last. That follows from the command, from counts and from status flags, so all of them
//! are kept. It takes the first bytes of each message: [`super::frame::START_BYTES_MAX`].
//!
//! ```text
//!             OK, ERR                                                more results
//!   first ──────────────► done        ┌──────────────────────────────────────────┐
//!     │ file request                  ▼                                          │
//!     ├─────────────► file ──end──► first                                        │
//!     │ column count             EOF, if spoken            EOF or OK             │
//!     └─────────────► columns ──────────────────► rows ────────────────► done ───┘
//!                                      └─ a cursor was opened: done
//!   first (prepare) ───► parameters ───► columns ───► done
//! ```
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response.html>

use super::Error;
use super::client::Command;
use super::code::Code;
use super::flags::{Capabilities, Status};
use super::frame::PACKET_BYTES_MAX;
use super::report;
use super::server::{self, EOF, Eof, LOCAL_INFILE, OK, column_count};

mod event;
mod kind;
mod place;
mod prepare;
mod queue;

pub use event::{Event, Outcome};
use kind::{Answer, Kind};
use place::Place;
use queue::Queue;

/// Books of one server connection. Closing a connection needlessly costs a login; reusing one that
/// is not at rest gives a client the rows of another. So whatever cannot be accounted for exactly
/// makes the connection [unclear](Self::is_unclear) for good, and it is never idle again:
///
/// - COM_CHANGE_USER, replication, COM_QUIT and unknown commands: their replies are not followed,
///   nor is anything behind them.
/// - COM_SET_OPTION: its reply is followed, but what it sets outlives COM_RESET_CONNECTION.
/// - A command that was sent before the client had read that a file is asked for: whether it is
///   file data cannot be told.
/// - More commands ahead than [`crate::limits::MYSQL_COMMAND_RUNS_MAX`] runs of one kind.
///
/// Compression, `CLIENT_OPTIONAL_RESULTSET_METADATA` and `MARIADB_CLIENT_CACHE_METADATA` must not
/// be among the connection's capabilities: what they change is not followed.
#[derive(Clone, Debug)]
pub struct Pipeline {
    deprecate_eof: bool,
    progress: bool,
    place: Place,
    queue: Queue,
    /// The statement whose definitions are under way.
    prepared_id: u32,
    /// The rows under way are OUT parameters, behind which the OK of their CALL follows.
    out_params: bool,
    status: Status,
    /// An error came since the last status: whether a transaction is open is not known.
    doubtful: bool,
    unclear: bool,
    /// Replies are not followed any more.
    lost: bool,
}

impl Pipeline {
    /// Begins behind the OK of a login with these capabilities: those of both sides.
    #[must_use]
    pub const fn new(capabilities: Capabilities) -> Self {
        Self {
            deprecate_eof: capabilities.contains(Capabilities::DEPRECATE_EOF),
            progress: capabilities.contains(Capabilities::MARIADB_PROGRESS),
            place: Place::First,
            queue: Queue::new(),
            prepared_id: 0,
            out_params: false,
            status: Status::AUTOCOMMIT,
            doubtful: false,
            unclear: false,
            lost: false,
        }
    }

    /// A command that begins with these bytes goes to the server. Call it when its start is known.
    /// Until then, and until its last byte is sent, whoever asks for rest must also know that the
    /// stream stands between two messages: this counts messages, not bytes.
    ///
    /// # Errors
    ///
    /// A message without a byte, or one that must be [file data](Self::file_data). The connection
    /// is unclear.
    pub fn command(&mut self, start: &[u8]) -> Result<(), Error> {
        let Some(command) = Command::of(start) else {
            self.lose();
            return Err(Error::Truncated("command"));
        };
        if self.expects_file() {
            self.lose();
            return Err(Error::Invalid("command while a file is asked for"));
        }
        self.unclear |= command == Command::SET_OPTION;
        match Answer::of(command) {
            // One that ends before its statement has an answer all the same: an error.
            Answer::None { bytes_min } if start.len() < bytes_min => self.lose(),
            Answer::None { .. } => {}
            Answer::One(kind) => {
                if !self.lost && !self.queue.push(kind) {
                    self.lose();
                }
            }
            Answer::Unknown => self.lose(),
        }
        Ok(())
    }

    /// Whether the client's next message is file data and no command.
    #[must_use]
    pub const fn expects_file(&self) -> bool {
        matches!(self.place, Place::File) && !self.lost
    }

    /// A message of file data, whose first packet has this many bytes, goes to the server. An empty
    /// one ends the file.
    pub fn file_data(&mut self, packet_bytes: u32) {
        if !self.expects_file() {
            self.lose();
        } else if packet_bytes == 0 {
            self.place = Place::First;
        }
    }

    /// The server sent a message that begins with these bytes, and whose first packet has
    /// `packet_bytes` of them.
    ///
    /// # Errors
    ///
    /// A message that cannot come here. The connection is unclear.
    pub fn reply(&mut self, start: &[u8], packet_bytes: u32) -> Result<Event, Error> {
        // Nearly all messages are rows.
        if self.place == Place::Rows && !matches!(start.first(), Some(&(EOF | report::HEADER))) {
            return Ok(Event::Part);
        }
        let event = self.reply_not_a_row(start, packet_bytes);
        if event.is_err() {
            self.lose();
        }
        event
    }

    fn reply_not_a_row(&mut self, start: &[u8], packet_bytes: u32) -> Result<Event, Error> {
        if self.lost {
            return Ok(Event::Part);
        }
        if let Some(code) = report::code(start) {
            return Ok(self.error(code, start));
        }
        let Some(kind) = self.queue.front() else {
            return Err(Error::Invalid("reply to no command"));
        };
        match (self.place, kind) {
            (Place::First, Kind::Results) => self.first(start, packet_bytes),
            (Place::First, Kind::Simple) => {
                let (warnings, status) = end(start, packet_bytes)?;
                Ok(self.done(Outcome::Ok { warnings, status }))
            }
            (Place::First, Kind::Prepare) => self.prepare_first(start, packet_bytes),
            (Place::First, Kind::Text) => Ok(self.done(Outcome::Ok {
                warnings: 0,
                status: self.status,
            })),
            (Place::First, Kind::Rows) | (Place::Rows, _) => self.row(start, packet_bytes),
            (Place::File, _) => Err(Error::Invalid("reply before the end of a file")),
            (Place::Columns(left), _) => {
                definition(start)?;
                self.place = match left.saturating_sub(1) {
                    0 if self.deprecate_eof => Place::Rows,
                    0 => Place::ColumnsEnd,
                    left => Place::Columns(left),
                };
                Ok(Event::Part)
            }
            (Place::ColumnsEnd, _) => {
                let Eof { warnings, status } = Eof::decode(start)?;
                if status.contains(Status::CURSOR_EXISTS) {
                    return Ok(self.done(Outcome::Rows { warnings, status }));
                }
                self.out_params = status.contains(Status::PS_OUT_PARAMS);
                Ok(self.go(Place::Rows))
            }
            (Place::PrepareParams { left, columns }, _) => {
                definition(start)?;
                Ok(match left.saturating_sub(1) {
                    0 if self.deprecate_eof => self.prepare_columns(columns),
                    0 => self.go(Place::PrepareParamsEnd { columns }),
                    left => self.go(Place::PrepareParams { left, columns }),
                })
            }
            (Place::PrepareParamsEnd { columns }, _) => {
                self.stands(Eof::decode(start)?.status);
                Ok(self.prepare_columns(columns))
            }
            (Place::PrepareColumns(left), _) => {
                definition(start)?;
                Ok(match left.saturating_sub(1) {
                    0 if self.deprecate_eof => self.prepared(),
                    0 => self.go(Place::PrepareColumnsEnd),
                    left => self.go(Place::PrepareColumns(left)),
                })
            }
            (Place::PrepareColumnsEnd, _) => {
                self.stands(Eof::decode(start)?.status);
                Ok(self.prepared())
            }
        }
    }

    /// The first message of a result.
    fn first(&mut self, start: &[u8], packet_bytes: u32) -> Result<Event, Error> {
        match start.first() {
            Some(&OK) => {
                let (warnings, status) = end(start, packet_bytes)?;
                Ok(self.done(Outcome::Ok { warnings, status }))
            }
            Some(&LOCAL_INFILE) => {
                if self.queue.owed() > 1 {
                    self.lose();
                }
                self.place = Place::File;
                Ok(Event::FileRequest)
            }
            Some(_) => column_count(start).map(|count| self.go(Place::Columns(count))),
            None => Err(Error::Truncated("reply")),
        }
    }

    /// A row, or what ends rows: the first bytes of a row can be the same only if it is so long
    /// that it fills a packet.
    fn row(&mut self, start: &[u8], packet_bytes: u32) -> Result<Event, Error> {
        if start.first() == Some(&EOF) && packet_bytes < PACKET_BYTES_MAX {
            let (warnings, mut status) = end(start, packet_bytes)?;
            // MySQL says so in the EOF before the rows only; its own client library knows
            // (`cli_read_binary_rows` in `libmysql/libmysql.cc`).
            if std::mem::take(&mut self.out_params) {
                status = status.union(Status::MORE_RESULTS_EXISTS);
            }
            return Ok(self.done(Outcome::Rows { warnings, status }));
        }
        Ok(self.go(Place::Rows))
    }

    const fn go(&mut self, place: Place) -> Event {
        self.place = place;
        Event::Part
    }

    /// A result is complete.
    fn done(&mut self, outcome: Outcome) -> Event {
        if let Outcome::Ok { status, .. } | Outcome::Rows { status, .. } = outcome {
            self.stands(status);
            if status.contains(Status::MORE_RESULTS_EXISTS) {
                self.place = Place::First;
                let last = false;
                return Event::Result { outcome, last };
            }
        }
        self.end_reply(outcome)
    }

    fn end_reply(&mut self, outcome: Outcome) -> Event {
        self.place = Place::First;
        self.out_params = false;
        self.queue.pop();
        Event::Result {
            outcome,
            last: true,
        }
    }

    const fn stands(&mut self, status: Status) {
        self.status = status;
        self.doubtful = false;
    }

    /// An error ends a reply wherever it comes.
    fn error(&mut self, code: Code, start: &[u8]) -> Event {
        if self.progress && report::is_progress(start) {
            return Event::Part;
        }
        // Without a command it says that the server is about to close. While a file is sent, what
        // the client sends next may be the rest of it.
        if self.queue.owed() == 0 || self.place == Place::File {
            self.lose();
        }
        self.doubtful = true;
        self.end_reply(Outcome::Err { code })
    }

    fn lose(&mut self) {
        self.unclear = true;
        self.lost = true;
    }

    /// The connection is in a state that is not known (an unreadable message, say) and must not be
    /// used again. What is still owed is followed as before.
    pub fn give_up(&mut self) {
        self.unclear = true;
    }

    /// Status flags of the last OK or EOF. While replies are owed they may have changed.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Commands whose replies have not ended.
    #[must_use]
    pub const fn owed(&self) -> u64 {
        self.queue.owed()
    }

    /// Whether something happened that is not accounted for.
    #[must_use]
    pub const fn is_unclear(&self) -> bool {
        self.unclear
    }

    /// Whether replies are not followed any more: neither their ends nor how many are owed are
    /// known from there on.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether the server may be at work on what it was sent, or wait for the rest of a file. In a
    /// transaction it may only wait for the next command; COM_RESET_CONNECTION ends it.
    #[must_use]
    pub const fn may_be_at_work(&self) -> bool {
        self.queue.owed() > 0 || self.unclear
    }

    /// Whether the server waits for the next command, in no transaction, with nothing begun. An
    /// error does not say whether it left one open, so until the next status it is not. That
    /// nothing of a message is under way in either direction is for the caller to know.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        let open = self.doubtful || self.status.contains(Status::IN_TRANS);
        !self.may_be_at_work() && !open
    }
}

/// Warnings and status of what ends a result: OK with either first byte, or EOF, which is shorter
/// than any OK.
fn end(start: &[u8], packet_bytes: u32) -> Result<(u16, Status), Error> {
    const EOF_BYTES: u32 = 5;
    if start.first() == Some(&EOF) && packet_bytes == EOF_BYTES {
        let Eof { warnings, status } = Eof::decode(start)?;
        return Ok((warnings, status));
    }
    let done = server::Ok::decode(start)?;
    Ok((done.warnings, done.status))
}

/// A column or parameter definition begins with the length of its catalog, `def`.
fn definition(start: &[u8]) -> Result<(), Error> {
    match start.first() {
        Some(0..=0xfa) => Ok(()),
        Some(_) => Err(Error::Invalid("column definition")),
        None => Err(Error::Truncated("column definition")),
    }
}

#[cfg(test)]
mod tests;
