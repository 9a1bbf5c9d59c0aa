//! A part of a batch, or a piece of it, whose losses have begun.
//!
//! What is drawn for all images of a part comes from one stream. A piece goes on at the place of the stream to which
//! the images before it have led, so that a batch in pieces has the samples of the whole batch. A survey keeps these
//! places, in lists of the detector's own.

use super::taught::{Taught, taught, taught_among};
use crate::detector::{Part, Piece, Survey};
use crate::rng::Stream;
use std::ops::Range;

/// The images of a part or of a piece, and their random numbers.
pub struct BegunPart<'p> {
    /// The whole part.
    pub part: &'p Part<'p>,
    /// The images that teach something.
    pub images: Vec<Taught<'p>>,
    /// The random numbers.
    pub draws: Stream,
    /// The places of a piece in the part, and its survey; none if the part is whole.
    piece: Option<(Range<usize>, &'p Survey)>,
}

impl<'p> BegunPart<'p> {
    /// The whole `part`, in a batch of `batch` images.
    ///
    /// Panics if targets and images differ in number, or if the batch has fewer images.
    pub fn whole(part: &'p Part<'p>, draws: Stream, batch: usize) -> Self {
        Self {
            part,
            images: taught(part, batch),
            draws,
            piece: None,
        }
    }

    /// A piece of `part`, whose images are the first ones of a batch of `batch` images.
    ///
    /// Panics if the part or the batch has fewer images.
    pub fn piece(part: &'p Part<'p>, piece: Piece<'p>, batch: usize) -> Self {
        let Piece {
            images: places,
            draws,
            survey,
            ..
        } = piece;
        Self {
            part,
            images: taught_among(part, places.clone(), 0, batch),
            draws,
            piece: Some((places, survey)),
        }
    }

    /// The numbers in the batch of the images that teach something.
    pub fn numbers(&self) -> Vec<usize> {
        self.images.iter().map(|taught| taught.image).collect()
    }

    /// The survey of all pieces, or of those before this one while they are counted; none if the part is whole.
    pub fn survey(&self) -> Option<&'p Survey> {
        self.piece.as_ref().map(|(_, survey)| *survey)
    }

    /// Lets a piece draw from the place that `list` of the survey has for its first image. A whole part draws on.
    pub fn draw_from(&mut self, list: usize) {
        if let Some((places, survey)) = &self.piece {
            self.draws = survey.draws[list][places.start].clone();
        }
    }

    /// Lets a piece that is counted draw behind all that `list` of `survey` has.
    pub fn draw_behind(&mut self, survey: &Survey, list: usize) {
        let last = survey.draws[list].last();
        self.draws = last.expect("one before each piece").clone();
    }

    /// Notes in `list` where the draws of the next piece begin: a stream for the first image of every piece, and one
    /// behind the last.
    ///
    /// Panics if the part is whole.
    pub fn note_draws(&self, survey: &mut Survey, list: usize) {
        let (places, _) = self.piece.as_ref().expect("a piece");
        let streams = &mut survey.draws[list];
        streams.resize(places.end, self.draws.clone());
        streams.push(self.draws.clone());
    }
}
