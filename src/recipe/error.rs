//! The errors of a recipe. All problems are reported at once, each with its place.

use super::origin::Location;
use std::collections::BTreeSet;
use std::fmt;

/// All errors of a recipe, its sweeps and its overrides. `Display` writes the full message for the user.
#[derive(Debug, thiserror::Error)]
#[error("{}", rendered(.problems))]
pub struct RecipeError {
    /// At least one problem, in the order of the layers, without repetitions.
    pub problems: Vec<Problem>,
}

impl RecipeError {
    /// Makes the error from `problems` and drops duplicates: every trial reads a shared layer again.
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        let mut seen = BTreeSet::new();
        let mut problems = problems;
        problems.retain(|problem| seen.insert(problem.to_string()));
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

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The place of the error, or none if it has no place.
    pub place: Option<Location>,
    /// The value that was found, the allowed values, and a suggestion.
    pub message: String,
}

impl Problem {
    /// A problem at `place`.
    pub(crate) fn at(place: Location, message: impl Into<String>) -> Self {
        Self {
            place: Some(place),
            message: message.into(),
        }
    }

    /// A problem without a place; the message says where it is.
    pub(crate) fn nowhere(message: impl Into<String>) -> Self {
        Self {
            place: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    /// Writes `file:line:column: message`, then the source line with a caret. Every line ends with a newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{}: {}\n{}", place.position, self.message, place.excerpt),
            None => writeln!(f, "{}", self.message),
        }
    }
}
