//! The kinds of a detection (Fig. I of PL-DC).
//!
//! The detections are the K best-scored ones of all images, K being the number of objects; one that overlaps a
//! group more than any single object is left out. With s, the largest IoU with an object of the detection's class,
//! and o, that with an object of another class j:
//!
//! | kind | condition, the first that holds |
//! |---|---|
//! | correct | s > 0.5 |
//! | background | max(s, o) <= the bound, 0 in the paper |
//! | location | s >= o |
//! | similar | o > s, and j is similar to the class |
//! | other | o > s otherwise |
//!
//! The paper leaves three things open: which detections count, how far an IoU has to go for *similar* and *other* (here
//! any that is larger than that with the own class), and duplicates (here correct, and counted apart).

use super::kept::Prediction;
use std::collections::BTreeSet;

/// The IoU above which a detection is correct.
const CORRECT: f64 = 0.5;

/// A kind of a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is on an object of its class.
    Correct,
    /// It is of the right class, and does not fit well.
    Location,
    /// It fits an object of a similar class better.
    Similar,
    /// It fits an object of a class that is not similar better.
    Other,
    /// It is on no object.
    Background,
}

/// The kinds with their names, in the order of the paper's figure.
pub const KINDS: [(Kind, &str); 5] = [
    (Kind::Correct, "Cor"),
    (Kind::Location, "Loc"),
    (Kind::Similar, "Sim"),
    (Kind::Other, "Oth"),
    (Kind::Background, "BG"),
];

impl Kind {
    /// The kind of a detection. `groups` has one number for each class, the same one for similar classes. Up to the IoU
    /// `background`, a detection is on no object.
    pub fn of(prediction: &Prediction, groups: &[usize], background: f64) -> Self {
        let Prediction { own, other, .. } = *prediction;
        if own > CORRECT {
            return Self::Correct;
        }
        if own.max(other) <= background {
            return Self::Background;
        }
        if own >= other {
            return Self::Location;
        }
        let is_similar = |class: usize| groups[class] == groups[prediction.class];
        match prediction.other_class.is_some_and(is_similar) {
            true => Self::Similar,
            false => Self::Other,
        }
    }
}

/// The numbers of detections by kind, in the order of [`KINDS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// The numbers.
    pub counts: [usize; KINDS.len()],
    /// Those of the correct ones that are on an object which a better-scored one has found.
    pub duplicates: usize,
}

impl Kinds {
    /// All detections.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }
}

/// The kinds of the `objects` best-scored detections; of the same score the earlier ones count.
pub fn kinds(
    predictions: &[Prediction],
    objects: usize,
    groups: &[usize],
    background: f64,
) -> Kinds {
    let mut best: Vec<&Prediction> = predictions.iter().filter(|one| !one.is_ignored()).collect();
    best.sort_by(|one, other| other.score.total_cmp(&one.score));
    best.truncate(objects);
    let mut kinds = Kinds::default();
    let mut found = BTreeSet::new();
    for prediction in best {
        let kind = Kind::of(prediction, groups, background);
        let place = KINDS.iter().position(|(known, _)| *known == kind);
        kinds.counts[place.expect("every kind has a name")] += 1;
        if kind == Kind::Correct && !found.insert(prediction.own_object) {
            kinds.duplicates += 1;
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prediction(class: usize, own: f64, other: f64, other_class: usize) -> Prediction {
        Prediction {
            class,
            own,
            other,
            other_class: (other > 0.0).then_some(other_class),
            own_object: (own > 0.0).then_some(class),
            score: 0.9,
            ..Prediction::default()
        }
    }

    /// Classes 0 and 1 are similar.
    const GROUPS: [usize; 4] = [0, 0, 2, 3];

    #[test]
    fn conditions_and_their_bounds_are_those_of_the_table() {
        for (own, other, class, expected) in [
            (0.51, 0.99, 1, Kind::Correct),
            (0.50, 0.50, 1, Kind::Location),
            (0.50, 0.51, 1, Kind::Similar),
            (0.50, 0.51, 2, Kind::Other),
            (0.01, 0.00, 1, Kind::Location),
            (0.00, 0.01, 1, Kind::Similar),
            (0.00, 0.01, 3, Kind::Other),
            (0.00, 0.00, 1, Kind::Background),
        ] {
            let found = Kind::of(&prediction(0, own, other, class), &GROUPS, 0.0);
            assert_eq!(found, expected, "{own} {other} {class}");
        }
        let weak = prediction(0, 0.05, 0.1, 1);
        assert_eq!(
            Kind::of(&weak, &GROUPS, 0.1),
            Kind::Background,
            "TIDE's bound"
        );
        assert_eq!(Kind::of(&weak, &GROUPS, 0.09), Kind::Similar);
    }

    proptest! {
        /// Exactly one condition holds, written out without an order.
        #[test]
        fn kinds_are_exhaustive_and_disjoint(
            own in 0..=100u32, other in 0..=100u32, class in 0..4usize, step in 1..4usize, bound in 0..30u32,
        ) {
            let (own, other, bound) = (f64::from(own) / 100.0, f64::from(other) / 100.0, f64::from(bound) / 100.0);
            let other_class = (class + step) % 4;
            let similar = GROUPS[class] == GROUPS[other_class];
            let empty = own <= bound && other <= bound;
            let wrong = own <= 0.5 && !empty;
            let holds = [
                (Kind::Correct, own > 0.5),
                (Kind::Background, own <= 0.5 && empty),
                (Kind::Location, wrong && own >= other),
                (Kind::Similar, wrong && other > own && similar),
                (Kind::Other, wrong && other > own && !similar),
            ];
            let all: Vec<Kind> = holds.iter().filter(|(_, holds)| *holds).map(|(kind, _)| *kind).collect();
            prop_assert_eq!(all.len(), 1);
            prop_assert_eq!(Kind::of(&prediction(class, own, other, other_class), &GROUPS, bound), all[0]);
        }

        #[test]
        fn the_counts_are_of_the_best_scored_detections(scores in proptest::collection::vec(0..1000u32, 0..60), objects in 0..80usize) {
            // A detection is correct exactly if its score is above 500.
            let all: Vec<Prediction> = scores.iter().enumerate().map(|(at, score)| Prediction {
                score: f64::from(*score) / 1000.0,
                own: if *score > 500 { 0.9 } else { 0.0 },
                own_object: Some(at),
                ..Prediction::default()
            }).collect();
            let found = kinds(&all, objects, &GROUPS, 0.0);
            let mut sorted = scores.clone();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            let correct = sorted.iter().take(objects).filter(|score| **score > 500).count();
            prop_assert_eq!(found.total(), objects.min(scores.len()));
            prop_assert_eq!((found.counts[0], found.duplicates), (correct, 0));
        }
    }

    #[test]
    fn a_second_detection_of_an_object_is_a_duplicate_and_crowds_do_not_count() {
        let right = prediction(0, 0.8, 0.0, 1);
        let in_crowd = Prediction {
            crowd: 0.9,
            ..right.clone()
        };
        let found = kinds(
            &[in_crowd, right.clone(), right.clone(), right],
            2,
            &GROUPS,
            0.0,
        );
        assert_eq!((found.counts, found.duplicates), ([2, 0, 0, 0, 0], 1));
    }
}
