//! What an IoU head predicts.

use crate::ops;
use crate::tensor::Tensor2;

/// The predicted IoU of the masks of some regions with their objects.
#[derive(Clone, Debug)]
pub enum IouPredictions {
    /// Logits, `[R, 1]`: the IoU is their sigmoid.
    Logits(Tensor2),
    /// The numbers for each region's own class, `[R, 1]`, of which only those in [0, 1] can be an IoU.
    Values(Tensor2),
}

impl IouPredictions {
    /// The predicted IoU of every region, in [0, 1].
    pub fn values(&self) -> Vec<f32> {
        let value = |found: f32| match self {
            Self::Logits(_) => ops::sigmoid(found),
            Self::Values(_) => found.clamp(0.0, 1.0),
        };
        let (Self::Logits(found) | Self::Values(found)) = self;
        found.host_values().iter().copied().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prediction_is_an_iou() {
        let found = || Tensor2::constant(vec![-3.0, 0.0, 0.4, 7.0], 4, 1);
        assert_eq!(
            IouPredictions::Values(found()).values(),
            [0.0, 0.0, 0.4, 1.0]
        );
        let logits = IouPredictions::Logits(found()).values();
        assert_eq!(logits[1], 0.5);
        assert!(logits[0] < 0.05 && logits[3] > 0.99, "{logits:?}");
    }
}
