//! The embedded dataset: drawn scenes of ten classes in five pairs that are easily confused, with long-tailed
//! frequencies, occlusion, distractors, blur and noise. A tiny model trains on it in minutes.
//!
//! Every image depends only on (size, seed, index). It has its own random stream, transcendental functions
//! come from `libm`, and the rest is plain single-precision arithmetic. So the pixels are the same on every
//! machine.

mod canvas;
pub(super) mod classes;
mod draw;
mod shape;

pub use classes::{COUNT, DESCRIPTIONS, NAMES};
pub use draw::draw;

use super::findings::{Findings, Part, Reason};
use super::{Dataset, DatasetConfig, Sample, Source};
use crate::registry::{Check, Checked, ComponentErrors};
use anyhow::Result;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The table `[data]` with `name = "scenes"`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SceneConfig {
    /// The number of pixels along a side.
    pub size: usize,
    /// The number of training images.
    pub train_images: usize,
    /// The seed of the training images.
    pub train_seed: u64,
    /// The number of images for the evaluation.
    pub val_images: usize,
    /// The seed of the images for the evaluation.
    pub val_seed: u64,
    /// The upper bounds of the area ranges `small` and `medium`, in pixels.
    pub area_bounds: [f64; 2],
}

/// The sides that can be drawn. Smaller pictures lose the outlines; larger ones make the dataset too big for
/// memory.
const SIZES: std::ops::RangeInclusive<usize> = 32..=512;

/// Images that a dataset may hold: they are drawn into memory.
const MOST_IMAGES: usize = 100_000;

impl Checked for SceneConfig {
    fn check(&self, check: &mut Check) {
        check.range("size", self.size, SIZES);
        check.range("train-images", self.train_images, 1..=MOST_IMAGES);
        check.range("val-images", self.val_images, 1..=MOST_IMAGES);
        super::check_area_bounds(check, self.area_bounds);
    }
}

impl DatasetConfig for SceneConfig {
    /// Draws every image.
    ///
    /// # Errors
    /// A key is out of range.
    fn load(&self) -> Result<Dataset, ComponentErrors> {
        let train = Scenes::draw(self.size, self.train_seed, self.train_images);
        let val = Scenes::draw(self.size, self.val_seed, self.val_images);
        let mut findings = Findings::default();
        if self.train_seed == self.val_seed {
            for index in 0..self.train_images.min(self.val_images) {
                findings.add(Part::Train, Reason::IsEvaluated, || {
                    format!("image {index}")
                });
            }
        }
        Ok(Dataset {
            classes: NAMES.map(String::from).to_vec(),
            train: Arc::new(train),
            extra_unlabelled: None,
            val: Arc::new(val),
            area_bounds: self.area_bounds,
            findings,
        })
    }

    fn has_scene_classes(&self) -> bool {
        true
    }
}

/// Scenes 0 to `count` of `seed`, drawn in parallel; see [`draw()`].
pub fn draw_many(size: usize, seed: u64, count: usize, balanced: bool) -> Vec<Sample> {
    (0..count as u64)
        .into_par_iter()
        .map(|index| draw(size, seed, index, balanced))
        .collect()
}

/// Drawn images in memory.
struct Scenes(Vec<Sample>);

impl Scenes {
    fn draw(size: usize, seed: u64, count: usize) -> Self {
        Self(draw_many(size, seed, count, false))
    }
}

impl Source for Scenes {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn classes_of(&self, index: usize) -> Vec<usize> {
        self.0[index]
            .instances
            .iter()
            .map(|instance| instance.class)
            .collect()
    }

    fn is_background(&self, index: usize) -> bool {
        self.0[index].instances.is_empty()
    }

    fn size_of(&self, index: usize) -> Option<(usize, usize)> {
        let picture = &self.0[index].picture;
        Some((picture.height, picture.width))
    }

    fn id(&self, index: usize) -> u64 {
        self.0[index].image_id
    }

    fn load(&self, index: usize) -> Result<Sample> {
        Ok(self.0[index].clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::load;

    #[test]
    fn one_seed_for_both_parts_is_told() {
        let config = SceneConfig {
            size: 32,
            train_images: 4,
            train_seed: 1,
            val_images: 3,
            val_seed: 1,
            area_bounds: [100.0, 324.0],
        };
        let told = |config: &SceneConfig| {
            let findings = config.load().unwrap().findings;
            findings.count(Part::Train, Reason::IsEvaluated)
        };
        assert_eq!(told(&config), 3);
        assert_eq!(
            told(&SceneConfig {
                val_seed: 2,
                ..config
            }),
            0
        );
    }

    #[test]
    fn an_image_depends_on_seed_and_index_alone() {
        let many = draw_many(64, 1, 6, false);
        let one = draw(64, 1, 4, false);
        assert_eq!(one.picture, many[4].picture);
        assert_eq!(one.instances, many[4].instances);
        assert_ne!(one.picture, many[5].picture);
        assert_ne!(one.picture, draw(64, 2, 4, false).picture);
    }

    #[test]
    fn the_drawn_bits_never_change() {
        let mut hasher = blake3::Hasher::new();
        for sample in draw_many(64, 1, 40, false) {
            hasher.update(&sample.picture.pixels);
            for instance in &sample.instances {
                hasher
                    .update(&[instance.class as u8])
                    .update(&instance.mask.bits);
            }
        }
        assert_eq!(&hasher.finalize().to_hex()[..16], "5834ebf198e94567");
    }

    #[test]
    fn scenes_are_long_tailed_and_crowded_as_designed() {
        let samples = draw_many(64, 1, 400, false);
        let mut counts = [0usize; COUNT];
        for sample in &samples {
            assert!(!sample.instances.is_empty());
            let mut covered = vec![0u8; 64 * 64];
            for instance in &sample.instances {
                counts[instance.class] += 1;
                assert!(instance.mask.area() >= 20);
                for (sum, bit) in covered.iter_mut().zip(&instance.mask.bits) {
                    *sum += bit;
                }
            }
            assert!(
                covered.iter().all(|sum| *sum <= 1),
                "later objects cover earlier ones"
            );
        }
        let kept = counts.iter().sum::<usize>() as f64 / 400.0;
        assert!(
            (3.2..3.7).contains(&kept),
            "{kept} objects per image, 3.43 in the design"
        );
        assert!(counts[0] > 4 * counts[9], "{counts:?}");
    }

    #[test]
    fn balanced_scenes_hold_every_class_about_as_often() {
        let mut counts = [0usize; COUNT];
        for sample in draw_many(64, 3, 400, true) {
            for instance in sample.instances {
                counts[instance.class] += 1;
            }
        }
        let (least, most) = (counts.iter().min(), counts.iter().max());
        assert!(most < least.map(|n| n * 2).as_ref(), "{counts:?}");
    }

    #[test]
    fn colours_follow_the_class() {
        // The mean of the visible pixels is red for discs and green for stars.
        let mut sums = [[0.0f64; 3]; COUNT];
        for sample in draw_many(64, 7, 200, true) {
            for instance in &sample.instances {
                for (pixel, bit) in sample
                    .picture
                    .pixels
                    .chunks_exact(3)
                    .zip(&instance.mask.bits)
                {
                    for (sum, value) in sums[instance.class].iter_mut().zip(pixel) {
                        *sum += f64::from(*bit) * f64::from(*value);
                    }
                }
            }
        }
        assert!(
            sums[0][0] > 1.5 * sums[0][1] && sums[0][0] > 1.5 * sums[0][2],
            "discs are red: {:?}",
            sums[0]
        );
        assert!(
            sums[2][1] > 1.3 * sums[2][0] && sums[2][1] > 1.3 * sums[2][2],
            "stars are green: {:?}",
            sums[2]
        );
    }

    #[test]
    fn a_wrong_key_is_named() {
        let table = |size: i64| {
            let text = format!(
                "name = 'scenes'\nsize = {size}\ntrain-images = 2\ntrain-seed = 1\nval-images = 1\nval-seed = 2\narea-bounds = [100.0, 324.0]"
            );
            text.parse::<toml::Table>().unwrap()
        };
        let dataset = load(table(64)).unwrap();
        assert_eq!(
            (
                dataset.train.len(),
                dataset.val.len(),
                dataset.classes.len()
            ),
            (2, 1, 10)
        );
        assert_eq!(load(table(8)).err().unwrap()[0].key, "size");
    }
}
