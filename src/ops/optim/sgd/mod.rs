//! One step of stochastic gradient descent with momentum, as PyTorch computes it.
//!
//! `$$ g \leftarrow g + \lambda \theta, \qquad v \leftarrow \mu v + g, \qquad \theta \leftarrow \theta - \eta v $$`
//!
//! Shapes: parameters `$\theta$` are tensors of any shape; gradient g and velocity v of each have its length. The
//! gradient is clipped first, as for AdamW. The velocity starts at 0, so that the first step has v = g. Source:
//! `torch.optim.SGD` without dampening and without Nesterov's rule, whose numbers the tests of the optimizer hold
//! (`tests/golden/sgd.py`).

#[allow(unsafe_code)]
mod cuda;

use super::moments::{At, Moments, norm_and_factor};
use crate::tensor::{Grads, Later, Tensor2};

/// The numbers that are the same for all parameters in one step.
#[derive(Clone, Copy, Debug)]
pub struct SgdStep {
    /// Learning rates: of the backbone's parameters, of the others.
    pub rates: [f32; 2],
    /// Weight decay of the parameters that are decayed; a part of the gradient.
    pub weight_decay: f32,
    /// The part of the velocity that stays.
    pub momentum: f32,
    /// Bound of the gradient's norm; infinite: none.
    pub clip: f64,
}

/// Updates the values of `parameters`, given their gradients in `grads` and their velocities, the first of the
/// `moments`; returns the norm of the gradient before clipping.
///
/// Panics unless the parameters have the lengths of the moments and lie at one place, from which they do not move
/// between steps.
pub fn sgd(
    parameters: &mut [Tensor2],
    grads: &mut Grads,
    moments: &mut Moments,
    step: &SgdStep,
) -> Later<f64> {
    let lengths: Vec<usize> = parameters.iter().map(Tensor2::len).collect();
    assert_eq!(lengths, moments.lengths, "the parameters of the moments");
    if let Some(gpu) = parameters.iter().find_map(Tensor2::gpu).cloned() {
        return cuda::sgd(&gpu, parameters, grads, moments, step);
    }
    let At::Host(values) = &mut moments.at else {
        panic!("parameters of the host, moments on a GPU");
    };
    let (norm, scale) = norm_and_factor(parameters, grads, step.clip);
    let moments = moments.treatments.iter().zip(values);
    for (parameter, (treatment, [velocity, _])) in parameters.iter_mut().zip(moments) {
        let rate = step.rates[usize::from(!treatment.backbone)];
        let decay = if treatment.decayed {
            step.weight_decay
        } else {
            0.0
        };
        let gradient = parameter.take_gradient(grads);
        let values = parameter.values_mut().iter_mut();
        for ((value, g), v) in values.zip(&gradient).zip(velocity) {
            *v = step.momentum * *v + (g * scale + decay * *value);
            *value -= rate * *v;
        }
    }
    Later::ready(norm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Treatment;
    use crate::ops::check::{loss_of, on_every_place};
    use crate::tensor::Tape;

    on_every_place! {
        fn two_steps_by_hand(place) {
            for (backbone, decayed) in [(false, false), (true, true)] {
                let mut parameters = [Tensor2::parameter(vec![1.0; 5], 1, 5).to(place)];
                let treatment = Treatment { backbone, decayed };
                let mut moments = Moments::new(vec![treatment], vec![[vec![0.0; 5], Vec::new()]]);
                let step = SgdStep { rates: [0.1, 0.5], weight_decay: 0.2, momentum: 0.5, clip: f64::INFINITY };
                let (mut value, mut velocity) = (1.0, 0.0);
                for _ in 0..2 {
                    let mut tape = Tape::recording();
                    let loss = loss_of(&mut tape, &parameters[0], vec![0.25; 5]);
                    let mut grads = tape.backward(&loss);
                    let norm = sgd(&mut parameters, &mut grads, &mut moments, &step).wait();
                    assert!((norm - 0.25 * 5f64.sqrt()).abs() < 1e-6, "{norm}");
                    let decay = if decayed { 0.2 } else { 0.0 };
                    velocity = 0.5 * velocity + 0.25 + decay * value;
                    value -= if backbone { 0.1 } else { 0.5 } * velocity;
                }
                for found in parameters[0].host_values().iter() {
                    assert!((found - value).abs() < 1e-6, "{found}, not {value}");
                }
                let kept = moments.values();
                assert!((kept[0][0][4] - velocity).abs() < 1e-6 && kept[0][1].is_empty());
            }
        }
    }
}
