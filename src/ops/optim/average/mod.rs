//! One step of an exponential moving average of tensors.
//!
//! `$$ \theta_A \leftarrow \alpha\, \theta_A + (1 - \alpha)\, \theta $$`
//!
//! Shapes: averages `$\theta_A$` and values `$\theta$` are the same number of tensors of the same lengths; no
//! gradient.

#[allow(unsafe_code)]
mod cuda;

use crate::tensor::Tensor2;
use rayon::prelude::*;

/// Values that one task moves; fixed, so that the number of threads changes nothing.
const CHUNK: usize = 1 << 14;

/// Moves each of `averages` towards the one of `values` at its place; `keep` is the alpha of the formula.
/// Equal values stay equal.
///
/// A tensor whose storage both share is equal already and stays shared. Panics unless the lengths agree and
/// all tensors lie at one place.
pub fn average(averages: &mut [Tensor2], values: &[Tensor2], keep: f32) {
    assert_eq!(averages.len(), values.len(), "an average for every tensor");
    for (average, value) in averages.iter().zip(values) {
        assert_eq!(average.len(), value.len(), "values of a tensor");
    }
    let part = 1.0 - keep;
    if let Some(gpu) = values.iter().find_map(Tensor2::gpu) {
        return cuda::average(gpu, averages, values, part);
    }
    for (average, value) in averages.iter_mut().zip(values) {
        if !std::ptr::eq(average.values(), value.values()) {
            move_towards(average.values_mut(), value.values(), part);
        }
    }
}

/// Moves every value by `part` of the way to its target.
fn move_towards(values: &mut [f32], targets: &[f32], part: f32) {
    values
        .par_chunks_mut(CHUNK)
        .zip(targets.par_chunks(CHUNK))
        .for_each(|(values, targets)| {
            for (value, target) in values.iter_mut().zip(targets) {
                *value += part * (*target - *value);
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::on_every_place;
    use crate::tensor::Place;
    use proptest::prelude::*;

    fn vector(values: Vec<f32>) -> Tensor2 {
        let len = values.len();
        Tensor2::constant(values, 1, len)
    }

    /// The average of one tensor.
    fn averaged(average: &[f32], value: &[f32], keep: f32) -> Vec<f32> {
        let mut averages = [vector(average.to_vec())];
        super::average(&mut averages, &[vector(value.to_vec())], keep);
        averages[0].values().to_vec()
    }

    proptest! {
        #[test]
        fn the_average_lies_between(pairs in prop::collection::vec((-9.0f32..9.0, -9.0f32..9.0), 1..50), keep in 0.0f32..=1.0) {
            let (before, value): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let after = averaged(&before, &value, keep);
            for ((after, before), value) in after.iter().zip(&before).zip(&value) {
                prop_assert!(*after >= before.min(*value) - 1e-5 && *after <= before.max(*value) + 1e-5);
                let exact = f64::from(keep) * f64::from(*before) + (1.0 - f64::from(keep)) * f64::from(*value);
                prop_assert!((f64::from(*after) - exact).abs() < 1e-5);
            }
            prop_assert_eq!(averaged(&value, &value, keep), value);
        }
    }

    on_every_place! {
        /// Two tensors of several chunks with a rest, one that is shared, one without values.
        fn ten_steps_are_the_formula_and_what_is_shared_stays(place) {
            let values = |n: usize, by: f32| (0..n).map(|i| (i % 23) as f32 / 4.0 - 2.0 + by).collect::<Vec<f32>>();
            let lengths = [3, 40_003, 16, 0, 1];
            let first = lengths.map(|n| vector(values(n, 0.0)).to(place));
            let mut averages = first.clone();
            let other = averages.clone();
            let mut expected = lengths.map(|n| values(n, 0.0));
            for step in 1..=10 {
                let mut students = first.clone();
                for k in [0, 1, 4] {
                    students[k] = vector(values(lengths[k], step as f32)).to(place);
                    for (value, student) in expected[k].iter_mut().zip(values(lengths[k], step as f32)) {
                        *value += (1.0 - 0.99) * (student - *value);
                    }
                }
                average(&mut averages, &students, 0.99);
            }
            for k in 0..lengths.len() {
                for (a, b) in averages[k].host_values().iter().zip(&expected[k]) {
                    assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{a}, not {b}");
                }
                assert_eq!(other[k].host_values(), first[k].host_values(), "no other clone moves");
            }
        }
    }

    #[test]
    fn long_tensors_are_moved_to_their_end() {
        let after = averaged(&vec![0.0; 3 * CHUNK + 7], &vec![1.0; 3 * CHUNK + 7], 0.75);
        assert!(after.iter().all(|value| *value == 0.25));
    }

    #[test]
    #[should_panic(expected = "values of a tensor")]
    fn tensors_of_other_lengths_are_refused() {
        average(&mut [vector(vec![1.0])], &[vector(vec![1.0, 2.0])], 0.5);
    }

    #[test]
    fn a_shared_storage_stays_shared() {
        let value = vector(vec![1.0, 2.0]).to(&Place::Host);
        let mut averages = [value.clone()];
        average(&mut averages, std::slice::from_ref(&value), 0.5);
        assert!(std::ptr::eq(averages[0].values(), value.values()));
    }
}
