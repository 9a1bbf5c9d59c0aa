//! The oddities that were found while a dataset was read: objects that were left out, clipped, turned or taken for
//! crowds, names that occur twice, and so on. Each is counted by part and reason, so that nothing is lost silently.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};

/// The number of names that are kept for each part and reason.
const NAMED: usize = 3;

/// The part of a dataset in which something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Part {
    /// The training images.
    Train,
    /// The evaluated images.
    Val,
    /// The further images without annotations.
    Unlabelled,
}

impl Part {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Unlabelled => "unlabelled",
        }
    }
}

/// The kind of an oddity. The order is the order in which messages list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// An object without a usable mask was left out.
    LeftOut,
    /// An object without a usable mask stays in the truth of the evaluation, with an empty mask: it counts as
    /// missed.
    EmptyMask,
    /// An annotation of an unknown image or category was left out, as pycocotools leaves it out.
    Unlisted,
    /// An annotation of a category that is no class was left out (`classes = "present"`).
    OtherCategory,
    /// An outline goes beyond the edge of its image; its mask ends at the edge.
    Clipped,
    /// A polygon of an outline has no area, or an odd number of values; the rest of the outline is used.
    BadPart,
    /// An image was turned as its EXIF tag demands.
    Turned,
    /// An annotation is a crowd: training ignores it, and the evaluation ignores detections on it.
    Crowd,
    /// An annotation has no `iscrowd`, or one that is neither true nor false; it is taken for a single object.
    NoCrowdFlag,
    /// Several annotations share an id.
    RepeatedId,
    /// Several categories share a name.
    RepeatedName,
    /// A category has no name; its id stands for it.
    NoName,
    /// A class of the training images has crowds there and no single object.
    CrowdsOnly,
    /// A class of the evaluated images has no object in the training images.
    NotTrained,
    /// A file name is written with backslashes; the file was found with slashes.
    Backslash,
    /// A file of an image folder is hidden, so it is not an image of the dataset.
    Hidden,
    /// A training picture has no annotations, so it is an unlabelled image.
    NoTruth,
    /// A picture of Cityscapes' own `val` is missing.
    MissingOfVal,
    /// An image of the training, or of `unlabelled-images`, is an evaluated image, too.
    IsEvaluated,
}

impl Reason {
    /// The sentence about `count` finds, without a full stop.
    pub fn sentence(self, count: usize) -> String {
        let many = |one: &str, more: &str| {
            let noun = if count == 1 { one } else { more };
            format!("{count} {noun}")
        };
        let annotations = many("annotation", "annotations");
        let categories = many("category", "categories");
        match self {
            Self::LeftOut => format!("{annotations} left out (no usable mask)"),
            Self::EmptyMask => {
                format!("{annotations} without a usable mask kept as missed objects")
            }
            Self::Unlisted => {
                format!("{annotations} left out (image or category is not listed)")
            }
            Self::OtherCategory => format!("{annotations} left out (category is no class)"),
            Self::Clipped => format!("{annotations} clipped at the edge of the image"),
            Self::BadPart => {
                format!("{annotations} with a bad polygon; the rest of the outline is used")
            }
            Self::Turned => format!("{} turned by the EXIF tag", many("image", "images")),
            Self::Crowd => {
                format!("{annotations} taken for crowds (`iscrowd`), which training ignores")
            }
            Self::NoCrowdFlag => {
                format!("{annotations} without a usable `iscrowd` taken for single objects")
            }
            Self::RepeatedId => format!("{annotations} with the id of another"),
            Self::RepeatedName => format!("{categories} with the same name as another"),
            Self::NoName => format!("{categories} without a name; the id stands for it"),
            Self::CrowdsOnly => format!("{} with crowds only", many("class", "classes")),
            Self::NotTrained => format!(
                "{} without an object in the training images",
                many("class", "classes")
            ),
            Self::Backslash => format!(
                "{} with backslashes in the name found with slashes",
                many("file", "files")
            ),
            Self::Hidden => format!("{} passed over", many("hidden file", "hidden files")),
            Self::NoTruth => format!(
                "{} without annotations, taken for unlabelled images",
                many("picture", "pictures")
            ),
            Self::MissingOfVal => format!(
                "{count} of the 500 pictures of Cityscapes' `val` {} missing, so AP is not comparable with published \
                 numbers",
                if count == 1 { "is" } else { "are" }
            ),
            Self::IsEvaluated => format!(
                "{} evaluated as well: training sees what it is judged by",
                many("picture is", "pictures are")
            ),
        }
    }
}

/// The finds of one part and reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The number of finds.
    pub count: usize,
    /// The names of the first few of them, each once, in the order of the file.
    pub names: Vec<String>,
    /// True if there are further names.
    #[serde(default)]
    pub more: bool,
}

/// All oddities of a dataset, by part and reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Row>", into = "Vec<Row>")]
pub struct Findings(BTreeMap<(Part, Reason), Finding>);

/// A part and a reason with their finds: the form of [`Findings`] in JSON, whose keys are texts.
type Row = (Part, Reason, Finding);

impl From<Vec<Row>> for Findings {
    fn from(rows: Vec<Row>) -> Self {
        let entries = rows.into_iter();
        Self(
            entries
                .map(|(part, reason, finding)| ((part, reason), finding))
                .collect(),
        )
    }
}

impl From<Findings> for Vec<Row> {
    fn from(findings: Findings) -> Self {
        let entries = findings.0.into_iter();
        let row = |((part, reason), finding)| (part, reason, finding);
        entries.map(row).collect()
    }
}

impl Finding {
    /// Keeps `name`, if it is new and one of the first. A finding is one line, so a line break in a name is a space.
    fn name(&mut self, name: String) {
        let name = name.replace(char::is_control, " ");
        match self.names.contains(&name) {
            true => {}
            false if self.names.len() < NAMED => self.names.push(name),
            false => self.more = true,
        }
    }
}

impl Findings {
    /// Adds one find. `name` is not called once it is known that there are more names than are kept.
    pub fn add(&mut self, part: Part, reason: Reason, name: impl FnOnce() -> String) {
        let finding = self.0.entry((part, reason)).or_default();
        finding.count += 1;
        if !finding.more {
            finding.name(name());
        }
    }

    /// Adds the finds of `other` after the own ones.
    pub fn extend(&mut self, other: Self) {
        for (key, more) in other.0 {
            let finding = self.0.entry(key).or_default();
            finding.count += more.count;
            more.names.into_iter().for_each(|name| finding.name(name));
            finding.more |= more.more;
        }
    }

    /// Returns true if nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of finds of one part and reason.
    pub fn count(&self, part: Part, reason: Reason) -> usize {
        self.0
            .get(&(part, reason))
            .map_or(0, |finding| finding.count)
    }

    /// All finds, by part, then by reason.
    pub fn iter(&self) -> impl Iterator<Item = (Part, Reason, &Finding)> {
        self.0
            .iter()
            .map(|((part, reason), finding)| (*part, *reason, finding))
    }

    /// One line for each part and reason, in a stable order.
    pub fn lines(&self) -> Vec<String> {
        let line = |(part, reason, finding): (Part, Reason, &Finding)| {
            let more = if finding.more { ", ..." } else { "" };
            format!(
                "{}: {}: {}{more}",
                part.name(),
                reason.sentence(finding.count),
                finding.names.join(", ")
            )
        };
        self.iter().map(line).collect()
    }
}

impl Display for Findings {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_are_counted_and_the_first_are_named() {
        let mut findings = Findings::default();
        assert!(findings.is_empty());
        findings.add(Part::Val, Reason::Crowd, || "annotation 9".into());
        for id in 1..=5 {
            findings.add(Part::Train, Reason::LeftOut, || format!("annotation {id}"));
        }
        let mut more = Findings::default();
        more.add(Part::Val, Reason::Crowd, || "annotation 10".into());
        findings.extend(more);
        assert_eq!(findings.count(Part::Train, Reason::LeftOut), 5);
        for _ in 0..9 {
            findings.add(Part::Unlabelled, Reason::Hidden, || "the\nsame".into());
        }
        assert_eq!(
            findings.to_string(),
            "train: 5 annotations left out (no usable mask): annotation 1, annotation 2, annotation 3, ...\n\
             val: 2 annotations taken for crowds (`iscrowd`), which training ignores: annotation 9, annotation 10\n\
             unlabelled: 9 hidden files passed over: the same"
        );
    }
}
