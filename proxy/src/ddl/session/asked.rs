//! What a session has asked, in the order in which the server will answer.

use std::collections::VecDeque;
use std::rc::Rc;

use tenantsdb_codecs::limits::STATEMENT_BYTES_MAX;
use tenantsdb_codecs::postgres::client::{Bind, Close, Execute, Kind, Parse, Query};
use tenantsdb_codecs::postgres::frame::Header;
use tenantsdb_codecs::postgres::tag::ClientTag;
use tenantsdb_codecs::sql::{self, Effect};

use super::is_asked;

/// How much of a Bind, Execute or Close is read: names only. The server cuts names at 63 bytes.
const NAMES_BYTES_MAX: usize = 1024;

/// Questions without an answer yet; with more, texts are given up. Kernel buffers bound the bytes
/// under way, but a Sync has only five.
const ASKED_MAX: usize = 100_000;

/// A statement that may be captured.
#[derive(Debug)]
pub(crate) struct Statement {
    /// What it can do.
    pub(crate) effect: Effect,
    /// Its text; left out (empty) where the effect alone matters.
    pub(crate) text: Box<str>,
}

impl Statement {
    pub(crate) fn new(text: &str) -> Self {
        let effect = sql::effect(text);
        let keep = effect != Effect::Reads;
        let text = if keep { text.into() } else { Box::default() };
        Self { effect, text }
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
            ClientTag::QUERY => Query::decode(start).map(|query| {
                let statements = sql::split(query.text);
                Asked::Query(statements.into_iter().map(Statement::new).collect())
            }),
            ClientTag::PARSE => Parse::decode(start).map(|parse| Asked::Parse {
                name: parse.statement.to_owned(),
                statement: Some(Rc::new(Statement::new(parse.text))),
            }),
            ClientTag::BIND => Bind::decode(start).map(|bind| Asked::Bind {
                portal: bind.portal.to_owned(),
                statement: bind.statement.to_owned(),
            }),
            ClientTag::EXECUTE => {
                Execute::decode(start).map(|execute| Asked::Execute(execute.portal.to_owned()))
            }
            _ => Close::decode(start).map(|close| Asked::Close {
                kind: close.kind,
                name: close.name.to_owned(),
            }),
        };
        match asked {
            Ok(asked) => self.asked.push_back(asked),
            Err(_) => self.push_without_text(tag),
        }
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

    /// Whether more has been asked than is kept account of.
    pub(crate) fn is_overfull(&self) -> bool {
        self.asked.len() > ASKED_MAX
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

    fn push_without_text(&mut self, tag: ClientTag) {
        let name = String::new;
        self.asked.push_back(match tag {
            ClientTag::QUERY => Asked::Query(VecDeque::new()),
            ClientTag::PARSE => Asked::Parse {
                name: name(),
                statement: None,
            },
            ClientTag::BIND => Asked::Bind {
                portal: name(),
                statement: name(),
            },
            ClientTag::EXECUTE => Asked::Execute(name()),
            _ => Asked::Close {
                kind: Kind::Portal,
                name: name(),
            },
        });
    }
}
