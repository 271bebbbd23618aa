//! Numbers for clients: CLIENT ID.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::nonce::random;

/// Above it a JavaScript or Lua number does not hold each id: clients send them back.
const ID_MAX: u64 = 1 << 52;
/// Below it the ids of servers are, which a client must not be able to mix up with ours.
const ID_MIN: u64 = 1 << 40;

/// The next client's id. Starts anywhere, so that two processes hardly ever give the same.
#[derive(Debug)]
pub struct ClientIds(AtomicI64);

impl Default for ClientIds {
    fn default() -> Self {
        let start = ID_MIN + u64::from_le_bytes(random()) % (ID_MAX - ID_MIN);
        Self(AtomicI64::new(i64::try_from(start).unwrap_or(i64::MAX / 2)))
    }
}

impl ClientIds {
    /// One that no other client of this process has or had.
    pub(crate) fn next(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_exact_in_every_clients_numbers() {
        let ids = ClientIds::default();
        let (first, second) = (ids.next(), ids.next());
        assert_eq!(second, first + 1);
        assert!((1 << 40..1 << 53).contains(&second), "{second}");
    }
}
