//! Makes a snapshot of one picture. The rules work on a copy of their state, so no threshold moves.

use super::forms::pixels;
use super::{Asked, Labeller, Survivors, View};
use crate::detector::{Candidate, Detector, Proposals};
use crate::method::correction::TrainingProgress;
use crate::method::filter::{Clock, Tier};
use crate::method::snapshot::{CandidateSnapshot, ImageSnapshot};
use crate::structures::{Mask, Picture};
use crate::tensor::{Later, Tensor2};

/// The number of low candidates that a snapshot has at most: a hundred of them would hide the others.
const MOST_LOW: usize = 8;

impl Labeller {
    /// What `teacher` and the rules as they are now say of `picture`. The rules stay as they are.
    pub fn snapshot(
        &self,
        teacher: &dyn Detector,
        picture: &Picture,
        progress: TrainingProgress,
    ) -> ImageSnapshot {
        let mut own = Self {
            filter: self.filter.for_a_look(),
            ..self.clone()
        };
        let images = teacher.images(&[picture]);
        let Proposals {
            size,
            images,
            masks,
        } = own.propose(teacher, &images).1.wait();
        let view = View {
            number: 0,
            candidates: images.into_iter().next().unwrap_or_default(),
            clock: Clock {
                last_of_step: true,
                last_of_epoch: false,
            },
        };
        let survivors = own.survivors(&view, &*masks);
        let low = best_low(&view.candidates, &survivors.tiers);
        let logits_of = |candidates: &[usize]| {
            let rows = candidates.iter().map(|i| view.candidates[*i].mask);
            masks.logits(&rows.collect::<Vec<_>>())
        };
        let of_picture = |masks: &[Mask]| -> Vec<Mask> {
            let masks = masks.iter();
            masks
                .map(|mask| mask.top_left(picture.height, picture.width))
                .collect()
        };
        let masks_of = |logits: &Tensor2| -> Vec<Mask> {
            let bits = pixels(logits, self.config.mask_threshold)
                .wait()
                .into_iter();
            bits.map(|bits| Mask::new(size.0, size.1, bits)).collect()
        };
        let low_masks = of_picture(&masks_of(&logits_of(&low)));
        let logits = logits_of(&survivors.candidates);
        let padded = masks_of(&logits);
        let own_masks = of_picture(&padded);
        let rows = (0, padded);
        let asked = own.ask(&view, &survivors, rows, &logits, picture, progress);
        let answers = asked.answers.wait();
        let corrected: Vec<Option<usize>> = answers
            .iter()
            .map(|answer| answer.map(|answer| answer.class))
            .collect();
        let asked = Asked {
            answers: Later::ready(answers),
            ..asked
        };
        let labels = own.label_view(&view, &survivors, asked, &*masks);
        let shown = |i: usize, mask: Mask, corrected: Option<usize>, kept: bool| {
            let candidate = &view.candidates[i];
            CandidateSnapshot {
                class: candidate.class,
                corrected: corrected.unwrap_or(candidate.class),
                class_quality: candidate.class_quality,
                mask_quality: candidate.mask_quality,
                tier: survivors.tiers[i],
                kept,
                mask,
            }
        };
        let Survivors { candidates, tiers } = &survivors;
        let of_survivors = candidates.iter().zip(own_masks).zip(corrected);
        let of_survivors = of_survivors.enumerate().map(|(row, ((i, mask), class))| {
            let kept = labels.labels.iter().any(|label| label.row == row);
            shown(*i, mask, class, kept)
        });
        let of_low = low.iter().zip(low_masks);
        let of_low = of_low.map(|(i, mask)| shown(*i, mask, None, false));
        let discounts = labels.discounts.as_ref().map(|of| of.values());
        ImageSnapshot {
            candidates: of_survivors.chain(of_low).collect(),
            low: tiers.iter().filter(|tier| **tier == Tier::Low).count(),
            uncertainty: discounts.map(|all| largest(&all, size, (picture.height, picture.width))),
        }
    }
}

/// The low candidates that a snapshot has, the best first; of equal ones the first.
fn best_low(candidates: &[Candidate], tiers: &[Tier]) -> Vec<usize> {
    let is_shown = |i: &usize| tiers[*i] == Tier::Low && candidates[*i].area > 0;
    let score = |i: &usize| candidates[*i].class_quality * candidates[*i].mask_quality;
    let mut low: Vec<usize> = (0..candidates.len()).filter(is_shown).collect();
    low.sort_by(|one, other| score(other).total_cmp(&score(one)));
    low.truncate(MOST_LOW);
    low
}

/// The largest value of each pixel over the rows of `all` `[labels, height * width]`, cut to the picture in the top
/// left corner, which has the rows and columns `picture`.
fn largest(all: &Tensor2, (height, width): (usize, usize), picture: (usize, usize)) -> Vec<f32> {
    let values = all.host_values();
    let mut found = vec![0.0f32; picture.0 * picture.1];
    for label in values.chunks_exact((height * width).max(1)) {
        for (to, from) in found
            .chunks_exact_mut(picture.1.max(1))
            .zip(label.chunks_exact(width.max(1)))
        {
            for (to, from) in to.iter_mut().zip(from) {
                *to = to.max(*from);
            }
        }
    }
    found
}
