//! One proxy's stream: a snapshot if it needs one, then every change as it is committed, and a mark
//! every few seconds so that silence means a broken stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tenantsdb_codecs::feed::stream::{Line, Mark};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Attached;
use super::snapshot::Pieces;
use crate::context::Context;
use crate::error::Result;
use crate::store::routes;

/// How often a mark is sent.
const MARK: Duration = Duration::from_secs(5);
/// A proxy that takes no bytes for this long is dropped: it holds memory here, and would be told of
/// changes too late to matter.
const SLOW: Duration = Duration::from_secs(20);
/// Changes read from the store at a time.
const PAGE: u32 = 500;

/// What a proxy said it holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resume {
    pub(crate) epoch: Option<String>,
    pub(crate) rev: Option<u64>,
}

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The proxy went away.
    Gone,
    /// It did not read.
    Slow,
    /// A newer stream of the same proxy took its place.
    Replaced,
    /// Control stops.
    Shutdown,
}

impl Resume {
    /// The revision to go on from without a snapshot, if that can be.
    pub(crate) fn usable(&self, epoch: &str, revisions: routes::Revisions) -> Option<u64> {
        let same = self.epoch.as_deref() == Some(epoch);
        self.rev
            .filter(|rev| same && (revisions.floor..=revisions.newest).contains(rev))
    }
}

/// Feeds `out` until the stream ends.
pub(crate) async fn run(
    context: Arc<Context>,
    attached: Attached,
    resume: Option<u64>,
    out: mpsc::Sender<Bytes>,
) -> Result<End> {
    let sink = Sink { out };
    let mut newest = context.store.rev();
    let mut sent = match resume {
        Some(rev) => rev,
        None => {
            let snapshot = context.feed.snapshots.take(&context.store).await?;
            for piece in &snapshot.pieces {
                if let Err(end) = sink.send(piece.clone()).await {
                    return Ok(end);
                }
            }
            snapshot.rev
        }
    };
    loop {
        match changes(&context, &sink, sent).await? {
            Ok(rev) => sent = rev,
            Err(end) => return Ok(end),
        }
        let wait = next_change(&mut newest, sent);
        let mark = tokio::select! {
            () = context.shutdown.cancelled() => return Ok(End::Shutdown),
            () = attached.replaced.cancelled() => return Ok(End::Replaced),
            () = sink.out.closed() => return Ok(End::Gone),
            () = wait => false,
            () = tokio::time::sleep(MARK) => true,
        };
        if mark {
            context.store.rev_refresh().await?;
            match send_mark(&context, &sink, sent).await? {
                Ok(rev) => sent = rev,
                Err(end) => return Ok(end),
            }
        }
    }
}

/// Sends all changes after `sent`; gives the revision that is sent now. What an earlier change of
/// the same route said is not sent: each line has the route whole.
async fn changes(
    context: &Context,
    sink: &Sink,
    mut sent: u64,
) -> Result<std::result::Result<u64, End>> {
    loop {
        let page = routes::since(&mut *context.store.read().await?, sent, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(Ok(sent));
        };
        sent = last.rev;
        let mut pieces = Pieces::default();
        for change in &page {
            pieces.change(change)?;
        }
        for piece in pieces.finish() {
            if let Err(end) = sink.send(piece).await {
                return Ok(Err(end));
            }
        }
    }
}

/// Changes first, so that the mark is true.
async fn send_mark(
    context: &Context,
    sink: &Sink,
    sent: u64,
) -> Result<std::result::Result<u64, End>> {
    let sent = match changes(context, sink, sent).await? {
        Ok(rev) => rev,
        Err(end) => return Ok(Err(end)),
    };
    let mut pieces = Pieces::default();
    pieces.line(&Line::Mark(Mark { rev: sent }))?;
    for piece in pieces.finish() {
        if let Err(end) = sink.send(piece).await {
            return Ok(Err(end));
        }
    }
    Ok(Ok(sent))
}

async fn next_change(newest: &mut watch::Receiver<u64>, sent: u64) {
    // The sender is part of the store, which outlives every stream.
    if newest.wait_for(|rev| *rev > sent).await.is_err() {
        std::future::pending::<()>().await;
    }
}

struct Sink {
    out: mpsc::Sender<Bytes>,
}

impl Sink {
    async fn send(&self, piece: Bytes) -> std::result::Result<(), End> {
        let deadline = Instant::now() + SLOW;
        match tokio::time::timeout_at(deadline, self.out.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Slow),
        }
    }
}
