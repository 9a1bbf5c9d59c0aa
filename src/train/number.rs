//! The training of a mock trial: its sums in a checkpoint's header, its loss in a journal.

use super::checkpoint::Checkpoint;
use super::journal::{Journal, Reading};
use super::{Advance, Training};
use crate::method::{Mock, MockState};
use anyhow::{Context, Result};

/// A mock trial as a training run.
#[derive(Clone, Debug)]
pub struct MockTrainer {
    mock: Mock,
    step: usize,
}

impl MockTrainer {
    /// `mock` at step 0.
    pub fn new(mock: Mock) -> Self {
        Self { mock, step: 0 }
    }
}

/// The sums of the mock trial that left `checkpoint`.
///
/// # Errors
/// It was left by a training of networks.
pub fn mock_state(checkpoint: &Checkpoint) -> Result<MockState> {
    serde_json::from_value(checkpoint.method().clone()).context("not the state of a mock trial")
}

impl Training for MockTrainer {
    fn start_average(&mut self) {}

    fn begin(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.resume(checkpoint)
    }

    fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.mock.restore(mock_state(checkpoint)?);
        self.step = checkpoint.step();
        Ok(())
    }

    fn checkpoint(&mut self, key: &str, _continued: bool) -> Checkpoint {
        let state = serde_json::to_value(self.mock.state()).expect("two numbers");
        Checkpoint::new(key, self.step, state)
    }

    fn step(&self) -> usize {
        self.step
    }

    fn advance(&mut self, journal: &mut Journal) -> Result<Advance> {
        let loss = self.mock.step(self.step)?;
        self.step += 1;
        let readings = vec![("loss".to_string(), Reading::Mean(loss.into()))];
        journal.add(self.step, readings)?;
        Ok(Advance { loss, kept: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic::Durability;
    use crate::method::MethodConfig;
    use crate::train::Window;

    #[test]
    fn a_resumed_run_ends_at_the_same_bits() {
        let text = "name = 'mock'\nburn-in = 3\nlevel = 20\nmodules = {}\neffects = {}\nnoise = 1.5\n\
                    sleep-ms = 0\nfail-at = 0\nfailure = 'error'\nfail-times = 0";
        let Ok(MethodConfig::Mock(config)) =
            MethodConfig::try_from(text.parse::<toml::Table>().unwrap())
        else {
            panic!("no mock method");
        };
        let folder = tempfile::tempdir().unwrap();
        let run = || MockTrainer::new(Mock::new(&config, 5, 30, 1));
        let path = folder.path().join("journal.jsonl");
        let mut journal = Journal::open(&path, 0, Window::default()).unwrap();
        let mut straight = run();
        let mut resumed = run();
        for step in 0..30 {
            straight.advance(&mut journal).unwrap();
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
            resumed.advance(&mut journal).unwrap();
        }
        assert_eq!(
            straight.checkpoint("key", false),
            resumed.checkpoint("key", false)
        );
        assert!(mock_state(&Checkpoint::new("key", 0, serde_json::Value::Null)).is_err());
    }
}
