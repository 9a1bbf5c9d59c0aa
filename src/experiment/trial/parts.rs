//! Settings become objects: the only place that turns a recipe's words into datasets, networks and methods.

use crate::data::loader::Loader;
use crate::data::split::Split;
use crate::data::{self, Dataset};
use crate::detector::Detector;
use crate::experiment::settings::sections::Settings;
use crate::graph::clip::{Prototypes, PrototypesConfig};
use crate::method::{Learner, Parts, Phase, Setup};
use crate::nn::params::move_to;
use crate::recipe::content_hash;
use crate::registry::ComponentErrors;
use crate::rng::Stream;
use crate::structures::{InstanceSource, Mask, Picture};
use crate::tensor::Place;
use anyhow::Result;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use toml::Table;

/// The datasets of a run, each read or drawn once and shared by all trials.
#[derive(Default)]
pub struct Datasets(Mutex<BTreeMap<String, Dataset>>);

impl Datasets {
    /// The dataset of the table `[data]`.
    ///
    /// # Errors
    /// What the dataset refuses, by the path of its key from `data` on.
    pub fn get(&self, table: &Table) -> Result<Dataset, ComponentErrors> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = content_hash(table);
        if let Some(dataset) = known.get(&hash) {
            return Ok(dataset.clone());
        }
        let dataset = data::load(table.clone()).map_err(|errors| errors.within("data"))?;
        known.insert(hash, dataset.clone());
        Ok(dataset)
    }
}

/// The objects that every training of a trial starts from.
pub struct TrialParts {
    /// Its dataset.
    pub dataset: Dataset,
    /// Which images are labelled.
    pub split: Split,
    /// Its batches.
    pub loader: Loader,
    /// Where its networks compute.
    place: Place,
}

impl TrialParts {
    /// Reads the dataset and splits it, for networks at `place`.
    ///
    /// # Errors
    /// What the dataset or the split refuses.
    pub fn new(settings: &Settings, datasets: &Datasets, place: &Place) -> Result<Self> {
        let dataset = datasets.get(&settings.data)?;
        let split = Split::new(
            &*dataset.train,
            &dataset.classes,
            &settings.split,
            settings.seed,
        )?;
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

    /// The trial's network with its first weights, where it computes.
    fn network(&self, settings: &Settings) -> Result<Box<dyn Detector>> {
        let mut network = model(settings, self.dataset.classes.len())?;
        move_to(&mut *network, &self.place);
        Ok(network)
    }

    /// The class prototypes of the labelled images on the trial's own backbone as it is before training.
    ///
    /// # Errors
    /// An image that cannot be read, or no labelled instance.
    pub fn prototypes(&self, settings: &Settings, config: &PrototypesConfig) -> Result<Prototypes> {
        let network = self.network(settings)?;
        let samples = self
            .split
            .labelled
            .iter()
            .map(|index| self.labelled(*index));
        let backbone = (network.normaliser().clone(), network.backbone().clone());
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
        let epoch = self.loader.unlabelled_images();
        let setup = Setup {
            seed: settings.seed,
            counts: self.split.counts.clone(),
            epoch_steps: epoch.div_ceil(settings.loader.unlabelled.max(1)),
        };
        phase.learner(Parts {
            student: self.network(settings)?,
            setup: &setup,
        })
    }
}

/// The trial's network with its first weights, in the memory of the host.
///
/// # Errors
/// The backbone's weights are missing or of another shape.
pub fn model(settings: &Settings, classes: usize) -> Result<Box<dyn Detector>> {
    let mut rng = Stream::new(settings.seed, "model");
    settings.model.build(classes, &mut rng)
}
