//! The content of the snapshots as plain data. All shapes are data of SVG paths in half pixels of their picture.

use super::gallery_content::{GalleryPicture, Shape, drop_unused};

/// The colour of an undecided pixel: red, green, blue. The more a pixel is decided, the more of the picture shows.
pub const UNCERTAIN: [u8; 3] = [213, 0, 127];
/// The bytes of a candidate besides its outline: the element, its words, its line of the data.
const OF_CANDIDATE: usize = 300;

/// What the teachers of a sweep say of some unlabelled images at some moments of their trainings.
#[derive(Clone, Debug, Default)]
pub struct Snapshots {
    /// The pictures, each once.
    pub pictures: Vec<GalleryPicture>,
    /// The rows.
    pub rows: Vec<SnapshotRow>,
    /// The labels of rows with a teacher whose store has no snapshots.
    pub without: Vec<String>,
    /// The labels of rows that have no room.
    pub left_out: Vec<String>,
}

/// The snapshots of a row.
#[derive(Clone, Debug)]
pub struct SnapshotRow {
    /// The label of the row.
    pub label: String,
    /// The seed of its trial.
    pub seed: u64,
    /// The moments: steps taken, and the share of the steps with a teacher in percent.
    pub moments: Vec<(usize, usize)>,
    /// The images.
    pub images: Vec<SnapshotImage>,
}

/// An image at all moments.
#[derive(Clone, Debug)]
pub struct SnapshotImage {
    /// The place of its picture in [`Snapshots::pictures`].
    pub picture: usize,
    /// True if the dataset has its annotations.
    pub is_annotated: bool,
    /// What the teacher says, moment by moment; none where a file is missing or damaged.
    pub panels: Vec<Option<SnapshotPanel>>,
}

/// What the teacher says of an image at a moment.
#[derive(Clone, Debug)]
pub struct SnapshotPanel {
    /// The candidates; of the low ones the best.
    pub candidates: Vec<SnapshotCandidate>,
    /// The number of all low candidates.
    pub low: usize,
    /// The map of uncertainties in the colour [`UNCERTAIN`], as a PNG file; none if the weighting reduces nothing.
    pub uncertainty: Option<Vec<u8>>,
}

/// A candidate, with what became of it.
#[derive(Clone, Debug)]
pub struct SnapshotCandidate {
    /// Its shape, with the class of the teacher.
    pub shape: Shape,
    /// A place in the middle of it: x and y in half pixels.
    pub place: (usize, usize),
    /// Its tier.
    pub tier: SnapshotTier,
    /// Its class quality.
    pub class_quality: f64,
    /// Its mask quality.
    pub mask_quality: f64,
    /// The class after the correction with its colour, if it is another one.
    pub corrected: Option<(String, [u8; 3])>,
    /// True if it is a pseudo-label.
    pub kept: bool,
    /// True if the teacher's class, and the class after the correction, is that of the object that it lies on; none if
    /// the image is not annotated.
    pub right: Option<[bool; 2]>,
}

/// A tier, with the style of its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotTier {
    /// Solid.
    High,
    /// Dashed.
    Medium,
    /// Dotted.
    Low,
}

impl SnapshotTier {
    /// All tiers, the best first.
    pub(super) const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    /// The name of the tier, and of its style.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

impl SnapshotPanel {
    /// The number of candidates of the high or the medium tier, and of all low ones.
    pub(super) fn count(&self, tier: SnapshotTier) -> usize {
        match tier {
            SnapshotTier::Low => self.low,
            _ => self
                .candidates
                .iter()
                .filter(|one| one.tier == tier)
                .count(),
        }
    }

    /// The pseudo-labels.
    pub(super) fn kept(&self) -> impl Iterator<Item = &SnapshotCandidate> {
        self.candidates.iter().filter(|one| one.kept)
    }

    /// The candidates whose class the correction changed.
    pub(super) fn flipped(&self) -> impl Iterator<Item = &SnapshotCandidate> {
        self.candidates.iter().filter(|one| one.corrected.is_some())
    }

    fn bytes(&self) -> usize {
        let shapes = self.candidates.iter();
        let shapes = shapes.map(|one| one.shape.outline.len() + OF_CANDIDATE);
        // Base64 has four letters for three bytes.
        let map = self.uncertainty.as_ref().map_or(0, |map| map.len() * 4 / 3);
        shapes.sum::<usize>() + map
    }
}

impl SnapshotCandidate {
    /// What the truth says of a changed class.
    pub(super) fn verdict(&self) -> &'static str {
        match self.right {
            Some([_, true]) => "right",
            Some([true, false]) => "broken",
            Some([false, false]) => "neither",
            None => "unknown",
        }
    }
}

impl Snapshots {
    /// The number of bytes that the page needs for them, about.
    pub fn size(&self) -> usize {
        let pictures = self.pictures.iter().map(GalleryPicture::bytes);
        let images = self.rows.iter().flat_map(|row| &row.images);
        let panels = images.flat_map(|image| image.panels.iter().flatten());
        pictures.sum::<usize>() + panels.map(SnapshotPanel::bytes).sum::<usize>()
    }

    /// Leaves out rows, the last ones first, until they need no more than `most` bytes, and the pictures that no row
    /// needs any more.
    pub fn shrink(&mut self, most: usize) {
        while self.size() > most {
            let Some(last) = self.rows.pop() else {
                return;
            };
            self.left_out.insert(0, last.label);
            let images = self.rows.iter_mut().flat_map(|row| &mut row.images);
            drop_unused(&mut self.pictures, images.map(|image| &mut image.picture));
        }
    }
}
