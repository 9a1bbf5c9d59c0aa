//! The teacher: an exponential moving average of the student over parameters and buffers
//! (https://arxiv.org/abs/1703.01780).
//!
//! `$$ \theta_T \leftarrow \alpha\, \theta_T + (1 - \alpha)\, \theta_S $$`

use crate::nn::params::{Parameters, lend_values};
use crate::ops;
use crate::tensor::Tensor2;
use schemars::JsonSchema;
use serde::Deserialize;

/// The growth of the part that stays.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EmaRamp {
    /// It is the same from the beginning on.
    None,
    /// At most t / (t + 1) after t steps: the teacher is the mean of all students until `ema` is reached (PAIS).
    Mean,
}

/// The average that a teacher is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Average {
    /// The part that stays at every step, in the end.
    pub keep: f32,
    /// Its growth.
    pub ramp: EmaRamp,
    /// The step at which the teacher is a copy of the student.
    pub from: usize,
}

impl Average {
    /// The part that stays at `step`, which comes after the copy.
    ///
    /// `$$ \alpha_t = \min\Bigl(\alpha,\ \frac{t}{t + 1}\Bigr) $$` with [`EmaRamp::Mean`], t being the steps since the
    /// copy. Source: hujiecpp/PAIS 3f3e24d, `mean_teacher.py`.
    pub fn keep_at(self, step: usize) -> f32 {
        let t = step.saturating_sub(self.from) as f32;
        match self.ramp {
            EmaRamp::None => self.keep,
            EmaRamp::Mean => self.keep.min(t / (t + 1.0)),
        }
    }
}

/// Moves every parameter and buffer of `teacher` towards `student`; `keep` is the alpha of the formula. Both
/// walk their parameters in the same order.
///
/// A parameter whose storage both still share (a frozen backbone) is equal already and stays shared.
pub fn follow(teacher: &mut dyn Parameters, student: &mut dyn Parameters, keep: f32) {
    let mut values: Vec<Tensor2> = Vec::new();
    student.parameters("", &mut |_, param| values.push(param.value.clone()));
    lend_values(
        teacher,
        |_| true,
        |teachers| ops::average(teachers, &values, keep),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::params::{Param, ParamKind, move_to};
    use crate::ops::check::on_every_place;
    use crate::tensor::Place;

    /// Some parameters, named by their numbers.
    #[derive(Clone)]
    struct Model(Vec<Param>);

    impl Parameters for Model {
        fn parameters(&mut self, _: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
            for (number, param) in self.0.iter_mut().enumerate() {
                visit(&number.to_string(), param);
            }
        }
    }

    impl Model {
        fn at(place: &Place) -> Self {
            let param = |n: usize| {
                let values = (0..n).map(|i| (i % 23) as f32 / 4.0 - 2.0).collect();
                Param::new(ParamKind::Weight, values, 1, n, &[n])
            };
            let mut model = Self([3, 40_003, 16, 1].map(param).into());
            move_to(&mut model, place);
            model
        }

        fn add(&mut self, number: usize, by: f32) {
            let value = &mut self.0[number].value;
            let moved: Vec<f32> = value.host_values().iter().map(|v| v + by).collect();
            value.assign(&moved);
        }
    }

    #[test]
    fn with_a_ramp_the_teacher_is_the_mean_of_the_students_so_far() {
        let average = |ramp| Average {
            keep: 0.9,
            ramp,
            from: 5,
        };
        let mut student = Model::at(&Place::Host);
        let mut teacher = student.clone();
        let first = student.0[0].value.values()[0];
        // Students at +0, +1, +2, ...: their mean is at half of the last.
        for t in 1..9 {
            student.add(0, 1.0);
            follow(
                &mut teacher,
                &mut student,
                average(EmaRamp::Mean).keep_at(5 + t),
            );
            let moved = teacher.0[0].value.values()[0] - first;
            assert!((moved - t as f32 / 2.0).abs() < 1e-5, "{moved} after {t}");
        }
        assert_eq!(average(EmaRamp::Mean).keep_at(5), 0.0);
        assert_eq!(average(EmaRamp::Mean).keep_at(5 + 8), 8.0 / 9.0);
        assert_eq!(
            average(EmaRamp::Mean).keep_at(5 + 10),
            0.9,
            "no more than `ema`"
        );
        assert_eq!(average(EmaRamp::None).keep_at(6), 0.9);
    }

    on_every_place! {
        fn ten_steps_are_the_formula_and_what_is_shared_stays(place) {
            let mut student = Model::at(place);
            let mut teacher = student.clone();
            let other = teacher.clone();
            let mut expected = Model::at(&Place::Host);
            for step in 0..10 {
                for number in [0, 1, 3] {
                    student.add(number, 0.25 + step as f32);
                }
                follow(&mut teacher, &mut student, 0.99);
                for (teacher, student) in expected.0.iter_mut().zip(&student.0) {
                    for (t, s) in teacher.value.values_mut().iter_mut().zip(&*student.value.host_values()) {
                        *t += (1.0 - 0.99) * (s - *t);
                    }
                }
            }
            let first = Model::at(&Place::Host);
            let models = teacher.0.iter().zip(&expected.0).zip(&other.0).zip(&first.0);
            for (((teacher, expected), other), first) in models {
                for (a, b) in teacher.value.host_values().iter().zip(expected.value.values()) {
                    assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{a}, not {b}");
                }
                assert_eq!(other.value.host_values(), first.value.values(), "no other clone moves");
            }
        }
    }
}
