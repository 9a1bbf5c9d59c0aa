//! The unlabelled images of which snapshots are kept: those whose ids have the smallest BLAKE3 digests.

use crate::atomic::Durability;
use crate::data::{Dataset, Sample, Source};
use crate::experiment::settings::sections::Settings;
use crate::experiment::store::folder::StageFolder;
use crate::experiment::store::pictures::KeptPicture;
use crate::experiment::store::snapshots::{KeptImage, KeptSnapshot};
use crate::experiment::trial::datasets::Datasets;
use crate::experiment::trial::draws::draw;
use crate::method::{ImageSnapshot, Phase};
use crate::structures::{Instance, Picture, mask_resized};
use anyhow::{Context, Result};
use std::ops::Range;
use std::sync::Arc;

/// Some unlabelled images of a trial.
pub struct SnapshotImages {
    dataset: Dataset,
    settings: Settings,
    /// Indices as in [`crate::data::split::Split::unlabelled`].
    images: Vec<usize>,
    /// The steps of the training in which a teacher labels.
    pub(super) labelled: Range<usize>,
}

/// What a teacher says of a picture; none without a teacher.
pub(super) type Look<'a> = &'a dyn Fn(&Picture) -> Option<ImageSnapshot>;

impl SnapshotImages {
    /// At most `count` images of a trial; none if no teacher labels in it.
    ///
    /// # Errors
    /// The dataset or the split is wrong.
    pub(super) fn new(
        settings: &Settings,
        datasets: &Datasets,
        count: usize,
    ) -> Result<Option<Self>> {
        let Some(labelled) = labelled(&settings.phases()) else {
            return Ok(None);
        };
        let dataset = datasets.get(&settings.data)?;
        let mut images = draw(settings, &dataset)?.unlabelled;
        let id = |image: &usize| of(&dataset, *image).map(|(source, index)| source.id(index));
        images.sort_by_cached_key(|image| (id(image).map(digest), *image));
        // Further images may have ids of training images, and a picture is kept by its id.
        images.dedup_by_key(|image| id(image));
        images.truncate(count);
        Ok(Some(Self {
            dataset,
            settings: settings.clone(),
            images,
            labelled,
        }))
    }

    /// Writes what `look` says of the images after `step` steps, and their pictures, into the folder of a stage.
    ///
    /// # Errors
    /// An image cannot be read, or a file cannot be written.
    pub(super) fn keep(
        &self,
        step: usize,
        look: Look,
        folder: &StageFolder,
        durability: Durability,
    ) -> Result<()> {
        let images = self.images.iter();
        let images = images.map(|image| self.image(*image, look, folder, durability));
        let images = images.collect::<Result<Vec<Option<KeptImage>>>>()?;
        let labelled = [self.labelled.start, self.labelled.end];
        let images = images.into_iter().flatten().collect();
        KeptSnapshot::new(step, labelled, images).write(folder, durability)
    }

    /// What `look` says of an image; none without a teacher.
    fn image(
        &self,
        image: usize,
        look: Look,
        folder: &StageFolder,
        durability: Durability,
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
        kept.write(&KeptImage::picture(folder, image_id), durability)?;
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
        Ok(look(&view).map(|found| KeptImage::new(image_id, kept.size, &found, size, truth)))
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
