//! Numbers for the journal: `[1, 1]` tensors in one copy, which nobody waits for before they are needed.

#[allow(unsafe_code)]
mod cuda;

use crate::tensor::{Later, Tensor2};

/// The value of each of `tensors`, as it is when all that was started so far has ended.
///
/// Panics if one of them is not `[1, 1]`.
pub fn scalars(tensors: &[&Tensor2]) -> Later<Vec<f32>> {
    for tensor in tensors {
        assert_eq!(
            (tensor.rows(), tensor.columns()),
            (1, 1),
            "a scalar is [1, 1]"
        );
    }
    if let Some(gpu) = crate::tensor::cuda::Gpu::of(tensors) {
        return cuda::scalars(&gpu, tensors);
    }
    Later::ready(tensors.iter().map(|tensor| tensor.values()[0]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::on_every_place;

    on_every_place! {
        fn numbers_of_both_places_come_in_order(place) {
            let number = |value: f32| Tensor2::constant(vec![value], 1, 1);
            let tensors: Vec<Tensor2> = (0..300).map(|i| match i % 3 {
                0 => number(i as f32),
                _ => number(i as f32).to(place),
            }).collect();
            let later = scalars(&tensors.iter().collect::<Vec<_>>());
            drop(tensors);
            assert_eq!(later.wait(), (0..300).map(|i| i as f32).collect::<Vec<_>>());
            assert!(scalars(&[]).wait().is_empty());
        }
    }
}
