//! What the pieces of a part of a batch count together, and where their random numbers begin.
//!
//! The regions of all images of a part are drawn from one stream. A piece begins at the place of the stream to which
//! the images before it have led, so that a batch in pieces has the samples of the whole batch.

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

impl StartedPart<'_> {
    /// Lets a piece draw its regions behind those of the images before it.
    pub(super) fn draw_as_in_the_part(&mut self) {
        if let Some((places, survey)) = &self.piece {
            self.draws = survey.draws[0][places.start].clone();
        }
    }

    /// The survey with this piece, which follows those that are in it.
    pub(super) fn surveyed(mut self) -> Survey {
        let (places, survey) = self.piece.clone().expect("the losses of a piece");
        let mut survey = survey.clone();
        if survey.draws.is_empty() {
            survey.draws = vec![vec![self.draws.clone()]];
        }
        let streams = &mut survey.draws[0];
        self.draws = streams.last().expect("one before each piece").clone();
        let wanted = self.wanted();
        let mut sampled = self.sampled_regions();
        // A stream for the first image of every piece, and one behind the last.
        streams.resize(places.end, self.draws.clone());
        streams.push(self.draws.clone());
        let mut ious = 0;
        if !sampled.regions.is_empty() {
            let model = &self.pass.model;
            let (side, tape) = (model.mask_side(), &mut Tape::off());
            let own = self.pass.masks(tape, &sampled.regions, &sampled.classes);
            let logits = own.logits.host_values();
            let pairs = sampled.pairs(&logits, side);
            ious = pairs.filter(|pair| pair.with_the_rest() > 0.0).count();
            let rule = &self.part.mask_loss;
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
