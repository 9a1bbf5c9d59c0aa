//! The choice of a detector's proposals that become candidates for pseudo-labels, and the definition of their
//! class quality.

use serde::Deserialize;

/// The choice and the scores of candidates.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The probability that is the class quality.
    pub score: Score,
    /// The (query, class) pairs that are candidates.
    pub selection: Selection,
    /// The number of pairs, for [`Selection::TopPairs`].
    pub top: usize,
}

/// The classes in the softmax of eq. 3.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// The objects and no-object: the probability that the detector itself reports (released code).
    WithNoObject,
    /// The objects only, as the paper prints it; queries whose most likely class is no-object are then no candidates.
    Foreground,
}

/// The (query, class) pairs of an image that are candidates.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Every query once, with its most likely object class (paper).
    ArgMax,
    /// The pairs with the highest probability, so that a query may appear with several classes (released code).
    TopPairs,
}
