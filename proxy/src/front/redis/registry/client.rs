//! One client, and its line in `CLIENT LIST`.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Entrance;

/// A client, as others may know it. What changes with each command is in [`Seen`], which costs a
/// few unordered stores.
#[derive(Debug)]
pub(crate) struct Client {
    /// What `CLIENT ID` answers.
    pub(crate) id: i64,
    /// Its address.
    pub(crate) peer: SocketAddr,
    /// Ours, as it knows it.
    pub(crate) local: SocketAddr,
    /// The name it logged in with.
    pub(crate) user: Box<str>,
    since: Instant,
    /// What it calls itself. Most have none, and an idle client is to be small.
    names: Mutex<Option<Box<Names>>>,
    /// What it does.
    pub(crate) seen: Seen,
    is_killed: AtomicBool,
    killed: Notify,
}

/// What a client calls itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// `CLIENT SETNAME`.
    pub(crate) name: Box<[u8]>,
    /// `CLIENT SETINFO LIB-NAME`.
    pub(crate) lib_name: Box<[u8]>,
    /// `CLIENT SETINFO LIB-VER`.
    pub(crate) lib_ver: Box<[u8]>,
}

/// What a session does, written by it alone. Whoever reads may see one value from before and the
/// next from after a command.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Of the last command, in milliseconds since the client came.
    used_ms: AtomicU64,
    /// The last command's name: the first 16 bytes, NUL at the end of shorter ones.
    command: [AtomicU64; 2],
    pins: AtomicU8,
    protocol: AtomicU8,
    channels: AtomicU32,
    patterns: AtomicU32,
    shard_channels: AtomicU32,
    /// Commands queued in MULTI; -1 outside.
    queued: AtomicI32,
}

/// Why a session keeps its server connection, where it need not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pins(u8);

impl Pins {
    /// A MULTI is open.
    pub(crate) const MULTI: Self = Self(1);
    /// Keys are watched.
    pub(crate) const WATCH: Self = Self(1 << 1);
    /// A blocking command waits.
    pub(crate) const BLOCKING: Self = Self(1 << 2);
    /// It is subscribed to something.
    pub(crate) const SUBSCRIBED: Self = Self(1 << 3);
    /// It is told of changed keys.
    pub(crate) const TRACKING: Self = Self(1 << 4);

    /// What each is called in `pinned=`, in this order.
    const NAMED: [(Self, &'static str); 5] = [
        (Self::MULTI, "multi"),
        (Self::WATCH, "watch"),
        (Self::BLOCKING, "blocking"),
        (Self::SUBSCRIBED, "subscribed"),
        (Self::TRACKING, "tracking"),
    ];

    /// Both.
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// `other` and perhaps more.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// None.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

// === impl Client ===

impl Client {
    pub(super) fn new(entrance: Entrance) -> Self {
        Self {
            id: entrance.id,
            peer: entrance.peer,
            local: entrance.local,
            user: entrance.user,
            since: Instant::now(),
            names: Mutex::default(),
            seen: Seen::default(),
            is_killed: AtomicBool::new(false),
            killed: Notify::new(),
        }
    }

    /// Notes that the client has sent a command now.
    pub(crate) fn used(&self, command: &[u8]) {
        let ms = self.since.elapsed().as_millis();
        let ms = u64::try_from(ms).unwrap_or(u64::MAX);
        self.seen.used_ms.store(ms, Ordering::Relaxed);
        let mut name = [0_u8; 16];
        for (byte, of) in name.iter_mut().zip(command) {
            *byte = of.to_ascii_lowercase();
        }
        let name = u128::from_le_bytes(name);
        for (half, shift) in self.seen.command.iter().zip([0, 64]) {
            let word = u64::try_from((name >> shift) & u128::from(u64::MAX)).unwrap_or(0);
            half.store(word, Ordering::Relaxed);
        }
    }

    /// What it calls itself.
    pub(crate) fn names(&self) -> Names {
        self.lock().as_deref().cloned().unwrap_or_default()
    }

    /// Changes what it calls itself.
    pub(crate) fn rename(&self, change: impl FnOnce(&mut Names)) {
        change(self.lock().get_or_insert_default());
    }

    /// Ends its session, whatever it does and on whichever core.
    pub(crate) fn kill(&self) {
        self.is_killed.store(true, Ordering::Release);
        self.killed.notify_one();
    }

    /// Whether the session is to end now.
    pub(crate) fn is_killed(&self) -> bool {
        self.is_killed.load(Ordering::Acquire)
    }

    /// Completes when the session is to end, at once if it is. For the session's own task: one
    /// waiter is woken. Cancel safe.
    pub(crate) async fn killed(&self) {
        while !self.is_killed() {
            self.killed.notified().await;
        }
    }

    /// How long it has been here, in seconds.
    pub(crate) fn age_seconds(&self) -> u64 {
        self.since.elapsed().as_secs()
    }

    /// Puts its line to `out`, without the line's end
    /// (<https://redis.io/docs/latest/commands/client-list/>). Fields about buffers are zero: a
    /// session at rest has none.
    pub(crate) fn describe(&self, out: &mut Vec<u8>) {
        let Names {
            name,
            lib_name,
            lib_ver,
        } = self.names();
        let seen = &self.seen;
        let load = |count: &AtomicU32| count.load(Ordering::Relaxed);
        let idle = self.since.elapsed().as_millis();
        let idle = u64::try_from(idle).unwrap_or(u64::MAX);
        let idle = idle.saturating_sub(seen.used_ms.load(Ordering::Relaxed)) / 1000;
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "id={} addr={} laddr={}",
            self.id, self.peer, self.local
        );
        text.push_str(" fd=-1 name=");
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(&name);
        text.clear();
        let _ = write!(
            text,
            " age={} idle={idle} flags={} db=0 sub={} psub={} ssub={} multi={}",
            self.age_seconds(),
            seen.pins().flags(),
            load(&seen.channels),
            load(&seen.patterns),
            load(&seen.shard_channels),
            seen.queued.load(Ordering::Relaxed),
        );
        text.push_str(" qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0");
        let _ = write!(
            text,
            " tot-mem=0 events=r cmd={} user={} redir=-1 resp={} lib-name=",
            seen.command(),
            self.user,
            seen.protocol.load(Ordering::Relaxed),
        );
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(&lib_name);
        out.extend_from_slice(b" lib-ver=");
        out.extend_from_slice(&lib_ver);
        let pinned = seen.pins().reasons();
        if !pinned.is_empty() {
            // Only then: there are clients that refuse a line with a field that they do not know.
            out.extend_from_slice(b" pinned=");
            out.extend_from_slice(pinned.as_bytes());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Names>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Seen ===

impl Default for Seen {
    fn default() -> Self {
        Self {
            used_ms: AtomicU64::default(),
            command: Default::default(),
            pins: AtomicU8::default(),
            protocol: AtomicU8::new(2),
            channels: AtomicU32::default(),
            patterns: AtomicU32::default(),
            shard_channels: AtomicU32::default(),
            queued: AtomicI32::new(-1),
        }
    }
}

impl Seen {
    /// Why the session keeps its server connection.
    pub(crate) fn set_pins(&self, pins: Pins) {
        self.pins.store(pins.0, Ordering::Relaxed);
    }

    /// Which version of the protocol its replies are in: 2 or 3.
    pub(crate) fn set_protocol(&self, version: u8) {
        self.protocol.store(version, Ordering::Relaxed);
    }

    /// How many commands an open MULTI has queued; `None` outside.
    pub(crate) fn set_queued(&self, queued: Option<usize>) {
        let queued = queued.map_or(-1, |queued| i32::try_from(queued).unwrap_or(i32::MAX));
        self.queued.store(queued, Ordering::Relaxed);
    }

    /// What it is subscribed to.
    pub(crate) fn subscriptions(&self, channels: usize, patterns: usize, shard_channels: usize) {
        let counts = [
            (&self.channels, channels),
            (&self.patterns, patterns),
            (&self.shard_channels, shard_channels),
        ];
        for (place, count) in counts {
            place.store(u32::try_from(count).unwrap_or(u32::MAX), Ordering::Relaxed);
        }
    }

    pub(super) fn patterns(&self) -> u32 {
        self.patterns.load(Ordering::Relaxed)
    }

    /// Why the session keeps its server connection.
    pub(crate) fn pins(&self) -> Pins {
        Pins(self.pins.load(Ordering::Relaxed))
    }

    /// The last command's name, `NULL` before the first.
    fn command(&self) -> String {
        let [low, high] = [0, 1].map(|half| {
            self.command
                .get(half)
                .map_or(0, |word: &AtomicU64| word.load(Ordering::Relaxed))
        });
        let bytes = (u128::from(high) << 64 | u128::from(low)).to_le_bytes();
        let printed = bytes.iter().take_while(|byte| byte.is_ascii_graphic());
        let name: String = printed.map(|byte| char::from(*byte)).collect();
        if name.is_empty() {
            "NULL".to_owned()
        } else {
            name
        }
    }
}

// === impl Pins ===

impl Pins {
    /// As the field `flags` has it.
    fn flags(self) -> String {
        let letters = [
            (Self::SUBSCRIBED, 'P'),
            (Self::MULTI, 'x'),
            (Self::BLOCKING, 'b'),
            (Self::TRACKING, 't'),
        ];
        let flags: String = letters
            .iter()
            .filter(|(pin, _)| self.has(*pin))
            .map(|(_, letter)| letter)
            .collect();
        if flags.is_empty() {
            "N".to_owned()
        } else {
            flags
        }
    }

    /// As the field `pinned` and metrics have it: `multi,watch`.
    pub(crate) fn reasons(self) -> String {
        let named = Self::NAMED.iter().filter(|(pin, _)| self.has(*pin));
        let names: Vec<&str> = named.map(|(_, name)| *name).collect();
        names.join(",")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::tests::entrance;
    use super::*;

    fn line(client: &Client) -> String {
        let mut out = Vec::new();
        client.describe(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_is_as_redis_writes_it() {
        let client = Client::new(entrance("app__acme", 1));
        assert_eq!(
            line(&client),
            "id=1099511627777 addr=192.0.2.1:1 laddr=192.0.2.9:6380 fd=-1 name= age=0 idle=0 \
             flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 \
             rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=NULL user=app__acme redir=-1 \
             resp=2 lib-name= lib-ver="
        );
        tokio::time::advance(Duration::from_secs(9)).await;
        client.used(b"CLIENT|list-of-something-long");
        tokio::time::advance(Duration::from_secs(2)).await;
        client.rename(|names| names.name = b"job"[..].into());
        client.seen.set_pins(Pins::MULTI.with(Pins::WATCH));
        client.seen.set_queued(Some(3));
        client.seen.set_protocol(3);
        let line = line(&client);
        for part in [
            " name=job ",
            " age=11 idle=2 ",
            " flags=x ",
            " multi=3 ",
            " cmd=client|list-of-s ",
            " resp=3 ",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(line.ends_with(" pinned=multi,watch"), "{line}");
    }

    #[tokio::test]
    async fn a_kill_ends_a_session_that_waits_and_one_that_looks_later() {
        let client = Arc::new(Client::new(entrance("app__acme", 1)));
        let waiting = tokio::spawn({
            let client = Arc::clone(&client);
            async move { client.killed().await }
        });
        tokio::task::yield_now().await;
        client.kill();
        waiting.await.unwrap();
        client.killed().await;
    }

    #[test]
    fn a_client_is_small() {
        assert!(size_of::<Client>() <= 256, "{}", size_of::<Client>());
    }
}
