//! Weighting `dynamic-align`: pseudo-labels count by the teacher's own qualities, the loss of PAIS.
//!
//! `$$ w^{class}_n = s_c \min(c_n, C)^{p_c}, \qquad w^{mask}_n = s_m\, m_n^{p_m} $$`
//!
//! In the class loss, an output to which no pseudo-label was assigned has the weight `negative`. No sum is divided by
//! the weights: labels of a low quality make the loss smaller. With `negative = "teacher-background"`, the rule of Soft
//! Teacher, a region has the probability of background that the teacher gives it, and the class loss is divided by the
//! sum of the weights. Source: hujiecpp/PAIS 3f3e24d, `kernel_update_head.py:527-574`, `fcn_mask_head_iou.py:252-271`.

use super::Weighting;
use crate::detector::{Negative, ObjectWeights};
use crate::registry::{
    self, Check, Checked, ComponentErrors, MOST_WEIGHT, real, schema_of_word_or, word_or_number,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

#[derive(Deserialize, Clone, Debug, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct DynamicAlign {
    /// Factor on the weight of a pseudo-label in the class loss.
    class_scale: f32,
    /// C: a larger class quality counts as this.
    class_cap: f32,
    /// Exponent of the class quality; 0: every pseudo-label has the weight `class-scale`.
    class_power: f32,
    /// Weight of outputs without a pseudo-label in the class loss, in place of the detector's own.
    negative: NegativeWeight,
    /// Factor on the weight of a pseudo-label in the losses of masks.
    mask_scale: f32,
    /// Exponent of the mask quality.
    mask_power: f32,
}

/// The largest exponent. Larger ones are typing mistakes.
const MOST_POWER: f32 = 100.0;

/// The word for [`NegativeWeight::Teacher`].
const TEACHER: &str = "teacher-background";

/// The weight of outputs without a pseudo-label.
#[derive(Clone, Copy, Debug, PartialEq)]
enum NegativeWeight {
    /// The same of all.
    Number(f32),
    /// The teacher's probability of background.
    Teacher,
}

impl<'de> Deserialize<'de> for NegativeWeight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = word_or_number(deserializer, TEACHER, "a number", real)?;
        Ok(number.map_or(Self::Teacher, |number| Self::Number(number as f32)))
    }
}

impl JsonSchema for NegativeWeight {
    fn schema_name() -> Cow<'static, str> {
        "NegativeWeight".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let number =
            json_schema!({ "type": "number", "minimum": 0, "maximum": MOST_WEIGHT as u64 });
        schema_of_word_or(TEACHER, &number)
    }
}

impl Checked for DynamicAlign {
    fn check(&self, check: &mut Check) {
        let most = MOST_WEIGHT as f32;
        check.range("class-scale", self.class_scale, 0.0..=most);
        check.range("class-cap", self.class_cap, 0.0..=1.0);
        check.range("class-power", self.class_power, 0.0..=MOST_POWER);
        if let NegativeWeight::Number(number) = self.negative {
            check.range("negative", number, 0.0..=most);
        }
        check.range("mask-scale", self.mask_scale, 0.0..=most);
        check.range("mask-power", self.mask_power, 0.0..=MOST_POWER);
    }
}

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Weighting>, ComponentErrors> {
    Ok(Box::new(registry::read::<DynamicAlign>(table)?))
}

impl Weighting for DynamicAlign {
    fn of_label(&self, class_quality: f32, mask_quality: f32) -> Option<ObjectWeights> {
        let class = libm::powf(class_quality.min(self.class_cap), self.class_power);
        let mask = libm::powf(mask_quality, self.mask_power);
        Some(ObjectWeights {
            class: self.class_scale * class,
            mask: self.mask_scale * mask,
        })
    }

    fn negative(&self) -> Negative {
        match self.negative {
            NegativeWeight::Number(number) => Negative::Weight(number),
            NegativeWeight::Teacher => Negative::Teacher,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn published() -> Box<dyn Weighting> {
        let table = toml::toml! {
            class-scale = 12.0
            class-cap = 0.5
            class-power = 4.0
            negative = 0.1225
            mask-scale = 2.5
            mask-power = 4.0
        };
        build(table).unwrap()
    }

    #[test]
    fn the_published_weights_follow_from_the_qualities() {
        let rule = published();
        let close = |found: f32, expected: f32| {
            assert!((found - expected).abs() < 6e-4, "{found}, not {expected}");
        };
        for (s, weight) in [(0.35, 0.180), (0.5, 0.75), (0.9, 0.75)] {
            close(rule.of_label(s, 0.0).unwrap().class, weight);
        }
        for (q, weight) in [(0.3, 0.020), (0.795, 0.999), (0.9, 1.640), (1.0, 2.5)] {
            close(rule.of_label(0.0, q).unwrap().mask, weight);
        }
        assert_eq!(rule.negative(), Negative::Weight(0.1225));
    }

    #[test]
    fn a_power_of_0_treats_all_labels_alike_and_the_teacher_may_weigh_the_rest() {
        let table = toml::toml! {
            class-scale = 1
            class-cap = 1.0
            class-power = 0
            negative = "teacher-background"
            mask-scale = 2.5
            mask-power = 4
        };
        let mut keys = table;
        for key in ["class-scale", "class-power", "mask-power"] {
            let whole = keys[key].as_integer().unwrap();
            keys[key] = (whole as f64).into();
        }
        let rule = build(keys).unwrap();
        assert_eq!(rule.of_label(0.0, 0.0).unwrap().class, 1.0);
        assert_eq!(rule.negative(), Negative::Teacher);
    }

    proptest! {
        #[test]
        fn better_labels_weigh_no_less_and_the_qualities_do_not_mix(a in 0.0f32..=1.0, b in 0.0f32..=1.0, other in 0.0f32..=1.0) {
            let rule = published();
            let (low, high) = (a.min(b), a.max(b));
            let of = |c, m| rule.of_label(c, m).unwrap();
            prop_assert!(of(low, other).class <= of(high, other).class);
            prop_assert!(of(other, low).mask <= of(other, high).mask);
            prop_assert_eq!(of(low, other).mask, of(high, other).mask);
            prop_assert_eq!(of(other, low).class, of(other, high).class);
        }
    }
}
