//! One step of AdamW with decoupled weight decay and global-norm clipping, as PyTorch computes them.
//!
//! `$$ g \leftarrow g \cdot \min\!\left(1, \tfrac{c}{\lVert g \rVert_2 + 10^{-6}}\right), \qquad
//!    \theta \leftarrow \theta (1 - \eta\lambda) $$`
//! `$$ m \leftarrow \beta_1 m + (1-\beta_1) g, \quad v \leftarrow \beta_2 v + (1-\beta_2) g^2, \quad
//!    \theta \leftarrow \theta - \frac{\eta}{1-\beta_1^t} \cdot \frac{m}{\sqrt{v}/\sqrt{1-\beta_2^t} + \epsilon} $$`
//!
//! Shapes: parameters `$\theta$` are tensors of any shape; gradient g and moments m, v of each have its length.
//! The norm is that of the gradients of all parameters together.
//!
//! Sources: `torch.optim.AdamW` and `torch.nn.utils.clip_grad_norm_` of PyTorch 2, whose numbers the tests of
//! the optimizer hold (`tests/golden/adamw.py`).
//!
//! One pass over a parameter's values updates both moments and the value. Where the parameters lie on a GPU
//! the moments do so too, and a step is three launches, whatever the number of parameters.

#[allow(unsafe_code)]
mod cuda;

use super::moments::{At, Moments, Treatment, norm_and_factor};
use crate::tensor::{Grads, Later, Tensor2};

/// The `eps` of `torch.optim.AdamW`.
const EPSILON: f32 = 1e-8;

/// The numbers that are the same for all parameters in one step.
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    /// Number of the step, from 1: the t of the formula.
    pub number: u64,
    /// Learning rates: of the backbone's parameters, of the others.
    pub rates: [f32; 2],
    /// Decoupled weight decay of the parameters that are decayed.
    pub weight_decay: f32,
    /// Rates of the two moments.
    pub betas: [f32; 2],
    /// Bound of the gradient's norm; infinite: none.
    pub clip: f64,
}

impl AdamWStep {
    /// The factors of the formula.
    fn coefficients(&self) -> Coefficients {
        let t = self.number as i32;
        let [first, second] = self.betas.map(|beta| 1.0 - f64::from(beta).powi(t));
        Coefficients {
            sizes: self.rates.map(|rate| (f64::from(rate) / first) as f32),
            keeps: self.rates.map(|rate| 1.0 - rate * self.weight_decay),
            root: second.sqrt().recip() as f32,
            betas: self.betas,
            clip: self.clip,
        }
    }
}

/// The factors of one step; pairs are those of the backbone's parameters and of the others.
#[derive(Clone, Copy, Debug)]
struct Coefficients {
    /// `rate / (1 - beta_1^t)`.
    sizes: [f32; 2],
    /// `1 - rate * decay`, of parameters that are decayed.
    keeps: [f32; 2],
    /// `1 / sqrt(1 - beta_2^t)`.
    root: f32,
    betas: [f32; 2],
    clip: f64,
}

/// Updates the values of `parameters`, given their gradients in `grads` and the `moments` of the step before;
/// returns the norm of the gradient before clipping.
///
/// Panics unless the parameters have the lengths of the moments and lie at one place, from which they do not
/// move between steps.
pub fn adamw(
    parameters: &mut [Tensor2],
    grads: &mut Grads,
    moments: &mut Moments,
    step: &AdamWStep,
) -> Later<f64> {
    let lengths: Vec<usize> = parameters.iter().map(Tensor2::len).collect();
    assert_eq!(lengths, moments.lengths, "the parameters of the moments");
    let by = step.coefficients();
    if let Some(gpu) = parameters.iter().find_map(Tensor2::gpu).cloned() {
        return cuda::adamw(&gpu, parameters, grads, moments, &by);
    }
    let At::Host(values) = &mut moments.at else {
        panic!("parameters of the host, moments on a GPU");
    };
    let (norm, scale) = norm_and_factor(parameters, grads, by.clip);
    let moments = moments.treatments.iter().zip(values);
    for (parameter, (treatment, [first, second])) in parameters.iter_mut().zip(moments) {
        let update = Update::new(scale, *treatment, &by);
        let gradient = parameter.take_gradient(grads);
        update.apply(parameter.values_mut(), &gradient, first, second);
    }
    Later::ready(norm)
}

/// The update of one parameter.
struct Update {
    /// The clipping's factor on the gradient.
    scale: f32,
    /// `1 - rate * decay`.
    keep: f32,
    betas: [f32; 2],
    /// `rate / (1 - beta_1^t)`.
    size: f32,
    /// `1 / sqrt(1 - beta_2^t)`.
    root: f32,
}

impl Update {
    fn new(scale: f32, treatment: Treatment, by: &Coefficients) -> Self {
        let of = usize::from(!treatment.backbone);
        Self {
            scale,
            keep: if treatment.decayed { by.keeps[of] } else { 1.0 },
            betas: by.betas,
            size: by.sizes[of],
            root: by.root,
        }
    }

    /// One pass over the values of a parameter. All slices have its length.
    fn apply(&self, values: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        assert_eq!(values.len(), gradient.len(), "one gradient per value");
        let ([b1, b2], [c1, c2]) = (self.betas, self.betas.map(|beta| 1.0 - beta));
        for (((value, g), m), v) in values.iter_mut().zip(gradient).zip(first).zip(second) {
            let g = g * self.scale;
            *m = b1 * *m + c1 * g;
            *v = b2 * *v + c2 * g * g;
            *value = *value * self.keep - self.size * *m / (v.sqrt() * self.root + EPSILON);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{loss_of, on_every_place, parameter};
    use crate::tensor::Tape;

    /// One parameter with the gradient 0.5 everywhere.
    fn gradients(parameter: &Tensor2) -> Grads {
        let mut tape = Tape::recording();
        let loss = loss_of(&mut tape, parameter, vec![0.5; parameter.len()]);
        tape.backward(&loss)
    }

    on_every_place! {
        /// At the first step of a constant gradient g, m / sqrt(v) is the sign of g, so that each value moves
        /// by its rate after its decay.
        fn the_first_step_is_the_rate(place) {
            for (treatment, rate, decay) in [
                (Treatment { backbone: true, decayed: true }, 0.01, 0.1),
                (Treatment { backbone: true, decayed: false }, 0.01, 0.0),
                (Treatment { backbone: false, decayed: true }, 0.5, 0.1),
                (Treatment { backbone: false, decayed: false }, 0.5, 0.0),
            ] {
                let before = parameter(1, 1, 9, 1.0).to(place);
                let mut moments = Moments::new(vec![treatment], vec![[vec![0.0; 9], vec![0.0; 9]]]);
                let step = AdamWStep { number: 1, rates: [0.01, 0.5], weight_decay: 0.1, betas: [0.9, 0.99], clip: 0.75 };
                let mut after = [before.clone()];
                let norm = adamw(&mut after, &mut gradients(&before), &mut moments, &step).wait();
                assert!((norm - 1.5).abs() < 1e-6, "the norm before clipping, not {norm}");
                for (after, before) in after[0].host_values().iter().zip(&*before.host_values()) {
                    let expected = before * (1.0 - rate * decay) - rate;
                    assert!((after - expected).abs() < 1e-5, "{treatment:?}: {after}, not {expected}");
                }
                let clipped = 0.5 * 0.75 / 1.5;
                for (first, second) in moments.values()[0][0].iter().zip(&moments.values()[0][1]) {
                    assert!((first - 0.1 * clipped).abs() < 1e-6, "{first}");
                    assert!((second - 0.01 * clipped * clipped).abs() < 1e-6, "{second}");
                }
            }
        }
    }
}
