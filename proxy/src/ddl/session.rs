//! Capture in one workspace session: which statements the server says took effect.
//!
//! The session's messages are forwarded as in any other session; this looks on. What the client
//! asks is queued, what the server answers is matched with the head of the queue:
//!
//! ```text
//! client  Query  Parse  Bind  Describe  Execute  Close  FunctionCall  Sync
//!           │      │      │      │         │       │         │         │
//! queue   ──┴──────┴──────┴──────┴─────────┴───────┴─────────┴─────────┴──►
//!           │      │      │      │         │       │         │         │
//! server   C* Z    1      2     T n      C I s     3         Z         Z
//!          an E takes everything off up to the next Sync; in a Query it ends the Query
//! ```
//!
//! A CommandComplete makes its statement count; [`block::Block`] holds it until its transaction is
//! over. When something other than reading and writing rows has been committed, the ReadyForQuery
//! that says so is held back until control has been told.
//!
//! Texts are a help and not the record: the ledger in the workspace is. Where a text is too long,
//! not UTF-8, or the answers do not match the questions, the session goes on with the server's
//! command tags alone.

mod asked;
mod block;

use std::collections::HashMap;
use std::rc::Rc;

use tenantsdb_codecs::feed::capture::Capture;
use tenantsdb_codecs::postgres::client::Kind;
use tenantsdb_codecs::postgres::frame::Header;
use tenantsdb_codecs::postgres::server::{CommandComplete, TransactionStatus};
use tenantsdb_codecs::postgres::tag::{ClientTag, ServerTag};

use asked::{Asked, Queue, Statement};
use block::Block;

/// Longest command tag in bytes that is read; the server's own (`COMPLETION_TAG_BUFSIZE`) is 64.
const TAG_BYTES_MAX: usize = 128;

/// Statements and portals of one session that are remembered; with more, texts are given up.
const NAMES_MAX: usize = 10_000;

/// Who the captures of a session are from.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    /// Identity of the session, unique in the fleet.
    pub(crate) session: String,
    /// The workspace database.
    pub(crate) database: String,
    /// Who is logged in.
    pub(crate) user: String,
    /// Process id of the server's backend.
    pub(crate) pid: i32,
}

/// What a workspace session has asked and has not been told yet, and what it has done.
#[derive(Debug)]
pub(crate) struct Inspect {
    author: Author,
    captures: u64,
    queue: Queue,
    statements: HashMap<String, Option<Rc<Statement>>>,
    portals: HashMap<String, Option<Rc<Statement>>>,
    block: Block,
    /// Answers and questions no longer match: from here on there are tags only.
    lost: bool,
}

// === impl Inspect ===

impl Inspect {
    /// For a session that begins.
    pub(crate) fn new(author: Author) -> Self {
        Self {
            author,
            captures: 0,
            queue: Queue::default(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            block: Block::default(),
            lost: false,
        }
    }

    /// The client began a message. Answers how much of the body is to be shown.
    pub(crate) fn client_header(&mut self, header: Header) -> usize {
        if self.lost {
            return 0;
        }
        let wanted = self.queue.header(header);
        self.check();
        wanted
    }

    /// The start of that body.
    pub(crate) fn client_body(&mut self, header: Header, start: &[u8]) {
        if !self.lost {
            self.queue.body(header, start);
            self.check();
        }
    }

    /// The server began a message. Answers how much of the body is to be shown.
    pub(crate) fn server_header(&mut self, header: Header) -> usize {
        let tag = ServerTag(header.tag);
        if tag == ServerTag::COMMAND_COMPLETE {
            return TAG_BYTES_MAX;
        }
        if tag == ServerTag::ERROR_RESPONSE {
            self.block.fail();
        }
        if !self.lost {
            self.answer(tag);
        }
        0
    }

    /// The start of that body.
    pub(crate) fn server_body(&mut self, header: Header, start: &[u8]) {
        if ServerTag(header.tag) != ServerTag::COMMAND_COMPLETE {
            return;
        }
        let tag = CommandComplete::decode(start).map_or("", |complete| complete.tag);
        let statement = if self.lost { None } else { self.completed() };
        self.block.complete(statement.as_deref(), tag);
    }

    /// The server is ready for the next batch. A capture is to reach control before the client is
    /// told so.
    pub(crate) fn ready(
        &mut self,
        status: TransactionStatus,
        application_name: &str,
    ) -> Option<Capture> {
        if !self.lost {
            match self.queue.pop() {
                Some(Asked::Sync | Asked::Query(_)) => {}
                Some(Asked::Call) => self.block.call(),
                _ => self.lose(),
            }
        }
        let statements = self.block.ready(status)?;
        self.captures += 1;
        let Author {
            session,
            database,
            user,
            pid,
        } = &self.author;
        Some(Capture {
            id: format!("{session}:{}", self.captures),
            database: database.clone(),
            pid: (*pid).into(),
            user: user.clone(),
            application_name: application_name.to_owned(),
            statements,
            context: None,
        })
    }

    /// Matches an answer that carries nothing of interest but its tag.
    fn answer(&mut self, tag: ServerTag) {
        match tag {
            ServerTag::PARSE_COMPLETE => self.parsed(),
            ServerTag::BIND_COMPLETE => self.bound(),
            ServerTag::CLOSE_COMPLETE => self.closed(),
            ServerTag::PORTAL_SUSPENDED => self.expect(|asked| matches!(asked, Asked::Execute(_))),
            ServerTag::EMPTY_QUERY_RESPONSE => match self.queue.front() {
                Some(Asked::Query(_)) => {}
                _ => self.expect(|asked| matches!(asked, Asked::Execute(_))),
            },
            ServerTag::ROW_DESCRIPTION | ServerTag::NO_DATA => {
                if matches!(self.queue.front(), Some(Asked::Describe)) {
                    self.queue.pop();
                }
            }
            ServerTag::COPY_IN_RESPONSE => self.queue.copy_in(),
            ServerTag::ERROR_RESPONSE => self.queue.fail(),
            // Rows, COPY data, notices and the like answer nothing by themselves.
            _ => {}
        }
    }

    fn expect(&mut self, is_it: impl FnOnce(&Asked) -> bool) {
        if !self.queue.pop().is_some_and(|asked| is_it(&asked)) {
            self.lose();
        }
    }

    fn parsed(&mut self) {
        match self.queue.pop() {
            Some(Asked::Parse { name, statement }) => {
                self.statements.insert(name, statement);
                self.check();
            }
            _ => self.lose(),
        }
    }

    fn bound(&mut self) {
        match self.queue.pop() {
            Some(Asked::Bind { portal, statement }) => {
                let statement = self.statements.get(&statement).cloned().flatten();
                self.portals.insert(portal, statement);
                self.check();
            }
            _ => self.lose(),
        }
    }

    fn closed(&mut self) {
        match self.queue.pop() {
            Some(Asked::Close {
                kind: Kind::Statement,
                name,
            }) => {
                self.statements.remove(&name);
            }
            Some(Asked::Close {
                kind: Kind::Portal,
                name,
            }) => {
                self.portals.remove(&name);
            }
            _ => self.lose(),
        }
    }

    /// The statement that a CommandComplete is about.
    fn completed(&mut self) -> Option<Rc<Statement>> {
        if let Some(Asked::Query(statements)) = self.queue.front_mut() {
            return statements.pop_front().map(Rc::new);
        }
        match self.queue.pop() {
            Some(Asked::Execute(portal)) => self.portals.get(&portal).cloned().flatten(),
            _ => {
                self.lose();
                None
            }
        }
    }

    /// Gives up where there is more to remember than there is room for.
    fn check(&mut self) {
        let names = self.statements.len().max(self.portals.len());
        if names > NAMES_MAX || self.queue.is_lost() {
            self.lose();
        }
    }

    fn lose(&mut self) {
        self.lost = true;
        self.queue = Queue::default();
        self.statements = HashMap::new();
        self.portals = HashMap::new();
    }
}

/// Tags of client messages that are answered, or change how others are.
fn is_asked(tag: ClientTag) -> bool {
    matches!(
        tag,
        ClientTag::QUERY
            | ClientTag::PARSE
            | ClientTag::BIND
            | ClientTag::DESCRIBE
            | ClientTag::EXECUTE
            | ClientTag::CLOSE
            | ClientTag::FUNCTION_CALL
            | ClientTag::SYNC
            | ClientTag::COPY_DONE
            | ClientTag::COPY_FAIL
    )
}

#[cfg(test)]
mod tests;
