//! Turns settings into objects. This is the only place that makes networks and methods from a recipe.

use super::datasets::Datasets;
use super::draws::draw;
use crate::data::Dataset;
use crate::data::loader::{LabelledRepeat, Loader};
use crate::data::pool_labels::PoolLabels;
use crate::data::split::Split;
use crate::detector::Detector;
use crate::experiment::settings::sections::Settings;
use crate::graph::clip::{Prototypes, PrototypesConfig};
use crate::method::{Learner, Parts, Phase, Setup};
use crate::nn::params::move_to;
use crate::rng::Stream;
use crate::structures::{InstanceSource, Mask, Picture};
use crate::tensor::Place;
use anyhow::{Result, bail};

/// The objects that every training of a trial starts from.
pub struct TrialParts {
    /// Its dataset.
    pub dataset: Dataset,
    /// The labelled and unlabelled images.
    pub split: Split,
    /// Makes the batches.
    pub loader: Loader,
    /// The place of the networks.
    place: Place,
}

impl TrialParts {
    /// Reads the dataset and splits it, for networks at `place`.
    ///
    /// # Errors
    /// The dataset or the split is wrong.
    pub fn new(settings: &Settings, datasets: &Datasets, place: &Place) -> Result<Self> {
        let dataset = datasets.get(&settings.data)?;
        let split = draw(settings, &dataset)?;
        let Settings {
            augment,
            loader,
            seed,
            ..
        } = settings;
        let loader = Loader::new(&dataset, &split, augment, loader, *seed);
        Ok(Self {
            dataset,
            split,
            loader,
            place: place.clone(),
        })
    }

    /// The same with the pseudo-labels of the unlabelled images, which an earlier stage has made. `drops_empty`: images
    /// without any are left out. The pool of a loader then holds labelled images as often as with all of them, as in
    /// Noisy Boundaries.
    ///
    /// # Errors
    /// As for [`Self::new`], or no image is left.
    pub fn with_labels(
        settings: &Settings,
        datasets: &Datasets,
        place: &Place,
        labels: PoolLabels,
        drops_empty: bool,
    ) -> Result<Self> {
        let dataset = datasets.get(&settings.data)?;
        let mut split = draw(settings, &dataset)?;
        let mut config = settings.loader.clone();
        let all = split.unlabelled.len();
        let times = config.labelled_repeat.times(split.labelled.len(), all);
        config.labelled_repeat = LabelledRepeat::Times(times);
        if drops_empty {
            split.unlabelled.retain(|image| labels.has(*image));
        }
        if split.unlabelled.is_empty() {
            bail!(
                "method.empty-image = \"drop\" leaves no unlabelled image: the phase `label` kept nothing in any of the {all} \
                 images; needed: a filter that keeps more, a longer `method.teacher-steps`, or another `empty-image`"
            );
        }
        let Settings { augment, seed, .. } = settings;
        let loader = Loader::with_labels(&dataset, &split, augment, &config, *seed, labels);
        Ok(Self {
            dataset,
            split,
            loader,
            place: place.clone(),
        })
    }

    /// The trial's network with its initial weights, at its place.
    fn network(&self, settings: &Settings) -> Result<Box<dyn Detector>> {
        let mut network = model(settings, self.dataset.classes.len())?;
        move_to(&mut *network, &self.place);
        Ok(network)
    }

    /// The class prototypes of the labelled images, computed on the trial's own backbone before training.
    ///
    /// # Errors
    /// An image cannot be read, or there is no labelled instance.
    pub fn prototypes(&self, settings: &Settings, config: &PrototypesConfig) -> Result<Prototypes> {
        let network = self.network(settings)?;
        let samples = self
            .split
            .labelled
            .iter()
            .map(|index| self.labelled(*index));
        let trunk = network.trunk();
        let backbone = (trunk.normaliser.clone(), trunk.backbone.clone());
        Prototypes::new(config, backbone, self.dataset.classes.len(), samples)
    }

    /// A labelled image with its single objects.
    fn labelled(&self, index: usize) -> Result<(Picture, Vec<(usize, Mask)>)> {
        let sample = self.dataset.train.load(index)?;
        let single = sample
            .instances
            .into_iter()
            .filter(|i| i.source == InstanceSource::Annotation);
        Ok((
            sample.picture,
            single
                .map(|instance| (instance.class, instance.mask))
                .collect(),
        ))
    }

    /// The learner of `phase` around a fresh student.
    ///
    /// # Errors
    /// The backbone's weights do not fit.
    pub fn learner(&self, settings: &Settings, phase: &Phase) -> Result<Box<dyn Learner>> {
        let setup = Setup {
            seed: settings.seed,
            counts: self.split.counts.clone(),
            epoch_steps: self.loader.epoch_steps(),
        };
        phase.learner(Parts {
            student: self.network(settings)?,
            setup: &setup,
        })
    }
}

/// The trial's network with its initial weights, on the host.
///
/// # Errors
/// The weights of the backbone are missing or have another shape.
pub fn model(settings: &Settings, classes: usize) -> Result<Box<dyn Detector>> {
    let mut rng = Stream::new(settings.seed, "model");
    settings.model.build(classes, &mut rng)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::pool_labels::{PoolImage, PoolObject};
    use crate::experiment::settings::sections::tests::{offline, with};
    use crate::structures::{Mask, rle};

    /// Labels of every unlabelled image, of which every `nth` has a pseudo-label.
    fn labels(split: &Split, nth: usize) -> PoolLabels {
        let mut labels = PoolLabels::default();
        for (place, image) in split.unlabelled.iter().enumerate() {
            let object = PoolObject {
                class: 3,
                qualities: [0.9, 0.8],
                bounds: [0.0, 0.0, 64.0, 64.0],
                mask: rle::encode(&Mask::new(64, 64, vec![1; 64 * 64])),
            };
            let kept = place.is_multiple_of(nth);
            let of_image = PoolImage {
                id: *image as u64,
                size: (64, 64),
                objects: kept.then_some(object).into_iter().collect(),
            };
            labels.insert(*image, of_image);
        }
        labels
    }

    #[test]
    fn images_without_a_pseudo_label_leave_the_pool_and_labelled_ones_come_as_often() {
        let table = with(offline(), "data.train-images", 200);
        let settings = Settings::read(&with(table, "split.labelled", 0.25)).unwrap();
        let datasets = Datasets::default();
        let all = TrialParts::new(&settings, &datasets, &Place::Host).unwrap();
        let [labelled, unlabelled] = [&all.split.labelled, &all.split.unlabelled].map(Vec::len);
        let parts = |nth, drops| {
            let labels = labels(&all.split, nth);
            TrialParts::with_labels(&settings, &datasets, &Place::Host, labels, drops)
        };
        let kept = parts(1000, false).unwrap();
        assert_eq!(kept.split.unlabelled, all.split.unlabelled);
        let mut dropped = parts(3, true).unwrap();
        assert_eq!(dropped.split.unlabelled.len(), unlabelled.div_ceil(3));
        // Twice the ratio of all images, not of those that are left.
        let times = (2.0 * unlabelled as f64 / labelled as f64).round() as usize;
        let places = times * labelled + unlabelled.div_ceil(3);
        let per_step = settings.loader.labelled + settings.loader.unlabelled;
        assert_eq!(dropped.loader.epoch_steps(), places.div_ceil(per_step));
        for step in 0..5 {
            let batch = dropped.loader.batch(step, true).unwrap();
            assert!(batch.unlabelled.is_empty() && !batch.pseudo.is_empty());
            for image in &batch.pseudo {
                assert_eq!(image.view.instances[0].class, 3);
                assert_eq!(image.qualities, [[0.9, 0.8]]);
            }
        }
        let none = with_no_labels(&all.split);
        let error = TrialParts::with_labels(&settings, &datasets, &Place::Host, none, true).err();
        let text = error.unwrap().to_string();
        assert!(
            text.contains("method.empty-image") && text.contains(&unlabelled.to_string()),
            "{text}"
        );
    }

    fn with_no_labels(split: &Split) -> PoolLabels {
        let mut labels = PoolLabels::default();
        for image in &split.unlabelled {
            let of_image = PoolImage {
                id: *image as u64,
                size: (64, 64),
                objects: Vec::new(),
            };
            labels.insert(*image, of_image);
        }
        labels
    }
}
