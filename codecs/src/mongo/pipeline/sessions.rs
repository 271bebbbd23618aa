//! What the server keeps for one application: cursors, sessions, transactions.

use std::collections::{BTreeMap, HashMap};

use super::{Asked, Fate, Reply, fate};
use crate::limits::{MONGO_CURSORS_MAX, MONGO_NAMESPACE_BYTES_MAX, MONGO_SESSIONS_MAX};
use crate::mongo::bson::Writer;
use crate::mongo::client::Lsid;
use crate::mongo::command::Kept;

/// The books of all connections of one user from one place. When the last of them has ended,
/// [`leavings`](Self::leavings) says what to tell the server.
///
/// Both lists are bounded; the oldest entry makes room. A session that was not used for longest is
/// ended then ([`overflow`](Self::overflow)), for a server has room for a million of all its users
/// together (`maxSessions`). Cursors and transactions that are not kept any more it ends by itself:
/// cursors after 10 minutes, transactions after one.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    cursors: Aged<i64, Box<str>>,
    /// With the open transaction.
    sessions: Aged<Lsid, Option<i64>>,
    /// Sessions that had to make room, and are to be ended.
    outgrown: Vec<Lsid>,
}

/// Sessions that are ended at once when they had to make room.
const OUTGROWN_MIN: usize = 1_000;

/// Most sessions in one `endSessions`: specification "Driver Sessions".
const END_SESSIONS_MAX: usize = 10_000;

// === impl Sessions ===

impl Sessions {
    /// A request goes to the server.
    pub fn request(&mut self, asked: &Asked) {
        let Some(lsid) = asked.lsid else {
            return;
        };
        let open = match (asked.transaction, asked.starts) {
            (Some((_, number)), true) => Some(number),
            // As it was.
            _ => self.sessions.get(&lsid).copied().flatten(),
        };
        if let Some((oldest, None)) = self.sessions.put(lsid, open, MONGO_SESSIONS_MAX) {
            self.outgrown.push(oldest);
        }
    }

    /// The command that ends sessions which had to make room, with its `$db`, once there are enough
    /// of them. One that is used again is another to the server, as after its timeout.
    pub fn overflow(&mut self) -> Option<Vec<u8>> {
        if self.outgrown.len() < OUTGROWN_MIN {
            return None;
        }
        let outgrown = std::mem::take(&mut self.outgrown);
        let ended: Vec<&Lsid> = outgrown
            .iter()
            .filter(|lsid| self.sessions.get(lsid).is_none())
            .collect();
        Some(end_sessions(&ended))
    }

    /// Its last reply came.
    pub fn reply(&mut self, asked: &Asked, reply: &Reply<'_>) {
        if let Some((lsid, number)) = asked.transaction
            && fate(asked, reply) == Fate::Over
            && self.is_open(&lsid, number)
        {
            self.sessions.put(lsid, None, MONGO_SESSIONS_MAX);
        }
        match asked.kept {
            Kept::EndSessions if reply.ok => {
                for lsid in &asked.ended {
                    self.sessions.remove(lsid);
                }
            }
            Kept::KillCursors if reply.ok => self.forget_cursors(asked),
            Kept::GetMore if !reply.ok => self.forget_cursors(asked),
            _ => {}
        }
        match reply.cursor {
            Some(cursor) if cursor.id == 0 => self.forget_cursors(asked),
            Some(cursor) if cursor.ns.len() <= MONGO_NAMESPACE_BYTES_MAX => {
                self.cursors
                    .put(cursor.id, cursor.ns.into(), MONGO_CURSORS_MAX);
            }
            _ => {}
        }
    }

    /// Whether this transaction is open.
    #[must_use]
    pub fn is_open(&self, lsid: &Lsid, number: i64) -> bool {
        self.sessions.get(lsid).copied().flatten() == Some(number)
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cursors.is_empty() && self.sessions.is_empty()
    }

    /// How many cursors and sessions are kept.
    #[must_use]
    pub fn len(&self) -> (usize, usize) {
        (self.cursors.len(), self.sessions.len())
    }

    /// Commands that make the server forget all of it, in the order in which they are sent, with
    /// their `$db`.
    #[must_use]
    pub fn leavings(&self) -> Vec<Vec<u8>> {
        let mut commands = Vec::new();
        let mut by_namespace: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for (id, ns) in self.cursors.iter() {
            by_namespace.entry(ns).or_default().push(*id);
        }
        for (ns, ids) in by_namespace {
            let Some((db, collection)) = ns.split_once('.') else {
                continue;
            };
            let mut command = Writer::new();
            command.str("killCursors", collection);
            command.array("cursors", |cursors| {
                for id in &ids {
                    cursors.i64(*id);
                }
            });
            command.str("$db", db);
            commands.push(command.finish());
        }
        for (lsid, number) in self.sessions.iter() {
            if let Some(number) = number {
                let mut command = Writer::new();
                command.i32("abortTransaction", 1);
                lsid.write("lsid", &mut command);
                command.i64("txnNumber", *number).bool("autocommit", false);
                command.str("$db", "admin");
                commands.push(command.finish());
            }
        }
        let all: Vec<&Lsid> = self.sessions.iter().map(|(lsid, _)| lsid).collect();
        for some in all.chunks(END_SESSIONS_MAX) {
            commands.push(end_sessions(some));
        }
        commands
    }

    fn forget_cursors(&mut self, asked: &Asked) {
        for id in &asked.cursors {
            self.cursors.remove(id);
        }
    }
}

fn end_sessions(sessions: &[&Lsid]) -> Vec<u8> {
    let mut command = Writer::new();
    command.array("endSessions", |array| {
        for lsid in sessions {
            array.document(|session| lsid.write_inside(session));
        }
    });
    command.str("$db", "admin");
    command.finish()
}

/// A map that knows which entry was put first.
#[derive(Clone, Debug)]
struct Aged<K, V> {
    entries: HashMap<K, (u64, V)>,
    by_age: BTreeMap<u64, K>,
    next: u64,
}

impl<K, V> Default for Aged<K, V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            by_age: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<K: Copy + Eq + std::hash::Hash, V> Aged<K, V> {
    /// Puts it last. Of more than `max` the first goes, and is given.
    fn put(&mut self, key: K, value: V, max: usize) -> Option<(K, V)> {
        self.remove(&key);
        let mut outgrown = None;
        if self.entries.len() >= max
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            let entry = self.entries.remove(&oldest);
            outgrown = entry.map(|(_, value)| (oldest, value));
        }
        self.by_age.insert(self.next, key);
        self.entries.insert(key, (self.next, value));
        self.next += 1;
        outgrown
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    fn remove(&mut self, key: &K) {
        if let Some((age, _)) = self.entries.remove(key) {
            self.by_age.remove(&age);
        }
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// In the order of age.
    fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let aged = self.by_age.values();
        aged.filter_map(|key| Some((key, self.get(key)?)))
    }
}
