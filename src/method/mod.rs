//! What one training step does: the methods and their slots.
//!
//! [`MethodConfig`] is table `[method]`; [`start`] turns it into a [`Method`], which the trainer calls once per step. Slots of
//! `teacher-student`: [`filter`], [`correction`], [`weighting`].

mod config;
pub mod correction;
pub mod filter;
pub mod labeller;
mod mock;
pub mod pseudo_labels;
mod report;
mod sent;
mod supervised;
mod teacher;
mod teacher_student;
pub mod weighting;

use crate::data::Batch;
use crate::data::split::ClassCounts;
use crate::detector::Detector;
use crate::graph::clip::VisionLanguage;
use crate::registry::ComponentError;
use crate::tensor::{Later, Tape, Tensor2};

pub use config::{METHODS, MethodConfig, SupervisedConfig, TeacherStudentConfig};
pub use mock::{Failure, Mock, MockConfig, MockState};
pub use report::{Diagnosis, PartLosses, PseudoReport, StepReport, TierCounts, diagnose};
pub use sent::Sent;
pub use supervised::Supervised;
pub use teacher::{average, follow};
pub use teacher_student::TeacherStudent;

/// What a method has to know about its run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Seed of the trial.
    pub seed: u64,
    /// T_max, the last step plus one.
    pub steps: usize,
    /// What the labelled images hold of every class.
    pub counts: ClassCounts,
    /// Training steps of one pass over the unlabelled images, counted from the end of the burn-in.
    pub epoch_steps: usize,
}

/// The result of one step, before the backward pass.
#[derive(Debug)]
pub struct StepOutput {
    /// `[1, 1]`, to run the tape backwards from.
    pub loss: Tensor2,
    /// For the journal; waits until the forward pass has ended.
    pub report: Later<StepReport>,
}

/// A training method with its networks.
pub trait Method: Send {
    /// The forward passes and losses of step `step` (from 0). The caller runs the tape backwards and updates the student.
    fn step(&mut self, tape: &mut Tape, sent: &Sent, step: usize) -> StepOutput;

    /// Sends the pictures of `batch` to where the networks are.
    fn send(&self, batch: Batch) -> Sent;

    /// The network that is trained.
    fn student(&mut self) -> &mut dyn Detector;

    /// The network that labels, once the burn-in is over.
    fn teacher(&mut self) -> Option<&mut (dyn Detector + 'static)> {
        None
    }

    /// Whether step `step` reads unlabelled images.
    fn needs_unlabelled(&self, _step: usize) -> bool {
        false
    }

    /// The table of the vision-language model that has to be attached before the first unlabelled step, if any.
    fn needs_vlm(&self) -> Option<&toml::Table> {
        None
    }

    /// Gives the method the model that [`Self::needs_vlm`] asked for.
    fn attach_vlm(&mut self, _vlm: Box<dyn VisionLanguage>) {}

    /// What a checkpoint keeps besides the networks. `Null` during the burn-in, whatever the method: that stage is shared.
    fn state(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Takes back what [`Self::state`] gave. Restore the student first; where the state has a teacher, [`Self::teacher`] then is
    /// a copy of the student, for the checkpoint's own values.
    ///
    /// # Errors
    /// A state of another method, or of another number of classes.
    fn restore(&mut self, _state: &serde_json::Value) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Makes the method of a recipe around a fresh student.
///
/// # Errors
/// A value out of its range, or a method that trains no network; the key is given from `[method]` on.
pub fn start(
    config: &MethodConfig,
    student: Box<dyn Detector>,
    setup: &Setup,
) -> Result<Box<dyn Method>, ComponentError> {
    let supervised = |empty_image| Supervised::new(student, empty_image, setup.seed);
    match config {
        MethodConfig::Supervised(config) => Ok(Box::new(supervised(config.empty_image))),
        MethodConfig::TeacherStudent(config) => {
            let mut filter = config::slot("filter", filter::FILTERS, &config.filter)?;
            filter.start(&setup.counts);
            let correction =
                config::slot("correction", correction::CORRECTIONS, &config.correction)?;
            let weighting = config::slot("weighting", weighting::WEIGHTINGS, &config.weighting)?;
            let labeller =
                labeller::Labeller::new(config.as_ref().clone(), filter, correction, weighting);
            let supervised = supervised(config.empty_image);
            Ok(Box::new(TeacherStudent::new(
                config, supervised, labeller, setup,
            )))
        }
        MethodConfig::Mock(_) => Err(ComponentError::new("name", "`mock` trains no network")),
    }
}
