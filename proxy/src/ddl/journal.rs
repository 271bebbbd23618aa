//! The durable record of schema changes that are about to be forwarded to a MySQL workspace.
//!
//! MySQL keeps no ledger of its DDL: what the proxy does not remember is known to nobody. So the
//! statement is on disk before the server has it ([`Journal::intend`]), what became of it is on
//! disk before the client hears of it ([`Journal::settle`]), and it is forgotten when control has
//! it ([`Journal::delivered`]). After a crash [`open`] finds what is left: an intent without an end
//! is a statement of which nobody knows whether it ran, and control finds out by comparing schemas.
//!
//! One file, written by one task on the main thread ([`Keeper::run`]); sessions on all cores wait
//! for it. What several of them ask for while the disk is busy is written and synchronised once.
//! All records that count are in memory too: whatever goes wrong with the file, it can be written
//! anew.
//!
//! `entry` is a line of the file, `table` what counts of them, `log` the file, `keeper` the task.

mod entry;
mod keeper;
mod log;
mod table;

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tenantsdb_codecs::feed::capture::Capture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::{error, info};

use crate::fault::{Fault, FaultKind};

use entry::{Entry, Line};
pub use keeper::Keeper;
use keeper::Queues;
use log::{File, Log};
use table::Table;

/// How long a session waits for the disk.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Records that wait to be written; more wait for their turn within [`WRITE_TIMEOUT`].
const QUEUE_MAX: usize = 256;
/// For records that control does not have yet.
const ROOM: Room = Room {
    records: 4096,
    bytes: 64 * 1024 * 1024,
};

/// How much may be outstanding.
#[derive(Clone, Copy, Debug)]
struct Room {
    records: usize,
    /// They are in memory, too.
    bytes: usize,
}

/// Writes records. Cheap to clone; may be used on any thread.
#[derive(Clone, Debug)]
pub struct Journal {
    requests: mpsc::Sender<Request>,
    /// What can be forgotten: each record once, so there are no more in here than outstanding ones.
    forgotten: mpsc::UnboundedSender<String>,
}

/// What a session asks for.
#[derive(Debug)]
struct Request {
    line: Line,
    done: oneshot::Sender<Result<Receipt, JournalError>>,
}

/// Says that a record is durable. An intent whose receipt nobody took is taken back: its statement
/// was never forwarded.
#[derive(Debug)]
struct Receipt(Option<(String, mpsc::WeakUnboundedSender<String>)>);

impl Receipt {
    fn accept(mut self) {
        self.0 = None;
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some((id, forgotten)) = self.0.take()
            && let Some(forgotten) = forgotten.upgrade()
        {
            let _ = forgotten.send(id); // the process is going down
        }
    }
}

/// Why a record is not on disk.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// Control does not take what it is given; without bound it would fill memory and disk.
    #[error(
        "{records} recorded schema changes wait for control, no more are taken until it is back; \
         see --control-url and its log"
    )]
    Full {
        /// How many.
        records: usize,
    },
    /// One record is longer than all may be together, 64 MiB.
    #[error("the statement is too long to be recorded")]
    TooLong,
    /// The file system says no.
    #[error("the journal of schema changes cannot be written: {0}")]
    Io(#[source] Arc<io::Error>),
    /// The disk did not answer within 10 s.
    #[error("the journal of schema changes was not written within {} s", WRITE_TIMEOUT.as_secs())]
    TimedOut,
    /// The process is going down.
    #[error("the journal of schema changes is closed")]
    Closed,
}

impl Fault for JournalError {
    fn kind(&self) -> FaultKind {
        FaultKind::Limit
    }
}

/// Opens the journal in a directory of its own, which is made if there is none and must belong to
/// this process alone. Returns the handle for sessions, the task that writes, and what a run before
/// has left over, in the order in which it was intended: captures whose end is not known have
/// [`Outcome::Unknown`](tenantsdb_codecs::feed::capture::Outcome::Unknown) in each statement. They
/// stay in the journal until they are delivered. Blocks.
///
/// # Errors
///
/// The directory cannot be read or written. A record cut short by a crash is no error: it was not
/// acknowledged. Records that cannot be read in front of others that can are in the log, and the
/// file is kept beside the new one.
pub fn open(dir: &Path) -> io::Result<(Journal, Keeper, Vec<Capture>)> {
    let (log, bytes) = Log::open(dir)?;
    let recovered = Table::recover(&bytes);
    if recovered.damaged > 0 {
        let kept = log.keep_damaged()?;
        error!(
            records = recovered.damaged,
            kept = %kept.display(),
            "the journal has records that cannot be read; compare workspaces with their blueprints"
        );
    }
    let left_over = recovered.table.captures()?;
    if !left_over.is_empty() {
        info!(
            records = left_over.len(),
            "schema changes of a run before are still to be delivered"
        );
    }
    let (journal, keeper) = start(Box::new(log), recovered.table, ROOM)?;
    Ok((journal, keeper, left_over))
}

/// Both ends, with a new file that holds what counts.
fn start(mut file: Box<dyn File>, table: Table, room: Room) -> io::Result<(Journal, Keeper)> {
    file.replace(&table.bytes())?;
    let (requests, asked) = mpsc::channel(QUEUE_MAX);
    let (forgotten, to_forget) = mpsc::unbounded_channel();
    let queues = Queues {
        asked,
        to_forget,
        forgotten: forgotten.downgrade(),
    };
    let journal = Journal {
        requests,
        forgotten,
    };
    Ok((journal, Keeper::new(file, table, room, queues)))
}

impl Journal {
    /// Records what is about to be forwarded; returns when it is durable. If it fails the statement
    /// must not be forwarded.
    ///
    /// Cancel safe: an intent that nobody waited for is taken back.
    ///
    /// # Errors
    ///
    /// It cannot be written, or too much waits for control already.
    pub async fn intend(&self, capture: &Capture) -> Result<(), JournalError> {
        self.ask(Entry::Intent(Cow::Borrowed(capture))).await
    }

    /// Replaces the intent of the same id by what became of it; returns when it is durable. A
    /// capture without statements says that nothing took effect, and ends the matter.
    ///
    /// Every intent must be settled, with [`Outcome::Unknown`] if nothing is known of its end: it
    /// takes a place among those that are outstanding until it is delivered.
    ///
    /// Cancel safe: it is written all the same, once it is in the queue.
    ///
    /// # Errors
    ///
    /// It cannot be written. It counts nevertheless for as long as the process lives, and is
    /// written as soon as the disk takes it; after a crash before that its end is unknown.
    ///
    /// [`Outcome::Unknown`]: tenantsdb_codecs::feed::capture::Outcome::Unknown
    pub async fn settle(&self, capture: &Capture) -> Result<(), JournalError> {
        self.ask(Entry::Settled(Cow::Borrowed(capture))).await
    }

    /// Control has it: it can be forgotten. Does not wait. If it is lost in a crash, control is
    /// given the capture again, and takes each id once.
    pub fn delivered(&self, id: &str) {
        let _ = self.forgotten.send(id.to_owned()); // the process is going down
    }

    async fn ask(&self, entry: Entry<'_>) -> Result<(), JournalError> {
        let line = Line::encode(&entry).map_err(|error| JournalError::Io(Arc::new(error)))?;
        let (done, written) = oneshot::channel();
        let asked = async {
            let request = Request { line, done };
            let sent = self.requests.send(request).await;
            sent.map_err(|_| JournalError::Closed)?;
            let receipt = written.await.map_err(|_| JournalError::Closed)??;
            receipt.accept();
            Ok(())
        };
        let answer = timeout(WRITE_TIMEOUT, asked).await;
        answer.map_err(|_| JournalError::TimedOut)?
    }
}

#[cfg(test)]
mod tests;
