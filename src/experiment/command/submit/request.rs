//! The request of `harness submit`, and how it ends.

use crate::experiment::command::sweep::Outcome;
use crate::experiment::trial::inputs::RecipeRequest;
use std::path::PathBuf;

/// A request to hand work over.
#[derive(Debug)]
pub struct SubmitRequest {
    /// The recipe and its overrides.
    pub recipe: RecipeRequest,
    /// The folder of the results; with none, the recipe's folder under `results/`.
    pub out: Option<PathBuf>,
    /// The profile; with none, the default one of the file.
    pub profile: Option<String>,
    /// The number of times that a failed stage is tried again.
    pub retries: u32,
    /// True if results of another version of the computations are moved aside.
    pub renew: bool,
    /// True if the tables of another recipe in the results folder may be replaced.
    pub replace: bool,
    /// Files of records whose results count.
    pub reuse: Vec<PathBuf>,
    /// True if elements of an earlier plan of this recipe are cancelled that this one does not have.
    pub cancel_unwanted: bool,
}

/// What was handed over.
#[derive(Clone, Debug, PartialEq)]
pub enum SubmitEnd {
    /// The jobs, in words.
    Handed(String),
    /// A part of the jobs, and why not all.
    Partly(String),
    /// Nothing, because other jobs do all that is missing; in words.
    AllQueued(String),
    /// Nothing, because nothing is missing. The tables have been written.
    Finished(Box<Outcome>),
}
