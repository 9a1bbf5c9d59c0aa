//! The precision of matrix products.

use serde::{Deserialize, Serialize};

/// What matrix products and convolutions on a GPU compute with; sums are `f32` always, as are all other ops. The CPU knows `f32` alone.
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
