//! SUBSCRIBE and what belongs to it.
//!
//! The session keeps what its client listens to, and says so to it in its own numbers, once the
//! server has confirmed. Patterns are matched here: the server's access list lets a database
//! subscribe to the one pattern of all its channels, and no other.

use std::collections::BTreeSet;

use tenantsdb_codecs::limits::REDIS_PATTERN_BYTES_MAX;
use tenantsdb_codecs::redis::command::{Local, Refusal};
use tenantsdb_codecs::redis::prefix::{KEYSPACE, channel_in, channel_place, reaches_keyspace};
use tenantsdb_codecs::redis::server;
use tokio::io::{AsyncRead, AsyncWrite};

use super::out::Pieces;
use super::pump::{Next, Pump, Stop};
use super::queue::Owed;
use super::request::Whole;

/// What one client may listen to.
const SUBSCRIPTIONS_MAX: usize = 100_000;

/// The names of all of it together, in bytes: 40 for each, if there are as many.
const NAMES_BYTES_MAX: usize = 4 << 20;

impl<C, S> Pump<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    pub(super) fn subscribe(
        &mut self,
        local: Local,
        whole: Whole<'_>,
        pieces: &mut Pieces<'_>,
    ) -> Next {
        let begins = matches!(
            local,
            Local::Subscribe | Local::PSubscribe | Local::SSubscribe
        );
        if begins && let Err(text) = self.may_subscribe(local, whole) {
            return self.refuse(&text);
        }
        if begins && self.server.is_none() {
            return Next::Stop(Stop::Server);
        }
        match local {
            Local::Subscribe | Local::SSubscribe => self.begin(local, whole, pieces),
            Local::PSubscribe => self.begin_patterns(whole, pieces),
            Local::PUnsubscribe => self.end_patterns(whole, pieces),
            _ => self.end(local, whole, pieces),
        }
        let own = &self.state.subscriptions;
        let seen = &self.desk.member.client().seen;
        seen.subscriptions(
            own.channels.len(),
            own.patterns.len(),
            own.shard_channels.len(),
        );
        Next::Done
    }

    fn may_subscribe(&self, local: Local, whole: Whole<'_>) -> Result<(), String> {
        let own = &self.state.subscriptions;
        let has = own.channels.len() + own.patterns.len() + own.shard_channels.len();
        if has + whole.argc() > SUBSCRIPTIONS_MAX {
            return Err(format!(
                "ERR a client may have {SUBSCRIPTIONS_MAX} subscriptions"
            ));
        }
        let names = || (1..whole.argc()).map(|index| whole.arg(index));
        let bytes: usize = names().map(<[u8]>::len).sum();
        if own.bytes + bytes > NAMES_BYTES_MAX {
            return Err("ERR too many subscriptions".to_owned());
        }
        if local == Local::PSubscribe && names().any(|name| name.len() > REDIS_PATTERN_BYTES_MAX) {
            return Err(format!(
                "ERR a pattern may have {REDIS_PATTERN_BYTES_MAX} bytes"
            ));
        }
        let refused = |refusal: Refusal| refusal.text(&[whole.arg(0)]);
        for name in names() {
            match local {
                Local::Subscribe => channel_place(name).map(|_| ()),
                Local::PSubscribe => reaches_keyspace(name).map(|_| ()),
                _ => Ok(()),
            }
            .map_err(refused)?;
        }
        Ok(())
    }

    fn set(&mut self, local: Local) -> &mut BTreeSet<Box<[u8]>> {
        let own = &mut self.state.subscriptions;
        match local {
            Local::Subscribe | Local::Unsubscribe => &mut own.channels,
            Local::SSubscribe | Local::SUnsubscribe => &mut own.shard_channels,
            _ => &mut own.patterns,
        }
    }

    fn add(&mut self, local: Local, name: &[u8]) {
        if self.set(local).insert(name.into()) {
            self.state.subscriptions.bytes += name.len();
        }
    }

    /// Answers whether it was there.
    fn remove(&mut self, local: Local, name: &[u8]) -> bool {
        let was_there = self.set(local).remove(name);
        if was_there {
            let bytes = &mut self.state.subscriptions.bytes;
            *bytes = bytes.saturating_sub(name.len());
        }
        was_there
    }

    /// Says what has become of a subscription.
    fn say(&self, local: Local, name: Option<&[u8]>, out: &mut Vec<u8>) {
        let own = &self.state.subscriptions;
        let (kind, count): (&[u8], _) = match local {
            Local::Subscribe => (b"subscribe", own.channels.len() + own.patterns.len()),
            Local::Unsubscribe => (b"unsubscribe", own.channels.len() + own.patterns.len()),
            Local::PSubscribe => (b"psubscribe", own.channels.len() + own.patterns.len()),
            Local::PUnsubscribe => (b"punsubscribe", own.channels.len() + own.patterns.len()),
            Local::SSubscribe => (b"ssubscribe", own.shard_channels.len()),
            _ => (b"sunsubscribe", own.shard_channels.len()),
        };
        server::push(3, self.state.protocol, out);
        server::bulk(kind, out);
        match name {
            Some(name) => server::bulk(name, out),
            None => server::null(self.state.protocol, out),
        }
        server::integer(i64::try_from(count).unwrap_or(i64::MAX), out);
    }

    fn begin(&mut self, local: Local, whole: Whole<'_>, pieces: &mut Pieces<'_>) {
        let mut words = Vec::new();
        self.wires.keys.clear();
        for index in 1..whole.argc() {
            let channel = whole.arg(index);
            let place = match local {
                Local::Subscribe => channel_place(channel).unwrap_or(0), // it was asked before
                _ => 0,
            };
            self.wires.keys.push((index, place));
            self.add(local, channel);
            self.say(local, Some(channel), &mut words);
        }
        self.put(whole, None, pieces);
        self.confirm(whole.argc() - 1, words);
    }

    fn confirm(&mut self, left: usize, words: Vec<u8>) {
        self.wires.tainted = true;
        self.wires.queue.push(match left {
            0 => Owed::Local(words),
            left => Owed::Confirm { left, words },
        });
    }

    fn end(&mut self, local: Local, whole: Whole<'_>, pieces: &mut Pieces<'_>) {
        let names: Vec<Box<[u8]>> = match whole.argc() {
            1 => self.set(local).iter().cloned().collect(),
            argc => (1..argc).map(|index| whole.arg(index).into()).collect(),
        };
        let mut words = Vec::new();
        if names.is_empty() {
            self.say(local, None, &mut words);
        }
        // Only what the server knows of is ended there.
        let mut ended: Vec<Vec<u8>> = Vec::new();
        for name in &names {
            if self.remove(local, name) {
                let mut channel = Vec::new();
                let known = match local {
                    Local::Unsubscribe => channel_in(self.desk.prefix, name, &mut channel).is_ok(),
                    _ => {
                        channel.extend_from_slice(self.desk.prefix);
                        channel.extend_from_slice(name);
                        true
                    }
                };
                if known {
                    ended.push(channel);
                }
            }
            self.say(local, Some(name), &mut words);
        }
        let command: &[u8] = match local {
            Local::Unsubscribe => b"UNSUBSCRIBE",
            _ => b"SUNSUBSCRIBE",
        };
        if ended.is_empty() {
            self.wires.queue.push(Owed::Local(words));
            return;
        }
        send(command, &ended, pieces);
        self.confirm(ended.len(), words);
    }

    fn begin_patterns(&mut self, whole: Whole<'_>, pieces: &mut Pieces<'_>) {
        let mut words = Vec::new();
        let mut reaches = false;
        for index in 1..whole.argc() {
            let pattern = whole.arg(index);
            reaches |= reaches_keyspace(pattern).unwrap_or(false);
            self.add(Local::PSubscribe, pattern);
            self.say(Local::PSubscribe, Some(pattern), &mut words);
        }
        let own = &mut self.state.subscriptions;
        let mut begun = Vec::new();
        if !own.has_all {
            own.has_all = true;
            begun.push([self.desk.prefix, b"*"].concat());
        }
        if reaches && !own.has_keyspace {
            own.has_keyspace = true;
            begun.push([KEYSPACE, self.desk.prefix, b"*"].concat());
        }
        if !begun.is_empty() {
            send(b"PSUBSCRIBE", &begun, pieces);
        }
        self.confirm(begun.len(), words);
    }

    fn end_patterns(&mut self, whole: Whole<'_>, pieces: &mut Pieces<'_>) {
        let local = Local::PUnsubscribe;
        let names: Vec<Box<[u8]>> = match whole.argc() {
            1 => self.set(local).iter().cloned().collect(),
            argc => (1..argc).map(|index| whole.arg(index).into()).collect(),
        };
        let mut words = Vec::new();
        if names.is_empty() {
            self.say(local, None, &mut words);
        }
        for name in &names {
            self.remove(local, name);
            self.say(local, Some(name), &mut words);
        }
        let own = &mut self.state.subscriptions;
        let mut ended = Vec::new();
        if own.patterns.is_empty() {
            if std::mem::take(&mut own.has_all) {
                ended.push([self.desk.prefix, b"*"].concat());
            }
            if std::mem::take(&mut own.has_keyspace) {
                ended.push([KEYSPACE, self.desk.prefix, b"*"].concat());
            }
        }
        if ended.is_empty() {
            self.wires.queue.push(Owed::Local(words));
            return;
        }
        send(b"PUNSUBSCRIBE", &ended, pieces);
        self.confirm(ended.len(), words);
    }
}

fn send(command: &[u8], names: &[Vec<u8>], pieces: &mut Pieces<'_>) {
    let mut words = vec![command];
    words.extend(names.iter().map(Vec::as_slice));
    pieces.with_text(|out| server::command(&words, out));
}
