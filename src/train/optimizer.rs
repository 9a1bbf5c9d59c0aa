//! The optimizer of a network: [`ops::adamw`] or [`ops::sgd`] over all parameters that gradients train.
//!
//! It decides which parameters learn at the backbone's rate and which are decayed, counts the steps, and
//! names the moments for the checkpoint. Frozen parameters and buffers are left alone.

use crate::nn::params::{Param, ParamKind, Parameters, lend_values};
use crate::ops::{self, AdamWStep, SgdStep, Treatment};
use crate::tensor::{Grads, Later};

/// Names of the parameters that learn at the backbone's rate start so.
const BACKBONE: &str = "backbone.";

/// The settings of an optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptimizerConfig {
    /// The rule by which a gradient changes a value.
    pub rule: UpdateRule,
    /// Weight decay of weights.
    pub weight_decay: f64,
    /// True if learned embeddings are decayed too.
    pub decay_embeddings: bool,
    /// True if biases are decayed too.
    pub decay_biases: bool,
    /// Factor on the rate of parameters under `backbone.`.
    pub backbone_rate: f64,
    /// Bound of the global gradient norm; infinite: none.
    pub clip: f64,
}

/// The rule by which a gradient changes a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UpdateRule {
    /// AdamW, with the rates of its two moments. Weight decay does not go through them.
    AdamW([f64; 2]),
    /// Stochastic gradient descent, with the part of the velocity that stays. Weight decay is a part of the gradient.
    Sgd(f64),
}

impl UpdateRule {
    /// The number of second moments of a parameter with `length` values.
    fn second_moments(self, length: usize) -> usize {
        match self {
            Self::AdamW(_) => length,
            Self::Sgd(_) => 0,
        }
    }
}

impl OptimizerConfig {
    /// Returns true if parameters of this kind are decayed; those of a normalisation never are.
    fn decays(&self, kind: ParamKind) -> bool {
        match kind {
            ParamKind::Weight => true,
            ParamKind::Bias => self.decay_biases,
            ParamKind::Embedding => self.decay_embeddings,
            ParamKind::Norm | ParamKind::Buffer => false,
        }
    }
}

/// The moments of one trained parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Full name of the parameter.
    pub name: String,
    /// Running mean of the gradient, or the velocity, in the order of the parameter's values.
    pub first: Vec<f32>,
    /// Running mean of the squared gradient; empty for an optimizer without.
    pub second: Vec<f32>,
}

/// The state of an optimizer between two steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimizerState {
    /// Steps taken: the `t` of the bias correction.
    pub steps: u64,
    /// One entry per trained parameter, in the order of the walk.
    pub moments: Vec<Moments>,
}

/// The norm of all gradients of a step together, before clipping.
#[derive(Debug)]
pub struct GradientNorm(Later<f64>);

impl GradientNorm {
    /// The norm; waits for the GPU if it is computed there.
    pub fn value(self) -> f64 {
        self.0.wait()
    }
}

/// AdamW or SGD over the trained parameters of one model.
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    /// Steps taken.
    steps: u64,
    /// Full name of every trained parameter, in the order of the walk.
    names: Vec<String>,
    moments: ops::Moments,
}

impl Optimizer {
    /// An optimizer with zero moments for the parameters of `model` that are trained now.
    pub fn new(config: OptimizerConfig, model: &mut dyn Parameters) -> Self {
        let (mut names, mut treatments, mut moments) = (Vec::new(), Vec::new(), Vec::new());
        model.parameters("", &mut |name, param| {
            if is_trained(param) {
                names.push(name.to_string());
                treatments.push(Treatment {
                    backbone: name.starts_with(BACKBONE),
                    decayed: config.decays(param.kind),
                });
                let length = param.value.len();
                let second = config.rule.second_moments(length);
                moments.push([vec![0.0; length], vec![0.0; second]]);
            }
        });
        Self {
            config,
            steps: 0,
            names,
            moments: ops::Moments::new(treatments, moments),
        }
    }

    /// One step at learning rate `rate`; returns the norm of the gradient before clipping.
    ///
    /// Panics if the trained parameters of `model` are not those that the optimizer was made for, or lie at
    /// several places.
    pub fn step(
        &mut self,
        model: &mut dyn Parameters,
        grads: &mut Grads,
        rate: f32,
    ) -> GradientNorm {
        let mut names = self.names.iter();
        model.parameters("", &mut |name, param| {
            if is_trained(param) {
                assert_eq!(names.next().map(String::as_str), Some(name), "moments");
            }
        });
        assert!(
            names.next().is_none(),
            "moments of parameters that the model does not train"
        );
        self.steps += 1;
        let rates = [rate * self.config.backbone_rate as f32, rate];
        let (weight_decay, clip) = (self.config.weight_decay as f32, self.config.clip);
        let (number, moments) = (self.steps, &mut self.moments);
        GradientNorm(match self.config.rule {
            UpdateRule::AdamW(betas) => {
                let step = AdamWStep {
                    number,
                    rates,
                    weight_decay,
                    betas: betas.map(|beta| beta as f32),
                    clip,
                };
                lend_values(model, is_trained, |values| {
                    ops::adamw(values, grads, moments, &step)
                })
            }
            UpdateRule::Sgd(momentum) => {
                let step = SgdStep {
                    rates,
                    weight_decay,
                    momentum: momentum as f32,
                    clip,
                };
                lend_values(model, is_trained, |values| {
                    ops::sgd(values, grads, moments, &step)
                })
            }
        })
    }

    /// The state for a checkpoint.
    pub fn state(&self) -> OptimizerState {
        let moments = self.moments.values();
        let named = self.names.iter().zip(&*moments);
        OptimizerState {
            steps: self.steps,
            moments: named
                .map(|(name, [first, second])| Moments {
                    name: name.clone(),
                    first: first.clone(),
                    second: second.clone(),
                })
                .collect(),
        }
    }

    /// Continues from a checkpoint.
    ///
    /// # Errors
    /// The state belongs to a model with other trained parameters: the first difference is named.
    pub fn restore(&mut self, state: OptimizerState) -> anyhow::Result<()> {
        let theirs = &state.moments;
        anyhow::ensure!(
            self.names.len() == theirs.len(),
            "the optimizer has moments of {} parameters, the model trains {}",
            theirs.len(),
            self.names.len()
        );
        let ours = self.names.iter().zip(self.moments.lengths());
        for ((name, length), theirs) in ours.zip(theirs) {
            anyhow::ensure!(
                *name == theirs.name && *length == theirs.first.len(),
                "the optimizer has moments of `{}` with {} values where the model trains `{name}` with {length}",
                theirs.name,
                theirs.first.len(),
            );
            anyhow::ensure!(
                theirs.second.len() == self.config.rule.second_moments(*length),
                "the optimizer has {} second moments of `{name}`, as another optimizer keeps them",
                theirs.second.len(),
            );
        }
        self.steps = state.steps;
        let moments = state.moments.into_iter();
        let moments = moments.map(|moments| [moments.first, moments.second]);
        self.moments.replace(moments.collect());
        Ok(())
    }
}

/// Returns true if gradients train the parameter: it is neither a buffer nor frozen.
pub fn is_trained(param: &Param) -> bool {
    param.kind != ParamKind::Buffer && param.value.requires_grad()
}

#[cfg(test)]
mod tests;
