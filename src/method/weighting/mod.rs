//! Slot `weighting`: how much every pixel of a pseudo-mask counts in the mask loss.

mod uncertainty;
mod uniform;

use crate::detector::MaskLoss;
use crate::registry::Entry;
use crate::tensor::Tensor2;
use dyn_clone::DynClone;
use std::fmt::Debug;

/// A weighting rule.
///
/// The rule of a recipe is made once; every training gets a copy of it.
pub trait Weighting: DynClone + Debug + Send + Sync {
    /// The part of each pixel's loss that is taken off the masks `rows` of the teacher's `logits`
    /// `[N, height * width]`: `[rows, height * width]`; `None`: nothing.
    fn discounts(&self, logits: &Tensor2, rows: &[usize]) -> Option<Tensor2>;

    /// The form of the mask loss of pseudo-masks.
    fn mask_loss(&self) -> MaskLoss {
        MaskLoss::default()
    }
}

dyn_clone::clone_trait_object!(Weighting);

/// The weightings that a recipe can name.
pub const WEIGHTINGS: &[Entry<Box<dyn Weighting>>] = &[
    Entry {
        name: "uniform",
        about: "every pixel of a pseudo-mask counts the same",
        build: uniform::build,
    },
    Entry {
        name: "uncertainty",
        about: "PMUA: pixels count less where the teacher is undecided",
        build: uncertainty::build,
    },
];
