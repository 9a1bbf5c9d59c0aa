//! A learner takes the steps of a phase: it has networks and the rules of their losses, or a number.

use super::device_batch::DeviceBatch;
use super::pieces::GradientSum;
use super::ranks::Reduce;
use super::report::StepReport;
use super::snapshot::ImageSnapshot;
use crate::data::Batch;
use crate::data::loader::Pieces;
use crate::data::split::ClassCounts;
use crate::detector::Detector;
use crate::graph::clip::VisionLanguage;
use crate::structures::Picture;
use crate::tensor::{Later, Tape, Tensor2};
use anyhow::{Result, bail};
use std::sync::Arc;

/// The facts about a run that its learners need.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Seed of the trial.
    pub seed: u64,
    /// Objects of every class in the labelled images.
    pub counts: ClassCounts,
    /// Training steps of one pass over the unlabelled images.
    pub epoch_steps: usize,
}

/// The parts that a learner is made of.
pub struct Parts<'a> {
    /// The network that is trained.
    pub student: Box<dyn Detector>,
    /// The facts about the run.
    pub setup: &'a Setup,
}

/// The result of one step, before the backward pass.
#[derive(Debug)]
pub struct StepOutput {
    /// `[1, 1]`, to run the tape backwards from.
    pub loss: Tensor2,
    /// For the journal; waits until the forward pass has ended.
    pub report: Later<StepReport>,
}

/// Networks that learn, with the rules of one phase.
pub trait Learner: Send {
    /// The forward passes and losses of step `step`. The caller runs the tape backwards and updates the student.
    fn step(&mut self, tape: &mut Tape, sent: &DeviceBatch, step: usize) -> StepOutput;

    /// The same step with only one piece of the batch in memory at a time. `sum` gets the gradients of the student; the
    /// loss and the report are those of the whole batch.
    ///
    /// Panics if its method takes no steps in pieces: see [`super::Method::takes_pieces`].
    fn step_in_pieces(
        &mut self,
        _sum: &mut GradientSum,
        _sent: &DeviceBatch,
        _step: usize,
        _pieces: Pieces,
    ) -> StepOutput {
        unreachable!("a recipe that asks for pieces of this method's batches is refused")
    }

    /// Makes it one of several processes with a part of each batch, before the first step. Its steps are then
    /// [in pieces](Self::step_in_pieces). Their gradients, losses and counts are the part of this process, which the
    /// caller adds up.
    ///
    /// Panics if its method has no replicas.
    fn share_with(&mut self, _ranks: &Arc<dyn Reduce>) {
        unreachable!("a recipe that asks for replicas of this method is refused")
    }

    /// Sends the pictures of `batch` to where the networks are.
    fn send(&self, batch: Batch) -> DeviceBatch;

    /// The network that is trained.
    fn student(&mut self) -> &mut dyn Detector;

    /// The network that labels; none before its first step in a phase that makes it from the student.
    fn teacher(&mut self) -> Option<&mut (dyn Detector + 'static)> {
        None
    }

    /// Makes a teacher from a copy of the student, for a checkpoint's values.
    ///
    /// # Errors
    /// The learner has no teacher.
    fn add_teacher(&mut self) -> Result<&mut dyn Detector> {
        bail!("this phase has no teacher")
    }

    /// Returns true if its steps read unlabelled images.
    fn needs_unlabelled(&self) -> bool {
        false
    }

    /// What its teacher would label in `picture` after `done` steps of the training, for people; none without a
    /// teacher. Before the first step, a teacher that is to be made from the student is the student. Nothing changes,
    /// and no random number is drawn.
    fn snapshot(&self, _picture: &Picture, _done: usize) -> Option<ImageSnapshot> {
        None
    }

    /// Gives it the vision-language model of [`super::Method::vlm`], before the first step.
    fn attach_vlm(&mut self, _vlm: Box<dyn VisionLanguage>) {}

    /// The state that a checkpoint stores besides the networks.
    fn state(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Takes back what [`Self::state`] gave. Restore the student first; where the state has a teacher,
    /// [`Self::teacher`] then is a copy of the student, for the checkpoint's own values.
    ///
    /// # Errors
    /// A state of another method, or of another number of classes.
    fn restore(&mut self, _state: &serde_json::Value) -> Result<()> {
        Ok(())
    }
}

/// A number that is "trained" in place of networks.
pub trait NumberLearner: Send {
    /// Takes step `step` (from 0) and returns its loss.
    ///
    /// # Errors
    /// Whatever ends the training.
    fn step(&mut self, step: usize) -> Result<f32>;

    /// The state that a checkpoint stores.
    fn state(&self) -> serde_json::Value;

    /// Takes back what [`Self::state`] gave.
    ///
    /// # Errors
    /// A state of something else.
    fn restore(&mut self, state: &serde_json::Value) -> Result<()>;

    /// mAP and AP50 of a run that ends here, in percent.
    fn scores(&self) -> [f64; 2];
}
