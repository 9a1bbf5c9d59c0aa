//! What is wrong with a recipe: all problems at once, each with its place.

use super::provenance::Place;
use std::collections::BTreeSet;
use std::fmt;

/// Everything that is wrong with a recipe, its sweeps and its overrides. `Display` is the full message for the user.
#[derive(Debug, thiserror::Error)]
#[error("{}", rendered(.problems))]
pub struct RecipeError {
    /// At least one, in the order of the layers, without repetitions.
    pub problems: Vec<Problem>,
}

impl RecipeError {
    /// The error of `problems`; equal ones (a shared layer is read by every trial) are told once.
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        let mut told = BTreeSet::new();
        let mut problems = problems;
        problems.retain(|problem| told.insert(problem.to_string()));
        Self { problems }
    }
}

impl From<Problem> for RecipeError {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

fn rendered(problems: &[Problem]) -> String {
    let mut text = problems
        .iter()
        .map(Problem::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    if problems.len() > 1 {
        text.push_str(&format!("\n{} errors", problems.len()));
    }
    text.trim_end().to_string()
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where; none if it is about no place.
    pub place: Option<Place>,
    /// What was found, what is allowed, and what may have been meant.
    pub message: String,
}

impl Problem {
    /// A problem at `place`.
    pub(crate) fn at(place: Place, message: impl Into<String>) -> Self {
        Self {
            place: Some(place),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    /// `file:line:column: message`, then the source line with a caret; every line is ended.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{}: {}\n{}", place.position, self.message, place.excerpt),
            None => writeln!(f, "{}", self.message),
        }
    }
}
