//! The labels of all unlabelled images, in two passes: first the teacher looks at every image, then the filter chooses
//! among all candidates, because a rule such as `class-frequency` needs all of them at once.
//!
//! Candidates -> tiers of the filter -> minimum area -> duplicates dropped, the better one first -> the filter learns
//! which candidates were kept. Masks and areas have the resolution of the image.

use super::filter::{Clock, Filter, Readings, Tier};
use super::pseudo_labels::{ImageLabels, PseudoLabel, TierCounts, without_duplicates};
use crate::data::pool_labels::PoolObject;
use crate::data::split::ClassCounts;
use crate::detector::{
    Candidate, CandidateChoice, Detector, Judged, PictureSizes, TestView, TestViews, ViewsRule,
};
use crate::graph::Images;
use crate::ops::Bounds;
use crate::structures::{Mask, rle};
use crate::tensor::Tape;
use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The masks that are at full size at a time: a hundred masks of a large image would need too much memory.
const MASKS_AT_ONCE: usize = 8;

/// A candidate of the teacher at the resolution of its image, as it is kept until all images have been looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    class: usize,
    /// Class quality and mask quality.
    qualities: [f32; 2],
    /// As [`Candidate::foreground`].
    foreground: bool,
    /// Pixels of the mask.
    area: usize,
    /// The detected rectangle, or the one around the mask: x1, y1, x2, y2 in pixels.
    bounds: [f32; 4],
    /// The mask as COCO's compressed RLE.
    mask: String,
}

/// The rules of the phase `label`.
#[derive(Clone, Debug)]
pub struct PoolLabeller {
    /// The choice of the teacher's proposals that are candidates.
    pub choice: CandidateChoice,
    /// The area of a pseudo-mask in its image is larger than this.
    pub min_area: usize,
    /// A pixel of a pseudo-mask has a probability above this.
    pub mask_threshold: f32,
    /// The views in which the teacher looks at an image.
    pub views: TestViews,
    /// Pseudo-masks that overlap a better one by more are dropped.
    pub duplicate_iou: f64,
    /// Slot `filter`.
    pub filter: Box<dyn Filter>,
}

impl PoolLabeller {
    /// The same before its first image. `counts`: of the labelled images.
    pub fn started(&self, counts: &ClassCounts) -> Self {
        let mut rules = self.clone();
        rules.filter.start(counts);
        rules
    }

    /// The candidates of `teacher` in some pictures: `images` is its input for them, `sizes` the rows and columns of
    /// the pictures.
    pub fn look(
        &self,
        teacher: &dyn Detector,
        images: &Images,
        sizes: &[(usize, usize)],
    ) -> Vec<Vec<Found>> {
        let output = teacher.forward(&mut Tape::off(), images);
        let proposals = output.propose(self.choice).wait();
        let pictures = images.sizes.iter().zip(sizes).zip(&proposals.images);
        let of_picture = |((own, size), candidates): ((&_, &_), &Vec<Candidate>)| {
            let sizes = PictureSizes {
                padded: proposals.size,
                own: *own,
                size: *size,
            };
            // Candidates of several classes may share a mask.
            let mut rows: Vec<usize> = candidates.iter().map(|one| one.mask).collect();
            rows.sort_unstable();
            rows.dedup();
            let mut masks = BTreeMap::new();
            for part in rows.chunks(MASKS_AT_ONCE) {
                let logits = proposals.masks.in_picture(part, sizes);
                masks.extend(part.iter().copied().zip(logits.iter().map(|logits| {
                    let mask = self.mask(logits, *size);
                    let around = Bounds::of_mask(&mask.bits, size.0, size.1);
                    let runs = rle::encode(&mask);
                    (mask.area(), around, hotcoco::mask::rle_to_string(&runs))
                })));
            }
            let found = |one: &Candidate| {
                let (area, around, mask) = masks[&one.mask].clone();
                let detected = one.bounds.map(|bounds| sizes.in_picture(bounds));
                Found {
                    class: one.class,
                    qualities: [one.class_quality, one.mask_quality],
                    foreground: one.foreground,
                    area,
                    bounds: detected.or(around).map_or([0.0; 4], Bounds::to_array),
                    mask,
                }
            };
            candidates.iter().map(found).collect()
        };
        pictures.map(of_picture).collect()
    }

    /// The candidates of `teacher` in several `views` of a picture of `size` rows and columns.
    pub fn look_at_views(
        &self,
        teacher: &dyn Detector,
        views: &[TestView],
        size: (usize, usize),
    ) -> Vec<Found> {
        let rule = ViewsRule {
            size,
            top: self.choice.top,
            mask_threshold: self.mask_threshold,
            merge: self.views.merge,
        };
        let found = |one: Judged| {
            let mask = &one.detection.mask;
            let around = Bounds::of_mask(&mask.bits, size.0, size.1).map(Bounds::to_array);
            Found {
                class: one.detection.class,
                qualities: [one.class_quality, one.mask_quality],
                foreground: one.is_first,
                area: mask.area(),
                bounds: one.detection.bounds.or(around).unwrap_or_default(),
                mask: hotcoco::mask::rle_to_string(&rle::encode(mask)),
            }
        };
        let judged = teacher.judge_views(views, &rule).into_iter();
        judged.map(found).collect()
    }

    /// The pixels whose probability is above the threshold.
    fn mask(&self, logits: &[f32], (height, width): (usize, usize)) -> Mask {
        let bound = (self.mask_threshold / (1.0 - self.mask_threshold)).ln();
        let bits = logits.iter().map(|logit| u8::from(*logit > bound));
        Mask::new(height, width, bits.collect())
    }

    /// Tells the filter all candidates of all images, before the first one is labelled.
    pub fn survey(&mut self, pool: &[Vec<Found>]) {
        let images: Vec<Vec<Candidate>> = pool.iter().map(|image| candidates(image)).collect();
        self.filter.survey(&images);
    }

    /// The labels of an image of `size` rows and columns, and what a student needs of them. The images come in the
    /// order of [`Self::survey`]; `last`: it is the last one.
    ///
    /// # Errors
    /// A mask is no mask of the image.
    pub fn label(
        &mut self,
        found: &[Found],
        size: (usize, usize),
        last: bool,
    ) -> Result<(ImageLabels, Vec<PoolObject>)> {
        let all = candidates(found);
        // Every image is a step of its own.
        let clock = Clock {
            last_of_step: true,
            last_of_epoch: last,
        };
        let mut tiers = self.filter.tiers(&all, clock);
        for (tier, one) in tiers.iter_mut().zip(found) {
            if one.area <= self.min_area {
                *tier = Tier::Low;
            }
        }
        // No correction vouches for a medium candidate.
        let kept: Vec<bool> = tiers.iter().map(|tier| *tier == Tier::High).collect();
        let mut labels = Vec::new();
        for (row, one) in found.iter().enumerate().filter(|(row, _)| kept[*row]) {
            let [class_quality, mask_quality] = one.qualities;
            labels.push(PseudoLabel {
                class: one.class,
                teacher_class: one.class,
                tier: tiers[row],
                score: class_quality * mask_quality,
                mask: rle::decode(&one.runs(size)?),
                qualities: one.qualities,
                proposal: row,
                bounds: Some(Bounds::new(one.bounds)),
                row,
            });
        }
        let before = labels.len();
        let labels = without_duplicates(labels, self.duplicate_iou);
        self.filter.learn(&all, &kept, clock);
        let of_tier = |tier| tiers.iter().filter(|other| **other == tier).count();
        let counts = TierCounts {
            high: of_tier(Tier::High),
            medium: of_tier(Tier::Medium),
            low: of_tier(Tier::Low),
            accepted: 0,
            duplicates: before - labels.len(),
            kept: labels.len(),
        };
        let object = |label: &PseudoLabel| {
            let one = &found[label.proposal];
            Ok(PoolObject {
                class: one.class,
                qualities: one.qualities,
                bounds: one.bounds,
                mask: one.runs(size)?,
            })
        };
        let objects = labels.iter().map(object).collect::<Result<_>>()?;
        let labels = ImageLabels {
            labels,
            counts,
            ..ImageLabels::default()
        };
        Ok((labels, objects))
    }

    /// The filter's numbers for the journal.
    pub fn readings(&self) -> Readings {
        self.filter.readings()
    }
}

impl Found {
    /// The mask in an image of `size` rows and columns.
    fn runs(&self, (height, width): (usize, usize)) -> Result<hotcoco::Rle> {
        let runs = hotcoco::mask::rle_from_string(&self.mask, height as u32, width as u32);
        runs.map_err(|error| anyhow!("a mask of a candidate: {error}"))
    }
}

/// The candidates as a filter sees them. Their probabilities of all classes are not kept: no filter reads them.
fn candidates(found: &[Found]) -> Vec<Candidate> {
    let candidate = |(row, one): (usize, &Found)| Candidate {
        mask: row,
        class: one.class,
        class_quality: one.qualities[0],
        mask_quality: one.qualities[1],
        area: one.area,
        bounds: Some(Bounds::new(one.bounds)),
        foreground: one.foreground,
        probabilities: Vec::new(),
    };
    found.iter().enumerate().map(candidate).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A candidate with the first five pixels of an image of 4 x 4 pixels.
    pub fn found(class: usize, c: f32, m: f32) -> Found {
        let found = Found {
            class,
            qualities: [c, m],
            foreground: true,
            area: 0,
            bounds: [0.0; 4],
            mask: String::new(),
        };
        found.with_mask(&[0, 1, 2, 3, 4])
    }

    impl Found {
        /// Pixels of the mask.
        pub fn area(&self) -> usize {
            self.area
        }

        /// The same with these pixels, row by row.
        pub fn with_mask(self, pixels: &[usize]) -> Self {
            let bits = (0..16).map(|pixel| u8::from(pixels.contains(&pixel)));
            let mask = Mask::new(4, 4, bits.collect());
            Self {
                area: pixels.len(),
                mask: hotcoco::mask::rle_to_string(&rle::encode(&mask)),
                ..self
            }
        }
    }
}
