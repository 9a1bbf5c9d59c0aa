//! What is found in images: rectangles with small masks, as candidates for pseudo-labels and as detections.

use super::planes::PastedMasks;
use crate::detector::quality::mask_quality;
use crate::detector::{Candidate, Judged, MaskQuality, Proposals, RawArray, RegionDetection};
use crate::graph::regional::Region;
use crate::ops::{self, Bounds, PasteRule};
use crate::structures::{Detection, Mask};
use crate::tensor::Place;
use rayon::prelude::*;

/// A detected object.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The rectangle that its mask fills, in pixels of the input. It may lie outside of the image in part.
    pub bounds: Bounds,
    /// Its class.
    pub class: usize,
    /// The class quality.
    pub probability: f32,
    /// The IoU of the mask with its object, as an IoU head predicts it; none without one.
    pub mask_iou: Option<f32>,
    /// The probabilities of the classes without background, which sum to 1.
    pub probabilities: Vec<f32>,
    /// The logits of its mask, side x side.
    pub mask: Vec<f32>,
}

/// The way from small masks to the masks of a picture.
#[derive(Clone, Debug)]
pub struct Pasting {
    /// Pixels along a side of a small mask.
    pub side: usize,
    /// The rule by which masks are pasted.
    pub rule: PasteRule,
    /// True if the predicted IoU is a factor of the score.
    pub scores_masks: bool,
    /// The memory of the network.
    pub place: Place,
}

impl From<Found> for RegionDetection {
    fn from(found: Found) -> Self {
        Self {
            bounds: found.bounds,
            class: found.class,
            mask: found.mask,
        }
    }
}

/// The rectangles in the lists `of_image`, one list for each image of the batch, as regions.
pub fn regions_of<T>(of_image: &[Vec<T>], bounds: impl Fn(&T) -> Bounds) -> Vec<Region> {
    let of_one = |(image, list): (usize, &Vec<T>)| -> Vec<Region> {
        let region = |one| Region {
            image,
            bounds: bounds(one),
        };
        list.iter().map(region).collect()
    };
    of_image.iter().enumerate().flat_map(of_one).collect()
}

fn probabilities(logits: &[f32]) -> Vec<f32> {
    logits.iter().map(|logit| ops::sigmoid(*logit)).collect()
}

impl Pasting {
    /// The score of `found`: its class quality, times the predicted IoU if that is a factor.
    pub fn score(&self, found: &Found) -> f32 {
        let factor = found.mask_iou.filter(|_| self.scores_masks);
        found.probability * factor.unwrap_or(1.0)
    }

    /// `found` as a detection with this rectangle and this `mask` of the image.
    pub fn judged(&self, found: &Found, bounds: Bounds, mask: Mask) -> Judged {
        let detection = Detection {
            class: found.class,
            score: self.score(found),
            bounds: Some(bounds.to_array()),
            mask,
        };
        let quality = found.mask_iou.filter(|_| self.scores_masks);
        Judged {
            class_quality: found.probability,
            mask_quality: quality.unwrap_or(1.0),
            is_first: true,
            detection,
        }
    }

    /// The masks of `found`, pasted into images of `size` rows and columns.
    fn masks(&self, found: &[Found], size: (usize, usize)) -> PastedMasks {
        let mask = |one: &Found| (one.bounds, probabilities(&one.mask));
        PastedMasks {
            masks: found.iter().map(mask).collect(),
            side: self.side,
            size,
            rule: self.rule,
            place: self.place.clone(),
        }
    }

    /// The candidates of a batch, whose images have these `sizes` without the padding to `padded`. All detections are
    /// candidates, each of an object class.
    ///
    /// Panics if `quality` asks for an IoU head that the network does not have.
    pub fn proposals(
        &self,
        found: &[Vec<Found>],
        sizes: &[(usize, usize)],
        padded: (usize, usize),
        quality: MaskQuality,
    ) -> Proposals {
        let masks = self.masks(&found.concat(), padded);
        let areas = masks.areas().wait();
        let mut row = 0;
        let mut candidate = |one: &Found, size: (usize, usize)| {
            row += 1;
            Candidate {
                mask: row - 1,
                class: one.class,
                class_quality: one.probability,
                mask_quality: match quality {
                    MaskQuality::MeanForeground => mask_quality(one.mask.iter().copied()).0,
                    MaskQuality::IouHead => one
                        .mask_iou
                        .expect("a recipe that asks for a head that is not there is refused"),
                },
                area: areas[row - 1],
                bounds: Some(one.bounds.clipped(size)),
                foreground: true,
                probabilities: one.probabilities.clone(),
            }
        };
        let of_image = |(found, size): (&Vec<Found>, &(usize, usize))| {
            found.iter().map(|one| candidate(one, *size)).collect()
        };
        Proposals {
            size: padded,
            images: found.iter().zip(sizes).map(of_image).collect(),
            masks: Box::new(masks),
        }
    }

    /// The detections of every image at another size: first the detections in an input whose images have the sizes
    /// `own`, then rows and columns of the masks of each image.
    pub fn resized(
        &self,
        all: Vec<Vec<Found>>,
        own: &[(usize, usize)],
        sizes: &[(usize, usize)],
    ) -> Vec<Vec<Judged>> {
        let of_image = |found: Vec<Found>, own: &(usize, usize), size: &(usize, usize)| {
            let across = size.1 as f32 / own.1 as f32;
            let down = size.0 as f32 / own.0 as f32;
            let scaled = |one: Found| {
                let inside = one.bounds.clipped(*own) == one.bounds;
                let bounds = one.bounds.scaled(across, down);
                // What lies inside stays inside, however the sides are rounded.
                let bounds = if inside {
                    bounds.clipped(*size)
                } else {
                    bounds
                };
                Found { bounds, ..one }
            };
            let found: Vec<Found> = found.into_iter().map(scaled).collect();
            let masks = self.masks(&found, *size);
            let judged = |(row, one): (usize, &Found)| {
                let mask = Mask::new(size.0, size.1, masks.bits(row));
                self.judged(one, one.bounds.clipped(*size), mask)
            };
            found.par_iter().enumerate().map(judged).collect()
        };
        let images = all.into_iter().zip(own).zip(sizes);
        images
            .map(|((found, own), size)| of_image(found, own, size))
            .collect()
    }

    /// Numbers of `found` for comparisons with other programs:
    ///
    /// - `boxes` `[N, 4]`: x1, y1, x2, y2 in pixels of the input;
    /// - `classes` `[N]`, `scores` `[N]`: the class quality;
    /// - `masks` `[N, S, S]`: the probabilities of the masks;
    /// - `ious` `[N]`, of a network with an IoU head: their predicted IoU.
    pub fn raw(&self, found: &[Found], has_iou_head: bool) -> Vec<RawArray> {
        let (count, side) = (found.len(), self.side);
        let boxes = found.iter().flat_map(|one| one.bounds.to_array()).collect();
        let classes = found.iter().map(|one| one.class as f32).collect();
        let scores = found.iter().map(|one| one.probability).collect();
        let masks = found
            .iter()
            .flat_map(|one| probabilities(&one.mask))
            .collect();
        let mut arrays = vec![
            ("boxes", (vec![count, 4], boxes)),
            ("classes", (vec![count], classes)),
            ("scores", (vec![count], scores)),
            ("masks", (vec![count, side, side], masks)),
        ];
        if has_iou_head {
            let ious = found.iter().filter_map(|one| one.mask_iou).collect();
            arrays.push(("ious", (vec![count], ious)));
        }
        arrays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pasting(scores_masks: bool) -> Pasting {
        Pasting {
            side: 2,
            rule: PasteRule::Sampled,
            scores_masks,
            place: Place::Host,
        }
    }

    fn found(bounds: [f32; 4]) -> Found {
        Found {
            bounds: Bounds::new(bounds),
            class: 3,
            probability: 0.594,
            mask_iou: Some(0.8),
            probabilities: vec![0.25; 4],
            mask: vec![4.0, -4.0, 4.0, -4.0],
        }
    }

    #[test]
    fn the_predicted_iou_is_a_factor_where_the_network_says_so() {
        let one = found([0.0, 0.0, 4.0, 4.0]);
        assert_eq!(pasting(false).score(&one), 0.594);
        assert!((pasting(true).score(&one) - 0.4752).abs() < 1e-6);
        let mask = || Mask::new(1, 1, vec![1]);
        let judged = pasting(true).judged(&one, one.bounds, mask());
        assert_eq!((judged.class_quality, judged.mask_quality), (0.594, 0.8));
        let plain = pasting(false).judged(&one, one.bounds, mask());
        assert_eq!((plain.class_quality, plain.mask_quality), (0.594, 1.0));
    }

    /// A mask fills the rectangle that it was predicted for, also where this lies outside of the image; what is told is
    /// the part inside.
    #[test]
    fn a_mask_keeps_its_place_in_a_rectangle_that_is_cut() {
        let all = vec![vec![found([-8.0, 0.0, 8.0, 4.0])]];
        let sizes = [(4, 8)];
        let candidates = pasting(true).proposals(&all, &sizes, (4, 12), MaskQuality::IouHead);
        let candidate = &candidates.images[0][0];
        assert_eq!(candidate.bounds, Some(Bounds::new([0.0, 0.0, 8.0, 4.0])));
        assert_eq!(candidate.mask_quality, 0.8);
        // The left half of the mask is set, and lies outside.
        assert!(candidate.area <= 4, "{}", candidate.area);
        let judged = pasting(true).resized(all, &sizes, &[(8, 16)]);
        let detection = &judged[0][0].detection;
        assert_eq!(detection.bounds, Some([0.0, 0.0, 16.0, 8.0]));
        let set: Vec<usize> = (0..128).filter(|i| detection.mask.bits[*i] == 1).collect();
        assert!(set.iter().all(|i| i % 16 < 1), "{set:?}");
    }
}
