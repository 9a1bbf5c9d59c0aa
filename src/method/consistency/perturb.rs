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
use super::{AppliesTo, Consistency, Group, Looked, Ramp, Seen, Told};
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

    fn compare(&self, tape: &mut Tape, group: &Group, looked: &Looked) -> Vec<Vec<Tensor2>> {
        let Some(told) = &looked.own().told else {
            return Vec::new();
        };
        let (kind, (seed, step)) = (looked.kind, looked.place);
        let draws = |head: usize| {
            let name = format!("consistency/perturbed/{kind}/{head}");
            Stream::at(seed, &name, step as u64)
        };
        let all = looked
            .all
            .iter()
            .flatten()
            .filter_map(|seen| seen.told.as_ref());
        let sizes = |of: fn(&Told) -> usize| -> f32 {
            let sizes: usize = all.clone().map(of).sum();
            (sizes * self.kinds.len()) as f32
        };
        // The number of values of each term, over all auxiliary heads.
        let values = [
            sizes(|told| told.probabilities.len()),
            sizes(|told| told.masks.len()),
        ];
        self.compared(tape, group, (looked, told), draws, values)
            .into()
    }

    /// The detections, with their classes and masks, and some random proposals of the images of `group`.
    fn look(&self, group: &Group, draws: &mut Stream) -> Seen {
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
            return Seen::default();
        }
        let predicted = heads.predict(&mut Tape::off(), &regions).classes;
        let columns = predicted.columns();
        let mut probabilities = predicted.host_values().into_owned();
        ops::softmax_rows(&mut probabilities, columns);
        let logits = found.iter().flat_map(|(_, one)| &one.mask);
        let masks = logits.map(|logit| ops::sigmoid(*logit)).collect();
        let pixels = heads.mask_side().pow(2);
        Seen {
            told: Some(Told {
                probabilities: Tensor2::constant(probabilities, regions.len(), columns),
                masks: Tensor2::constant(masks, found.len(), pixels),
            }),
            regions,
            classes: found.iter().map(|(_, one)| one.class).collect(),
        }
    }
}

impl Perturb {
    /// The parts of the two terms of the regions of a group. `draws`: the random numbers of an auxiliary head.
    /// `values`: the divisors of the terms.
    fn compared(
        &self,
        tape: &mut Tape,
        group: &Group,
        (looked, told): (&Looked, &Told),
        draws: impl Fn(usize) -> Stream,
        values: [f32; 2],
    ) -> [Vec<Tensor2>; 2] {
        let (heads, seen) = (group.heads, looked.own());
        let found = seen.classes.len();
        let in_boxes = heads.bins(tape, &seen.regions, HeadKind::Box);
        let in_masks =
            (found > 0).then(|| heads.bins(tape, &seen.regions[..found], HeadKind::Mask));
        let side = heads.mask_side();
        let mut masks = masks_of(told);
        masks.resize(seen.regions.len(), None);
        let (all_masks, own) = masks_of_kind(looked);
        let [mut classes, mut segmented] = [Vec::new(), Vec::new()];
        for (head, kind) in self.kinds.iter().enumerate() {
            let sizes = (in_boxes.channels(), side);
            let drawn = Drawn::new(*kind, &all_masks, sizes, draws(head)).of(&own);
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
            let (probabilities, squares) = (&told.probabilities, Distance::Squares);
            classes.push(ops::softmax_distance(
                tape,
                &logits,
                probabilities,
                squares,
                values[0],
            ));
            if let Some(bins) = bins {
                let logits = heads.auxiliary_masks(tape, head, &bins, &seen.classes);
                segmented.push(ops::sigmoid_squares(tape, &logits, &told.masks, values[1]));
            }
        }
        [classes, segmented]
    }
}

/// The masks of the detections.
fn masks_of(told: &Told) -> Vec<MaskOf<'_>> {
    let pixels = told.masks.columns();
    told.masks.values().chunks_exact(pixels).map(Some).collect()
}

/// The masks of all regions of a kind in the order in which perturbations are drawn for them, the detections of all
/// images before the others, and the places of those that are meant.
fn masks_of_kind<'a>(looked: &Looked<'a>) -> (Vec<MaskOf<'a>>, Vec<usize>) {
    let pieces = &looked.all[looked.kind];
    let others = |seen: &Seen| seen.regions.len() - seen.classes.len();
    let told = pieces.iter().filter_map(|seen| seen.told.as_ref());
    let mut masks: Vec<MaskOf> = told.flat_map(masks_of).collect();
    let found = masks.len();
    masks.resize(found + pieces.iter().map(others).sum::<usize>(), None);
    let before = &pieces[..looked.piece];
    let first: usize = before.iter().map(|seen| seen.classes.len()).sum();
    let first_other = found + before.iter().map(others).sum::<usize>();
    let own = looked.own();
    let places = first..first + own.classes.len();
    let places = places.chain(first_other..first_other + others(own));
    (masks, places.collect())
}
