//! Waits between attempts at something that failed.

use std::time::Duration;

/// Doubling waits. Each is drawn from its second half, so that proxies which lost one control do
/// not come back as one.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    last: Option<Duration>,
}

// === impl Backoff ===

impl Backoff {
    /// `first` and `longest` are upper ends of what is drawn from.
    pub(crate) const fn new((first, longest): (Duration, Duration)) -> Self {
        Self {
            first,
            longest,
            last: None,
        }
    }

    /// The wait before the next attempt.
    pub(crate) fn next(&mut self) -> Duration {
        let next = self
            .last
            .map_or(self.first, |last| self.longest.min(2 * last));
        self.last = Some(next);
        next.mul_f64(0.5 + 0.5 * unit_random())
    }

    /// An attempt succeeded.
    pub(crate) const fn reset(&mut self) {
        self.last = None;
    }
}

/// From 0 to 1; 1 where there is no randomness to be had.
fn unit_random() -> f64 {
    getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX))
}
