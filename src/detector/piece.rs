//! The losses of a part whose images go through the network piece by piece.
//!
//! `$$ L = \sum_k \frac{S_k}{D}, \qquad \nabla L = \sum_k \nabla \frac{S_k}{D} $$`
//!
//! S_k: the sum of the losses of the images of piece k; D: the divisor of the whole part. No layer mixes images, so the
//! gradients of all pieces add up to that of the whole part if D is known before the first of them. The mean of the
//! losses of the pieces would be another loss: pieces differ in their numbers of objects.
//!
//! Some divisors follow from the targets. Others depend on what the network says of the images, such as the number of
//! regions that are sampled: all pieces are then counted ([`Pending::count`]) before the first one has losses.
//!
//! [`Pending::count`]: super::Pending::count

use crate::rng::Stream;
use std::ops::Range;

/// Some images of a part that go through the network without the others.
#[derive(Clone, Debug)]
pub struct Piece<'a> {
    /// The places of its images among those of the part. They are the first images of the batch.
    pub images: Range<usize>,
    /// The random numbers of the whole part.
    pub draws: Stream,
    /// What all pieces of the part have been counted to be. While they are counted: the pieces before this one.
    pub survey: &'a Survey,
    /// The number of objects by which losses of masks are divided, if the part does not decide it alone: the mean over
    /// several parts that learn side by side.
    pub objects: Option<f32>,
}

/// What the pieces of a part have to know of each other.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Sums over all pieces, in an order of the detector's own.
    pub sums: Vec<f64>,
    /// The random numbers from which the draws of an image of the part go on: lists of the detector's own, with a
    /// stream for each image.
    pub draws: Vec<Vec<Stream>>,
}

impl Survey {
    /// The same with the sums of a further piece.
    pub fn plus(mut self, sums: &[f64]) -> Self {
        self.sums.resize(sums.len(), 0.0);
        for (all, own) in self.sums.iter_mut().zip(sums) {
            *all += own;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_add_up() {
        let survey = Survey::default().plus(&[1.0, 2.0]).plus(&[0.5, 0.0]);
        assert_eq!(survey.sums, [1.5, 2.0]);
    }
}
