//! Arrays of the host that call after call needs again (sizes of levels, reference points): sent to the GPU once.
//!
//! An array is known by its values. It serves all threads, so its first user waits until it is there, and whoever pushes out an old one until
//! no thread's kernels can read that any more.

use crate::tensor::cuda::{Buffer, Element, Gpu};
use std::sync::{Arc, Mutex, PoisonError};

/// Arrays that are kept: those of a few image sizes.
const MOST: usize = 16;

/// An array on the GPU of a number.
struct Kept<T> {
    gpu: usize,
    values: Vec<T>,
    buffer: Arc<Buffer<T>>,
}

/// The arrays sent last, the latest first.
pub(super) struct Resident<T> {
    kept: Mutex<Vec<Kept<T>>>,
}

impl<T: Element + PartialEq> Resident<T> {
    pub(super) const fn new() -> Self {
        Self {
            kept: Mutex::new(Vec::new()),
        }
    }

    /// `values` on `gpu`.
    pub(super) fn on(&self, gpu: &Gpu, values: &[T]) -> Arc<Buffer<T>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept
            .iter()
            .position(|one| one.gpu == gpu.number() && one.values == values);
        let one = match known {
            Some(place) => kept.remove(place),
            None => {
                if kept.len() == MOST {
                    gpu.wait_for_all_threads();
                    kept.pop();
                }
                let buffer = Arc::new(gpu.upload(values));
                gpu.synchronize();
                Kept {
                    gpu: gpu.number(),
                    values: values.to_vec(),
                    buffer,
                }
            }
        };
        let buffer = Arc::clone(&one.buffer);
        kept.insert(0, one);
        buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Place, Precision};

    #[test]
    #[ignore = "needs a GPU"]
    fn the_same_values_are_sent_once_and_old_ones_forgotten_cuda() {
        let Place::Gpu(gpu) = crate::ops::check::gpu(Precision::F32) else {
            panic!("a GPU")
        };
        let resident = Resident::<i32>::new();
        let first = resident.on(&gpu, &[1, 2, 3]);
        assert_eq!(first.values(), [1, 2, 3]);
        assert_eq!(resident.on(&gpu, &[1, 2, 3]).address(), first.address());
        assert_ne!(resident.on(&gpu, &[1, 2]).address(), first.address());
        for i in 0..2 * MOST {
            resident.on(&gpu, &[i as i32]);
        }
        assert_eq!(resident.kept.lock().unwrap().len(), MOST);
        assert_ne!(resident.on(&gpu, &[1, 2, 3]).address(), first.address());
    }

    /// As the test of [`Place::kept`], which does the same for constants.
    #[test]
    #[ignore = "needs a GPU"]
    fn an_array_is_there_for_every_thread_cuda() {
        let Place::Gpu(gpu) = crate::ops::check::gpu(Precision::F32) else {
            panic!("a GPU")
        };
        let resident = Resident::<i32>::new();
        std::thread::scope(|scope| {
            scope.spawn(|| drop(resident.on(&gpu, &[4, 5, 6])));
        });
        assert_eq!(resident.on(&gpu, &[4, 5, 6]).values(), [4, 5, 6]);
    }
}
