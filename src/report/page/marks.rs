//! Shapes on lines: each line is known by its shape where colours and dashes are not enough.

use super::scale::place;
use maud::{Markup, html};
use serde_json::{Value, json};

/// The shapes around a place, by colour: circle, square, triangle, diamond, plus, triangle upside down, cross,
/// hourglass. Each begins with a move away from its place.
const SHAPES: [&str; 8] = [
    "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z",
    "m-2.7 -2.7h5.4v5.4h-5.4z",
    "m0 -3.8l3.6 6.2h-7.2z",
    "m0 -4.2l3.6 4.2l-3.6 4.2l-3.6 -4.2z",
    "m-1.2 -3.8h2.4v2.6h2.6v2.4h-2.6v2.6h-2.4v-2.6h-2.6v-2.4h2.6z",
    "m0 3.8l3.6 -6.2h-7.2z",
    "m0 -1.7l2.1 -2.1l1.7 1.7l-2.1 2.1l2.1 2.1l-1.7 1.7l-2.1 -2.1l-2.1 2.1l-1.7 -1.7l2.1 -2.1l-2.1 -2.1l1.7 -1.7z",
    "m-3.3 -3.5h6.6l-6.6 7h6.6z",
];
/// The most points of a line that all have a shape.
const EVERY: usize = 8;
/// The shapes of a line with more points.
const SOME: usize = 6;

/// The places in a line of `count` points that have a shape. Lines of other slots have theirs elsewhere, so that lines
/// that lie on each other are both seen.
fn chosen(slot: usize, count: usize) -> Vec<usize> {
    if count <= EVERY {
        return (0..count).collect();
    }
    let (own, all) = (2 * (slot % SHAPES.len()) + 1, 2 * SHAPES.len());
    let at = |mark: usize| (mark * all + own) * count / (SOME * all);
    (0..SOME).map(at).collect()
}

/// The class of the shapes of a slot: those of a second round of the colours are hollow.
fn class(slot: usize) -> &'static str {
    match slot / SHAPES.len() % 2 {
        0 => "marks",
        _ => "marks hollow",
    }
}

/// The shapes of the line of `slot`, at some of its points.
pub fn marks(slot: usize, points: &[[f64; 2]]) -> Markup {
    let shape = SHAPES[slot % SHAPES.len()];
    let chosen = chosen(slot, points.len()).into_iter();
    let path =
        chosen.map(|at| format!("M{} {}{shape}", place(points[at][0]), place(points[at][1])));
    html! { path class=(class(slot)) d=(path.collect::<String>()) {} }
}

/// The sample of the line of `slot` in a legend.
pub fn key(slot: usize) -> Markup {
    html! {
        svg class=(format!("key c{}", slot % SHAPES.len())) viewBox="0 0 26 10" aria-hidden="true" {
            path class="line" d="M1 5H25" {}
            (marks(slot, &[[13.0, 5.0]]))
        }
    }
}

/// What the script needs to draw the same shapes.
pub fn data() -> Value {
    json!({ "shapes": SHAPES, "every": EVERY, "some": SOME })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_slot_of_two_rounds_has_a_shape_of_its_own() {
        let all: BTreeSet<String> = (0..2 * SHAPES.len())
            .map(|slot| marks(slot, &[[1.0, 2.0]]).into_string())
            .collect();
        assert_eq!(all.len(), 2 * SHAPES.len());
        assert!(all.iter().all(|one| one.contains("d=\"M1 2m")), "{all:?}");
    }

    #[test]
    fn few_points_all_have_shapes_and_long_lines_have_them_at_places_of_their_own() {
        assert_eq!(chosen(3, EVERY), (0..EVERY).collect::<Vec<_>>());
        for count in EVERY + 1..200 {
            for slot in 0..SHAPES.len() {
                let own = chosen(slot, count);
                assert_eq!(own.len(), SOME);
                assert!(own.windows(2).all(|pair| pair[0] < pair[1]), "{own:?}");
                assert!(own[SOME - 1] < count, "{count}: {own:?}");
            }
        }
        // At the length of a drawn curve no two lines have a shape at the same point.
        let all: Vec<usize> = (0..SHAPES.len())
            .flat_map(|slot| chosen(slot, 100))
            .collect();
        let places: BTreeSet<&usize> = all.iter().collect();
        assert_eq!(places.len(), all.len(), "{all:?}");
    }
}
