//! The teacher: an exponential moving average of the student over parameters and buffers
//! (https://arxiv.org/abs/1703.01780).
//!
//! $$ \theta_T \leftarrow \alpha\, \theta_T + (1 - \alpha)\, \theta_S $$

use crate::graph::Mask2Former;
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
pub fn follow(teacher: &mut Mask2Former, student: &mut Mask2Former, keep: f32) {
    let mut values: Vec<Tensor2> = Vec::new();
    student.parameters("", &mut |_, param| values.push(param.value.clone()));
    let mut values = values.into_iter();
    teacher.parameters("", &mut |name, param| {
        let student = values
            .next()
            .unwrap_or_else(|| panic!("the student has no `{name}`"));
        if !std::ptr::eq(student.values(), param.value.values()) {
            average(param.value.values_mut(), student.values(), keep);
        }
    });
    assert!(
        values.next().is_none(),
        "the student has more parameters than the teacher"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn long_parameters_are_moved_to_their_end() {
        let mut teacher = vec![0.0; 3 * CHUNK + 7];
        average(&mut teacher, &vec![1.0; 3 * CHUNK + 7], 0.75);
        assert!(teacher.iter().all(|value| *value == 0.25));
    }
}
