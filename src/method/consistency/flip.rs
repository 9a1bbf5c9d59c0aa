//! Consistency `flip`: a region has the same class, box and mask in the mirror image of its picture (CSD).
//!
//! `$$ L_{cls} = \frac1{2n} \sum_r \mathrm{KL}(\bar p'_r \,\Vert\, p_r) + \mathrm{KL}(\bar p_r \,\Vert\, p'_r), \qquad
//!    L_{box} = \frac1{4 n K} \sum_{r,k} \lVert d_{rk} - T d'_{rk} \rVert^2, \quad T = \mathrm{diag}(-1, 1, 1, 1) $$`
//! `$$ L_{mask} = \frac1{2 n S^2} \sum_{r,i} \mathrm{BCE}(m_{ri}, \bar m'_{r \tilde\imath}) +
//!    \mathrm{BCE}(m'_{r \tilde\imath}, \bar m_{ri}) $$`
//!
//! r runs over n regions: of the proposals of the image, the best ones whose most probable object class beats
//! background in the image itself. The primed numbers are those of the mirrored region in the mirror image:
//! probabilities p of the K classes and background, deltas d, mask m of the object class that is most probable in the
//! image. `$\tilde\imath$` is the mirrored pixel; no gradient flows to a number with a bar. Where no region is left,
//! all terms are 0.
//!
//! Source: CSD for boxes (Jeong et al., NeurIPS 2019; soo89/CSD-RFCN 45497e9, `rfcn_consistency.py:88-245`;
//! soo89/CSD-SSD 49973cc). Our definition: its use on Mask R-CNN, the number of proposals, and the mask term. The
//! mirrored rectangle of the released code is off by one pixel; ours is that of half-open pixels.

use super::{AppliesTo, Consistency, Group, Looked, Ramp, Seen};
use crate::detector::Region;
use crate::ops::{self, Distance};
use crate::registry::{self, Check, Checked, ComponentErrors};
use crate::rng::Stream;
use crate::tensor::{Tape, Tensor2};
use schemars::JsonSchema;
use serde::Deserialize;

/// The keys of the rule.
#[derive(Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Flip {
    /// The images whose regions are compared with those of their mirror images.
    applies_to: AppliesTo,
    /// The best proposals of an image, at most, among which compared regions are.
    regions: usize,
    /// The weight of the losses during the training.
    ramp: Ramp,
}

/// Most proposals of an image.
const MOST_REGIONS: usize = 100_000;

const TERMS: [&str; 3] = ["class", "box", "mask"];

/// Added to every probability before its logarithm.
const EPSILON: f32 = 1e-7;

/// -T: the signs of dx, dy, dw, dh in the mirror image, turned around.
const MINUS_T: [f32; 4] = [1.0, -1.0, -1.0, -1.0];

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Consistency>, ComponentErrors> {
    Ok(Box::new(registry::read::<Flip>(table)?))
}

impl Checked for Flip {
    fn check(&self, check: &mut Check) {
        check.range("regions", self.regions, 1..=MOST_REGIONS);
        self.ramp.check(check);
    }
}

impl Consistency for Flip {
    fn applies_to(&self) -> AppliesTo {
        self.applies_to
    }

    fn ramp(&self) -> Ramp {
        self.ramp
    }

    fn mirrors(&self) -> bool {
        true
    }

    fn terms(&self) -> &'static [&'static str] {
        &TERMS
    }

    fn check_auxiliary_heads(&self, heads: usize, check: &mut Check) {
        let allowed = "0, because `flip` trains no auxiliary heads";
        check.require(heads == 0, "model.auxiliary-heads", heads, allowed);
    }

    fn compare(&self, tape: &mut Tape, group: &Group, looked: &Looked) -> Vec<Vec<Tensor2>> {
        let kept = looked.own();
        if kept.regions.is_empty() {
            return Vec::new();
        }
        let count = super::regions(looked.all) as f32;
        compared(tape, group, kept, count).into()
    }

    /// The regions of the images of `group` in which an object class beats background, with the most probable object
    /// class of each.
    fn look(&self, group: &Group, _draws: &mut Stream) -> Seen {
        let of_image = |image: usize| {
            let proposals = group.heads.proposals(image).into_iter();
            proposals
                .take(self.regions)
                .map(move |bounds| Region { image, bounds })
        };
        let regions: Vec<Region> = (0..group.images).flat_map(of_image).collect();
        if regions.is_empty() {
            return Seen::default();
        }
        let predicted = group.heads.predict(&mut Tape::off(), &regions).classes;
        let columns = predicted.columns();
        let logits = predicted.host_values();
        let rows = logits.chunks_exact(columns);
        let found = regions.into_iter().zip(rows.map(object_over_background));
        let (regions, classes) = found
            .filter_map(|(region, class)| Some((region, class?)))
            .unzip();
        Seen {
            regions,
            classes,
            told: None,
        }
    }
}

/// The most probable object class, of equal ones the first; none unless it is more probable than background, which is
/// the last of the `logits`.
fn object_over_background(logits: &[f32]) -> Option<usize> {
    let (background, objects) = logits.split_last()?;
    let mut best = 0;
    for (class, logit) in objects.iter().enumerate() {
        if *logit > objects[best] {
            best = class;
        }
    }
    (objects.get(best)? > background).then_some(best)
}

/// The parts of the three terms of the regions of a group, of `count` regions of all groups.
fn compared(tape: &mut Tape, group: &Group, kept: &Seen, count: f32) -> [Vec<Tensor2>; 3] {
    let heads = group.heads;
    let mirror = |region: &Region| Region {
        image: region.image + group.images,
        bounds: region.bounds.mirrored(heads.size(region.image).1 as f32),
    };
    let (here, there) = (&kept.regions, kept.regions.iter().map(mirror));
    let there: Vec<Region> = there.collect();
    let (own, mirrored) = (heads.predict(tape, here), heads.predict(tape, &there));

    let distance = Distance::Divergence { epsilon: EPSILON };
    let mut divergence = |from: &Tensor2, to: &Tensor2| {
        ops::softmax_distance(tape, to, &probabilities(from), distance, 2.0 * count)
    };
    let classes = vec![
        divergence(&mirrored.classes, &own.classes),
        divergence(&own.classes, &mirrored.classes),
    ];

    let deltas = own.deltas.columns() as f32;
    let boxes = box_distance(tape, &own.deltas, &mirrored.deltas, count * deltas);

    let masks = heads.masks(tape, here, &kept.classes);
    let turned = heads.masks(tape, &there, &kept.classes);
    let side = heads.mask_side();
    let mut entropy = |of: &Tensor2, seen: &Tensor2| {
        ops::bce_points(tape, of, &mirror_masks(seen, side), None, 2.0 * count)
    };
    // The mean is the same whichever of the two is mirrored.
    let masks = vec![entropy(&masks, &turned), entropy(&turned, &masks)];
    [classes, vec![boxes], masks]
}

/// The softmax of every row, as constants.
fn probabilities(logits: &Tensor2) -> Tensor2 {
    let (rows, columns) = (logits.rows(), logits.columns());
    let mut values = logits.host_values().into_owned();
    ops::softmax_rows(&mut values, columns);
    Tensor2::constant(values, rows, columns)
}

/// The sum of the squares of d - T d' over `denominator`, with a gradient to both. Shapes: `own` d and `mirrored` d',
/// `[R, 4 K]`.
fn box_distance(tape: &mut Tape, own: &Tensor2, mirrored: &Tensor2, denominator: f32) -> Tensor2 {
    let (rows, columns) = (own.rows(), own.columns());
    let signs = MINUS_T.repeat(rows * columns / MINUS_T.len());
    let signs = Tensor2::constant(signs, rows, columns);
    let turned = ops::multiply(tape, mirrored, &signs);
    let difference = ops::add(tape, own, &turned);
    // Below its bound a smooth L1 loss is a square over twice the bound; a power of two costs no digit.
    const BOUND: f32 = 1_048_576.0;
    let zero = Tensor2::constant(vec![0.0; rows * columns], rows, columns);
    ops::smooth_l1(tape, &difference, &zero, BOUND, denominator / (2.0 * BOUND))
}

/// The probabilities of masks `[R, side * side]`, left and right swapped, as constants.
fn mirror_masks(logits: &Tensor2, side: usize) -> Tensor2 {
    let mut values = logits.host_values().into_owned();
    for row in values.chunks_exact_mut(side) {
        row.reverse();
        row.iter_mut()
            .for_each(|logit| *logit = ops::sigmoid(*logit));
    }
    Tensor2::constant(values, logits.rows(), logits.columns())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place, parameter};

    #[test]
    fn a_region_is_kept_if_an_object_beats_background() {
        assert_eq!(object_over_background(&[0.1, 0.9, 0.5]), Some(1));
        assert_eq!(object_over_background(&[0.9, 0.9, 0.5]), Some(0));
        assert_eq!(
            object_over_background(&[0.1, 0.5, 0.5]),
            None,
            "not more probable"
        );
        assert_eq!(object_over_background(&[-3.0, -2.0, 0.5]), None);
        // Two objects together are more probable than background, and none alone.
        assert_eq!(object_over_background(&[0.9, 0.9, 1.0]), None);
        assert_eq!(object_over_background(&[f32::NAN, 1.0, 0.5]), None);
    }

    on_every_place! {
        /// Only dx changes its sign in the mirror image.
        fn boxes_agree_if_they_are_mirrored(place) {
            let own = Tensor2::constant(vec![1.0, 2.0, 3.0, 4.0, -5.0, 6.0, -7.0, 8.0], 1, 8).to(place);
            let mirrored = [-1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -7.0, 8.0];
            let distance = |values: [f32; 8]| {
                let mirrored = Tensor2::constant(values.to_vec(), 1, 8);
                box_distance(&mut Tape::off(), &own, &mirrored, 8.0).scalar()
            };
            assert_eq!(distance(mirrored), 0.0);
            // The deltas as they are: (2^2 + 10^2) / 8.
            assert_eq!(distance([1.0, 2.0, 3.0, 4.0, -5.0, 6.0, -7.0, 8.0]), 13.0);
            let mut moved = mirrored;
            moved[3] += 2.0;
            assert_eq!(distance(moved), 0.5);
        }

        fn gradients_of_boxes_flow_to_both(place) {
            let pair = [parameter(1, 3, 8, 1.0), parameter(2, 3, 8, 1.0)];
            gradients(place, &pair, 1e-2, 1e-3, |tape, i| box_distance(tape, &i[0], &i[1], 5.0));
        }

        fn masks_are_mirrored_row_by_row(place) {
            let logits = Tensor2::constant(vec![0.0, 3f32.ln(), -(3f32.ln()), 100.0, 0.0, 0.0, 0.0, 100.0], 2, 4);
            let found = mirror_masks(&logits.to(place), 2);
            let expected = [0.75, 0.5, 1.0, 0.25, 0.5, 0.5, 1.0, 0.5];
            for (found, expected) in found.values().iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
            }
            assert!(!found.requires_grad());
        }
    }
}
