//! The running means that an optimizer keeps of every parameter, and the norm of all gradients together.
//!
//! `$$ g \leftarrow g \cdot \min\!\left(1, \tfrac{c}{\lVert g \rVert_2 + 10^{-6}}\right) $$`
//!
//! The norm is that of the gradients of all parameters. Source: `torch.nn.utils.clip_grad_norm_` of PyTorch 2.
//!
//! The means lie where the parameters lie. On a GPU they are in one array, with tables to find them.

#[allow(unsafe_code)]
pub(super) mod cuda;

use crate::tensor::{Grads, Tensor2};
use std::borrow::Cow;

/// The constant that `torch.nn.utils.clip_grad_norm_` adds to the norm.
const CLIP_EPSILON: f64 = 1e-6;

/// The rate and the decay of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// It learns at the backbone's rate.
    pub backbone: bool,
    /// It is decayed.
    pub decayed: bool,
}

/// One or two running means of every parameter, and how each parameter is treated.
#[derive(Debug)]
pub struct Moments {
    pub(super) treatments: Vec<Treatment>,
    pub(super) lengths: Vec<usize>,
    pub(super) at: At,
}

/// The place of the moments.
#[derive(Debug)]
pub(super) enum At {
    /// In the memory of the host.
    Host(Vec<[Vec<f32>; 2]>),
    /// In the memory of a GPU.
    Gpu(Box<cuda::MomentsThere>),
}

impl Moments {
    /// Moments of parameters with these treatments. They lie on the host until the first step of parameters
    /// on a GPU.
    ///
    /// Panics unless there are two vectors for every treatment, of one length, or the second of which is always empty:
    /// the optimizer keeps one mean.
    pub fn new(treatments: Vec<Treatment>, values: Vec<[Vec<f32>; 2]>) -> Self {
        assert_eq!(treatments.len(), values.len(), "a treatment each");
        let keeps_two = values.iter().any(|[_, second]| !second.is_empty());
        let length = |[first, second]: &[Vec<f32>; 2]| {
            let expected = if keeps_two { first.len() } else { 0 };
            assert_eq!(second.len(), expected, "moments of one parameter");
            first.len()
        };
        Self {
            treatments,
            lengths: values.iter().map(length).collect(),
            at: At::Host(values),
        }
    }

    /// The same treatments with other moments.
    ///
    /// Panics as [`Self::new`].
    pub fn replace(&mut self, values: Vec<[Vec<f32>; 2]>) {
        *self = Self::new(std::mem::take(&mut self.treatments), values);
    }

    /// Number of values of every parameter.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The moments of every parameter, copied if they lie on a GPU.
    pub fn values(&self) -> Cow<'_, [[Vec<f32>; 2]]> {
        match &self.at {
            At::Host(values) => Cow::Borrowed(values),
            At::Gpu(there) => Cow::Owned(there.values()),
        }
    }
}

/// The norm of the gradients of `parameters` together, and the factor that brings it below `clip`.
pub(super) fn norm_and_factor(parameters: &[Tensor2], grads: &mut Grads, clip: f64) -> (f64, f32) {
    let norm = gradient_norm(parameters, grads);
    (norm, (clip / (norm + CLIP_EPSILON)).min(1.0) as f32)
}

/// The L2 norm of all gradients together, summed in `f64` in the order of the parameters.
fn gradient_norm(parameters: &[Tensor2], grads: &mut Grads) -> f64 {
    let mut sum = 0.0;
    for parameter in parameters {
        sum += sum_of_squares(parameter.gradient_mut(grads));
    }
    sum.sqrt()
}

/// Sum of squares over independent lanes, so that the loop vectorises without reordering any one lane.
fn sum_of_squares(values: &[f32]) -> f64 {
    const LANES: usize = 16;
    let mut lanes = [0.0f64; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(*value) * f64::from(*value);
        }
    }
    lanes.iter().sum::<f64>()
        + rest
            .iter()
            .map(|value| f64::from(*value).powi(2))
            .sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_squares_covers_the_rest_of_the_lanes() {
        let values: Vec<f32> = (0..37).map(|i| i as f32).collect();
        assert_eq!(
            sum_of_squares(&values),
            (0..37).map(|i| f64::from(i * i)).sum::<f64>()
        );
    }
}
