//! Mask2Former (stub).
#![allow(unused, missing_docs)]
use crate::nn::params::{Param, Parameters};
use crate::rng::Stream;
use crate::structures::Picture;
use crate::tensor::{Map, Tape, Tensor2};

#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
pub struct ModelConfig {}

#[derive(Clone, Debug)]
pub struct Predictions { pub layers: Vec<LayerPredictions>, pub batch: usize, pub queries: usize, pub height: usize, pub width: usize }
#[derive(Clone, Debug)]
pub struct LayerPredictions { pub classes: Tensor2, pub masks: Tensor2 }
#[derive(Clone, Debug)]
pub struct Mask2Former {}
impl Mask2Former {
    pub fn new(config: &ModelConfig, classes: usize, rng: &mut Stream) -> anyhow::Result<Self> { todo!() }
    pub fn forward(&self, tape: &mut Tape, images: &Map) -> Predictions { todo!() }
    pub fn normalise(&self, pictures: &[&Picture]) -> Map { todo!() }
    pub fn backbone_features(&self, tape: &mut Tape, images: &Map) -> [Map; 4] { todo!() }
    pub fn classes(&self) -> usize { todo!() }
}
impl Parameters for Mask2Former {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) { todo!() }
}
