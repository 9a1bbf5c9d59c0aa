//! Unbiased Teacher's lists (`COCO_supervision.txt`): for each percentage and seed, indices of the labelled images.
//!
//! An index counts the images as detectron2 does: sorted by id, without those that have no object but crowds. Of
//! COCO's train2017 these are 117,266 of 118,287 images. An index is no image id.

use crate::coco::{self, Expected};
use crate::data::Source;
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::path::Path;

/// The number of COCO's images that the published lists count.
const PUBLISHED: usize = 117_266;

/// The percentages of two numbers that are the same may differ by this part: 7.000000000000001 is 7.
const SAME: f64 = 1e-9;

const LISTS: Expected = Expected {
    name: "lists of indices",
    opening: b'{',
    form: "an object of percentages, each an object of seeds, each a list of indices",
};

/// The lists of a file: percentage, seed, indices.
type Lists = BTreeMap<String, BTreeMap<String, Vec<u64>>>;

/// The list that is wanted of a file.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// The percentage.
    pub percent: f64,
    /// The seed.
    pub seed: u64,
}

/// The images of the list that is `wanted` of `file`, as indices into `train`.
///
/// # Errors
/// There is no such list, or it was made for another set of images.
pub fn images(file: &Path, train: &dyn Source, wanted: Wanted) -> Result<Vec<usize>> {
    let lists: Lists = coco::read_json(file, &LISTS)?;
    let Wanted { percent, seed } = wanted;
    let place = format!("split.list: {}", file.display());
    let is_wanted = |key: &str| {
        let key: Option<f64> = key.trim().parse().ok();
        key.is_some_and(|key| (key - percent).abs() <= SAME * percent)
    };
    let Some((key, seeds)) = lists.iter().find(|(key, _)| is_wanted(key)) else {
        let mut known: Vec<&str> = lists.keys().map(String::as_str).collect();
        known.sort_by(|a, b| number(a).total_cmp(&number(b)));
        bail!(
            "{place}: no list for {percent} %; known: {} (split.percent, or else 100 x split.labelled)",
            known.join(", ")
        );
    };
    let Some((_, list)) = seeds.iter().find(|(key, _)| key.trim().parse() == Ok(seed)) else {
        let known: Vec<&str> = seeds.keys().map(String::as_str).collect();
        bail!(
            "{place}: no seed {seed} for {key} %; known: {} (split.seed)",
            known.join(", ")
        );
    };
    let counted = counted(train);
    let (all, place) = (counted.len(), format!("{place}: [\"{key}\"][\"{seed}\"]"));
    if let Some((at, index)) = list
        .iter()
        .enumerate()
        .find(|(_, index)| **index >= all as u64)
    {
        bail!(
            "{place}[{at}]: index {index} of {all} images; allowed: below {all}, the number of training images with an \
             object that is not a crowd. An index is no image id: it counts these images, sorted by id. Unbiased \
             Teacher's lists are for {PUBLISHED} images of COCO's train2017"
        );
    }
    let expected = (number(key) / 100.0 * all as f64) as usize;
    if list.len() != expected {
        bail!(
            "{place}: {} indices; {key} % of the {all} training images with an object are {expected}. The list was made \
             for another dataset (Unbiased Teacher's lists: {PUBLISHED} images of COCO's train2017)",
            list.len()
        );
    }
    Ok(list.iter().map(|index| counted[*index as usize]).collect())
}

/// The images that an index counts.
fn counted(train: &dyn Source) -> Vec<usize> {
    let mut counted: Vec<usize> = (0..train.len())
        .filter(|image| !train.is_listed_empty(*image))
        .collect();
    counted.sort_by_key(|image| train.id(*image));
    counted
}

/// The number of a key; NaN if it is none.
fn number(key: &str) -> f64 {
    key.trim().parse().unwrap_or(f64::NAN)
}
