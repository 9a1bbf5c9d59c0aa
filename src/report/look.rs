//! The look of a table: what the user asks for beside its content.

use super::cell::DIGITS;
use crate::screen::Screen;

/// The look of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The names of the columns; empty for the usual ones.
    pub columns: Vec<String>,
    /// The decimals of metrics, differences and intervals; none for two, and for all of them where single trials are
    /// written.
    pub digits: Option<usize>,
    /// True if only labels, metrics and differences are shown, with a star for a conclusive verdict and a legend of
    /// one line. LaTeX then fits a column in place of a page.
    pub compact: bool,
    /// True if the numbers of the paper are shown.
    pub paper: bool,
    /// The place where the text is shown.
    pub screen: Screen,
}

impl Default for Look {
    /// The look of the files that a sweep writes.
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            digits: None,
            compact: false,
            paper: true,
            screen: Screen::FILE,
        }
    }
}

impl Look {
    /// The decimals of a number in a table.
    pub fn decimals(&self) -> usize {
        self.digits.unwrap_or(DIGITS)
    }
}
