//! The table `[split]`.

use crate::registry::{Check, Checked, above, real, schema_of_word_or, word_or_number};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::path::PathBuf;
use toml::Value;

/// The table `[split]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SplitConfig {
    /// The fraction of the training images with labels. With 1, all are labelled, and all are used as
    /// unlabelled too.
    pub labelled: f64,
    /// The minimum number of instances of every class in the labelled part, without crowds.
    pub min_instances: usize,
    /// True if images without any object are among the unlabelled ones. Only the hidden labels show which
    /// images these are.
    pub unlabelled_backgrounds: bool,
    /// The draw of the labelled images. It is not read if there is a `list`.
    pub rule: Rule,
    /// The seed of the draw, or of the list in a file with several.
    pub seed: SplitSeed,
    /// A file that lists the labelled images; empty if they are drawn. `{percent}` in it stands for the percentage,
    /// such as 5 or 0.5, so that each share takes a file of its own.
    pub list: PathBuf,
    /// The format of `list`.
    pub format: ListFormat,
    /// The percentage in a file with several lists, and in the name of a `list`.
    pub percent: Percent,
    /// The unlabelled images.
    pub unlabelled: Unlabelled,
}

/// A draw of the labelled images from the training images in the order of their file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The first of a permutation by this program's own random numbers, drawn again until every class has
    /// `min-instances` objects. Images without an object are never labelled.
    Permutation,
    /// The first of `numpy.random.permutation`, as in Noisy Boundaries and Soft Teacher. Drawn once.
    Numpy,
    /// `numpy.random.choice` with replacement, as in STAC and MMDetection: images that are drawn twice count
    /// once, so there are fewer than `labelled` says. Drawn once.
    NumpyReplace,
}

/// The seed of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitSeed {
    /// The seed of the trial: another trial has another split.
    Trial,
    /// The same for every trial.
    Fixed(u64),
}

/// The format of a list of labelled images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListFormat {
    /// The content of the file tells it.
    Auto,
    /// Percentage, then seed, then indices into the images with an object, sorted by id: Unbiased Teacher's.
    IndicesJson,
    /// The names of the images, one a line: GuidedDistillation's.
    Names,
    /// COCO's annotations, of which only `images` is read.
    CocoJson,
}

/// The percentage in a file with several lists.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Percent {
    /// A hundred times `labelled`.
    OfLabelled,
    /// Another one.
    Number(f64),
}

/// Stands for the percentage in the path of a list.
pub(super) const PLACEHOLDER: &str = "{percent}";

/// The images that a teacher labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unlabelled {
    /// The training images without labels, or all of them if all have labels, and the dataset's further images.
    Rest,
    /// All training images, those with labels too, and the dataset's further images.
    All,
    /// The dataset's further images alone.
    Extra,
}

impl SplitConfig {
    /// The split of the program's own rule, with a share of `labelled` and `min_instances` of every class.
    pub fn of_permutation(labelled: f64, min_instances: usize) -> Self {
        Self {
            labelled,
            min_instances,
            unlabelled_backgrounds: true,
            rule: Rule::Permutation,
            seed: SplitSeed::Trial,
            list: PathBuf::new(),
            format: ListFormat::Auto,
            percent: Percent::OfLabelled,
            unlabelled: Unlabelled::Rest,
        }
    }

    /// Returns true if the split is chosen as it was before there were other rules: drawn by the program with the
    /// seed of the trial, and the rest is unlabelled.
    pub fn is_usual(&self) -> bool {
        let usual = Self {
            unlabelled_backgrounds: self.unlabelled_backgrounds,
            ..Self::of_permutation(self.labelled, self.min_instances)
        };
        *self == usual
    }

    /// Returns true if a file lists the labelled images.
    pub fn is_listed(&self) -> bool {
        !self.list.as_os_str().is_empty()
    }

    /// The file that lists the labelled images, with the percentage for its placeholder.
    pub fn list_file(&self) -> PathBuf {
        let Some(text) = self.list.to_str().filter(|text| text.contains(PLACEHOLDER)) else {
            return self.list.clone();
        };
        let percent = percent_text(self.percent.of(self.labelled));
        PathBuf::from(text.replace(PLACEHOLDER, &percent))
    }

    /// The origin of the labelled images in words: the rule or the list, and the seed if the choice `has_seed`.
    pub fn origin(&self, has_seed: bool) -> String {
        let source = match self.rule {
            _ if self.is_listed() => {
                let list = self.list_file();
                let name = list.file_name().unwrap_or(list.as_os_str());
                format!("list `{}`", name.display())
            }
            Rule::Permutation => "rule `permutation`".to_string(),
            Rule::Numpy => "rule `numpy`".to_string(),
            Rule::NumpyReplace => "rule `numpy-replace`".to_string(),
        };
        match self.seed {
            _ if !has_seed => source,
            SplitSeed::Trial => format!("{source}, the trial's seed"),
            SplitSeed::Fixed(seed) => format!("{source}, seed {seed} in every trial"),
        }
    }
}

impl SplitSeed {
    /// The seed in a trial with the seed `trial`.
    pub fn of(self, trial: u64) -> u64 {
        match self {
            Self::Trial => trial,
            Self::Fixed(seed) => seed,
        }
    }
}

impl Percent {
    /// The percentage, if the share of labelled images is `labelled`.
    pub fn of(self, labelled: f64) -> f64 {
        match self {
            Self::OfLabelled => 100.0 * labelled,
            Self::Number(percent) => percent,
        }
    }
}

/// A percentage as short as possible, as names of files have it: 5, 0.5. It is not rounded to a whole number, which
/// would give two splits one name.
pub fn percent_text(percent: f64) -> String {
    let text = format!("{percent:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// The word for [`SplitSeed::Trial`].
const TRIAL: &str = "trial";
/// The word for [`Percent::OfLabelled`].
const LABELLED: &str = "labelled";

impl<'de> Deserialize<'de> for SplitSeed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seed = |value: &Value| u64::try_from(value.as_integer()?).ok();
        let found = word_or_number(deserializer, TRIAL, "a whole number from 0 on", seed)?;
        Ok(found.map_or(Self::Trial, Self::Fixed))
    }
}

impl Serialize for SplitSeed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Trial => serializer.serialize_str(TRIAL),
            Self::Fixed(seed) => serializer.serialize_u64(*seed),
        }
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = word_or_number(deserializer, LABELLED, "a number", real)?;
        Ok(found.map_or(Self::OfLabelled, Self::Number))
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::OfLabelled => serializer.serialize_str(LABELLED),
            Self::Number(number) => serializer.serialize_f64(*number),
        }
    }
}

impl JsonSchema for SplitSeed {
    fn schema_name() -> Cow<'static, str> {
        "SplitSeed".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema_of_word_or(TRIAL, &json_schema!({ "type": "integer", "minimum": 0 }))
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema_of_word_or(
            LABELLED,
            &json_schema!({ "type": "number", "exclusiveMinimum": 0, "maximum": 100 }),
        )
    }
}

impl Checked for SplitConfig {
    fn check(&self, check: &mut Check) {
        check.range("labelled", self.labelled, above(0.0, 1.0));
        if let Percent::Number(percent) = self.percent {
            check.range("percent", percent, above(0.0, 100.0));
        }
        if let SplitSeed::Fixed(seed) = self.seed
            && self.rule != Rule::Permutation
            && !self.is_listed()
        {
            check.range("seed", seed, 0..=u64::from(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    fn read(more: &str) -> Result<SplitConfig, String> {
        let usual = "labelled = 0.1\nmin-instances = 0\nunlabelled-backgrounds = true\nrule = 'permutation'\n\
                     seed = 'trial'\nlist = ''\nformat = 'auto'\npercent = 'labelled'\nunlabelled = 'rest'";
        let mut table: toml::Table = usual.parse().unwrap();
        table.extend(more.parse::<toml::Table>().unwrap());
        registry::read(table).map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_word_or_a_number_is_read_and_written() {
        let usual = read("").unwrap();
        assert!(usual.is_usual() && !usual.is_listed());
        assert_eq!((usual.seed.of(7), usual.percent.of(0.25)), (7, 25.0));
        let other = read("seed = 1\npercent = 2\nrule = 'numpy'").unwrap();
        assert_eq!((other.seed.of(7), other.percent.of(0.25)), (1, 2.0));
        assert!(!other.is_usual());
        assert_eq!(other.origin(true), "rule `numpy`, seed 1 in every trial");
        let json = serde_json::to_value(&other).unwrap();
        assert_eq!((&json["seed"], &json["percent"]), (&1.into(), &2.0.into()));
        assert_eq!(serde_json::to_value(&usual).unwrap()["seed"], "trial");
        let listed = read("list = 'far/perc_5.txt'").unwrap();
        assert_eq!(listed.origin(true), "list `perc_5.txt`, the trial's seed");
        assert_eq!(listed.origin(false), "list `perc_5.txt`");
        assert_eq!(listed.list_file(), listed.list);
    }

    #[test]
    fn the_path_of_a_list_may_hold_the_percentage() {
        for (more, file) in [
            ("labelled = 0.05", "far/perc_5.txt"),
            ("labelled = 0.07", "far/perc_7.txt"),
            ("labelled = 0.005", "far/perc_0.5.txt"),
            ("labelled = 1", "far/perc_100.txt"),
            ("labelled = 0.05\npercent = 12.5", "far/perc_12.5.txt"),
        ] {
            let config = read(&format!("list = 'far/perc_{{percent}}.txt'\n{more}")).unwrap();
            assert_eq!(config.list_file(), PathBuf::from(file));
            let name = file.strip_prefix("far/").unwrap();
            assert_eq!(config.origin(false), format!("list `{name}`"));
        }
    }

    #[test]
    fn other_values_are_refused_with_what_is_allowed() {
        for (more, expected) in [
            (
                "seed = 'run'",
                "seed: expected \"trial\" or a whole number from 0 on, found \"run\"",
            ),
            (
                "seed = -1",
                "seed: expected \"trial\" or a whole number from 0 on, found -1",
            ),
            (
                "percent = true",
                "percent: expected \"labelled\" or a number, found true",
            ),
            (
                "percent = 0",
                "percent: 0 is out of range; allowed: above 0, at most 100",
            ),
            (
                "rule = 'numpy'\nseed = 4294967296",
                "seed: 4294967296 is out of range; allowed: 0 to 4294967295",
            ),
        ] {
            assert_eq!(read(more).unwrap_err(), expected);
        }
        assert!(
            read("seed = 4294967296").is_ok(),
            "the program's own rule takes any"
        );
        let unknown = read("unlabelled = 'others'").unwrap_err();
        assert!(unknown.contains("`rest`, `all`, `extra`"), "{unknown}");
    }
}
