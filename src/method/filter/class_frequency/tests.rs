//! The rule against numbers worked out by hand, and its memory.

use super::super::tests::{INNER, STEP, built, candidate};
use super::super::{Filter, Tier};
use super::*;
use proptest::prelude::*;

const GRID: [f64; 3] = [0.1, 1.0, 0.01];

fn rule(grid: [f64; 3]) -> ClassFrequency {
    ClassFrequency {
        grid,
        window: 4,
        every: 1,
        start: 0.5,
    }
}

/// The threshold of class 0 after `images` images with these class qualities, for `annotations` in `labelled` images.
fn threshold(images: &[&[f32]], annotations: usize, labelled: usize) -> f64 {
    let rule = rule(GRID);
    let mut state = rule.start(&ClassCounts {
        images: labelled,
        annotations: vec![annotations],
        objects: vec![0],
    });
    for (number, image) in images.iter().enumerate() {
        let candidates: Vec<Candidate> = image.iter().map(|c| candidate(0, *c, 0.5)).collect();
        let clock = if number + 1 == images.len() {
            STEP
        } else {
            INNER
        };
        rule.tiers(&mut state, &candidates, clock);
    }
    state.thresholds[0]
}

#[test]
fn as_many_pass_as_there_are_annotations() {
    let images: [&[f32]; 2] = [&[0.95, 0.315], &[0.605]];
    assert_eq!(threshold(&images, 1, 1), 0.32, "two pass in two images");
    assert_eq!(
        threshold(&images, 3, 2),
        0.1,
        "three pass, and the first of equal thresholds counts"
    );
    // Stored as f32, 0.95 is below 0.95: that threshold keeps nothing.
    assert_eq!(threshold(&images, 0, 7), 0.95);
    assert_eq!(threshold(&[&[0.96f32.next_up()]], 0, 1), 0.97);
    // A half lies between none and one of one image: the lower threshold is the first.
    assert_eq!(threshold(&[&[0.4]], 1, 2), 0.1);
    // Stored as f32, 0.4 is above 0.4.
    assert_eq!(
        threshold(&[&[0.4]], 49, 100),
        0.41,
        "none is nearer than one"
    );
    assert_eq!(threshold(&[], 1, 1), 0.5);
}

#[test]
fn the_grid_has_the_decimal_numbers() {
    let grid = rule(GRID).thresholds();
    assert_eq!(
        (grid.len(), grid[0], grid[22], grid[90]),
        (91, 0.1, 0.32, 1.0)
    );
    assert_eq!(
        rule([0.0, 1.0, 0.25]).thresholds(),
        [0.0, 0.25, 0.5, 0.75, 1.0]
    );
    assert_eq!(
        (passed(&grid, 0.1), passed(&grid, 0.105), passed(&grid, 1.0)),
        (1, 1, 90)
    );
    assert_eq!(passed(&grid, 0.5), 40, "0.5 is not above itself");
}

fn started(window: usize, every: usize) -> Box<dyn Filter> {
    let keys = format!("grid = [0.1, 1.0, 0.01]\nwindow = {window}\nevery = {every}\nstart = 0.5");
    let mut filter = built(&format!("name = 'class-frequency'\n{keys}"));
    filter.start(&ClassCounts {
        images: 1,
        annotations: vec![1, 0],
        objects: vec![1, 0],
    });
    filter
}

fn thresholds(filter: &dyn Filter) -> Vec<f64> {
    let (name, value) = filter.readings().remove(0);
    assert_eq!(name, "frequency-thresholds");
    serde_json::from_value(value).unwrap()
}

#[test]
fn thresholds_wait_for_a_quarter_of_the_window_and_for_their_step() {
    let image = [candidate(0, 0.3, 0.9), candidate(1, 0.6, 0.9)];
    let mut filter = started(8, 3);
    let mut found = Vec::new();
    for _ in 0..6 {
        filter.tiers(&image, STEP);
        found.push(thresholds(&*filter)[0]);
    }
    assert_eq!(
        found,
        [0.5, 0.5, 0.1, 0.1, 0.1, 0.1],
        "two images are a quarter, the third step is due"
    );
    assert_eq!(
        thresholds(&*filter),
        [0.1, 0.61],
        "a class without an annotation keeps nothing"
    );
    // Two images a step: the number of steps counts, not that of images. 17 images would be more than a quarter of 68.
    let mut filter = started(68, 3);
    for step in 0..9 {
        filter.tiers(&image, INNER);
        assert_eq!(thresholds(&*filter)[0], 0.5, "inside step {step}");
        filter.tiers(&image, STEP);
    }
    assert_eq!(thresholds(&*filter)[0], 0.1, "18 images after 9 steps");
}

#[test]
fn an_image_is_judged_by_the_thresholds_before_it() {
    let mut filter = started(4, 1);
    let image = [candidate(0, 0.3, 0.9), candidate(1, 0.6, 0.9)];
    assert_eq!(filter.tiers(&image, STEP), [Tier::Low, Tier::High]);
    assert_eq!(filter.tiers(&image, STEP), [Tier::High, Tier::Low]);
    assert!(!filter.follows_labels());
}

#[test]
fn the_window_forgets() {
    let mut filter = started(2, 1);
    for _ in 0..4 {
        filter.tiers(&[candidate(0, 0.9, 0.9), candidate(0, 0.8, 0.9)], STEP);
    }
    assert_eq!(thresholds(&*filter)[0], 0.81, "one of two");
    for _ in 0..2 {
        filter.tiers(&[candidate(0, 0.4, 0.9), candidate(0, 0.3, 0.9)], STEP);
    }
    assert_eq!(thresholds(&*filter)[0], 0.31);
}

#[test]
fn a_grid_that_is_none_is_refused() {
    for grid in [
        "[0.5, 0.1, 0.1]",
        "[0.1, 1.0, 0.03]",
        "[0.15, 1.0, 0.1]",
        "[0.0, 1.0, 0.0]",
        "[0.0, 1.5, 0.1]",
    ] {
        let table =
            format!("name = 'class-frequency'\ngrid = {grid}\nwindow = 2\nevery = 1\nstart = 0.5");
        let errors =
            crate::registry::build(super::super::FILTERS, table.parse().unwrap()).expect_err(grid);
        assert_eq!(errors[0].key, "grid", "{errors}");
    }
}

proptest! {
    /// Against the formula with fractions, tried one by one.
    #[test]
    fn the_first_of_the_nearest_thresholds_is_chosen(
        mut above in prop::collection::vec(0usize..20, 1..12), images in 1usize..9, annotations in 0usize..30, labelled in 1usize..9,
    ) {
        above.sort_by(|a, b| b.cmp(a));
        let difference = |count: usize| (count as f64 / images as f64 - annotations as f64 / labelled as f64).abs();
        let found = nearest(&above, images, annotations, labelled);
        for (i, count) in above.iter().enumerate() {
            prop_assert!(difference(above[found]) <= difference(*count) + 1e-9);
            prop_assert!(i >= found || difference(*count) > difference(above[found]) + 1e-9, "an earlier one is as near");
        }
    }

    /// What is kept is what passes the threshold, and about as many as the frequency asks for.
    #[test]
    fn the_kept_candidates_match_the_frequency(mut qualities in prop::collection::vec(0.11f32..0.99, 4..40), annotations in 0usize..8) {
        qualities.sort_by(f32::total_cmp);
        qualities.dedup_by(|a, b| (*a - *b).abs() < 0.011);
        let t = threshold(&[&qualities], annotations, 1);
        let kept = qualities.iter().filter(|c| f64::from(**c) > t).count();
        prop_assert_eq!(kept, annotations.min(qualities.len()));
    }
}
