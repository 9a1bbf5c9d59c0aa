//! The training of a number in place of networks: its state in a checkpoint's header, its loss in a journal.

use super::checkpoint::Checkpoint;
use super::journal::Reading;
use super::{Advance, Training};
use crate::method::NumberLearner;
use anyhow::Result;

/// A number as a training run.
pub struct NumberTrainer {
    number: Box<dyn NumberLearner>,
    step: usize,
}

impl NumberTrainer {
    /// `number` at step 0.
    pub fn new(number: Box<dyn NumberLearner>) -> Self {
        Self { number, step: 0 }
    }
}

impl Training for NumberTrainer {
    fn go_on(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.resume(checkpoint)
    }

    fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.number.restore(checkpoint.method())?;
        self.step = checkpoint.step();
        Ok(())
    }

    fn checkpoint(&mut self, key: &str, _continued: bool) -> Checkpoint {
        Checkpoint::new(key, self.step, self.number.state())
    }

    fn step(&self) -> usize {
        self.step
    }

    fn advance(&mut self) -> Result<Advance> {
        let loss = self.number.step(self.step)?;
        self.step += 1;
        Ok(Advance {
            loss,
            kept: None,
            readings: vec![("loss".to_string(), Reading::Mean(loss.into()))],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic::Durability;
    use crate::method::METHODS;

    #[test]
    fn a_resumed_run_ends_at_the_same_bits() {
        let text = "name = 'mock'\nburn-in = 3\nlevel = 20\nmodules = {}\neffects = {}\nnoise = 1.5\n\
                    sleep-ms = 0\nfail-at = 0\nfailure = 'error'\nfail-times = 0";
        let method = crate::registry::build(METHODS, text.parse().unwrap()).unwrap();
        let phase = method.phases(30).pop().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let run = || NumberTrainer::new(phase.number(5, 1).unwrap());
        let mut straight = run();
        let mut resumed = run();
        for step in 0..30 {
            straight.advance().unwrap();
            if step % 7 == 0 {
                let path = folder.path().join("checkpoint");
                resumed
                    .checkpoint("key", true)
                    .save(&path, Durability::Cached)
                    .unwrap();
                resumed = run();
                resumed
                    .resume(&Checkpoint::load(&path, "key").unwrap())
                    .unwrap();
            }
            resumed.advance().unwrap();
        }
        assert_eq!(
            straight.checkpoint("key", false),
            resumed.checkpoint("key", false)
        );
        let other = Checkpoint::new("key", 0, serde_json::Value::Null);
        assert!(run().resume(&other).is_err());
    }
}
