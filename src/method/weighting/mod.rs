//! Slot `weighting`: how much every pseudo-label counts in the losses, and every pixel of its mask.

mod boundary;
mod dynamic_align;
mod gate;
mod uncertainty;
mod uniform;

use crate::detector::{MaskLoss, Negative, ObjectWeights};
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
    fn discounts(&self, _logits: &Tensor2, _rows: &[usize]) -> Option<Tensor2> {
        None
    }

    /// Returns true if [`Self::discounts`] takes something off: the rule needs the teacher while the student learns.
    fn needs_logits(&self) -> bool {
        false
    }

    /// The form of the mask loss of pseudo-masks.
    fn mask_loss(&self) -> MaskLoss {
        MaskLoss::default()
    }

    /// The form of the mask loss of annotated masks, in steps with a teacher.
    fn labelled_mask_loss(&self) -> MaskLoss {
        MaskLoss::default()
    }

    /// The weights of a pseudo-label with these qualities (PL-DC eq. 3 and 4), of the teacher's own class; `None`: 1,
    /// for all labels alike.
    fn of_label(&self, _class_quality: f32, _mask_quality: f32) -> Option<ObjectWeights> {
        None
    }

    /// The weight, in the class loss, of outputs to which no pseudo-label is assigned.
    fn negative(&self) -> Negative {
        Negative::Own
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
    Entry {
        name: "boundary",
        about: "Noisy Boundaries: pixels count more at the boundary of the student's own mask",
        build: boundary::build,
    },
    Entry {
        name: "dynamic-align",
        about: "PAIS: pseudo-labels count by powers of the teacher's qualities",
        build: dynamic_align::build,
    },
    Entry {
        name: "gate",
        about: "Polite Teacher: a pseudo-label teaches masks only if its mask quality is above a threshold",
        build: gate::build,
    },
];
