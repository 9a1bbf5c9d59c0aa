//! Which of a detector's proposals are candidates for pseudo-labels, and what their class quality is.

use serde::Deserialize;

/// How candidates are chosen and scored.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Which probability the class quality is.
    pub score: Score,
    /// Which (query, class) pairs are candidates.
    pub selection: Selection,
    /// How many, for [`Selection::TopPairs`].
    pub top: usize,
}

/// What eq. 3's softmax runs over.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// The objects and no-object: the probability that the detector itself reports (released code).
    WithNoObject,
    /// The objects only, as the paper prints it; queries whose most likely class is no-object are then no candidates.
    Foreground,
}

/// Which (query, class) pairs of an image are candidates.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Every query once, with its most likely object class (paper).
    ArgMax,
    /// The pairs with the highest probability, so that a query may appear with several classes (released code).
    TopPairs,
}
