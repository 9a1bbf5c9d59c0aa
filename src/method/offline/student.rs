//! The student of the method `offline`: it learns from labelled images and from images with pseudo-labels, as if both
//! were annotated. Only their weights differ.

use super::Offline;
use crate::data::loader::Pieces;
use crate::data::{Batch, PseudoView};
use crate::detector::{Background, Detector, Losses, Negative, PseudoBox, Targets};
use crate::method::device_batch::DeviceBatch;
use crate::method::lambda::Lambda;
use crate::method::learner::{Learner, Parts, StepOutput};
use crate::method::pieces::GradientSum;
use crate::method::ranks::Reduce;
use crate::method::report::{PartLosses, StepReport};
use crate::method::supervised::{ImageGroup, Supervised, labelled_targets};
use crate::method::two_kinds::TwoKinds;
use crate::method::weighting::Weighting;
use crate::ops::{self, Bounds};
use crate::tensor::Tape;
use std::sync::Arc;

/// A student without a teacher, whose unlabelled images have pseudo-labels.
pub(super) struct OfflineStudent {
    supervised: Supervised,
    lambda: Lambda,
    /// w_s.
    supervised_weight: f32,
    pseudo_box: PseudoBox,
    weighting: Box<dyn Weighting>,
}

impl OfflineStudent {
    /// The student of `parts` under the `rules` of a recipe.
    pub fn new(rules: &Offline, parts: Parts) -> Self {
        Self {
            supervised: Supervised::new(parts.student, rules.empty_image, parts.setup.seed),
            lambda: rules.lambda.clone(),
            supervised_weight: rules.supervised_weight,
            pseudo_box: rules.pseudo_box,
            weighting: rules.weighting.clone(),
        }
    }

    /// The targets in an image with pseudo-labels; `size`: rows and columns of the padded input.
    fn targets<'a>(&self, image: &'a PseudoView, size: (usize, usize)) -> Targets<'a> {
        let weights = |[class, mask]: &[f32; 2]| self.weighting.of_label(*class, *mask);
        let bounds = image.bounds.iter().copied().map(Bounds::new);
        Targets {
            weights: image.qualities.iter().map(weights).collect(),
            bounds: (self.pseudo_box == PseudoBox::Detection).then(|| bounds.collect()),
            ..Targets::of_objects(&image.view.instances, size.0, size.1)
        }
    }
}

impl OfflineStudent {
    /// The weight of outputs without a pseudo-label.
    fn background(&self) -> Background<'static> {
        match self.weighting.negative() {
            Negative::Own => Background::Own,
            Negative::Weight(weight) => Background::Weight(weight),
            Negative::Teacher => unreachable!("a recipe that asks for a teacher is refused"),
        }
    }

    /// The output of a step with these losses of labelled and of unlabelled images.
    fn output(&self, tape: &mut Tape, [sup, unsup]: [&Losses; 2]) -> StepOutput {
        let mut summands = vec![(&sup.total, self.supervised_weight)];
        summands.extend(self.lambda.summands(unsup));
        let loss = ops::weighted_sum(tape, &summands);
        let report = PartLosses::of([sup, unsup]).map(|[supervised, unsupervised]| StepReport {
            supervised,
            unsupervised: Some(unsupervised),
            pseudo: None,
            consistency: None,
        });
        StepOutput { loss, report }
    }
}

impl Learner for OfflineStudent {
    fn step(&mut self, tape: &mut Tape, sent: &DeviceBatch, step: usize) -> StepOutput {
        let supervised = &self.supervised;
        let outputs = TwoKinds::of(tape, &*supervised.student, sent);
        let objects = labelled_targets(&sent.batch, outputs.labelled_size);
        let labelled = supervised.labelled_part(&objects, self.weighting.labelled_mask_loss());
        let images = sent.batch.pseudo.iter();
        let pseudo: Vec<Targets> = images
            .map(|image| self.targets(image, outputs.unlabelled_size))
            .collect();
        let background = self.background();
        let unlabelled = supervised.pseudo_part(
            outputs.unlabelled_images.clone(),
            &pseudo,
            self.weighting.mask_loss(),
            background,
        );
        let draws = |of| supervised.draws(of, step);
        // Both begin before either is waited for.
        let sup = outputs
            .labelled
            .begin(&labelled, draws(ImageGroup::Labelled));
        let unsup = outputs
            .unlabelled()
            .begin(&unlabelled, draws(ImageGroup::Unlabelled));
        let (sup, unsup) = (sup.losses(tape), unsup.losses(tape));
        self.output(tape, [&sup, &unsup])
    }

    fn step_in_pieces(
        &mut self,
        sum: &mut GradientSum,
        sent: &DeviceBatch,
        step: usize,
        pieces: Pieces,
    ) -> StepOutput {
        let mask_loss = self.weighting.labelled_mask_loss();
        let lesson = self.supervised.labelled_lesson(sent, mask_loss, pieces);
        let weight = Lambda::One(self.supervised_weight);
        let group = (ImageGroup::Labelled, lesson);
        let sup = self
            .supervised
            .learn(group, (sent, step), pieces, &weight, sum);

        let [_, pictures] = sent.kinds();
        let size = self.supervised.size_of(sent, pictures);
        let images = sent.batch.pseudo.iter();
        let targets = images.map(|image| self.targets(image, size)).collect();
        let (mask_loss, background) = (self.weighting.mask_loss(), self.background());
        let lesson = self
            .supervised
            .pseudo_lesson(sent, targets, mask_loss, background);
        let group = (ImageGroup::Unlabelled, lesson);
        let unsup = self
            .supervised
            .learn(group, (sent, step), pieces, &self.lambda, sum);
        self.output(&mut Tape::off(), [&sup, &unsup])
    }

    fn share_with(&mut self, ranks: &Arc<dyn Reduce>) {
        self.supervised.share_with(ranks);
    }

    fn send(&self, batch: Batch) -> DeviceBatch {
        self.supervised.send(batch)
    }

    fn student(&mut self) -> &mut dyn Detector {
        &mut *self.supervised.student
    }

    fn needs_unlabelled(&self) -> bool {
        true
    }
}
