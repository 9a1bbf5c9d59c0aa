//! Decides when a training writes a checkpoint: after a fixed number of steps, as its recipe says, and also
//! after a long time.
//!
//! A checkpoint does not change the result, so the clock may decide. A checkpoint by the clock contains the
//! journal's open window; only a checkpoint of the recipe writes it as a line.

use std::time::{Duration, Instant};

/// The maximum amount of work that a killed process loses. At full size (Mask2Former R-50 with teacher,
/// average and moments, 0.9 GB) a checkpoint takes a few seconds, less than a hundredth of this time.
const BETWEEN: Duration = Duration::from_mins(10);

/// The time of a training's last checkpoint, and the number of steps between those of its recipe.
#[derive(Clone, Copy, Debug)]
pub struct Cadence {
    every: usize,
    last: Instant,
}

impl Cadence {
    /// A training that begins, or continues from a checkpoint, at the time `now`. `every` is the number of
    /// steps between the recipe's checkpoints.
    pub fn new(every: usize, now: Instant) -> Self {
        Self { every, last: now }
    }

    /// Returns true if the recipe wants a checkpoint after `step` steps.
    pub fn is_planned(&self, step: usize) -> bool {
        step.is_multiple_of(self.every)
    }

    /// Returns true if a checkpoint is due after `step` steps at the time `now`.
    pub fn is_due(&self, step: usize, now: Instant) -> bool {
        self.is_planned(step) || now.saturating_duration_since(self.last) >= BETWEEN
    }

    /// To be called when a checkpoint has been written at the time `now`.
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
