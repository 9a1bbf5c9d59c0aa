//! The teacher: an exponential moving average of the student over parameters and buffers
//! (https://arxiv.org/abs/1703.01780).
//!
//! $$ \theta_T \leftarrow \alpha\, \theta_T + (1 - \alpha)\, \theta_S $$

use crate::nn::params::Parameters;
use crate::tensor::Tensor2;
use rayon::prelude::*;

/// Values that one task of [`average`] moves; fixed, so that the number of threads changes nothing.
const CHUNK: usize = 1 << 14;

/// Moves `teacher` towards `student` in place; `keep` is the alpha of the formula. Written so that equal values stay equal.
pub fn average(teacher: &mut [f32], student: &[f32], keep: f32) {
    assert_eq!(teacher.len(), student.len(), "the same parameter");
    let part = 1.0 - keep;
    teacher
        .par_chunks_mut(CHUNK)
        .zip(student.par_chunks(CHUNK))
        .for_each(|(teacher, student)| {
            for (t, s) in teacher.iter_mut().zip(student) {
                *t += part * (*s - *t);
            }
        });
}

/// Moves every parameter and buffer of `teacher` towards `student`; both walk their parameters in the same order.
///
/// A parameter whose storage both still share (a frozen backbone) is equal already and stays shared.
pub fn follow(teacher: &mut dyn Parameters, student: &mut dyn Parameters, keep: f32) {
    let mut values: Vec<Tensor2> = Vec::new();
    student.parameters("", &mut |_, param| values.push(param.value.clone()));
    let mut values = values.into_iter();
    let mut on_gpu = crate::ops::Average::default();
    teacher.parameters("", &mut |name, param| {
        let student = values
            .next()
            .unwrap_or_else(|| panic!("the student has no `{name}`"));
        if student.gpu().is_some() {
            on_gpu.add(&mut param.value, &student);
            return;
        }
        if !std::ptr::eq(student.values(), param.value.values()) {
            average(param.value.values_mut(), student.values(), keep);
        }
    });
    assert!(
        values.next().is_none(),
        "the student has more parameters than the teacher"
    );
    on_gpu.run(1.0 - keep);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::params::{Kind, Param, move_to};
    use crate::ops::check::on_every_place;
    use crate::tensor::Place;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_average_lies_between(pairs in prop::collection::vec((-9.0f32..9.0, -9.0f32..9.0), 1..50), keep in 0.0f32..=1.0) {
            let (mut teacher, student): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let before = teacher.clone();
            average(&mut teacher, &student, keep);
            for ((after, before), student) in teacher.iter().zip(&before).zip(&student) {
                prop_assert!(*after >= before.min(*student) - 1e-5 && *after <= before.max(*student) + 1e-5);
                let exact = f64::from(keep) * f64::from(*before) + (1.0 - f64::from(keep)) * f64::from(*student);
                prop_assert!((f64::from(*after) - exact).abs() < 1e-5);
            }
            let mut same = student.clone();
            average(&mut same, &student, keep);
            prop_assert_eq!(same, student);
        }
    }

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
                Param::new(Kind::Weight, values, 1, n, &[n])
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
                    average(teacher.value.values_mut(), &student.value.host_values(), 0.99);
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

    #[test]
    fn long_parameters_are_moved_to_their_end() {
        let mut teacher = vec![0.0; 3 * CHUNK + 7];
        average(&mut teacher, &vec![1.0; 3 * CHUNK + 7], 0.75);
        assert!(teacher.iter().all(|value| *value == 0.25));
    }
}
