//! Sizes that a network may have, far above every published one: a larger number is a mistake, and would ask
//! for more memory than there is. They hold for recipes and for the `config.json` of a folder alike.

use crate::registry::Check;
use std::ops::{RangeFrom, RangeInclusive};

/// Object queries.
pub const QUERIES: RangeInclusive<usize> = 1..=10_000;
/// Channels, features, attention heads and groups.
pub const WIDTHS: RangeInclusive<usize> = 1..=8192;
/// Hidden features of a feed-forward layer.
pub const HIDDEN_WIDTHS: RangeInclusive<usize> = 1..=65_536;
/// Layers of a transformer, blocks of a stage.
pub const LAYERS: RangeInclusive<usize> = 1..=256;
/// Sampling points per level and head.
pub const POINTS: RangeInclusive<usize> = 1..=64;
/// Words of a vocabulary, classes of a dataset.
pub const WORDS: RangeInclusive<usize> = 1..=1_000_000;
/// Pixels of the side of a picture or of a patch.
pub const SIDES: RangeInclusive<usize> = 1..=8192;
/// Pixels of a length in a picture.
pub const LENGTHS: RangeInclusive<f32> = 1.0..=8192.0;
/// Standard deviations of colours, 0 to 255. The values of pictures are divided by them.
pub const DEVIATIONS: RangeFrom<f64> = 1e-3..;

/// Parameters of a whole network, without the layers that depend on the number of classes. The largest published
/// detector has 3 billion (<https://arxiv.org/abs/2211.05778>).
const MOST_PARAMETERS: f64 = 4e9;
const BILLION: f64 = 1e9;

/// A part of a network.
pub struct Part {
    /// The keys that determine its size, the most important one first.
    pub keys: &'static [&'static str],
    /// The number of its parameters, counted from the keys.
    pub parameters: f64,
}

/// Refuses a network whose `parts` together have too many parameters, although each key is in its range. The error is
/// at the first key of the largest part.
pub fn check_parameters(check: &mut Check, parts: &[Part]) {
    let total: f64 = parts.iter().map(|part| part.parameters).sum();
    let largest = parts
        .iter()
        .max_by(|a, b| a.parameters.total_cmp(&b.parameters));
    if let Some(Part { keys, parameters }) = largest.filter(|_| total > MOST_PARAMETERS) {
        let quoted: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        let message = format!(
            "the network would have {:.1} billion parameters; allowed: at most {} billion. {:.1} billion of them are \
             given by {}",
            total / BILLION,
            MOST_PARAMETERS / BILLION,
            parameters / BILLION,
            quoted.join(", ")
        );
        check.refuse(keys[0], message);
    }
}
