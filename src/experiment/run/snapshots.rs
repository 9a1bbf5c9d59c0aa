//! Keeps what a teacher says of a few unlabelled images at some moments of a training.
//!
//! The moments are a quarter of the steps with a teacher apart: before the first such step, and at 25, 50, 75 and
//! 100 %. Nothing of it changes the training, so a training that cannot keep a snapshot goes on.

use super::attempt::Attempt;
use super::outcome::contained;
use super::perform::Workshop;
use super::snapshot_images::SnapshotImages;
use crate::experiment::settings::sections::Settings;
use crate::experiment::trial::datasets::Datasets;
use crate::experiment::trial::stage::Stage;
use crate::structures::Picture;
use crate::train::Training;
use anyhow::Result;
use std::ops::Range;

/// The parts of the steps with a teacher between the moments.
const PARTS: usize = 4;

/// The images and the moments of a phase.
pub struct Album {
    images: SnapshotImages,
    /// The numbers of steps taken after which there is a snapshot.
    moments: Vec<usize>,
}

impl Album {
    /// The images and moments of the phase at `place` in the method's list; none if no teacher labels in it, or if the
    /// recipe wants no snapshots.
    ///
    /// # Errors
    /// The dataset or the split is wrong.
    fn new(settings: &Settings, place: usize, datasets: &Datasets) -> Result<Option<Self>> {
        let phase = settings.phases().swap_remove(place);
        let count = settings.report.snapshots;
        if count == 0 || !phase.labels {
            return Ok(None);
        }
        let images = SnapshotImages::new(settings, datasets, count)?;
        let album = images.map(|images| Self {
            moments: moments(&images.labelled, &phase.steps),
            images,
        });
        Ok(album.filter(|album| !album.moments.is_empty()))
    }

    /// Writes the snapshot of `training` as it is now, and the pictures of its images.
    ///
    /// # Errors
    /// An image cannot be read, or a file cannot be written.
    fn keep(&self, training: &dyn Training, attempt: &Attempt) -> Result<()> {
        let look = |picture: &Picture| training.snapshot(picture);
        let (folder, durability) = (&attempt.folder, attempt.durability());
        self.images.keep(training.step(), &look, folder, durability)
    }
}

impl Workshop<'_> {
    /// The album of the phase at `place` of `settings`; none if there is nothing to keep. A warning tells why there is
    /// none although the recipe wants one.
    pub(super) fn album(&self, stage: &Stage, settings: &Settings, place: usize) -> Option<Album> {
        let made = contained(|| Album::new(settings, place, self.datasets));
        made.inspect_err(|reason| self.no_snapshot(stage, reason))
            .ok()?
    }

    /// Keeps a snapshot of `training` if this is a moment of `album`.
    ///
    /// # Errors
    /// Another process has taken over the stage.
    pub(super) fn snap(
        &self,
        stage: &Stage,
        attempt: &Attempt,
        album: Option<&Album>,
        training: &dyn Training,
    ) -> Result<()> {
        let is_moment = |album: &&Album| album.moments.contains(&training.step());
        let Some(album) = album.filter(is_moment) else {
            return Ok(());
        };
        attempt.lease.check()?;
        // Whatever goes wrong here, such as a full disk or memory, is no reason to end a training.
        if let Err(reason) = contained(|| album.keep(training, attempt)) {
            self.no_snapshot(stage, &reason);
        }
        Ok(())
    }

    fn no_snapshot(&self, stage: &Stage, reason: &str) {
        let title = &stage.title;
        self.progress
            .print(&format!("warning: {title}: no snapshot: {reason}"));
    }
}

/// The moments of the phase with the steps `phase`, as numbers of steps taken. That at the border of two phases is the
/// end of the first one.
fn moments(labelled: &Range<usize>, phase: &Range<usize>) -> Vec<usize> {
    let all = (0..=PARTS).map(|part| labelled.start + labelled.len() * part / PARTS);
    let is_own = |step: &usize| {
        let is_first = *step == labelled.start && phase.start == labelled.start;
        is_first || (*step > phase.start && *step <= phase.end)
    };
    let mut own: Vec<usize> = all.filter(is_own).collect();
    own.dedup();
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_quarters_and_a_border_belongs_to_the_phase_that_ends_there() {
        assert_eq!(moments(&(80..90), &(80..90)), [80, 82, 85, 87, 90]);
        assert_eq!(moments(&(0..20), &(0..10)), [0, 5, 10]);
        assert_eq!(moments(&(0..20), &(10..20)), [15, 20]);
        assert_eq!(moments(&(0..20), &(0..3)), [0]);
        assert_eq!(moments(&(7..9), &(7..9)), [7, 8, 9]);
    }
}
