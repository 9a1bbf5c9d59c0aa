//! Reads and checks the inputs of a command before any work: the recipe and the files that it names.

use super::datasets::Datasets;
use super::draws::{Draw, Wanted};
use super::epochs;
use super::parts as trial;
use super::planned::Planned;
use crate::experiment::settings::identity::identity;
use crate::experiment::settings::new_keys::NEW_KEYS;
use crate::experiment::settings::normalise::normalise;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::graph::clip::{ClipRegions, VisionLanguageConfig};
use crate::recipe::{Hooks, Places, Plan, Request};
use crate::registry::ComponentError;
use anyhow::Result;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use toml::Table;

/// A recipe and the overrides from the command line.
#[derive(Clone, Debug)]
pub struct RecipeRequest {
    /// The recipe's file.
    pub recipe: PathBuf,
    /// `key.path=value` arguments.
    pub set: Vec<String>,
}

/// The error of a command.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The recipe, an argument or an input file is wrong; nothing was trained.
    #[error("{0:#}")]
    Input(anyhow::Error),
    /// Results could not be written.
    #[error("{0:#}")]
    Output(anyhow::Error),
}

/// The environment variables of this process whose names are valid text. A value that is not valid text is kept
/// with substitutes, so that a setting with it is refused by name.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| {
            Some((
                name.into_string().ok()?,
                value.to_string_lossy().into_owned(),
            ))
        })
        .collect()
}

/// The recipe `request` with `weights` for the whole network, replacing those that it names.
pub fn with_weights(request: &RecipeRequest, weights: &Path) -> RecipeRequest {
    let mut request = request.clone();
    let path = toml::Value::from(weights.to_string_lossy().into_owned());
    request.set.push(format!("model.weights={path}"));
    request.set.push("model.backbone.weights=\"\"".into());
    request
}

/// The inputs of a command, each read once.
#[derive(Default)]
pub struct Inputs {
    /// The datasets.
    pub datasets: Datasets,
    /// The networks whose weights have been found to fit, by the hash of their settings.
    fitting: RefCell<BTreeSet<String>>,
    /// The missing files, if files may be missing. With none, a missing file is an error.
    absent: Option<RefCell<BTreeSet<String>>>,
    needed: Needed,
}

/// The files of a recipe that a command needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Needed {
    /// All of them: it trains.
    #[default]
    All,
    /// Those of the network. The vision-language model is not checked.
    Network,
    /// Those of the dataset and of its splits. No network is made.
    Splits,
    /// Those of the dataset. No network is made.
    Data,
}

impl Needed {
    /// The beginnings of the keys that name these files.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::All => &[""],
            Self::Network => &["model."],
            Self::Splits => &["data.", "split."],
            Self::Data => &["data."],
        }
    }

    /// Returns true if a network is made.
    fn has_network(self) -> bool {
        matches!(self, Self::All | Self::Network)
    }
}

impl Inputs {
    /// Inputs for a command that trains nothing: files that a run needs may be missing.
    pub fn where_files_may_be_absent() -> Self {
        Self {
            absent: Some(RefCell::default()),
            ..Self::default()
        }
    }

    /// The same inputs, with the digests of large datasets in `folder`: see [`Datasets::with_digests`].
    pub fn with_digests(self, folder: PathBuf) -> Self {
        Self {
            datasets: Datasets::with_digests(folder),
            ..self
        }
    }

    /// Inputs of the network only: the dataset may be missing.
    pub fn of_the_network() -> Self {
        Self {
            needed: Needed::Network,
            ..Self::default()
        }
    }

    /// Inputs of the dataset and its splits only: weights may be missing.
    pub fn of_the_splits() -> Self {
        Self {
            needed: Needed::Splits,
            ..Self::default()
        }
    }

    /// Inputs of the dataset only: weights and lists of labelled images may be missing.
    pub fn of_the_data() -> Self {
        Self {
            needed: Needed::Data,
            ..Self::default()
        }
    }

    /// The missing files, each after the key that names it.
    pub fn absent(self) -> Vec<String> {
        let absent = self.absent.map(RefCell::into_inner).unwrap_or_default();
        absent.into_iter().collect()
    }

    /// The checked plan of a recipe.
    ///
    /// # Errors
    /// The recipe, its sweeps, the overrides or the files that they name are wrong. One error lists all.
    pub fn plan(&self, request: &RecipeRequest) -> Result<Plan, CommandError> {
        let environment = environment();
        let request = Request {
            recipe: &request.recipe,
            environment: &environment,
            set: &request.set,
        };
        let spell_out = |table: &mut Table, places: &Places| {
            epochs::spell_out(table, places, &self.datasets);
        };
        let check = |table: &Table| self.check(table);
        let hooks = Hooks {
            spell_out: &spell_out,
            check: &check,
            normalise: &normalise,
            identity: &identity,
            new_keys: &NEW_KEYS,
        };
        let plan = Plan::new(request, hooks).map_err(|error| CommandError::Input(error.into()))?;
        for note in &plan.notes {
            crate::screen::say(&format!("warning: {note}"));
        }
        Ok(plan)
    }

    /// All errors of the settings of a trial and of the files that they name.
    pub fn check(&self, table: &Table) -> Vec<ComponentError> {
        let settings = match TrialSettings::read(table) {
            Ok(TrialSettings::Networks(settings)) => settings,
            Ok(TrialSettings::Number(_)) => return Vec::new(),
            Err(errors) => return errors.into_iter().collect(),
        };
        let mut missing = settings.missing_files();
        let keys = self.needed.keys().iter();
        missing.retain(|error| keys.clone().any(|key| error.key.starts_with(key)));
        let dataset = match self.datasets.get(&settings.data) {
            Ok(dataset) => Some(dataset),
            Err(error) if settings.misses(&error) => None,
            Err(errors) => return errors.into_iter().chain(missing).collect(),
        };
        let complete = missing.is_empty();
        match &self.absent {
            Some(absent) => {
                let named = missing
                    .iter()
                    .map(|error| format!("{}: {error}", error.key));
                absent.borrow_mut().extend(named);
            }
            None if !complete => return missing,
            None => {}
        }
        if let Some(dataset) = &dataset
            && let Err(message) = settings.report.groups(&dataset.classes)
        {
            return vec![ComponentError::new("report.similar", message)];
        }
        if epochs::epochs(table) > 0
            && self.needed != Needed::Network
            && let Err(error) = epochs::steps(table, &self.datasets)
        {
            let Some(absent) = self.absent.as_ref().filter(|_| !complete) else {
                return vec![ComponentError::new("train.epochs", format!("{error:#}"))];
            };
            absent.borrow_mut().insert(epochs::UNKNOWN.into());
        }
        let Some(dataset) = dataset.filter(|_| complete && self.needed.has_network()) else {
            return Vec::new();
        };
        let network = format!("{} {}", settings.model.network(), dataset.classes.len());
        let (whole, backbone) = (settings.model.weights(), settings.model.backbone_weights());
        let reads_weights = [whole, backbone]
            .iter()
            .any(|path| !path.as_os_str().is_empty());
        if reads_weights
            && self.fitting.borrow_mut().insert(network)
            && let Err(error) = trial::model(&settings, dataset.classes.len())
        {
            let key = match whole.as_os_str().is_empty() {
                true => "model.backbone.weights",
                false => "model.weights",
            };
            return vec![ComponentError::new(key, format!("{error:#}"))];
        }
        if let Some(VisionLanguageConfig::Clip(config)) = settings.method.vlm()
            && self.needed == Needed::All
            && self.fitting.borrow_mut().insert(format!("{config:?}"))
        {
            let wrong = |key, error| vec![ComponentError::new(key, format!("{error:#}"))];
            if let Err(error) = config.descriptions.texts(&dataset.classes) {
                return wrong("method.correction.vlm.descriptions", error);
            }
            if let Err(error) = ClipRegions::new(config, &dataset.classes) {
                return wrong("method.correction.vlm.weights", error);
            }
        }
        Vec::new()
    }

    /// Takes the evaluated pictures of the datasets into account in the expected work of `trials`.
    pub fn count(&self, trials: &mut [Planned]) {
        for trial in trials {
            if let TrialSettings::Networks(settings) = &*trial.settings {
                let pictures = self.datasets.evaluated(&settings.data);
                trial
                    .stages
                    .iter_mut()
                    .for_each(|stage| stage.count(pictures));
            }
        }
    }

    /// Draws the splits of all trials, because a split may be impossible for some seeds.
    ///
    /// # Errors
    /// All splits that are impossible, each with its seeds.
    pub fn split(&self, trials: &[Planned]) -> Result<Vec<Draw>> {
        let mut wanted = Wanted::default();
        for trial in trials {
            wanted.add(&trial.settings);
        }
        wanted.draw(&self.datasets)
    }
}
