//! The settings of a trial: of networks, or of a number if the method trains no network.

use super::catalogue::with_examples;
use super::evaluation::EvalModel;
use super::new_keys::NEW_KEYS;
use super::sections::{self as settings, Settings};
use crate::method::{Method, Phase, trains_networks};
use crate::registry::{self, Check, Checked, ComponentErrors, MOST_STEPS};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use toml::{Table, Value};

/// The tables and keys that a trial without networks reads.
pub(super) const NUMBER_TABLES: [&str; 3] = ["seed", "method", "train"];
/// The keys of `[train]` that such a trial reads.
pub(super) const NUMBER_TRAIN: [&str; 2] = ["steps", "checkpoint"];

/// The settings of a trial.
#[derive(Clone, Debug)]
pub enum TrialSettings {
    /// A training of networks.
    Networks(Box<Settings>),
    /// A training of a number.
    Number(NumberSettings),
}

/// The settings of a trial without networks.
#[derive(Clone, Debug)]
pub struct NumberSettings {
    /// The seed of the trial.
    pub seed: u64,
    /// `[method]`.
    pub method: Arc<dyn Method>,
    /// The part of `[train]` that it reads.
    pub train: NumberTrain,
}

/// The part of `[train]` that a trial without networks reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct NumberTrain {
    /// The number of steps in all, including the burn-in.
    pub steps: usize,
    /// The number of steps between checkpoints.
    pub checkpoint: usize,
}

impl TrialSettings {
    /// Reads the settings of a trial.
    ///
    /// # Errors
    /// All errors, each with the path of its key.
    pub fn read(table: &Table) -> Result<Self, ComponentErrors> {
        let read = if reads_networks(table) {
            Settings::read(table).map(|settings| Self::Networks(Box::new(settings)))
        } else {
            NumberSettings::read(table).map(Self::Number)
        };
        read.map_err(|errors| {
            let errors = with_examples(errors, table);
            ComponentErrors::of(errors).expect("as many as before")
        })
    }

    /// The seed of the trial.
    pub fn seed(&self) -> u64 {
        match self {
            Self::Networks(settings) => settings.seed,
            Self::Number(settings) => settings.seed,
        }
    }

    /// The method of the trial.
    pub fn method(&self) -> &dyn Method {
        match self {
            Self::Networks(settings) => &*settings.method,
            Self::Number(settings) => &*settings.method,
        }
    }

    /// The phases of its training.
    pub fn phases(&self) -> Vec<Phase> {
        self.method().phases(self.steps())
    }

    /// The number of steps to its end.
    pub fn steps(&self) -> usize {
        match self {
            Self::Networks(settings) => settings.train.steps,
            Self::Number(settings) => settings.train.steps,
        }
    }

    /// The number of steps between checkpoints.
    pub fn checkpoint(&self) -> usize {
        match self {
            Self::Networks(settings) => settings.train.checkpoint,
            Self::Number(settings) => settings.train.checkpoint,
        }
    }

    /// The model that the tables show.
    pub fn reported(&self) -> EvalModel {
        match self {
            Self::Networks(settings) => settings.reported(),
            Self::Number(_) => EvalModel::Student,
        }
    }
}

impl Checked for NumberTrain {
    fn check(&self, check: &mut Check) {
        check.range("steps", self.steps, 1..=MOST_STEPS);
        check.range("checkpoint", self.checkpoint, 1..=MOST_STEPS);
    }
}

impl NumberSettings {
    fn read(table: &Table) -> Result<Self, ComponentErrors> {
        let mut table = table.clone();
        NEW_KEYS.fill(&mut table);
        let table = &table;
        let mut check = Check::new();
        let seed = check.keep("seed", settings::seed(table));
        let method = settings::section(table, "method").map_err(ComponentErrors::from);
        let method = check.keep("method", method.and_then(settings::method));
        let train = check.keep("train", settings::section(table, "train"));
        let train = train.and_then(|mut train| {
            train.retain(|key, _| NUMBER_TRAIN.contains(&key));
            registry::read_within::<NumberTrain>(&mut check, "train", train)
        });
        if let (Some(method), Some(train)) = (&method, &train) {
            check.within("method", |check| method.check_steps(train.steps, check));
        }
        check.finish()?;
        let read = "nothing was refused";
        Ok(Self {
            seed: seed.expect(read),
            method: method.expect(read),
            train: train.expect(read),
        })
    }

    /// The phases of its training.
    pub fn phases(&self) -> Vec<Phase> {
        self.method.phases(self.train.steps)
    }
}

/// Returns true if these settings are for training networks.
pub(super) fn reads_networks(table: &Table) -> bool {
    let name = table.get("method").and_then(|method| method.get("name"));
    name.and_then(Value::as_str).is_none_or(trains_networks)
}

#[cfg(test)]
pub(in crate::experiment) mod tests {
    use super::*;
    use crate::experiment::normalise;
    use crate::experiment::settings::sections::tests::{table, with};

    /// The settings of a mock trial, as a recipe that extends the defaults would give them.
    pub fn mock() -> Table {
        let method = "name = 'mock'\nburn-in = 10\nlevel = 20\nmodules = { a = true }\neffects = { a = 1 }\n\
                      noise = 1\nsleep-ms = 0\nfail-at = 0\nfailure = 'error'\nfail-times = 0";
        let mut table = table();
        table["method"] = Value::Table(method.parse().expect("TOML"));
        with(with(table, "train.steps", 30), "train.checkpoint", 7)
    }

    #[test]
    fn a_mock_trial_is_only_what_it_reads() {
        let mut left = mock();
        normalise(&mut left);
        let keys: Vec<&str> = left.keys().map(String::as_str).collect();
        assert_eq!(keys.len(), 3, "{keys:?}");
        assert_eq!(left["train"].as_table().unwrap().len(), 2);
        let read = TrialSettings::read(&left).unwrap();
        let phases = read.phases().into_iter().map(|phase| phase.steps);
        assert_eq!(phases.collect::<Vec<_>>(), [0..10, 10..30]);
        assert_eq!((read.steps(), read.checkpoint()), (30, 7));
        let mut other = with(mock(), "train.rate", 0.5);
        normalise(&mut other);
        assert_eq!(left, other);
        let mut other = with(mock(), "method.noise", 2);
        normalise(&mut other);
        assert_ne!(left, other);
    }

    #[test]
    fn the_effect_of_a_module_that_is_off_makes_no_other_trial() {
        let normalised = |on: bool, effect: f64| {
            let with_module = with(mock(), "method.modules.a", on);
            let mut table = with(with_module, "method.effects.a", effect);
            normalise(&mut table);
            assert!(TrialSettings::read(&table).is_ok());
            table
        };
        assert_eq!(normalised(false, 1.0), normalised(false, 2.0));
        assert_ne!(normalised(true, 1.0), normalised(true, 2.0));
        assert_ne!(normalised(true, 1.0), normalised(false, 1.0));
    }

    #[test]
    fn all_errors_of_a_mock_trial_come_with_their_paths() {
        let wrong = with(mock(), "train.steps", 0);
        let wrong = with(wrong, "method.burn-in", 5);
        let errors = TrialSettings::read(&wrong).unwrap_err();
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["train.steps", "method.burn-in"]);
        let wrong = with(mock(), "method.burn", 5);
        let wrong = with(wrong, "train.checkpoint", -1);
        let errors = TrialSettings::read(&wrong).unwrap_err();
        assert!(errors[0].key.starts_with("method") && errors[1].key == "train.checkpoint");
        assert!(errors[0].message.contains("burn"), "{errors:?}");
    }

    #[test]
    fn other_methods_are_read_as_before() {
        let read = TrialSettings::read(&table()).unwrap();
        assert!(read.method().has_teacher() && matches!(read, TrialSettings::Networks(_)));
    }
}
