//! The table `[augment]` of a recipe.

use super::affine::Affine;
use super::colour_choice::ColourChoice;
use super::holes::Holes;
use super::jitter::Jitter;
use super::size::{ImageSize, LARGEST_SIZE};
use crate::registry::{Check, Checked, above};
use crate::structures::LARGEST_SIDE;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The geometry of the weak view and the photometry of the strong view.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AugmentConfig {
    /// The size of the training image in pixels.
    pub size: ImageSize,
    /// The choice of scale and crop.
    pub geometry: GeometryKind,
    /// The shorter sides of the resized image, one of which is drawn, for the geometry `shorter-side`.
    pub shorter: Vec<usize>,
    /// The bound of its longer side, for the geometry `shorter-side`.
    pub longer: usize,
    /// The probability of mirroring the image.
    pub flip: f64,
    /// The bounds of the scale jitter.
    pub scale: [f64; 2],
    /// The distribution of the scale between the bounds.
    pub scale_distribution: ScaleDistribution,
    /// The probability of a scale jitter. Without it, the image just fits.
    pub scale_probability: f64,
    /// The grey level of the padding.
    pub pad_value: u8,
    /// The colours of the weak view.
    pub weak_colour: WeakColour,
    /// An object with fewer visible pixels after the crop is dropped.
    pub min_area: usize,
    /// Colour jitter of the strong view.
    pub jitter: Jitter,
    /// The probability that the strong view is grey.
    pub grayscale: f64,
    /// Blur of the strong view.
    pub blur: Blur,
    /// The erasings of the strong view, one after another (CutOut).
    pub cutout: Vec<Erasing>,
    /// The content of erased pixels.
    pub cutout_fill: Fill,
    /// One operation of a published list on the colours of the strong view, after jitter, grey and blur.
    pub colour: ColourChoice,
    /// The affine maps of the strong view and its masks: before or after `colour`, in random order, and before
    /// erasings.
    pub affine: Affine,
    /// Rectangles of one colour in the strong view, after all else.
    pub holes: Holes,
    /// The geometry of the student's view of an unlabelled image.
    pub teacher_geometry: TeacherGeometry,
}

/// A choice of scale and crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GeometryKind {
    /// The image fits into the training image, times a random factor (COCO's large-scale jitter). A larger one is
    /// cropped with one draw for both axes.
    ScaleJitter,
    /// The shorter side has one of several lengths (Cityscapes). A larger image is cropped with a draw for each axis.
    ShorterSide,
}

/// The geometry of the student's view of an unlabelled image: flip, scale and crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TeacherGeometry {
    /// That of the teacher's view.
    Shared,
    /// A draw of its own; pseudo-labels follow from the one geometry to the other (PAIS).
    Independent,
}

/// A distribution between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScaleDistribution {
    /// The logarithm of the factor is uniform: halving is as likely as doubling.
    LogUniform,
    /// All factors are equally likely.
    Uniform,
}

/// The colours of the weak view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WeakColour {
    /// Those of the picture.
    None,
    /// Changed as for SSD, as in Cityscapes' training.
    Ssd,
}

/// The content of erased pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// Random bytes.
    Noise,
    /// The grey of the padding.
    Grey,
}

/// Gaussian blur.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Blur {
    /// The probability of a blur.
    pub probability: f64,
    /// The bounds of the standard deviation in pixels.
    pub sigma: [f64; 2],
}

/// One rectangle replaced by noise.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Erasing {
    /// The probability of this erasing.
    pub probability: f64,
    /// The bounds of its area as a fraction of the image.
    pub area: [f64; 2],
    /// The bounds of height / width. The logarithm is uniform.
    pub aspect: [f64; 2],
}

/// Largest factor of the scale jitter: the scaled image is held in memory.
const MOST_SCALE: f64 = 16.0;
/// Largest standard deviation of a blur, in pixels.
const MOST_SIGMA: f64 = 1000.0;
/// Largest ratio of the sides of an erased rectangle.
const MOST_ASPECT: f64 = 1000.0;

impl Checked for AugmentConfig {
    fn check(&self, check: &mut Check) {
        check.range("size", self.size.height, 1..=LARGEST_SIZE);
        if !self.size.is_square() {
            check.range("size", self.size.width, 1..=LARGEST_SIZE);
        }
        let some = !self.shorter.is_empty();
        check.require(some, "shorter", "[]", "at least one length in pixels");
        for shorter in &self.shorter {
            check.range("shorter", *shorter, 1..=LARGEST_SIZE);
        }
        check.range("longer", self.longer, 1..=LARGEST_SIZE);
        check.range("flip", self.flip, 0.0..=1.0);
        check.interval("scale", self.scale, above(0.0, MOST_SCALE));
        check.range("scale-probability", self.scale_probability, 0.0..=1.0);
        check.range("min-area", self.min_area, 0..=LARGEST_SIDE * LARGEST_SIDE);
        check.range("jitter.probability", self.jitter.probability, 0.0..=1.0);
        check.range("jitter.brightness", self.jitter.brightness, 0.0..=1.0);
        check.range("jitter.contrast", self.jitter.contrast, 0.0..=1.0);
        check.range("jitter.saturation", self.jitter.saturation, 0.0..=1.0);
        check.range("jitter.hue", self.jitter.hue, 0.0..=0.5);
        check.range("grayscale", self.grayscale, 0.0..=1.0);
        check.range("blur.probability", self.blur.probability, 0.0..=1.0);
        check.interval("blur.sigma", self.blur.sigma, above(0.0, MOST_SIGMA));
        for (index, erasing) in self.cutout.iter().enumerate() {
            check.within(&format!("cutout[{index}]"), |check| {
                check.range("probability", erasing.probability, 0.0..=1.0);
                check.interval("area", erasing.area, above(0.0, 1.0));
                check.interval("aspect", erasing.aspect, above(0.0, MOST_ASPECT));
            });
        }
        let probability = self.colour.probability;
        check.range("colour.probability", probability, 0.0..=1.0);
        check.within("affine", |check| self.affine.check(check));
        check.within("holes", |check| self.holes.check(check));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The defaults of `recipes/pl-dc.toml`.
    pub fn from_recipe() -> AugmentConfig {
        let recipe: toml::Table = include_str!("../../../recipes/pl-dc.toml").parse().unwrap();
        recipe["augment"].clone().try_into().unwrap()
    }

    #[test]
    fn the_defaults_are_allowed_and_wrong_values_are_named() {
        let good = from_recipe();
        assert_eq!(good.checked(), Ok(()));
        let wrong = |edit: fn(&mut AugmentConfig)| {
            let mut config = from_recipe();
            edit(&mut config);
            config.checked().unwrap_err()[0].key.clone()
        };
        assert_eq!(wrong(|config| config.size = ImageSize::square(0)), "size");
        assert_eq!(wrong(|config| config.size.width = 0), "size");
        assert_eq!(wrong(|config| config.shorter.clear()), "shorter");
        assert_eq!(wrong(|config| config.shorter.push(0)), "shorter");
        assert_eq!(wrong(|config| config.longer = 0), "longer");
        assert_eq!(wrong(|config| config.scale = [2.0, 1.0]), "scale");
        assert_eq!(wrong(|config| config.flip = f64::NAN), "flip");
        assert_eq!(wrong(|config| config.jitter.hue = 0.6), "jitter.hue");
        assert_eq!(
            wrong(|config| config.cutout[1].area = [0.1, 1.5]),
            "cutout[1].area"
        );
        let colour = |config: &mut AugmentConfig| config.colour.probability = 1.5;
        assert_eq!(wrong(colour), "colour.probability");
        assert_eq!(wrong(|config| config.holes.count = [3, 2]), "holes.count");
        assert_eq!(
            wrong(|config| config.affine.rotate = 181.0),
            "affine.rotate"
        );
        assert_eq!(
            wrong(|config| config.affine.shear[1] = 81.0),
            "affine.shear"
        );
        let no_amount = |config: &mut AugmentConfig| {
            config.affine = Affine {
                probability: 0.5,
                translate: 0.0,
                rotate: 0.0,
                shear: [0.0; 2],
                ..config.affine.clone()
            }
        };
        assert_eq!(wrong(no_amount), "affine.probability");
        let in_box = |config: &mut AugmentConfig| {
            (config.affine.probability, config.affine.in_box.share) = (0.5, 0.5);
            let own = &mut config.affine.in_box;
            (own.translate, own.rotate, own.shear) = (0.0, 0.0, [0.0; 2]);
        };
        assert_eq!(wrong(in_box), "affine.in-box.share");
    }
}
