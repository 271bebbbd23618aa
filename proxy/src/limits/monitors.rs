//! Places of the connections by which MongoDB drivers see whether the proxy is there.
//!
//! Whoever says hello and nothing else has one, and needs no login for it. So when all are taken,
//! the source that has most of them gives one up: nobody shuts anybody else out by having many. A
//! driver whose monitor is closed opens another.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The places of one process.
#[derive(Debug)]
pub(super) struct Monitors {
    max: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    /// Places that were ever given.
    given: u64,
    count: usize,
    /// The oldest first; those that have none are not in here.
    sources: HashMap<IpAddr, BTreeMap<u64, Arc<Notify>>>,
}

/// One of the places; given back on drop.
#[derive(Debug)]
#[must_use = "the place is given back on drop"]
pub(super) struct Seat {
    source: IpAddr,
    number: u64,
    lost: Arc<Notify>,
    taken: Arc<Mutex<Taken>>,
}

// === impl Monitors ===

impl Monitors {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            taken: Arc::default(),
        }
    }

    /// A place for one of this source. Of the source that has most of them, the new one counted,
    /// the oldest loses its own if there is no other. `None`: there are none at all.
    pub(super) fn take(&self, source: IpAddr) -> Option<Seat> {
        if self.max == 0 {
            return None;
        }
        let mut taken = lock(&self.taken);
        if taken.count >= self.max {
            taken.make_room(source);
        }
        taken.given += 1;
        taken.count += 1;
        let (number, lost) = (taken.given, Arc::new(Notify::new()));
        let of_source = taken.sources.entry(source).or_default();
        of_source.insert(number, Arc::clone(&lost));
        Some(Seat {
            source,
            number,
            lost,
            taken: Arc::clone(&self.taken),
        })
    }
}

impl Taken {
    fn make_room(&mut self, new: IpAddr) {
        let rank = |(source, seats): &(&IpAddr, &BTreeMap<u64, Arc<Notify>>)| {
            let count = seats.len() + usize::from(**source == new);
            // Of sources that have as many, the one with the oldest.
            let oldest = seats.keys().next().copied().unwrap_or_default();
            (count, std::cmp::Reverse(oldest))
        };
        let most = self.sources.iter().max_by_key(rank);
        let oldest = most.and_then(|(source, seats)| Some((*source, *seats.keys().next()?)));
        if let Some((source, number)) = oldest
            && let Some(lost) = self.remove(source, number)
        {
            lost.notify_one();
        }
    }

    fn remove(&mut self, source: IpAddr, number: u64) -> Option<Arc<Notify>> {
        let seats = self.sources.get_mut(&source)?;
        let seat = seats.remove(&number)?;
        self.count -= 1;
        if seats.is_empty() {
            self.sources.remove(&source);
        }
        Some(seat)
    }
}

// === impl Seat ===

impl Seat {
    /// Completes when another has been given the place. Cancel safe.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
        // Whoever asks again hears the same.
        self.lost.notify_one();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // One that was lost is not there.
        let _ = lock(&self.taken).remove(self.source, self.number);
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::tests::now;

    fn host(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    fn is_lost(seat: &Seat) -> bool {
        now(seat.lost()).is_some()
    }

    #[test]
    fn who_has_most_gives_one_up() {
        let monitors = Monitors::new(4);
        let take = |number| monitors.take(host(number)).unwrap();
        let (few, many) = (take(1), [take(2), take(2), take(2)]);
        let first = take(3);
        assert_eq!(many.each_ref().map(is_lost), [true, false, false]);
        let second = take(3);
        // Two have two now: the new one and the older.
        assert_eq!(many.each_ref().map(is_lost), [true, true, false]);
        assert!(
            [&few, &first, &second]
                .into_iter()
                .all(|seat| !is_lost(seat))
        );
        // Who would have most gives up its own.
        let third = take(3);
        assert!(is_lost(&first) && !is_lost(&few) && !is_lost(&many[2]));
        drop((few, many, first, second, third));
        let taken = lock(&monitors.taken);
        assert_eq!((taken.count, taken.sources.len()), (0, 0));
    }

    #[test]
    fn who_is_alone_among_many_with_one_each_comes_in() {
        let monitors = Monitors::new(3);
        let held = [1, 2, 3].map(|number| monitors.take(host(number)).unwrap());
        let new = monitors.take(host(4)).unwrap();
        assert!(is_lost(&held[0]) && is_lost(&held[0]), "it stays lost");
        assert!(!is_lost(&held[1]) && !is_lost(&held[2]) && !is_lost(&new));
        // It has nothing to give back.
        let [first, second, third] = held;
        drop(first);
        assert_eq!(lock(&monitors.taken).count, 3);
        drop((second, third, new));
        assert_eq!(lock(&monitors.taken).count, 0);
    }

    #[test]
    fn where_there_is_no_place_nobody_has_one() {
        assert!(Monitors::new(0).take(host(1)).is_none());
    }
}
