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
use crate::ops;
use crate::tensor::Grads;
use crate::tensor::Later;
use crate::tensor::cuda::Gpu;
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
    OnGpu(Later<Vec<f32>>),
}

impl GradientNorm {
    /// The norm; waits for the GPU if it is computed there.
    pub fn value(self) -> f64 {
        match self {
            Self::Known(norm) => norm,
            Self::OnGpu(result) => result.wait()[0].into(),
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
        GradientNorm::OnGpu(on_gpu.step(walk, &coefficients).later())
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
mod tests;
