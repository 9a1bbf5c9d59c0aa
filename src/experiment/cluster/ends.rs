//! How a job that ran an element ended: its exit code, and a note in the folder of the submission, because a cluster
//! may keep no accounts of finished jobs.

use crate::atomic::{Durability, write_durably};
use crate::experiment::run::interrupt::{EXIT_CODE, YIELD_CODE};
use crate::experiment::store::root::Store;
use crate::experiment::trial::key::StageKey;
use crate::train::Checkpoint;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The exit code of a job whose stages need a result that is not there, or that another process works on.
pub const NOT_READY: u8 = 76;
/// The number of yields without progress after which an element has failed.
const FRUITLESS: u32 = 2;

/// The note of the last job of an element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct End {
    /// The exit code.
    pub code: u8,
    /// What the code means here, for people.
    pub reason: String,
    /// How far the stages were.
    pub position: Vec<Position>,
    /// The number of yields without progress in a row.
    pub fruitless: u32,
}

/// How far a stage is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Position {
    /// Its result is there.
    Whole,
    /// It would go on after this step, or after so many bytes of what a labelling has found; 0 if it begins anew.
    Step(usize),
}

/// How far the `stages` are.
pub fn position(store: &Store, stages: &[StageKey]) -> Vec<Position> {
    let of = |key: &StageKey| match store.is_whole(key) {
        true => Position::Whole,
        false if key.labels() => {
            let found = std::fs::metadata(store.stage(key).found());
            Position::Step(found.map_or(0, |found| found.len() as usize))
        }
        false => {
            let checkpoint = store.stage(key).checkpoint();
            let step = checkpoint.as_deref().and_then(Checkpoint::step_of);
            Position::Step(step.unwrap_or(0))
        }
    };
    stages.iter().map(of).collect()
}

impl End {
    /// The note in the file `path`; none if no job has ended.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Writes the note.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string(self)? + "\n";
        write_durably(path, text.as_bytes(), Durability::Cached)
    }

    /// A job that yields: it was at `before` when it began and is at `after` now. `earlier` is the note of the job
    /// before it. Returns none if this is one yield too many without progress.
    pub fn of_yield(
        earlier: Option<&Self>,
        before: &[Position],
        after: Vec<Position>,
    ) -> Option<Self> {
        let so_far = earlier.filter(|earlier| earlier.code == YIELD_CODE);
        let fruitless = match before == after {
            true => so_far.map_or(0, |earlier| earlier.fruitless) + 1,
            false => 0,
        };
        (fruitless < FRUITLESS).then(|| Self {
            code: YIELD_CODE,
            reason: "its time was over".into(),
            position: after,
            fruitless,
        })
    }

    /// Returns true if the job ended although work was left and nothing had failed.
    pub fn left_work(&self) -> bool {
        [YIELD_CODE, EXIT_CODE, NOT_READY].contains(&self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Position::{Step, Whole};

    /// What yields lead to: for each, the positions before and after.
    fn yields(jobs: &[[Position; 2]]) -> Vec<bool> {
        let mut earlier: Option<End> = None;
        let goes_on = |[before, after]: &[Position; 2]| {
            let before = std::slice::from_ref(before);
            let end = End::of_yield(earlier.as_ref(), before, vec![after.clone()]);
            let goes_on = end.is_some();
            earlier = end;
            goes_on
        };
        jobs.iter().map(goes_on).collect()
    }

    #[test]
    fn the_second_yield_in_a_row_without_progress_is_one_too_many() {
        let still = [Step(4), Step(4)];
        let moved = [Step(4), Step(5)];
        let ended = [Step(4), Whole];
        assert_eq!(yields(&[still.clone(), still.clone()]), [true, false]);
        let between = [still.clone(), moved.clone(), still.clone()];
        assert_eq!(yields(&between), [true, true, true]);
        assert_eq!(yields(&[moved, ended, still]), [true, true, true]);
    }

    #[test]
    fn a_labelling_gets_further_with_every_image() {
        let out = tempfile::tempdir().unwrap();
        let store = Store::open(out.path()).unwrap();
        let keys = ["label-1".parse::<StageKey>().unwrap()];
        let folder = store.stage(&keys[0]);
        folder.make().unwrap();
        assert_eq!(position(&store, &keys), [Step(0)]);
        std::fs::write(folder.found(), "{}\n").unwrap();
        assert_eq!(position(&store, &keys), [Step(3)]);
    }

    #[test]
    fn only_a_yield_counts_as_an_earlier_one() {
        let stopped = End {
            code: EXIT_CODE,
            reason: String::new(),
            position: vec![Step(4)],
            fruitless: 1,
        };
        let end = End::of_yield(Some(&stopped), &[Step(4)], vec![Step(4)]).unwrap();
        assert_eq!(end.fruitless, 1);
        assert!(stopped.left_work() && end.left_work());
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ended/3.json");
        assert_eq!(End::read(&path), None);
        let end = End::of_yield(None, &[Step(0), Whole], vec![Step(8), Whole]).unwrap();
        end.write(&path).unwrap();
        assert_eq!(End::read(&path), Some(end));
    }
}
