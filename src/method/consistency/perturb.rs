//! Consistency `perturb`: auxiliary heads say of perturbed regions what the heads of the network say of the regions as
//! they are (CCT).
//!
//! `$$ L_{cls} = \frac{1}{J R (K + 1)} \sum_{j,r} \lVert p^{(j)}_r - \bar p_r \rVert^2, \qquad
//!    L_{mask} = \frac{1}{J F S^2} \sum_{j, r \le F, i} \bigl(m^{(j)}_{ri} - \bar m_{ri}\bigr)^2 $$`
//!
//! r runs over R regions: the F detections of the heads, then proposals drawn at random, so that background is
//! compared, too. p are the probabilities of the K classes and background, m that of the detected class's mask; those
//! with (j) come from the auxiliary head j of J, which sees the region's bins perturbed. No gradient flows to a number
//! with a bar, nor to a region: the heads of the network learn from labels alone, the auxiliary heads from this loss
//! alone, and backbone and pyramid from both. The region proposal network learns from labels alone.
//!
//! Source: CCT for segmentation (Ouali et al., CVPR 2020; yassouali/CCT 65d4e5b, `models/model.py:85-153`,
//! `utils/losses.py:229-243`). Our definition: its use on the heads for regions, and the choice of the regions.

use super::perturbation::{Drawn, MaskOf, Perturbation};
use super::{Agreement, AppliesTo, Consistency, Group, Ramp};
use crate::detector::{HeadKind, Region, RegionDetection};
use crate::ops::{self, Distance};
use crate::registry::{self, Check, Checked, ComponentErrors};
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};
use schemars::JsonSchema;
use serde::Deserialize;

/// The keys of the rule.
#[derive(Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Perturb {
    /// The images whose regions are perturbed.
    applies_to: AppliesTo,
    /// The perturbation of each auxiliary head; as many as `model.auxiliary-heads`.
    kinds: Vec<Perturbation>,
    /// Random proposals of an image that are compared beside its detections.
    others: usize,
    /// The weight of the losses during the training.
    ramp: Ramp,
}

/// Most random proposals of an image.
const MOST_OTHERS: usize = 100_000;

const TERMS: [&str; 2] = ["class", "mask"];

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Consistency>, ComponentErrors> {
    Ok(Box::new(registry::read::<Perturb>(table)?))
}

impl Checked for Perturb {
    fn check(&self, check: &mut Check) {
        let count = self.kinds.len();
        check.require(count > 0, "kinds", "[]", "one or more perturbations");
        check.range("others", self.others, 0..=MOST_OTHERS);
        self.ramp.check(check);
    }
}

/// The regions of a group and what the heads of the network say of them.
struct Seen {
    /// Those of the detections first.
    regions: Vec<Region>,
    /// The class of every detection.
    classes: Vec<usize>,
    /// The probabilities of the masks of the detections, `[F, S * S]`.
    masks: Tensor2,
    /// The probabilities of the classes and background, `[R, K + 1]`.
    probabilities: Tensor2,
}

impl Consistency for Perturb {
    fn applies_to(&self) -> AppliesTo {
        self.applies_to
    }

    fn ramp(&self) -> Ramp {
        self.ramp
    }

    fn terms(&self) -> &'static [&'static str] {
        &TERMS
    }

    fn check_auxiliary_heads(&self, heads: usize, check: &mut Check) {
        let kinds = self.kinds.len();
        let allowed = format!("{kinds}, one for each of `method.consistency.kinds`");
        check.require(heads == kinds, "model.auxiliary-heads", heads, allowed);
    }

    fn losses(&self, tape: &mut Tape, groups: &[Group], place: (u64, usize)) -> Agreement {
        let (seed, step) = place;
        let stream = |name: String| Stream::at(seed, &name, step as u64);
        let numbered = groups.iter().enumerate();
        let seen = numbered.map(|(number, group)| {
            self.seen(group, stream(format!("consistency/regions/{number}")))
        });
        let seen: Vec<Option<Seen>> = seen.collect();
        let sizes = |of: fn(&Seen) -> usize| -> f32 {
            let sizes: usize = seen.iter().flatten().map(of).sum();
            (sizes * self.kinds.len()) as f32
        };
        // The number of values of each term, over all auxiliary heads.
        let values = [
            sizes(|seen| seen.probabilities.len()),
            sizes(|seen| seen.masks.len()),
        ];
        let mut parts: [Vec<Tensor2>; 2] = Default::default();
        for (number, (group, seen)) in groups.iter().zip(&seen).enumerate() {
            let Some(seen) = seen else {
                continue;
            };
            let draws = |head: usize| stream(format!("consistency/perturbed/{number}/{head}"));
            let terms = self.compared(tape, group, seen, draws, values);
            for (parts, term) in parts.iter_mut().zip(terms) {
                parts.extend(term);
            }
        }
        let regions = seen.iter().flatten().map(|seen| seen.regions.len()).sum();
        Agreement::new(tape, &TERMS, parts, regions)
    }
}

impl Perturb {
    /// The detections and some random proposals of the images of `group`; none if there are none.
    fn seen(&self, group: &Group, mut draws: Stream) -> Option<Seen> {
        let heads = group.heads;
        let detections = heads.detections();
        let found: Vec<(usize, &RegionDetection)> = detections[..group.images]
            .iter()
            .enumerate()
            .flat_map(|(image, found)| found.iter().map(move |one| (image, one)))
            .collect();
        let region = |image, bounds| Region { image, bounds };
        let own = found.iter().map(|(image, one)| region(*image, one.bounds));
        let mut regions: Vec<Region> = own.collect();
        for image in 0..group.images {
            let proposals = heads.proposals(image);
            let order = draws.permutation(proposals.len()).into_iter();
            let others = order.take(self.others);
            regions.extend(others.map(|index| region(image, proposals[index])));
        }
        if regions.is_empty() {
            return None;
        }
        let predicted = heads.predict(&mut Tape::off(), &regions).classes;
        let columns = predicted.columns();
        let mut probabilities = predicted.host_values().into_owned();
        ops::softmax_rows(&mut probabilities, columns);
        let logits = found.iter().flat_map(|(_, one)| &one.mask);
        let masks = logits.map(|logit| ops::sigmoid(*logit)).collect();
        let pixels = heads.mask_side().pow(2);
        Some(Seen {
            probabilities: Tensor2::constant(probabilities, regions.len(), columns),
            regions,
            classes: found.iter().map(|(_, one)| one.class).collect(),
            masks: Tensor2::constant(masks, found.len(), pixels),
        })
    }

    /// The parts of the two terms of the regions of a group. `draws`: the random numbers of an auxiliary head.
    /// `values`: the divisors of the terms.
    fn compared(
        &self,
        tape: &mut Tape,
        group: &Group,
        seen: &Seen,
        draws: impl Fn(usize) -> Stream,
        values: [f32; 2],
    ) -> [Vec<Tensor2>; 2] {
        let heads = group.heads;
        let found = seen.classes.len();
        let in_boxes = heads.bins(tape, &seen.regions, HeadKind::Box);
        let in_masks =
            (found > 0).then(|| heads.bins(tape, &seen.regions[..found], HeadKind::Mask));
        let (side, pixels) = (heads.mask_side(), seen.masks.columns());
        let mut masks: Vec<MaskOf> = seen.masks.values().chunks_exact(pixels).map(Some).collect();
        masks.resize(seen.regions.len(), None);
        let [mut classes, mut segmented] = [Vec::new(), Vec::new()];
        for (head, kind) in self.kinds.iter().enumerate() {
            let sizes = (in_boxes.channels(), side);
            let drawn = Drawn::new(*kind, &masks, sizes, draws(head));
            let mut perturbed = |bins: &Map| {
                let factors = drawn.factors(bins, &masks, side);
                let data = ops::multiply(tape, &bins.data, &factors);
                Map {
                    data,
                    ..bins.clone()
                }
            };
            let boxes = perturbed(&in_boxes);
            let bins = in_masks.as_ref().map(&mut perturbed);
            let logits = heads.auxiliary_classes(tape, head, &boxes);
            let (told, squares) = (&seen.probabilities, Distance::Squares);
            classes.push(ops::softmax_distance(
                tape, &logits, told, squares, values[0],
            ));
            if let Some(bins) = bins {
                let logits = heads.auxiliary_masks(tape, head, &bins, &seen.classes);
                segmented.push(ops::sigmoid_squares(tape, &logits, &seen.masks, values[1]));
            }
        }
        [classes, segmented]
    }
}
