//! The settings of a trial: every table of the recipe as the type of its component, checked before anything
//! runs.

use super::evaluation::{EvalConfig, EvalModel};
use super::new_keys::NEW_KEYS;
use super::phase_keys::{self, PhaseTable};
use super::report::ReportConfig;
use crate::data::DATASETS;
use crate::data::augment::AugmentConfig;
use crate::data::loader::LoaderConfig;
use crate::data::split::SplitConfig;
use crate::detector::{DETECTORS, DetectorConfig};
use crate::graph::clip::VisionLanguageConfig;
use crate::graph::weights;
use crate::method::{METHODS, Method, Phase};
use crate::recipe::PHASE;
use crate::registry::{self, Check, Checked, ComponentError, ComponentErrors};
use crate::tensor::Precision;
use crate::train::TrainConfig;
use schemars::JsonSchema;
use std::path::Path;
use std::sync::Arc;
use toml::{Table, Value};

mod phases;

/// The tables of a trial, in the recipe's order.
pub(super) const SECTIONS: [&str; 10] = [
    "data", "split", "augment", "loader", "model", "method", "train", PHASE, "eval", "report",
];

/// All settings of a trial.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The seed of the trial.
    pub seed: u64,
    /// The precision of matrix products on a GPU.
    pub precision: Precision,
    /// `[data]`, with its `name`. The registry of datasets reads it.
    pub data: Table,
    /// `[split]`.
    pub split: SplitConfig,
    /// `[augment]`.
    pub augment: AugmentConfig,
    /// `[loader]`.
    pub loader: LoaderConfig,
    /// `[model]`.
    pub model: Arc<dyn DetectorConfig>,
    /// `[method]`.
    pub method: Arc<dyn Method>,
    /// `[train]`.
    pub train: TrainConfig,
    /// `[phase]`: the phases that have keys of their own.
    pub phase: PhaseTable,
    /// `[eval]`.
    pub eval: EvalConfig,
    /// `[report]`.
    pub report: ReportConfig,
}

impl Settings {
    /// Reads the settings of a trial.
    ///
    /// # Errors
    /// All errors, each with the path of its key.
    pub fn read(table: &Table) -> Result<Self, ComponentErrors> {
        let mut table = table.clone();
        for name in SECTIONS {
            // A table that is missing lacks all its keys, and each is told.
            table.entry(name).or_insert_with(|| Table::new().into());
        }
        NEW_KEYS.fill(&mut table);
        let table = &table;
        let mut check = Check::new();
        let known = |key: &str| ["seed", "precision"].contains(&key) || SECTIONS.contains(&key);
        let unknown: Vec<&String> = table.keys().filter(|key| !known(key)).collect();
        for key in &unknown {
            check.refuse(key, format!("unknown field `{key}`"));
        }
        let seed = check.keep("seed", seed(table));
        let precision = check.keep("precision", precision(table));
        let (data, drawn) = check.keep("data", data(table)).unzip();
        let split = read(table, "split", &mut check);
        let augment = read(table, "augment", &mut check);
        let loader = read(table, "loader", &mut check);
        let found = section(table, "model").map_err(ComponentErrors::from);
        let model = found.and_then(|table| registry::build(DETECTORS, table));
        let model = check.keep("model", model);
        let found = section(table, "method").map_err(ComponentErrors::from);
        let method = check.keep("method", found.and_then(method));
        let train = read(table, "train", &mut check);
        let phase = check.keep(PHASE, section(table, PHASE)).and_then(|_| {
            let in_order =
                augment.is_some() && loader.is_some() && model.is_some() && train.is_some();
            in_order.then(|| phase_keys::read(table, &mut check))
        });
        let eval = read(table, "eval", &mut check);
        let report = read(table, "report", &mut check);
        let settings = (|| {
            Some(Self {
                seed: seed?,
                precision: precision?,
                data: data?,
                split: split?,
                augment: augment?,
                loader: loader?,
                model: model?.into(),
                method: method?,
                train: train?,
                phase: phase?,
                eval: eval?,
                report: report?,
            })
        })();
        if let (Some(settings), Some(drawn)) = (&settings, drawn) {
            settings.check_together(drawn, &mut check);
        }
        check
            .finish()
            .map_err(|errors| without_misspelled(errors, &unknown))?;
        Ok(settings.expect("nothing was refused"))
    }

    /// Checks that involve several tables. `drawn` is true if the dataset's images are drawn.
    fn check_together(&self, drawn: bool, check: &mut Check) {
        check.within("method", |check| {
            self.method.check_steps(self.train.steps, check);
            if let Some(demands) = self.method.demands() {
                self.model.check_demands(&demands, check);
                demands.check_terms(&self.model.terms(), check);
            }
        });
        self.method.check_detector(&*self.model, check);
        if let Some(views) = self.method.test_views() {
            check.within("method.test-views", |check| {
                views.check(self.model.merges(), check);
            });
        }
        self.check_size(&self.augment, check);
        self.check_unlabelled(&self.loader, check);
        self.check_pieces(&self.loader, self.method.reads_unlabelled(), check);
        self.check_phases(check);
        let keeps = |phase: &Phase| phase.average && !phase.steps.is_empty();
        let averages = self.train.average > 0.0 && self.phases().iter().any(keeps);
        if self.eval.model == EvalModel::Average && !averages {
            let needs = "`average` needs train.average above 0 and steps after the burn-in";
            check.refuse("eval.model", needs);
        }
        if matches!(self.method.vlm(), Some(VisionLanguageConfig::ClipTiny(_))) && !drawn {
            let known = "`clip-tiny` knows the classes of data.name = \"scenes\" only; allowed here: `prototypes`, `clip`";
            check.refuse("method.correction.vlm.name", known);
        }
    }

    /// Checks that the network takes the size of `[augment]`.
    pub(super) fn check_size(&self, augment: &AugmentConfig, check: &mut Check) {
        let size = augment.size;
        // The network pads a square itself, as it always did.
        if !size.is_square() {
            let (stride, because) = (self.model.stride(), "the coarsest stride of the network");
            check.divides("augment.size", size.height, stride, because);
            check.divides("augment.size", size.width, stride, because);
        }
    }

    /// Checks that there are unlabelled images in the batches of `[loader]`, if the method reads any.
    pub(super) fn check_unlabelled(&self, loader: &LoaderConfig, check: &mut Check) {
        if self.method.reads_unlabelled() && loader.unlabelled == 0 {
            let message = match self.method.has_teacher() {
                true => "0 leaves a teacher nothing to label; allowed: 1 or more",
                false => "0 leaves no unlabelled image to learn from; allowed: 1 or more",
            };
            check.refuse("loader.unlabelled", message);
        }
    }

    /// Checks that the method and the network take the batches of `[loader]` in pieces, if it asks for that.
    /// `reads_unlabelled`: its batches have unlabelled images.
    pub(super) fn check_pieces(
        &self,
        loader: &LoaderConfig,
        reads_unlabelled: bool,
        check: &mut Check,
    ) {
        let (method, network) = (&self.method, &self.model);
        let [batch, replicas] = [
            ("loader.micro-batch", loader.micro_batch, 0),
            ("loader.replicas", loader.replicas, 1),
        ];
        for (takes, what, (key, number, whole)) in [
            (method.takes_pieces(), "method", batch),
            (method.takes_replicas(), "method", replicas),
            (network.takes_pieces(), "network", batch),
            (network.takes_replicas(), "network", replicas),
        ] {
            let allowed = format!("{whole}, because this {what} takes only whole batches");
            check.require(takes || number == whole, key, number, allowed);
        }
        let images = loader.unlabelled;
        let divides = !reads_unlabelled || images.is_multiple_of(loader.replicas);
        let allowed = format!("numbers that divide loader.unlabelled = {images}");
        check.require(divides, "loader.replicas", loader.replicas, allowed);
    }

    /// The phases of the trial's training.
    pub fn phases(&self) -> Vec<Phase> {
        self.method.phases(self.train.steps)
    }

    /// The files and folders that the settings name and that do not exist. The content of the dataset's
    /// folder is checked by the dataset.
    pub fn missing_files(&self) -> Vec<ComponentError> {
        let mut missing = Vec::new();
        let root = self.data.get("root").and_then(Value::as_str);
        if let Some(root) = root.filter(|root| !Path::new(root).exists()) {
            missing.push(ComponentError::new(
                "data.root",
                format!("no folder `{root}`"),
            ));
        }
        if self.misses_its_list() {
            let message = format!(
                "no file `{}`; needed: a list of labelled images, or \"\" to draw them by `split.rule`",
                self.split.list_file().display()
            );
            missing.push(ComponentError::new("split.list", message));
        }
        let (whole, backbone) = (self.model.weights(), self.model.backbone_weights());
        let (whole_file, _) = weights::split(whole);
        if !whole.as_os_str().is_empty() && !whole_file.exists() {
            let message = format!("no file or folder `{}`", whole_file.display());
            missing.push(ComponentError::new("model.weights", message));
        }
        if !backbone.as_os_str().is_empty() && !backbone.is_file() {
            let message = format!("no file `{}`", backbone.display());
            missing.push(ComponentError::new("model.backbone.weights", message));
        }
        if let Some(VisionLanguageConfig::Clip(clip)) = self.method.vlm() {
            let mut absent = |key, what, path: &Path| {
                let message = format!("no {what} `{}`", path.display());
                missing.push(ComponentError::new(key, message));
            };
            if !clip.weights.is_dir() {
                absent("method.correction.vlm.weights", "folder", &clip.weights);
            }
            if let Some(file) = clip.descriptions.file().filter(|file| !file.is_file()) {
                absent("method.correction.vlm.descriptions", "file", file);
            }
        }
        missing
    }

    /// Returns true if a file shall list the labelled images and does not exist.
    pub fn misses_its_list(&self) -> bool {
        self.split.is_listed() && !self.split.list_file().is_file()
    }

    /// Returns true if `errors` are about missing files.
    pub fn misses(&self, errors: &ComponentErrors) -> bool {
        let missing = self.missing_files();
        errors
            .iter()
            .all(|error| missing.iter().any(|other| other.key == error.key))
    }

    /// The model that the tables show; the student if there is no teacher.
    pub fn reported(&self) -> EvalModel {
        match self.eval.model {
            EvalModel::Teacher if !self.method.has_teacher() => EvalModel::Student,
            model => model,
        }
    }
}

/// The `errors` without those about the keys of a missing table that one of the `unknown` tables is meant to be.
fn without_misspelled(errors: ComponentErrors, unknown: &[&String]) -> ComponentErrors {
    let is_meant = |error: &ComponentError| {
        let table = error.key.split('.').next().unwrap_or_default();
        error.needed().is_some() && unknown.iter().any(|word| registry::may_be(word, table))
    };
    let kept = errors.iter().filter(|error| !is_meant(error)).cloned();
    ComponentErrors::of(kept.collect()).unwrap_or(errors)
}

/// The seed of a trial.
///
/// # Errors
/// It is missing, or not a whole number from 0 on. The key of the error is empty.
pub(in crate::experiment) fn seed(table: &Table) -> Result<u64, ComponentError> {
    let seed = table.get("seed").and_then(Value::as_integer);
    seed.and_then(|seed| u64::try_from(seed).ok())
        .ok_or_else(|| ComponentError::new("", "expected a whole number from 0 on"))
}

/// The method of a table `[method]`.
///
/// # Errors
/// The name is unknown, or the method refuses a key.
pub(super) fn method(table: Table) -> Result<Arc<dyn Method>, ComponentErrors> {
    registry::build(METHODS, table).map(Arc::from)
}

/// The precision of matrix products.
///
/// # Errors
/// It is missing or unknown. The key of the error is empty.
fn precision(table: &Table) -> Result<Precision, ComponentError> {
    let known = ["f32", "tf32", "bf16"];
    let missing = || ComponentError::missing("", known);
    let value = table.get("precision").ok_or_else(missing)?;
    value.clone().try_into().map_err(|_| {
        let found = value.as_str().map_or(value.to_string(), String::from);
        ComponentError::one_of("", found, known)
    })
}

/// The table `name` of a trial's settings.
///
/// # Errors
/// It is missing or not a table. The key of the error is empty.
pub(in crate::experiment) fn section(table: &Table, name: &str) -> Result<Table, ComponentError> {
    match table.get(name) {
        Some(Value::Table(table)) => Ok(table.clone()),
        Some(other) => Err(ComponentError::new("", format!("{other} is not a table"))),
        None => Err(ComponentError::lacking("", "a table")),
    }
}

/// The table `name` of a trial's settings as `T`, its values checked.
pub(super) fn read<T: Checked + JsonSchema>(
    table: &Table,
    name: &str,
    check: &mut Check,
) -> Option<T> {
    let part = check.keep(name, section(table, name))?;
    registry::read_within(check, name, part)
}

/// The table `[data]`, and true if its images are drawn.
fn data(table: &Table) -> Result<(Table, bool), ComponentErrors> {
    let data = section(table, "data")?;
    let drawn = registry::build(DATASETS, data.clone())?.has_scene_classes();
    Ok((data, drawn))
}

#[cfg(test)]
pub(in crate::experiment) mod tests;
