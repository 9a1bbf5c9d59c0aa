//! What the pieces of a part of a batch count together. The anchors of all images of a part are drawn from one stream,
//! then their regions.

use super::StartedPart;
use super::regions::{Sampled, pairs};
use crate::detector::Survey;
use crate::detector::by_region::objects_of_part;
use crate::detector::mask_rcnn::forward::Stage;
use crate::graph::regional::Region;
use crate::ops::iou_matrix;
use crate::tensor::Tape;

/// The sums of a survey.
#[derive(Clone, Copy, Default)]
pub(super) struct Counted {
    /// Sampled anchors.
    pub anchors: f64,
    /// Sampled regions.
    pub regions: f64,
    /// Those that have to find an object.
    pub found: f64,
    /// The weights of the regions in the class loss.
    pub class_weights: f64,
    /// The weights of the pixels of the masks.
    pub mask_weights: f64,
    /// The same for coarse masks.
    pub coarse_weights: f64,
    /// Masks whose IoU is learned.
    pub ious: f64,
}

impl Counted {
    /// Those of `survey`; 0 before the first piece.
    pub fn of(survey: &Survey) -> Self {
        let sum = |index: usize| survey.sums.get(index).copied().unwrap_or(0.0);
        Self {
            anchors: sum(0),
            regions: sum(1),
            found: sum(2),
            class_weights: sum(3),
            mask_weights: sum(4),
            coarse_weights: sum(5),
            ious: sum(6),
        }
    }

    fn sums(self) -> [f64; 7] {
        [
            self.anchors,
            self.regions,
            self.found,
            self.class_weights,
            self.mask_weights,
            self.coarse_weights,
            self.ious,
        ]
    }
}

/// The list of the streams before the anchors of each image are drawn.
pub(super) const ANCHORS: usize = 0;
/// The list of the streams before the regions are drawn, for the first image of every piece, and after the last piece.
pub(super) const REGIONS: usize = 1;

impl StartedPart<'_> {
    /// The survey with this piece, which follows those that are in it.
    pub(super) fn surveyed(mut self) -> Survey {
        let mut survey = self.begun.survey().expect("a piece").clone();
        let mut own = Counted::default();
        if survey.draws.is_empty() {
            own.anchors = self.draw_all_anchors(&mut survey);
        }
        self.begun.draw_behind(&survey, REGIONS);
        let numbers = self.begun.numbers();
        let proposed = self.pass.proposals(Stage::Training, &numbers);
        let sampled = self.sampled(proposed);
        self.begun.note_draws(&mut survey, REGIONS);
        own.regions = sampled.regions.len() as f64;
        own.found = sampled.found.len() as f64;
        let weights = sampled.class_weights.iter();
        own.class_weights = weights.map(|weight| f64::from(*weight)).sum();
        self.count_masks(sampled, &mut own);
        survey.plus(&own.sums())
    }

    /// Draws the anchors of all images of the part, which have the same anchors because they are padded to one size:
    /// for where the draws of each image begin, and for the number of all.
    fn draw_all_anchors(&self, survey: &mut Survey) -> f64 {
        let (pass, criterion, part) = (self.pass, self.criterion, self.begun.part);
        let config = &criterion.config;
        let (matcher, size) = (
            config.anchor_matcher(pass.model.rules()),
            config.anchor_sample(),
        );
        let (mut draws, mut count) = (self.begun.draws.clone(), 0);
        let mut before = Vec::with_capacity(part.targets.len());
        for objects in objects_of_part(part) {
            before.push(draws.clone());
            if let Some(objects) = objects {
                let iou = iou_matrix(&objects.bounds, &pass.anchors);
                let matches = matcher.of(&iou, pass.anchors.len());
                count += size.draw(&matches, criterion.order, &mut draws).len();
            }
        }
        survey.draws = vec![before, vec![draws]];
        count as f64
    }

    /// Counts what depends on the masks of the sampled regions. The masks are predicted only where a divisor does
    /// depend on them.
    fn count_masks(&self, sampled: Sampled, own: &mut Counted) {
        let Sampled {
            regions,
            classes,
            found,
            mut masks,
            mut coarse,
            shares,
            ..
        } = sampled;
        let (model, rule) = (&self.pass.model, &self.begun.part.mask_loss);
        let scores = model.config().iou_head.scores_masks();
        own.ious = own.found;
        let weighs = rule.renormalise && rule.boundary.is_some();
        if !found.is_empty() && (scores || weighs) {
            let regions: Vec<Region> = found.iter().map(|i| regions[*i]).collect();
            let classes: Vec<usize> = found.iter().map(|i| classes[*i]).collect();
            let tape = &mut Tape::off();
            let predicted = self.pass.own_masks(tape, &regions, &classes, self.branch());
            masks.weigh(&predicted.logits, model.mask_side(), rule);
            if let Some(logits) = &predicted.coarse {
                coarse.weigh(logits, model.coarse_side(), rule);
            }
            if scores {
                let logits = predicted.logits.host_values();
                let pairs = pairs(&logits, &masks, &shares, model.mask_side());
                own.ious = pairs.filter(|pair| pair.with_the_rest() > 0.0).count() as f64;
            }
        }
        own.mask_weights = masks.total();
        own.coarse_weights = coarse.total();
    }
}
