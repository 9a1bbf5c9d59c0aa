//! The settings of a trial, whatever it trains: networks, or with `method.name = "mock"` nothing but a number.

use super::sections::{self as settings, EvalModel, Settings};
use crate::method::{MethodConfig, MockConfig};
use crate::registry::{self, ComponentError};
use serde::Deserialize;
use toml::{Table, Value};

/// The name of the method that trains no network.
const MOCK: &str = "mock";
/// All that a mock trial reads of `[train]`.
pub(super) const MOCK_TRAIN: [&str; 2] = ["steps", "checkpoint"];

/// What a trial reads.
#[derive(Clone, Debug)]
pub enum TrialSettings {
    /// A training of networks.
    Network(Box<Settings>),
    /// A mock trial.
    Mock(MockSettings),
}

/// All that a mock trial reads.
#[derive(Clone, Debug, PartialEq)]
pub struct MockSettings {
    /// The trial's seed.
    pub seed: u64,
    /// `[method]`.
    pub method: MockConfig,
    /// Its part of `[train]`.
    pub train: MockTrain,
}

/// What a mock trial reads of `[train]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct MockTrain {
    /// Steps in all, the burn-in included.
    pub steps: usize,
    /// Steps between checkpoints.
    pub checkpoint: usize,
}

impl TrialSettings {
    /// Reads the settings of a trial.
    ///
    /// # Errors
    /// Everything that is wrong, each with the path of its key.
    pub fn read(table: &Table) -> Result<Self, Vec<ComponentError>> {
        if is_mock(table) {
            MockSettings::read(table).map(Self::Mock)
        } else {
            Settings::read(table).map(|settings| Self::Network(Box::new(settings)))
        }
    }

    /// The trial's seed.
    pub fn seed(&self) -> u64 {
        match self {
            Self::Network(settings) => settings.seed,
            Self::Mock(mock) => mock.seed,
        }
    }

    /// T_b, the steps that variants share.
    pub fn burn_in(&self) -> usize {
        match self {
            Self::Network(settings) => settings.method.burn_in(),
            Self::Mock(mock) => mock.method.burn_in,
        }
    }

    /// Steps in all.
    pub fn steps(&self) -> usize {
        match self {
            Self::Network(settings) => settings.train.steps,
            Self::Mock(mock) => mock.train.steps,
        }
    }

    /// Steps between checkpoints.
    pub fn checkpoint(&self) -> usize {
        match self {
            Self::Network(settings) => settings.train.checkpoint,
            Self::Mock(mock) => mock.train.checkpoint,
        }
    }

    /// The model that the tables show.
    pub fn reported(&self) -> EvalModel {
        match self {
            Self::Network(settings) => settings.reported(),
            Self::Mock(_) => EvalModel::Student,
        }
    }

    /// Whether a teacher labels images after the burn-in.
    pub fn has_teacher(&self) -> bool {
        matches!(self, Self::Network(settings) if matches!(settings.method, MethodConfig::TeacherStudent(_)))
    }
}

impl MockSettings {
    fn read(table: &Table) -> Result<Self, Vec<ComponentError>> {
        let mut errors = Vec::new();
        let mut keep = |section: &str, error: ComponentError| {
            let dot = if error.key.is_empty() { "" } else { "." };
            let key = format!("{section}{dot}{}", error.key);
            errors.push(ComponentError { key, ..error });
        };
        let seed = settings::seed(table).map_err(|error| keep("seed", error));
        let method = settings::section(table, "method").and_then(|mut method| {
            method.remove("name");
            MockConfig::read(method)
        });
        let method = method.map_err(|error| keep("method", error));
        let train = settings::section(table, "train").and_then(|mut train| {
            train.retain(|key, _| MOCK_TRAIN.contains(&key));
            registry::options::<MockTrain>(train)
        });
        let train = train.map_err(|error| keep("train", error));
        if let (Ok(method), Ok(train)) = (&method, &train) {
            for (key, value) in [("steps", train.steps), ("checkpoint", train.checkpoint)] {
                if value == 0 {
                    keep("train", ComponentError::new(key, "0 is not at least 1"));
                }
            }
            let (burn_in, steps) = (method.burn_in, train.steps);
            if burn_in > steps {
                let message = format!("{burn_in} is not at most train.steps = {steps}");
                keep("method", ComponentError::new("burn-in", message));
            }
        }
        match (seed, method, train) {
            (Ok(seed), Ok(method), Ok(train)) if errors.is_empty() => Ok(Self {
                seed,
                method,
                train,
            }),
            _ => Err(errors),
        }
    }
}

/// Whether these settings are those of a mock trial.
pub(super) fn is_mock(table: &Table) -> bool {
    let name = table.get("method").and_then(|method| method.get("name"));
    name.and_then(Value::as_str) == Some(MOCK)
}

#[cfg(test)]
pub(in crate::experiment) mod tests {
    use super::*;
    use crate::experiment::normalise;
    use crate::experiment::settings::sections::tests::{table, with};

    /// The settings of a mock trial as a recipe that extends the defaults gives them.
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
        assert_eq!(
            (read.steps(), read.burn_in(), read.checkpoint()),
            (30, 10, 7)
        );
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
        assert!(read.has_teacher() && matches!(read, TrialSettings::Network(_)));
    }
}
