//! The table `[augment]` of a recipe.

use crate::registry::ComponentError;
use serde::{Deserialize, Serialize};

/// The geometry of the weak view and the photometry of the strong view.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AugmentConfig {
    /// The side of the square training image in pixels.
    pub size: usize,
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
}

/// A distribution between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScaleDistribution {
    /// The logarithm of the factor is uniform: halving is as likely as doubling.
    LogUniform,
    /// All factors are equally likely.
    Uniform,
}

/// The content of erased pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// Random bytes.
    Noise,
    /// The grey of the padding.
    Grey,
}

/// Colour jitter: brightness, contrast and saturation are factors in `1 +- value`, hue is a shift by up to
/// `value` turns in either direction.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Jitter {
    /// The probability of any jitter.
    pub probability: f64,
    /// Half range of the brightness factor.
    pub brightness: f64,
    /// Half range of the contrast factor.
    pub contrast: f64,
    /// Half range of the saturation factor.
    pub saturation: f64,
    /// Largest shift of the hue, in turns.
    pub hue: f64,
}

/// Gaussian blur.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Blur {
    /// The probability of a blur.
    pub probability: f64,
    /// The bounds of the standard deviation in pixels.
    pub sigma: [f64; 2],
}

/// One rectangle replaced by noise.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Erasing {
    /// The probability of this erasing.
    pub probability: f64,
    /// The bounds of its area as a fraction of the image.
    pub area: [f64; 2],
    /// The bounds of height / width. The logarithm is uniform.
    pub aspect: [f64; 2],
}

impl AugmentConfig {
    /// # Errors
    /// The first key out of range. The message says what is allowed.
    pub fn check(&self) -> Result<(), ComponentError> {
        if self.size == 0 {
            return Err(ComponentError::new("size", "0 pixels; allowed: 1 or more"));
        }
        positive_range("scale", self.scale)?;
        positive_range("blur.sigma", self.blur.sigma)?;
        probability("flip", self.flip)?;
        probability("scale-probability", self.scale_probability)?;
        probability("grayscale", self.grayscale)?;
        probability("blur.probability", self.blur.probability)?;
        probability("jitter.probability", self.jitter.probability)?;
        within("jitter.brightness", self.jitter.brightness, 1.0)?;
        within("jitter.contrast", self.jitter.contrast, 1.0)?;
        within("jitter.saturation", self.jitter.saturation, 1.0)?;
        within("jitter.hue", self.jitter.hue, 0.5)?;
        for (index, erasing) in self.cutout.iter().enumerate() {
            probability(&format!("cutout[{index}].probability"), erasing.probability)?;
            positive_range(&format!("cutout[{index}].area"), erasing.area)?;
            within(&format!("cutout[{index}].area[1]"), erasing.area[1], 1.0)?;
            positive_range(&format!("cutout[{index}].aspect"), erasing.aspect)?;
        }
        Ok(())
    }
}

fn probability(key: &str, value: f64) -> Result<(), ComponentError> {
    within(key, value, 1.0)
}

fn within(key: &str, value: f64, most: f64) -> Result<(), ComponentError> {
    if (0.0..=most).contains(&value) {
        return Ok(());
    }
    Err(ComponentError::new(
        key,
        format!("{value}; allowed: 0 to {most}"),
    ))
}

fn positive_range(key: &str, [low, high]: [f64; 2]) -> Result<(), ComponentError> {
    if low > 0.0 && low <= high && high.is_finite() {
        return Ok(());
    }
    Err(ComponentError::new(
        key,
        format!("[{low}, {high}]; allowed: two numbers, 0 < low <= high"),
    ))
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
        assert_eq!(good.check(), Ok(()));
        let wrong = |edit: fn(&mut AugmentConfig)| {
            let mut config = from_recipe();
            edit(&mut config);
            config.check().unwrap_err().key
        };
        assert_eq!(wrong(|config| config.size = 0), "size");
        assert_eq!(wrong(|config| config.scale = [2.0, 1.0]), "scale");
        assert_eq!(wrong(|config| config.flip = f64::NAN), "flip");
        assert_eq!(wrong(|config| config.jitter.hue = 0.6), "jitter.hue");
        assert_eq!(
            wrong(|config| config.cutout[1].area = [0.1, 1.5]),
            "cutout[1].area[1]"
        );
    }
}
