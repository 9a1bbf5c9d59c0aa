//! The training methods and their slots.
//!
//! A [`Method`] is the table `[method]` of a recipe. It declares the [phases](Phase) of a training; every
//! phase builds a [`Learner`], which the trainer calls once per step. Slots of the methods with a teacher:
//! [`filter`], [`correction`], [`weighting`]. The slot of the method without a teacher and with unlabelled images:
//! [`consistency`].

mod config;
pub mod consistency;
pub mod correction;
mod device_batch;
pub mod filter;
mod guided;
mod lambda;
mod learner;
mod mock;
mod offline;
mod phase;
mod pieces;
mod pool_labeller;
pub mod pseudo_labels;
pub mod ranks;
mod report;
mod snapshot;
mod supervised;
mod teacher;
mod teacher_student;
mod two_kinds;
pub mod weighting;

use crate::detector::{Demands, DetectorConfig, TestViews};
use crate::graph::clip::VisionLanguageConfig;
use crate::registry::{Check, Entry};
use std::fmt::Debug;

pub use device_batch::DeviceBatch;
pub use lambda::Lambda;
pub use learner::{Learner, NumberLearner, Parts, Setup, StepOutput};
pub use phase::{Build, MethodKeys, Passes, Phase, Start};
pub use pieces::GradientSum;
pub use pool_labeller::{Found, PoolLabeller};
pub use pseudo_labels::TierCounts;
pub use report::{
    ByClass, ConsistencyReport, Diagnosis, PartLosses, PoolReport, PseudoReport, StepReport, Tally,
    object_under,
};
pub use snapshot::{CandidateSnapshot, ImageSnapshot};
pub use supervised::Supervised;
pub use teacher::{Average, EmaRamp, follow};
pub use teacher_student::{TeacherStudent, TeacherStudentConfig, labeller};

/// A training method, as the table `[method]` of a recipe describes it.
pub trait Method: Debug + Send + Sync {
    /// The phases of a training of `steps` steps, each after those that it starts from; at least one.
    fn phases(&self, steps: usize) -> Vec<Phase>;

    /// Tells `check` everything in the method's table that does not suit a training of `steps` steps.
    fn check_steps(&self, _steps: usize, _check: &mut Check) {}

    /// Returns true if a teacher labels images while the student trains. The training then leaves it beside the
    /// student.
    fn has_teacher(&self) -> bool {
        false
    }

    /// Returns true if some phase reads unlabelled images.
    fn reads_unlabelled(&self) -> bool {
        self.has_teacher()
    }

    /// Tells `check` what in the recipe's tables does not suit the detector, by full keys. The default refuses parts of
    /// the network that no loss of the method trains.
    fn check_detector(&self, detector: &dyn DetectorConfig, check: &mut Check) {
        let heads = detector.auxiliary_heads().unwrap_or(0);
        let allowed = "0, because no loss of this method trains them";
        check.require(heads == 0, "model.auxiliary-heads", heads, allowed);
    }

    /// The demands on the detector of a method with pseudo-labels.
    fn demands(&self) -> Option<Demands> {
        None
    }

    /// The views in which a trained teacher looks at an unlabelled image, if one does so before the student trains.
    fn test_views(&self) -> Option<&TestViews> {
        None
    }

    /// The vision-language model that its learners need, if any.
    fn vlm(&self) -> Option<&VisionLanguageConfig> {
        None
    }

    /// Returns true if its learners take steps in pieces ([`Learner::step_in_pieces`]).
    fn takes_pieces(&self) -> bool {
        false
    }

    /// Returns true if these steps may be those of several replicas.
    fn takes_replicas(&self) -> bool {
        self.takes_pieces()
    }

    /// Rewrites the method's `table` to one spelling for settings that mean the same, before the trial's
    /// identity is taken of it.
    fn normalise(&self, _table: &mut toml::Table) {}
}

/// The methods that a recipe can name.
pub const METHODS: &[Entry<Box<dyn Method>>] = &[
    Entry {
        name: "supervised",
        about: "trains on the labelled images only",
        build: supervised::build,
    },
    Entry {
        name: "teacher-student",
        about: "the student learns from labels and from the pseudo-labels of its moving average",
        build: teacher_student::build,
    },
    Entry {
        name: "guided",
        about: "GuidedDistillation: a new student learns under a trained, frozen teacher, then under its own moving average",
        build: guided::build,
    },
    Entry {
        name: "offline",
        about: "a trained teacher labels all unlabelled images once, and a new student learns from them",
        build: offline::build,
    },
    Entry {
        name: "consistency",
        about: "one network learns from labels and from what it says of the same regions of differing views",
        build: consistency::build,
    },
    Entry {
        name: mock::NAME,
        about: "trains no network; its mAP is computed from the settings and the seed",
        build: mock::build,
    },
];

/// Returns true if the method called `name` trains networks. The others read only the seed, `[method]` and
/// two keys of `[train]` from a recipe.
pub fn trains_networks(name: &str) -> bool {
    name != mock::NAME
}
