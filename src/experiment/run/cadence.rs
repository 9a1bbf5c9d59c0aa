//! When a training writes a checkpoint: every so many steps, as its recipe says, and besides whenever much time has passed.
//!
//! A checkpoint changes nothing of a result, so the clock may decide: the journal's open window goes into those of the clock and is
//! written as a line at those of the recipe only.

use std::time::{Duration, Instant};

/// The most work that a killed process loses. At full size (Mask2Former R-50 with teacher, average and moments, 0.9 GB) a checkpoint takes
/// a few seconds, under a hundredth of it.
const BETWEEN: Duration = Duration::from_mins(10);

/// When the last checkpoint of a training was, and how many steps lie between those of its recipe.
#[derive(Clone, Copy, Debug)]
pub struct Cadence {
    every: usize,
    last: Instant,
}

impl Cadence {
    /// A training that begins, or goes on from a checkpoint, at the time `now`; `every`: steps between the recipe's checkpoints.
    pub fn new(every: usize, now: Instant) -> Self {
        Self { every, last: now }
    }

    /// Whether the recipe wants a checkpoint after `step` steps.
    pub fn is_planned(&self, step: usize) -> bool {
        step.is_multiple_of(self.every)
    }

    /// Whether one is due after `step` steps at the time `now`.
    pub fn is_due(&self, step: usize, now: Instant) -> bool {
        self.is_planned(step) || now.saturating_duration_since(self.last) >= BETWEEN
    }

    /// A checkpoint has been written at the time `now`.
    pub fn written(&mut self, now: Instant) {
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_due_by_steps_and_by_the_clock() {
        let start = Instant::now();
        let mut cadence = Cadence::new(100, start);
        let soon = start + Duration::from_secs(1);
        assert_eq!(
            [99, 100, 101, 200].map(|step| cadence.is_due(step, soon)),
            [false, true, false, true]
        );
        let late = start + BETWEEN;
        assert!(cadence.is_due(7, late) && !cadence.is_planned(7));
        cadence.written(late);
        assert!(!cadence.is_due(8, late + Duration::from_secs(1)));
        assert!(cadence.is_due(9, late + BETWEEN));
    }
}
