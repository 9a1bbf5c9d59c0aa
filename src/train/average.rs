//! An exponential moving average of the student, kept for evaluation only: it says how much of a teacher's gain is mere
//! averaging of weights.
//!
//! $$ \bar\theta \leftarrow r \bar\theta + (1 - r)\,\theta $$
//!
//! after every step from a given one on, over parameters and buffers, starting as a copy of the student.

use crate::nn::params::Parameters;
use crate::tensor::Tensor2;

/// The average of a model of type `M`.
#[derive(Clone, Debug)]
pub struct Average<M> {
    rate: f32,
    model: M,
}

impl<M: Parameters + Clone> Average<M> {
    /// Starts as a copy of `model`. `rate` in [0, 1) is the share of the past.
    pub fn new(rate: f64, model: &M) -> Self {
        Self {
            rate: rate as f32,
            model: model.clone(),
        }
    }

    /// Moves towards `model`.
    pub fn update(&mut self, model: &mut M) {
        let mut sources: Vec<Tensor2> = Vec::new();
        model.parameters("", &mut |_, param| sources.push(param.value.clone()));
        let (mut sources, rate) = (sources.iter(), self.rate);
        self.model.parameters("", &mut |name, param| {
            let source = sources
                .next()
                .unwrap_or_else(|| panic!("the student has no `{name}`"));
            for (mean, value) in param.value.values_mut().iter_mut().zip(source.values()) {
                *mean = rate * *mean + (1.0 - rate) * value;
            }
        });
    }

    /// The averaged model.
    pub fn model(&mut self) -> &mut M {
        &mut self.model
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::params::{Kind, Param};

    #[derive(Clone)]
    struct Model(Param, Param);

    impl Parameters for Model {
        fn parameters(&mut self, _: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
            visit("weight", &mut self.0);
            visit("running", &mut self.1);
        }
    }

    fn model(value: f32) -> Model {
        let param = |kind| Param::new(kind, vec![value; 3], 1, 3, &[3]);
        Model(param(Kind::Weight), param(Kind::Buffer))
    }

    #[test]
    fn starts_at_the_student_and_moves_by_the_rate_buffers_included() {
        let mut student = model(1.0);
        let mut average = Average::new(0.75, &student);
        student.0.value.values_mut().fill(5.0);
        student.1.value.values_mut().fill(9.0);
        assert_eq!(
            average.model().0.value.values(),
            [1.0; 3],
            "a copy, not a view"
        );
        average.update(&mut student);
        assert_eq!(average.model().0.value.values(), [2.0; 3]);
        assert_eq!(average.model().1.value.values(), [3.0; 3]);
        assert_eq!(
            student.0.value.values(),
            [5.0; 3],
            "the student is untouched"
        );
    }
}
