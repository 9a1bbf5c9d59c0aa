//! AdamW with decoupled weight decay and global-norm clipping, as PyTorch computes them.
//!
//! $$ g \leftarrow g \cdot \min\!\left(1, \tfrac{c}{\lVert g \rVert_2 + 10^{-6}}\right), \qquad \theta \leftarrow \theta (1 - \eta\lambda) $$
//! $$ m \leftarrow \beta_1 m + (1-\beta_1) g, \quad v \leftarrow \beta_2 v + (1-\beta_2) g^2, \quad
//!    \theta \leftarrow \theta - \frac{\eta}{1-\beta_1^t} \cdot \frac{m}{\sqrt{v}/\sqrt{1-\beta_2^t} + \epsilon} $$
//!
//! Sources: `torch.optim.AdamW` and `torch.nn.utils.clip_grad_norm_` of PyTorch 2, whose numbers the tests hold
//! (`tests/golden/adamw.py`). The clipping covers the gradients of all trained parameters together.
//!
//! One pass over a parameter's values updates both moments and the value. Frozen parameters and buffers are left alone.

use crate::nn::params::{Kind, Param, Parameters};
use crate::tensor::Grads;

/// The `eps` of `torch.optim.AdamW`.
const EPSILON: f32 = 1e-8;
/// What `torch.nn.utils.clip_grad_norm_` adds to the norm.
const CLIP_EPSILON: f64 = 1e-6;
/// Names of the parameters that learn at the backbone's rate start so.
const BACKBONE: &str = "backbone.";

/// What an optimizer is set to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Rates of the two moments.
    pub betas: [f64; 2],
    /// Decoupled weight decay of weights.
    pub weight_decay: f64,
    /// Whether learned embeddings are decayed too.
    pub decay_embeddings: bool,
    /// Whether biases are decayed too.
    pub decay_biases: bool,
    /// Factor on the rate of parameters under `backbone.`.
    pub backbone_rate: f64,
    /// Bound of the global gradient norm; infinite: none.
    pub clip: f64,
}

/// The moments of one trained parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Full name of the parameter.
    pub name: String,
    /// Running mean of the gradient, in the order of the parameter's values.
    pub first: Vec<f32>,
    /// Running mean of the squared gradient.
    pub second: Vec<f32>,
}

/// What an optimizer carries from step to step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimizerState {
    /// Steps taken: the `t` of the bias correction.
    pub steps: u64,
    /// One entry per trained parameter, in the order of the walk.
    pub moments: Vec<Moments>,
}

/// AdamW over the trained parameters of one model.
#[derive(Clone, Debug)]
pub struct AdamW {
    config: AdamWConfig,
    state: OptimizerState,
}

impl AdamW {
    /// An optimizer with zero moments for the parameters of `model` that are trained now.
    pub fn new(config: AdamWConfig, model: &mut dyn Parameters) -> Self {
        let mut moments = Vec::new();
        model.parameters("", &mut |name, param| {
            if is_trained(param) {
                let zeros = vec![0.0; param.value.len()];
                moments.push(Moments {
                    name: name.to_string(),
                    first: zeros.clone(),
                    second: zeros,
                });
            }
        });
        Self {
            config,
            state: OptimizerState { steps: 0, moments },
        }
    }

    /// One step at learning rate `rate`; returns the norm of the gradient before clipping.
    ///
    /// Panics if the trained parameters of `model` are not those that the optimizer was made for.
    pub fn step(&mut self, model: &mut dyn Parameters, grads: &mut Grads, rate: f32) -> f64 {
        let norm = gradient_norm(model, grads);
        let scale = (self.config.clip / (norm + CLIP_EPSILON)).min(1.0) as f32;
        self.state.steps += 1;
        let t = self.state.steps as i32;
        let betas = self.config.betas.map(|beta| beta as f32);
        let corrections = betas.map(|beta| 1.0 - f64::from(beta).powi(t));
        let mut moments = std::mem::take(&mut self.state.moments).into_iter();
        let mut updated = Vec::with_capacity(moments.len());
        model.parameters("", &mut |name, param| {
            if !is_trained(param) {
                return;
            }
            let mut moment = moments.next().filter(|moment| moment.name == name);
            let moment = moment
                .as_mut()
                .unwrap_or_else(|| panic!("no moments for `{name}`"));
            let rate = if name.starts_with(BACKBONE) {
                rate * self.config.backbone_rate as f32
            } else {
                rate
            };
            let update = Update {
                scale,
                keep: 1.0 - rate * self.decay(param.kind),
                betas,
                size: (f64::from(rate) / corrections[0]) as f32,
                root: corrections[1].sqrt().recip() as f32,
            };
            let gradient = param.value.take_gradient(grads);
            update.apply(
                param.value.values_mut(),
                &gradient,
                &mut moment.first,
                &mut moment.second,
            );
            updated.push(std::mem::replace(
                moment,
                Moments {
                    name: String::new(),
                    first: Vec::new(),
                    second: Vec::new(),
                },
            ));
        });
        assert!(
            moments.next().is_none(),
            "moments of parameters that the model does not train"
        );
        self.state.moments = updated;
        norm
    }

    /// What a checkpoint keeps.
    pub fn state(&self) -> &OptimizerState {
        &self.state
    }

    /// Continues from a checkpoint.
    ///
    /// # Errors
    /// The state belongs to a model with other trained parameters: the first difference is named.
    pub fn restore(&mut self, state: OptimizerState) -> anyhow::Result<()> {
        let (ours, theirs) = (&self.state.moments, &state.moments);
        anyhow::ensure!(
            ours.len() == theirs.len(),
            "the optimizer has moments of {} parameters, the model trains {}",
            theirs.len(),
            ours.len()
        );
        for (ours, theirs) in ours.iter().zip(theirs) {
            anyhow::ensure!(
                ours.name == theirs.name && ours.first.len() == theirs.first.len(),
                "the optimizer has moments of `{}` with {} values where the model trains `{}` with {}",
                theirs.name,
                theirs.first.len(),
                ours.name,
                ours.first.len()
            );
        }
        self.state = state;
        Ok(())
    }

    /// The weight decay of a kind of parameter; a normalisation is never decayed.
    fn decay(&self, kind: Kind) -> f32 {
        let decayed = match kind {
            Kind::Weight => true,
            Kind::Bias => self.config.decay_biases,
            Kind::Embedding => self.config.decay_embeddings,
            Kind::Norm | Kind::Buffer => false,
        };
        if decayed {
            self.config.weight_decay as f32
        } else {
            0.0
        }
    }
}

/// Whether gradients train the parameter: not a buffer, not frozen.
pub fn is_trained(param: &Param) -> bool {
    param.kind != Kind::Buffer && param.value.requires_grad()
}

/// The coefficients of one update.
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

/// The L2 norm of all trained gradients together, summed in `f64` in the fixed order of the walk.
fn gradient_norm(model: &mut dyn Parameters, grads: &mut Grads) -> f64 {
    let mut sum = 0.0;
    model.parameters("", &mut |_, param| {
        if is_trained(param) {
            sum += sum_of_squares(param.value.gradient_mut(grads));
        }
    });
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
    use crate::tensor::{Tape, Tensor2};
    use serde::Deserialize;

    /// A named parameter each, in order.
    #[derive(Clone)]
    struct Model(Vec<(&'static str, Param)>);

    impl Parameters for Model {
        fn parameters(&mut self, _: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
            for (name, param) in &mut self.0 {
                visit(name, param);
            }
        }
    }

    /// The model of `tests/golden/adamw.py`: value i of parameter k is ((i * 5 + k * 3) % 7 - 3) / 4.
    fn model() -> Model {
        let kinds = [
            ("backbone.conv.weight", Kind::Weight, 6),
            ("head.weight", Kind::Weight, 20),
            ("head.bias", Kind::Bias, 3),
            ("norm.weight", Kind::Norm, 3),
            ("query.weight", Kind::Embedding, 4),
        ];
        let params = kinds.into_iter().enumerate().map(|(k, (name, kind, n))| {
            let values = (0..n)
                .map(|i| ((i * 5 + k * 3) % 7) as f32 / 4.0 - 0.75)
                .collect();
            (name, Param::new(kind, values, 1, n, &[1, n]))
        });
        Model(params.collect())
    }

    /// The gradients of that script: ((i * 7 + k * 5 + step * 3) % 11 - 5) / 8.
    fn gradients(model: &mut Model, step: usize) -> Grads {
        let mut tape = Tape::recording();
        let leaves: Vec<Tensor2> = model
            .0
            .iter()
            .map(|(_, param)| param.value.clone())
            .collect();
        let loss = tape.output(vec![0.0], 1, 1, &leaves.iter().collect::<Vec<_>>());
        tape.record(&loss, move |grads| {
            for (k, leaf) in leaves
                .iter()
                .enumerate()
                .filter(|(_, leaf)| leaf.requires_grad())
            {
                for (i, g) in leaf.gradient_mut(grads).iter_mut().enumerate() {
                    *g += ((i * 7 + k * 5 + step * 3) % 11) as f32 / 8.0 - 0.625;
                }
            }
        });
        tape.backward(&loss)
    }

    fn config() -> AdamWConfig {
        AdamWConfig {
            betas: [0.9, 0.98],
            weight_decay: 0.05,
            decay_embeddings: true,
            decay_biases: false,
            backbone_rate: 0.1,
            clip: 1.5,
        }
    }

    #[derive(Deserialize)]
    struct Golden {
        norms: Vec<f64>,
        values: Vec<Vec<f32>>,
    }

    #[test]
    fn parity_of_ten_steps_with_pytorch() {
        let golden: Golden =
            serde_json::from_str(include_str!("../../tests/golden/adamw.json")).unwrap();
        let mut model = model();
        let mut optimizer = AdamW::new(config(), &mut model);
        for (step, expected) in golden.norms.iter().enumerate() {
            let mut grads = gradients(&mut model, step);
            let norm = optimizer.step(&mut model, &mut grads, 0.01 / (1.0 + step as f32));
            assert!(
                (norm - expected).abs() < 1e-5,
                "norm {norm} of step {step}, not {expected}"
            );
        }
        for ((name, param), expected) in model.0.iter().zip(&golden.values) {
            for (value, expected) in param.value.values().iter().zip(expected) {
                assert!(
                    (value - expected).abs() < 2e-6,
                    "{name}: {value}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn frozen_parameters_and_buffers_stay() {
        let mut model = model();
        model.0[1].1.value.set_requires_grad(false);
        model.0.push((
            "running",
            Param::new(Kind::Buffer, vec![1.0; 4], 1, 4, &[4]),
        ));
        let before = model.clone();
        let mut optimizer = AdamW::new(config(), &mut model);
        let mut grads = gradients(&mut model, 0);
        optimizer.step(&mut model, &mut grads, 0.1);
        for (k, moved) in [(0, true), (1, false), (2, true), (5, false)] {
            let same = model.0[k].1.value.values() == before.0[k].1.value.values();
            assert_eq!(!same, moved, "{}", model.0[k].0);
        }
        assert_eq!(optimizer.state().moments.len(), 4);
    }

    #[test]
    fn a_restored_state_continues_bit_for_bit() {
        let (mut straight, mut steps) = (model(), AdamW::new(config(), &mut model()));
        for step in 0..4 {
            let mut grads = gradients(&mut straight, step);
            steps.step(&mut straight, &mut grads, 0.01);
        }
        let (mut resumed, mut first) = (model(), AdamW::new(config(), &mut model()));
        for step in 0..2 {
            let mut grads = gradients(&mut resumed, step);
            first.step(&mut resumed, &mut grads, 0.01);
        }
        let mut second = AdamW::new(config(), &mut resumed);
        second.restore(first.state().clone()).unwrap();
        for step in 2..4 {
            let mut grads = gradients(&mut resumed, step);
            second.step(&mut resumed, &mut grads, 0.01);
        }
        assert_eq!(second.state(), steps.state());
        for (a, b) in straight.0.iter().zip(&resumed.0) {
            assert_eq!(a.1.value.values(), b.1.value.values(), "{}", a.0);
        }
    }

    #[test]
    fn a_state_of_another_model_is_refused() {
        let mut small = model();
        small.0.pop();
        let state = AdamW::new(config(), &mut small).state().clone();
        let error = AdamW::new(config(), &mut model())
            .restore(state)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "the optimizer has moments of 4 parameters, the model trains 5"
        );
    }

    #[test]
    fn the_sum_of_squares_covers_the_rest_of_the_lanes() {
        let values: Vec<f32> = (0..37).map(|i| i as f32).collect();
        assert_eq!(
            sum_of_squares(&values),
            (0..37).map(|i| f64::from(i * i)).sum::<f64>()
        );
    }
}
