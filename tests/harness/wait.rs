//! Waiting for a fact, with a deadline that only a hang meets.

use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine: a test that meets it hangs.
pub const DEADLINE: Duration = Duration::from_secs(120);

const POLL: Duration = Duration::from_millis(20);

/// Asks until there is an answer.
///
/// # Panics
///
/// After [`DEADLINE`], naming what was waited for.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited {DEADLINE:?} for {what}");
        thread::sleep(POLL);
    }
}
