//! What a session has asked, in the order in which the server will answer.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use tenantsdb_codecs::postgres::client::{Bind, Close, Execute, Kind, Parse, Query};
use tenantsdb_codecs::postgres::frame::Header;
use tenantsdb_codecs::postgres::tag::ClientTag;
use tenantsdb_codecs::sql::{self, Effect};

use super::is_asked;

/// Longest Query or Parse body in bytes that is looked into. That is done while the core's other
/// sessions wait: some milliseconds for this much. Of a longer one control has the ledger's text.
pub(super) const STATEMENT_BYTES_MAX: usize = 1 << 20;

/// Statements of one Query that are told apart; of one with more, none is.
const STATEMENTS_MAX: usize = 1_000;

/// What the statements of one session may take in bytes, those that wait for their answer and those
/// that are prepared together. What finds no room goes on without a text.
const BUDGET_BYTES: usize = 4 << 20;

/// Longest name in bytes of a prepared statement or portal. The server cuts them off here
/// (`NAMEDATALEN`), so that longer ones could be taken for each other.
const NAME_BYTES_MAX: usize = 63;

/// How much of a Bind, Execute or Close is read: its names with what ends them.
const NAMES_BYTES_MAX: usize = 2 * (NAME_BYTES_MAX + 1);

/// Questions without an answer yet; with more, texts are given up. Kernel buffers bound the bytes
/// under way, but a Sync has only five.
const ASKED_MAX: usize = 20_000;

/// A statement that may be captured.
#[derive(Debug)]
pub(crate) struct Statement {
    /// What it can do.
    pub(crate) effect: Effect,
    /// Its text; left out (empty) where the effect alone matters.
    pub(crate) text: Box<str>,
    _held: Held,
}

impl Statement {
    /// `None` if there is no room for it.
    fn new(text: &str, budget: &Budget) -> Option<Self> {
        let effect = sql::effect(text);
        let keep = if effect == Effect::Reads { "" } else { text };
        let held = budget.take(size_of::<Self>() + keep.len())?;
        Some(Self {
            effect,
            text: keep.into(),
            _held: held,
        })
    }
}

/// Bytes that the statements of a session hold, of [`BUDGET_BYTES`].
#[derive(Clone, Debug, Default)]
struct Budget(Rc<Cell<usize>>);

/// A share of it; given back on drop.
#[derive(Debug)]
struct Held {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    fn take(&self, bytes: usize) -> Option<Held> {
        let taken = self.0.get() + bytes;
        if taken > BUDGET_BYTES {
            return None;
        }
        self.0.set(taken);
        let budget = self.clone();
        Some(Held { budget, bytes })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.0.set(self.budget.0.get() - self.bytes);
    }
}

/// One message that the server answers.
#[derive(Debug)]
pub(crate) enum Asked {
    /// The statements that have not been answered; empty when the text is not known.
    Query(VecDeque<Statement>),
    /// `None`: the text is not known.
    Parse {
        name: String,
        statement: Option<Rc<Statement>>,
    },
    Bind {
        portal: String,
        statement: String,
    },
    Describe,
    /// Name of the portal.
    Execute(String),
    Close {
        kind: Kind,
        name: String,
    },
    /// A function, by its number.
    Call,
    Sync,
    /// End of what a COPY sends; it has no answer of its own.
    CopyEnd,
}

/// The questions, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    asked: VecDeque<Asked>,
    budget: Budget,
    /// A name could not be read: what is asked by it from here on cannot be told.
    nameless: bool,
    /// After an error the server passes over everything up to the next Sync.
    skipping: bool,
    /// The server takes COPY data; it passes over Sync while it does.
    copying: bool,
}

impl Queue {
    /// A message of the client begins. Answers how much of its body is to be shown.
    pub(crate) fn header(&mut self, header: Header) -> usize {
        let tag = ClientTag(header.tag);
        if !is_asked(tag) || self.is_passed_over(tag) {
            return 0;
        }
        match tag {
            ClientTag::QUERY | ClientTag::PARSE => {
                let body_bytes = usize::try_from(header.body_bytes()).unwrap_or(usize::MAX);
                if body_bytes <= STATEMENT_BYTES_MAX {
                    return body_bytes;
                }
                self.push_without_text(tag);
            }
            ClientTag::BIND | ClientTag::EXECUTE | ClientTag::CLOSE => return NAMES_BYTES_MAX,
            ClientTag::DESCRIBE => self.asked.push_back(Asked::Describe),
            ClientTag::FUNCTION_CALL => self.asked.push_back(Asked::Call),
            ClientTag::SYNC => self.asked.push_back(Asked::Sync),
            _ => self.asked.push_back(Asked::CopyEnd),
        }
        0
    }

    /// The start of the body of a message for which [`Self::header`] asked for it.
    pub(crate) fn body(&mut self, header: Header, start: &[u8]) {
        let tag = ClientTag(header.tag);
        let asked = match tag {
            ClientTag::QUERY => Query::decode(start)
                .ok()
                .map(|query| self.query(query.text)),
            ClientTag::PARSE => Parse::decode(start).ok().and_then(|parse| {
                Some(Asked::Parse {
                    name: name(parse.statement)?,
                    statement: Statement::new(parse.text, &self.budget).map(Rc::new),
                })
            }),
            ClientTag::BIND => Bind::decode(start).ok().and_then(|bind| {
                Some(Asked::Bind {
                    portal: name(bind.portal)?,
                    statement: name(bind.statement)?,
                })
            }),
            ClientTag::EXECUTE => Execute::decode(start)
                .ok()
                .and_then(|execute| name(execute.portal).map(Asked::Execute)),
            _ => Close::decode(start).ok().and_then(|close| {
                Some(Asked::Close {
                    kind: close.kind,
                    name: name(close.name)?,
                })
            }),
        };
        match asked {
            Some(asked) => self.asked.push_back(asked),
            None => self.push_without_text(tag),
        }
    }

    /// All its statements, or none: they are told apart by their place.
    fn query(&self, text: &str) -> Asked {
        let statements = sql::split(text);
        if statements.len() > STATEMENTS_MAX {
            return Asked::Query(VecDeque::new());
        }
        let statements = statements.into_iter();
        let held = statements.map(|text| Statement::new(text, &self.budget));
        Asked::Query(held.collect::<Option<_>>().unwrap_or_default())
    }

    /// The oldest question.
    pub(crate) fn front(&mut self) -> Option<&Asked> {
        self.front_mut().map(|asked| &*asked)
    }

    /// The oldest question.
    pub(crate) fn front_mut(&mut self) -> Option<&mut Asked> {
        // Left behind by a client that went on sending after its COPY had failed.
        while let Some(Asked::CopyEnd) = self.asked.front() {
            self.asked.pop_front();
        }
        self.asked.front_mut()
    }

    /// Takes the oldest question off.
    pub(crate) fn pop(&mut self) -> Option<Asked> {
        self.front()?;
        self.asked.pop_front()
    }

    /// The server takes COPY data now. A Sync that the client sent ahead, behind the Execute and
    /// before the end of its data, is passed over and never answered.
    pub(crate) fn copy_in(&mut self) {
        // The first is the COPY itself.
        let _ = self.front();
        let is_end = |asked: &Asked| matches!(asked, Asked::CopyEnd);
        match self.asked.iter().position(is_end) {
            Some(end) => {
                self.asked.drain(1..=end);
            }
            None => {
                self.asked.truncate(1);
                self.copying = true;
            }
        }
    }

    /// The server has sent an error: all up to the next Sync is passed over; of a Query, the rest.
    pub(crate) fn fail(&mut self) {
        self.copying = false;
        match self.front_mut() {
            Some(Asked::Query(statements)) => return statements.clear(),
            // An error outside of any batch: the session is being ended.
            Some(Asked::Call | Asked::Sync) | None => return,
            Some(_) => {}
        }
        while let Some(asked) = self.asked.front() {
            if matches!(asked, Asked::Sync) {
                return;
            }
            self.asked.pop_front();
        }
        self.skipping = true;
    }

    /// Whether what has been asked is kept account of no more: there is too much of it, or a name
    /// could not be read.
    pub(crate) fn is_lost(&self) -> bool {
        self.nameless || self.asked.len() > ASKED_MAX
    }

    /// Whether the server will not answer a message of this kind because of what came before.
    fn is_passed_over(&mut self, tag: ClientTag) -> bool {
        if self.copying {
            self.copying = !matches!(tag, ClientTag::COPY_DONE | ClientTag::COPY_FAIL);
            return true;
        }
        if self.skipping {
            self.skipping = tag != ClientTag::SYNC;
        }
        self.skipping
    }

    /// A question that could not be read, or was not.
    fn push_without_text(&mut self, tag: ClientTag) {
        match tag {
            ClientTag::QUERY => self.asked.push_back(Asked::Query(VecDeque::new())),
            // Under its name there was nothing before, unless that is the empty one.
            ClientTag::PARSE => self.asked.push_back(Asked::Parse {
                name: String::new(),
                statement: None,
            }),
            _ => self.nameless = true,
        }
    }
}

/// A name of ours; `None` if the server takes it for another.
fn name(name: &str) -> Option<String> {
    (name.len() <= NAME_BYTES_MAX).then(|| name.to_owned())
}
