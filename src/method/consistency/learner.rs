//! The training step of the method `consistency`: the labelled loss, and the agreement of what the network says of the
//! same regions.
//!
//! Labelled and unlabelled images go through the network one after the other, each group with its mirror images if the
//! rule compares with them. No layer mixes images, so the labelled loss is that of the method `supervised`.

use super::{Agreement, AppliesTo, Consistency, Group, Looked, Seen, draws_of_regions, regions};
use crate::data::Batch;
use crate::data::loader::Pieces;
use crate::detector::{Detector, EmptyImage, Losses, MaskLoss, Output, Piece, Survey};
use crate::graph::Images;
use crate::method::device_batch::DeviceBatch;
use crate::method::lambda::Lambda;
use crate::method::learner::{Learner, Parts, StepOutput};
use crate::method::pieces::{GradientSum, constants, total};
use crate::method::report::{ConsistencyReport, PartLosses, StepReport};
use crate::method::supervised::{ImageGroup, Supervised, labelled_targets};
use crate::ops;
use crate::structures::Picture;
use crate::tensor::{Tape, Tensor2};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// A network and the rule that compares what it says of regions.
pub(super) struct ConsistencyLearner {
    supervised: Supervised,
    rule: Arc<dyn Consistency>,
    lambda: Lambda,
    seed: u64,
    /// The steps of the training, along which the ramp runs.
    steps: usize,
}

impl ConsistencyLearner {
    /// The network of `parts`, whose labelled loss treats empty images by `empty_image`.
    pub(super) fn new(
        rule: Arc<dyn Consistency>,
        lambda: Lambda,
        empty_image: EmptyImage,
        steps: usize,
        parts: Parts,
    ) -> Self {
        let seed = parts.setup.seed;
        Self {
            supervised: Supervised::new(parts.student, empty_image, seed),
            rule,
            lambda,
            seed,
            steps,
        }
    }

    /// True if the network sees the mirror images of the labelled images, and of the unlabelled ones.
    fn mirrored(&self) -> [bool; 2] {
        let mirrors = self.rule.mirrors();
        [mirrors && self.rule.applies_to() == AppliesTo::All, mirrors]
    }

    /// The labelled and the unlabelled images.
    fn kinds(&self, batch: &Batch) -> [Kind; 2] {
        let ([labelled, _], mirrored) = (self.counts(batch), self.mirrored());
        let with_labelled = self.rule.applies_to() == AppliesTo::All;
        [
            Kind {
                first: 0,
                images: batch.labelled.len(),
                mirrored: mirrored[0],
                compared: with_labelled.then_some(0),
            },
            Kind {
                first: labelled,
                images: batch.unlabelled.len(),
                mirrored: mirrored[1],
                compared: Some(usize::from(with_labelled)),
            },
        ]
    }

    /// The summands of the loss of `step`, among the losses of labels, if there are any, and those of agreement.
    fn summands<'l>(
        &self,
        sup: Option<&'l Losses>,
        agreement: &'l Losses,
        step: usize,
    ) -> Vec<(&'l Tensor2, f32)> {
        let ramp = self.rule.ramp().weight(step, self.steps);
        let labelled = sup.map(|losses| (&losses.total, 1.0));
        let weighted = self.lambda.summands(agreement).into_iter();
        let weighted = weighted.map(|(term, weight)| (term, ramp * weight));
        // A loss without weight is left out of the backward pass.
        let weighted = weighted.filter(|(_, weight)| *weight != 0.0);
        labelled.into_iter().chain(weighted).collect()
    }

    /// The output of `step` with these losses.
    fn output(
        &self,
        tape: &mut Tape,
        sup: &Losses,
        agreement: &Agreement,
        step: usize,
    ) -> StepOutput {
        let ramp = self.rule.ramp().weight(step, self.steps);
        let summands = self.summands(Some(sup), &agreement.losses, step);
        let loss = ops::weighted_sum(tape, &summands);
        let regions = agreement.regions;
        let losses = PartLosses::of([sup, &agreement.losses]);
        StepOutput {
            loss,
            report: losses.map(move |[supervised, losses]| StepReport {
                supervised,
                unsupervised: None,
                pseudo: None,
                consistency: Some(ConsistencyReport {
                    losses,
                    ramp,
                    regions,
                }),
            }),
        }
    }

    /// The number of pictures of the network: labelled ones with their mirror images, then unlabelled ones with theirs.
    fn counts(&self, batch: &Batch) -> [usize; 2] {
        let images = [batch.labelled.len(), batch.unlabelled.len()];
        let mirrored = self.mirrored();
        std::array::from_fn(|group| images[group] * (1 + usize::from(mirrored[group])))
    }
}

/// `pictures`, then their mirror images if these are wanted.
fn with_mirrors<'a>(
    pictures: impl Iterator<Item = &'a Picture> + Clone,
    mirrored: bool,
) -> Vec<Cow<'a, Picture>> {
    let mirrors = pictures.clone().filter(|_| mirrored);
    let mirrors = mirrors.map(|picture| Cow::Owned(picture.flipped()));
    pictures.map(Cow::Borrowed).chain(mirrors).collect()
}

/// The pictures of the images of one kind.
#[derive(Clone, Copy)]
struct Kind {
    /// The position of the first among the pictures of the network.
    first: usize,
    /// The number of images.
    images: usize,
    /// True if their mirror images follow.
    mirrored: bool,
    /// The number of the kind among those that are compared; none if it is not.
    compared: Option<usize>,
}

impl Kind {
    /// The input for some of its images, then for their mirror images.
    fn input(self, sent: &DeviceBatch, student: &dyn Detector, which: &Range<usize>) -> Images {
        let pictures = self.images * (1 + usize::from(self.mirrored));
        let all = self.first..self.first + pictures;
        let some = |first: usize| {
            let which = first + which.start..first + which.end;
            sent.some_among(student, which, all.clone())
        };
        match self.mirrored {
            true => some(self.first).followed_by(some(self.first + self.images)),
            false => some(self.first),
        }
    }
}

/// The heads for regions of an output.
fn group(output: &dyn Output, images: usize) -> Group<'_> {
    let heads = output.regions();
    Group {
        heads: heads.expect("settings with another network are refused"),
        images,
    }
}

impl Learner for ConsistencyLearner {
    fn step(&mut self, tape: &mut Tape, sent: &DeviceBatch, step: usize) -> StepOutput {
        let student = &*self.supervised.student;
        let [labelled, unlabelled] = self.counts(&sent.batch);
        let images = sent.some(student, 0..labelled);
        let output = student.forward(tape, &images);
        let others = sent.some(student, labelled..labelled + unlabelled);
        let output_of_others = student.forward(tape, &others);

        let targets = labelled_targets(&sent.batch, images.padded());
        let part = self.supervised.labelled_part(&targets, MaskLoss::default());
        let draws = self.supervised.draws(ImageGroup::Labelled, step);
        let sup = output.begin(&part, draws).losses(tape);

        let mut groups = Vec::new();
        if self.rule.applies_to() == AppliesTo::All {
            groups.push(group(&*output, sent.batch.labelled.len()));
        }
        groups.push(group(&*output_of_others, sent.batch.unlabelled.len()));
        let agreement = self.rule.losses(tape, &groups, (self.seed, step));

        self.output(tape, &sup, &agreement, step)
    }

    fn step_in_pieces(
        &mut self,
        sum: &mut GradientSum,
        sent: &DeviceBatch,
        step: usize,
        pieces: Pieces,
    ) -> StepOutput {
        let (rule, place) = (Arc::clone(&self.rule), (self.seed, step));
        let kinds = self.kinds(&sent.batch);
        let [pictures, _] = kinds.map(|kind| kind.first..kind.first + kind.images);
        let size = sent.padded_size(&*self.supervised.student, pictures);
        let targets = labelled_targets(&sent.batch, size);
        let part = self.supervised.labelled_part(&targets, MaskLoss::default());
        let draws = self.supervised.draws(ImageGroup::Labelled, step);
        let counts = kinds.map(|kind| pieces.of(kind.images).collect::<Vec<_>>());

        // What the losses are divided by is counted first.
        let student = &*self.supervised.student;
        let mut survey = Survey::default();
        let mut all: Vec<Vec<Seen>> = Vec::new();
        for (index, (kind, pieces)) in kinds.iter().zip(&counts).enumerate() {
            let mut regions = kind.compared.map(|number| draws_of_regions(number, place));
            let mut found = Vec::new();
            for images in pieces {
                let output = student.forward(&mut Tape::off(), &kind.input(sent, student, images));
                if index == 0 && student.is_counted(&part) {
                    let piece = Piece {
                        images: images.clone(),
                        draws: draws.clone(),
                        survey: &survey,
                        objects: None,
                    };
                    survey = output.begin_piece(&part, piece).count();
                }
                if let Some(regions) = &mut regions {
                    found.push(rule.look(&group(&*output, images.len()), regions));
                }
            }
            if regions.is_some() {
                all.push(found);
            }
        }

        let mut supervised = Vec::new();
        let mut terms = vec![Vec::new(); rule.terms().len()];
        for (index, (kind, pieces)) in kinds.iter().zip(&counts).enumerate() {
            for (number, images) in pieces.iter().enumerate() {
                let student = &*self.supervised.student;
                let mut tape = Tape::recording();
                let output = student.forward(&mut tape, &kind.input(sent, student, images));
                let sup = (index == 0).then(|| {
                    let piece = Piece {
                        images: images.clone(),
                        draws: draws.clone(),
                        survey: &survey,
                        objects: None,
                    };
                    output.begin_piece(&part, piece).losses(&mut tape)
                });
                let parts = kind.compared.map(|kind| {
                    let looked = Looked {
                        all: &all,
                        kind,
                        piece: number,
                        place,
                    };
                    rule.compare(&mut tape, &group(&*output, images.len()), &looked)
                });
                let mut parts = parts.unwrap_or_default();
                parts.resize(terms.len(), Vec::new());
                let own = Agreement::new(&mut tape, rule.terms(), &parts, 0);
                drop(output);
                let summands = self.summands(sup.as_ref(), &own.losses, step);
                let loss = (!summands.is_empty()).then(|| ops::weighted_sum(&mut tape, &summands));
                supervised.extend(sup.as_ref().map(constants));
                for (terms, (_, term)) in terms.iter_mut().zip(&own.losses.terms) {
                    terms.push(term.detach());
                }
                if let Some(loss) = loss {
                    sum.add(&mut *self.supervised.student, tape, &loss);
                }
            }
        }
        let tape = &mut Tape::off();
        let sup = total(&supervised, 1.0);
        let agreement = Agreement::new(tape, rule.terms(), &terms, regions(&all));
        self.output(tape, &sup, &agreement, step)
    }

    fn send(&self, batch: Batch) -> DeviceBatch {
        let [labelled, unlabelled] = self.mirrored();
        let views = batch.labelled.iter().map(|view| &view.picture);
        let mut pictures = with_mirrors(views, labelled);
        let views = batch.unlabelled.iter().map(|views| &views.strong);
        pictures.extend(with_mirrors(views, unlabelled));
        let pictures: Vec<&Picture> = pictures.iter().map(|picture| &**picture).collect();
        let student = &*self.supervised.student;
        let sent = student.send(&pictures);
        DeviceBatch::of_student(sent, batch, student)
    }

    fn student(&mut self) -> &mut dyn Detector {
        &mut *self.supervised.student
    }

    fn needs_unlabelled(&self) -> bool {
        true
    }
}
