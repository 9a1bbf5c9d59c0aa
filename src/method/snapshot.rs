//! A snapshot: what a teacher and its rules say of one picture at some moment of a training, for people.
//!
//! It is a function of the teacher, the rules with their state, and the picture. It draws no random number and changes
//! nothing, so a training with snapshots is the same as one without.

use super::filter::Tier;
use crate::structures::Mask;

/// A picture as a teacher and its rules see it.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageSnapshot {
    /// The high and medium candidates in the order of the detector, then the eight best low ones with a pixel, by class
    /// quality times mask quality.
    pub candidates: Vec<CandidateSnapshot>,
    /// The number of all low candidates.
    pub low: usize,
    /// The reduction of each pixel's loss by the weighting (PMUA: u), `[height, width]` of the picture, in [0, 1]: the
    /// largest over the pseudo-labels, 0 without any. None if the weighting reduces nothing.
    pub uncertainty: Option<Vec<f32>>,
}

/// A candidate with what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CandidateSnapshot {
    /// The teacher's class.
    pub class: usize,
    /// The class after the correction.
    pub corrected: usize,
    /// Eq. 3 of PL-DC, in [0, 1].
    pub class_quality: f32,
    /// Eq. 4, in [0, 1].
    pub mask_quality: f32,
    /// The tier that the filter and the smallest area give it.
    pub tier: Tier,
    /// True if it is a pseudo-label.
    pub kept: bool,
    /// Its pixels, `[height, width]` of the picture.
    pub mask: Mask,
}
