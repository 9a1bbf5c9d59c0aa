//! Arrays of the host that call after call needs again (sizes of levels, reference points): sent to the GPU once a thread. An array is known
//! by its values.

use crate::tensor::cuda::{Buffer, Element, Gpu, PerThread};
use std::sync::Arc;

/// Arrays that a thread keeps: those of a few image sizes.
const MOST: usize = 16;

/// The arrays sent last.
pub(in crate::ops) struct Resident<T>(PerThread<Vec<T>, Arc<Buffer<T>>>);

impl<T: Element + PartialEq> Resident<T> {
    pub(in crate::ops) const fn new() -> Self {
        Self(PerThread::new(MOST))
    }

    /// `values` on `gpu`.
    pub(in crate::ops) fn on(&self, gpu: &Gpu, values: &[T]) -> Arc<Buffer<T>> {
        let make = || (values.to_vec(), Arc::new(gpu.upload(values)));
        self.0.get(gpu, |known| known == values, make)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{on_a_gpu, the_gpu};

    on_a_gpu! {
        fn the_same_values_are_sent_once_cuda() {
            let gpu = the_gpu();
            let resident = Resident::<i32>::new();
            let first = resident.on(&gpu, &[1, 2, 3]);
            assert_eq!(first.values(), [1, 2, 3]);
            assert_eq!(resident.on(&gpu, &[1, 2, 3]).address(), first.address());
            assert_ne!(resident.on(&gpu, &[1, 2]).address(), first.address());
        }
    }
}
