//! The recipe's table `[method]`: its keys, and what values they may have.
//!
//! Every key is required; the defaults and their sources stand in `recipes/pl-dc.toml` alone.

use super::correction::CORRECTIONS;
use super::filter::FILTERS;
use super::mock::MockConfig;
use super::weighting::WEIGHTINGS;
use crate::detector::{EmptyImage, Score, Selection};
use crate::registry::{self, ComponentError, Entry, MOST_WEIGHT, check_range};
use serde::Deserialize;

/// Table `[method]` with `name = "supervised"`.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SupervisedConfig {
    /// End of the stage that is shared with the other methods; training goes on as before.
    pub burn_in: usize,
    /// What the class loss does with images without a target.
    pub empty_image: EmptyImage,
}

/// Table `[method]` with `name = "teacher-student"`.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TeacherStudentConfig {
    /// T_b: supervised steps before the teacher appears.
    pub burn_in: usize,
    /// Part of the teacher that stays at every step.
    pub ema: f32,
    /// Weight of the unlabelled loss.
    pub lambda: f32,
    /// What eq. 3's softmax runs over.
    pub score: Score,
    /// Which pairs are candidates.
    pub candidates: Selection,
    /// Number of pairs for [`Selection::TopPairs`].
    pub top_pairs: usize,
    /// A pseudo-mask has more pixels than this.
    pub min_area: usize,
    /// Pseudo-masks that overlap a better one by more are dropped.
    pub duplicate_iou: f64,
    /// What the class loss does with images without a target.
    pub empty_image: EmptyImage,
    /// The filter's own table.
    pub filter: toml::Table,
    /// The correction's own table.
    pub correction: toml::Table,
    /// The weighting's own table.
    pub weighting: toml::Table,
}

/// Table `[method]`, checked down to its slots.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(try_from = "toml::Table")]
pub enum MethodConfig {
    /// Labelled images only.
    Supervised(SupervisedConfig),
    /// A student, its moving average as the teacher, and pseudo-labels between them.
    TeacherStudent(Box<TeacherStudentConfig>),
    /// No network: a number that the settings and the seed decide.
    Mock(MockConfig),
}

/// The methods that a recipe can name.
pub const METHODS: &[Entry<MethodConfig>] = &[
    Entry {
        name: "supervised",
        about: "trains on the labelled images only",
        build: |table| registry::options(table).map(MethodConfig::Supervised),
    },
    Entry {
        name: "teacher-student",
        about: "the student learns from labels and from the pseudo-labels of its moving average",
        build: |table| {
            let config: TeacherStudentConfig = registry::options(table)?;
            config.check()?;
            Ok(MethodConfig::TeacherStudent(Box::new(config)))
        },
    },
    Entry {
        name: "mock",
        about: "trains no network; its mAP is computed from the settings and the seed",
        build: |table| MockConfig::read(table).map(MethodConfig::Mock),
    },
];

impl TeacherStudentConfig {
    fn check(&self) -> Result<(), ComponentError> {
        check_range("ema", self.ema, 0.0, 1.0)?;
        check_range("lambda", self.lambda, 0.0, MOST_WEIGHT)?;
        check_range("duplicate-iou", self.duplicate_iou as f32, 0.0, 1.0)?;
        if self.top_pairs == 0 {
            return Err(ComponentError::new("top-pairs", "0 is too few; at least 1"));
        }
        slot("filter", FILTERS, &self.filter)?;
        slot("correction", CORRECTIONS, &self.correction)?;
        slot("weighting", WEIGHTINGS, &self.weighting)?;
        Ok(())
    }
}

/// Makes the component of a slot; an error names the key with the slot in front.
pub(super) fn slot<T>(
    name: &str,
    entries: &[Entry<T>],
    table: &toml::Table,
) -> Result<T, ComponentError> {
    registry::build(entries, table.clone()).map_err(|error| {
        let dot = if error.key.is_empty() { "" } else { "." };
        ComponentError::new(format!("{name}{dot}{}", error.key), error.message)
    })
}

impl MethodConfig {
    /// T_b, the number of steps that all methods share.
    pub fn burn_in(&self) -> usize {
        match self {
            Self::Supervised(config) => config.burn_in,
            Self::TeacherStudent(config) => config.burn_in,
            Self::Mock(config) => config.burn_in,
        }
    }
}

impl TryFrom<toml::Table> for MethodConfig {
    type Error = ComponentError;

    fn try_from(table: toml::Table) -> Result<Self, ComponentError> {
        registry::build(METHODS, table)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The tables of `recipes/pl-dc.toml`, the contract for all keys.
    pub(in crate::method) fn recipe() -> toml::Table {
        include_str!("../../recipes/pl-dc.toml")
            .parse()
            .expect("the recipe parses")
    }

    pub(in crate::method) fn table(name: &str) -> toml::Table {
        recipe()[name].as_table().expect("a table").clone()
    }

    #[test]
    fn the_recipe_of_pl_dc_is_accepted() {
        let method = MethodConfig::try_from(table("method")).unwrap();
        assert_eq!(method.burn_in(), 800);
    }

    #[test]
    fn an_error_in_a_slot_names_slot_and_key() {
        let mut method = table("method");
        method["filter"]["alpha"] = 1.5.into();
        let error = MethodConfig::try_from(method).unwrap_err();
        assert_eq!(error.key, "filter.alpha");
        assert!(
            error.message.contains("1.5") && error.message.contains("0 to 1"),
            "{error}"
        );
    }

    #[test]
    fn unknown_and_missing_keys_are_refused() {
        let mut method = table("method");
        method.insert("burnin".into(), 3.into());
        assert!(
            MethodConfig::try_from(method)
                .unwrap_err()
                .message
                .contains("burnin")
        );
        let mut method = table("method");
        method.remove("lambda");
        assert!(
            MethodConfig::try_from(method)
                .unwrap_err()
                .message
                .contains("lambda")
        );
        let mut method = table("method");
        method["correction"] = toml::Value::Table(toml::Table::from_iter([(
            "name".to_string(),
            toml::Value::from("dcc"),
        )]));
        let error = MethodConfig::try_from(method).unwrap_err();
        assert_eq!(error.key, "correction.name");
        assert!(error.message.contains("`dicc`"), "{error}");
    }
}
