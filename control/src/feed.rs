//! Routes for proxies: who follows the feed, what each has in force, and waiting until all have.
//!
//! - [`snapshot`]: the whole table, encoded once for all who need it.
//! - [`stream`]: one proxy's stream: snapshot if needed, then changes as they are committed.

pub(crate) mod snapshot;
pub(crate) mod stream;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tenantsdb_codecs::feed::stream::{Ack, Nack};
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::Result;
use crate::store::{self, Store, proxies};
use snapshot::Snapshots;

/// A proxy that acknowledged nothing for this long is not waited for. It is told a mark every 5 s,
/// and acknowledges that too.
const LIVE: Duration = Duration::from_secs(10);
/// A proxy whose stream broke is still waited for this long: it is most likely connecting again.
const RECONNECT: Duration = Duration::from_secs(3);
/// A proxy that was live when the control before this one stopped is waited for this long: proxies
/// try to connect at least every 10 s.
const RETURN: Duration = Duration::from_secs(12);
/// Refused routes that are remembered of each proxy.
const NACKS_MAX: usize = 16;
/// How long a change waits for the proxies before its answer says which are behind.
pub(crate) const ROUTED_WAIT_MAX: Duration = Duration::from_secs(5);
/// Streams at the same time. Dozens are expected.
const STREAMS_MAX: usize = 1024;

/// Who follows the feed and what each has in force.
pub(crate) struct Feed {
    proxies: Mutex<HashMap<String, Follower>>,
    /// Counts acknowledgements and streams come and gone, for those who wait for them.
    changed: watch::Sender<u64>,
    snapshots: Snapshots,
    streams: Arc<Semaphore>,
    stream_next: AtomicU64,
}

/// What is known of one proxy.
struct Follower {
    acked_rev: u64,
    /// When it last acknowledged, or opened its stream.
    seen: Instant,
    seen_at: OffsetDateTime,
    stream: Stream,
    /// Not in the store yet.
    dirty: bool,
    /// The last routes that it could not use.
    nacks: VecDeque<Nack>,
}

enum Stream {
    /// Cancelled when a newer stream of the same proxy takes its place.
    Open {
        number: u64,
        replaced: CancellationToken,
    },
    /// Since then.
    Closed(Instant),
    /// It was live when the control before this one stopped.
    Before,
}

/// Whether a change is in force everywhere.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Routed {
    /// Every live proxy has it in force.
    pub(crate) routed: bool,
    /// The live proxies that have not.
    pub(crate) behind: Vec<String>,
}

/// One proxy, as people look at it.
#[derive(Clone, Debug)]
pub(crate) struct ProxyState {
    pub(crate) id: String,
    pub(crate) live: bool,
    pub(crate) acked_rev: u64,
    pub(crate) last_ack_at: OffsetDateTime,
    pub(crate) nack: Option<Nack>,
}

/// A proxy's place among the open streams, given back when dropped.
pub(crate) struct Attached {
    context: Arc<Context>,
    proxy: String,
    number: u64,
    /// Cancelled when a newer stream of the same proxy takes its place.
    pub(crate) replaced: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

// === impl Feed ===

impl Feed {
    /// Starts with the proxies that were live when the control before this one stopped: they serve
    /// clients while they are connecting again, so "all live proxies" has to mean them too.
    pub(crate) async fn new(store: &Store) -> Result<Self> {
        let known = proxies::all(&mut *store.read().await?).await?;
        let mut followers = HashMap::new();
        for proxy in &known {
            followers.insert(
                proxy.id.clone(),
                Follower {
                    acked_rev: proxy.acked_rev,
                    seen: Instant::now(),
                    seen_at: store::parse_timestamp(&proxy.last_ack_at)?,
                    stream: Stream::Before,
                    dirty: false,
                    nacks: VecDeque::new(),
                },
            );
        }
        let last = followers.values().map(|follower| follower.seen_at).max();
        for follower in followers.values_mut() {
            if last.is_some_and(|last| last - follower.seen_at > LIVE) {
                follower.stream = Stream::Closed(Instant::now() - RECONNECT);
            }
        }
        Ok(Self {
            proxies: Mutex::new(followers),
            changed: watch::Sender::new(0),
            snapshots: Snapshots::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            stream_next: AtomicU64::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Follower>> {
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self) {
        self.changed
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Registers a stream of `proxy`, which has everything up to `rev` in force. `None` when there
    /// are too many streams.
    pub(crate) fn attach(context: &Arc<Context>, proxy: &str, rev: u64) -> Option<Attached> {
        let feed = &context.feed;
        let permit = Arc::clone(&feed.streams).try_acquire_owned().ok()?;
        let number = feed.stream_next.fetch_add(1, Ordering::Relaxed);
        let replaced = CancellationToken::new();
        let follower = Follower {
            acked_rev: rev,
            seen: Instant::now(),
            seen_at: OffsetDateTime::now_utc(),
            stream: Stream::Open {
                number,
                replaced: replaced.clone(),
            },
            dirty: true,
            nacks: VecDeque::new(),
        };
        let before = feed.lock().insert(proxy.to_owned(), follower);
        if let Some(Stream::Open { replaced, .. }) = before.map(|before| before.stream) {
            tracing::warn!(
                proxy,
                "a second stream under the same proxy id ends the first"
            );
            replaced.cancel();
        }
        feed.announce();
        Some(Attached {
            context: Arc::clone(context),
            proxy: proxy.to_owned(),
            number,
            replaced,
            _permit: permit,
        })
    }

    /// Takes in what a proxy acknowledged. One without a stream here is only noted.
    pub(crate) fn ack(&self, ack: Ack, epoch: &str) {
        let mut proxies = self.lock();
        let Some(follower) = proxies.get_mut(&ack.proxy) else {
            return;
        };
        follower.seen = Instant::now();
        follower.seen_at = OffsetDateTime::now_utc();
        follower.dirty = true;
        if ack.epoch == epoch {
            follower.acked_rev = ack.rev;
        }
        if let Some(nack) = ack.nack {
            tracing::warn!(
                proxy = ack.proxy,
                database = nack.database,
                reason = nack.reason,
                "proxy could not use a route"
            );
            follower.nacks.truncate(NACKS_MAX - 1);
            follower.nacks.push_front(nack);
        }
        drop(proxies);
        self.announce();
    }

    /// Waits until every live proxy has `rev` in force, at most [`ROUTED_WAIT_MAX`]. A proxy that
    /// stops being live meanwhile is no longer waited for. Cancel safe.
    pub(crate) async fn wait_routed(&self, rev: u64) -> Routed {
        let deadline = Instant::now() + ROUTED_WAIT_MAX;
        let mut changed = self.changed.subscribe();
        loop {
            let behind = self.behind(rev);
            if behind.is_empty() || Instant::now() >= deadline {
                return Routed {
                    routed: behind.is_empty(),
                    behind,
                };
            }
            // Liveness also ends by time alone, which nothing announces.
            let poll = (Instant::now() + Duration::from_millis(250)).min(deadline);
            // An error means that the sender is gone, which is part of `self`.
            let _ = tokio::time::timeout_at(poll, changed.changed()).await;
        }
    }

    fn behind(&self, rev: u64) -> Vec<String> {
        let now = Instant::now();
        let mut behind: Vec<String> = self
            .lock()
            .iter()
            .filter(|(_, follower)| follower.is_live(now) && !follower.has(rev))
            .map(|(id, _)| id.clone())
            .collect();
        behind.sort();
        behind
    }

    /// Every proxy that is known, by id.
    pub(crate) fn states(&self) -> Vec<ProxyState> {
        let now = Instant::now();
        let mut states: Vec<ProxyState> = self
            .lock()
            .iter()
            .map(|(id, follower)| ProxyState {
                id: id.clone(),
                live: follower.is_live(now),
                acked_rev: follower.acked_rev,
                last_ack_at: follower.seen_at,
                nack: follower.nacks.front().cloned(),
            })
            .collect();
        states.sort_by(|a, b| a.id.cmp(&b.id));
        states
    }

    /// Writes to the store what proxies acknowledged since the last time.
    pub(crate) async fn save(&self, store: &Store) -> Result<()> {
        let dirty: Vec<proxies::Proxy> = self
            .lock()
            .iter_mut()
            .filter_map(|(id, follower)| {
                std::mem::take(&mut follower.dirty).then(|| proxies::Proxy {
                    id: id.clone(),
                    acked_rev: follower.acked_rev,
                    last_ack_at: store::timestamp(follower.seen_at),
                })
            })
            .collect();
        if dirty.is_empty() {
            return Ok(());
        }
        let mut write = store.write().await?;
        for proxy in &dirty {
            proxies::put(&mut write, proxy).await?;
        }
        write.commit().await?;
        Ok(())
    }

    /// Forgets proxies that were not seen since `before`.
    pub(crate) fn forget(&self, before: OffsetDateTime) {
        self.lock().retain(|_, follower| follower.seen_at >= before);
    }
}

// === impl Follower ===

impl Follower {
    fn is_live(&self, now: Instant) -> bool {
        let unseen = now.saturating_duration_since(self.seen);
        match &self.stream {
            Stream::Open { .. } => unseen < LIVE,
            Stream::Closed(at) => unseen < LIVE && now.saturating_duration_since(*at) < RECONNECT,
            Stream::Before => unseen < RETURN,
        }
    }

    /// A proxy that kept the last good value of a route has not got the one it was sent.
    fn has(&self, rev: u64) -> bool {
        self.acked_rev >= rev && !self.nacks.iter().any(|nack| nack.rev == rev)
    }
}

// === impl Attached ===

impl Drop for Attached {
    fn drop(&mut self) {
        let feed = &self.context.feed;
        let mut proxies = feed.lock();
        if let Some(follower) = proxies.get_mut(&self.proxy)
            && matches!(follower.stream, Stream::Open { number, .. } if number == self.number)
        {
            follower.stream = Stream::Closed(Instant::now());
        }
        drop(proxies);
        feed.announce();
    }
}
