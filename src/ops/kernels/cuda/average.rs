//! The moving average of all parameters on the GPU: one launch, a block for every chunk of a parameter.

use super::many::{Addresses, Chunks};
use super::source;
use crate::tensor::Tensor2;
use crate::tensor::cuda::Source;

pub(super) static SOURCE: Source = source!("average");

/// The teachers' and the students' tensors of one average, which moves them all at once.
#[derive(Debug, Default)]
pub(crate) struct Average {
    teachers: Vec<Tensor2>,
    students: Vec<Tensor2>,
}

impl Average {
    /// Lets `teacher` take part. Where it shares its storage with `student` the two are equal and stay so.
    ///
    /// Panics unless both lie on a GPU and have the same length.
    pub(crate) fn add(&mut self, teacher: &mut Tensor2, student: &Tensor2) {
        assert_eq!(teacher.len(), student.len(), "the same parameter");
        if teacher.address() != student.address() {
            teacher.address_mut();
            self.teachers.push(teacher.clone());
            self.students.push(student.clone());
        }
    }

    /// Moves every teacher towards its student; `part`: how far, 1 being all the way.
    pub(crate) fn run(self, part: f32) {
        let Some(gpu) = self.teachers.first().and_then(Tensor2::gpu) else {
            return;
        };
        let lengths: Vec<usize> = self.teachers.iter().map(Tensor2::len).collect();
        let chunks = Chunks::new(gpu, &lengths);
        let addresses = |tensors: &[Tensor2]| tensors.iter().map(Tensor2::address).collect();
        let (mut teachers, mut students) = (Addresses::new(gpu), Addresses::new(gpu));
        let Some(grid) = chunks.grid() else {
            return;
        };
        let rest = [
            teachers.send(gpu, addresses(&self.teachers)).into(),
            students.send(gpu, addresses(&self.students)).into(),
            part.into(),
        ];
        let arguments = [&chunks.arguments()[..], &rest].concat();
        // SAFETY: teacher and student of every pair are live, of one length, and no other tensor shares the teacher's storage.
        unsafe { gpu.launch(&SOURCE, "average", grid, &arguments) };
    }
}
