//! The weight of the consistency losses during a training: it grows at the beginning and shrinks at the end.
//!
//! `$$ w(t) = \begin{cases} \exp\bigl(-5 (1 - t / T_1)^2\bigr) & t < T_1 \\
//!    \exp\Bigl(-12.5 \bigl(1 - \tfrac{1 - t}{1 - T_2}\bigr)^2\Bigr) & t > T_2 \\ 1 & \text{else} \end{cases} $$`
//!
//! t is the part of the training that is done, T_1 is `up`, T_2 `down-from`. The weight of the first step is 0 if there
//! is a part that grows. Source: CSD (soo89/CSD-SSD 49973cc, `train_csd.py:268-380`); CCT has the first part alone
//! (yassouali/CCT 65d4e5b, `utils/losses.py:9-27`).

use crate::registry::Check;
use schemars::JsonSchema;
use serde::Deserialize;

/// Table `[method.consistency.ramp]`.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ramp {
    /// The part of the training in which the weight grows from 0 to 1; 0: it is 1 from the beginning.
    up: f64,
    /// The part of the training after which the weight shrinks; 1: never.
    down_from: f64,
}

/// The exponents at the ends of the two slopes.
const UP: f64 = 5.0;
const DOWN: f64 = 12.5;

impl Ramp {
    /// Refuses parts that are out of range or in the wrong order.
    pub fn check(&self, check: &mut Check) {
        check.within("ramp", |check| {
            check.range("up", self.up, 0.0..=1.0);
            check.range("down-from", self.down_from, 0.0..=1.0);
            let allowed = format!("at least `up` = {}", self.up);
            check.require(
                self.down_from >= self.up,
                "down-from",
                self.down_from,
                allowed,
            );
        });
    }

    /// The weight of step `step` (from 0 on) of a training of `steps` steps.
    pub fn weight(&self, step: usize, steps: usize) -> f32 {
        let done = step as f64 / steps.max(1) as f64;
        let slope = |power: f64, missing: f64| libm::exp(-power * missing * missing) as f32;
        if step == 0 && self.up > 0.0 {
            0.0
        } else if done < self.up {
            slope(UP, 1.0 - done / self.up)
        } else if done > self.down_from {
            slope(DOWN, 1.0 - (1.0 - done) / (1.0 - self.down_from))
        } else {
            1.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CSD: Ramp = Ramp {
        up: 0.25,
        down_from: 0.75,
    };

    #[test]
    fn the_weights_are_those_of_the_source_at_the_ends_of_the_slopes() {
        let weight = |step| CSD.weight(step, 4000);
        assert_eq!(weight(0), 0.0);
        // exp(-5 / 4) in the middle, and the smallest next to the first step.
        assert!((weight(500) - 0.2865).abs() < 1e-4, "{}", weight(500));
        assert!((weight(1) - 0.00681).abs() < 1e-4, "{}", weight(1));
        assert_eq!([1000, 2000, 3000].map(weight), [1.0; 3]);
        assert!(weight(999) < 1.0 && weight(3001) < 1.0);
        // exp(-12.5 / 4) in the middle of the way down, exp(-12.5) at the end.
        assert!((weight(3500) - 0.0439).abs() < 1e-4, "{}", weight(3500));
        assert!(weight(3999) < 4e-6, "{}", weight(3999));
    }

    #[test]
    fn without_slopes_the_weight_is_1() {
        let flat = Ramp {
            up: 0.0,
            down_from: 1.0,
        };
        assert_eq!([0, 1, 99].map(|step| flat.weight(step, 100)), [1.0; 3]);
        let up = Ramp { up: 0.1, ..flat };
        assert_eq!(up.weight(0, 100), 0.0);
        assert_eq!([10, 99].map(|step| up.weight(step, 100)), [1.0; 2]);
    }

    #[test]
    fn a_ramp_that_shrinks_before_it_has_grown_is_refused() {
        let keys = |up, down_from| {
            let mut check = Check::new();
            Ramp { up, down_from }.check(&mut check);
            let errors = check.finish().err();
            errors.map(|errors| {
                errors
                    .iter()
                    .map(|error| error.key.clone())
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(keys(0.5, 0.5), None);
        assert_eq!(keys(0.6, 0.5), Some(vec!["ramp.down-from".into()]));
        assert_eq!(
            keys(-0.1, 1.5),
            Some(vec!["ramp.up".into(), "ramp.down-from".into()])
        );
    }

    proptest! {
        #[test]
        fn the_weight_grows_stays_and_shrinks(up in 0.01f64..0.5, rest in 0.01f64..0.4, steps in 10usize..500) {
            let ramp = Ramp { up, down_from: 1.0 - rest };
            let weights: Vec<f32> = (0..steps).map(|step| ramp.weight(step, steps)).collect();
            prop_assert!(weights.iter().all(|weight| (0.0..=1.0).contains(weight)));
            for (step, pair) in weights.windows(2).enumerate() {
                let done = (step + 1) as f64 / steps as f64;
                if done <= up {
                    prop_assert!(pair[1] > pair[0] || done == up, "step {}: {:?}", step, pair);
                } else if step as f64 / steps as f64 > 1.0 - rest {
                    prop_assert!(pair[1] < pair[0], "step {}: {:?}", step, pair);
                }
            }
        }
    }
}
