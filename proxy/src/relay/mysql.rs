//! What the relay knows of MySQL messages that pass, and which commands are not for it.
//!
//! A server answers each command before it reads the next, so that almost nothing has to be looked
//! at: where messages begin, the first bytes of each, and what the pipeline makes of them. Commands
//! that the proxy has to do something about are left in the client's stream ([`End::Asked`]): the
//! front answers them, and relays on.
//!
//! [`End::Asked`]: super::End::Asked

use std::collections::HashSet;

use tenantsdb_codecs::mysql::client::Command;
use tenantsdb_codecs::mysql::flags::Capabilities;
use tenantsdb_codecs::mysql::frame::{HEADER_BYTES, Walk};
use tenantsdb_codecs::mysql::pipeline::{Event, Outcome, Pipeline};
use tenantsdb_codecs::mysql::{self, client};

use super::gate::{self, Flow, Look};

/// MariaDB: the statement that was prepared last.
pub(crate) const LAST_PREPARED: u32 = u32::MAX;

/// Why a session cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Bytes that are not the protocol.
    #[error(transparent)]
    Protocol(#[from] mysql::Error),
    /// A file of the client's was asked for, and it offered none.
    #[error("the server asks for a local file that the client did not offer")]
    FileRequest,
    /// Another login cannot be begun behind what was not understood.
    #[error("COM_CHANGE_USER behind a command that is not known")]
    ChangeUser,
    /// The server went on where it should have waited.
    #[error("the server sent more than the answer")]
    Behind,
    /// A command of the proxy's own between two of the client's was not done.
    #[error("{0}")]
    Own(Box<str>),
}

/// What passes in both directions of one session.
#[derive(Debug)]
pub(crate) struct Traffic {
    client: Walk,
    server: Walk,
    pipeline: Pipeline,
    capabilities: Capabilities,
    /// Statements may be DDL that is to be recorded.
    inspects: bool,
    /// Prepared statements that are to be recorded when they are executed.
    watched: HashSet<u32>,
    /// The next command goes on whatever it is: the front has looked at it.
    pass_next: bool,
    asked: bool,
    failed: bool,
}

/// What is to become of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Server,
    Front,
    End,
}

// === impl Traffic ===

impl Traffic {
    /// A session at its start, the server idle. `inspects` where DDL is recorded.
    pub(crate) fn new(capabilities: Capabilities, inspects: bool) -> Self {
        Self {
            client: Walk::new(),
            server: Walk::new(),
            pipeline: Pipeline::new(capabilities),
            capabilities,
            inspects,
            watched: HashSet::new(),
            pass_next: false,
            asked: false,
            failed: false,
        }
    }

    /// What was agreed with the client, and with the server.
    pub(crate) const fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Lets the next command pass, whatever it is.
    pub(crate) const fn pass_next(&mut self) {
        self.pass_next = true;
    }

    /// The front has dealt with the command that was held, or is about to let it pass.
    pub(crate) const fn answered(&mut self) {
        self.asked = false;
    }

    /// Goes on in the server's stream, to where the next message is known; for a reply that the
    /// front reads.
    pub(crate) fn next_reply(&mut self, input: &[u8]) -> Result<(usize, Option<Event>), Error> {
        let (taken, start) = self.server.step(input)?;
        let Some(start) = start else {
            return Ok((taken, None));
        };
        let event = self.pipeline.reply(start.body, start.packet_bytes)?;
        if let Event::Result { outcome, .. } = event {
            self.failed = matches!(outcome, Outcome::Err { .. });
        }
        Ok((taken, Some(event)))
    }

    /// Executions of this prepared statement are for the front.
    pub(crate) fn watch(&mut self, statement: u32) {
        self.watched.insert(statement);
    }

    /// Whether it is.
    pub(crate) fn is_watched(&self, statement: u32) -> bool {
        self.watched.contains(&statement)
    }

    /// A command goes to the server.
    pub(crate) fn command(&mut self, body: &[u8]) -> Result<(), mysql::Error> {
        self.failed = false;
        forget_closed(&mut self.watched, body);
        self.pipeline.command(body)
    }

    /// The front passes a packet of a file on.
    pub(crate) fn file_data(&mut self, bytes: usize) {
        self.pipeline
            .file_data(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// The way of the command that begins `bytes`. What cannot be told from what is there is for
    /// the front, which waits for more.
    fn way(&self, bytes: &[u8]) -> Result<Way, Error> {
        let way = self.way_by_command(bytes);
        // When replies end is not known any more, and the front could wait for ever. Who is logged
        // in must stay known.
        if way == Way::Front && self.pipeline.is_lost() {
            return match bytes.get(HEADER_BYTES).copied().map(Command) {
                None | Some(Command::CHANGE_USER) => Err(Error::ChangeUser),
                Some(_) => Ok(Way::Server),
            };
        }
        Ok(way)
    }

    fn way_by_command(&self, bytes: &[u8]) -> Way {
        if self.pass_next || self.pipeline.expects_file() {
            return Way::Server;
        }
        let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
        let Some((command, rest)) = body.split_first() else {
            return Way::Front;
        };
        match Command(*command) {
            Command::QUIT => Way::End,
            Command::CHANGE_USER | Command::PROCESS_KILL => Way::Front,
            Command::QUERY | Command::STMT_PREPARE if self.inspects => Way::Front,
            Command::QUERY if may_be_kill(rest, self.capabilities) => Way::Front,
            Command::STMT_EXECUTE if !self.watched.is_empty() => self.execution(body),
            _ => Way::Server,
        }
    }

    fn execution(&self, body: &[u8]) -> Way {
        match client::statement_id(body) {
            Ok(id) if id != LAST_PREPARED && !self.watched.contains(&id) => Way::Server,
            _ => Way::Front,
        }
    }
}

impl gate::Traffic for Traffic {
    type Error = Error;

    fn client_sent(&mut self, input: &[u8]) -> Result<Look, Error> {
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            if self.client.at_boundary() {
                let flow = match self.way(rest)? {
                    Way::Server => Flow::On,
                    Way::Front => Flow::Hold,
                    Way::End => Flow::End,
                };
                if flow != Flow::On {
                    self.asked = flow == Flow::Hold;
                    return Ok(Look {
                        pass: at,
                        seen: at,
                        flow,
                    });
                }
            }
            let (taken, start) = self.client.step(rest)?;
            at += taken;
            if let Some(start) = start {
                self.pass_next = false;
                if self.pipeline.expects_file() {
                    self.pipeline.file_data(start.packet_bytes);
                } else {
                    self.failed = false;
                    forget_closed(&mut self.watched, start.body);
                    self.pipeline.command(start.body)?;
                }
            }
        }
        Ok(Look {
            pass: at,
            seen: at,
            flow: Flow::On,
        })
    }

    fn server_sent(&mut self, input: &[u8]) -> Result<Look, Error> {
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            let (taken, event) = self.next_reply(rest)?;
            at += taken;
            let offered = self.capabilities.contains(Capabilities::LOCAL_FILES);
            if event == Some(Event::FileRequest) && !offered {
                return Err(Error::FileRequest);
            }
        }
        Ok(Look {
            pass: at,
            seen: at,
            flow: Flow::On,
        })
    }

    fn is_asked(&self) -> bool {
        self.asked
    }

    fn is_owed(&self) -> bool {
        self.pipeline.owed() > 0
    }

    fn is_settled(&self) -> bool {
        // A transaction that is open does not matter: the reset rolls it back.
        !self.pipeline.may_be_at_work() && self.client.at_boundary() && self.server.at_boundary()
    }

    fn is_between_transactions(&self) -> bool {
        self.pipeline.is_idle()
    }

    fn may_be_at_work(&self) -> bool {
        self.pipeline.may_be_at_work()
    }

    fn server_at_boundary(&self) -> bool {
        self.server.at_boundary()
    }

    fn server_explained(&self) -> bool {
        self.failed
    }
}

/// Takes out what a command closes.
fn forget_closed(watched: &mut HashSet<u32>, command: &[u8]) {
    match command.first().copied().map(Command) {
        Some(Command::STMT_CLOSE) => {
            if let Ok(closed) = client::statement_id(command) {
                watched.remove(&closed);
            }
        }
        Some(Command::RESET_CONNECTION) => watched.clear(),
        _ => {}
    }
}

/// Whether the text of a query may be a KILL: by its first word, or because it does not begin with
/// a word. Others are none.
fn may_be_kill(body: &[u8], capabilities: Capabilities) -> bool {
    let text = match (capabilities.contains(Capabilities::QUERY_ATTRIBUTES), body) {
        // No attributes; with some, the front looks for the text behind them.
        (true, [0, 1, text @ ..]) => text,
        (true, _) => return true,
        (false, text) => text,
    };
    match text.split_first_chunk::<4>() {
        Some((word, _)) if word.iter().all(u8::is_ascii_alphabetic) => {
            word.eq_ignore_ascii_case(b"KILL")
        }
        // White space, a comment, or too little to tell.
        _ => text
            .first()
            .is_none_or(|first| !first.is_ascii_alphabetic() || first.eq_ignore_ascii_case(&b'K')),
    }
}

#[cfg(test)]
mod tests;
