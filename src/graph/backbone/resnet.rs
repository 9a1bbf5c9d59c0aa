//! Residual network, <https://arxiv.org/abs/1512.03385>, in detectron2's form: a stem and the stages res2 to
//! res5.
//!
//! Shapes with the stem of the paper (7x7 stride 2, pool): an image H x W becomes res2 at H/4, res3 at H/8,
//! res4 at H/16 and res5 at H/32. With a stem of stride 2 and no pool, every stage is twice as large.
//!
//! ResNet-50 is `block = "bottleneck"`, `widths = [64, 128, 256, 512]`, `depths = [3, 4, 6, 3]`. ResNet-18 is
//! `block = "basic"`, `depths = [2, 2, 2, 2]`.

use super::block::{Block, ConvNorm};
use super::{BackboneConfig, Frozen, STAGES, StemConfig};
use crate::graph::weights;
use crate::nn::params::{Param, Parameters, join};
use crate::ops::{self, Window};
use crate::rng::Stream;
use crate::tensor::{Map, Place, Tape};

/// The max-pool of the stem.
const POOL: Window = Window {
    kernel: 3,
    stride: 2,
    padding: 1,
};
/// Red, green, blue.
const COLOURS: usize = 3;
/// The number of the stem.
const STEM: usize = 1;
/// The number of the first stage in its name, `res2`.
const FIRST_STAGE: usize = STEM + 1;

/// Stem and four stages of blocks.
#[derive(Clone, Debug)]
pub struct ResNet {
    stem: ConvNorm,
    pool: bool,
    stages: Vec<Vec<Block>>,
    frozen: Frozen,
}

impl ResNet {
    /// A network with random values, or with those of `config.weights`. It computes no gradients of the stages that
    /// `config.frozen` holds.
    ///
    /// # Errors
    /// The weights file is missing or unreadable, or does not fit the sizes.
    pub fn new(config: &BackboneConfig, rng: &mut Stream) -> anyhow::Result<Self> {
        let StemConfig {
            width,
            kernel,
            stride,
            pool,
        } = config.stem;
        let stem = ConvNorm::new(config, COLOURS, width, kernel, stride, rng);
        let mut channels = width;
        let mut stages = Vec::with_capacity(STAGES);
        for (stage, (&width, &depth)) in config.widths.iter().zip(&config.depths).enumerate() {
            let blocks = (0..depth).map(|block| {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let made = Block::new(config, channels, width, stride, rng);
                channels = config.block.channels(width);
                made
            });
            stages.push(blocks.collect());
        }
        let mut resnet = Self {
            stem,
            pool,
            stages,
            frozen: config.frozen,
        };
        if !config.weights.as_os_str().is_empty() {
            weights::load_backbone(&mut resnet, &config.weights)?;
        }
        resnet.by_stage("", &mut |stage, _, param| {
            if config.frozen.holds(stage) {
                param.value.set_requires_grad(false);
            }
        });
        Ok(resnet)
    }

    /// The place of its parameters.
    pub fn place(&self) -> Place {
        self.stem.place()
    }

    /// images: 3 channels -> res2, res3, res4, res5. A frozen stage puts nothing on the tape.
    pub fn forward(&self, tape: &mut Tape, images: &Map) -> [Map; STAGES] {
        let off = &mut Tape::off();
        let stem_tape = self.tape_of(STEM, off, tape);
        let mut x = self.stem.forward(stem_tape, images, true);
        if self.pool {
            x = ops::max_pool(stem_tape, &x, POOL);
        }
        std::array::from_fn(|stage| {
            let tape = self.tape_of(stage + FIRST_STAGE, off, tape);
            for block in &self.stages[stage] {
                x = block.forward(tape, &x);
            }
            x.clone()
        })
    }

    /// `off` if `stage` is frozen, else `tape`.
    fn tape_of<'t>(&self, stage: usize, off: &'t mut Tape, tape: &'t mut Tape) -> &'t mut Tape {
        match self.frozen.holds(stage) {
            true => off,
            false => tape,
        }
    }

    /// Visits every parameter with the number of its stage and its name.
    fn by_stage(&mut self, prefix: &str, visit: &mut dyn FnMut(usize, &str, &mut Param)) {
        let stem = &mut |name: &str, param: &mut Param| visit(STEM, name, param);
        self.stem.parameters(&join(prefix, "stem.conv1"), stem);
        for (stage, blocks) in (FIRST_STAGE..).zip(&mut self.stages) {
            for (i, block) in blocks.iter_mut().enumerate() {
                let visit = &mut |name: &str, param: &mut Param| visit(stage, name, param);
                block.parameters(&join(prefix, &format!("res{stage}.{i}")), visit);
            }
        }
    }
}

impl Parameters for ResNet {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.by_stage(prefix, &mut |_, name, param| visit(name, param));
    }
}
