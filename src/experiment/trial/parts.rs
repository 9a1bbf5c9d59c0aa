//! Settings become objects: the only place that turns a recipe's words into datasets, networks and methods.

use crate::data::loader::Loader;
use crate::data::split::Split;
use crate::data::{DATASETS, Dataset};
use crate::detector::{Detector, mask2former};
use crate::experiment::settings::sections::Settings;
use crate::graph::clip::{Prototypes, PrototypesConfig};
use crate::method::{self, Method, MethodConfig, Setup, SupervisedConfig};
use crate::nn::params::move_to;
use crate::recipe::content_hash;
use crate::registry::{self, ComponentError};
use crate::rng::Stream;
use crate::structures::{InstanceSource, Mask, Picture};
use crate::tensor::Place;
use anyhow::{Result, anyhow};
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
    pub fn get(&self, table: &Table) -> Result<Dataset, ComponentError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = content_hash(table);
        if let Some(dataset) = known.get(&hash) {
            return Ok(dataset.clone());
        }
        let dataset = registry::build(DATASETS, table.clone()).map_err(|error| {
            let dot = if error.key.is_empty() { "" } else { "." };
            ComponentError {
                key: format!("data{dot}{}", error.key),
                ..error
            }
        })?;
        known.insert(hash, dataset.clone());
        Ok(dataset)
    }
}

/// An error of a table as one of the trial.
pub fn named(error: ComponentError) -> anyhow::Error {
    anyhow!("{}: {error}", error.key)
}

/// The objects that every training of a trial starts from.
pub struct Ground {
    /// Its dataset.
    pub dataset: Dataset,
    /// Which images are labelled.
    pub split: Split,
    /// Its batches.
    pub loader: Loader,
    /// Where its networks compute.
    place: Place,
}

impl Ground {
    /// Reads the dataset and splits it, for networks at `place`.
    ///
    /// # Errors
    /// What the dataset or the split refuses.
    pub fn new(settings: &Settings, datasets: &Datasets, place: &Place) -> Result<Self> {
        let dataset = datasets.get(&settings.data).map_err(named)?;
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

    /// The method `config` around a fresh student.
    ///
    /// # Errors
    /// The backbone's weights do not fit, or what the method refuses.
    pub fn method(&self, settings: &Settings, config: &MethodConfig) -> Result<Box<dyn Method>> {
        let setup = Setup {
            seed: settings.seed,
            steps: settings.train.steps,
            counts: self.split.counts.clone(),
            epoch_steps: self
                .loader
                .unlabelled_images()
                .div_ceil(settings.loader.unlabelled.max(1)),
        };
        let student = self.network(settings)?;
        method::start(config, student, &setup).map_err(named)
    }
}

/// The trial's network with its first weights, in the memory of the host.
///
/// # Errors
/// The backbone's weights are missing or of another shape.
pub fn model(settings: &Settings, classes: usize) -> Result<Box<dyn Detector>> {
    let mut rng = Stream::new(settings.seed, "model");
    mask2former::build(&settings.model, &settings.loss, classes, &mut rng)
}

/// What a method does during the burn-in: supervised training.
pub fn burn_in(method: &MethodConfig) -> MethodConfig {
    match method {
        MethodConfig::TeacherStudent(config) => MethodConfig::Supervised(SupervisedConfig {
            burn_in: config.burn_in,
            empty_image: config.empty_image,
        }),
        other => other.clone(),
    }
}
