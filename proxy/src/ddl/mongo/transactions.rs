//! Transactions of workspaces that are open: what they will have done to the schema when they are
//! committed.
//!
//! A transaction belongs to a session of the driver, not to a connection: its commands come over
//! any of the client's connections. So this is kept for the whole process. Of a transaction that
//! began elsewhere, or was put out for want of room, nothing is known, and its commit is recorded
//! as one of unknown effect.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tenantsdb_codecs::mongo::client::{Lsid, Request};

/// Most transactions that are kept; the oldest goes first. A server has each for a minute at most
/// (`transactionLifetimeLimitSeconds`).
const TRANSACTIONS_MAX: usize = 4096;

/// What all their statements may take in bytes.
const BYTES_MAX: usize = 64 << 20;

/// A transaction of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    place: Place,
    number: i64,
}

/// A driver's session in a database. It has one transaction at a time.
type Place = (String, Lsid);

impl Key {
    /// The transaction that a command is part of; `None` if it is in none.
    pub(crate) fn of(database: &str, request: &Request<'_>) -> Option<Self> {
        let (lsid, number) = request.transaction()?;
        Some(Self {
            place: (database.to_owned(), lsid),
            number,
        })
    }
}

/// One thing that a transaction has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// The statement.
    pub(crate) text: String,
    /// The collection that it makes.
    pub(crate) makes: Option<String>,
    /// No client has sent it: it stands for a write, and counts if the collection is there.
    pub(crate) implicit: bool,
}

/// What is known of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// All of it; no statements if it has only read and written.
    Known(Vec<Part>),
    /// Not all of it.
    Unknown,
}

/// The transactions that are open.
#[derive(Debug, Default)]
pub(crate) struct Transactions(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    open: HashMap<Place, Open>,
    /// By age.
    ages: BTreeMap<u64, Place>,
    next_age: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Open {
    number: i64,
    age: u64,
    parts: Vec<Part>,
    bytes: usize,
}

// === impl Transactions ===

impl Transactions {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transaction begins; the one before it in the same session is over.
    pub(crate) fn begin(&self, key: &Key) {
        let mut table = self.lock();
        table.remove(key);
        if table.open.len() >= TRANSACTIONS_MAX {
            table.remove_oldest();
        }
        let (age, place) = (table.next_age, key.place.clone());
        table.next_age += 1;
        table.ages.insert(age, place.clone());
        let open = Open {
            number: key.number,
            age,
            parts: Vec::new(),
            bytes: 0,
        };
        table.open.insert(place, open);
    }

    /// A statement of a transaction ran; what it did counts when it is committed.
    pub(crate) fn push(&self, key: &Key, part: Part) {
        let mut table = self.lock();
        let bytes = part.text.len() + size_of::<Part>();
        if table.bytes + bytes > BYTES_MAX {
            // Its commit is of unknown effect.
            table.remove(key);
            return;
        }
        let Some(open) = table.get_mut(key) else {
            return;
        };
        open.parts.push(part);
        open.bytes += bytes;
        table.bytes += bytes;
    }

    /// What a transaction has done so far.
    pub(crate) fn find(&self, key: &Key) -> Found {
        let mut table = self.lock();
        match table.get_mut(key) {
            Some(open) => Found::Known(open.parts.clone()),
            None => Found::Unknown,
        }
    }

    /// A transaction is over. Where it was committed it is kept as one that did nothing: drivers
    /// may send a commit again.
    pub(crate) fn end(&self, key: &Key, committed: bool) {
        let mut table = self.lock();
        if !committed {
            table.remove(key);
        } else if let Some(open) = table.get_mut(key) {
            open.parts = Vec::new();
            let bytes = std::mem::take(&mut open.bytes);
            table.bytes -= bytes;
        }
    }
}

impl Table {
    /// Only the transaction itself, not a later or earlier one of its session.
    fn get_mut(&mut self, key: &Key) -> Option<&mut Open> {
        let open = self.open.get_mut(&key.place)?;
        (open.number == key.number).then_some(open)
    }

    fn remove(&mut self, key: &Key) {
        self.remove_place(&key.place);
    }

    fn remove_place(&mut self, place: &Place) {
        if let Some(open) = self.open.remove(place) {
            self.ages.remove(&open.age);
            self.bytes -= open.bytes;
        }
    }

    fn remove_oldest(&mut self) {
        if let Some((_, place)) = self.ages.pop_first() {
            self.remove_place(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(lsid: u128, number: i64) -> Key {
        Key {
            place: ("myapp_dev".to_owned(), Lsid(lsid.to_le_bytes())),
            number,
        }
    }

    fn part() -> Part {
        Part {
            text: "{}".to_owned(),
            ..Part::default()
        }
    }

    #[test]
    fn a_transaction_is_known_by_its_session_and_number() {
        let open = Transactions::default();
        assert_eq!(open.find(&key(1, 1)), Found::Unknown);
        open.begin(&key(1, 1));
        open.push(&key(1, 1), part());
        open.push(&key(1, 2), part());
        assert_eq!(open.find(&key(1, 1)), Found::Known(vec![part()]));
        assert_eq!(open.find(&key(2, 1)), Found::Unknown);
        // A second commit does nothing.
        open.end(&key(1, 1), true);
        assert_eq!(open.find(&key(1, 1)), Found::Known(Vec::new()));
        open.begin(&key(1, 2));
        assert_eq!(open.find(&key(1, 1)), Found::Unknown);
        open.end(&key(1, 2), false);
        assert_eq!(open.find(&key(1, 2)), Found::Unknown);
        let table = open.lock();
        assert_eq!((table.bytes, table.ages.len()), (0, 0));
    }

    #[test]
    fn what_finds_no_room_is_of_unknown_effect() {
        let open = Transactions::default();
        open.begin(&key(1, 1));
        let long = Part {
            text: " ".repeat(BYTES_MAX / 2),
            ..Part::default()
        };
        open.push(&key(1, 1), long.clone());
        assert!(matches!(open.find(&key(1, 1)), Found::Known(all) if all.len() == 1));
        open.push(&key(1, 1), long);
        assert_eq!(open.find(&key(1, 1)), Found::Unknown);
        assert_eq!(open.lock().bytes, 0);
        for lsid in 0..=TRANSACTIONS_MAX {
            open.begin(&key(lsid as u128, 1));
        }
        assert_eq!(open.lock().open.len(), TRANSACTIONS_MAX);
        assert_eq!(open.find(&key(0, 1)), Found::Unknown);
    }
}
