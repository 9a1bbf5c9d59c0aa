//! Filter `class-frequency`: as many pseudo-labels of every class in an unlabelled image as there are annotations of it
//! in a labelled one, the rule of data distillation.
//!
//! `$$ t_k = \arg\min_{t \in \text{grid}} \Bigl| \frac{\#\{c > t\}}{U} - \frac{n_k}{L} \Bigr|, \qquad
//!    i \text{ of class } k \text{ is kept if } c_i > t_k $$`
//!
//! `$n_k$`: the annotations of class k in the L labelled images, crowds included; #: the candidates of class k in the U
//! unlabelled images that are looked at. Of equal differences the first, lowest t counts. A class without an annotation
//! gets the lowest t that keeps nothing. Source: zhenyuw16/noisyboundaries 0c83823, `scripts/*/filter_pl.py`.
//!
//! There, all unlabelled images are looked at once, and so they are here by the method `offline`: U are all of them,
//! and the thresholds stay. A teacher that moves is looked at all the time: U are the last `window` images, and the
//! thresholds are computed anew after every `every` steps. Until a quarter of the window is there, every class has the
//! threshold `start`.

mod window;

use super::{Clock, Readings, Rule, Tier};
use crate::data::split::ClassCounts;
use crate::detector::Candidate;
use crate::registry::{Check, Checked, MOST_STEPS};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use window::{Seen, Window};

/// Table `[method.filter]` with `name = "class-frequency"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ClassFrequency {
    /// The lowest and the highest threshold that is tried, and the step between two: a whole part of 1.
    grid: [f64; 3],
    /// The unlabelled images, the last ones, that are looked at.
    window: usize,
    /// Training steps after which the thresholds are computed anew.
    every: usize,
    /// The threshold of every class until a quarter of the window is there.
    start: f64,
}

/// Most images of a window: all their candidates are kept in memory and in every checkpoint.
const MOST_IMAGES: usize = 200_000;
/// Most steps of a grid from 0 to 1.
const MOST_POINTS: f64 = 1000.0;
/// A step such as 0.01 and its multiples are not exact.
const ROUNDING: f64 = 1e-6;

impl Checked for ClassFrequency {
    fn check(&self, check: &mut Check) {
        let before = check.refusals();
        for value in self.grid {
            check.range("grid", value, 0.0..=1.0);
        }
        if check.refusals() == before {
            let [low, high, step] = self.grid;
            let whole = |number: f64| (number - number.round()).abs() < ROUNDING;
            let parts = 1.0 / step;
            let holds =
                parts <= MOST_POINTS && [parts, low * parts, high * parts].map(whole) == [true; 3];
            let allowed = "[lowest, highest, step]: a step that is 1 over a whole number up to 1000, and multiples of it";
            check.require(
                holds && low <= high,
                "grid",
                format!("{:?}", self.grid),
                allowed,
            );
        }
        check.range("window", self.window, 1..=MOST_IMAGES);
        check.range("every", self.every, 1..=MOST_STEPS);
        check.range("start", self.start, 0.0..=1.0);
    }
}

/// The memory of the rule.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// t of every class.
    thresholds: Vec<f64>,
    /// n of every class.
    annotations: Vec<usize>,
    /// L.
    labelled: usize,
    /// Steps so far.
    steps: usize,
    /// The last images.
    window: Window,
    /// True if all images were looked at before the first was labelled: the thresholds stay.
    is_fixed: bool,
}

impl Rule for ClassFrequency {
    type State = State;

    fn start(&self, counts: &ClassCounts) -> State {
        State {
            thresholds: vec![self.start; counts.annotations.len()],
            annotations: counts.annotations.clone(),
            labelled: counts.images,
            ..State::default()
        }
    }

    fn survey(&self, state: &mut State, images: &[Vec<Candidate>]) {
        let grid = self.thresholds();
        state.window = Window::default();
        for image in images {
            state.window.push(seen(&grid, image), images.len());
        }
        if !images.is_empty() {
            self.match_frequencies(state, &grid);
        }
        state.window = Window::default();
        state.is_fixed = true;
    }

    fn tiers(&self, state: &mut State, image: &[Candidate], clock: Clock) -> Vec<Tier> {
        let kept = |one: &Candidate| f64::from(one.class_quality) > state.thresholds[one.class];
        let tiers = image.iter().map(|one| Tier::kept(kept(one))).collect();
        if state.is_fixed {
            return tiers;
        }
        let grid = self.thresholds();
        state.window.push(seen(&grid, image), self.window);
        if clock.last_of_step {
            state.steps += 1;
            let is_due = state.steps.is_multiple_of(self.every);
            if is_due && 4 * state.window.images() >= self.window {
                self.match_frequencies(state, &grid);
            }
        }
        tiers
    }

    fn readings(&self, state: &State) -> Readings {
        vec![("frequency-thresholds", serde_json::json!(state.thresholds))]
    }
}

impl ClassFrequency {
    /// The grid, from the lowest threshold on. Its values are the nearest ones to the decimal numbers.
    fn thresholds(&self) -> Vec<f64> {
        let [low, high, step] = self.grid;
        let parts = (1.0 / step).round();
        let [first, last] = [low, high].map(|end| (end * parts).round() as usize);
        (first..=last).map(|i| i as f64 / parts).collect()
    }

    /// Computes the thresholds of all classes from the images of the window.
    fn match_frequencies(&self, state: &mut State, grid: &[f64]) {
        let images = state.window.images();
        let above = state.window.above(state.annotations.len(), grid.len());
        let classes = state
            .thresholds
            .iter_mut()
            .zip(&state.annotations)
            .zip(above);
        for ((threshold, annotations), above) in classes {
            let best = nearest(&above, images, *annotations, state.labelled);
            *threshold = grid[best];
        }
    }
}

/// The candidates of an image by their places on the grid.
fn seen(grid: &[f64], image: &[Candidate]) -> impl Iterator<Item = Seen> {
    image.iter().map(|one| Seen {
        class: one.class,
        passed: passed(grid, one.class_quality),
    })
}

/// The number of thresholds, from the lowest on, that a candidate with class quality `c` is above.
fn passed(grid: &[f64], c: f32) -> usize {
    grid.partition_point(|threshold| f64::from(c) > *threshold)
}

/// The first threshold whose frequency of candidates is nearest to that of the annotations. `above`: the candidates
/// above every threshold in `images` images; `annotations`: in `labelled` images.
fn nearest(above: &[usize], images: usize, annotations: usize, labelled: usize) -> usize {
    // Both frequencies times U L, which is exact.
    let wanted = annotations * images;
    let difference = |i: &usize| (above[*i] * labelled).abs_diff(wanted);
    let found = (0..above.len()).min_by_key(difference);
    found.expect("a grid has a threshold")
}

#[cfg(test)]
mod tests;
