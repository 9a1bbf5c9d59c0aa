//! The phases of a method: stretches of a training with fixed rules. A phase is a stage of a trial: its
//! result is kept, and trials that agree in all that it reads share it.

use super::learner::{Learner, NumberLearner, Parts};
use super::pool_labeller::PoolLabeller;
use crate::data::split::ClassCounts;
use anyhow::{Result, bail};
use std::ops::Range;

/// One stretch of a training.
pub struct Phase {
    /// Its name: the first part of its stage's key. It must not change, or stored results are no longer found.
    pub name: &'static str,
    /// The steps that it takes, counted from 0 along its learning-rate curve.
    pub steps: Range<usize>,
    /// Steps of its learning-rate curve. A phase that goes on along the curve of another one has the same number.
    pub curve: usize,
    /// The networks that it starts from.
    pub start: Start,
    /// The training passes of the network in a step.
    pub passes: Passes,
    /// True if a teacher labels images in its steps. It then needs the vision-language model.
    pub labels: bool,
    /// True if the average of the student starts with it, if the recipe wants one.
    pub average: bool,
    /// True if another phase may continue from its end. Its result then contains the optimizer's state.
    pub goes_on: bool,
    /// True if the variants of a sweep usually share it. Its time then does not count for the trial itself.
    pub shared: bool,
    /// True if its stage is keyed by the settings as they count in it: with its own tables of `[phase]` laid over those
    /// of the trial, and without the keys of views that it does not make. Trials whose other phases differ share it.
    pub alone: bool,
    /// The keys of `[method]` that it reads.
    pub reads: MethodKeys,
    /// Makes what does its work.
    pub build: Build,
}

/// The training passes of the network in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passes {
    /// For each view of a labelled image.
    pub labelled: usize,
    /// For each unlabelled image; 0: the phase reads none.
    pub unlabelled: usize,
}

impl Passes {
    /// Of a phase that does not train.
    pub const NONE: Self = Self {
        labelled: 0,
        unlabelled: 0,
    };
    /// One for each labelled view.
    pub const LABELLED: Self = Self {
        labelled: 1,
        unlabelled: 0,
    };
    /// One for each view of either kind.
    pub const ALL: Self = Self {
        labelled: 1,
        unlabelled: 1,
    };
}

impl Phase {
    /// Returns true if its steps read unlabelled images.
    pub fn reads_unlabelled(&self) -> bool {
        self.passes.unlabelled > 0
    }

    /// The learner of this phase.
    ///
    /// # Errors
    /// The phase trains no network.
    pub fn learner(&self, parts: Parts) -> Result<Box<dyn Learner>> {
        match &self.build {
            Build::Learner(build) => Ok(build(parts)),
            Build::Number(_) | Build::Pool(_) => {
                bail!("the phase `{}` trains no network", self.name)
            }
        }
    }

    /// The number of this phase, of a trial's seed and of how often the phase was begun (from 1 on).
    ///
    /// # Errors
    /// The phase trains no number.
    pub fn number(&self, seed: u64, attempt: u64) -> Result<Box<dyn NumberLearner>> {
        match &self.build {
            Build::Number(build) => Ok(build(seed, attempt)),
            Build::Learner(_) | Build::Pool(_) => {
                bail!("the phase `{}` trains no number", self.name)
            }
        }
    }
}

/// What a phase starts from. Numbers are places in the method's list of phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A student with the trial's first weights, and a new optimizer.
    Fresh,
    /// The student, the optimizer and the step at the end of a phase. The method's own state starts anew.
    GoOn(usize),
    /// A student with the trial's first weights and a new optimizer; its teacher is the student at the end of a phase.
    Under(usize),
    /// A student with the trial's first weights and a new optimizer, for unlabelled images with the pseudo-labels that
    /// a phase has made.
    Labelled {
        /// That phase.
        by: usize,
        /// True if images without a pseudo-label are left out.
        drops_empty: bool,
    },
}

impl Start {
    /// The phase whose result is read, if any.
    pub fn source(self) -> Option<usize> {
        match self {
            Self::Fresh => None,
            Self::GoOn(phase) | Self::Under(phase) | Self::Labelled { by: phase, .. } => {
                Some(phase)
            }
        }
    }
}

/// Keys of `[method]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MethodKeys {
    /// These alone, whatever the method's name: phases of several methods may be one stage.
    Only(Vec<&'static str>),
    /// The name and all keys but these.
    AllBut(Vec<&'static str>),
}

/// Makes what does the work of a phase.
pub enum Build {
    /// Networks that learn from images.
    Learner(LearnerBuilder),
    /// A number, for trying the engine without networks and data.
    Number(NumberBuilder),
    /// Nothing trains: the network that the phase starts under labels all unlabelled images.
    Pool(PoolBuilder),
}

/// Makes the rules by which all unlabelled images are labelled, from the counts of the labelled ones.
pub type PoolBuilder = Box<dyn Fn(&ClassCounts) -> PoolLabeller + Send + Sync>;

/// Makes a learner around a fresh student.
pub type LearnerBuilder = Box<dyn Fn(Parts) -> Box<dyn Learner> + Send + Sync>;

/// Makes the number of a trial from its seed and from how often this phase of it was begun (from 1 on).
pub type NumberBuilder = Box<dyn Fn(u64, u64) -> Box<dyn NumberLearner> + Send + Sync>;
