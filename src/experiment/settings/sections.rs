//! The settings of a trial: every table of the recipe as the type that its component reads, checked before anything runs.

use crate::data::augment::{AugmentConfig, fitted};
use crate::data::loader::LoaderConfig;
use crate::data::split::SplitConfig;
use crate::detector::mask2former::LossConfig;
use crate::graph::clip::{VISION_LANGUAGE_MODELS, VisionLanguageConfig};
use crate::graph::{ModelConfig, weights};
use crate::method::MethodConfig;
use crate::method::correction::CORRECTIONS;
use crate::registry::{self, ComponentError};
use crate::structures::Picture;
use crate::tensor::Precision;
use crate::train::TrainConfig;
use serde::{Deserialize, Serialize};
use std::path::Path;
use toml::{Table, Value};

/// The tables of a trial, in the recipe's order.
const SECTIONS: [&str; 9] = [
    "data", "split", "augment", "loader", "model", "loss", "method", "train", "eval",
];

/// Everything that a trial reads.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The trial's seed.
    pub seed: u64,
    /// What matrix products on a GPU compute with.
    pub precision: Precision,
    /// `[data]`, with its `name`: the registry of datasets reads it.
    pub data: Table,
    /// `[split]`.
    pub split: SplitConfig,
    /// `[augment]`.
    pub augment: AugmentConfig,
    /// `[loader]`.
    pub loader: LoaderConfig,
    /// `[model]`.
    pub model: ModelConfig,
    /// `[loss]`.
    pub loss: LossConfig,
    /// `[method]`.
    pub method: MethodConfig,
    /// `[method.correction.vlm]`, if the correction needs one.
    pub vlm: Option<VisionLanguageConfig>,
    /// `[train]`.
    pub train: TrainConfig,
    /// `[eval]`.
    pub eval: EvalConfig,
}

/// `[eval]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EvalConfig {
    /// Longer side of an evaluated picture, at most if `shorter` is given; 0: as it is. Masks are compared at the picture's own
    /// size.
    pub size: usize,
    /// Shorter side of an evaluated picture; 0: as `size` makes it.
    pub shorter: usize,
    /// Query-class pairs per image.
    pub top: usize,
    /// The model whose metrics the tables show.
    pub model: EvalModel,
}

impl EvalConfig {
    /// The picture in the size in which it is evaluated.
    pub fn view(&self, picture: &Picture) -> Picture {
        let side = |side: usize| (side > 0).then_some(side);
        fitted(picture, side(self.shorter), side(self.size))
    }
}

/// A model that a trial ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvalModel {
    /// The moving average that made the pseudo-labels.
    Teacher,
    /// The network that was trained.
    Student,
    /// The student's average that is kept for evaluation only.
    Average,
}

impl EvalModel {
    /// The owner of its weights in a checkpoint.
    pub fn name(self) -> &'static str {
        match self {
            Self::Teacher => "teacher",
            Self::Student => "student",
            Self::Average => "average",
        }
    }
}

impl Settings {
    /// Reads the settings of a trial.
    ///
    /// # Errors
    /// Everything that is wrong, each with the path of its key.
    pub fn read(table: &Table) -> Result<Self, Vec<ComponentError>> {
        let mut reader = Reader {
            table,
            errors: Vec::new(),
        };
        let known = |key: &str| ["seed", "precision"].contains(&key) || SECTIONS.contains(&key);
        for key in table.keys().filter(|key| !known(key)) {
            reader
                .errors
                .push(ComponentError::new(key, format!("unknown field `{key}`")));
        }
        let seed = reader.keep("seed", seed(table));
        let precision = reader.keep("precision", precision(table));
        let data = reader.section("data", Ok);
        let split = reader.checked("split", SplitConfig::check);
        let augment = reader.checked("augment", AugmentConfig::check);
        let loader = reader.checked("loader", LoaderConfig::check);
        let model = reader.checked("model", ModelConfig::check);
        let loss = reader.checked("loss", LossConfig::check);
        let method = reader.section("method", MethodConfig::try_from);
        let vlm = method.as_ref().and_then(|method| reader.vlm(method));
        let train = reader.checked("train", |_: &TrainConfig| Ok(()));
        for error in train.iter().flat_map(TrainConfig::check) {
            reader.refuse("train", error);
        }
        let eval = reader.checked("eval", EvalConfig::check);
        let settings = (|| {
            Some(Self {
                seed: seed?,
                precision: precision?,
                data: data?,
                split: split?,
                augment: augment?,
                loader: loader?,
                model: model?,
                loss: loss?,
                method: method?,
                vlm,
                train: train?,
                eval: eval?,
            })
        })();
        if let Some(settings) = &settings {
            settings.check_together(&mut reader.errors);
        }
        match settings {
            Some(settings) if reader.errors.is_empty() => Ok(settings),
            _ => Err(reader.errors),
        }
    }

    /// What no table can tell alone.
    fn check_together(&self, errors: &mut Vec<ComponentError>) {
        let mut refuse =
            |key: &str, message: String| errors.push(ComponentError::new(key, message));
        let (burn_in, steps) = (self.method.burn_in(), self.train.steps);
        let teacher = matches!(self.method, MethodConfig::TeacherStudent(_));
        if burn_in > steps || (teacher && burn_in == steps) {
            let bound = if teacher { "less than" } else { "at most" };
            refuse(
                "method.burn-in",
                format!("{burn_in} is not {bound} train.steps = {steps}"),
            );
        }
        if teacher && self.loader.unlabelled == 0 {
            refuse(
                "loader.unlabelled",
                "0 leaves a teacher nothing to label; at least 1".into(),
            );
        }
        let averages = self.train.average > 0.0 && burn_in < steps;
        if self.eval.model == EvalModel::Average && !averages {
            let needs = "`average` needs train.average above 0 and steps after the burn-in";
            refuse("eval.model", needs.into());
        }
        let drawn = self.data.get("name").and_then(Value::as_str) == Some("scenes");
        if matches!(self.vlm, Some(VisionLanguageConfig::ClipTiny(_))) && !drawn {
            let known = "`clip-tiny` knows the classes of data.name = \"scenes\" only; allowed here: `prototypes`, `clip`";
            refuse("method.correction.vlm.name", known.into());
        }
    }

    /// The files and folders that the settings name and that are not there; what the dataset's folder holds is its business.
    pub fn missing_files(&self) -> Vec<ComponentError> {
        let mut missing = Vec::new();
        let root = self.data.get("root").and_then(Value::as_str);
        if let Some(root) = root.filter(|root| !Path::new(root).exists()) {
            missing.push(ComponentError::new(
                "data.root",
                format!("no folder `{root}`"),
            ));
        }
        let (whole, backbone) = (&self.model.weights, &self.model.backbone.weights);
        let (whole_file, _) = weights::split(whole);
        if !whole.as_os_str().is_empty() && !whole_file.exists() {
            let message = format!("no file or folder `{}`", whole_file.display());
            missing.push(ComponentError::new("model.weights", message));
        }
        if !backbone.as_os_str().is_empty() && !backbone.is_file() {
            let message = format!("no file `{}`", backbone.display());
            missing.push(ComponentError::new("model.backbone.weights", message));
        }
        if let Some(VisionLanguageConfig::Clip(clip)) = &self.vlm {
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

    /// Whether `error` is that a file is not there.
    pub fn misses(&self, error: &ComponentError) -> bool {
        let missing = self.missing_files();
        missing.iter().any(|other| other.key == error.key)
    }

    /// The model that the tables show: the student where there is no teacher.
    pub fn reported(&self) -> EvalModel {
        match (self.eval.model, &self.method) {
            (EvalModel::Teacher, MethodConfig::Supervised(_)) => EvalModel::Student,
            (model, _) => model,
        }
    }
}

impl EvalConfig {
    fn check(&self) -> Result<(), ComponentError> {
        if self.top == 0 {
            return Err(ComponentError::new("top", "0 is not at least 1"));
        }
        Ok(())
    }
}

/// The seed of a trial.
///
/// # Errors
/// None is there, or it is no whole number from 0 on; the key is empty.
pub(super) fn seed(table: &Table) -> Result<u64, ComponentError> {
    let seed = table.get("seed").and_then(Value::as_integer);
    seed.and_then(|seed| u64::try_from(seed).ok())
        .ok_or_else(|| ComponentError::new("", "expected a whole number from 0 on"))
}

/// What matrix products compute with; f32 where nothing is said, as every trial did before there was a choice.
///
/// # Errors
/// An unknown word; the key is empty.
fn precision(table: &Table) -> Result<Precision, ComponentError> {
    match table.get("precision") {
        None => Ok(Precision::default()),
        Some(value) => value.clone().try_into().map_err(|_| {
            ComponentError::new(
                "",
                format!("{value} is none of \"f32\", \"tf32\", \"bf16\""),
            )
        }),
    }
}

/// The table `name` of a trial's settings.
///
/// # Errors
/// It is missing or something else; the key is empty.
pub(super) fn section(table: &Table, name: &str) -> Result<Table, ComponentError> {
    match table.get(name) {
        Some(Value::Table(table)) => Ok(table.clone()),
        Some(other) => Err(ComponentError::new("", format!("{other} is not a table"))),
        None => Err(ComponentError::new("", "missing table")),
    }
}

/// Reads tables one by one and keeps all errors.
struct Reader<'a> {
    table: &'a Table,
    errors: Vec<ComponentError>,
}

impl Reader<'_> {
    /// The table `name` as `T`, checked.
    fn checked<T: serde::de::DeserializeOwned>(
        &mut self,
        name: &str,
        check: impl Fn(&T) -> Result<(), ComponentError>,
    ) -> Option<T> {
        self.section(name, |table| {
            registry::options(table).and_then(|t| check(&t).map(|()| t))
        })
    }

    /// What `read` makes of the table `name`.
    fn section<T>(
        &mut self,
        name: &str,
        read: impl Fn(Table) -> Result<T, ComponentError>,
    ) -> Option<T> {
        self.keep(name, section(self.table, name).and_then(read))
    }

    fn vlm(&mut self, method: &MethodConfig) -> Option<VisionLanguageConfig> {
        let MethodConfig::TeacherStudent(config) = method else {
            return None;
        };
        let correction = registry::build(CORRECTIONS, config.correction.clone()).ok()?;
        let table = correction.needs_vlm()?.clone();
        self.keep(
            "method.correction.vlm",
            registry::build(VISION_LANGUAGE_MODELS, table),
        )
    }

    fn keep<T>(&mut self, section: &str, result: Result<T, ComponentError>) -> Option<T> {
        result.map_err(|error| self.refuse(section, error)).ok()
    }

    fn refuse(&mut self, section: &str, error: ComponentError) {
        let dot = if error.key.is_empty() { "" } else { "." };
        let key = format!("{section}{dot}{}", error.key);
        self.errors.push(ComponentError { key, ..error });
    }
}

#[cfg(test)]
pub(in crate::experiment) mod tests {
    use super::*;

    /// The settings of `recipes/pl-dc.toml` with seed 0.
    pub fn table() -> Table {
        let mut table: Table = include_str!("../../../recipes/pl-dc.toml")
            .parse()
            .expect("TOML");
        table.retain(|key, _| SECTIONS.contains(&key));
        table.insert("seed".into(), 0.into());
        table
    }

    /// `table` with the value at a dotted path replaced.
    pub fn with(mut table: Table, path: &str, value: impl Into<Value>) -> Table {
        let (parents, key) = path.rsplit_once('.').expect("a section");
        let parent = parents.split('.').fold(&mut table, |table, key| {
            table[key].as_table_mut().expect("a table")
        });
        parent.insert(key.into(), value.into());
        table
    }

    pub fn supervised() -> Table {
        let method = "name = 'supervised'\nburn-in = 800\nempty-image = 'zero-batch'";
        let mut table = table();
        table["method"] = Value::Table(method.parse().expect("TOML"));
        table
    }

    fn keys(table: &Table) -> Vec<String> {
        let errors = Settings::read(table).err().unwrap_or_default();
        errors.into_iter().map(|error| error.key).collect()
    }

    #[test]
    fn the_defaults_are_valid() {
        let settings = Settings::read(&table()).unwrap();
        assert_eq!(settings.reported(), EvalModel::Teacher);
        assert!(matches!(
            settings.vlm,
            Some(VisionLanguageConfig::ClipTiny(_))
        ));
        let settings = Settings::read(&supervised()).unwrap();
        assert_eq!(settings.reported(), EvalModel::Student);
    }

    #[test]
    fn all_errors_come_at_once_with_their_paths() {
        let wrong = with(table(), "train.clip", -1.0);
        let wrong = with(wrong, "model.backbone.depths", "deep");
        let wrong = with(wrong, "method.correction.vlm.batch", 0);
        let wrong = with(wrong, "split.labelled", 2.0);
        let found = keys(&wrong);
        let expected = [
            "split.labelled",
            "model.backbone.depths",
            "method.correction.vlm.batch",
            "train.clip",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_no_table_can_tell_alone_is_checked() {
        let cases = [
            (with(table(), "method.burn-in", 2400), "method.burn-in"),
            (with(table(), "loader.unlabelled", 0), "loader.unlabelled"),
            (
                with(with(table(), "train.average", 0.0), "eval.model", "average"),
                "eval.model",
            ),
            (
                with(table(), "data.name", "coco"),
                "method.correction.vlm.name",
            ),
        ];
        for (table, key) in cases {
            assert_eq!(keys(&table), [key]);
        }
        assert_eq!(
            keys(&with(supervised(), "method.burn-in", 2400)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn missing_weights_are_named() {
        let wrong = with(table(), "model.backbone.weights", "no/such.safetensors");
        let errors = Settings::read(&wrong).unwrap().missing_files();
        let expected =
            ComponentError::new("model.backbone.weights", "no file `no/such.safetensors`");
        assert_eq!(errors, [expected]);
        assert_eq!(Settings::read(&table()).unwrap().missing_files(), []);
        let wrong = with(table(), "model.weights", "no/such#teacher");
        let errors = Settings::read(&wrong).unwrap().missing_files();
        let expected = ComponentError::new("model.weights", "no file or folder `no/such`");
        assert_eq!(errors, [expected]);
    }

    #[test]
    fn a_missing_or_unknown_table_is_told() {
        let mut wrong = table();
        wrong.remove("loss");
        wrong.insert("lost".into(), Value::Table(Table::new()));
        assert_eq!(keys(&wrong), ["lost", "loss"]);
    }
}
