//! From the teacher's candidates to pseudo-labels.
//!
//! Candidates -> tiers of the filter -> minimum area -> correction -> medium candidates accepted or not -> duplicates
//! dropped, the better one first -> the filter learns which candidates were kept. [`Labeller::begin`] goes as far as
//! nothing has to be waited for, [`Labeller::finish`] to the end.

use super::TeacherStudentConfig;
use crate::detector::{Candidate, Detector, Masks, Output, Proposals, PseudoBox};
use crate::graph::Images;
use crate::method::correction::{Corrected, Correction, Region, TrainingProgress};
use crate::method::filter::{Clock, Filter, Tier};
use crate::method::pseudo_labels::{ImageLabels, PseudoLabel, TierCounts, without_duplicates};
use crate::method::weighting::Weighting;
use crate::structures::{Mask, Picture};
use crate::tensor::{Later, Tape, Tensor2};
use std::collections::VecDeque;

mod discounts;
mod forms;
mod snapshot;

/// The teacher's views of one step, of which some have been put into tiers.
pub struct Labelling {
    /// Rows and columns of the masks.
    size: (usize, usize),
    /// The masks of all candidates.
    masks: Box<dyn Masks>,
    /// Those that have not.
    waiting: VecDeque<View>,
    /// Those that have, whose masks are on their way.
    begun: Option<Tiered>,
}

/// The data of an image before it is filtered.
struct View {
    number: usize,
    candidates: Vec<Candidate>,
    clock: Clock,
}

/// The candidates of an image that are not low, with the tiers of all.
struct Survivors {
    tiers: Vec<Tier>,
    candidates: Vec<usize>,
}

/// Views of which none's tiers depend on another's labels.
struct Tiered {
    views: Vec<(View, Survivors)>,
    /// Mask logits of all survivors at the padded input size, view by view, where the network is.
    logits: Tensor2,
    /// The pixels of the masks.
    bits: Later<Vec<Vec<u8>>>,
}

/// The question to the correction about a view.
struct Asked {
    masks: Vec<Mask>,
    /// The first mask's row among the logits.
    first: usize,
    answers: Later<Vec<Option<Corrected>>>,
}

/// The chain of rules, with their state.
#[derive(Clone)]
pub struct Labeller {
    config: TeacherStudentConfig,
    /// Slot `filter`.
    pub filter: Box<dyn Filter>,
    /// Slot `correction`.
    pub correction: Box<dyn Correction>,
    /// Slot `weighting`.
    pub weighting: Box<dyn Weighting>,
}

impl Labeller {
    /// The rules of `config` before their first image.
    pub fn new(config: TeacherStudentConfig) -> Self {
        Self {
            filter: config.filter.clone(),
            correction: config.correction.clone(),
            weighting: config.weighting.clone(),
            config,
        }
    }

    /// The teacher's output for its views of one step, `images`, and its proposals.
    pub fn propose(
        &self,
        teacher: &dyn Detector,
        images: &Images,
    ) -> (Box<dyn Output>, Later<Proposals>) {
        let output = teacher.forward(&mut Tape::off(), images);
        let proposals = output.propose(self.config.choice());
        (output, proposals)
    }

    /// Puts the candidates of the teacher's views of one step into their tiers, as far as that does not
    /// depend on labels, and asks for the masks that survive. `last_of_epoch`: the step ends a pass over the
    /// unlabelled images.
    pub fn begin(&mut self, proposals: Proposals, last_of_epoch: bool) -> Labelling {
        let end = Clock {
            last_of_step: true,
            last_of_epoch,
        };
        self.begin_some(proposals, end)
    }

    /// The same for some of the views of a step, which follow those that have labels. `end`: the clock of the last.
    pub fn begin_some(&mut self, proposals: Proposals, end: Clock) -> Labelling {
        let Proposals {
            size,
            images,
            masks,
        } = proposals;
        let last = images.len().saturating_sub(1);
        let view = |(number, candidates)| View {
            number,
            candidates,
            clock: Clock {
                last_of_step: end.last_of_step && number == last,
                last_of_epoch: end.last_of_epoch && number == last,
            },
        };
        let mut begun = Labelling {
            size,
            masks,
            waiting: images.into_iter().enumerate().map(view).collect(),
            begun: None,
        };
        self.next(&mut begun);
        begun
    }

    /// The labels of the views, whose `pictures` are those that were proposed for.
    ///
    /// Panics if there are not as many.
    pub fn finish(
        &mut self,
        mut begun: Labelling,
        pictures: &[&Picture],
        progress: TrainingProgress,
    ) -> Vec<ImageLabels> {
        let mut labels = Vec::with_capacity(pictures.len());
        while let Some(tiered) = begun.begun.take() {
            let masks = (begun.size, &*begun.masks);
            labels.extend(self.label(tiered, masks, pictures, progress));
            self.next(&mut begun);
        }
        assert_eq!(labels.len(), pictures.len(), "a picture for every view");
        labels
    }

    /// Puts the next views into their tiers: on a GPU all that do not wait for labels, so that their masks
    /// come in one copy; on the CPU, where nothing is waited for, one, so that not all masks are there at a
    /// time.
    fn next(&mut self, begun: &mut Labelling) {
        let waiting = begun.waiting.len();
        let alone = !begun.masks.place().is_asynchronous() || self.filter.follows_labels();
        let count = if alone { waiting.min(1) } else { waiting };
        if count == 0 {
            return;
        }
        let views: Vec<(View, Survivors)> = begun
            .waiting
            .drain(..count)
            .map(|view| {
                let survivors = self.survivors(&view, &*begun.masks);
                (view, survivors)
            })
            .collect();
        let rows = views.iter().flat_map(|(view, survivors)| {
            let survivors = survivors.candidates.iter();
            survivors.map(|i| view.candidates[*i].mask)
        });
        let logits = begun.masks.logits(&rows.collect::<Vec<_>>());
        begun.begun = Some(Tiered {
            bits: forms::pixels(&logits, self.config.mask_threshold),
            logits,
            views,
        });
    }

    /// The tiers of a view's candidates; those with too small a mask are low, whatever the filter says.
    fn survivors(&mut self, view: &View, masks: &dyn Masks) -> Survivors {
        let candidates = &view.candidates;
        let mut tiers = self.filter.tiers(candidates, view.clock);
        let is_not_low = |tiers: &[Tier], i: &usize| tiers[*i] != Tier::Low;
        let all = 0..candidates.len();
        let rest: Vec<usize> = all.filter(|i| is_not_low(&tiers, i)).collect();
        let of_rest: Vec<&Candidate> = rest.iter().map(|i| &candidates[*i]).collect();
        for (i, is_small) in rest.iter().zip(self.are_small(&of_rest, masks)) {
            if is_small {
                tiers[*i] = Tier::Low;
            }
        }
        Survivors {
            candidates: rest.into_iter().filter(|i| is_not_low(&tiers, i)).collect(),
            tiers,
        }
    }

    /// Waits for the masks of the views, then for what the correction says of each.
    fn label(
        &mut self,
        tiered: Tiered,
        ((height, width), all_masks): ((usize, usize), &dyn Masks),
        pictures: &[&Picture],
        progress: TrainingProgress,
    ) -> Vec<ImageLabels> {
        let Tiered {
            views,
            logits,
            bits,
        } = tiered;
        let (mut bits, mut first) = (bits.wait().into_iter(), 0);
        let mut all_asked = Vec::with_capacity(views.len());
        for (view, survivors) in &views {
            let masks = bits.by_ref().take(survivors.candidates.len());
            let masks = masks.map(|bits| Mask::new(height, width, bits)).collect();
            let picture = pictures[view.number];
            let asked = self.ask(view, survivors, (first, masks), &logits, picture, progress);
            first += asked.masks.len();
            all_asked.push(asked);
        }
        let views = views.iter().zip(all_asked);
        let label = |((view, survivors), asked): (&(View, Survivors), Asked)| {
            self.label_view(view, survivors, asked, all_masks)
        };
        views.map(label).collect()
    }

    /// Asks the correction about the survivors of a view. `rows`: the row of the first one's mask among `logits`, and
    /// the masks of all.
    fn ask(
        &self,
        view: &View,
        survivors: &Survivors,
        rows: (usize, Vec<Mask>),
        logits: &Tensor2,
        picture: &Picture,
        progress: TrainingProgress,
    ) -> Asked {
        let (first, masks) = rows;
        let survivors_and_masks = survivors.candidates.iter().zip(&masks).enumerate();
        let regions: Vec<Region> = survivors_and_masks
            .map(|(row, (i, mask))| Region {
                tier: survivors.tiers[*i],
                probabilities: &view.candidates[*i].probabilities,
                mask,
                row: first + row,
            })
            .collect();
        let answers = self.correction.correct(picture, logits, &regions, progress);
        Asked {
            masks,
            first,
            answers,
        }
    }

    /// The labels of a view. `masks`: those of all candidates.
    fn label_view(
        &mut self,
        view: &View,
        survivors: &Survivors,
        asked: Asked,
        masks: &dyn Masks,
    ) -> ImageLabels {
        let (candidates, tiers) = (&view.candidates, &survivors.tiers);
        let mut kept = vec![false; candidates.len()];
        let mut labels = Vec::new();
        let answers = asked.answers.wait();
        let rows = survivors.candidates.iter().zip(asked.masks).zip(answers);
        for (row, ((i, mask), answer)) in (asked.first..).zip(rows) {
            let (candidate, tier) = (&candidates[*i], tiers[*i]);
            let sure = answer.is_some_and(|answer| answer.probability >= self.filter.accept());
            kept[*i] = tier == Tier::High || sure;
            if kept[*i] {
                labels.push(PseudoLabel {
                    class: answer.map_or(candidate.class, |answer| answer.class),
                    teacher_class: candidate.class,
                    tier,
                    score: candidate.class_quality * candidate.mask_quality,
                    mask,
                    qualities: [candidate.class_quality, candidate.mask_quality],
                    proposal: candidate.mask,
                    bounds: candidate.bounds,
                    row,
                });
            }
        }
        let before = labels.len();
        let labels = without_duplicates(labels, self.config.duplicate_iou);
        let of_tier = |tier| tiers.iter().filter(|other| **other == tier).count();
        let counts = TierCounts {
            high: of_tier(Tier::High),
            medium: of_tier(Tier::Medium),
            low: of_tier(Tier::Low),
            accepted: (0..kept.len())
                .filter(|i| kept[*i] && tiers[*i] == Tier::Medium)
                .count(),
            duplicates: before - labels.len(),
            kept: labels.len(),
        };
        self.filter.learn(candidates, &kept, view.clock);
        let proposals: Vec<usize> = labels.iter().map(|label| label.proposal).collect();
        let weights = |label: &PseudoLabel| {
            let [class, mask] = label.qualities;
            self.weighting.of_label(class, mask)
        };
        ImageLabels {
            weights: labels.iter().map(weights).collect(),
            coarse: self.coarse(masks, &proposals),
            discounts: self.discounts(masks, &proposals),
            bounds: match self.config.pseudo_box {
                PseudoBox::Mask => None,
                PseudoBox::Detection => labels.iter().map(|label| label.bounds).collect(),
            },
            labels,
            counts,
        }
    }
}

#[cfg(test)]
mod tests;
