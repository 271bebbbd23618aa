//! How much memory the requests that are held may have: those of a protocol where a request is
//! known only when the first part of it is there as a whole, and that part may be long.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that a request may have without a place: 10,000 clients have 640 MB at once then, and no
/// command is longer that has no documents in its body.
pub(crate) const FREE_BYTES: usize = 64 << 10;

/// Bytes that all requests of the process may have beyond that at once.
const PROCESS_BYTES_MAX: usize = 256 << 20;

/// A database has a part of these: what one does leaves room for others.
const DATABASES: usize = 4;

/// What is counted, in bytes: a semaphore gives at most 4 G of its permits to one.
const UNIT_BYTES: usize = 1 << 10;

/// Room for requests that are held, shared by all cores.
#[derive(Debug)]
pub(crate) struct Bodies {
    process: Arc<Semaphore>,
    database_units_max: usize,
    databases: Databases,
}

/// Those that somebody has or wants room of.
type Databases = Arc<DashMap<Box<str>, Arc<Semaphore>>>;

/// Room for one request; given back on drop.
#[derive(Debug)]
#[must_use = "the room is given back on drop"]
pub(crate) struct BodyPermit {
    _process: OwnedSemaphorePermit,
    _database: OwnedSemaphorePermit,
    /// Behind what is of it.
    _share: Share,
}

/// The room of one database; forgotten with the last that has or wants some of it.
#[derive(Debug)]
struct Share {
    name: Box<str>,
    room: Option<Arc<Semaphore>>,
    databases: Databases,
}

// === impl Bodies ===

impl Bodies {
    pub(crate) fn new() -> Self {
        Self::of(PROCESS_BYTES_MAX)
    }

    fn of(bytes_max: usize) -> Self {
        let units_max = bytes_max / UNIT_BYTES;
        Self {
            process: Arc::new(Semaphore::new(units_max)),
            database_units_max: units_max / DATABASES,
            databases: Arc::default(),
        }
    }

    /// Waits for room for a request of this many bytes to this database. First come, first served:
    /// a long one waits no longer for there being short ones. `None`: there is never so much.
    /// Cancel safe.
    pub(crate) async fn room(&self, database: &str, bytes: usize) -> Option<BodyPermit> {
        let units = bytes.div_ceil(UNIT_BYTES);
        if units > self.database_units_max {
            return None;
        }
        let units = u32::try_from(units).ok()?;
        let share = self.share(database);
        // Of the database first: who waits there has nothing that another waits for.
        let of_database = share.room.clone()?.acquire_many_owned(units).await.ok()?;
        let process = Arc::clone(&self.process);
        Some(BodyPermit {
            _process: process.acquire_many_owned(units).await.ok()?,
            _database: of_database,
            _share: share,
        })
    }

    fn share(&self, database: &str) -> Share {
        let name: Box<str> = database.into();
        let new = || Arc::new(Semaphore::new(self.database_units_max));
        let room = self.databases.entry(name.clone()).or_insert_with(new);
        Share {
            name,
            room: Some(Arc::clone(&room)),
            databases: Arc::clone(&self.databases),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let own = self.room.take();
        let freed = self.databases.remove_if(&self.name, |_, room| {
            drop(own);
            Arc::strong_count(room) == 1
        });
        drop(freed);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;
    use crate::limits::tests::now;

    const MB: usize = 1 << 20;

    #[test]
    fn a_database_has_a_quarter_and_leaves_the_rest_to_others() {
        let bodies = Bodies::of(64 * MB);
        let room = |database, bytes| now(bodies.room(database, bytes));
        let first = room("acme", 10 * MB).flatten().expect("there is room");
        assert!(room("acme", 7 * MB).is_none(), "it waits");
        let second = room("acme", 6 * MB).flatten().expect("it is just so much");
        let other = room("globex", 16 * MB).flatten().expect("it is another's");
        drop(first);
        assert!(room("acme", 10 * MB).flatten().is_some());
        drop((second, other));
        assert!(bodies.databases.is_empty(), "nothing is left behind");
        assert_eq!(bodies.process.available_permits() * UNIT_BYTES, 64 * MB);
    }

    #[test]
    fn the_process_has_no_more_than_all_of_it() {
        let bodies = Bodies::of(8 * MB);
        let room = |database| now(bodies.room(database, 2 * MB)).flatten();
        let held: Vec<_> = ["a", "b", "c", "d"]
            .map(room)
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(held.len(), 4);
        let mut waits = pin!(bodies.room("e", 1));
        assert!(now(waits.as_mut()).is_none());
        drop(held);
        assert!(now(waits).flatten().is_some());
        assert!(bodies.databases.is_empty());
    }

    #[test]
    fn who_gives_up_or_wants_more_than_there_is_leaves_nothing_behind() {
        let bodies = Bodies::of(8 * MB);
        assert!(matches!(now(bodies.room("a", 2 * MB + 1)), Some(None)));
        let held = now(bodies.room("a", 2 * MB)).flatten();
        assert!(held.is_some() && now(bodies.room("a", 1)).is_none());
        drop(held);
        assert!(bodies.databases.is_empty());
    }
}
