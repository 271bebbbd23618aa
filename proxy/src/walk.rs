//! What a Redis tenant asks about its names as a whole: which there are, how many, one of them.
//!
//! On a server that tenants share such questions go over everybody's names, so the tenant's own
//! login cannot ask them. The proxy asks, on connections of a login that may read names and nothing
//! else, and lets pass what begins with the tenant's prefix. It looks at the names of all tenants
//! to find those of one, so it is held to a [`budget`]:
//!
//! - one walk of a database at a time, and one page of its clients' SCANs beside it; two questions
//!   at a time to one server ([`budget::QUESTIONS_PER_SERVER_MAX`]), first come, first served;
//! - a walk asks for a bounded page at a time and rests between two;
//! - after a count that took `d` the database is counted again no sooner than `9 d` later: until
//!   then `DBSIZE` and the limits go by the last count ([`usage`]), whose age is in `INFO`.
//!
//! All of it is of one process: each proxy walks for the clients that it has itself.
//!
//! - [`ask`]: one question, one answer.
//! - [`names`]: what belongs to the tenant, on both sides.
//! - [`scan`], [`keys`], [`random`], [`count`], [`flush`], [`pubsub`]: the questions.
//! - [`sample`]: how much memory its keys take, about.

pub(crate) mod ask;
pub(crate) mod budget;
pub(crate) mod count;
pub(crate) mod flush;
pub(crate) mod keys;
pub(crate) mod names;
pub(crate) mod pubsub;
pub(crate) mod random;
pub(crate) mod sample;
pub(crate) mod scan;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod usage;

use std::io;

use tenantsdb_codecs::redis;
use tenantsdb_codecs::redis::value::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::fault::{Fault, FaultKind};
use ask::Asker;
use budget::{Pace, Servers, Turn};
pub(crate) use budget::{Share, Turns};
use names::Names;

/// Buckets of the server's table that are looked at for one page of a walk: some hundreds of
/// microseconds of its time.
const PAGE_COUNT: u32 = 1000;

/// What the walks of one process share.
#[derive(Debug, Default)]
pub(crate) struct Walks {
    /// The turns at each server.
    pub(crate) servers: Servers,
    /// What answers to KEYS take.
    pub(crate) collecting: keys::Collecting,
}

/// The sections of the server's INFO of which something is let pass.
const INFO: &[&[u8]] = &[b"INFO", b"server", b"memory", b"modules"];

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The server closed the connection.
    #[error("server closed the connection")]
    Closed,
    /// The connection broke.
    #[error("server connection: {0}")]
    Io(#[from] io::Error),
    /// Not answered in time.
    #[error("server did not answer in time")]
    TimedOut,
    /// The server's bytes are not its protocol.
    #[error("server: {0}")]
    Protocol(#[from] redis::Error),
    /// An answer, but none to what was asked.
    #[error("server sent an unexpected answer to {0}")]
    Unexpected(&'static str),
    /// The server's own error, as it sent it.
    #[error("server refused: {0}")]
    Refused(Box<str>),
    /// The answer would not fit into the memory that it may take.
    #[error("{0}")]
    TooMuch(&'static str),
}

impl Error {
    /// Whether all that was asked on the connection is answered all the same.
    pub(crate) const fn is_settled(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::TooMuch(_))
    }
}

impl Fault for Error {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Closed | Self::Io(_) | Self::TimedOut => FaultKind::ServerGone,
            Self::Protocol(_) | Self::Unexpected(_) | Self::Refused(_) => FaultKind::Server,
            Self::TooMuch(_) => FaultKind::Limit,
        }
    }
}

/// Who asks, of whom, and what it may cost.
#[derive(Debug)]
pub(crate) struct Walker<'a, S> {
    asker: Asker<'a, S>,
    names: Names<'a>,
    server: &'a Turns,
    share: &'a Share,
}

/// One page of the server's names.
#[derive(Debug, Default)]
struct Page {
    /// Where the next begins; `None` if this was the last.
    cursor: Option<u64>,
    /// The tenant's, as the server has them.
    names: Vec<Box<[u8]>>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Walker<'a, S> {
    /// On a connection that is between two questions, to a server with these turns.
    pub(crate) fn new(
        stream: &'a mut S,
        names: Names<'a>,
        server: &'a Turns,
        share: &'a Share,
    ) -> Self {
        Self {
            asker: Asker::new(stream),
            names,
            server,
            share,
        }
    }

    /// Whether the connection is between two answers, as far as it was read.
    pub(crate) const fn is_at_boundary(&self) -> bool {
        self.asker.is_at_boundary()
    }

    /// The tenant's names from `cursor` on that a pattern means, in one page. `turn` is given for
    /// it.
    async fn page(
        &mut self,
        _turn: &Turn<'_>,
        cursor: u64,
        pattern: &[u8],
        count: u32,
        kind: Option<&[u8]>,
    ) -> Result<Page, Error> {
        let (cursor, count) = (cursor.to_string(), count.to_string());
        let mut words: Vec<&[u8]> = vec![b"SCAN", cursor.as_bytes(), b"MATCH", pattern];
        words.extend([b"COUNT", count.as_bytes()]);
        words.extend(kind.iter().flat_map(|kind| [&b"TYPE"[..], kind]));
        let answer = self.asker.ask(&words).await?;
        ask::page(&answer, &self.names)
    }

    /// The server's own INFO, of the sections that a tenant may see something of. Not cancel safe,
    /// as [`Asker::ask`].
    ///
    /// # Errors
    ///
    /// The server's answer, or none.
    pub(crate) async fn info(&mut self) -> Result<Vec<u8>, Error> {
        let _turn = self.server.turn().await;
        match self.asker.ask(INFO).await? {
            Value::Bulk(text) => Ok(text.to_vec()),
            _ => Err(Error::Unexpected("INFO")),
        }
    }

    /// All pages, each given to `each` until it answers that it has enough. Names may come twice.
    async fn walk(
        &mut self,
        pattern: &[u8],
        mut each: impl FnMut(Vec<Box<[u8]>>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut pace = Pace::default();
        let mut next = Some(0);
        while let Some(cursor) = next {
            let turn = self.server.turn().await;
            let page = self.page(&turn, cursor, pattern, PAGE_COUNT, None).await?;
            next = page.cursor;
            each(page.names)?;
            if next.is_some() {
                pace.rest(turn).await;
            }
        }
        Ok(())
    }
}
