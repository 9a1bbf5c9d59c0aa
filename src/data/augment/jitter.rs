//! Table `[augment.jitter]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Colour jitter: brightness, contrast and saturation are factors in `1 +- value`, hue is a shift by up to
/// `value` turns in either direction.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
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
