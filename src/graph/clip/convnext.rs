//! OpenCLIP's ConvNeXt image tower (https://arxiv.org/abs/2201.03545 in timm's form). The released PL-DC uses
//! `convnext_large_d_320` as its vision-language model.
//!
//! `$$ x \leftarrow x + \gamma \odot W_2\,\mathrm{gelu}(W_1\,\mathrm{LN}(\mathrm{dw}_{7 \times 7}(x))) $$`
//!
//! There are four stages. The first begins with patches of 4 x 4 pixels and a norm, the others with a norm
//! and patches of 2 x 2. The dense features are those of the last stage, at 1/32 of the picture's size. The
//! feature of a picture is their mean. The head (a norm, then an MLP with gelu or one linear map) maps pooled
//! features to the shared space.
//!
//! Shapes: C channels of the last stage, E width of the shared space. The names are those of OpenCLIP:
//! `trunk.stages.0.blocks.0.conv_dw.weight`, `trunk.head.norm.weight`, `head.mlp.fc1.weight`.

use super::text::projection;
use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::nn::{Conv2d, LayerNorm, Linear};
use crate::ops::{self, Epilogue, Gelu, Window};
use crate::tensor::{Map, Tape, Tensor2};
use std::sync::OnceLock;

/// The side of the first patches in pixels.
const STEM: usize = 4;
/// The side of the patches between stages.
const DOWNSAMPLE: usize = 2;
/// The side of the depthwise kernels.
const KERNEL: usize = 7;
/// Hidden width of a block's MLP, as a multiple of its width.
const EXPANSION: usize = 4;
/// Hidden width of the head's MLP, as a multiple of the shared space's width.
const HEAD_EXPANSION: usize = 2;
/// A map applied to every pixel separately.
const POINT: Window = Window {
    kernel: 1,
    stride: 1,
    padding: 0,
};

/// The sizes of a ConvNeXt tower.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvNextSizes {
    /// The channels of every stage.
    pub widths: Vec<usize>,
    /// The number of blocks of every stage.
    pub depths: Vec<usize>,
    /// The epsilon of the norms.
    pub epsilon: f32,
    /// The layers after the norm of the head.
    pub head: Head,
}

/// The map from pooled, normed features to the shared space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// One linear map without bias.
    Linear,
    /// Two linear maps with gelu between them, the second without bias: the `_d` models.
    Mlp,
}

/// The tower.
#[derive(Clone, Debug)]
pub struct ConvNext {
    stem: (Conv2d, LayerNorm),
    stages: Vec<Stage>,
    norm: LayerNorm,
    /// `head.mlp.fc1`, if the head is an MLP.
    hidden: Option<Linear>,
    output: Param,
}

#[derive(Clone, Debug)]
struct Stage {
    /// None in the first stage, which follows the stem.
    downsample: Option<(LayerNorm, Conv2d)>,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
struct Block {
    depthwise: (Param, Param),
    norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    gamma: Param,
    /// gamma times the bias of `fc2`, computed at its first use.
    shift: OnceLock<Tensor2>,
}

impl ConvNext {
    /// All weights are 0. `shared` is E. Panics if there is no stage, or if the numbers of widths and depths
    /// differ.
    pub fn new(sizes: &ConvNextSizes, shared: usize) -> Self {
        let ConvNextSizes {
            widths,
            depths,
            epsilon,
            head,
        } = sizes;
        assert_eq!(widths.len(), depths.len(), "{widths:?} and {depths:?}");
        let norm = |width: usize| LayerNorm::with_epsilon(width, *epsilon);
        let stage = |i: usize| Stage {
            downsample: (i > 0).then(|| {
                let conv = Conv2d::patches(widths[i - 1], widths[i], DOWNSAMPLE, true);
                (norm(widths[i - 1]), conv)
            }),
            blocks: (0..depths[i])
                .map(|_| Block::new(widths[i], *epsilon))
                .collect(),
        };
        let last = *widths.last().expect("a stage");
        let (hidden, inputs) = match head {
            Head::Linear => (None, last),
            Head::Mlp => {
                let width = HEAD_EXPANSION * shared;
                (Some(Linear::zeros(last, width)), width)
            }
        };
        Self {
            stem: (Conv2d::patches(3, widths[0], STEM, true), norm(widths[0])),
            stages: (0..widths.len()).map(stage).collect(),
            norm: norm(last),
            hidden,
            output: projection(inputs, shared),
        }
    }

    /// The number of pixels along a side of a cell of the dense features.
    pub fn stride(&self) -> usize {
        STEM * DOWNSAMPLE.pow(self.stages.len() as u32 - 1)
    }

    /// One picture -> dense features, a map of C channels. Pixels beyond the last whole cell are not read.
    pub fn dense(&self, tape: &mut Tape, pixels: &Map) -> Map {
        let (conv, norm) = &self.stem;
        let x = conv.forward(tape, pixels);
        let x = normed(tape, norm, &x);
        self.stages.iter().fold(x, |x, stage| {
            let x = match &stage.downsample {
                Some((norm, conv)) => {
                    let x = normed(tape, norm, &x);
                    conv.forward(tape, &x)
                }
                None => x,
            };
            stage
                .blocks
                .iter()
                .fold(x, |x, block| block.forward(tape, &x))
        })
    }

    /// One picture -> `[1, E]`, not normalised: the embedded mean of its dense features.
    pub fn embed_image(&self, tape: &mut Tape, pixels: &Map) -> Tensor2 {
        let features = self.dense(tape, pixels);
        let everywhere = vec![1.0; features.pixels()];
        let mean = ops::mask_pool(tape, &features, &[0], everywhere.into());
        self.embed(tape, &mean)
    }

    /// Pooled features `[n, C]` -> `[n, E]`.
    pub fn embed(&self, tape: &mut Tape, pooled: &Tensor2) -> Tensor2 {
        let mut x = self.norm.forward(tape, pooled, None);
        if let Some(hidden) = &self.hidden {
            x = hidden.forward(tape, &x);
            x = ops::gelu(tape, &x, Gelu::Exact);
        }
        ops::linear(tape, &x, &self.output.value, None, false)
    }
}

impl Block {
    fn new(width: usize, epsilon: f32) -> Self {
        let area = KERNEL * KERNEL;
        let kernel = vec![0.0; width * area];
        let shape = [width, 1, KERNEL, KERNEL];
        let vector = |kind: ParamKind| Param::new(kind, vec![0.0; width], 1, width, &[width]);
        Self {
            depthwise: (
                Param::new(ParamKind::Weight, kernel, width, area, &shape),
                vector(ParamKind::Bias),
            ),
            norm: LayerNorm::with_epsilon(width, epsilon),
            fc1: Linear::zeros(width, EXPANSION * width),
            fc2: Linear::zeros(EXPANSION * width, width),
            // A constant, because the epilogue of the last map accepts nothing else.
            gamma: vector(ParamKind::Buffer),
            shift: OnceLock::new(),
        }
    }

    fn forward(&self, tape: &mut Tape, x: &Map) -> Map {
        let (weight, bias) = &self.depthwise;
        let y = ops::depthwise_conv2d(tape, x, &weight.value, &bias.value);
        let y = normed(tape, &self.norm, &y);
        let hidden = self.fc1.forward(tape, &y.data);
        let hidden = ops::gelu(tape, &hidden, Gelu::Exact);
        let hidden = Map::new(hidden, x.batch, x.height, x.width);
        // gamma (W h + b) = (W h) gamma + gamma b: the scale and the shift of a pointwise convolution.
        let gamma = &self.gamma.value;
        let shift = self.shift.get_or_init(|| {
            let (gammas, biases) = (gamma.host_values(), self.fc2.bias.value.host_values());
            let shift = gammas.iter().zip(&*biases);
            let shift = shift.map(|(gamma, bias)| gamma * bias).collect();
            Tensor2::constant(shift, 1, gamma.len()).to(&gamma.place())
        });
        let epilogue = Epilogue {
            scale: Some(gamma),
            shift: Some(shift),
            relu: false,
        };
        let y = ops::conv2d(tape, &hidden, &self.fc2.weight.value, POINT, 1, epilogue);
        let sum = ops::add(tape, &x.data, &y.data);
        Map::new(sum, x.batch, x.height, x.width)
    }
}

/// Applies the norm to every pixel of a map.
fn normed(tape: &mut Tape, norm: &LayerNorm, x: &Map) -> Map {
    let data = norm.forward(tape, &x.data, None);
    Map::new(data, x.batch, x.height, x.width)
}

impl Parameters for ConvNext {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        let trunk = join(prefix, "trunk");
        self.stem.0.parameters(&join(&trunk, "stem.0"), visit);
        self.stem.1.parameters(&join(&trunk, "stem.1"), visit);
        for (i, stage) in self.stages.iter_mut().enumerate() {
            let prefix = join(&trunk, &format!("stages.{i}"));
            if let Some((norm, conv)) = &mut stage.downsample {
                norm.parameters(&join(&prefix, "downsample.0"), visit);
                conv.parameters(&join(&prefix, "downsample.1"), visit);
            }
            for (i, block) in stage.blocks.iter_mut().enumerate() {
                block.parameters(&join(&prefix, &format!("blocks.{i}")), visit);
            }
        }
        self.norm.parameters(&join(&trunk, "head.norm"), visit);
        let output = match &mut self.hidden {
            Some(hidden) => {
                hidden.parameters(&join(prefix, "head.mlp.fc1"), visit);
                "head.mlp.fc2.weight"
            }
            None => "head.proj.weight",
        };
        visit(&join(prefix, output), &mut self.output);
    }
}

impl Parameters for Block {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        // The visitor may change the values.
        self.shift = OnceLock::new();
        visit(&join(prefix, "gamma"), &mut self.gamma);
        visit(&join(prefix, "conv_dw.weight"), &mut self.depthwise.0);
        visit(&join(prefix, "conv_dw.bias"), &mut self.depthwise.1);
        self.norm.parameters(&join(prefix, "norm"), visit);
        self.fc1.parameters(&join(prefix, "mlp.fc1"), visit);
        self.fc2.parameters(&join(prefix, "mlp.fc2"), visit);
    }
}
