//! The precision of matrix products.

use serde::{Deserialize, Serialize};

/// The precision of matrix products and convolutions on a GPU. Sums and all other ops always use `f32`. The
/// CPU supports `f32` only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 24 bits of significand.
    #[default]
    F32,
    /// 11 bits, the range of `f32`: tensor cores.
    Tf32,
    /// 8 bits, the range of `f32`: tensor cores, twice as fast.
    Bf16,
}
