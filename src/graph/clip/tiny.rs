//! `clip-tiny`: a small dual encoder, trained by the harness itself, that takes CLIP's place for the drawn
//! dataset.
//!
//! `$$ v_n = \frac{h(\mathrm{pool}(f(x), m_n))}{\|\cdot\|}, \qquad t_{c} = \frac{E\, w_{c}}{\|\cdot\|}, \qquad
//!    \ell_{n,c} = \min(e^s, 100)\, v_n^\top t_c $$`
//!
//! f is a tower of six 3x3 convolutions with group norm and ReLU, h is LayerNorm-Linear-ReLU-Linear, and w
//! are the word frequencies of a description. Training is contrastive (CLIP,
//! <https://arxiv.org/abs/2103.00020>, with regions instead of images as in RegionCLIP,
//! <https://arxiv.org/abs/2112.09106>): every region is compared with one description of each class, with
//! cross-entropy on the right one. Difference from CLIP: the negatives are the other classes' descriptions,
//! not the other regions', because many regions of a batch share a class.
//!
//! Shapes: n regions, K classes, k descriptions each, C = 128 channels of the tower, E width of the shared
//! space, V words.

use super::vocabulary::WordVocabulary;
use super::{ClipTinyConfig, TextEmbeddings, VisionLanguage, coverage};
use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::nn::{Conv2d, GroupNorm, LayerNorm, Linear, init};
use crate::ops;
use crate::rng::Stream;
use crate::structures::{Mask, Picture};
use crate::tensor::{Map, Tape, Tensor2};
use std::sync::{Arc, OnceLock};

/// Output channels and stride of every convolution of the tower. The features are at a quarter of the
/// picture's size.
pub(super) const TOWER: [(usize, usize); 6] =
    [(24, 2), (48, 1), (64, 2), (96, 1), (96, 1), (128, 1)];
const NORM_GROUPS: usize = 8;
pub(super) const KERNEL: usize = 3;
/// Both the middle and the half range of an 8-bit channel: the input pixels are in [-2, 2].
const PIXEL_MEAN: f32 = 127.5;
const PIXEL_SCALE: f32 = 63.75;
/// ln 10, while CLIP starts at ln(1 / 0.07). With fewer candidates, the start is softer.
const FIRST_LOG_SCALE: f32 = 2.3;
/// CLIP's limit on the factor of the cosine.
const MAX_SCALE: f32 = 100.0;

/// One training object.
#[derive(Clone, Debug)]
pub struct TrainingRegion {
    /// The index of its picture in the batch.
    pub image: usize,
    /// Its class.
    pub class: usize,
    /// Its pixels, at the picture's size.
    pub mask: Mask,
}

/// The dual encoder.
#[derive(Clone, Debug)]
pub struct ClipTiny {
    tower: Vec<(Conv2d, GroupNorm)>,
    norm: LayerNorm,
    hidden: Linear,
    output: Linear,
    words: Param,
    log_scale: Param,
    vocabulary: WordVocabulary,
    /// The descriptions embedded with the present weights; cleared whenever the weights may change.
    text: OnceLock<TextEmbeddings>,
}

impl ClipTiny {
    /// An untrained model. It depends only on `config.seed` and the descriptions (one list per class, equally
    /// long).
    pub fn new<'a, D: AsRef<[&'a str]>>(config: &ClipTinyConfig, descriptions: &[D]) -> Self {
        let rng = &mut Stream::new(config.seed, "clip-tiny");
        let vocabulary = WordVocabulary::new(descriptions);
        let mut channels = 3;
        let tower = TOWER.map(|(outputs, stride)| {
            let unit = (
                Conv2d::new(channels, outputs, KERNEL, stride, rng),
                GroupNorm::new(outputs, NORM_GROUPS),
            );
            channels = outputs;
            unit
        });
        let (words, width) = (vocabulary.words(), config.width);
        let embedding = init::default_uniform(words, words * width, rng);
        Self {
            tower: tower.into(),
            norm: LayerNorm::new(channels),
            hidden: Linear::new(channels, channels, rng),
            output: Linear::new(channels, width, rng),
            words: Param::new(
                ParamKind::Embedding,
                embedding,
                width,
                words,
                &[width, words],
            ),
            log_scale: Param::new(ParamKind::Bias, vec![FIRST_LOG_SCALE], 1, 1, &[]),
            vocabulary,
            text: OnceLock::new(),
        }
    }

    /// The contrastive loss `[1, 1]` of `regions` of `pictures` (all of one size): the mean cross-entropy
    /// over the classes. Each class is represented by one of its descriptions, drawn from `rng` once per
    /// call. Panics if there is no region.
    pub fn training_loss(
        &self,
        tape: &mut Tape,
        pictures: &[&Picture],
        regions: &[TrainingRegion],
        rng: &mut Stream,
    ) -> Tensor2 {
        assert!(!regions.is_empty(), "a region to learn from");
        let features = self.features(tape, pictures);
        let images: Vec<usize> = regions.iter().map(|region| region.image).collect();
        let grid = (features.height, features.width);
        let shares = regions
            .iter()
            .flat_map(|TrainingRegion { mask, .. }| coverage(mask, (mask.height, mask.width), grid))
            .collect();
        let pooled = ops::mask_pool(tape, &features, &images, Arc::new(shares));
        let embedded = self.head(tape, &pooled);
        let embedded = ops::normalize_rows(tape, &embedded);

        let drawn: Vec<usize> = (0..self.vocabulary.classes)
            .map(|_| rng.below(self.vocabulary.descriptions))
            .collect();
        let text = self.embed_text(tape, &self.vocabulary.select(&drawn));
        let cosines = ops::linear(tape, &embedded, &text, None, false);
        let scale = ops::exp_clamped(tape, &self.log_scale.value, MAX_SCALE);
        let logits = ops::scale_by(tape, &cosines, &scale);
        let classes: Vec<usize> = regions.iter().map(|region| region.class).collect();
        ops::cross_entropy(
            tape,
            &logits,
            &classes,
            &vec![1.0; classes.len()],
            classes.len() as f32,
        )
    }

    /// Pictures of one size -> the tower's features, `[B * h * w, C]`.
    fn features(&self, tape: &mut Tape, pictures: &[&Picture]) -> Map {
        let (height, width) = (pictures[0].height, pictures[0].width);
        assert!(
            pictures
                .iter()
                .all(|p| (p.height, p.width) == (height, width)),
            "pictures of one size"
        );
        let pixels = pictures
            .iter()
            .flat_map(|p| &p.pixels)
            .map(|p| (f32::from(*p) - PIXEL_MEAN) / PIXEL_SCALE)
            .collect();
        let pixels = Tensor2::constant(pixels, pictures.len() * height * width, 3);
        let images = Map::new(pixels, pictures.len(), height, width);
        self.tower.iter().fold(images, |x, (conv, norm)| {
            let y = conv.forward(tape, &x);
            norm.forward(tape, &y, None, true)
        })
    }

    /// Pooled features `[n, C]` -> `[n, E]`.
    fn head(&self, tape: &mut Tape, pooled: &Tensor2) -> Tensor2 {
        let x = self.norm.forward(tape, pooled, None);
        let x = self.hidden.forward_relu(tape, &x);
        self.output.forward(tape, &x)
    }

    /// Word frequencies `[n, V]` -> `[n, E]`, rows L2-normalised.
    fn embed_text(&self, tape: &mut Tape, frequencies: &Tensor2) -> Tensor2 {
        let mean = ops::linear(tape, frequencies, &self.words.value, None, false);
        ops::normalize_rows(tape, &mean)
    }
}

impl VisionLanguage for ClipTiny {
    fn dense(&self, picture: &Picture) -> Map {
        self.features(&mut Tape::off(), &[picture])
    }

    fn embed(&self, pooled: &Tensor2) -> Tensor2 {
        self.head(&mut Tape::off(), pooled)
    }

    fn text(&self) -> &TextEmbeddings {
        self.text.get_or_init(|| TextEmbeddings {
            classes: self.vocabulary.classes,
            descriptions: self.vocabulary.descriptions,
            values: self.embed_text(&mut Tape::off(), &self.vocabulary.frequencies),
        })
    }

    fn logit_scale(&self) -> f32 {
        self.log_scale.value.scalar().exp().min(MAX_SCALE)
    }
}

impl Parameters for ClipTiny {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.text = OnceLock::new();
        for (i, (conv, norm)) in self.tower.iter_mut().enumerate() {
            conv.parameters(&join(prefix, &format!("visual.{i}.conv")), visit);
            norm.parameters(&join(prefix, &format!("visual.{i}.norm")), visit);
        }
        self.norm.parameters(&join(prefix, "head.norm"), visit);
        self.hidden.parameters(&join(prefix, "head.hidden"), visit);
        self.output.parameters(&join(prefix, "head.output"), visit);
        visit(&join(prefix, "text.words"), &mut self.words);
        visit(&join(prefix, "logit_scale"), &mut self.log_scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIPTIONS: [[&str; 2]; 2] = [["red box", "a box"], ["blue disc", "a disc"]];

    fn config() -> ClipTinyConfig {
        ClipTinyConfig {
            steps: 1,
            images: 1,
            seed: 5,
            batch: 1,
            rate: 0.01,
            width: 8,
        }
    }

    #[test]
    fn shapes_and_norms() {
        let clip = ClipTiny::new(&config(), &DESCRIPTIONS);
        let dense = clip.dense(&Picture::new(12, 20, vec![90; 12 * 20 * 3]));
        assert_eq!(
            (dense.batch, dense.height, dense.width, dense.channels()),
            (1, 3, 5, 128)
        );
        let embedded = clip.embed(&Tensor2::constant(vec![0.5; 3 * 128], 3, 128));
        assert_eq!((embedded.rows(), embedded.columns()), (3, 8));
        let text = clip.text();
        assert_eq!(
            (text.classes, text.descriptions, text.values.rows()),
            (2, 2, 4)
        );
        for row in text.values.values().chunks_exact(8) {
            assert!(
                (row.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-4,
                "{row:?}"
            );
        }
        assert!((clip.logit_scale() - 2.3f32.exp()).abs() < 1e-4);
    }

    #[test]
    fn changed_weights_change_the_text() {
        let mut clip = ClipTiny::new(&config(), &DESCRIPTIONS);
        let before = clip.text().values.values().to_vec();
        clip.parameters("", &mut |name, param| {
            if name == "text.words" {
                param.value.values_mut().reverse();
            }
        });
        assert_ne!(clip.text().values.values(), before);
    }

    #[test]
    fn the_gradient_reaches_every_parameter() {
        let mut clip = ClipTiny::new(&config(), &DESCRIPTIONS);
        let picture = Picture::new(8, 8, (0..192).map(|i| (i * 37 % 251) as u8).collect());
        let half: Vec<u8> = (0..64).map(|i| u8::from(i % 8 < 4)).collect();
        let other = half.iter().map(|bit| 1 - bit).collect();
        let regions = [(0, half), (1, other)].map(|(class, bits)| TrainingRegion {
            image: 0,
            class,
            mask: Mask::new(8, 8, bits),
        });
        let mut tape = Tape::recording();
        let loss = clip.training_loss(
            &mut tape,
            &[&picture],
            &regions,
            &mut Stream::new(1, "test"),
        );
        let mut grads = tape.backward(&loss);
        clip.parameters("", &mut |name, param| {
            assert!(
                param.value.gradient(&mut grads).iter().any(|g| *g != 0.0),
                "no gradient in {name}"
            );
        });
    }
}
