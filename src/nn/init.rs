//! The initial values of the parameters, drawn from a random stream.
//!
//! | name | distribution | source |
//! |---|---|---|
//! | [`xavier_uniform`] | `$$ U(-a, a),\ a = \sqrt{6 / (in + out)} $$` | Glorot & Bengio 2010 |
//! | [`kaiming_uniform`] | `$$ U(-a, a),\ a = \sqrt{3 / in} $$` | He et al. 2015 with slope 1: detectron2's `c2_xavier_fill` |
//! | [`kaiming_normal`] | `$$ N(0, 2 / out) $$` | He et al. 2015, ReLU, fan out: detectron2's `c2_msra_fill`, torchvision |
//! | [`default_uniform`] | `$$ U(-a, a),\ a = 1 / \sqrt{in} $$` | PyTorch's default of linear layers, weight and bias |
//! | [`standard_normal`] | `$$ N(0, 1) $$` | PyTorch's embeddings |
//! | [`normal`] | `$$ N(0, d^2) $$` | the heads of Faster and Mask R-CNN |
//!
//! `in` and `out` are fans: the number of channels times the size of the kernel.

use crate::rng::Stream;

/// `count` values of `$$ U(-\sqrt{6/(in+out)}, \sqrt{6/(in+out)}) $$`.
pub fn xavier_uniform(fan_in: usize, fan_out: usize, count: usize, rng: &mut Stream) -> Vec<f32> {
    uniform((6.0 / (fan_in + fan_out) as f64).sqrt(), count, rng)
}

/// `count` values of `$$ U(-\sqrt{3/in}, \sqrt{3/in}) $$`: variance `1 / fan_in`.
pub fn kaiming_uniform(fan_in: usize, count: usize, rng: &mut Stream) -> Vec<f32> {
    uniform((3.0 / fan_in as f64).sqrt(), count, rng)
}

/// `count` values of `$$ N(0, 2/out) $$`, for a convolution followed by a ReLU.
pub fn kaiming_normal(fan_out: usize, count: usize, rng: &mut Stream) -> Vec<f32> {
    let deviation = (2.0 / fan_out as f64).sqrt();
    (0..count)
        .map(|_| (deviation * rng.normal()) as f32)
        .collect()
}

/// `count` values of `$$ U(-1/\sqrt{in}, 1/\sqrt{in}) $$`.
pub fn default_uniform(fan_in: usize, count: usize, rng: &mut Stream) -> Vec<f32> {
    uniform(1.0 / (fan_in as f64).sqrt(), count, rng)
}

/// `count` values of `$$ N(0, 1) $$`.
pub fn standard_normal(count: usize, rng: &mut Stream) -> Vec<f32> {
    (0..count).map(|_| rng.normal() as f32).collect()
}

/// `count` values of `$$ N(0, d^2) $$` with the deviation d.
pub fn normal(deviation: f64, count: usize, rng: &mut Stream) -> Vec<f32> {
    (0..count)
        .map(|_| (deviation * rng.normal()) as f32)
        .collect()
}

fn uniform(bound: f64, count: usize, rng: &mut Stream) -> Vec<f32> {
    (0..count)
        .map(|_| rng.range(-bound, bound) as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Variance of `values` around 0.
    fn variance(values: &[f32]) -> f64 {
        values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn variances_are_those_of_the_formulas() {
        let mut rng = Stream::new(1, "init");
        const COUNT: usize = 20_000;
        for (values, expected) in [
            (xavier_uniform(30, 90, COUNT, &mut rng), 2.0 / 120.0),
            (kaiming_uniform(50, COUNT, &mut rng), 1.0 / 50.0),
            (kaiming_normal(40, COUNT, &mut rng), 2.0 / 40.0),
            (default_uniform(25, COUNT, &mut rng), 1.0 / 75.0),
            (standard_normal(COUNT, &mut rng), 1.0),
            (normal(0.01, COUNT, &mut rng), 1e-4),
        ] {
            let ratio = variance(&values) / expected;
            assert!((ratio - 1.0).abs() < 0.05, "{ratio} of {expected}");
        }
    }
}
