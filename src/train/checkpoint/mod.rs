//! Everything a training run needs to continue bit for bit, in one safetensors file.
//!
//! Arrays carry the reference checkpoint's names and shapes behind the name of their owner (`student.`,
//! `teacher.`, `average.`, `optimizer.first.`, `optimizer.second.`), so that other tools can read the
//! networks. One JSON text in the file's metadata holds the step, the optimizer's step, the state of the
//! method (thresholds and the like), the journal's open window and the key: the hash of the settings that
//! lead to this state. A file is replaced by renaming a finished one over it; a killed run leaves either the
//! old or the new file.

mod file;

pub use file::LoadError;

use super::journal::Window;
use super::optimizer::{Moments, OptimizerState, is_trained};
use crate::nn::params::{Param, Parameters, join};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Raised when the meaning of a stored value changes.
const VERSION: u32 = 1;

/// One stored array in the reference checkpoint's order.
#[derive(Clone, Debug, PartialEq)]
struct Array {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// The scalars of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    version: u32,
    key: String,
    step: usize,
    optimizer_steps: u64,
    method: serde_json::Value,
    #[serde(default, skip_serializing_if = "Window::is_empty")]
    window: Window,
}

/// The state of a training run after some number of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    header: Header,
    arrays: BTreeMap<String, Array>,
}

impl Checkpoint {
    /// An empty checkpoint after `step` steps of the settings with hash `key`. `method` is the method's own
    /// state.
    pub fn new(key: &str, step: usize, method: serde_json::Value) -> Self {
        let header = Header {
            version: VERSION,
            key: key.to_string(),
            step,
            optimizer_steps: 0,
            method,
            window: Window::default(),
        };
        Self {
            header,
            arrays: BTreeMap::new(),
        }
    }

    /// Steps taken.
    pub fn step(&self) -> usize {
        self.header.step
    }

    /// The method's own state.
    pub fn method(&self) -> &serde_json::Value {
        &self.header.method
    }

    /// The steps that stand in no line of the journal yet.
    pub fn window(&self) -> &Window {
        &self.header.window
    }

    /// Keeps the open window of the journal.
    pub fn put_window(&mut self, window: &Window) {
        self.header.window = window.clone();
    }

    /// Returns true if it contains a model named `owner`.
    pub fn holds(&self, owner: &str) -> bool {
        let prefix = join(owner, "");
        self.arrays
            .range(prefix.clone()..)
            .next()
            .is_some_and(|(name, _)| name.starts_with(&prefix))
    }

    /// Stores all parameters and buffers of `model` under `owner`.
    pub fn put_model(&mut self, owner: &str, model: &mut dyn Parameters) {
        model.parameters(owner, &mut |name, param| {
            let array = Array {
                shape: param.shape.clone(),
                values: param.to_reference(),
            };
            self.arrays.insert(name.to_string(), array);
        });
    }

    /// Sets all parameters and buffers of `model` to those stored under `owner`.
    ///
    /// # Errors
    /// A parameter is missing or has another shape: it is named.
    pub fn take_model(&self, owner: &str, model: &mut dyn Parameters) -> Result<()> {
        let mut result = Ok(());
        model.parameters(owner, &mut |name, param| {
            if result.is_ok() {
                result = self
                    .array(name, &param.shape)
                    .map(|values| param.set_from_reference(values));
            }
        });
        result
    }

    /// Stores the optimizer's state. `model` is the model that it trains.
    pub fn put_optimizer(&mut self, state: &OptimizerState, model: &mut dyn Parameters) {
        self.header.optimizer_steps = state.steps;
        let mut moments = state.moments.iter();
        model.parameters("", &mut |name, param| {
            if !is_trained(param) {
                return;
            }
            let moment = moments.next().expect("moments of every trained parameter");
            let both = [(FIRST, &moment.first), (SECOND, &moment.second)];
            for (owner, values) in both.into_iter().filter(|(_, values)| !values.is_empty()) {
                let array = Array {
                    shape: param.shape.clone(),
                    values: like(param, values).to_reference(),
                };
                self.arrays.insert(join(owner, name), array);
            }
        });
    }

    /// The stored optimizer's state for `model`.
    ///
    /// # Errors
    /// The moments of a trained parameter are missing or have another shape. A checkpoint without any second moment is
    /// one of an optimizer that keeps none.
    pub fn optimizer(&self, model: &mut dyn Parameters) -> Result<OptimizerState> {
        let mut moments = Ok(Vec::new());
        model.parameters("", &mut |name, param| {
            let (true, Ok(list)) = (is_trained(param), &mut moments) else {
                return;
            };
            let read = |owner: &str| -> Result<Vec<f32>> {
                let mut twin = like(param, &param.value.host_values());
                twin.set_from_reference(self.array(&join(owner, name), &param.shape)?);
                Ok(twin.value.host_values().into_owned())
            };
            let second = || match self.holds(SECOND) {
                true => read(SECOND),
                false => Ok(Vec::new()),
            };
            match read(FIRST).and_then(|first| Ok((first, second()?))) {
                Ok((first, second)) => list.push(Moments {
                    name: name.to_string(),
                    first,
                    second,
                }),
                Err(error) => moments = Err(error),
            }
        });
        Ok(OptimizerState {
            steps: self.header.optimizer_steps,
            moments: moments?,
        })
    }

    fn array(&self, name: &str, shape: &[usize]) -> Result<&[f32]> {
        let array = self
            .arrays
            .get(name)
            .with_context(|| format!("holds no `{name}`"))?;
        ensure!(
            array.shape == shape,
            "`{name}` has shape {:?}, the model's is {shape:?}",
            array.shape
        );
        Ok(&array.values)
    }
}

/// Owners of the two moments.
const FIRST: &str = "optimizer.first";
const SECOND: &str = "optimizer.second";

/// A parameter with the shape of `param` and other values.
fn like(param: &Param, values: &[f32]) -> Param {
    Param::new(
        param.kind,
        values.to_vec(),
        param.value.rows(),
        param.value.columns(),
        &param.shape,
    )
}

#[cfg(test)]
mod tests;
