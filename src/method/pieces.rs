//! A step whose batch goes through the student in pieces: only one of them is in memory at a time.
//!
//! `$$ \nabla L = \frac1W \sum_{g=1}^{W} \sum_{k} \nabla L_{gk} $$`
//!
//! W: the replicas ([`Pieces`]); L_gk: the weighted losses of piece k of replica g, divided by what the whole replica
//! counts ([`crate::detector::Piece`]). A replica has the images g n / W to (g + 1) n / W of the n images of a kind,
//! with all their views. Pieces hold images of one kind, and of one view.
//!
//! The losses of masks are divided by max(1, N / W), N being the objects of all replicas. So the sum over all is
//! divided by max(W, N), as by the released code of Mask2Former and PL-DC.
//!
//! The random numbers of a part do not depend on its pieces. Each of several replicas has streams of its own.

use super::device_batch::DeviceBatch;
use super::lambda::Lambda;
use super::ranks::Reduce;
use crate::data::loader::Pieces;
use crate::detector::{Background, Detector, Losses, Part, Piece, RegionJudge, Survey, Targets};
use crate::ops::{self, Bounds};
use crate::rng::Stream;
use crate::tensor::{Grads, Tape, Tensor2};
use std::ops::Range;

/// Gradients that are added up piece by piece.
#[derive(Debug)]
pub struct GradientSum(Grads);

impl GradientSum {
    /// The gradient 0.
    pub fn new() -> Self {
        Self(Grads::empty())
    }

    /// Runs `tape` backwards from `loss` and adds the gradients of the trained parameters of `student`. What the pass
    /// needed beside them is freed. A loss that depends on no parameter adds nothing.
    pub(super) fn add(&mut self, student: &mut dyn Detector, tape: Tape, loss: &Tensor2) {
        if !loss.requires_grad() {
            return;
        }
        let before = std::mem::replace(&mut self.0, Grads::empty());
        let mut grads = tape.backward_onto(loss, before);
        student.parameters("", &mut |_, param| {
            if param.value.requires_grad() {
                grads.give(&param.value, &mut self.0);
            }
        });
    }

    /// The gradients.
    pub fn into_grads(self) -> Grads {
        self.0
    }
}

impl Default for GradientSum {
    fn default() -> Self {
        Self::new()
    }
}

/// The images of one kind of a step, and what the student has to learn of them.
pub(super) struct Lesson<'a> {
    /// Their pictures among the student's: all images in one view, then in the next.
    pub pictures: Range<usize>,
    /// The number of views.
    pub views: usize,
    /// The rules of the losses. Its positions and targets are not read.
    pub rules: Part<'a>,
    /// The targets of every picture.
    pub targets: Vec<Targets<'a>>,
}

impl Lesson<'_> {
    /// Adds the gradients of the losses to `sum`, piece by piece, with their `weight` in the loss of the step. `draws`:
    /// the random numbers of a replica. The lesson has the images of this one of `ranks`, each of which has as many
    /// replicas.
    /// Returns the losses of the whole lesson, as constants.
    pub fn learn(
        self,
        (student, sent): (&mut dyn Detector, &DeviceBatch),
        (pieces, ranks): (Pieces, &dyn Reduce),
        draws: impl Fn(usize) -> Stream,
        weight: &Lambda,
        sum: &mut GradientSum,
    ) -> Losses {
        let Self {
            pictures,
            views,
            rules,
            targets,
        } = self;
        let padded = sent.padded_with(pictures.clone());
        let objects: usize = targets.iter().map(Targets::len).sum();
        let objects = ranks.total(objects as u64);
        let share = 1.0 / pieces.replicas as f32;
        let images = targets.len() / views;
        let own_replicas = pieces.replicas / ranks.of();
        let mut slots: Vec<Option<Targets>> = targets.into_iter().map(Some).collect();
        let mut found = Vec::new();
        for replica in 0..own_replicas {
            let blocks = blocks(images, views, replica, own_replicas);
            let places: Vec<usize> = blocks.iter().cloned().flatten().collect();
            let own = places.iter().map(|place| slots[*place].take());
            let own: Vec<Targets> = own.map(|one| one.expect("of one replica")).collect();
            let judge = Renumbered::of(&rules.background, &places);
            let part = Part {
                images: 0..own.len(),
                targets: &own,
                background: match &judge {
                    Some(judge) => Background::Teacher(judge),
                    None => rules.background,
                },
                ..rules.clone()
            };
            let draws = draws(ranks.rank() * own_replicas + replica);
            let objects = (pieces.replicas > 1).then_some(objects as f32 * share);
            let pieces = in_pieces(&blocks, pieces);
            let input = |student: &dyn Detector, block: &Range<usize>| {
                let first = pictures.start;
                let which = first + block.start..first + block.end;
                sent.some_among(student, which, padded.clone())
            };
            let mut survey = Survey::default();
            if student.is_counted(&part) {
                for (images, block) in &pieces {
                    let output = student.forward(&mut Tape::off(), &input(student, block));
                    let piece = Piece {
                        images: images.clone(),
                        draws: draws.clone(),
                        survey: &survey,
                        objects,
                    };
                    survey = output.begin_piece(&part, piece).count();
                }
            }
            for (images, block) in &pieces {
                let mut tape = Tape::recording();
                let output = student.forward(&mut tape, &input(student, block));
                let piece = Piece {
                    images: images.clone(),
                    draws: draws.clone(),
                    survey: &survey,
                    objects,
                };
                let losses = output.begin_piece(&part, piece).losses(&mut tape);
                drop(output);
                let shares = weight.summands(&losses).into_iter();
                let shares: Vec<_> = shares
                    .map(|(term, weight)| (term, weight * share))
                    .collect();
                let loss = (!shares.is_empty()).then(|| ops::weighted_sum(&mut tape, &shares));
                found.push(constants(&losses));
                if let Some(loss) = loss {
                    sum.add(student, tape, &loss);
                }
            }
        }
        total(&found, share)
    }
}

/// The pictures of `replica` of several: for every view a range of its pictures.
fn blocks(images: usize, views: usize, replica: usize, replicas: usize) -> Vec<Range<usize>> {
    let own = images / replicas;
    let of_view = |view: usize| {
        let first = view * images + replica * own;
        first..first + own
    };
    (0..views).map(of_view).collect()
}

/// The pieces of a replica: their places among its pictures, and among the pictures of all.
fn in_pieces(blocks: &[Range<usize>], pieces: Pieces) -> Vec<(Range<usize>, Range<usize>)> {
    let mut found = Vec::new();
    let mut before = 0;
    for block in blocks {
        for piece in pieces.of(block.len()) {
            let shifted = |by: usize| piece.start + by..piece.end + by;
            found.push((shifted(before), shifted(block.start)));
        }
        before += block.len();
    }
    found
}

/// A judge of the images of all replicas, for those of one.
struct Renumbered<'j> {
    judge: &'j dyn RegionJudge,
    /// The place of each image among those of all replicas.
    places: &'j [usize],
}

impl<'j> Renumbered<'j> {
    /// The judge of `background`; none if there is none.
    fn of(background: &Background<'j>, places: &'j [usize]) -> Option<Self> {
        match background {
            Background::Teacher(judge) => Some(Self {
                judge: *judge,
                places,
            }),
            Background::Own | Background::Weight(_) => None,
        }
    }
}

impl RegionJudge for Renumbered<'_> {
    fn background(&self, image: usize, regions: &[Bounds]) -> Vec<f32> {
        self.judge.background(self.places[image], regions)
    }
}

/// The same losses without the tape.
pub(super) fn constants(losses: &Losses) -> Losses {
    let terms = losses.terms.iter();
    Losses {
        terms: terms.map(|(name, term)| (*name, term.detach())).collect(),
        weights: losses.weights.clone(),
        total: losses.total.detach(),
    }
}

/// The sums of the losses of all pieces, times `share`.
///
/// Panics without a piece.
pub(super) fn total(pieces: &[Losses], share: f32) -> Losses {
    let sum = |of: &dyn Fn(&Losses) -> Tensor2| {
        let all: Vec<Tensor2> = pieces.iter().map(of).collect();
        let all: Vec<(&Tensor2, f32)> = all.iter().map(|one| (one, share)).collect();
        ops::weighted_sum(&mut Tape::off(), &all)
    };
    let first = &pieces[0];
    let terms = first.terms.iter().enumerate();
    Losses {
        terms: terms
            .map(|(index, (name, _))| (*name, sum(&|losses| losses.terms[index].1.clone())))
            .collect(),
        weights: first.weights.clone(),
        total: sum(&|losses| losses.total.clone()),
    }
}
