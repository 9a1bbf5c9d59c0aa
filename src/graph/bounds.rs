//! Sizes that a network may have, far above every published one: a larger number is a mistake, and would ask
//! for more memory than there is. They hold for recipes and for the `config.json` of a folder alike.

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
