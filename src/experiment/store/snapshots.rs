//! The snapshots of a training in the folder of its stage: `snapshots/<step>.json`, and `snapshots/image-<id>.json`,
//! which is the picture of an image with the annotations that the training does not see.
//!
//! Masks are those of the picture's small copy. The map of uncertainties has a quarter of its rows and columns.

use super::folder::StageFolder;
use super::pictures::KeptPicture;
use crate::atomic::{Durability, write_durably};
use crate::eval::analysis::{packed, unpacked};
use crate::method::filter::Tier;
use crate::method::{CandidateSnapshot, ImageSnapshot, object_under};
use crate::structures::{Instance, Mask, mask_resized};
use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// The version of the files: another one is not read.
const VERSION: u32 = 1;
/// Qualities are kept in parts of this.
const PARTS: f32 = 10_000.0;
/// The rows and columns of a small copy for each of the map of uncertainties.
const SHRINK: usize = 4;

/// What a teacher says of some images after a step of a training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSnapshot {
    version: u32,
    /// The steps taken.
    pub step: usize,
    /// The steps in which a teacher labels: the first one, and the one after the last.
    pub labelled: [usize; 2],
    /// The images.
    pub images: Vec<KeptImage>,
}

/// An image of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptImage {
    /// Its id in the dataset.
    pub id: u64,
    /// Rows and columns of its small copy.
    pub size: (usize, usize),
    /// True if the dataset has its annotations.
    pub is_annotated: bool,
    /// The number of all low candidates.
    pub low: usize,
    /// The candidates; of the low ones the best.
    pub candidates: Vec<KeptCandidate>,
    /// A byte for each place of the map, in base64; none if the weighting reduces nothing.
    uncertainty: Option<String>,
}

/// A candidate of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptCandidate {
    /// The teacher's class.
    pub class: usize,
    /// The class after the correction.
    pub corrected: usize,
    /// The class of the object that it lies on; none if it lies on none, or if the image is not annotated.
    pub object: Option<usize>,
    /// Its tier.
    pub tier: Tier,
    /// True if it is a pseudo-label.
    pub kept: bool,
    class_quality: u32,
    mask_quality: u32,
    mask: String,
}

impl KeptSnapshot {
    /// The snapshot of `images` after `step` steps of a training in which a teacher labels from step `labelled[0]` on,
    /// to the step `labelled[1]`.
    pub fn new(step: usize, labelled: [usize; 2], images: Vec<KeptImage>) -> Self {
        Self {
            version: VERSION,
            step,
            labelled,
            images,
        }
    }

    /// The share of the steps with a teacher that are taken, in percent.
    pub fn percent(&self) -> usize {
        let [start, end] = self.labelled;
        let all = end.saturating_sub(start).max(1);
        (200 * self.step.saturating_sub(start) / all).div_ceil(2)
    }

    /// Writes the snapshot into the folder of its stage. The same one has the same bytes.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn write(&self, stage: &StageFolder, durability: Durability) -> Result<()> {
        let path = stage.snapshots().join(format!("{}.json", self.step));
        write_durably(&path, &serde_json::to_vec(self)?, durability)
    }

    /// The snapshots of a stage by rising step; damaged ones are left out.
    pub fn read_all(stage: &StageFolder) -> Vec<Self> {
        let entries = fs::read_dir(stage.snapshots()).into_iter().flatten();
        let mut found: Vec<Self> = entries
            .flatten()
            .filter_map(|entry| Self::read(&entry.path()))
            .collect();
        found.sort_by_key(|one| one.step);
        found
    }

    fn read(path: &Path) -> Option<Self> {
        let is_step = path.file_stem()?.to_str()?.parse::<usize>().is_ok();
        let text = is_step.then(|| fs::read(path).ok())??;
        let read: Self = serde_json::from_slice(&text).ok()?;
        let is_whole = read.version == VERSION && read.images.iter().all(KeptImage::is_whole);
        is_whole.then_some(read)
    }
}

impl KeptImage {
    /// The image `id`, whose small copy has the rows and columns `size`. `truth`: its annotations at the size of the
    /// picture that was looked at; none if the dataset does not have them.
    pub fn new(
        id: u64,
        size: (usize, usize),
        found: &ImageSnapshot,
        picture: (usize, usize),
        truth: Option<&[Instance]>,
    ) -> Self {
        let quality = |value: f32| (value.clamp(0.0, 1.0) * PARTS).round() as u32;
        let candidate = |one: &CandidateSnapshot| KeptCandidate {
            class: one.class,
            corrected: one.corrected,
            object: truth.and_then(|truth| object_under(&one.mask, truth)),
            tier: one.tier,
            kept: one.kept,
            class_quality: quality(one.class_quality),
            mask_quality: quality(one.mask_quality),
            mask: packed(&mask_resized(&one.mask, size)),
        };
        let map = found.uncertainty.as_ref();
        Self {
            id,
            size,
            is_annotated: truth.is_some(),
            low: found.low,
            candidates: found.candidates.iter().map(candidate).collect(),
            uncertainty: map.map(|map| STANDARD.encode(shrunk(map, picture, map_size(size)))),
        }
    }

    /// The map of uncertainties: its rows and columns, and 255 times the value of each place. None if the weighting
    /// reduces nothing.
    pub fn uncertainty(&self) -> Option<((usize, usize), Vec<u8>)> {
        let values = STANDARD.decode(self.uncertainty.as_ref()?).ok()?;
        let size = map_size(self.size);
        (values.len() == size.0 * size.1).then_some((size, values))
    }

    /// The file of its picture.
    pub fn picture(stage: &StageFolder, id: u64) -> PathBuf {
        stage.snapshots().join(format!("image-{id}.json"))
    }

    /// Its picture with its annotations; none if it is missing or damaged, or has another size.
    pub fn shown(&self, stage: &StageFolder) -> Option<KeptPicture> {
        let read = KeptPicture::read(&Self::picture(stage, self.id))?;
        (read.size == self.size).then_some(read)
    }

    fn is_whole(&self) -> bool {
        let masks = self.candidates.iter();
        self.uncertainty.is_some() == self.uncertainty().is_some()
            && masks.map(|one| one.mask(self.size)).all(|one| one.is_ok())
    }
}

impl KeptCandidate {
    /// Eq. 3 of PL-DC.
    pub fn class_quality(&self) -> f64 {
        f64::from(self.class_quality) / f64::from(PARTS)
    }

    /// Eq. 4.
    pub fn mask_quality(&self) -> f64 {
        f64::from(self.mask_quality) / f64::from(PARTS)
    }

    /// Its pixels in the small copy, which has the rows and columns `size`.
    ///
    /// # Errors
    /// The runs are damaged.
    pub fn mask(&self, size: (usize, usize)) -> Result<Mask> {
        unpacked(&self.mask, size)
    }
}

/// Rows and columns of the map of an image whose small copy has the rows and columns `size`.
fn map_size((height, width): (usize, usize)) -> (usize, usize) {
    (height.div_ceil(SHRINK), width.div_ceil(SHRINK))
}

/// The means of `map` `[from.0, from.1]` over the parts that the places of a map with the rows and columns `to` stand
/// for, times 255.
fn shrunk(map: &[f32], from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    let part = |at: usize, from: usize, to: usize| {
        let start = at * from / to;
        start..((at + 1) * from / to).max(start + 1)
    };
    let mean = |at: usize| {
        let rows = part(at / to.1, from.0, to.0);
        let columns = part(at % to.1, from.1, to.1);
        let count = rows.len() * columns.len();
        let values = rows.flat_map(|row| &map[row * from.1..][columns.clone()]);
        let sum: f64 = values.map(|value| f64::from(*value)).sum();
        (sum / count as f64 * 255.0).round() as u8
    };
    (0..to.0 * to.1).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structures::InstanceSource;

    fn snapshot() -> KeptSnapshot {
        let candidate = |tier, kept| CandidateSnapshot {
            class: 1,
            corrected: 2,
            class_quality: 0.75,
            mask_quality: 0.12345,
            tier,
            kept,
            mask: Mask::new(2, 4, vec![1, 1, 0, 0, 1, 1, 0, 0]),
        };
        let found = ImageSnapshot {
            candidates: vec![candidate(Tier::High, true), candidate(Tier::Low, false)],
            low: 9,
            uncertainty: Some(vec![1.0, 0.5, 0.0, 0.0, 1.0, 0.5, 0.0, 0.0]),
        };
        let truth = [Instance {
            class: 2,
            mask: Mask::new(2, 4, vec![1, 1, 0, 0, 1, 0, 0, 0]),
            source: InstanceSource::Annotation,
        }];
        let own = KeptImage::new(7, (4, 8), &found, (2, 4), Some(&truth));
        let bare = ImageSnapshot {
            uncertainty: None,
            ..found
        };
        let other = KeptImage::new(8, (2, 4), &bare, (2, 4), None);
        KeptSnapshot::new(25, [20, 40], vec![own, other])
    }

    #[test]
    fn a_snapshot_is_read_again_and_a_damaged_one_is_left_out() {
        let out = tempfile::tempdir().unwrap();
        let stage = StageFolder::new(out.path().join("distill-1"));
        assert_eq!(KeptSnapshot::read_all(&stage), []);
        let first = snapshot();
        let second = KeptSnapshot {
            step: 100,
            ..first.clone()
        };
        for one in [&second, &first] {
            one.write(&stage, Durability::Cached).unwrap();
        }
        let picture = KeptPicture::new((4, 8), &[1], &[]);
        let path = KeptImage::picture(&stage, 7);
        picture.write(&path, Durability::Cached).unwrap();
        assert_eq!(KeptSnapshot::read_all(&stage), [first.clone(), second]);
        let [own, other] = &first.images[..] else {
            panic!()
        };
        assert_eq!(own.shown(&stage), Some(picture));
        assert_eq!(other.shown(&stage), None);
        assert_eq!(own.uncertainty(), Some(((1, 2), vec![191, 0])));
        assert_eq!((other.uncertainty(), other.is_annotated), (None, false));
        let one = &own.candidates[0];
        assert_eq!((one.object, other.candidates[0].object), (Some(2), None));
        assert_eq!((one.class_quality(), one.mask_quality()), (0.75, 0.1235));
        assert_eq!(one.mask((4, 8)).unwrap().area(), 16, "twice as large");
        let path = stage.snapshots().join("25.json");
        let text = fs::read_to_string(&path).unwrap();
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("\"size\":[4,8]", "\"size\":[4,7]"),
            ("\"high\"", "\"best\""),
        ] {
            assert!(text.contains(from), "{from} in {text}");
            fs::write(&path, text.replace(from, to)).unwrap();
            assert_eq!(KeptSnapshot::read_all(&stage).len(), 1, "{to}");
        }
    }

    #[test]
    fn the_share_of_a_moment_is_that_of_the_steps_with_a_teacher() {
        let at = |step, labelled| KeptSnapshot::new(step, labelled, Vec::new()).percent();
        let steps = [20, 25, 30, 35, 40];
        assert_eq!(steps.map(|step| at(step, [20, 40])), [0, 25, 50, 75, 100]);
        assert_eq!([at(1, [0, 3]), at(2, [0, 3]), at(5, [5, 5])], [33, 67, 0]);
    }
}
