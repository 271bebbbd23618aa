//! The task that writes.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tracing::{error, info};

use super::entry::{Entry, Line, LineKind};
use super::log::File;
use super::table::Table;
use super::{JournalError, QUEUE_MAX, Receipt, Request, Room};

/// A file below this length is not written anew for what is superfluous in it.
const COMPACT_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// Writes what sessions ask for: to be run by [`Keeper::run`].
#[derive(Debug)]
pub struct Keeper {
    queues: Queues,
    room: Room,
    /// Away while the disk is at work.
    file: Option<Box<dyn File>>,
    table: Table,
    /// Something failed: what the file holds is not known.
    broken: bool,
}

/// What sessions ask for.
#[derive(Debug)]
pub(super) struct Queues {
    pub(super) asked: mpsc::Receiver<Request>,
    pub(super) to_forget: mpsc::UnboundedReceiver<String>,
    /// The other end of that.
    pub(super) forgotten: mpsc::WeakUnboundedSender<String>,
}

impl Queues {
    /// Waits for something to do, and takes all there is of it. Returns whether there may be more.
    async fn take(&mut self, asked: &mut Vec<Request>, to_forget: &mut Vec<String>) -> bool {
        let more = tokio::select! {
            count = self.asked.recv_many(asked, QUEUE_MAX) => count > 0,
            count = self.to_forget.recv_many(to_forget, QUEUE_MAX) => {
                // Without a sender of these there is none of the others, but some may be left.
                count > 0 || self.asked.recv_many(asked, QUEUE_MAX).await > 0
            }
        };
        while let Ok(id) = self.to_forget.try_recv() {
            to_forget.push(id);
        }
        // After those, so that what is to be forgotten was written before.
        while asked.len() < 2 * QUEUE_MAX
            && let Ok(request) = self.asked.try_recv()
        {
            asked.push(request);
        }
        more
    }
}

/// What one visit to the disk is to do.
#[derive(Debug, Default)]
struct Work {
    /// The file's new beginning.
    replace: Option<Vec<u8>>,
    append: Vec<u8>,
    /// Somebody waits for it to be durable.
    sync: bool,
    /// Nothing counts any more.
    clear: bool,
}

impl Work {
    fn run(&self, file: &mut dyn File) -> io::Result<()> {
        if let Some(bytes) = &self.replace {
            file.replace(bytes)?;
        }
        if self.clear {
            return file.clear();
        }
        if !self.append.is_empty() {
            file.append(&self.append)?;
        }
        if self.sync {
            file.sync()?;
        }
        Ok(())
    }
}

impl Keeper {
    pub(super) fn new(file: Box<dyn File>, table: Table, room: Room, queues: Queues) -> Self {
        Self {
            queues,
            room,
            file: Some(file),
            table,
            broken: false,
        }
    }

    /// Writes until no [`Journal`](super::Journal) is left.
    pub async fn run(mut self) {
        let (mut asked, mut to_forget) = (Vec::new(), Vec::new());
        loop {
            let more = self.queues.take(&mut asked, &mut to_forget).await;
            self.write(&mut asked).await;
            self.forget(&mut to_forget).await;
            // Without a file the process is going down.
            if !more || self.file.is_none() {
                return;
            }
        }
    }

    /// Writes records, makes them durable, and says so.
    async fn write(&mut self, asked: &mut Vec<Request>) {
        let admitted = self.admit(asked);
        if admitted.is_empty() {
            return;
        }
        let stale = self.broken || self.is_wasteful();
        let mut work = Work {
            replace: stale.then(|| self.table.bytes()),
            sync: true,
            ..Work::default()
        };
        for request in &admitted {
            work.append.extend_from_slice(&request.line.bytes);
        }
        let written = self.visit(work).await;
        for Request { line, done } in admitted {
            let receipt = Receipt((line.kind == LineKind::Intent).then(|| {
                let id = line.id.clone();
                (id, self.queues.forgotten.clone())
            }));
            // What has happened counts whether or not it could be written.
            if written.is_ok() || line.kind != LineKind::Intent {
                self.table.apply(line);
            }
            let answer = match &written {
                Ok(()) => Ok(receipt),
                Err(error) => {
                    receipt.accept(); // it was never taken in
                    Err(error.clone())
                }
            };
            drop(done.send(answer)); // a session that is gone leaves its receipt
        }
        self.clear().await;
    }

    /// Takes out what there is no room for, and says so. What is outstanding already may always be
    /// settled.
    fn admit(&self, asked: &mut Vec<Request>) -> Vec<Request> {
        let room = self.room;
        let (mut records, mut bytes) = (self.table.len(), self.table.bytes_len());
        let mut admitted = Vec::with_capacity(asked.len());
        for request in asked.drain(..) {
            if request.line.kind == LineKind::Intent {
                let length = request.line.bytes.len();
                let refusal = match () {
                    () if length > room.bytes => Some(JournalError::TooLong),
                    () if records >= room.records || bytes + length > room.bytes => {
                        Some(JournalError::Full { records })
                    }
                    () => None,
                };
                if let Some(refusal) = refusal {
                    drop(request.done.send(Err(refusal))); // a session that is gone does not mind
                    continue;
                }
                records += 1;
                bytes += length;
            }
            admitted.push(request);
        }
        admitted
    }

    /// Leaves out what does not count any more.
    async fn forget(&mut self, ids: &mut Vec<String>) {
        let mut work = Work::default();
        for id in ids.drain(..) {
            if self.table.close(&id)
                && let Ok(line) = Line::encode(&Entry::Forgotten(id.into()))
            {
                work.append.extend_from_slice(&line.bytes);
            }
        }
        // Of an empty table all lines are forgotten with the file's content, and a broken file is
        // written anew with the next record.
        if !work.append.is_empty() && !self.table.is_empty() && !self.broken {
            let _ = self.visit(work).await; // it is in the log, and nobody waits
        }
        self.clear().await;
    }

    /// Empties a file of which nothing counts.
    async fn clear(&mut self) {
        let has_lines = self.file.as_ref().is_some_and(|file| file.len() > 0);
        if self.table.is_empty() && has_lines && !self.broken {
            let work = Work {
                clear: true,
                ..Work::default()
            };
            let _ = self.visit(work).await; // it is in the log, and nobody waits
        }
    }

    /// Whether most of the file does not count.
    fn is_wasteful(&self) -> bool {
        let len = self.file.as_ref().map_or(0, |file| file.len());
        len > COMPACT_BYTES_MIN && len / 2 > self.table.bytes_len() as u64
    }

    /// Lets the disk work, on a thread that may wait for it.
    async fn visit(&mut self, work: Work) -> Result<(), JournalError> {
        let mut file = self.file.take().ok_or(JournalError::Closed)?;
        let visit = spawn_blocking(move || {
            let done = work.run(file.as_mut());
            (file, done)
        });
        let (file, done) = visit.await.map_err(|_| JournalError::Closed)?;
        self.file = Some(file);
        match done {
            Ok(()) => {
                if std::mem::take(&mut self.broken) {
                    info!("the journal of schema changes can be written again");
                }
                Ok(())
            }
            Err(error) => {
                if !std::mem::replace(&mut self.broken, true) {
                    error!(%error, "the journal of schema changes cannot be written");
                }
                Err(JournalError::Io(Arc::new(error)))
            }
        }
    }
}
