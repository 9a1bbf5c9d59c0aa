//! What is kept of an analysis: detections as columns of whole numbers, and tables.

use super::drawn::Drawn;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the file.
pub const VERSION: u32 = 2;
/// Qualities and overlaps are kept in parts of this. No two overlaps of masks of fewer pixels are rounded to the
/// two sides of one half.
const PARTS: f64 = 1_000_000.0;
/// The least score of a detection in the confusion matrix.
pub const MIN_SCORE: f64 = 0.5;

/// A detection and the objects that it overlaps most.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prediction {
    /// The place of its image in the list of evaluated images.
    pub image: usize,
    /// Its class.
    pub class: usize,
    /// Its score.
    pub score: f64,
    /// The probability of its class.
    pub class_quality: f64,
    /// The mean probability of its pixels.
    pub mask_quality: f64,
    /// True if no other class, and not the background either, is more likely for the same mask.
    pub is_first: bool,
    /// The largest IoU with an object of its class; 0 without one.
    pub own: f64,
    /// That object; none if the IoU is 0.
    pub own_object: Option<usize>,
    /// The largest IoU with an object of another class; 0 without one.
    pub other: f64,
    /// The class of that object; none if the IoU is 0.
    pub other_class: Option<usize>,
    /// The largest share of it that lies in a group of objects (a crowd).
    pub crowd: f64,
}

impl Prediction {
    /// The largest IoU with an object of any class.
    pub fn overlap(&self) -> f64 {
        self.own.max(self.other)
    }

    /// Returns true if it overlaps a group of objects more than any single object: then it is neither right nor wrong.
    pub fn is_ignored(&self) -> bool {
        self.crowd > self.overlap()
    }
}

/// TIDE's numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tide {
    /// AP at IoU 0.5, in percent.
    pub ap: f64,
    /// By kind of error, the points of AP that a network without errors of this kind would have more. They do not
    /// add up.
    pub deltas: BTreeMap<String, f64>,
}

/// An analysis of the detections of one network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// The version of the file.
    pub version: u32,
    /// The network: `teacher`, `student` or `average`.
    pub model: String,
    /// The ids of the evaluated images.
    pub images: Vec<u64>,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// A number for each class: classes with the same number are similar.
    pub groups: Vec<usize>,
    /// The number of objects that are not groups.
    pub objects: usize,
    /// The confusion matrix at IoU 0.5 and score [`MIN_SCORE`]: class of the object, class of the detection, and
    /// how often, where it happened. The number of classes stands for the background.
    pub confusion: Vec<[usize; 3]>,
    /// The images in which classes are confused in this matrix: the place of the image, class of the object and class
    /// of the detection, each once. None in a file of an earlier program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confused: Option<Vec<[usize; 3]>>,
    /// TIDE's numbers.
    pub tide: Tide,
    /// The detections.
    pub found: Columns,
    /// By image, what a gallery draws.
    pub drawn: Vec<Drawn>,
}

/// The detections, column by column: see [`Prediction`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Columns {
    image: Vec<usize>,
    class: Vec<usize>,
    score: Vec<u32>,
    class_quality: Vec<u32>,
    mask_quality: Vec<u32>,
    is_first: Vec<u8>,
    own: Vec<u32>,
    own_object: Vec<Option<usize>>,
    other: Vec<u32>,
    other_class: Vec<Option<usize>>,
    crowd: Vec<u32>,
}

impl Analysis {
    /// The detections, in the order in which they were added.
    pub fn predictions(&self) -> Vec<Prediction> {
        let found = &self.found;
        let share = |values: &[u32], at: usize| f64::from(values[at]) / PARTS;
        let prediction = |at| Prediction {
            image: found.image[at],
            class: found.class[at],
            score: share(&found.score, at),
            class_quality: share(&found.class_quality, at),
            mask_quality: share(&found.mask_quality, at),
            is_first: found.is_first[at] == 1,
            own: share(&found.own, at),
            own_object: found.own_object[at],
            other: share(&found.other, at),
            other_class: found.other_class[at],
            crowd: share(&found.crowd, at),
        };
        (0..found.image.len()).map(prediction).collect()
    }

    /// Keeps `predictions`.
    pub fn keep(&mut self, predictions: &[Prediction]) {
        let share = |value: f64| (value.clamp(0.0, 1.0) * PARTS).round() as u32;
        for one in predictions {
            self.found.image.push(one.image);
            self.found.class.push(one.class);
            self.found.score.push(share(one.score));
            self.found.class_quality.push(share(one.class_quality));
            self.found.mask_quality.push(share(one.mask_quality));
            self.found.is_first.push(u8::from(one.is_first));
            self.found.own.push(share(one.own));
            self.found.own_object.push(one.own_object);
            self.found.other.push(share(one.other));
            self.found.other_class.push(one.other_class);
            self.found.crowd.push(share(one.crowd));
        }
    }

    /// Returns true if the columns have one length and name what there is, as a file of this program does.
    pub fn is_whole(&self) -> bool {
        let found = &self.found;
        let count = found.image.len();
        let lengths = [
            found.class.len(),
            found.score.len(),
            found.class_quality.len(),
            found.mask_quality.len(),
            found.is_first.len(),
            found.own.len(),
            found.own_object.len(),
            found.other.len(),
            found.other_class.len(),
            found.crowd.len(),
        ];
        let classes = self.classes.len();
        let drawn = self.drawn.iter().flat_map(|one| &one.found);
        let known = found.class.iter().chain(found.other_class.iter().flatten());
        let known = known.chain(drawn.map(|one| &one.class));
        self.version == VERSION
            && lengths.iter().all(|length| *length == count)
            && self.groups.len() == classes
            && self.drawn.len() == self.images.len()
            && known.copied().all(|class| class < classes)
            && found.image.iter().all(|image| *image < self.images.len())
            && self
                .confusion
                .iter()
                .all(|[truth, found, _]| truth.max(found) <= &classes)
            && self.confused.iter().flatten().all(|[image, truth, found]| {
                *image < self.images.len() && truth.max(found) <= &classes
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_every_detection_and_a_damaged_one_is_seen() {
        let one = Prediction {
            image: 1,
            class: 2,
            score: 0.123456,
            class_quality: 0.5,
            mask_quality: 0.246912,
            is_first: true,
            own: 0.5,
            own_object: Some(7),
            other: 0.25,
            other_class: Some(0),
            crowd: 0.0,
        };
        let mut analysis = Analysis {
            version: VERSION,
            images: vec![11, 12],
            classes: vec!["a".into(), "b".into(), "c".into()],
            groups: vec![0, 0, 2],
            drawn: vec![Drawn::default(); 2],
            confused: Some(vec![[1, 3, 2]]),
            ..Analysis::default()
        };
        analysis.keep(&[one.clone(), Prediction::default()]);
        let text = serde_json::to_string(&analysis).unwrap();
        let read: Analysis = serde_json::from_str(&text).unwrap();
        assert!(read.is_whole());
        assert_eq!(read.predictions(), [one, Prediction::default()]);
        for (from, to) in [
            ("\"class\":[2,0]", "\"class\":[2]"),
            ("\"class\":[2,0]", "\"class\":[3,0]"),
            ("\"image\":[1,0]", "\"image\":[2,0]"),
            ("\"version\":2", "\"version\":1"),
            ("{\"objects\":0,\"found\":[]},", ""),
            ("\"confused\":[[1,3,2]]", "\"confused\":[[2,3,2]]"),
            ("\"confused\":[[1,3,2]]", "\"confused\":[[1,4,2]]"),
        ] {
            assert!(text.contains(from));
            let read: Analysis = serde_json::from_str(&text.replace(from, to)).unwrap();
            assert!(!read.is_whole(), "{to}");
        }
    }
}
