//! Measures the user's pictures and their annotations, as far as the recipe depends on them.

use crate::data::findings::{Part, Reason};
use crate::data::split::{Split, SplitConfig};
use crate::data::{Dataset, Source, Truth};
use crate::structures::InstanceSource;
use anyhow::Result;
use rayon::prelude::*;
use std::time::Instant;

/// The largest number of pictures of a part whose objects are measured.
const MEASURED: usize = 1000;
/// The number of pictures that are decoded, to know how long it takes.
const DECODED: usize = 5;
/// The seeds whose splits must be possible.
const SEEDS: u64 = 3;

/// The measures of a dataset.
#[derive(Debug)]
pub struct Survey {
    /// The classes with the number of their objects in the training pictures.
    pub classes: Vec<(String, usize)>,
    /// The number of training pictures.
    pub train: usize,
    /// The number of evaluated pictures.
    pub val: usize,
    /// The most objects in one picture.
    pub most_objects: usize,
    /// The median of the longer sides, in pixels.
    pub longer: usize,
    /// The areas of the objects in square pixels, ascending.
    pub areas: Vec<f64>,
    /// The median of the objects' sides (the root of the area) as a share of the picture's longer side.
    pub side: f64,
    /// The seconds that reading a picture takes, with its masks.
    pub seconds: f64,
    /// The number of annotations without a usable outline.
    pub left_out: usize,
}

/// The objects of one picture.
struct Objects {
    longer: usize,
    areas: Vec<f64>,
}

impl Survey {
    /// Measures `dataset`.
    ///
    /// # Errors
    /// A picture cannot be decoded. The error names it.
    pub fn new(dataset: &Dataset) -> Result<Self> {
        let train = &*dataset.train;
        let mut counts = vec![0; dataset.classes.len()];
        let mut most_objects = 0;
        for picture in 0..train.len() {
            let objects = train.objects_of(picture);
            most_objects = most_objects.max(objects.len());
            objects.iter().for_each(|class| counts[*class] += 1);
        }
        let mut measured = measured(train)?;
        measured.extend(self::measured(&*dataset.val)?);
        let mut longer: Vec<usize> = measured.iter().map(|one| one.longer).collect();
        let sides = |one: &Objects| {
            let longer = one.longer as f64;
            let sides = one.areas.iter().map(move |area| area.sqrt() / longer);
            sides.collect::<Vec<_>>()
        };
        let mut sides: Vec<f64> = measured.iter().flat_map(sides).collect();
        let mut areas: Vec<f64> = measured.into_iter().flat_map(|one| one.areas).collect();
        longer.sort_unstable();
        sides.sort_by(f64::total_cmp);
        areas.sort_by(f64::total_cmp);
        Ok(Self {
            classes: dataset.classes.iter().cloned().zip(counts).collect(),
            train: train.len(),
            val: dataset.val.len(),
            most_objects,
            longer: longer[longer.len() / 2],
            side: sides[sides.len() / 2],
            areas,
            seconds: seconds(train)?,
            left_out: dataset.findings.count(Part::Train, Reason::LeftOut),
        })
    }

    /// The areas that divide the objects into three equal parts.
    pub fn terciles(&self) -> [f64; 2] {
        [1, 2].map(|third| self.areas[(self.areas.len() * third / 3).min(self.areas.len() - 1)])
    }
}

/// The objects of evenly spaced pictures. Crowds, and objects without an area, are left out.
fn measured(source: &dyn Source) -> Result<Vec<Objects>> {
    let step = source.len().div_ceil(MEASURED).max(1);
    let pictures: Vec<usize> = (0..source.len()).step_by(step).collect();
    let measured = pictures.into_par_iter().map(|picture| {
        let Truth {
            height,
            width,
            instances,
            areas,
            ..
        } = source.truth(picture)?;
        let objects = instances.iter().zip(areas);
        let single = objects.filter(|(one, _)| one.source == InstanceSource::Annotation);
        let areas = single.map(|(_, area)| area);
        Ok(Objects {
            longer: height.max(width),
            areas: areas
                .filter(|area| *area > 0.0 && area.is_finite())
                .collect(),
        })
    });
    measured.collect()
}

/// The mean seconds that reading one of the first pictures takes.
fn seconds(source: &dyn Source) -> Result<f64> {
    let count = source.len().min(DECODED);
    let start = Instant::now();
    (0..count).try_for_each(|picture| source.load(picture).map(drop))?;
    Ok(start.elapsed().as_secs_f64() / count as f64)
}

/// The number of training pictures with labels in the split of the first seed.
pub fn labelled_by_split(dataset: &Dataset, share: f64, least: usize) -> usize {
    let split = Split::new(dataset, &SplitConfig::of_permutation(share, least), 0);
    split.map_or(1, |split| split.chosen.len()).max(1)
}

/// True if `share` of the training pictures can have labels, with `least` objects of every class: for several seeds.
pub fn can_split(dataset: &Dataset, share: f64, least: usize) -> bool {
    let config = SplitConfig::of_permutation(share, least);
    (0..SEEDS).all(|seed| Split::new(dataset, &config, seed).is_ok())
}
