//! What the pieces of a part of a batch count together. The regions of all images of a part are drawn from one stream.

use super::StartedPart;
use crate::detector::Survey;
use crate::tensor::Tape;

/// The sums of a survey.
#[derive(Clone, Copy, Default)]
pub(super) struct Counted {
    /// Locations that have to find an object.
    pub locations: f64,
    /// Their centreness.
    pub centreness: f64,
    /// Sampled regions that have to find an object.
    pub regions: f64,
    /// The weights of the pixels of their masks.
    pub mask_weights: f64,
    /// Masks whose IoU is learned.
    pub ious: f64,
}

impl Counted {
    /// Those of `survey`; 0 before the first piece.
    pub fn of(survey: &Survey) -> Self {
        let sum = |index: usize| survey.sums.get(index).copied().unwrap_or(0.0);
        Self {
            locations: sum(0),
            centreness: sum(1),
            regions: sum(2),
            mask_weights: sum(3),
            ious: sum(4),
        }
    }
}

/// The list of the streams before the regions are drawn.
pub(super) const REGIONS: usize = 0;

impl StartedPart<'_> {
    /// The survey with this piece, which follows those that are in it.
    pub(super) fn surveyed(mut self) -> Survey {
        let mut survey = self.begun.survey().expect("a piece").clone();
        if survey.draws.is_empty() {
            survey.draws = vec![vec![self.begun.draws.clone()]];
        }
        self.begun.draw_behind(&survey, REGIONS);
        let wanted = self.wanted();
        let mut sampled = self.sampled_regions();
        self.begun.note_draws(&mut survey, REGIONS);
        let mut ious = 0;
        if !sampled.regions.is_empty() {
            let model = &self.pass.model;
            let (side, tape) = (model.mask_side(), &mut Tape::off());
            let own = self.pass.masks(tape, &sampled.regions, &sampled.classes);
            let logits = own.logits.host_values();
            let pairs = sampled.pairs(&logits, side);
            ious = pairs.filter(|pair| pair.with_the_rest() > 0.0).count();
            let rule = &self.begun.part.mask_loss;
            sampled.masks.weigh(&own.logits, side, rule);
        }
        let centreness = wanted.centreness.iter().map(|share| f64::from(*share));
        survey.plus(&[
            wanted.found.len() as f64,
            centreness.sum(),
            sampled.regions.len() as f64,
            sampled.masks.total(),
            ious as f64,
        ])
    }
}
