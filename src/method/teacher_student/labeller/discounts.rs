//! What a weighting takes off the labels of an image. The labels keep the teacher's masks as it predicted them, which
//! are a sixteenth of their pixels at most, and compute the rest when their image has losses.

use super::Labeller;
use super::forms::of_grid;
use crate::detector::{Discounts, MaskTarget, Masks};
use crate::method::weighting::Weighting;
use crate::tensor::Tensor2;
use std::sync::Arc;

/// The discounts of the labels of an image.
#[derive(Debug)]
struct OfLabels {
    weighting: Box<dyn Weighting>,
    /// The teacher's masks, label by label.
    masks: Arc<dyn Masks>,
    /// The number of labels.
    count: usize,
    /// The form of the student's targets.
    target: MaskTarget,
}

impl Discounts for OfLabels {
    fn values(&self) -> Tensor2 {
        let rows: Vec<usize> = (0..self.count).collect();
        let logits = match self.target {
            MaskTarget::Full => self.masks.logits(&rows),
            MaskTarget::Quarter => of_grid(&*self.masks, &rows).logits,
        };
        let discounts = self.weighting.discounts(&logits, &rows);
        discounts.expect("a weighting that needs logits has discounts")
    }
}

impl Labeller {
    /// The discounts of labels whose masks are `rows` of the proposals' `masks`; none if the weighting takes nothing
    /// off.
    pub(super) fn discounts(
        &self,
        masks: &dyn Masks,
        rows: &[usize],
    ) -> Option<Arc<dyn Discounts>> {
        let weighting = Some(&self.weighting).filter(|rule| rule.needs_logits())?;
        Some(Arc::new(OfLabels {
            weighting: weighting.clone(),
            masks: masks.only(rows),
            count: rows.len(),
            target: self.config.mask_target,
        }))
    }
}
