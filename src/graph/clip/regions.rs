//! `clip`: a released CLIP as a model of regions (DICC of PL-DC, whose released code uses OpenCLIP's
//! `convnext_large_d_320`).
//!
//! `$$ v_n = h(\mathrm{pool}(f(x), m_n)), \qquad t_{cj} = \frac{\mathrm{text}(d_j(c))}{\lVert\cdot\rVert} $$`
//!
//! f are the dense features of the image tower, h is its head, and `$d_j(c)$` is the j-th description of class
//! c. Differences from the released code: the pixels are normalised as in CLIP's training (that code passes 0
//! to 255, as `normalise = false` does), and a picture is resized if its sides are not multiples of the
//! tower's cells (that code ignores the remainder).

use super::folder::{self, Released};
use super::model::Clip;
use super::preprocess::Preprocess;
use super::{ClipConfig, TextEmbeddings, VisionLanguage};
use crate::nn::params::move_to;
use crate::structures::Picture;
use crate::tensor::{Map, Place, Tensor2};
use anyhow::Result;

/// CLIP's limit on the factor of the cosine.
const MAX_SCALE: f32 = 100.0;

/// The model and its embedded descriptions.
pub struct ClipRegions {
    model: Clip,
    preprocess: Preprocess,
    size: usize,
    text: TextEmbeddings,
}

impl ClipRegions {
    /// Reads the folder and embeds the descriptions of `classes`.
    ///
    /// # Errors
    /// The folder or the file of descriptions is wrong, or a text cannot be encoded. The error names the
    /// file.
    pub fn new(config: &ClipConfig, classes: &[String]) -> Result<Self> {
        let texts = config.descriptions.texts(classes)?;
        let Released {
            model,
            tokenizer,
            preprocess,
        } = folder::open(&config.weights)?;
        let mut values = Vec::new();
        for text in texts.iter().flatten() {
            values.extend_from_slice(model.text(&tokenizer.encode(text)?).values());
        }
        let descriptions = texts.first().map_or(0, Vec::len);
        let rows = classes.len() * descriptions;
        let width = values.len() / rows.max(1);
        Ok(Self {
            model,
            preprocess: match config.normalise {
                true => preprocess,
                false => preprocess.without_normalisation(),
            },
            size: config.size,
            text: TextEmbeddings {
                classes: classes.len(),
                descriptions,
                values: Tensor2::constant(values, rows, width),
            },
        })
    }
}

impl ClipRegions {
    /// The same model with its image tower at `place`. The descriptions are embedded already.
    pub fn at(mut self, place: &Place) -> Self {
        move_to(&mut self.model, place);
        self
    }
}

impl VisionLanguage for ClipRegions {
    fn dense(&self, picture: &Picture) -> Map {
        let (height, width) = (picture.height, picture.width);
        let [rows, columns] = cells([height, width], self.size, self.model.stride());
        let picture = self.preprocess.resized(picture, rows, columns);
        self.model.dense(&self.preprocess.normalised(&picture))
    }

    fn embed(&self, pooled: &Tensor2) -> Tensor2 {
        self.model.embed(pooled)
    }

    fn text(&self) -> &TextEmbeddings {
        &self.text
    }

    fn logit_scale(&self) -> f32 {
        self.model.logit_scale().min(MAX_SCALE)
    }
}

/// The sides scaled so that the longer one is `size` (0: unchanged), then rounded to multiples of `stride`,
/// at least one.
fn cells(sides: [usize; 2], size: usize, stride: usize) -> [usize; 2] {
    let longer = sides[0].max(sides[1]).max(1);
    let wanted = if size == 0 { longer } else { size };
    sides.map(|side| {
        let side = side as f64 * wanted as f64 / longer as f64;
        let cells = libm::round(side / stride as f64).max(1.0);
        cells as usize * stride
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_whole_cells() {
        assert_eq!(cells([1024, 1024], 0, 32), [1024, 1024]);
        assert_eq!(cells([512, 1024], 320, 32), [160, 320]);
        assert_eq!(cells([480, 641], 0, 32), [480, 640]);
        assert_eq!(cells([3, 300], 224, 16), [16, 224]);
    }
}
