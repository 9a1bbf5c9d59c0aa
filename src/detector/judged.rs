//! Detections with the qualities that their scores are made of.

use crate::structures::Detection;

/// A detection and its qualities.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The detection.
    pub detection: Detection,
    /// The probability of its class.
    pub class_quality: f32,
    /// The mean probability of its pixels, or its predicted IoU where that is a factor of the score; 1 of a network
    /// that does not judge its masks.
    pub mask_quality: f32,
    /// True if no other class, and not the background either, is more likely for the same mask.
    pub is_first: bool,
}

impl Judged {
    /// The detection of a network whose score is the probability of the class alone.
    pub fn by_class(detection: Detection) -> Self {
        Self {
            class_quality: detection.score,
            mask_quality: 1.0,
            is_first: true,
            detection,
        }
    }
}
