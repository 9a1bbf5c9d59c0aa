//! CLIP (https://arxiv.org/abs/2103.00020): an image tower and a text tower that map into one space.
//!
//! `$$ \ell_{it} = e^s\, \frac{v_i^\top t_t}{\lVert v_i \rVert\, \lVert t_t \rVert} $$`
//!
//! Shapes: E width of the shared space. The parameters have OpenAI's and OpenCLIP's names: `visual.*`, the
//! text tower's at the root, `logit_scale`.

use super::convnext::{ConvNext, ConvNextSizes};
use super::text::{TextSizes, TextTower};
use super::transformer::TransformerSizes;
use super::vit::{Vit, VitSizes};
use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::ops;
use crate::tensor::{Map, Tape, Tensor2};

/// The sizes of both towers.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipSizes {
    /// The image tower.
    pub image: ImageSizes,
    /// The text tower.
    pub text: TextSizes,
    /// E.
    pub shared: usize,
}

impl ClipSizes {
    /// The approximate number of parameters: all matrices. It is a float because a wrong size may be huge.
    pub fn parameters(&self) -> f64 {
        let product = |factors: &[usize]| factors.iter().map(|f| *f as f64).product::<f64>();
        let transformer = |sizes: &TransformerSizes| {
            let block =
                product(&[4, sizes.width, sizes.width]) + product(&[2, sizes.width, sizes.hidden]);
            sizes.layers as f64 * block
        };
        let text = &self.text;
        let embeddings = product(&[text.vocabulary, text.transformer.width])
            + product(&[text.context, text.transformer.width]);
        let image = match &self.image {
            ImageSizes::Vit(vit) => {
                let (side, width) = (vit.image / vit.patch, vit.transformer.width);
                transformer(&vit.transformer)
                    + product(&[side, side, width])
                    + product(&[3, vit.patch, vit.patch, width])
            }
            ImageSizes::ConvNext(sizes) => {
                let stages = sizes.widths.iter().zip(&sizes.depths);
                stages
                    .map(|(width, depth)| product(&[8, *depth, *width, *width]))
                    .sum()
            }
        };
        transformer(&text.transformer) + embeddings + image
    }
}

/// The sizes of the image tower.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageSizes {
    /// A vision transformer.
    Vit(VitSizes),
    /// OpenCLIP's ConvNeXt.
    ConvNext(ConvNextSizes),
}

/// The dual encoder, for inference.
#[derive(Clone, Debug)]
pub struct Clip {
    image: ImageTower,
    text: TextTower,
    logit_scale: Param,
}

#[derive(Clone, Debug)]
enum ImageTower {
    Vit(Vit),
    ConvNext(ConvNext),
}

impl Clip {
    /// All weights are 0, to be filled from a file.
    pub fn new(sizes: &ClipSizes) -> Self {
        Self {
            image: match &sizes.image {
                ImageSizes::Vit(image) => ImageTower::Vit(Vit::new(image, sizes.shared)),
                ImageSizes::ConvNext(image) => {
                    ImageTower::ConvNext(ConvNext::new(image, sizes.shared))
                }
            },
            text: TextTower::new(&sizes.text, sizes.shared),
            logit_scale: Param::new(ParamKind::Bias, vec![0.0], 1, 1, &[]),
        }
    }

    /// One normalised picture `[1 * H * W, 3]` -> `[1, E]` of length 1.
    pub fn image(&self, pixels: &Map) -> Tensor2 {
        let tape = &mut Tape::off();
        let embedded = match &self.image {
            ImageTower::Vit(tower) => tower.embed_image(tape, pixels),
            ImageTower::ConvNext(tower) => tower.embed_image(tape, pixels),
        };
        ops::normalize_rows(tape, &embedded)
    }

    /// Token ids of one text -> `[1, E]` of length 1. Panics if [`TextTower::forward`] refuses the ids.
    pub fn text(&self, ids: &[u32]) -> Tensor2 {
        let tape = &mut Tape::off();
        let embedded = self.text.forward(tape, ids);
        ops::normalize_rows(tape, &embedded)
    }

    /// One normalised picture -> its dense features, before [`Self::embed`].
    pub fn dense(&self, pixels: &Map) -> Map {
        match &self.image {
            ImageTower::Vit(tower) => tower.dense(&mut Tape::off(), pixels),
            ImageTower::ConvNext(tower) => tower.dense(&mut Tape::off(), pixels),
        }
    }

    /// Pooled dense features `[n, C]` -> `[n, E]`, not normalised.
    pub fn embed(&self, pooled: &Tensor2) -> Tensor2 {
        match &self.image {
            ImageTower::Vit(tower) => tower.embed(&mut Tape::off(), pooled),
            ImageTower::ConvNext(tower) => tower.embed(&mut Tape::off(), pooled),
        }
    }

    /// The number of pixels along a side of a cell of the dense features.
    pub fn stride(&self) -> usize {
        match &self.image {
            ImageTower::Vit(tower) => tower.sizes().patch,
            ImageTower::ConvNext(tower) => tower.stride(),
        }
    }

    /// The factor of the cosine, `$e^s$`.
    pub fn logit_scale(&self) -> f32 {
        self.logit_scale.value.scalar().exp()
    }

    /// The sizes of the text tower.
    pub fn text_sizes(&self) -> &TextSizes {
        self.text.sizes()
    }
}

impl Parameters for Clip {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        let visual = join(prefix, "visual");
        match &mut self.image {
            ImageTower::Vit(tower) => tower.parameters(&visual, visit),
            ImageTower::ConvNext(tower) => tower.parameters(&visual, visit),
        }
        self.text.parameters(prefix, visit);
        visit(&join(prefix, "logit_scale"), &mut self.logit_scale);
    }
}
