//! Free TCP ports.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range that the kernel takes the ports of outgoing connections from (32768 upwards):
/// a port found free cannot be taken by some client between the look and the use.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
/// Process ids that follow each other begin this far apart; more ports than a process asks for.
const STRIDE: u32 = 1_009;

/// A port of 127.0.0.1 that nobody listens on, given out once in this process.
///
/// # Panics
///
/// If none is free.
#[must_use]
pub fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side start at different places, far apart.
    let start = std::process::id().wrapping_mul(STRIDE) % u32::from(COUNT);
    let start = u16::try_from(start).expect("below COUNT");
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} on");
}

/// Where a proxy listens, on 127.0.0.1: one port for each kind of client.
#[derive(Clone, Copy, Debug)]
pub struct Doors {
    /// PostgreSQL.
    pub postgres: u16,
    /// Clients that expect MariaDB's greeting.
    pub mariadb: u16,
    /// Clients that expect MySQL's greeting.
    pub mysql: u16,
    /// Redis.
    pub redis: u16,
    /// MongoDB.
    pub mongo: u16,
}

impl Doors {
    /// Free ports.
    #[must_use]
    pub fn free() -> Self {
        Self {
            postgres: free(),
            mariadb: free(),
            mysql: free(),
            redis: free(),
            mongo: free(),
        }
    }

    /// `host:port` of a door.
    #[must_use]
    pub fn address(port: u16) -> String {
        format!("127.0.0.1:{port}")
    }
}
