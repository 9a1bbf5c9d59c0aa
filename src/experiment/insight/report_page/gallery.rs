//! The images of a sweep with what its rows find in them.

use super::super::analysed::AnalysedRows;
use super::super::choice::Results;
use super::super::evidence::Evidence;
use super::super::gallery::{ChosenImage, Compared, compared, pictures};
use crate::draw::{class_colour, hatch, path};
use crate::eval::analysis::{Analysis, Drawn, DrawnDetection, Why};
use crate::report::page::{
    Found, Gallery, GalleryComparison, GalleryPicture, Shape, Side, Strip, Sweep,
};
use crate::structures::Mask;
use std::collections::BTreeMap;

/// The bytes that the galleries of a page may need together.
const MOST_BYTES: usize = 2_500_000;
/// The pixels of the longer side for each pixel between the lines across a wrong detection, and the least distance.
const HATCH: [usize; 2] = [24, 2];

/// The gallery of a sweep; none unless an analysed row is compared with another one. `references`: for each row of the
/// sweep, the place of the one that it is compared with.
pub fn gallery(
    results: &Results,
    rows: &[Evidence],
    found: &AnalysedRows,
    references: &[Option<usize>],
) -> Option<Gallery> {
    let all = compared(found, references);
    let place = found.rows.first()?.place;
    let kept = pictures(results, rows[place].trials.first()?)?;
    let label = |row: usize| rows[found.rows[row].place].label.to_string();
    let mut gallery = Gallery::default();
    let mut known: BTreeMap<u64, Option<usize>> = BTreeMap::new();
    for one in &all {
        let of = |row: usize| found.rows[row].of_seed(one.seed);
        let (reference, own) = (of(one.reference)?, of(one.row)?);
        let mut strips = Vec::new();
        for image in &one.images {
            let id = own.images[image.image];
            let picture = *known.entry(id).or_insert_with(|| {
                let read = kept.read(id)?;
                gallery.pictures.push(GalleryPicture {
                    id,
                    size: read.size,
                    jpeg: read.jpeg()?,
                    objects: objects(own, &read.objects().ok()?),
                });
                Some(gallery.pictures.len() - 1)
            });
            let strip =
                picture.and_then(|at| strip(at, &gallery.pictures[at], image, [reference, own]));
            strips.extend(strip);
        }
        gallery.comparisons.push(GalleryComparison {
            label: label(one.row),
            reference: label(one.reference),
            seed: one.seed,
            seeds: common(found, one),
            strips,
        });
    }
    gallery.missing = known.values().filter(|found| found.is_none()).count();
    (!all.is_empty()).then_some(gallery)
}

/// The number of seeds that a row and its reference have in common.
fn common(found: &AnalysedRows, one: &Compared) -> usize {
    let reference = &found.rows[one.reference];
    let own = found.rows[one.row].own.iter();
    own.filter(|(seed, _)| reference.of_seed(*seed).is_some())
        .count()
}

/// Leaves out rows of the galleries of `sweeps` for which the page has no room.
pub fn fit(sweeps: &mut [Sweep]) {
    let mut room = MOST_BYTES;
    for gallery in sweeps.iter_mut().filter_map(|sweep| sweep.gallery.as_mut()) {
        gallery.shrink(room);
        room = room.saturating_sub(gallery.size());
    }
}

fn objects(analysis: &Analysis, annotations: &[(usize, bool, Mask)]) -> Vec<Shape> {
    let objects = annotations.iter();
    let object = |(class, is_group, mask): &(usize, bool, Mask)| Shape {
        is_group: *is_group,
        ..shape(analysis, *class, mask)
    };
    objects.map(object).collect()
}

fn shape(analysis: &Analysis, class: usize, mask: &Mask) -> Shape {
    Shape {
        class: analysis.classes.get(class).cloned().unwrap_or_default(),
        colour: class_colour(class),
        outline: path(mask),
        is_group: false,
    }
}

/// An image with what both find in it; none if a mask is damaged.
fn strip(
    picture: usize,
    shown: &GalleryPicture,
    image: &ChosenImage,
    analyses: [&Analysis; 2],
) -> Option<Strip> {
    let [reference, own] = analyses.map(|one| side(one, &one.drawn[image.image], shown));
    Some(Strip {
        picture,
        why: match image.why {
            Why::Gain => "gains most",
            Why::Loss => "loses most",
            Why::Fixed => "fixed",
        },
        f1: image.f1,
        sides: [reference?, own?],
    })
}

fn side(analysis: &Analysis, drawn: &Drawn, picture: &GalleryPicture) -> Option<Side> {
    let step = (picture.size.0.max(picture.size.1) / HATCH[0]).max(HATCH[1]);
    let found = |one: &DrawnDetection| {
        let mask = one.mask(picture.size).ok()?;
        Some(Found {
            shape: shape(analysis, one.class, &mask),
            score: one.score(),
            hatch: match one.object {
                Some(_) => String::new(),
                None => hatch(&mask, step),
            },
        })
    };
    let is_found = |at: &usize| drawn.found.iter().any(|one| one.object == Some(*at));
    let objects = picture.objects.iter().enumerate();
    let objects = objects
        .filter(|(_, object)| !object.is_group)
        .map(|(at, _)| at);
    Some(Side {
        found: drawn.found.iter().map(found).collect::<Option<_>>()?,
        missed: objects.filter(|at| !is_found(at)).collect(),
    })
}
