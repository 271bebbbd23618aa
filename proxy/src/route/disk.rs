//! The last good table on disk, so that a restart does not need control.
//!
//! One file, `routes.jsonl`, with the lines of a snapshot of the feed. It is replaced by rename, so
//! it is whole or it is not there; a directory belongs to one process, by a lock.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tenantsdb_codecs::feed::stream::{Line, LineError, Lines, Mark, Put, Snapshot};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::follow::{FollowError, Follower, Position};
use super::table::Routes;

const FILE: &str = "routes.jsonl";
const TEMPORARY: &str = "routes.jsonl.tmp";
const LOCK: &str = "lock";
/// The file holds verifiers: the owner alone may read it.
const MODE: u32 = 0o600;
/// From a change to the file that has it; what comes meanwhile is in the same file.
const DEBOUNCE: Duration = Duration::from_secs(1);
/// A table that takes long to write is written seldom: this many times what the last one took.
const REST: u32 = 4;

/// A directory that only this process writes to.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    #[expect(dead_code, reason = "locked as long as it is open")]
    lock: File,
}

/// Why a data directory or its file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Another process has it.
    #[error("{}: used by another proxy; each needs a --data directory of its own", .0.display())]
    Taken(PathBuf),
    /// The file system says no.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// File or directory.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A line that cannot be read.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Lines that are not a snapshot.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The file ends before its `end`, or goes on behind it.
    #[error("not one whole snapshot")]
    NotWhole,
    /// A route in it cannot be used.
    #[error("route of {0} cannot be used")]
    Route(String),
}

impl DataDir {
    /// Makes the directory if there is none, and takes it for this process.
    ///
    /// # Errors
    ///
    /// It cannot be written to, or another process has it.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        fs::create_dir_all(path).map_err(io_error(path))?;
        let file = path.join(LOCK);
        let mut options = OpenOptions::new();
        let lock = options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .open(&file);
        let lock = lock.map_err(io_error(&file))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| DiskError::Taken(path.to_owned()))?;
        Ok(Self {
            path: path.to_owned(),
            lock,
        })
    }

    /// Loads the file into `routes` and returns the follower that goes on from there; `None` if
    /// there is no file. Blocks.
    ///
    /// # Errors
    ///
    /// The file is not one whole usable snapshot; `routes` is as it was.
    pub fn load(&self, routes: &Routes) -> Result<Option<Follower>, DiskError> {
        let path = self.path.join(FILE);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => BufReader::new(opened.map_err(io_error(&path))?),
        };
        let (mut lines, mut follower, aside) =
            (Lines::default(), Follower::default(), Routes::default());
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let read = file.read(&mut chunk).map_err(io_error(&path))?;
            let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            lines.push(bytes, |line| {
                if follower.position().is_some() {
                    return Err(DiskError::NotWhole);
                }
                follower.take(line, &aside)?;
                Ok(())
            })?;
        }
        if let Some(nack) = follower.take_nacks().into_iter().next() {
            return Err(DiskError::Route(nack.database));
        }
        if follower.position().is_none() {
            return Err(DiskError::NotWhole);
        }
        routes.replace_all(aside.all().collect());
        Ok(Some(follower))
    }

    /// Replaces the file. `position` must have been read before the table: a table that is ahead of
    /// its position sees some changes again, one that is behind would miss them. Blocks.
    ///
    /// # Errors
    ///
    /// The old file is still there.
    pub fn save(&self, position: &Position, routes: &Routes) -> Result<(), DiskError> {
        let temporary = self.path.join(TEMPORARY);
        let write = || {
            let mut options = OpenOptions::new();
            let file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(MODE)
                .open(&temporary)?;
            let mut file = BufWriter::new(file);
            write_snapshot(&mut file, position, routes)?;
            file.into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .sync_all()
        };
        write().map_err(io_error(&temporary))?;
        let path = self.path.join(FILE);
        fs::rename(&temporary, &path).map_err(io_error(&path))?;
        let synced = File::open(&self.path).and_then(|dir| dir.sync_all());
        synced.map_err(io_error(&self.path))
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> DiskError {
    |source| DiskError::Io {
        path: path.to_owned(),
        source,
    }
}

fn write_snapshot(
    out: &mut impl io::Write,
    position: &Position,
    routes: &Routes,
) -> io::Result<()> {
    let rev = position.rev;
    let all: Vec<_> = routes.all().collect();
    let mut buffer = Vec::new();
    let mut line = |line: &Line| {
        buffer.clear();
        line.encode(&mut buffer).map_err(io::Error::other)?;
        out.write_all(&buffer)
    };
    line(&Line::Snapshot(Snapshot {
        epoch: position.epoch.clone(),
        rev,
        routes: all.len() as u64,
        authoritative: true,
    }))?;
    for route in all {
        line(&Line::Put(Put {
            rev,
            route: route.to_wire(),
        }))?;
    }
    line(&Line::End(Mark { rev }))
}

/// Keeps the file up to date with the table, until the feed is dropped.
pub async fn keep(
    dir: Arc<DataDir>,
    routes: Arc<Routes>,
    mut position: watch::Receiver<Option<Position>>,
) {
    // What was loaded is on disk already.
    let mut saved = routes.changes();
    while position.changed().await.is_ok() {
        sleep(DEBOUNCE).await;
        let changes = routes.changes();
        let now = position.borrow_and_update().clone();
        let Some(now) = now.filter(|_| changes != saved) else {
            continue; // a mark
        };
        let started = Instant::now();
        let job = {
            let (dir, routes) = (Arc::clone(&dir), Arc::clone(&routes));
            move || dir.save(&now, &routes)
        };
        match tokio::task::spawn_blocking(job).await {
            Ok(Ok(())) => {
                saved = changes;
                debug!("routes saved");
            }
            Ok(Err(error)) => {
                warn!(%error, "routes could not be saved; trying again");
                position.mark_changed();
            }
            Err(_) => {} // the process is going down
        }
        sleep(REST * started.elapsed()).await;
    }
}

#[cfg(test)]
mod tests;
