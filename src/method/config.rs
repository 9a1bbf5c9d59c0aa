//! The recipe's tables `[loss]` and `[method]`: their keys, and what values they may have.
//!
//! Every key is required; the defaults and their sources stand in `recipes/pl-dc.toml` alone.

use super::correction::CORRECTIONS;
use super::filter::FILTERS;
use super::mock::MockConfig;
use super::weighting::WEIGHTINGS;
use crate::registry::{self, Check, Checked, ComponentErrors, Entry, MOST_STEPS, MOST_WEIGHT};
use crate::structures::LARGEST_SIDE;
use serde::Deserialize;

/// Table `[loss]`: weights of the losses and of the matching costs, and the sampled points.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LossConfig {
    /// Weight of the class cross-entropy.
    pub class: f32,
    /// Weight of the point-wise binary cross-entropy.
    pub mask: f32,
    /// Weight of the dice loss.
    pub dice: f32,
    /// Class weight of the no-object class.
    pub no_object: f32,
    /// Sampled points per mask.
    pub points: usize,
    /// Candidate points per chosen point.
    pub oversample: f32,
    /// Fraction of the points chosen by uncertainty; the rest is uniform.
    pub importance: f32,
    /// Matching cost of the class probability.
    pub match_class: f32,
    /// Matching cost of the binary cross-entropy.
    pub match_mask: f32,
    /// Matching cost of dice.
    pub match_dice: f32,
}

/// Largest number of sampled points per mask; the candidates that they are chosen from are held in memory.
const MOST_POINTS: usize = 1_000_000;
/// Largest number of candidate points per chosen point.
const MOST_OVERSAMPLE: f32 = 100.0;
/// Largest number of query-class pairs of an image.
const MOST_PAIRS: usize = 1_000_000;

impl Checked for LossConfig {
    fn check(&self, check: &mut Check) {
        for (key, weight) in [
            ("class", self.class),
            ("mask", self.mask),
            ("dice", self.dice),
            ("no-object", self.no_object),
            ("match-class", self.match_class),
            ("match-mask", self.match_mask),
            ("match-dice", self.match_dice),
        ] {
            check.range(key, weight, 0.0..=MOST_WEIGHT as f32);
        }
        check.range("points", self.points, 1..=MOST_POINTS);
        check.range("oversample", self.oversample, 1.0..=MOST_OVERSAMPLE);
        check.range("importance", self.importance, 0.0..=1.0);
    }
}

/// What eq. 3's softmax runs over.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// The objects and no-object: the probability that the detector itself reports (released code).
    WithNoObject,
    /// The objects only, as the paper prints it; queries whose most likely class is no-object are then no candidates.
    Foreground,
}

/// Which (query, class) pairs of an image are candidates.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Every query once, with its most likely object class (paper).
    ArgMax,
    /// The pairs with the highest probability, so that a query may appear with several classes (released code).
    TopPairs,
}

/// What the class loss does with images that have no target.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyImage {
    /// No class loss if no image of the part has a target; else all images count (released code).
    ZeroBatch,
    /// No class loss for the images without a target.
    ZeroImage,
    /// Every query of such an image learns no-object (Mask2Former).
    Background,
}

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
        build: |table| registry::read(table).map(MethodConfig::Supervised),
    },
    Entry {
        name: "teacher-student",
        about: "the student learns from labels and from the pseudo-labels of its moving average",
        build: |table| {
            registry::read(table).map(|config| MethodConfig::TeacherStudent(Box::new(config)))
        },
    },
    Entry {
        name: "mock",
        about: "trains no network; its mAP is computed from the settings and the seed",
        build: |table| registry::read(table).map(MethodConfig::Mock),
    },
];

impl Checked for SupervisedConfig {
    fn check(&self, check: &mut Check) {
        check.range("burn-in", self.burn_in, 0..=MOST_STEPS);
    }
}

impl Checked for TeacherStudentConfig {
    fn check(&self, check: &mut Check) {
        check.range("burn-in", self.burn_in, 0..=MOST_STEPS);
        check.range("ema", self.ema, 0.0..=1.0);
        check.range("lambda", self.lambda, 0.0..=MOST_WEIGHT as f32);
        check.range("top-pairs", self.top_pairs, 1..=MOST_PAIRS);
        check.range("min-area", self.min_area, 0..=LARGEST_SIDE * LARGEST_SIDE);
        check.range("duplicate-iou", self.duplicate_iou, 0.0..=1.0);
        check.keep("", slot("filter", FILTERS, &self.filter));
        check.keep("", slot("correction", CORRECTIONS, &self.correction));
        check.keep("", slot("weighting", WEIGHTINGS, &self.weighting));
    }
}

/// Makes the component of a slot; an error names the key with the slot in front.
pub(super) fn slot<T>(
    name: &str,
    entries: &[Entry<T>],
    table: &toml::Table,
) -> Result<T, ComponentErrors> {
    registry::build(entries, table.clone()).map_err(|errors| errors.within(name))
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
    type Error = ComponentErrors;

    fn try_from(table: toml::Table) -> Result<Self, ComponentErrors> {
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
        registry::read::<LossConfig>(table("loss")).unwrap();
        let method = MethodConfig::try_from(table("method")).unwrap();
        assert_eq!(method.burn_in(), 800);
    }

    #[test]
    fn an_error_in_a_slot_names_slot_and_key() {
        let mut method = table("method");
        method["filter"]["alpha"] = 1.5.into();
        let error = MethodConfig::try_from(method).unwrap_err();
        assert_eq!(error[0].key, "filter.alpha");
        assert!(
            error[0].message.contains("1.5") && error[0].message.contains("0 to 1"),
            "{error}"
        );
    }

    #[test]
    fn unknown_and_missing_keys_are_refused() {
        let mut method = table("method");
        method.insert("burnin".into(), 3.into());
        assert!(
            MethodConfig::try_from(method).unwrap_err()[0]
                .message
                .contains("burnin")
        );
        let mut method = table("method");
        method.remove("lambda");
        assert!(
            MethodConfig::try_from(method).unwrap_err()[0]
                .message
                .contains("lambda")
        );
        let mut method = table("method");
        method["correction"] = toml::Value::Table(toml::Table::from_iter([(
            "name".to_string(),
            toml::Value::from("dcc"),
        )]));
        let error = MethodConfig::try_from(method).unwrap_err();
        assert_eq!(error[0].key, "correction.name");
        assert!(error[0].message.contains("`dicc`"), "{error}");
    }

    #[test]
    fn a_loss_needs_points() {
        let mut loss: LossConfig = registry::read(table("loss")).unwrap();
        loss.points = 0;
        assert_eq!(loss.checked().unwrap_err()[0].key, "points");
        loss.points = 1;
        loss.importance = f32::NAN;
        assert_eq!(loss.checked().unwrap_err()[0].key, "importance");
    }
}
