//! Tells other processes how far a stage without a journal is: an evaluation, and the training of the
//! vision-language model. `harness status` reads it.

use crate::experiment::store::folder::{Counted, StageFolder, Unit};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two writings.
const BETWEEN: Duration = Duration::from_millis(500);

/// The progress of a stage as a file of its folder. It disappears with this value.
pub struct Beacon<'a> {
    folder: &'a StageFolder,
    of: usize,
    unit: Unit,
    written: Mutex<Option<Instant>>,
}

impl<'a> Beacon<'a> {
    /// The progress of a stage with `of` units of work, `done` of which are done.
    pub fn new(folder: &'a StageFolder, done: usize, of: usize, unit: Unit) -> Self {
        let written = Mutex::default();
        let beacon = Self {
            folder,
            of,
            unit,
            written,
        };
        beacon.at(done);
        beacon
    }

    /// `done` units are done. A file that cannot be written costs nothing but this news.
    pub fn at(&self, done: usize) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.is_some_and(|at| at.elapsed() < BETWEEN) {
            return;
        }
        let Self { of, unit, .. } = *self;
        self.folder.tell(Counted { done, of, unit }).ok();
        *written = Some(Instant::now());
    }
}

impl Drop for Beacon<'_> {
    fn drop(&mut self) {
        self.folder.forget_progress();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_see_it_while_it_lasts() {
        let out = tempfile::tempdir().unwrap();
        let folder = StageFolder::new(out.path().join("evaluate-1"));
        folder.make().unwrap();
        assert_eq!(folder.progress(), None);
        let beacon = Beacon::new(&folder, 0, 30, Unit::Images);
        let seen = folder.progress().unwrap();
        assert_eq!(
            (seen.to_string(), seen.share()),
            ("0/30 images".into(), 0.0)
        );
        beacon.at(10);
        assert_eq!(folder.progress().unwrap().done, 0, "too early");
        std::thread::sleep(BETWEEN);
        beacon.at(15);
        let seen = folder.progress().unwrap();
        assert_eq!(
            (seen.to_string(), seen.share()),
            ("15/30 images".into(), 0.5)
        );
        drop(beacon);
        assert_eq!(folder.progress(), None);
    }
}
