//! Batch norm with fixed statistics as a scale and a shift of every channel.
//!
//! `$$ s = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}}, \qquad t = \beta - \mu\, s $$`
//!
//! Shapes: all `[1, C]`. Nothing is differentiated: the four are buffers.
//! Source: detectron2's `FrozenBatchNorm2d`.

#[allow(unsafe_code)]
mod cuda;

use crate::tensor::Tensor2;
use crate::tensor::cuda::Gpu;

/// gamma, beta, mean, variance `[1, C]` -> (scale, shift), both `[1, C]`.
///
/// Panics where the lengths disagree.
pub fn fold_norm(
    gamma: &Tensor2,
    beta: &Tensor2,
    mean: &Tensor2,
    variance: &Tensor2,
    eps: f32,
) -> (Tensor2, Tensor2) {
    let channels = gamma.len();
    for other in [beta, mean, variance] {
        assert_eq!(other.len(), channels, "channels of a norm");
    }
    if let Some(gpu) = Gpu::of(&[gamma, beta, mean, variance]) {
        return cuda::fold_norm(&gpu, [gamma, beta, mean, variance], eps);
    }
    let (gamma, beta) = (gamma.values(), beta.values());
    let (mean, variance) = (mean.values(), variance.values());
    let scale: Vec<f32> = gamma
        .iter()
        .zip(variance)
        .map(|(g, v)| g / (v + eps).sqrt())
        .collect();
    let shift = (0..channels)
        .map(|c| beta[c] - mean[c] * scale[c])
        .collect();
    (
        Tensor2::constant(scale, 1, channels),
        Tensor2::constant(shift, 1, channels),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::on_every_place;

    on_every_place! {
        fn the_fold_is_the_norm(place) {
            let row = |values: [f32; 3]| Tensor2::constant(values.to_vec(), 1, 3).to(place);
            let (gamma, beta) = ([2.0, -1.0, 0.5], [0.25, 3.0, -1.0]);
            let (mean, variance) = ([1.0, -4.0, 0.0], [3.0, 0.25, 8.0]);
            let (scale, shift) = fold_norm(&row(gamma), &row(beta), &row(mean), &row(variance), 1.0);
            for c in 0..3 {
                let x = 1.5;
                let expected = (x - mean[c]) / (variance[c] + 1.0f32).sqrt() * gamma[c] + beta[c];
                let found = x * scale.host_values()[c] + shift.host_values()[c];
                assert!((found - expected).abs() < 1e-5, "channel {c}: {found}, not {expected}");
            }
        }
    }
}
