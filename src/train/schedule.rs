//! The learning rate of a step: a linear warm-up, times drops to a tenth or a polynomial decay.
//!
//! `$$ \eta_t = \eta \cdot w_t \cdot 0.1^{\,|\{d\,:\; t \ge d \cdot T\}|}
//! \quad\text{or}\quad \eta_t = \eta \cdot w_t \cdot \left(1 - \tfrac{t}{T}\right)^{0.9} $$`
//!
//! t the step from 0, T the steps in all, d the fractions of the drops, w the warm-up of W steps:
//!
//! `$$ w_t = \min\!\left(1, \tfrac{t + 1}{W}\right) \quad\text{or}\quad
//! w_t = \min\!\left(1, f + (1 - f) \tfrac{t}{W}\right) $$`
//!
//! The second warm-up is detectron2's, torchvision's and MMDetection's. The polynomial decay is that of DeepLab
//! (<https://arxiv.org/abs/1606.00915>) as Mask2Former's configs of Cityscapes have it: power 0.9, end 0.
//!
//! The released configs write two milestones, `(327778, 355092)` of 368,750 steps, but hand fvcore's
//! scheduler only the two values `(1.0, 0.1)` and no total: fvcore then takes the last milestone for the
//! total and stretches the first one over the run, so that there is one drop, at 327778 / 355092 = 0.923 of
//! the steps (0.58 for 1 % of COCO). A drop is therefore a fraction here. Paper: not stated.

use super::{Decay, Drops, TrainConfig, WarmUpFrom};

/// The factor of the drop (detectron2's and the released configs').
const DROP_FACTOR: f64 = 0.1;
/// The power of the polynomial decay (`SOLVER.POLY_LR_POWER` of Mask2Former's and GuidedDistillation's configs).
const POWER: f64 = 0.9;

/// The learning rate by step.
#[derive(Clone, Debug)]
pub struct Schedule {
    rate: f64,
    warm_up: usize,
    warm_up_from: WarmUpFrom,
    /// The step at which the curve begins.
    first: usize,
    steps: usize,
    decay: Decay,
    drops: Drops,
}

impl Schedule {
    /// The schedule of `[train]`.
    pub fn new(config: &TrainConfig) -> Self {
        Self {
            rate: config.rate,
            warm_up: config.warm_up,
            warm_up_from: config.warm_up_from,
            first: 0,
            steps: config.steps,
            decay: config.schedule,
            drops: config.drop.clone(),
        }
    }

    /// The same curve, which begins at the step `first` of the training.
    pub fn from_step(self, first: usize) -> Self {
        Self { first, ..self }
    }

    /// The learning rate of step `step` of the training, counted from 0.
    pub fn rate(&self, step: usize) -> f32 {
        let step = step - self.first;
        let warm_up = self.warm_up_from.factor(step, self.warm_up);
        let decay = match self.decay {
            Decay::Step => {
                let drops = self.drops.before(step, self.steps);
                (0..drops).fold(1.0, |factor, _| factor * DROP_FACTOR)
            }
            Decay::Poly => libm::pow(1.0 - step as f64 / self.steps as f64, POWER),
        };
        (self.rate * warm_up * decay) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schedule(steps: usize, warm_up: usize, drop: f64) -> Schedule {
        Schedule::new(&TrainConfig {
            rate: 1.0,
            steps,
            warm_up,
            drop: drop.into(),
            ..TrainConfig::for_tests()
        })
    }

    #[test]
    fn the_steps_around_the_corners() {
        let s = schedule(2400, 50, 0.85);
        let rates = [0, 48, 49, 50, 2039, 2040, 2399].map(|step| s.rate(step));
        assert_eq!(rates, [0.02, 0.98, 1.0, 1.0, 1.0, 0.1, 0.1]);
    }

    #[test]
    fn every_drop_of_a_list_divides_by_ten() {
        let s = Schedule::new(&TrainConfig {
            rate: 1.0,
            steps: 90,
            warm_up: 0,
            drop: Drops(vec![60.0 / 90.0, 80.0 / 90.0]),
            ..TrainConfig::for_tests()
        });
        let rates = [0, 59, 60, 79, 80, 89].map(|step| s.rate(step));
        for (rate, expected) in rates.into_iter().zip([1.0, 1.0, 0.1, 0.1, 0.01, 0.01]) {
            assert!((rate / expected - 1.0).abs() < 1e-6, "{rates:?}");
        }
    }

    /// Rates of detectron2's `WarmupPolyLR` with a base rate of 1, 90,000 steps, power 0.9, a linear warm-up of 10
    /// steps from a factor of 0.1: (0.1 + 0.9 t / 10) (1 - t / 90000)^0.9.
    #[test]
    fn the_polynomial_decay_ends_near_zero() {
        let s = Schedule::new(&TrainConfig {
            rate: 1.0,
            steps: 90_000,
            warm_up: 10,
            warm_up_from: WarmUpFrom::Factor(0.1),
            schedule: Decay::Poly,
            ..TrainConfig::for_tests()
        });
        let rates = [0, 5, 10, 45_000, 89_999].map(|step| s.rate(step));
        let expected = [0.1, 0.549_972_5, 0.999_9, 0.535_886_7, 3.476_816_3e-5];
        for (rate, expected) in rates.into_iter().zip(expected) {
            assert!((rate / expected - 1.0).abs() < 1e-6, "{rates:?}");
        }
    }

    #[test]
    fn no_warm_up_starts_at_the_full_rate() {
        assert_eq!(schedule(10, 0, 1.0).rate(0), 1.0);
    }

    proptest! {
        #[test]
        fn rises_then_falls_once(steps in 1usize..500, warm_up in 0usize..600, drop in 0.0f64..=1.0) {
            let s = schedule(steps, warm_up, drop);
            let rates: Vec<f32> = (0..steps).map(|step| s.rate(step)).collect();
            prop_assert!(rates.iter().all(|rate| *rate > 0.0 && *rate <= 1.0));
            let falls = rates.windows(2).filter(|pair| pair[1] < pair[0]).count();
            prop_assert!(falls <= 1, "{falls} falls");
            let low = rates.iter().enumerate().filter(|(step, rate)| {
                **rate < (0.5 * (*step + 1) as f64 / warm_up.max(1) as f64).min(0.5) as f32
            });
            prop_assert_eq!(low.count(), (0..steps).filter(|t| *t as f64 >= drop * steps as f64).count());
        }
    }
}
