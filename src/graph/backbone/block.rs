//! A residual block of a ResNet, <https://arxiv.org/abs/1512.03385>.
//!
//! `$$ y = \mathrm{relu}(F(x) + S(x)) $$`
//!
//! F consists of two or three convolutions with norms. S is the identity, or a 1x1 convolution with norm if
//! the stride or the number of channels changes. The names are those of detectron2: `conv1`, `conv1.norm`,
//! `shortcut`, `shortcut.norm`.

use super::{BackboneConfig, BlockKind, NormKind};
use crate::nn::params::{Param, Parameters, join};
use crate::nn::{Conv2d, FrozenBatchNorm, GroupNorm};
use crate::ops::{self, Epilogue};
use crate::rng::Stream;
use crate::tensor::{Map, Place, Tape, Tensor2};

/// The norm that follows a convolution.
#[derive(Clone, Debug)]
enum Norm {
    Group(Box<GroupNorm>),
    FrozenBatch(Box<FrozenBatchNorm>),
    /// Its scale and its shift are trained.
    FrozenStatistics(Box<FrozenBatchNorm>),
}

/// A convolution without bias and its norm.
#[derive(Clone, Debug)]
pub(super) struct ConvNorm {
    conv: Conv2d,
    norm: Norm,
}

impl ConvNorm {
    pub(super) fn new(
        config: &BackboneConfig,
        channels: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        rng: &mut Stream,
    ) -> Self {
        let norm = match config.norm {
            NormKind::Group => Norm::Group(Box::new(GroupNorm::new(outputs, config.norm_groups))),
            NormKind::FrozenBatch | NormKind::FrozenStatistics => {
                let (epsilon, trained) = (config.norm_epsilon as f32, config.norm.is_trained());
                let norm = Box::new(FrozenBatchNorm::new(outputs, epsilon, trained));
                match trained {
                    true => Norm::FrozenStatistics(norm),
                    false => Norm::FrozenBatch(norm),
                }
            }
        };
        Self {
            conv: Conv2d::new(channels, outputs, kernel, stride, rng),
            norm,
        }
    }

    /// The place of its parameters.
    pub(super) fn place(&self) -> Place {
        self.conv.weight.value.place()
    }

    /// Norm of the convolution of `x`, with negative values set to 0 if `relu`.
    pub(super) fn forward(&self, tape: &mut Tape, x: &Map, relu: bool) -> Map {
        match &self.norm {
            Norm::Group(norm) => {
                let y = self.conv.forward(tape, x);
                norm.forward(tape, &y, None, relu)
            }
            Norm::FrozenBatch(norm) => self.conv_scaled(tape, x, norm, relu),
            Norm::FrozenStatistics(norm) => self.conv_folded(tape, x, norm, relu),
        }
    }

    /// relu(norm(conv(`x`)) + `residual`); `residual` has the shape of the result.
    fn forward_residual(&self, tape: &mut Tape, x: &Map, residual: &Tensor2) -> Map {
        match &self.norm {
            Norm::Group(norm) => {
                let y = self.conv.forward(tape, x);
                norm.forward(tape, &y, Some(residual), true)
            }
            Norm::FrozenBatch(_) | Norm::FrozenStatistics(_) => {
                let y = self.forward(tape, x, false);
                Map {
                    data: ops::add_relu(tape, &y.data, residual),
                    ..y
                }
            }
        }
    }

    /// The convolution with the norm in its kernel and its bias, through which scale and shift have gradients.
    fn conv_folded(&self, tape: &mut Tape, x: &Map, norm: &FrozenBatchNorm, relu: bool) -> Map {
        let (kernel, bias) = norm.fold_into(tape, &self.conv.weight.value);
        self.conv.forward_of(tape, x, &kernel, &bias, relu)
    }

    /// The convolution with the folded norm as its epilogue.
    fn conv_scaled(&self, tape: &mut Tape, x: &Map, norm: &FrozenBatchNorm, relu: bool) -> Map {
        let (scale, shift) = norm.fold();
        self.conv.forward_with(
            tape,
            x,
            Epilogue {
                scale: Some(&scale),
                shift: Some(&shift),
                relu,
            },
        )
    }
}

impl Parameters for ConvNorm {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.conv.parameters(prefix, visit);
        let name = join(prefix, "norm");
        match &mut self.norm {
            Norm::Group(norm) => norm.parameters(&name, visit),
            Norm::FrozenBatch(norm) | Norm::FrozenStatistics(norm) => {
                norm.parameters(&name, visit);
            }
        }
    }
}

/// `convs` is F, `shortcut` is S.
#[derive(Clone, Debug)]
pub(super) struct Block {
    shortcut: Option<ConvNorm>,
    convs: Vec<ConvNorm>,
}

impl Block {
    /// A block from `channels` to `config.block.channels(width)` channels that divides each side by `stride`.
    pub(super) fn new(
        config: &BackboneConfig,
        channels: usize,
        width: usize,
        stride: usize,
        rng: &mut Stream,
    ) -> Self {
        let outputs = config.block.channels(width);
        // (inputs, outputs, kernel, stride) of every convolution
        let convs = match config.block {
            BlockKind::Basic => vec![(channels, width, 3, stride), (width, width, 3, 1)],
            BlockKind::Bottleneck => {
                let (first, second) = if config.stride_in_1x1 {
                    (stride, 1)
                } else {
                    (1, stride)
                };
                vec![
                    (channels, width, 1, first),
                    (width, width, 3, second),
                    (width, outputs, 1, 1),
                ]
            }
        };
        let changes = channels != outputs || stride != 1;
        Self {
            shortcut: changes.then(|| ConvNorm::new(config, channels, outputs, 1, stride, rng)),
            convs: convs
                .into_iter()
                .map(|(i, o, kernel, s)| ConvNorm::new(config, i, o, kernel, s, rng))
                .collect(),
        }
    }

    pub(super) fn forward(&self, tape: &mut Tape, x: &Map) -> Map {
        let residual = match &self.shortcut {
            Some(shortcut) => shortcut.forward(tape, x, false).data,
            None => x.data.clone(),
        };
        let (last, first) = self.convs.split_last().expect("two or three convolutions");
        let mut y = x.clone();
        for conv in first {
            y = conv.forward(tape, &y, true);
        }
        last.forward_residual(tape, &y, &residual)
    }
}

impl Parameters for Block {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        if let Some(shortcut) = &mut self.shortcut {
            shortcut.parameters(&join(prefix, "shortcut"), visit);
        }
        for (i, conv) in self.convs.iter_mut().enumerate() {
            conv.parameters(&join(prefix, &format!("conv{}", i + 1)), visit);
        }
    }
}
