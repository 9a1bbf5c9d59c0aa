//! The student's outputs for the labelled and the unlabelled images of a step.
//!
//! They are one forward pass over the concatenated batch where the sizes agree: no layer mixes images (group, layer and
//! frozen batch normalisation), and the losses of the two parts are normalised apart.

use super::device_batch::DeviceBatch;
use crate::detector::{Detector, Output};
use crate::tensor::Tape;
use std::ops::Range;

/// The outputs for both kinds of images.
pub(super) struct TwoKinds {
    /// For the labelled images, and for all if the sizes agree.
    pub labelled: Box<dyn Output>,
    /// For the unlabelled images, if they were looked at apart.
    apart: Option<Box<dyn Output>>,
    /// The unlabelled images in [`Self::unlabelled`].
    pub unlabelled_images: Range<usize>,
    /// Rows and columns of the padded input of the labelled images.
    pub labelled_size: (usize, usize),
    /// Rows and columns of the padded input of the unlabelled images.
    pub unlabelled_size: (usize, usize),
}

impl TwoKinds {
    /// The outputs of `student` for the batch `sent`.
    pub fn of(tape: &mut Tape, student: &dyn Detector, sent: &DeviceBatch) -> Self {
        let labelled = sent.batch.labelled.len();
        let unlabelled = sent.batch.unlabelled.len() + sent.batch.pseudo.len();
        if sent.is_of_one_size() {
            let images = sent.all(student);
            return Self {
                labelled: student.forward(tape, &images),
                apart: None,
                unlabelled_images: labelled..labelled + unlabelled,
                labelled_size: images.padded(),
                unlabelled_size: images.padded(),
            };
        }
        let (images, others) = (sent.labelled(student), sent.strong(student));
        Self {
            labelled: student.forward(tape, &images),
            apart: Some(student.forward(tape, &others)),
            unlabelled_images: 0..unlabelled,
            labelled_size: images.padded(),
            unlabelled_size: others.padded(),
        }
    }

    /// The output for the unlabelled images.
    pub fn unlabelled(&self) -> &dyn Output {
        &**self.apart.as_ref().unwrap_or(&self.labelled)
    }
}
