//! Counters that cores can raise without sharing a cache line, and gauges that are guards.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use super::Label;

/// Threads above this number share cells; the sum stays right.
const CELLS: usize = 8;

/// One cache line (two on processors that fetch them in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cell128(AtomicU64);

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter {
    cells: [Cell128; CELLS],
}

impl Counter {
    /// Raises it by one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Raises it by `n`.
    pub fn add(&self, n: u64) {
        if let Some(cell) = self.cells.get(thread_cell()) {
            cell.0.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// The sum over all threads.
    #[must_use]
    pub fn value(&self) -> u64 {
        let cells = self.cells.iter().map(|cell| cell.0.load(Ordering::Relaxed));
        cells.fold(0, u64::wrapping_add)
    }
}

fn thread_cell() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static CELL: Cell<Option<usize>> = const { Cell::new(None) };
    }
    CELL.with(|cell| {
        cell.get().unwrap_or_else(|| {
            let mine = NEXT.fetch_add(1, Ordering::Relaxed) % CELLS;
            cell.set(Some(mine));
            mine
        })
    })
}

/// A counter for each value of a label. `N` is the number of values.
#[derive(Debug)]
pub struct Family<L, const N: usize> {
    counters: [Counter; N],
    label: PhantomData<fn(L)>,
}

impl<L: Label, const N: usize> Default for Family<L, N> {
    fn default() -> Self {
        const { assert!(L::ALL.len() == N, "one counter for each value of the label") };
        Self {
            counters: std::array::from_fn(|_| Counter::default()),
            label: PhantomData,
        }
    }
}

impl<L: Label, const N: usize> Family<L, N> {
    /// Raises the counter of `label` by one.
    pub fn increment(&self, label: L) {
        self.add(label, 1);
    }

    /// Raises the counter of `label` by `n`.
    pub fn add(&self, label: L, n: u64) {
        if let Some(counter) = self.counters.get(label.index()) {
            counter.add(n);
        }
    }

    /// The sum over all threads for `label`.
    #[must_use]
    pub fn value(&self, label: L) -> u64 {
        self.counters.get(label.index()).map_or(0, Counter::value)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

/// One unit of a gauge; taken off on drop.
#[derive(Debug)]
#[must_use = "the unit is taken off on drop"]
pub struct GaugeGuard<'a>(&'a Gauge);

impl Gauge {
    /// Adds one until the guard is dropped.
    pub fn enter(&self) -> GaugeGuard<'_> {
        self.increment();
        GaugeGuard(self)
    }

    /// Adds one; for owners that live apart from the metrics and call [`Self::decrement`] on drop.
    pub fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one off.
    pub fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sets it; a value above `i64::MAX` is shown as that.
    pub fn set(&self, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it is now.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for GaugeGuard<'_> {
    fn drop(&mut self) {
        self.0.decrement();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn counts_of_all_threads_add_up() {
        let family = Family::<Outcome, 2>::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * CELLS {
                scope.spawn(|| (0..1000).for_each(|_| family.increment(Outcome::Failed)));
            }
        });
        assert_eq!(family.value(Outcome::Failed), 2000 * CELLS as u64);
        assert_eq!(family.value(Outcome::Ok), 0);
    }

    #[test]
    fn a_gauge_counts_what_is_held() {
        let gauge = Gauge::default();
        let held = (gauge.enter(), gauge.enter());
        assert_eq!(gauge.value(), 2);
        drop(held);
        assert_eq!(gauge.value(), 0);
    }
}
