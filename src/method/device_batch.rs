//! A batch on its way to the network.

use crate::data::Batch;
use crate::detector::Detector;
use crate::graph::Images;
use crate::ops::Pixels;
use crate::structures::Picture;
use std::ops::Range;

/// A batch, with its pictures where the network is. A GPU fetches them while it still computes the step before.
#[derive(Debug)]
pub struct DeviceBatch {
    /// The batch.
    pub batch: Batch,
    /// The student's pictures: the labelled pictures, then its views of the unlabelled ones, or what
    /// [`Self::of_student`] was given.
    student: Pixels,
    /// The teacher's pictures: the weak views.
    teacher: Pixels,
}

impl DeviceBatch {
    /// Sends the pictures of `batch` to where `network` is.
    pub fn new(batch: Batch, network: &dyn Detector) -> Self {
        let labelled = batch.labelled.iter().map(|view| &view.picture);
        let strong = batch.unlabelled.iter().map(|views| &views.strong);
        let pseudo = batch.pseudo.iter().map(|one| &one.view.picture);
        let student: Vec<&Picture> = labelled.chain(strong).chain(pseudo).collect();
        let teacher: Vec<&Picture> = batch.unlabelled.iter().map(|views| &views.weak).collect();
        Self {
            student: network.send(&student),
            teacher: network.send(&teacher),
            batch,
        }
    }

    /// A batch of which `network` has been sent `student`'s pictures, and a teacher none.
    pub(super) fn of_student(student: Pixels, batch: Batch, network: &dyn Detector) -> Self {
        Self {
            student,
            teacher: network.send(&[]),
            batch,
        }
    }

    /// Returns true if all pictures of the student have the same size.
    pub(super) fn is_of_one_size(&self) -> bool {
        let sizes = self.student.sizes();
        sizes.iter().all(|size| *size == sizes[0])
    }

    /// The student's whole input.
    pub(super) fn all(&self, student: &dyn Detector) -> Images {
        student
            .trunk()
            .normaliser
            .images(&self.student, 0..self.student.sizes().len())
    }

    /// The student's pictures of the labelled images, and those of the unlabelled ones.
    pub(super) fn kinds(&self) -> [Range<usize>; 2] {
        let labelled = self.batch.labelled.len();
        [0..labelled, labelled..self.student.sizes().len()]
    }

    /// The pictures that are padded to one size with those `of_kind`: all, if they are of one size.
    pub(super) fn padded_with(&self, of_kind: Range<usize>) -> Range<usize> {
        match self.is_of_one_size() {
            true => 0..self.student.sizes().len(),
            false => of_kind,
        }
    }

    /// Rows and columns of the student's input for some pictures, padded with the pictures `all`.
    pub(super) fn padded_size(&self, student: &dyn Detector, all: Range<usize>) -> (usize, usize) {
        let normaliser = &student.trunk().normaliser;
        normaliser.padded(&self.student.sizes()[all])
    }

    /// The pictures `which` of the student's, padded with the pictures `all`.
    pub(super) fn some_among(
        &self,
        student: &dyn Detector,
        which: Range<usize>,
        all: Range<usize>,
    ) -> Images {
        let normaliser = &student.trunk().normaliser;
        normaliser.images_among(&self.student, which, all)
    }

    /// The pictures `which` of the teacher's, padded with all of them.
    pub(super) fn weak_among(&self, teacher: &dyn Detector, which: Range<usize>) -> Images {
        let normaliser = &teacher.trunk().normaliser;
        normaliser.images_among(&self.teacher, which, 0..self.teacher.sizes().len())
    }

    /// The pictures `which` of the student's. Panics without a picture.
    pub(super) fn some(&self, student: &dyn Detector, which: Range<usize>) -> Images {
        student.trunk().normaliser.images(&self.student, which)
    }

    /// The labelled part of it.
    pub(super) fn labelled(&self, student: &dyn Detector) -> Images {
        student
            .trunk()
            .normaliser
            .images(&self.student, 0..self.batch.labelled.len())
    }

    /// The unlabelled part of it.
    pub(super) fn strong(&self, student: &dyn Detector) -> Images {
        let first = self.batch.labelled.len();
        student
            .trunk()
            .normaliser
            .images(&self.student, first..self.student.sizes().len())
    }

    /// The teacher's input.
    pub(super) fn weak(&self, teacher: &dyn Detector) -> Images {
        teacher
            .trunk()
            .normaliser
            .images(&self.teacher, 0..self.teacher.sizes().len())
    }
}
