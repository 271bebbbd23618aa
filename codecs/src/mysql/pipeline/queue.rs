//! Commands that are to be answered, first come, first served.

use super::Kind;
use crate::limits::MYSQL_COMMAND_RUNS_MAX;

/// How many commands of one kind follow each other.
#[derive(Clone, Copy, Debug)]
struct Run {
    kind: Kind,
    commands: u32,
}

/// Clients send many commands ahead, of few kinds: they are held as runs, in a ring that never
/// grows.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    ring: [Run; MYSQL_COMMAND_RUNS_MAX],
    first: usize,
    runs: usize,
    owed: u64,
}

impl Queue {
    pub(super) const fn new() -> Self {
        const NONE: Run = Run {
            kind: Kind::Simple,
            commands: 0,
        };
        Self {
            ring: [NONE; MYSQL_COMMAND_RUNS_MAX],
            first: 0,
            runs: 0,
            owed: 0,
        }
    }

    /// Commands in it.
    pub(super) const fn owed(&self) -> u64 {
        self.owed
    }

    /// Kind of the command that is answered next.
    pub(super) fn front(&self) -> Option<Kind> {
        let run = self.ring.get(self.first)?;
        (self.runs > 0).then_some(run.kind)
    }

    /// Whether there was room for it.
    pub(super) fn push(&mut self, kind: Kind) -> bool {
        if self.runs > 0
            && let Some(last) = self.run_mut(self.runs - 1)
            && last.kind == kind
            && let Some(commands) = last.commands.checked_add(1)
        {
            last.commands = commands;
            self.owed += 1;
            return true;
        }
        if self.runs == MYSQL_COMMAND_RUNS_MAX {
            return false;
        }
        if let Some(place) = self.run_mut(self.runs) {
            *place = Run { kind, commands: 1 };
            self.runs += 1;
            self.owed += 1;
        }
        true
    }

    /// The first command is answered.
    pub(super) fn pop(&mut self) {
        if self.runs == 0 {
            return;
        }
        self.owed -= 1;
        if let Some(run) = self.run_mut(0) {
            run.commands -= 1;
            if run.commands == 0 {
                self.first = (self.first + 1) % MYSQL_COMMAND_RUNS_MAX;
                self.runs -= 1;
            }
        }
    }

    fn run_mut(&mut self, run: usize) -> Option<&mut Run> {
        self.ring
            .get_mut((self.first + run) % MYSQL_COMMAND_RUNS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_run_takes_one_place_however_long() {
        let mut queue = Queue::new();
        for _ in 0..100_000 {
            assert!(queue.push(Kind::Results));
        }
        assert_eq!((queue.owed(), queue.runs), (100_000, 1));
        for run in 1..MYSQL_COMMAND_RUNS_MAX {
            let kind = if run % 2 == 1 {
                Kind::Prepare
            } else {
                Kind::Results
            };
            assert!(queue.push(kind));
        }
        assert!(queue.push(Kind::Prepare), "of the kind of the last run");
        assert!(!queue.push(Kind::Results));
        assert_eq!(queue.owed(), 100_064);
    }

    proptest! {
        #[test]
        fn first_come_first_served(
            steps in proptest::collection::vec((any::<bool>(), 0..4_usize), 0..400),
        ) {
            const KINDS: [Kind; 4] = [Kind::Simple, Kind::Results, Kind::Prepare, Kind::Rows];
            let mut queue = Queue::new();
            let mut plain = VecDeque::new();
            for (push, kind) in steps {
                if push {
                    if queue.push(KINDS[kind]) {
                        plain.push_back(KINDS[kind]);
                    }
                } else {
                    queue.pop();
                    plain.pop_front();
                }
                prop_assert_eq!(queue.front(), plain.front().copied());
                prop_assert_eq!(queue.owed(), plain.len() as u64);
            }
        }
    }
}
