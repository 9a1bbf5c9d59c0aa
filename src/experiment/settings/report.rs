//! The table `[report]`.

use crate::registry::{Check, Checked};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number of snapshot images of a recipe without the key, and of a plan of an earlier program.
const SNAPSHOTS: usize = 4;
/// The largest number of snapshot images.
const MOST_SNAPSHOTS: usize = 64;
/// The largest number of analysed images.
const MOST_IMAGES: usize = 10_000_000;
/// The IoU above which a detection can be correct, so none of these is background.
const CORRECT: f64 = 0.5;

/// `[report]`. None of its keys changes a result.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReportConfig {
    /// True if a sweep makes the analyses of its finished trials at its end, as `harness report --analyse` does.
    pub analyse: bool,
    /// Lists of names of classes that are similar, for the kinds of errors; a class in no list is similar to none. An
    /// empty list leaves it to the supercategories of the dataset.
    pub similar: Vec<Vec<String>>,
    /// Unlabelled images of which a training keeps the teacher's candidates and pseudo-labels, at five moments; 0:
    /// none.
    #[serde(default = "snapshots")]
    #[schemars(!default)]
    pub snapshots: usize,
    /// The IoU up to which a detection is on no object, for the kinds of errors.
    #[serde(default)]
    #[schemars(!default)]
    pub bg_iou: f64,
    /// Evaluated images that are analysed: those whose ids have the smallest BLAKE3 digests; 0: all.
    #[serde(default)]
    #[schemars(!default)]
    pub images: usize,
    /// True if an analysis leaves the detections as COCO results, too.
    #[serde(default)]
    #[schemars(!default)]
    pub predictions: bool,
}

fn snapshots() -> usize {
    SNAPSHOTS
}

impl Default for ReportConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Checked for ReportConfig {
    fn check(&self, check: &mut Check) {
        let names: Vec<&String> = self.similar.iter().flatten().collect();
        let is_twice = |(at, name): (usize, &&String)| names[..at].contains(name);
        let twice = names.iter().enumerate().any(is_twice);
        let has_room = self.similar.iter().all(|group| group.len() > 1);
        let found = format!("{:?}", self.similar);
        let allowed = "lists of two or more names of classes, each name once";
        check.require(has_room && !twice, "similar", found, allowed);
        check.range("snapshots", self.snapshots, 0..=MOST_SNAPSHOTS);
        check.range("bg-iou", self.bg_iou, 0.0..=CORRECT);
        check.range("images", self.images, 0..=MOST_IMAGES);
    }
}

impl ReportConfig {
    /// Every key at its default.
    pub const DEFAULT: Self = Self {
        analyse: false,
        similar: Vec::new(),
        snapshots: SNAPSHOTS,
        bg_iou: 0.0,
        images: 0,
        predictions: false,
    };

    /// Returns true if every key has its default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// A number for each of `classes`: classes with the same number are similar. None if the dataset decides.
    ///
    /// # Errors
    /// A name is no class. The message names it.
    pub fn groups(&self, classes: &[String]) -> Result<Option<Vec<usize>>, String> {
        let mut names = self.similar.iter().flatten();
        if let Some(name) = names.find(|name| !classes.contains(name)) {
            let known = classes.join("`, `");
            return Err(format!("unknown class `{name}`; known: `{known}`"));
        }
        let place = |name: &String| classes.iter().position(|class| class == name);
        let group = |(at, class): (usize, &String)| {
            let own = self.similar.iter().find(|group| group.contains(class));
            own.and_then(|group| place(&group[0])).unwrap_or(at)
        };
        let groups = classes.iter().enumerate().map(group);
        Ok((!self.similar.is_empty()).then(|| groups.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(similar: &[&[&str]]) -> ReportConfig {
        let names = |group: &&[&str]| group.iter().map(|name| name.to_string()).collect();
        ReportConfig {
            similar: similar.iter().map(names).collect(),
            ..ReportConfig::DEFAULT
        }
    }

    #[test]
    fn lists_become_groups_and_other_classes_are_alone() {
        let classes = ["a", "b", "c", "d"].map(String::from);
        let of = |similar: &[&[&str]]| config(similar).groups(&classes);
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[&["d", "b"]]), Ok(Some(vec![0, 3, 2, 3])));
        assert_eq!(of(&[&["a", "c"], &["d", "b"]]), Ok(Some(vec![0, 3, 0, 3])));
        let wrong = of(&[&["a", "cat"]]).unwrap_err();
        assert_eq!(wrong, "unknown class `cat`; known: `a`, `b`, `c`, `d`");
    }

    #[test]
    fn a_table_of_an_earlier_program_has_snapshots() {
        let old = r#"{"analyse":true,"similar":[]}"#;
        let read: ReportConfig = serde_json::from_str(old).unwrap();
        assert!(read.analyse && read.snapshots == 4 && !read.is_default());
        assert!(ReportConfig::default().is_default());
        assert!((read.bg_iou, read.images, read.predictions) == (0.0, 0, false));
        let is_good = |config: ReportConfig| {
            let mut check = Check::new();
            config.check(&mut check);
            check.finish().is_ok()
        };
        let with = |snapshots, bg_iou| ReportConfig {
            snapshots,
            bg_iou,
            ..ReportConfig::DEFAULT
        };
        assert!(is_good(with(64, 0.5)) && is_good(with(0, 0.0)));
        assert!(!is_good(with(65, 0.0)) && !is_good(with(4, 0.51)) && !is_good(with(4, -0.1)));
    }

    #[test]
    fn a_list_of_one_name_and_a_name_in_two_lists_are_refused() {
        let is_good = |similar: &[&[&str]]| {
            let mut check = Check::new();
            config(similar).check(&mut check);
            check.finish().is_ok()
        };
        assert!(is_good(&[]) && is_good(&[&["a", "b"], &["c", "d"]]));
        assert!(
            !is_good(&[&["a"]])
                && !is_good(&[&["a", "b"], &["b", "c"]])
                && !is_good(&[&["a", "a"]])
        );
    }
}
