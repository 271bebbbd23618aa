//! What a database was found to hold, and whether that is more than it may.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenantsdb_codecs::feed::route::Redis;
use tokio::time::{Duration, Instant};

/// After this long a database with a limit is counted again, when it is next written to.
const REFRESH_AFTER: Duration = Duration::from_secs(10);

/// The same for one that is close to its limit or beyond it: who has made room is let in soon.
const REFRESH_SOON_AFTER: Duration = Duration::from_secs(1);

/// A database is close to its limit from this many tenths of it on.
const CLOSE_TENTHS: u64 = 9;

/// What the last count of one database found, in this process.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    last: Mutex<Last>,
    is_refreshing: AtomicBool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Last {
    counted: Option<(u64, Instant)>,
    /// When somebody last set out to count for the limits, whatever came of it.
    tried: Option<Instant>,
    key_bytes: Option<u64>,
}

/// What a count found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Keys.
    pub(crate) keys: u64,
    /// Memory that they and their values take: an estimate, from some of them.
    pub(crate) bytes: Option<u64>,
    /// When they were counted.
    pub(crate) at: Instant,
}

/// A limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OverLimit {
    /// Of keys.
    Keys {
        /// How many there are.
        keys: u64,
        /// How many there may be.
        max: u64,
    },
    /// Of memory.
    Memory {
        /// What they take, about.
        bytes: u64,
        /// What they may.
        max: u64,
    },
}

/// Held by whoever counts for the limits; there is one at a time.
#[derive(Debug)]
#[must_use = "nobody else refreshes while this is held"]
pub(crate) struct Refreshing(Arc<Usage>);

// === impl Usage ===

impl Usage {
    /// What is known.
    pub(crate) fn last(&self) -> Option<Counted> {
        let Last {
            counted, key_bytes, ..
        } = *self.lock();
        let (keys, at) = counted?;
        Some(Counted {
            keys,
            bytes: key_bytes.map(|bytes| bytes.saturating_mul(keys)),
            at,
        })
    }

    /// There are this many keys now.
    pub(crate) fn counted(&self, keys: u64) {
        self.lock().counted = Some((keys, Instant::now()));
    }

    /// A key takes this many bytes, on the average of some.
    pub(crate) fn measured(&self, key_bytes: u64) {
        self.lock().key_bytes = Some(key_bytes);
    }

    /// The limit that the database has reached, by the last count. What may add to it is refused
    /// then. Between two counts a database may grow beyond its limit.
    pub(crate) fn over_limit(&self, limits: &Redis) -> Option<OverLimit> {
        let counted = self.last()?;
        if let Some(max) = limits.keys_max
            && counted.keys >= max
        {
            let keys = counted.keys;
            return Some(OverLimit::Keys { keys, max });
        }
        let (bytes, max) = (counted.bytes?, limits.memory_bytes_max?);
        (bytes >= max).then_some(OverLimit::Memory { bytes, max })
    }

    /// Whether the database is to be counted for its limits, and by whoever is given this: it has
    /// limits, and the last count is too old.
    pub(crate) fn refresh(self: &Arc<Self>, limits: &Redis) -> Option<Refreshing> {
        if limits.keys_max.is_none() && limits.memory_bytes_max.is_none() {
            return None;
        }
        let due = self.last().is_none_or(|counted| {
            let close = is_close(counted.keys, limits.keys_max)
                || is_close(counted.bytes.unwrap_or(0), limits.memory_bytes_max)
                || (counted.bytes.is_none() && limits.memory_bytes_max.is_some());
            let after = if close {
                REFRESH_SOON_AFTER
            } else {
                REFRESH_AFTER
            };
            counted.at.elapsed() >= after
        });
        let tried = self.lock().tried;
        let due = due && tried.is_none_or(|tried| tried.elapsed() >= REFRESH_SOON_AFTER);
        if !due || self.is_refreshing.swap(true, Ordering::AcqRel) {
            return None;
        }
        self.lock().tried = Some(Instant::now());
        Some(Refreshing(Arc::clone(self)))
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_close(found: u64, max: Option<u64>) -> bool {
    max.is_some_and(|max| found >= max / 10 * CLOSE_TENTHS)
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.0.is_refreshing.store(false, Ordering::Release);
    }
}

impl fmt::Display for OverLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys { keys, max } => write!(
                f,
                "OOM command not allowed: the database has {keys} keys, its limit is {max}"
            ),
            Self::Memory { bytes, max } => write!(
                f,
                "OOM command not allowed: the database takes about {bytes} bytes, its limit is \
                 {max}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn limits(keys_max: Option<u64>, memory_bytes_max: Option<u64>) -> Redis {
        Redis {
            keys_max,
            memory_bytes_max,
            ..Redis::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_at_its_limit_is_full() {
        let usage = Usage::default();
        let limits = limits(Some(100), Some(1000));
        assert_eq!(usage.over_limit(&limits), None, "nothing is known");
        usage.counted(99);
        assert_eq!(usage.over_limit(&limits), None);
        usage.measured(11);
        let full = usage.over_limit(&limits).unwrap();
        assert_eq!(
            full,
            OverLimit::Memory {
                bytes: 1089,
                max: 1000
            }
        );
        usage.counted(100);
        let full = usage.over_limit(&limits).unwrap().to_string();
        assert!(
            full.starts_with("OOM ") && full.ends_with("100 keys, its limit is 100"),
            "{full}"
        );
        usage.counted(90);
        assert_eq!(usage.over_limit(&limits), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_close_to_its_limit_is_looked_at_more_often() {
        let usage = Arc::<Usage>::default();
        assert!(usage.refresh(&limits(None, None)).is_none(), "no limit");
        let limits = limits(Some(100), None);
        let refreshing = usage.refresh(&limits).unwrap();
        assert!(usage.refresh(&limits).is_none(), "one at a time");
        drop(refreshing);
        assert!(
            usage.refresh(&limits).is_none(),
            "nothing came of it, and it was just now"
        );
        usage.counted(5);
        advance(REFRESH_SOON_AFTER).await;
        assert!(usage.refresh(&limits).is_none());
        advance(REFRESH_AFTER).await;
        assert!(usage.refresh(&limits).is_some());
        usage.counted(95);
        assert!(usage.refresh(&limits).is_none());
        advance(REFRESH_SOON_AFTER).await;
        assert!(usage.refresh(&limits).is_some());
    }
}
