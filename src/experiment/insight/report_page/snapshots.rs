//! What the teachers of a sweep say of some images over their trainings, as far as the store has it.

use super::super::evidence::Evidence;
use super::super::trial::KeptTrial;
use crate::draw::{class_colour, path, tinted};
use crate::experiment::store::folder::StageFolder;
use crate::experiment::store::snapshots::{KeptCandidate, KeptImage, KeptSnapshot};
use crate::method::filter::Tier;
use crate::report::page::{
    GalleryPicture, Shape, SnapshotCandidate, SnapshotImage, SnapshotPanel, SnapshotRow,
    SnapshotTier, Snapshots, Sweep, UNCERTAIN,
};
use crate::structures::Mask;

/// The most rows that have snapshots.
const ROWS: usize = 8;
/// The bytes that the snapshots of a page may need together.
const MOST_BYTES: usize = 1_500_000;

/// A snapshot with the folder of its stage.
type Found = (StageFolder, KeptSnapshot);

/// The snapshots of the rows of a sweep; none if no row has a teacher. `name` names a class by its index.
pub fn snapshots(rows: &[Evidence], name: &dyn Fn(usize) -> String) -> Option<Snapshots> {
    let mut all = Snapshots::default();
    for row in rows.iter().filter(|row| row.labels.is_some()) {
        let label = row.label.to_string();
        let kept = row.trials.iter().map(|trial| (trial.seed, kept(trial)));
        let Some((seed, kept)) = kept.into_iter().find(|(_, kept)| !kept.is_empty()) else {
            all.without.push(label);
            continue;
        };
        if all.rows.len() == ROWS {
            all.left_out.push(label);
            continue;
        }
        let moments = kept.iter().map(|(_, one)| (one.step, one.percent()));
        let row = SnapshotRow {
            label,
            seed,
            moments: moments.collect(),
            images: images(&kept, &mut all.pictures, name),
        };
        all.rows.push(row);
    }
    let is_empty = all.rows.is_empty() && all.without.is_empty();
    (!is_empty).then_some(all)
}

/// Leaves out rows of the snapshots of `sweeps` for which the page has no room.
pub fn fit(sweeps: &mut [Sweep]) {
    let mut room = MOST_BYTES;
    for snapshots in sweeps
        .iter_mut()
        .filter_map(|sweep| sweep.snapshots.as_mut())
    {
        snapshots.shrink(room);
        room = room.saturating_sub(snapshots.size());
    }
}

/// The snapshots of all stages of a trial, by rising step.
fn kept(trial: &KeptTrial) -> Vec<Found> {
    let of_stage = |folder: &StageFolder| {
        let all = KeptSnapshot::read_all(folder).into_iter();
        all.map(|one| (folder.clone(), one)).collect::<Vec<_>>()
    };
    let stages = trial.trainings();
    let mut all: Vec<Found> = stages.flat_map(|stage| of_stage(&stage.folder)).collect();
    all.sort_by_key(|(_, one)| one.step);
    all
}

/// The images of a trial at all moments. Their pictures are added to `pictures`; an image without one is left out.
fn images(
    kept: &[Found],
    pictures: &mut Vec<GalleryPicture>,
    name: &dyn Fn(usize) -> String,
) -> Vec<SnapshotImage> {
    let mut ids: Vec<u64> = Vec::new();
    for image in kept.iter().flat_map(|(_, one)| &one.images) {
        if !ids.contains(&image.id) {
            ids.push(image.id);
        }
    }
    let of_image = |id: u64| {
        let at = |(folder, one): &Found| -> Option<(StageFolder, KeptImage)> {
            let image = one.images.iter().find(|image| image.id == id)?;
            Some((folder.clone(), image.clone()))
        };
        let moments: Vec<Option<(StageFolder, KeptImage)>> = kept.iter().map(at).collect();
        let mut found = moments.iter().flatten();
        let is_annotated = found.clone().any(|(_, image)| image.is_annotated);
        let picture = found.find_map(|(folder, image)| picture(folder, image, name))?;
        let size = picture.size;
        let panel = |(_, image): &(StageFolder, KeptImage)| {
            let is_same = image.size == size;
            is_same.then(|| panel(image, name))?
        };
        Some(SnapshotImage {
            picture: place(pictures, picture),
            is_annotated,
            panels: moments.iter().map(|one| panel(one.as_ref()?)).collect(),
        })
    };
    ids.into_iter().filter_map(of_image).collect()
}

fn picture(
    folder: &StageFolder,
    image: &KeptImage,
    name: &dyn Fn(usize) -> String,
) -> Option<GalleryPicture> {
    let kept = image.shown(folder)?;
    let objects = kept.objects().ok()?.into_iter();
    let object = |(class, is_group, mask): (usize, bool, Mask)| Shape {
        is_group,
        ..shape(class, &mask, name)
    };
    Some(GalleryPicture {
        id: image.id,
        size: kept.size,
        jpeg: kept.jpeg()?,
        objects: objects.map(object).collect(),
    })
}

/// The place of `picture` among `pictures`, to which it is added if no row has shown it.
fn place(pictures: &mut Vec<GalleryPicture>, picture: GalleryPicture) -> usize {
    let is_same = |one: &GalleryPicture| (one.id, &one.jpeg) == (picture.id, &picture.jpeg);
    pictures.iter().position(is_same).unwrap_or_else(|| {
        pictures.push(picture);
        pictures.len() - 1
    })
}

fn panel(image: &KeptImage, name: &dyn Fn(usize) -> String) -> Option<SnapshotPanel> {
    let candidates = image.candidates.iter();
    let candidates = candidates.map(|one| candidate(one, image, name));
    let map = image
        .uncertainty()
        .map(|(size, values)| tinted(&values, size, UNCERTAIN));
    Some(SnapshotPanel {
        candidates: candidates.collect::<Option<_>>()?,
        low: image.low,
        uncertainty: map.transpose().ok()?,
    })
}

fn candidate(
    one: &KeptCandidate,
    image: &KeptImage,
    name: &dyn Fn(usize) -> String,
) -> Option<SnapshotCandidate> {
    let mask = one.mask(image.size).ok()?;
    let (rows, columns) = mask.bounds().unwrap_or_default();
    let is_changed = one.corrected != one.class;
    let is_right = |class: usize| one.object == Some(class);
    Some(SnapshotCandidate {
        shape: shape(one.class, &mask, name),
        place: (columns.start + columns.end, rows.start + rows.end),
        tier: match one.tier {
            Tier::High => SnapshotTier::High,
            Tier::Medium => SnapshotTier::Medium,
            Tier::Low => SnapshotTier::Low,
        },
        class_quality: one.class_quality(),
        mask_quality: one.mask_quality(),
        corrected: is_changed.then(|| (name(one.corrected), class_colour(one.corrected))),
        kept: one.kept,
        right: image
            .is_annotated
            .then(|| [one.class, one.corrected].map(is_right)),
    })
}

fn shape(class: usize, mask: &Mask, name: &dyn Fn(usize) -> String) -> Shape {
    Shape {
        class: name(class),
        colour: class_colour(class),
        outline: path(mask),
        is_group: false,
    }
}
