//! The whole table as lines, encoded once and shared by all proxies that need it at that time.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use sqlx::Connection as _;
use tenantsdb_codecs::feed::stream::{Line, Mark, Snapshot};
use tokio::sync::Mutex;

use crate::error::{Error, Result};
use crate::store::routes::{self, Change};
use crate::store::{Store, dialect};

/// Bytes of a piece of the encoded snapshot: many lines in one write, little held for one reader.
const PIECE_BYTES: usize = 256 * 1024;
/// Routes read from the store at a time.
const PAGE: u32 = 1_000;
/// A snapshot this many changes old is still handed out: the changes follow it on the stream.
const STALE_REVS_MAX: u64 = 10_000;

/// The table as it was at one revision.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) rev: u64,
    pub(crate) pieces: Vec<Bytes>,
}

/// Makes snapshots one at a time and hands out the same one while somebody still reads it.
#[derive(Default)]
pub(crate) struct Snapshots {
    latest: Mutex<Weak<Encoded>>,
}

impl Snapshots {
    /// A snapshot that changes can be sent behind. Cancel safe.
    pub(crate) async fn take(&self, store: &Store) -> Result<Arc<Encoded>> {
        let mut latest = self.latest.lock().await;
        if let Some(held) = latest.upgrade() {
            let revisions = routes::revisions(&mut *store.read().await?).await?;
            let fresh = revisions.newest - held.rev.min(revisions.newest) <= STALE_REVS_MAX;
            if held.rev >= revisions.floor && fresh {
                return Ok(held);
            }
        }
        let made = Arc::new(encode(store).await?);
        *latest = Arc::downgrade(&made);
        Ok(made)
    }
}

async fn encode(store: &Store) -> Result<Encoded> {
    let mut read = store.read().await?;
    let mut view = read.begin_with(dialect::BEGIN_READ).await?;
    let revisions = routes::revisions(&mut view).await?;
    let mut out = Pieces::default();
    out.line(&Line::Snapshot(Snapshot {
        epoch: store.epoch().to_owned(),
        rev: revisions.newest,
        routes: revisions.routes,
        // A store that never had a route may be one that lost its data; one that had them and has
        // none now means it.
        authoritative: revisions.newest > 0,
    }))?;
    let mut after = 0;
    loop {
        let page = routes::live_since(&mut view, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.rev;
        for change in &page {
            out.change(change)?;
        }
    }
    view.commit().await?;
    out.line(&Line::End(Mark {
        rev: revisions.newest,
    }))?;
    Ok(Encoded {
        rev: revisions.newest,
        pieces: out.finish(),
    })
}

/// Lines gathered into pieces.
#[derive(Default)]
pub(super) struct Pieces {
    open: Vec<u8>,
    done: Vec<Bytes>,
}

impl Pieces {
    /// Adds a line.
    pub(super) fn line(&mut self, line: &Line) -> Result<()> {
        line.encode(&mut self.open).map_err(Error::internal)?;
        self.cut();
        Ok(())
    }

    /// Adds the line of a change. The store holds a route as the JSON that the line needs, so it is
    /// not taken apart and put together again.
    pub(super) fn change(&mut self, change: &Change) -> Result<()> {
        if change.dropped {
            return self.line(&Line::Drop(tenantsdb_codecs::feed::stream::DropRoute {
                rev: change.rev,
                engine: change.engine,
                database: change.database.clone(),
            }));
        }
        let rev = change.rev;
        self.open
            .extend_from_slice(format!("{{\"put\":{{\"rev\":{rev},\"route\":").as_bytes());
        self.open.extend_from_slice(change.body.as_bytes());
        self.open.extend_from_slice(b"}}\n");
        self.cut();
        Ok(())
    }

    fn cut(&mut self) {
        if self.open.len() >= PIECE_BYTES {
            self.done.push(std::mem::take(&mut self.open).into());
        }
    }

    /// Everything that was added.
    pub(super) fn finish(mut self) -> Vec<Bytes> {
        if !self.open.is_empty() {
            self.done.push(self.open.into());
        }
        self.done
    }
}
