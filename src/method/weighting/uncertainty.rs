//! Weighting `uncertainty`: PMUA of PL-DC.
//!
//! `$$ u = 1 - 2\,|\sigma(q) - 0.5| \quad (13), \qquad
//!    L = \frac{1}{P} \sum_i (1 - u_i)\, \mathrm{BCE}(t_i, M_i) \quad (14) $$`
//!
//! q: the teacher's mask logit ([`crate::ops::uncertainty`]). The paper's eq. 14 runs over all pixels and
//! divides by their number and that of the queries. The released code sums over the sampled points of a
//! matched mask and divides by their number and that of the masks. In neither is the sum divided by that of
//! the weights; dice is not weighted.

use super::Weighting;
use crate::detector::MaskLoss;
use crate::ops;
use crate::registry::{self, Checked, ComponentErrors};
use crate::tensor::Tensor2;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, Clone, Debug, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Uncertainty {
    /// Divide by the mean weight of the sampled points: then the rule changes where the loss looks, but not
    /// how much it weighs.
    renormalise: bool,
    /// The points where the mask loss of a pseudo-label is computed.
    points: Points,
    /// The divisor of the sum over the masks.
    divisor: Divisor,
}

/// The points where the loss is computed.
#[derive(Deserialize, Clone, Copy, PartialEq, Debug, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Points {
    /// At undecided pixels of the student, as the loss of annotated masks.
    Importance,
    /// Anywhere: an estimate of the mean over all pixels.
    Uniform,
}

/// The divisor of the sum over the masks.
#[derive(Deserialize, Clone, Copy, PartialEq, Debug, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Divisor {
    /// The number of pseudo-masks of the batch.
    Masks,
    /// The number of queries, Q of eq. 14.
    Queries,
}

impl Checked for Uncertainty {}

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Weighting>, ComponentErrors> {
    Ok(Box::new(registry::read::<Uncertainty>(table)?))
}

impl Weighting for Uncertainty {
    fn discounts(&self, logits: &Tensor2, rows: &[usize]) -> Option<Tensor2> {
        Some(ops::uncertainties(logits, rows))
    }

    fn needs_logits(&self) -> bool {
        true
    }

    fn mask_loss(&self) -> MaskLoss {
        MaskLoss {
            renormalise: self.renormalise,
            uniform_points: self.points == Points::Uniform,
            per_query: self.divisor == Divisor::Queries,
            boundary: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::bce_points;
    use crate::tensor::Tape;
    use proptest::prelude::*;

    /// The loss of one mask and its gradient for the student's logits.
    fn loss(logits: &[f32], targets: &[f32], weights: Option<Vec<f32>>) -> (f32, Vec<f32>) {
        let input = Tensor2::parameter(logits.to_vec(), 1, logits.len());
        let mut tape = Tape::recording();
        let row = |values: &[f32]| Tensor2::constant(values.to_vec(), 1, values.len());
        let weights = weights.as_deref().map(row);
        let loss = bce_points(&mut tape, &input, &row(targets), weights.as_ref(), 1.0);
        let mut grads = tape.backward(&loss);
        (loss.scalar(), input.gradient(&mut grads))
    }

    fn points() -> impl Strategy<Value = Vec<(f32, bool, f32)>> {
        prop::collection::vec((-8.0f32..8.0, any::<bool>(), 0.0f32..=1.0), 1..40)
    }

    proptest! {
        #[test]
        fn eq_14_scales_every_gradient_by_its_weight(points in points()) {
            let logits: Vec<f32> = points.iter().map(|p| p.0).collect();
            let targets: Vec<f32> = points.iter().map(|p| f32::from(u8::from(p.1))).collect();
            let weights: Vec<f32> = points.iter().map(|p| 1.0 - p.2).collect();
            let n = points.len();
            let (plain, plain_gradient) = loss(&logits, &targets, None);
            let (sure, sure_gradient) = loss(&logits, &targets, Some(vec![1.0; n]));
            prop_assert!((plain - sure).abs() <= 1e-5 * plain.abs().max(1.0));
            let (nothing, zero) = loss(&logits, &targets, Some(vec![0.0; n]));
            prop_assert_eq!(nothing, 0.0);
            prop_assert!(zero.iter().all(|g| *g == 0.0));
            let (_, gradient) = loss(&logits, &targets, Some(weights.clone()));
            for i in 0..n {
                prop_assert!((plain_gradient[i] - sure_gradient[i]).abs() < 1e-6);
                prop_assert!((gradient[i] - weights[i] * plain_gradient[i]).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn the_keys_decide_how_the_loss_is_taken() {
        let text = "renormalise = false\npoints = 'uniform'\ndivisor = 'queries'";
        let paper = build(text.parse().unwrap()).unwrap().mask_loss();
        assert!(paper.uniform_points && paper.per_query && !paper.renormalise);
        let recipe = crate::method::config::tests::table("method")["weighting"].clone();
        let recipe = crate::registry::build(super::super::WEIGHTINGS, recipe.try_into().unwrap());
        assert_eq!(recipe.unwrap().mask_loss(), MaskLoss::default());
    }
}
