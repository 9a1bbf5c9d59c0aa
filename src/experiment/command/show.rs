//! `harness show`: the rows of a results folder, and why a row is as it is.

use crate::experiment::insight::aligned::wrapped;
use crate::experiment::insight::choice::{Results, RowRequest};
use crate::experiment::insight::overview::overview;
use crate::experiment::insight::portrait::portrait;
use crate::experiment::insight::sections::Frame;
use crate::experiment::trial::inputs::CommandError;
use crate::train::JOURNAL_KEYS;

/// A text with notes about how the request was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The text.
    pub text: String,
    /// The notes, one line each.
    pub notes: Vec<String>,
}

/// The text about a row, or about all rows if the request names none and there are several.
///
/// # Errors
/// The folder has no results; there is no such row, seed or sweep; the folder has no store and a row is named.
pub fn show(request: &RowRequest, width: usize, all: bool) -> Result<Shown, CommandError> {
    let told = || {
        let results = Results::open(&request.results)?;
        let frame = Frame { width, all };
        let sweep = request.sweep.as_deref();
        let mut notes = results.damaged.clone();
        let text = match &request.row {
            None => overview(&results, sweep, request.seed, frame)?,
            Some(label) => {
                let (row, others) = results.row(sweep, Some(label))?;
                if !others.is_empty() {
                    notes.push(format!(
                        "the row stands with the same trials in the sweeps {} too; --sweep chooses one",
                        others.join(", ")
                    ));
                }
                portrait(&results, row, request.seed, frame)?
            }
        };
        Ok(Shown { text, notes })
    };
    told().map_err(CommandError::Input)
}

/// The keys of the journal, each with its meaning.
pub fn journal_keys(width: usize) -> String {
    let mut lines = wrapped(
        "A line of the journal stands for a window of up to 20 training steps. Each key is the mean, the sum, the largest or \
         the last value of these steps.",
        width,
    );
    for key in JOURNAL_KEYS {
        lines.push(format!("\n{} ({})", key.name, key.value.word()));
        let about = wrapped(key.about, width.saturating_sub(2));
        lines.extend(about.into_iter().map(|line| format!("  {line}")));
    }
    lines.join("\n")
}
