//! From class logits to scored (query, class) pairs, for pseudo-labels and detections alike.

use crate::detector::quality::{arg_max, softmax};
use crate::detector::{Choice, Score, Selection};

/// The class distributions of a query.
pub(super) struct ClassView {
    /// Softmax over all logits, no-object last.
    pub all: Vec<f32>,
    /// Softmax over the objects.
    pub objects: Vec<f32>,
}

impl ClassView {
    /// The probabilities of the object classes beside that of no-object.
    pub fn with_no_object(&self) -> &[f32] {
        &self.all[..self.objects.len()]
    }

    /// Returns true if the most likely class is an object.
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

/// The (query, class) pairs of an image that `choice` asks for, with the class qualities that it asks for.
pub(super) fn pairs(views: &[ClassView], choice: Choice) -> Vec<(usize, usize, f32)> {
    let Choice {
        score,
        selection,
        top,
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
