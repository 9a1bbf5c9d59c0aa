//! The training step of the method `consistency`: the labelled loss, and the agreement of what the network says of the
//! same regions.
//!
//! Labelled and unlabelled images go through the network one after the other, each group with its mirror images if the
//! rule compares with them. No layer mixes images, so the labelled loss is that of the method `supervised`.

use super::{AppliesTo, Consistency, Group};
use crate::data::Batch;
use crate::detector::{Detector, EmptyImage, MaskLoss, Output};
use crate::method::device_batch::DeviceBatch;
use crate::method::lambda::Lambda;
use crate::method::learner::{Learner, Parts, StepOutput};
use crate::method::report::{ConsistencyReport, PartLosses, StepReport};
use crate::method::supervised::{ImageGroup, Supervised, labelled_targets};
use crate::ops;
use crate::structures::Picture;
use crate::tensor::Tape;
use std::borrow::Cow;
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

        let ramp = self.rule.ramp().weight(step, self.steps);
        let mut summands = vec![(&sup.total, 1.0)];
        let weighted = self.lambda.summands(&agreement.losses).into_iter();
        let weighted = weighted.map(|(term, weight)| (term, ramp * weight));
        // A loss without weight is left out of the backward pass.
        summands.extend(weighted.filter(|(_, weight)| *weight != 0.0));
        let loss = ops::weighted_sum(tape, &summands);
        let regions = agreement.regions;
        let losses = PartLosses::of([&sup, &agreement.losses]);
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
