//! `prototypes`: class prototypes of the labelled instances on the frozen backbone, for datasets without a
//! text encoder.
//!
//! `$$ p_c = \frac{\sum_{n : c_n = c} g_n}{\|\cdot\|}, \qquad g_n = \frac{\mathrm{pool}(f(x_n), m_n)}{\|\cdot\|} $$`
//!
//! There is one "description" per class, and the shared space is the backbone's feature space. Source:
//! nearest-mean classification of prototypical networks (https://arxiv.org/abs/1703.05175) with cosines.
//!
//! Shapes: C channels of the level, K classes. The features follow a ReLU, so no cosine between them is
//! negative. A class without an instance gets the direction opposite to the mean of all prototypes. Its
//! cosine is never positive, so it never wins.

use super::{Level, PrototypesConfig, TextEmbeddings, VisionLanguage, coverage};
use crate::graph::backbone::ResNet;
use crate::graph::input::{Images, Normaliser};
use crate::ops;
use crate::structures::{Mask, Picture};
use crate::tensor::{Map, Tape, Tensor2};
use anyhow::{Result, ensure};
use std::sync::Arc;

/// The prototypes and the backbone that computes their features.
pub struct Prototypes {
    normaliser: Normaliser,
    backbone: ResNet,
    level: Level,
    scale: f32,
    text: TextEmbeddings,
}

impl Prototypes {
    /// Pools the labelled instances. `backbone` is kept as it is now, `normaliser` makes its input; `samples`
    /// are pictures with their (class, mask) pairs, read one by one and at most `config.images` of them.
    ///
    /// # Errors
    /// A sample cannot be read, or there is no labelled instance.
    pub fn new(
        config: &PrototypesConfig,
        (normaliser, backbone): (Normaliser, ResNet),
        classes: usize,
        samples: impl IntoIterator<Item = Result<(Picture, Vec<(usize, Mask)>)>>,
    ) -> Result<Self> {
        let mut sums: Vec<Vec<f32>> = vec![Vec::new(); classes];
        for sample in samples.into_iter().take(config.images) {
            let (picture, instances) = sample?;
            if instances.is_empty() {
                continue;
            }
            let (features, frame) = features(&normaliser, &backbone, config.level, &picture);
            let grid = (features.height, features.width);
            let shares = instances
                .iter()
                .flat_map(|(_, mask)| coverage(&in_frame(mask, frame), frame, grid));
            let shares = Arc::new(shares.collect());
            let pooled = ops::mask_pool(
                &mut Tape::off(),
                &features,
                &vec![0; instances.len()],
                shares,
            );
            let unit = ops::normalize_rows(&mut Tape::off(), &pooled);
            for ((class, _), row) in instances
                .iter()
                .zip(unit.host_values().chunks_exact(unit.columns()))
            {
                let sum = &mut sums[*class];
                sum.resize(row.len(), 0.0);
                sum.iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += value);
            }
        }
        ensure!(
            sums.iter().any(|sum| !sum.is_empty()),
            "no labelled instance to make a prototype of"
        );
        let text = TextEmbeddings {
            classes,
            descriptions: 1,
            values: unit_prototypes(sums),
        };
        Ok(Self {
            normaliser,
            backbone,
            level: config.level,
            scale: config.scale as f32,
            text,
        })
    }
}

impl VisionLanguage for Prototypes {
    /// The map covers exactly the picture if its sides are multiples of the backbone's coarsest stride.
    /// Otherwise it also covers the padding to the right and below.
    fn dense(&self, picture: &Picture) -> Map {
        features(&self.normaliser, &self.backbone, self.level, picture).0
    }

    fn embed(&self, pooled: &Tensor2) -> Tensor2 {
        pooled.detach()
    }

    fn text(&self) -> &TextEmbeddings {
        &self.text
    }

    fn logit_scale(&self) -> f32 {
        self.scale
    }
}

/// The features of one picture, and the size of the padded picture that they cover.
fn features(
    normaliser: &Normaliser,
    backbone: &ResNet,
    level: Level,
    picture: &Picture,
) -> (Map, (usize, usize)) {
    let Images { map: image, .. } = normaliser.pictures(&[picture], &backbone.place());
    let [.., res4, res5] = backbone.forward(&mut Tape::off(), &image);
    let map = match level {
        Level::Res4 => res4,
        Level::Res5 => res5,
    };
    (map, (image.height, image.width))
}

/// The mask with empty rows below and empty columns to the right, up to `(height, width)`.
fn in_frame(mask: &Mask, (height, width): (usize, usize)) -> Mask {
    let mut bits = vec![0; height * width];
    for (row, line) in bits
        .chunks_exact_mut(width)
        .zip(mask.bits.chunks_exact(mask.width))
    {
        row[..mask.width].copy_from_slice(line);
    }
    Mask::new(height, width, bits)
}

/// Turns sums of unit features by class (empty: no instance) into unit prototypes `[K, C]`.
fn unit_prototypes(mut sums: Vec<Vec<f32>>) -> Tensor2 {
    let width = sums.iter().map(Vec::len).max().unwrap_or(0);
    for sum in &mut sums {
        normalise(sum);
    }
    let mut opposite = vec![0.0; width];
    for sum in &sums {
        opposite
            .iter_mut()
            .zip(sum)
            .for_each(|(total, value)| *total -= value);
    }
    normalise(&mut opposite);
    let rows = sums.len();
    let values = sums
        .into_iter()
        .flat_map(|sum| {
            if sum.is_empty() {
                opposite.clone()
            } else {
                sum
            }
        })
        .collect();
    Tensor2::constant(values, rows, width)
}

/// Divides by the Euclidean length unless it is 0.
fn normalise(values: &mut [f32]) {
    let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
    if length > 0.0 {
        values.iter_mut().for_each(|v| *v /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prototypes_are_unit_means_and_a_missing_class_never_wins() {
        let text = unit_prototypes(vec![vec![3.0, 1.0], Vec::new(), vec![0.0, 2.0]]);
        let cosine = |feature: [f32; 2], class: usize| {
            let row = &text.values()[class * 2..class * 2 + 2];
            feature[0] * row[0] + feature[1] * row[1]
        };
        assert!((cosine([3.0, 1.0], 0) - 10f32.sqrt()).abs() < 1e-5);
        assert!((cosine([0.0, 1.0], 2) - 1.0).abs() < 1e-6);
        for feature in [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]] {
            assert!(
                cosine(feature, 1) < cosine(feature, 0).max(cosine(feature, 2)),
                "{feature:?}"
            );
        }
    }

    #[test]
    fn a_mask_is_padded_below_and_to_the_right() {
        let framed = in_frame(&Mask::new(1, 2, vec![1, 1]), (2, 3));
        assert_eq!(framed.bits, [1, 1, 0, 0, 0, 0]);
    }
}
