//! Keeps what a teacher says of a few unlabelled images at some moments of a training.
//!
//! The images have the smallest BLAKE3 digests of their ids. The moments are a quarter of the steps with a teacher
//! apart: before the first such step, and at 25, 50, 75 and 100 %. Nothing of it changes the training, so a training
//! that cannot keep a snapshot goes on.

use super::attempt::Attempt;
use super::outcome::contained;
use super::perform::Workshop;
use crate::data::{Dataset, Sample, Source};
use crate::experiment::settings::sections::Settings;
use crate::experiment::store::pictures::KeptPicture;
use crate::experiment::store::snapshots::{KeptImage, KeptSnapshot};
use crate::experiment::trial::datasets::Datasets;
use crate::experiment::trial::draws::draw;
use crate::experiment::trial::stage::Stage;
use crate::method::Phase;
use crate::structures::{Instance, mask_resized};
use crate::train::Training;
use anyhow::{Context, Result};
use std::ops::Range;
use std::sync::Arc;

/// The parts of the steps with a teacher between the moments.
const PARTS: usize = 4;

/// The images and the moments of a phase.
pub struct Album {
    dataset: Dataset,
    settings: Settings,
    /// Indices as in [`crate::data::split::Split::unlabelled`].
    images: Vec<usize>,
    /// The steps of the training in which a teacher labels.
    labelled: Range<usize>,
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
        let phases = settings.phases();
        let Some(labelled) = labelled(&phases).filter(|_| phases[place].labels) else {
            return Ok(None);
        };
        let moments = moments(&labelled, &phases[place].steps);
        if settings.report.snapshots == 0 || moments.is_empty() {
            return Ok(None);
        }
        let dataset = datasets.get(&settings.data)?;
        let mut images = draw(settings, &dataset)?.unlabelled;
        let id = |image: &usize| of(&dataset, *image).map(|(source, index)| source.id(index));
        images.sort_by_cached_key(|image| (id(image).map(digest), *image));
        // Further images may have ids of training images, and a picture is kept by its id.
        images.dedup_by_key(|image| id(image));
        images.truncate(settings.report.snapshots);
        Ok(Some(Self {
            dataset,
            settings: settings.clone(),
            images,
            labelled,
            moments,
        }))
    }

    /// Writes the snapshot of `training` as it is now, and the pictures of its images.
    ///
    /// # Errors
    /// An image cannot be read, or a file cannot be written.
    fn keep(&self, training: &dyn Training, attempt: &Attempt) -> Result<()> {
        let images = self
            .images
            .iter()
            .map(|image| self.image(*image, training, attempt));
        let images = images.collect::<Result<Vec<Option<KeptImage>>>>()?;
        let labelled = [self.labelled.start, self.labelled.end];
        let images = images.into_iter().flatten().collect();
        let snapshot = KeptSnapshot::new(training.step(), labelled, images);
        snapshot.write(&attempt.folder, attempt.durability())
    }

    /// What the teacher says of an image; none without a teacher.
    fn image(
        &self,
        image: usize,
        training: &dyn Training,
        attempt: &Attempt,
    ) -> Result<Option<KeptImage>> {
        let (source, index) = of(&self.dataset, image).context("an image that no dataset has")?;
        let Sample {
            image_id,
            picture,
            instances,
        } = source.load(index)?;
        // Nobody has annotated the further images.
        let is_annotated = image < self.dataset.train.len();
        let kept = KeptPicture::of(&picture, &instances)?;
        let path = KeptImage::picture(&attempt.folder, image_id);
        kept.write(&path, attempt.durability())?;
        let view = self.settings.eval.view(&picture);
        let size = (view.height, view.width);
        let truth: Vec<Instance> = instances
            .into_iter()
            .map(|instance| Instance {
                mask: mask_resized(&instance.mask, size),
                ..instance
            })
            .collect();
        let truth = is_annotated.then_some(&truth[..]);
        let found = training.snapshot(&view);
        Ok(found.map(|found| KeptImage::new(image_id, kept.size, &found, size, truth)))
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

/// The source of an unlabelled image, and its index there.
fn of(dataset: &Dataset, image: usize) -> Option<(&Arc<dyn Source>, usize)> {
    match image.checked_sub(dataset.train.len()) {
        None => Some((&dataset.train, image)),
        Some(further) => Some((dataset.extra_unlabelled.as_ref()?, further)),
    }
}

/// The digest that chooses images.
fn digest(id: u64) -> [u8; 32] {
    *blake3::hash(id.to_string().as_bytes()).as_bytes()
}

/// The steps in which a teacher labels; none if there are none.
fn labelled(phases: &[Phase]) -> Option<Range<usize>> {
    let all = || phases.iter().filter(|phase| phase.labels);
    let start = all().map(|phase| phase.steps.start).min()?;
    let end = all().map(|phase| phase.steps.end).max()?;
    Some(start..end)
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
