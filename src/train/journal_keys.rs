//! The keys of a line of the journal, each explained for its reader.

/// A key of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalKey {
    /// The key.
    pub name: &'static str,
    /// The value that a line has of the steps of its window.
    pub value: Folded,
    /// The meaning, in one sentence.
    pub about: &'static str,
}

/// The value of a line, of all the steps in its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folded {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
    /// The largest one.
    Largest,
    /// That of the last step.
    Last,
}

impl Folded {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Sum => "sum",
            Self::Largest => "largest",
            Self::Last => "last",
        }
    }
}

const fn key(name: &'static str, value: Folded, about: &'static str) -> JournalKey {
    JournalKey { name, value, about }
}

/// All keys that the shipped methods, filters and detectors write, in the order of a line.
pub const JOURNAL_KEYS: &[JournalKey] = &[
    key(
        "step",
        Folded::Last,
        "The training step at the end of the window; a window has at most 20 steps.",
    ),
    key(
        "loss",
        Folded::Mean,
        "The loss that the optimizer minimises: the labelled part, plus lambda times the pseudo-labelled part.",
    ),
    key(
        "gradient-norm",
        Folded::Mean,
        "The norm of the gradient of all parameters, before it is clipped to `train.clip`.",
    ),
    key("rate", Folded::Last, "The learning rate."),
    key(
        "supervised-class",
        Folded::Mean,
        "The loss of the classes on labelled images: cross-entropy or focal loss, without its weight `model.loss.class`.",
    ),
    key(
        "supervised-mask",
        Folded::Mean,
        "The loss of the masks on labelled images: binary cross-entropy at sampled points or in regions, without its weight.",
    ),
    key(
        "supervised-dice",
        Folded::Mean,
        "The dice loss of the masks on labelled images, without its weight.",
    ),
    key(
        "supervised-box",
        Folded::Mean,
        "The loss of the boxes of regions or of locations on labelled images, without its weight.",
    ),
    key(
        "supervised-centreness",
        Folded::Mean,
        "The loss of the centreness of locations on labelled images, which never reaches 0, without its weight.",
    ),
    key(
        "supervised-rpn-objectness",
        Folded::Mean,
        "The loss of the region proposal network on labelled images: is an anchor an object? Without its weight.",
    ),
    key(
        "supervised-rpn-box",
        Folded::Mean,
        "The loss of the boxes of anchors on labelled images, without its weight.",
    ),
    key(
        "supervised-mask-coarse",
        Folded::Mean,
        "The loss of the coarse masks of a noise-tolerant mask head, on labelled images, without its weight.",
    ),
    key(
        "supervised-iou",
        Folded::Mean,
        "The loss of the IoU that an IoU head predicts for masks, on labelled images, without its weight.",
    ),
    key(
        "unsupervised-class",
        Folded::Mean,
        "The loss of the classes against pseudo-labels, without its weight and without lambda.",
    ),
    key(
        "unsupervised-mask",
        Folded::Mean,
        "The loss of the masks against pseudo-labels, with the pixel weights of `method.weighting`, without its weight and without lambda.",
    ),
    key(
        "unsupervised-dice",
        Folded::Mean,
        "The dice loss of the masks against pseudo-labels, without its weight and without lambda.",
    ),
    key(
        "unsupervised-box",
        Folded::Mean,
        "The loss of the boxes of regions or of locations against pseudo-labels, without its weight and without lambda.",
    ),
    key(
        "unsupervised-centreness",
        Folded::Mean,
        "The loss of the centreness of locations against pseudo-labels, without its weight and without lambda.",
    ),
    key(
        "unsupervised-rpn-objectness",
        Folded::Mean,
        "The loss of the region proposal network against pseudo-labels: is an anchor an object? Without its weight and without lambda.",
    ),
    key(
        "unsupervised-rpn-box",
        Folded::Mean,
        "The loss of the boxes of anchors against pseudo-labels, without its weight and without lambda.",
    ),
    key(
        "unsupervised-mask-coarse",
        Folded::Mean,
        "The loss of the coarse masks of a noise-tolerant mask head, against pseudo-labels, without its weight and without lambda.",
    ),
    key(
        "unsupervised-iou",
        Folded::Mean,
        "The loss of the IoU that an IoU head predicts for masks, against pseudo-labels, without its weight and without lambda.",
    ),
    key(
        "consistency-class",
        Folded::Mean,
        "The distance of what the network says of the classes of the same regions, in the method `consistency`, without lambda and ramp.",
    ),
    key(
        "consistency-box",
        Folded::Mean,
        "The same of their boxes: the squared difference of the deltas.",
    ),
    key("consistency-mask", Folded::Mean, "The same of their masks."),
    key(
        "consistency-weight",
        Folded::Last,
        "The weight of the three by the ramp, before lambda.",
    ),
    key(
        "consistency-regions",
        Folded::Sum,
        "Regions that were compared.",
    ),
    key(
        "high",
        Folded::Sum,
        "Candidates of the teacher that the filter put into its high tier: they become pseudo-labels.",
    ),
    key(
        "medium",
        Folded::Sum,
        "Candidates of the medium tier: they become pseudo-labels only if the correction vouches for them.",
    ),
    key(
        "low",
        Folded::Sum,
        "Candidates of the low tier: they are dropped.",
    ),
    key(
        "accepted",
        Folded::Sum,
        "Candidates of the medium tier that the correction vouched for.",
    ),
    key(
        "duplicates",
        Folded::Sum,
        "High or accepted candidates that were dropped because a better one overlaps them by `method.duplicate-iou`.",
    ),
    key(
        "kept",
        Folded::Sum,
        "Pseudo-labels that train the student: high and accepted without duplicates.",
    ),
    key(
        "objects",
        Folded::Sum,
        "Objects of the unlabelled images in the hidden annotations, without crowds. Training never sees them.",
    ),
    key(
        "matched",
        Folded::Sum,
        "Pseudo-labels whose mask overlaps a hidden object by an IoU of 0.5 or more.",
    ),
    key(
        "right",
        Folded::Sum,
        "Matched pseudo-labels with the class of their object. `right / kept` is the precision, `right / objects` the recall.",
    ),
    key(
        "flips",
        Folded::Sum,
        "Pseudo-labels whose class the correction (DICC) changed.",
    ),
    key(
        "flips-right",
        Folded::Sum,
        "Matched flips to the class of their object.",
    ),
    key(
        "flips-broken",
        Folded::Sum,
        "Matched flips away from the class of their object.",
    ),
    key(
        "kept-by-class",
        Folded::Sum,
        "The pseudo-labels of `kept`, a number for each class: that after the correction.",
    ),
    key(
        "right-by-class",
        Folded::Sum,
        "The pseudo-labels of `right`, a number for each class.",
    ),
    key(
        "objects-by-class",
        Folded::Sum,
        "The objects of `objects`, a number for each class.",
    ),
    key(
        "barren-steps",
        Folded::Largest,
        "Steps in a row that kept no pseudo-label at all. A teacher like that trains nothing.",
    ),
    key(
        "thresholds",
        Folded::Last,
        "The thresholds of the filter `adaptive`: `class` for the class quality and `mask` for the mask quality, a value for each class.",
    ),
    key(
        "share-thresholds",
        Folded::Last,
        "The running threshold of the filter `top-share` with `scope = \"run\"`, a value for each class; null before its first candidate.",
    ),
    key(
        "frequency-thresholds",
        Folded::Last,
        "The thresholds of the filter `class-frequency`, a value for each class.",
    ),
    key(
        "kept-per-image",
        Folded::Mean,
        "Pseudo-labels for each unlabelled image of a batch.",
    ),
    key(
        "pool-images",
        Folded::Sum,
        "Unlabelled images that a trained teacher has labelled once, before the student trains (`method.name = \"offline\"`).",
    ),
    key(
        "pool-labelled",
        Folded::Sum,
        "Those of them that got a pseudo-label.",
    ),
    key(
        "val-teacher",
        Folded::Last,
        "The first metric of `eval.metrics` of the teacher on the evaluated images, after every `eval.period` steps.",
    ),
    key(
        "val-student",
        Folded::Last,
        "The first metric of `eval.metrics` of the student on the evaluated images, after every `eval.period` steps.",
    ),
    key(
        "val-average",
        Folded::Last,
        "The first metric of `eval.metrics` of the student's average on the evaluated images, after every `eval.period` steps.",
    ),
    key(
        "val-metrics",
        Folded::Last,
        "All metrics of the same model at that step, by their names.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_key_stands_twice_and_every_text_is_a_sentence() {
        let names: BTreeSet<&str> = JOURNAL_KEYS.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), JOURNAL_KEYS.len());
        for key in JOURNAL_KEYS {
            assert!(key.about.ends_with('.'), "{}: {}", key.name, key.about);
        }
    }

    /// The page of the book has the same list.
    #[test]
    fn the_book_explains_every_key_in_the_same_words() {
        let page = include_str!("../../docs/src/why.md");
        for key in JOURNAL_KEYS {
            let (name, word, about) = (key.name, key.value.word(), key.about);
            let row = format!("| `{name}` | {word} | {about} |");
            assert!(page.contains(&row), "docs/src/why.md has no line {row}");
        }
    }
}
