//! Scores of (query, class) pairs from class logits, for pseudo-labels and detections.

use crate::detector::quality::{arg_max, softmax};
use crate::detector::{CandidateChoice, Score, Selection};

/// The class distributions of a query.
pub(super) struct ClassView {
    /// Softmax over all logits, no-object last.
    pub all: Vec<f32>,
    /// Softmax over the objects.
    pub objects: Vec<f32>,
}

impl ClassView {
    /// The probabilities of the object classes in the softmax that includes no-object.
    pub fn with_no_object(&self) -> &[f32] {
        &self.all[..self.objects.len()]
    }

    /// True if the most likely class is an object class.
    pub fn is_foreground(&self) -> bool {
        arg_max(&self.all) < self.objects.len()
    }
}

/// The class distributions of queries with these `logits`, `[queries, columns]`.
pub(super) fn class_views(logits: &[f32], columns: usize) -> Vec<ClassView> {
    let view = |row: &[f32]| ClassView {
        all: softmax(row),
        objects: softmax(&row[..columns - 1]),
    };
    logits.chunks_exact(columns).map(view).collect()
}

/// The (query, class) pairs of an image and their class qualities by the rules of `choice`.
pub(super) fn pairs(views: &[ClassView], choice: CandidateChoice) -> Vec<(usize, usize, f32)> {
    let CandidateChoice {
        score,
        selection,
        top,
        quality: _,
    } = choice;
    let scores = views.iter().map(|view| match score {
        Score::WithNoObject => view.with_no_object(),
        Score::Foreground => &view.objects,
    });
    let mut pairs = match selection {
        Selection::ArgMax => scores
            .enumerate()
            .map(|(query, row)| (query, arg_max(row), row[arg_max(row)]))
            .collect(),
        Selection::TopPairs => top_pairs(scores, top),
    };
    pairs.retain(|(query, ..)| score == Score::WithNoObject || views[*query].is_foreground());
    pairs
}

/// The `top` pairs (query, class) with the largest value of `scores`, largest first, ties in order of query and class.
fn top_pairs<'a>(scores: impl Iterator<Item = &'a [f32]>, top: usize) -> Vec<(usize, usize, f32)> {
    let mut pairs: Vec<(usize, usize, f32)> = scores
        .enumerate()
        .flat_map(|(query, row)| {
            row.iter()
                .enumerate()
                .map(move |(class, p)| (query, class, *p))
        })
        .collect();
    pairs.sort_by(|a, b| b.2.total_cmp(&a.2));
    pairs.truncate(top);
    pairs
}
