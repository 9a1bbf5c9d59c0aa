//! AdamW with decoupled weight decay and global-norm clipping, as PyTorch computes them.
//!
//! $$ g \leftarrow g \cdot \min\!\left(1, \tfrac{c}{\lVert g \rVert_2 + 10^{-6}}\right), \qquad \theta \leftarrow \theta (1 - \eta\lambda) $$
//! $$ m \leftarrow \beta_1 m + (1-\beta_1) g, \quad v \leftarrow \beta_2 v + (1-\beta_2) g^2, \quad
//!    \theta \leftarrow \theta - \frac{\eta}{1-\beta_1^t} \cdot \frac{m}{\sqrt{v}/\sqrt{1-\beta_2^t} + \epsilon} $$
//!
//! Sources: `torch.optim.AdamW` and `torch.nn.utils.clip_grad_norm_` of PyTorch 2, whose numbers the tests hold
//! (`tests/golden/adamw.py`). The clipping covers the gradients of all trained parameters together.
//!
//! One pass over a parameter's values updates both moments and the value. Frozen parameters and buffers are left alone. Where the
//! parameters lie on a GPU the moments do so too, and a step is three launches there, whatever the number of parameters.

use crate::nn::params::{Kind, Param, Parameters};
#[cfg(feature = "cuda")]
use crate::ops;
use crate::tensor::Grads;
#[cfg(feature = "cuda")]
use crate::tensor::cuda::{Buffer, Gpu};
use std::borrow::Cow;

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

/// The norm of all gradients of a step together, before clipping.
#[derive(Debug)]
pub enum GradientNorm {
    /// Computed on the CPU.
    Known(f64),
    /// The first of these, once the GPU has come so far.
    #[cfg(feature = "cuda")]
    OnGpu(Buffer<f32>),
}

impl GradientNorm {
    /// The norm; waits for the GPU if it is computed there.
    pub fn value(&self) -> f64 {
        match self {
            Self::Known(norm) => *norm,
            #[cfg(feature = "cuda")]
            Self::OnGpu(result) => result.values()[0].into(),
        }
    }
}

/// AdamW over the trained parameters of one model.
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    /// With empty moments while these lie on a GPU.
    state: OptimizerState,
    /// Values of every trained parameter.
    lengths: Vec<usize>,
    #[cfg(feature = "cuda")]
    on_gpu: Option<ops::AdamW>,
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
            lengths: moments.iter().map(|moment| moment.first.len()).collect(),
            state: OptimizerState { steps: 0, moments },
            #[cfg(feature = "cuda")]
            on_gpu: None,
        }
    }

    /// One step at learning rate `rate`; returns the norm of the gradient before clipping.
    ///
    /// Panics if the trained parameters of `model` are not those that the optimizer was made for, or lie at several places.
    pub fn step(
        &mut self,
        model: &mut dyn Parameters,
        grads: &mut Grads,
        rate: f32,
    ) -> GradientNorm {
        #[cfg(feature = "cuda")]
        if let Some(gpu) = gpu_of(model) {
            return self.step_on(&gpu, model, grads, rate);
        }
        let norm = gradient_norm(model, grads);
        let scale = (self.config.clip / (norm + CLIP_EPSILON)).min(1.0) as f32;
        self.state.steps += 1;
        let (betas, corrections) = self.corrections();
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
            let rate = self.rate(rate, name.starts_with(BACKBONE));
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
        GradientNorm::Known(norm)
    }

    /// As [`Self::step`], where the parameters lie on `gpu`: the moments go there at the first step.
    #[cfg(feature = "cuda")]
    fn step_on(
        &mut self,
        gpu: &Gpu,
        model: &mut dyn Parameters,
        grads: &mut Grads,
        rate: f32,
    ) -> GradientNorm {
        self.state.steps += 1;
        let (betas, corrections) = self.corrections();
        let mut treatments = Vec::with_capacity(self.lengths.len());
        let mut walk = ops::Walk::new(grads);
        let mut names = self.state.moments.iter().map(|moment| &moment.name);
        model.parameters("", &mut |name, param| {
            if is_trained(param) {
                assert_eq!(names.next().map(String::as_str), Some(name), "moments");
                treatments.push(ops::Treatment {
                    backbone: name.starts_with(BACKBONE),
                    decayed: self.decay(param.kind) != 0.0,
                });
                walk.add(&mut param.value);
            }
        });
        assert!(
            names.next().is_none(),
            "moments of parameters that the model does not train"
        );
        let rates = [true, false].map(|backbone| self.rate(rate, backbone));
        let coefficients = ops::Coefficients {
            clip: self.config.clip as f32,
            clip_epsilon: CLIP_EPSILON as f32,
            sizes: rates.map(|rate| (f64::from(rate) / corrections[0]) as f32),
            keeps: rates.map(|rate| 1.0 - rate * self.decay(Kind::Weight)),
            root: corrections[1].sqrt().recip() as f32,
            betas,
            epsilon: EPSILON,
        };
        let moments = &mut self.state.moments;
        let on_gpu = self.on_gpu.get_or_insert_with(|| {
            let first: Vec<&[f32]> = moments.iter().map(|m| &m.first[..]).collect();
            let second: Vec<&[f32]> = moments.iter().map(|m| &m.second[..]).collect();
            let there = ops::AdamW::new(gpu, &treatments, [&first, &second]);
            for moment in moments {
                (moment.first, moment.second) = (Vec::new(), Vec::new());
            }
            there
        });
        GradientNorm::OnGpu(on_gpu.step(walk, &coefficients))
    }

    /// The rates of the two moments, and their bias corrections `1 - beta^t`.
    fn corrections(&self) -> ([f32; 2], [f64; 2]) {
        let betas = self.config.betas.map(|beta| beta as f32);
        let t = self.state.steps as i32;
        (betas, betas.map(|beta| 1.0 - f64::from(beta).powi(t)))
    }

    /// The learning rate of the backbone's parameters or of the others.
    fn rate(&self, rate: f32, backbone: bool) -> f32 {
        if backbone {
            rate * self.config.backbone_rate as f32
        } else {
            rate
        }
    }

    /// What a checkpoint keeps, copied if it lies on a GPU.
    pub fn state(&self) -> Cow<'_, OptimizerState> {
        #[cfg(feature = "cuda")]
        if let Some(on_gpu) = &self.on_gpu {
            let mut state = self.state.clone();
            for (moment, values) in state.moments.iter_mut().zip(on_gpu.moments()) {
                [moment.first, moment.second] = values;
            }
            return Cow::Owned(state);
        }
        Cow::Borrowed(&self.state)
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
        for ((ours, len), theirs) in ours.iter().zip(&self.lengths).zip(theirs) {
            anyhow::ensure!(
                ours.name == theirs.name && *len == theirs.first.len(),
                "the optimizer has moments of `{}` with {} values where the model trains `{}` with {}",
                theirs.name,
                theirs.first.len(),
                ours.name,
                len
            );
        }
        self.state = state;
        #[cfg(feature = "cuda")]
        {
            self.on_gpu = None;
        }
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

/// The GPU that the trained parameters lie on, if any.
#[cfg(feature = "cuda")]
fn gpu_of(model: &mut dyn Parameters) -> Option<Gpu> {
    let mut found = None;
    model.parameters("", &mut |_, param| {
        if found.is_none() && is_trained(param) {
            found = param.value.gpu().cloned();
        }
    });
    found
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
    use crate::nn::params::move_to;
    use crate::ops::check::on_every_place;
    use crate::tensor::{Place, Tape, Tensor2};
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

    fn model_at(place: &Place) -> Model {
        let mut model = model();
        move_to(&mut model, place);
        model
    }

    /// The gradients of that script: ((i * 7 + k * 5 + step * 3) % 11 - 5) / 8.
    fn gradients(model: &mut Model, step: usize) -> Grads {
        let mut tape = Tape::recording();
        let leaves: Vec<Tensor2> = model
            .0
            .iter()
            .map(|(_, param)| param.value.clone())
            .collect();
        let inputs: Vec<&Tensor2> = leaves.iter().collect();
        let loss = match leaves[0].place() {
            Place::Host => tape.output(vec![0.0], 1, 1, &inputs),
            #[cfg(feature = "cuda")]
            Place::Gpu(gpu) => tape.output_on(&gpu, 1, 1, &inputs),
        };
        tape.record(&loss, move |grads| {
            for (k, leaf) in leaves
                .iter()
                .enumerate()
                .filter(|(_, leaf)| leaf.requires_grad())
            {
                let gradient = |i| ((i * 7 + k * 5 + step * 3) % 11) as f32 / 8.0 - 0.625;
                leaf.set_gradient(grads, (0..leaf.len()).map(gradient).collect());
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

    on_every_place! {
        fn parity_of_ten_steps_with_pytorch(place) {
            let golden: Golden =
                serde_json::from_str(include_str!("../../tests/golden/adamw.json")).unwrap();
            let mut model = model_at(place);
            let mut optimizer = AdamW::new(config(), &mut model);
            for (step, expected) in golden.norms.iter().enumerate() {
                let mut grads = gradients(&mut model, step);
                let rate = 0.01 / (1.0 + step as f32);
                let norm = optimizer.step(&mut model, &mut grads, rate).value();
                assert!(
                    (norm - expected).abs() < 1e-5,
                    "norm {norm} of step {step}, not {expected}"
                );
            }
            for ((name, param), expected) in model.0.iter().zip(&golden.values) {
                for (value, expected) in param.value.host_values().iter().zip(expected) {
                    assert!(
                        (value - expected).abs() < 2e-6,
                        "{name}: {value}, not {expected}"
                    );
                }
            }
        }

        /// A parameter of several chunks with a rest, and one that no gradient reaches.
        fn ten_steps_follow_those_of_the_cpu(place) {
            let large = |place: &Place| {
                let mut model = model();
                let values = (0..40_003).map(|i| (i % 19) as f32 / 8.0 - 1.0).collect();
                let param = Param::new(Kind::Weight, values, 1, 40_003, &[1, 40_003]);
                model.0.push(("large.weight", param));
                move_to(&mut model, place);
                let optimizer = AdamW::new(config(), &mut model);
                (model, optimizer)
            };
            let ((mut ours, mut there), (mut theirs, mut here)) = (large(place), large(&Place::Host));
            for step in 0..10 {
                let take = |model: &mut Model, optimizer: &mut AdamW| {
                    let mut grads = gradients(model, step);
                    optimizer.step(model, &mut grads, 0.01).value()
                };
                let (a, b) = (take(&mut ours, &mut there), take(&mut theirs, &mut here));
                assert!((a - b).abs() <= 1e-6 * b, "norm {a}, on the CPU {b}");
            }
            for ((name, a), (_, b)) in ours.0.iter().zip(&theirs.0) {
                assert_close(name, &a.value.host_values(), b.value.values());
            }
            let (there, here) = (there.state(), here.state());
            assert_eq!(there.steps, here.steps);
            for (a, b) in there.moments.iter().zip(&here.moments) {
                assert_close(&a.name, &a.first, &b.first);
                assert_close(&a.name, &a.second, &b.second);
            }
        }

        fn frozen_parameters_and_buffers_stay(place) {
            let mut model = model();
            model.0[1].1.value.set_requires_grad(false);
            model.0.push((
                "running",
                Param::new(Kind::Buffer, vec![1.0; 4], 1, 4, &[4]),
            ));
            move_to(&mut model, place);
            // Shares every storage, as a teacher does that has just been made.
            let before = model.clone();
            let mut optimizer = AdamW::new(config(), &mut model);
            let mut grads = gradients(&mut model, 0);
            optimizer.step(&mut model, &mut grads, 0.1);
            for (k, moved) in [(0, true), (1, false), (2, true), (5, false)] {
                let same = model.0[k].1.value.host_values() == before.0[k].1.value.host_values();
                assert_eq!(!same, moved, "{}", model.0[k].0);
            }
            assert_eq!(optimizer.state().moments.len(), 4);
        }

        fn a_restored_state_continues_bit_for_bit(place) {
            let (mut straight, mut steps) = (model_at(place), AdamW::new(config(), &mut model()));
            for step in 0..4 {
                let mut grads = gradients(&mut straight, step);
                steps.step(&mut straight, &mut grads, 0.01);
            }
            let (mut resumed, mut first) = (model_at(place), AdamW::new(config(), &mut model()));
            for step in 0..2 {
                let mut grads = gradients(&mut resumed, step);
                first.step(&mut resumed, &mut grads, 0.01);
            }
            let mut second = AdamW::new(config(), &mut resumed);
            second.restore(first.state().into_owned()).unwrap();
            for step in 2..4 {
                let mut grads = gradients(&mut resumed, step);
                second.step(&mut resumed, &mut grads, 0.01);
            }
            assert_eq!(second.state(), steps.state());
            for (a, b) in straight.0.iter().zip(&resumed.0) {
                assert_eq!(a.1.value.host_values(), b.1.value.host_values(), "{}", a.0);
            }
        }

        /// A run that began on the CPU goes on wherever it is resumed.
        fn a_state_of_the_other_place_continues(place) {
            let (mut model, mut here) = (model(), AdamW::new(config(), &mut model()));
            let mut grads = gradients(&mut model, 0);
            here.step(&mut model, &mut grads, 0.01);
            let mut moved = model.clone();
            move_to(&mut moved, place);
            let mut there = AdamW::new(config(), &mut moved);
            there.restore(here.state().into_owned()).unwrap();
            for (model, optimizer) in [(&mut model, &mut here), (&mut moved, &mut there)] {
                let mut grads = gradients(model, 1);
                optimizer.step(model, &mut grads, 0.01);
            }
            for ((name, a), (_, b)) in moved.0.iter().zip(&model.0) {
                assert_close(name, &a.value.host_values(), b.value.values());
            }
            let mut back = AdamW::new(config(), &mut model);
            back.restore(there.state().into_owned()).unwrap();
            let mut grads = gradients(&mut model, 2);
            back.step(&mut model, &mut grads, 0.01);
        }
    }

    /// Panics unless the values agree within 1e-6 of the largest.
    fn assert_close(name: &str, found: &[f32], expected: &[f32]) {
        let scale = expected
            .iter()
            .fold(0f32, |most, value| most.max(value.abs()));
        for (found, expected) in found.iter().zip(expected) {
            let error = (found - expected).abs();
            assert!(error <= 1e-6 * scale, "{name}: {found}, not {expected}");
        }
    }

    #[test]
    fn a_state_of_another_model_is_refused() {
        let mut small = model();
        small.0.pop();
        let state = AdamW::new(config(), &mut small).state().into_owned();
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
